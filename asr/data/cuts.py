"""Cut manifests: the utterances of a corpus, each with its recording and transcript.

A corpus may have a million. So a manifest's cuts are `LazyCut`: what plans need of each is at hand,
and the rest is its packed line, of which lhotse's cut is made when its audio is wanted.
"""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec
from lhotse import Recording, SupervisionSegment
from lhotse.cut import Cut, MixedCut
from lhotse.serialization import deserialize_item

from asr.audio.augment import draw_speed
from asr.config import is_finite, parse_json
from asr.errors import DataError
from asr.files import atomic, opened
from asr.units import Samples, Seconds

LONGEST: Samples = 1 << 28
"""Of a cut, which is read at once: 1 GB, and 4.6 hours at 16 kHz."""

BLOCK = 64
"""Lines that are packed together: a tenth of their size, and 0.2 ms to unpack."""


class LazyCut(msgspec.Struct, frozen=True, gc=False):
    """An utterance as a line of a manifest has it; lhotse's cut is made of the line when asked for.

    A million take 0.6 GB, where lhotse's cuts take 4.
    """

    id: str
    start: Seconds
    """Where it begins in its recording, at plain speed."""
    duration: Seconds
    """At `speed`."""
    text: str
    """The transcript: its supervisions' texts, in order of time."""
    recording_id: str
    """The recording that it is a piece of; one made of several is its own."""
    block: bytes
    """Packed lines."""
    number: int
    """Of its own line in them."""
    speed: float = 1.0
    """How much faster its audio is read than it was spoken."""

    @classmethod
    def of(cls, cut: Cut) -> "LazyCut":
        """An utterance that stands in no manifest yet."""
        return _lazy(cut, zlib.compress(json.dumps(cut.to_dict()).encode()), 0)

    def at_speed(self, speed: float) -> "LazyCut":
        """The same utterance, read so much faster."""
        if speed == 1.0:
            return self
        return msgspec.structs.replace(self, duration=self.duration / speed, speed=self.speed * speed)

    def cut(self) -> Cut:
        """lhotse's cut, which can load the audio at this speed."""
        cut = _parse_cut(self._line())
        return cut if self.speed == 1.0 else cut.perturb_speed(self.speed, affix_id=False)

    def to_dict(self) -> dict[str, Any]:
        """What the manifest says of it, as `Cut.to_dict`; at plain speed."""
        values: dict[str, Any] = parse_json(self._line().decode())
        return values

    def _line(self) -> bytes:
        return zlib.decompress(self.block).split(b"\n")[self.number]


def load_cuts(manifest: Path) -> list[LazyCut]:
    """Read a lhotse cut manifest, `.jsonl` or `.jsonl.gz`, whole.

    Raises:
        DataError: if the file is missing, damaged or empty, or an id stands in it twice; or for the
            first line that is not a cut, or takes audio from a command or an address: nothing is
            run or fetched.
    """
    if not manifest.is_file():
        raise DataError(
            f"{manifest}: no such manifest; `asr prepare` writes one for each split that has usable utterances"
        )
    cuts: list[LazyCut] = []
    number = 0  # kept by hand: a damaged file may fail on the way to its next line
    try:
        with opened(manifest) as file:
            while lines := list(islice(file, BLOCK)):
                block = zlib.compress(b"".join(lines), 1)
                for place, line in enumerate(lines):
                    number += 1
                    if line.strip():
                        cuts.append(_read_line(line, block, place))
                        if len(cuts[-1].id.splitlines()) > 1:
                            raise _Refused("its id has several lines; give it another")
    except _Refused as error:
        raise DataError(f"{manifest}:{number}: {error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{manifest}:{number}: not UTF-8 ({error.reason}); prepare the corpus again") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{manifest}:{number}: not JSON ({error.msg}); prepare the corpus again") from None
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise DataError(f"{manifest}:{number}: not a lhotse cut; prepare the corpus again") from None
    if not cuts:
        raise DataError(f"{manifest}: holds no utterance")
    if len({cut.id for cut in cuts}) < len(cuts):
        repeated = [name for name, count in Counter(cut.id for cut in cuts).items() if count > 1]
        raise DataError(
            f"{manifest}: {len(repeated)} ids stand more than once, such as {repeated[0]}; ids must be unique"
        )
    return cuts


def save_cuts(cuts: Iterable[Cut | LazyCut], manifest: Path) -> None:
    """Write a lhotse cut manifest, `.jsonl.gz`; the same cuts give the same bytes.

    Raises:
        AsrError: if it cannot be written.
    """
    lines = "".join(json.dumps(cut.to_dict(), ensure_ascii=False) + "\n" for cut in cuts)
    with atomic(manifest) as path:
        path.write_bytes(gzip.compress(lines.encode(), mtime=0))  # the time would make the bytes differ


class _Source(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    type: Literal["file"]
    channels: list[int]
    source: str


class _Recording(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    id: str
    sources: list[_Source]
    sampling_rate: int
    num_samples: int
    duration: float
    channel_ids: list[int]


class _Supervision(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    id: str
    recording_id: str
    start: float
    duration: float
    channel: int = 0
    text: str | None = None
    language: str | None = None
    speaker: str | None = None
    custom: dict[str, str | float | None] | None = None


class _Plain(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A line of the kind that `asr prepare` writes: an utterance in a file, and no more."""

    id: str
    start: float
    duration: float
    channel: int
    supervisions: list[_Supervision]
    recording: _Recording
    type: Literal["MonoCut"]


_PLAIN = msgspec.json.Decoder(_Plain)


def _read_line(line: bytes, block: bytes, number: int) -> LazyCut:
    """A line -> its cut. Lines of the usual kind need no lhotse, which takes 50 us for each."""
    try:
        plain = _PLAIN.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # another kind of cut, or none
        return _lazy(_parse_cut(line), block, number)
    _limit(round(plain.duration * plain.recording.sampling_rate))
    parts = plain.supervisions
    return LazyCut(
        plain.id,
        plain.start or 0.0,  # one number for all that are 0
        plain.duration,
        _joined(parts) if len(parts) != 1 else parts[0].text or "",
        plain.id if plain.id == plain.recording.id else plain.recording.id,
        block,
        number,
    )


def _lazy(cut: Cut, block: bytes, number: int) -> LazyCut:
    recording = str(getattr(cut, "recording_id", cut.id))
    return LazyCut(
        cut.id, getattr(cut, "start", 0.0), cut.duration, _joined(cut.supervisions), recording, block, number
    )


def _joined(supervisions: "Iterable[SupervisionSegment | _Supervision]") -> str:
    return " ".join(s.text for s in sorted(supervisions, key=lambda s: s.start) if s.text)


def _limit(samples: Samples) -> None:
    if samples > LONGEST:
        raise _Refused(f"says that it has {samples:,} samples, which is no utterance; cut it into some")


class _Refused(Exception):  # noqa: N818  (a line's, which has no number yet)
    """What a manifest must not ask for."""


def _parse_cut(line: bytes) -> Cut:
    values = parse_json(line.decode("utf-8"))
    if other := next((kind for kind in _sources(values) if kind not in ("file", "memory")), None):
        raise _Refused(f"its audio comes from a {other}, and none is run or fetched: write it to a file")
    cut = deserialize_item(values)
    if not isinstance(cut, Cut):
        raise TypeError(f"a {type(cut).__name__}")
    if not _is_typed(cut):
        raise TypeError("a cut with values of other types")
    _limit(cut.num_samples or 0)  # none without a recording
    return cut


def _is_typed(cut: Cut) -> bool:
    """Whether what is used of a cut has the types that lhotse does not look at."""
    parts = cut.supervisions
    times = [cut.duration, *(time for part in parts for time in (part.start, part.duration))]
    times += [recording.duration for recording in recordings_of(cut)]
    texts = [cut.id, *(part.text for part in parts if part.text is not None)]
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(time, int | float) and is_finite(time) for time in times
    )


def _sources(values: Any) -> Iterator[str]:
    """The kinds of all sources of audio in a cut, also those of its tracks and effects."""
    if isinstance(values, dict):
        if "source" in values and "channels" in values:
            yield str(values.get("type")) if isinstance(values["source"], str) else "value that names no file"
        values = values.values()
    elif not isinstance(values, list):
        return
    for value in values:
        yield from _sources(value)


def recordings_of(cut: Cut) -> list[Recording]:
    """What a cut takes its sound from; a mixed one from several recordings."""
    tracks = [track.cut for track in cut.tracks] if isinstance(cut, MixedCut) else [cut]
    found = (getattr(track, "recording", None) for track in tracks)
    return [recording for recording in found if recording is not None]


def text_of(cut: Cut) -> str:
    """The transcript of one of lhotse's cuts, as `LazyCut.text`."""
    return _joined(cut.supervisions)


def shuffled(cuts: Sequence[LazyCut]) -> list[LazyCut]:
    """Bring cuts into the order of their ids' hash: as if at random, and the same every day."""
    return sorted(cuts, key=lambda cut: sha256(cut.id.encode()).digest())


def perturb_speeds(cuts: Sequence[LazyCut], speeds: tuple[float, ...], *, seed: int, epoch: int) -> list[LazyCut]:
    """Give each cut the speed that it draws for this epoch; the audio follows when it is loaded."""
    return [cut.at_speed(draw_speed(speeds, seed=seed, epoch=epoch, utterance=cut.id)) for cut in cuts]
