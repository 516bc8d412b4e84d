"""Audio without transcripts, to pretrain on: manifests, files and folders become cuts."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from asr.audio.folder import find_recordings
from asr.audio.waveform import AudioInfo
from asr.config import parse_json
from asr.corpora.utterance import Utterance
from asr.data.cuts import LazyCut, load_cuts
from asr.data.prepare import cut_of
from asr.data.recording import Sound, examine_all
from asr.errors import DataError
from asr.progress import Progress
from asr.units import Seconds

LONGEST: Seconds = 16.0
"""A longer recording, or utterance, is cut into pieces."""


def read_audio(sources: Sequence[Path], out: Path, sample_rate: int, progress: Progress) -> list[LazyCut]:
    """Manifests, audio files and folders of them -> cuts of at most 16 seconds.

    A recording that is damaged, silent or not audio is named and left out.

    Args:
        sources: where the audio is.
        out: run folder. It gets `audio/`, FLAC copies of files that libsndfile does not read. It
            also gets `examined.jsonl`, what was found in each file, so that a resumed run does not
            decode them again.
        sample_rate: of those copies, in Hz.
        progress: who is told how far it is.

    Raises:
        DataError: if a source is missing or has no audio in it, or no recording can be used.
    """
    parts: list[list[LazyCut] | list[Path]] = []
    for source in sources:
        is_manifest = source.name.endswith((".jsonl", ".jsonl.gz"))
        parts.append(load_cuts(source) if is_manifest else [found.path for found in find_recordings([source])])
    paths = [item for part in parts for item in part if isinstance(item, Path)]
    sounds = _examine(paths, out, sample_rate, progress)
    cuts = [
        LazyCut.of(cut_of(Utterance(str(item), item, "", where=str(item)), sounds[item]))
        if isinstance(item, Path)
        else item
        for part in parts
        for item in part
        if not isinstance(item, Path) or item in sounds
    ]
    return [piece for cut in cuts for piece in ([cut] if cut.duration <= LONGEST else _pieces(cut))]


def _pieces(cut: LazyCut) -> list[LazyCut]:
    return [LazyCut.of(piece) for piece in cut.cut().cut_into_windows(LONGEST)]


def _examine(paths: Sequence[Path], out: Path, sample_rate: int, progress: Progress) -> dict[Path, Sound]:
    """Decode the recordings that were not decoded before. Those of no use are not in the result.

    Raises:
        DataError: if none can be used.
    """
    memory = Examined(out / "examined.jsonl", sample_rate)
    sounds = {path: sound for path in paths if (sound := memory.recall(path)) is not None}
    new = [path for path in paths if path not in sounds]
    faults = []
    for path, found in examine_all(
        new, check="decode", rewritten=out / "audio", sample_rate=sample_rate, progress=progress
    ):
        if isinstance(found, Sound):
            sounds[path] = found
            memory.keep(path, found)
        else:
            faults.append(found)
    if faults and not sounds:
        raise DataError(faults[0] + (f" (and {len(faults) - 1} more files)" if len(faults) > 1 else ""))
    for fault in faults:
        progress.say(fault)
    if faults:
        progress.say(f"{len(faults)} of {len(sounds) + len(faults)} recordings are left out")
    return sounds


class Examined:
    """What was found in recordings, in a file with a line for each.

    A recording is known by its path, size and time of change.

    Args:
        file: where it is kept; need not exist. A last line that a kill cut short is left out.
        sample_rate: of rewritten copies, in Hz.
    """

    def __init__(self, file: Path, sample_rate: int) -> None:
        self.file = file
        self.sample_rate = sample_rate
        self._sounds: dict[str, Sound] = {}
        for line in file.read_bytes().splitlines() if file.is_file() else ():
            try:
                record = parse_json(line)
                sound = Sound(Path(record["sound"]), AudioInfo(**record["info"]))
                self._sounds[json.dumps(record["recording"])] = sound
            except (ValueError, LookupError, TypeError):
                continue

    def recall(self, recording: Path) -> Sound | None:
        """What was found in it, if it and its rewritten copy are still there and unchanged."""
        sound = self._sounds.get(json.dumps(self._identity(recording)))
        return sound if sound is not None and sound.path.is_file() else None

    def keep(self, recording: Path, sound: Sound) -> None:
        """Write down what was found in it."""
        record = {"recording": self._identity(recording), "sound": str(sound.path), "info": asdict(sound.info)}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(record) + "\n")  # a line of its own, even after one that was cut short

    def _identity(self, recording: Path) -> list[str | int]:
        try:
            status = recording.stat()
        except OSError:  # it is missing, which examining it will say
            return [str(recording)]
        return [str(recording), status.st_size, status.st_mtime_ns, self.sample_rate]
