"""`asr transcribe`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr import __version__
from asr.audio.folder import find_recordings
from asr.cli.live import WatchedGrammar, follow, outlets, sample_blocks
from asr.cli.options import Device, Engine, ModelFolder, Search, chosen_jobs
from asr.cli.output import TerminalProgress, complain, deliver, delivery, following, printed
from asr.cli.parse import NO_PREFIX
from asr.errors import ConfigError
from asr.recogniser.bundled import bundled_model
from asr.text.formats import STANDARD_OUTPUT, Format
from asr.text.timed import TimedText
from asr.transcription.archive import Job, Reading, clear, identity, jobs, listed, transcribed
from asr.transcription.cluster import Cluster, Work, transcribed_on_ray
from asr.transcription.coverage import MIN_CONFIDENCE, Low
from asr.transcription.endpoint import LiveConfig
from asr.transcription.transcribe import Transcriber
from asr.transcription.transcript import Transcript


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
    cluster: Cluster | None = None
    """ray: spread recordings over the Ray cluster at RAY_ADDRESS, or else over one made here."""

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
        if self.cluster is not None and (
            not self.format or self.out is None or STANDARD_OUTPUT in (self.out, *self.files)
        ):
            raise ConfigError("--cluster needs files that all machines see, such as --format json --out DIR")
        recordings = find_recordings(self.files)
        if not recordings:
            raise ConfigError("no file to transcribe was named")
        if self.out is not None and not self.format:
            raise ConfigError("--out needs --format, such as --format srt json")
        if self.skip_existing and (not self.format or self.out == STANDARD_OUTPUT):
            raise ConfigError("--skip-existing needs files, such as --format srt --out DIR")
        skip = self.skip_existing or self.cluster is not None
        everything = jobs(recordings, self.format, self.out, again=skip)
        destination = delivery([job.stem for job in everything], self.format, self.out, nbest=self.nbest, again=True)
        if skip:
            clear(everything)
        waiting = [job for job in everything if not (skip and job.is_done)]
        if len(waiting) < len(everything):
            complain(f"{len(everything) - len(waiting)} of {len(everything)} recordings have their files already")
        if not waiting:
            return
        if self.cluster is not None and self.out is not None:
            try:
                self._on_cluster(waiting, self.out)
            finally:
                clear(waiting)
            return
        transcriber = self._loaded(self.device)
        if self.nbest > 1 and transcriber.decoder is None and transcriber.commands is None:
            raise wrong
        together = chosen_jobs(transcriber.recogniser, self.jobs)
        if len(waiting) == 1:
            transcriber, together = replace(transcriber, jobs=together), 1
        follow = following(self.format, self.out, nbest=self.nbest) if together == 1 else None
        reading = replace(self._reading(transcriber), follow=follow, jobs=together)
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
        transcriber = self._loaded(self.device)
        with sample_blocks(path, self.raw) as (rate, blocks), outlets(self.format == ("json",)) as told:
            watched = WatchedGrammar.of(self.search.commands, transcriber.commands)
            follow(transcriber.stream(rate, self.live), blocks, told, watched)

    def _on_cluster(self, waiting: Sequence[Job], out: Path) -> None:
        """Transcribe recordings on a cluster; what cannot be read is listed in a file, too."""
        files = {job.stem: job.files for job in waiting}

        def print_files(transcript: Transcript, _timed: TimedText) -> None:
            for path in files[transcript.stem]:
                print(path, flush=True)

        work = Work(self._for_actor, self.format, self.jobs, self.device.startswith("cuda"))
        found = transcribed_on_ray(waiting, work, out / "ray.log", TerminalProgress())
        errors = out / "errors.jsonl"
        complaint = f"files could not be transcribed; {errors} lists them"
        deliver(listed(found, errors), print_files, len(waiting), complaint)

    def _for_actor(self, tell: Callable[[str], object]) -> tuple[Transcriber, Reading]:
        """What an actor of a cluster reads with; of several machines, all take the processor."""
        transcriber = self._loaded("cpu" if self.device == "auto" else self.device, tell)
        chosen_jobs(transcriber.recogniser, 1)
        return transcriber, self._reading(transcriber)

    def _loaded(self, device: str, tell: Callable[[str], object] = complain) -> Transcriber:
        transcriber = self.search.transcriber(self.model, device, self.engine, tell)
        return replace(transcriber, min_confidence=self.min_confidence, low=self.low)

    def _reading(self, transcriber: Transcriber) -> Reading:
        return Reading(self.track, self.channel, self.nbest > 1, self.skip_existing, made_of=self._made_of(transcriber))

    def _made_of(self, transcriber: Transcriber) -> tuple[object, ...]:
        """All that a text depends on beside the recording, as JSON."""
        search = self.search
        files = [self.model or bundled_model(), *(search.lm or ()), search.second, search.hotwords, search.commands]
        options = [search.lm is None, search.beam, self.track, self.channel, self.min_confidence, self.low, self.device]
        named = (None if path is None else identity(path) for path in files)
        engine = type(transcriber.recogniser).__name__
        return __version__, engine, transcriber.decoder is None, *named, *options, self.engine
