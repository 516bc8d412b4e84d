"""Cut manifests: the utterances of a corpus, each with its recording and transcript."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from lhotse.cut import Cut
from lhotse.serialization import deserialize_item

from asr.audio.augment import draw_speed
from asr.config import is_finite, parse_json
from asr.errors import DataError
from asr.files import atomic, opened
from asr.units import Samples

LONGEST: Samples = 1 << 28
"""Of a cut, which is read at once: 1 GB, and 4.6 hours at 16 kHz."""


def load_cuts(manifest: Path) -> list[Cut]:
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
    cuts: list[Cut] = []
    number = 0  # kept by hand: a damaged file may fail on the way to its next line
    try:
        with opened(manifest) as lines:
            for line in lines:
                number += 1
                if line.strip():
                    cuts.append(_parse_cut(line))
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
    repeated = [name for name, count in Counter(cut.id for cut in cuts).items() if count > 1]
    if repeated:
        raise DataError(
            f"{manifest}: {len(repeated)} ids stand more than once, such as {repeated[0]}; ids must be unique"
        )
    return cuts


def save_cuts(cuts: Sequence[Cut], manifest: Path) -> None:
    """Write a lhotse cut manifest, `.jsonl.gz`; the same cuts give the same bytes.

    Raises:
        AsrError: if it cannot be written.
    """
    lines = "".join(json.dumps(cut.to_dict(), ensure_ascii=False) + "\n" for cut in cuts)
    with atomic(manifest) as path:
        path.write_bytes(gzip.compress(lines.encode(), mtime=0))  # the time would make the bytes differ


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
    if (cut.num_samples or 0) > LONGEST:  # none without a recording
        raise _Refused(f"says that it has {cut.num_samples:,} samples, which is no utterance; cut it into some")
    return cut


def _is_typed(cut: Cut) -> bool:
    """Whether what is used of a cut has the types that lhotse does not look at."""
    parts = cut.supervisions
    times = [cut.duration, *(time for part in parts for time in (part.start, part.duration))]
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


def text_of(cut: Cut) -> str:
    """The transcript of a cut: its supervisions' texts, in order of time."""
    return " ".join(s.text for s in sorted(cut.supervisions, key=lambda s: s.start) if s.text)


def recording_of(cut: Cut) -> str:
    """The recording that a cut is a piece of; one made of several is its own."""
    return str(getattr(cut, "recording_id", cut.id))


def shuffled(cuts: Sequence[Cut]) -> list[Cut]:
    """Bring cuts into the order of their ids' hash: as if at random, and the same every day."""
    return sorted(cuts, key=lambda cut: sha256(cut.id.encode()).digest())


def perturb_speeds(cuts: Sequence[Cut], speeds: tuple[float, ...], *, seed: int, epoch: int) -> list[Cut]:
    """Give each cut the speed that it draws for this epoch; the audio follows when it is loaded."""
    drawn = ((cut, draw_speed(speeds, seed=seed, epoch=epoch, utterance=cut.id)) for cut in cuts)
    return [cut if speed == 1.0 else cut.perturb_speed(speed, affix_id=False) for cut, speed in drawn]
