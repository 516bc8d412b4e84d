"""Utterances -> log-probs, batch by batch."""

from collections.abc import Iterator, Sequence

from asr.data.batches import Batch, load_batches, plan_batches
from asr.data.cuts import LazyCut
from asr.model.acoustic import Emissions
from asr.progress import Progress, track
from asr.ranks import ALONE, Ranks
from asr.recogniser.engine import Engine

BATCH_SECONDS = 120.0


def in_turn(
    recogniser: Engine,
    cuts: Sequence[LazyCut],
    doing: str,
    progress: Progress,
    *,
    loaders: int = 1,
    ranks: Ranks = ALONE,
) -> Iterator[Batch]:
    """Read utterances batch by batch and tell how far it is; of several ranks each reads its share.

    Raises:
        DataError: if an utterance's audio cannot be read.
    """
    plan = ranks.deal(plan_batches(cuts, BATCH_SECONDS, seed=None))
    rate = recogniser.config.features.sample_rate
    batches = load_batches(plan, recogniser.tokenizer, sample_rate=rate, loaders=loaders, progress=progress)
    yield from track(batches, doing, len(plan), progress)


def emitted(
    recogniser: Engine,
    cuts: Sequence[LazyCut],
    doing: str,
    progress: Progress,
    *,
    loaders: int = 1,
    ranks: Ranks = ALONE,
) -> Iterator[tuple[Batch, Emissions]]:
    """Score utterances, as `in_turn` reads them."""
    for batch in in_turn(recogniser, cuts, doing, progress, loaders=loaders, ranks=ranks):
        yield batch, recogniser.emissions(batch.waveforms, batch.num_samples)
