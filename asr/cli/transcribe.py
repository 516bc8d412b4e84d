"""`asr transcribe`."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr import __version__
from asr.audio.folder import find_recordings
from asr.cli.batch import Reading, identity, jobs, transcribed
from asr.cli.live import WatchedGrammar, follow, outlets, sample_blocks
from asr.cli.options import Device, Engine, ModelFolder, Search, chosen_jobs
from asr.cli.output import STANDARD_OUTPUT, TerminalProgress, complain, deliver, delivery, following, printed
from asr.cli.parse import NO_PREFIX
from asr.errors import ConfigError
from asr.recogniser.bundled import bundled_model
from asr.text.formats import Format
from asr.transcription.coverage import MIN_CONFIDENCE, Low
from asr.transcription.endpoint import LiveConfig
from asr.transcription.transcribe import Transcriber


@dataclass(frozen=True)
class Transcribe:
    """Print the text of recordings, a line each: file, tab, text. Or write files, with times."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE ...")]
    """Audio files, or folders of them; - is standard input."""
    model: ModelFolder = None
    format: tuple[Format, ...] = ()
    """Write files of these forms instead of printing lines."""
    out: Path | None = None
    """Folder for the files. Without it they lie beside the recordings; - is standard output."""
    nbest: int = 1
    """With a beam search: how many texts to print, each with its score between two tabs."""
    track: int | None = None
    """Of files with several sound tracks: the one to read, from 0. Without it their default one."""
    channel: int | None = None
    """Of files with several channels: the one to read, from 0. Without it they are averaged."""
    skip_existing: bool = False
    """Leave out recordings whose files are all there: an earlier run's, or another process's."""
    min_confidence: float = MIN_CONFIDENCE
    """Words that are less sure are left out; 0 keeps all, also those on music and noise."""
    low: Low = "drop"
    """Of such words: drop them, or mark them, which JSON shows."""
    stream: bool = False
    """Read one file, or - as it comes, and print segments as they are said (json: every event)."""
    raw: int | None = None
    """With --stream -: bare samples of 16 bits come instead of WAV, at this rate in Hz."""
    live: Annotated[LiveConfig, NO_PREFIX] = field(default_factory=LiveConfig)
    search: Annotated[Search, NO_PREFIX] = field(default_factory=Search)
    device: Device = "auto"
    engine: Engine = "auto"
    jobs: int | None = None
    """Recordings, or pieces of one, that are read at the same time. Without it, one a core."""

    def run(self) -> None:
        if self.stream:
            self._follow()
            return
        searches = self.search.is_wanted or (self.model is None and not self.search.greedy)
        wrong = ConfigError(
            f"--nbest {self.nbest} is not allowed; it is at least 1, and above it asks for --beam, --lm or --commands, "
            "without --format"
        )
        if self.nbest < 1 or (self.nbest > 1 and (self.format or not searches)):
            raise wrong
        recordings = find_recordings(self.files)
        if not recordings:
            raise ConfigError("no file to transcribe was named")
        if self.out is not None and not self.format:
            raise ConfigError("--out needs --format, such as --format srt json")
        if self.skip_existing and (not self.format or self.out == STANDARD_OUTPUT):
            raise ConfigError("--skip-existing needs files, such as --format srt --out DIR")
        everything = jobs(recordings, self.format, self.out, again=self.skip_existing)
        destination = delivery([job.stem for job in everything], self.format, self.out, nbest=self.nbest, again=True)
        waiting = [job for job in everything if not (self.skip_existing and job.is_done)]
        if len(waiting) < len(everything):
            complain(f"{len(everything) - len(waiting)} of {len(everything)} recordings have their files already")
        if not waiting:
            return
        transcriber = self.search.transcriber(self.model, self.device, self.engine)
        if self.nbest > 1 and transcriber.decoder is None and transcriber.commands is None:
            raise wrong
        transcriber = replace(transcriber, min_confidence=self.min_confidence, low=self.low)
        together = chosen_jobs(transcriber.recogniser, self.jobs)
        if len(waiting) == 1:
            transcriber, together = replace(transcriber, jobs=together), 1
        follow = following(self.format, self.out, nbest=self.nbest) if together == 1 else None
        reading = Reading(
            self.track, self.channel, self.nbest > 1, self.skip_existing, follow, self._made_of(transcriber), together
        )
        found = transcribed(transcriber, waiting, TerminalProgress(), reading)
        deliver(found, destination if follow is None else printed, len(waiting), "files could not be transcribed")

    def _follow(self) -> None:
        """Read one source as it comes."""
        if (
            len(self.files) != 1
            or self.format not in ((), ("txt",), ("json",))
            or self.nbest > 1
            or self.out is not None
        ):
            raise ConfigError("--stream takes one file, or -, and of all --format only txt or json")
        (path,) = self.files
        transcriber = self.search.transcriber(self.model, self.device, self.engine)
        transcriber = replace(transcriber, min_confidence=self.min_confidence, low=self.low)
        with sample_blocks(path, self.raw) as (rate, blocks), outlets(self.format == ("json",)) as told:
            watched = WatchedGrammar.of(self.search.commands, transcriber.commands)
            follow(transcriber.stream(rate, self.live), blocks, told, watched)

    def _made_of(self, transcriber: Transcriber) -> tuple[object, ...]:
        """All that a text depends on beside the recording, as JSON."""
        search = self.search
        files = [self.model or bundled_model(), *(search.lm or ()), search.second, search.hotwords, search.commands]
        options = [search.lm is None, search.beam, self.track, self.channel, self.min_confidence, self.low, self.device]
        named = (None if path is None else identity(path) for path in files)
        engine = type(transcriber.recogniser).__name__
        return __version__, engine, transcriber.decoder is None, *named, *options, self.engine
