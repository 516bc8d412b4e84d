"""What train, dev and test have in common, what train lacks, and which tokens suit it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lhotse.cut import Cut

from asr.data.cuts import text_of

_SHOWN = 20
"""Characters that a note names."""
FEW_HOURS = 5.0
"""Less speech than that is too little to learn subwords of (`recipes/RESULTS.md`)."""
MANY_HOURS = 100.0
LARGE_ALPHABET = 150
"""From so many characters on, each is a syllable or a word already."""
FRAMES_PER_SECOND = 25.0
"""Of a model's output, by default."""


def shared(cuts: Mapping[str, Sequence[Cut]]) -> str | None:
    """Say how many utterances of dev and test train has too; None if there are none.

    A recording is the same if its file is, or another file of the same bytes. Only recordings of
    equal length with the same text are compared.
    """
    train = cuts["train"]
    sentences = {text_of(cut) for cut in train}
    likely: dict[tuple[str, int, float], list[Cut]] = defaultdict(list)
    for cut in train:
        likely[_likeness(cut)].append(cut)
    parts = []
    for name in ("dev", "test"):
        again = sum(
            any(_same_sound(cut, other) for other in likely.get(_likeness(cut), ())) for cut in cuts.get(name, ())
        )
        said = sum(text_of(cut) in sentences for cut in cuts.get(name, ()))
        if said:
            recordings = f"{again} recordings with their text, and " if again else ""
            parts.append(f"of {name} {recordings}the sentences of {said} of its {len(cuts[name])} utterances")
    if not parts:
        return None
    return f"train has {'; '.join(parts)}: a score there does not tell how new ones are recognised"


def _likeness(cut: Cut) -> tuple[str, int, float]:
    recording = getattr(cut, "recording", None)
    return text_of(cut), recording.num_samples if recording else 0, round(cut.start, 3)


def _same_sound(first: Cut, second: Cut) -> bool:
    files = [[source.source for source in cut.recording.sources] for cut in (first, second)]
    return files[0] == files[1] or [_digest(name) for name in files[0]] == [_digest(name) for name in files[1]]


def _digest(name: str) -> bytes:
    try:
        return hashlib.sha256(Path(name).read_bytes()).digest()
    except OSError:
        return name.encode()


def lacking(train: Iterable[str], others: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Say which characters of other splits train lacks, and what they cost, a sentence a split.

    Args:
        train: its transcripts.
        others: transcripts by the name of the split.
    """
    known = set("".join(train))
    for name, texts in others.items():
        unknown = Counter(character for text in texts for character in text if character not in known)
        if not unknown:
            continue
        words = [word for text in texts for word in text.split()]
        lost = sum(any(character in unknown for character in word) for word in words)
        characters = sum(map(len, texts))
        named = ", ".join(f"{character} ({count})" for character, count in unknown.most_common(_SHOWN))
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        yield (
            f"{name} has characters that train lacks: {named}{more}; no model of it can write them, which costs "
            f"{100 * lost / max(1, len(words)):.1f} % of {name}'s words (WER) and "
            f"{100 * sum(unknown.values()) / max(1, characters):.1f} % of its characters (CER)"
        )


def recommended_units(cuts: Sequence[Cut]) -> str:
    """Say which tokens suit training utterances, as options of `asr train`, and why.

    Characters suit little speech and alphabets of syllables or words. Subwords suit much speech,
    and transcripts with more characters than a model has frames.
    """
    texts = [text_of(cut) for cut in cuts]
    alphabet = set("".join(texts)) - {" "}
    hours = sum(cut.duration for cut in cuts) / 3600
    crowded = sum(len(text) > FRAMES_PER_SECOND * cut.duration for text, cut in zip(texts, cuts, strict=True))
    known = f"{len(alphabet)} characters in {hours:.1f} hours of train"
    characters, subwords = "--tokenizer.units characters", "--tokenizer.units sentencepiece --tokenizer.size"
    if crowded > len(cuts) / 20 and len(alphabet) < LARGE_ALPHABET:
        return f"{subwords} {max(100, 2 * len(alphabet))} ({crowded} utterances have more characters than frames)"
    if len(alphabet) >= LARGE_ALPHABET:
        return f"{characters} ({known}: each tells much already)"
    if hours < FEW_HOURS:
        return f"{characters} ({known}: little to learn subwords from)"
    return f"{subwords} {1000 if hours >= MANY_HOURS else 256} ({known})"
