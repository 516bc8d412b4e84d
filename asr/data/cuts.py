"""Cut manifests: the utterances of a corpus, each with its recording and transcript."""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from lhotse.cut import Cut
from lhotse.serialization import deserialize_item

from asr.audio.augment import draw_speed
from asr.errors import DataError
from asr.files import atomic, opened


def load_cuts(manifest: Path) -> list[Cut]:
    """Read a lhotse cut manifest, `.jsonl` or `.jsonl.gz`, whole.

    Raises:
        DataError: if the file is missing, damaged or empty, or an id stands in it twice; or for the
            first line that is not a cut.
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
    except UnicodeDecodeError as error:
        raise DataError(f"{manifest}:{number}: not UTF-8 ({error.reason}); prepare the corpus again") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{manifest}:{number}: not JSON ({error.msg}); prepare the corpus again") from None
    except (ValueError, KeyError, TypeError, AssertionError, AttributeError):
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


def _parse_cut(line: bytes) -> Cut:
    cut = deserialize_item(json.loads(line.decode("utf-8")))
    if not isinstance(cut, Cut):
        raise TypeError(f"a {type(cut).__name__}")
    return cut


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
