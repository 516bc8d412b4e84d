"""Setting utterances aside for dev and test, the same ones on every machine and every day."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence

from asr.corpora.utterance import Utterance
from asr.text.normalise import normalise

Key = Callable[[Utterance], str]
"""What must not be torn apart: utterances of one key go to one split."""


def by_text(utterance: Utterance) -> str:
    """Keep recordings of the same words together, however they are spelled."""
    return normalise(utterance.text) or utterance.text


def by_speaker(utterance: Utterance) -> str:
    """Keep a speaker together; an unknown speaker's utterances are taken for as many speakers."""
    return utterance.speaker if utterance.speaker is not None else f"\0{utterance.id}"


def by_id(utterance: Utterance) -> str:
    """Keep nothing together."""
    return utterance.id


def natural_key(utterances: Sequence[Utterance]) -> Key:
    """Choose what a corpus that has no splits of its own is parted by.

    That is speakers, where ten or more are known: a recogniser is for strangers. Else it is texts,
    so that no test sentence was trained on. But it is single recordings where each text is spoken
    ten times or more (commands, digits), or there are fewer than three texts. A text held out would
    then be a word without any training.
    """
    if len({utterance.speaker for utterance in utterances} - {None}) >= 10:
        return by_speaker
    texts = {by_text(utterance) for utterance in utterances}
    return by_text if len(texts) >= 3 and len(utterances) < 10 * len(texts) else by_id


def hold_out(
    utterances: Sequence[Utterance], share: float, key: Key
) -> tuple[tuple[Utterance, ...], tuple[Utterance, ...]]:
    """Part utterances into (kept, held out) without tearing a key apart.

    Keys are taken in the order of their SHA-256, each if it still fits into `share` of the
    utterances. So the choice looks random and depends on nothing but the corpus. If none fits, the
    smallest is taken. If there is only one key, nothing is held out.
    """
    keys = [key(utterance) for utterance in utterances]
    sizes = Counter(keys)
    order = sorted(sizes, key=lambda name: hashlib.sha256(name.encode(errors="surrogatepass")).digest())
    room = round(share * len(utterances))
    held: set[str] = set()
    for name in order:
        if sizes[name] <= room:
            held.add(name)
            room -= sizes[name]
    if not held and len(order) > 1:
        held.add(min(order, key=sizes.__getitem__))
    pairs = list(zip(keys, utterances, strict=True))
    return tuple(u for name, u in pairs if name not in held), tuple(u for name, u in pairs if name in held)


def complete(
    train: Sequence[Utterance],
    dev: Sequence[Utterance] = (),
    test: Sequence[Utterance] = (),
    *,
    key: Key,
    dev_share: float = 0.1,
    test_share: float = 0.1,
) -> tuple[tuple[Utterance, ...], tuple[Utterance, ...], tuple[Utterance, ...]]:
    """Hold out of train what the corpus does not have: test, dev, or both.

    The shares are of train as it is given.
    """
    rest = tuple(train)
    dev_size = dev_share * len(rest)
    if not test:
        rest, test = hold_out(rest, test_share, key)
    if not dev:
        rest, dev = hold_out(rest, dev_size / max(1, len(rest)), key)
    return rest, tuple(dev), tuple(test)
