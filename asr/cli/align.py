"""`asr align`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from asr.cli.options import Device, ModelFolder
from asr.cli.output import deliver, delivery
from asr.data.cuts import load_cuts
from asr.errors import ConfigError, DataError
from asr.text.formats import STANDARD_OUTPUT, Format
from asr.transcription.align import align_cuts, align_file, file_stem
from asr.transcription.transcribe import Transcriber
from asr.transcription.transcript import Transcript


@dataclass(frozen=True)
class Align:
    """Find when each word of a known text is said, in a recording or a manifest's utterances."""

    source: Annotated[Positional[Path], arg(metavar="AUDIO|MANIFEST")]
    """An audio file, or a lhotse cut manifest (.jsonl, .jsonl.gz) with its own transcripts."""
    text: Annotated[Positional[str | None], arg(metavar="[TEXT]")] = None
    """For an audio file: what is said in it, or a text file that holds it."""
    model: ModelFolder = None
    format: tuple[Format, ...] = ("ctm",)
    """Forms to write."""
    out: Path = STANDARD_OUTPUT
    """Folder for files; - is standard output."""
    track: int | None = None
    """Of an audio file with several sound tracks: the one to read, from 0."""
    channel: int | None = None
    """Of an audio file with several channels: the one to read, from 0."""
    device: Device = "auto"

    def run(self) -> None:
        is_manifest = self.source.name.endswith((".jsonl", ".jsonl.gz"))
        if is_manifest and self.text is not None:
            raise ConfigError("a manifest has its own transcripts; leave the text out")
        if not is_manifest and self.text is None:
            raise ConfigError(f"say what is said in {self.source}: asr align {self.source} TEXT")
        if is_manifest and (self.track is not None or self.channel is not None):
            raise ConfigError("--track and --channel choose from an audio file; a manifest names its channels")
        if not self.format:
            raise ConfigError("--format needs a form, such as ctm")
        cuts = load_cuts(self.source) if is_manifest else []
        stems = [file_stem(cut) for cut in cuts] or [Path(self.source.stem)]
        destination = delivery(stems, self.format, self.out)
        text = None if self.text is None else read_text(self.text)
        transcriber = Transcriber.load(self.model, lm=False, device=self.device, engine="torch")
        if text is None:
            found: Iterable[Transcript] = align_cuts(transcriber, cuts)
        else:
            found = [align_file(transcriber, self.source, text, track=self.track, channel=self.channel)]
        deliver(found, destination, len(stems), "utterances could not be aligned")


def read_text(text: str) -> str:
    """Read a text file; what is not the name of one is a text itself.

    Raises:
        DataError: if the file cannot be read, or is missing and was clearly meant.
    """
    path = Path(text)
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{text}: not UTF-8 (iconv converts it)") from None
    except OSError as error:
        if not isinstance(error, PermissionError):  # too long for the name of a file: a text
            return text
        raise DataError(f"{text}: cannot be read ({error.strerror})") from None
    if path.suffix == ".txt":
        raise DataError(f"{text}: no such text file")
    return text
