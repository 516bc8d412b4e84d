"""One test set, one or more systems: normalised, scored, compared and broken down."""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

from asr.config import NOT_NEGATIVE, at_least, check
from asr.errors import ConfigError, DataError
from asr.progress import SILENT, Progress, track
from asr.scoring.alternatives import Choices, nearest_reading, parse_alternatives
from asr.scoring.breakdown import Group, Speakers, group, over_speakers
from asr.scoring.compare import Comparison, compare
from asr.scoring.entries import TranscriptEntry
from asr.scoring.nist import OUTSIDE, read_segmented_ctm, read_stm
from asr.scoring.sclite import cost
from asr.scoring.score import Costs, Score, score
from asr.scoring.transcripts import read_fields, read_numbered_lines, read_texts, read_transcripts
from asr.text.normalise import Normalisation, normaliser

READINGS = 1000
"""Of a hypothesis with alternatives, so many are tried."""
MOST_TRIED = 500_000
"""Readings times words of the reference: of a very long one, fewer readings are tried."""


@dataclass(frozen=True)
class ScoreOptions:
    """How texts are scored, and what is shown of it; `asr score` and `asr evaluate` share these."""

    normalise: Normalisation = "none"
    """What does not count. basic: case, punctuation. english: spelling, contractions, numbers."""
    language: str | None = None
    """The texts' language, for basic: in Turkish (tr) the small letter of I is ı."""
    alternatives: bool = False
    """Read {colour / color}, {uh / @} and (uh) in references as alternatives and optional words."""
    costs: Costs = "unit"
    """What alignments minimise. unit: errors. sclite: 4 a substitution, 3 otherwise."""
    by: tuple[str, ...] = ()
    """Fields of the manifest by which to break the figures down, such as speaker or duration."""
    samples: int = 1000
    """Bootstrap samples for the intervals."""
    seed: int = 0
    """Of the bootstrap."""
    json: bool = False
    """Print JSON instead of tables."""
    worst: int = 5
    """How many of the worst utterances to show."""
    html: Path | None = None
    """Also write a page for the browser, with figures, alignments, plots and the recordings."""
    embed_audio: bool = False
    """Put the recordings into the page, as MP3, instead of links to them."""

    def __post_init__(self) -> None:
        check(self, samples=at_least(1), seed=NOT_NEGATIVE, worst=NOT_NEGATIVE)


@dataclass(frozen=True)
class System:
    """One system's score, by the fields that were asked for and over speakers, if all are known."""

    name: str
    score: Score
    speakers: Speakers | None
    groups: Mapping[str, list[Group]]

    def to_json(self) -> dict[str, Any]:
        """Give the fields of `Score.to_json`, then `speakers` and `by`.

        `speakers` is null where they are not known, else `number` and the five rates, with
        intervals over speakers. `by` maps a field to a list of groups, each with `group`, its name,
        and the fields of a score.
        """
        return self.score.to_json() | {
            "speakers": self.speakers and self.speakers.to_json(),
            "by": {
                field: [{"group": part.name} | part.score.to_json() for part in parts]
                for field, parts in self.groups.items()
            },
        }


@dataclass(frozen=True)
class Assessment:
    """A test set with the scores of one or more systems."""

    systems: tuple[System, ...]
    comparisons: tuple[Comparison, ...]
    utterances: Mapping[str, TranscriptEntry]
    """What is known of the references."""
    options: ScoreOptions
    hints: tuple[str, ...] = ()
    """What looks like a mistake in how the files were read, a sentence each."""

    @property
    def conditions(self) -> str:
        """The conditions under which the figures hold, in a sentence."""
        forms = {
            "none": "Texts are scored as they are, not normalised.",
            "basic": "Case, punctuation and the looks of characters do not count (basic normalisation).",
            "english": "Texts went through Whisper's English normaliser.",
        }
        readings = " References are read with alternatives and optional words." if self.options.alternatives else ""
        costs = " Alignments minimise sclite's costs." if self.options.costs == "sclite" else ""
        return (
            f"{forms[self.options.normalise]}{readings}{costs} "
            f"Intervals: 95 %, bootstrap-t over utterances, {self.options.samples:,} samples."
        )

    def to_json(self) -> dict[str, Any]:
        """Give `normalisation`, `alternatives` and `costs`, and what there is of the systems.

        Of one system these are its fields (see `System.to_json`). Of several it is a list
        `systems`, each with `name` and its fields, and a list `comparisons` (see
        `Comparison.to_json`).
        """
        options = self.options
        conditions = {
            "normalisation": options.normalise,
            "alternatives": options.alternatives,
            "costs": options.costs,
        }
        if len(self.systems) == 1:
            return self.systems[0].to_json() | conditions
        systems = [{"name": system.name} | system.to_json() for system in self.systems]
        return {"systems": systems, "comparisons": [c.to_json() for c in self.comparisons]} | conditions


def read_test_set(
    reference: Path,
    hypotheses: Sequence[Path],
    *,
    plain: bool = False,
    details: Path | None = None,
    costs: Costs = "unit",
) -> tuple[dict[str, TranscriptEntry], dict[str, dict[str, str]]]:
    """Read a file of references and one or more of hypotheses.

    Args:
        reference: the file of references.
        hypotheses: a file a system. It is called by its file's name, or by its folder if others
            share the name.
        plain: pair lines by number.
        details: a file with more fields of the same utterances; the reference's own come first.
        costs: by sclite's, words of a CTM between segments of an STM belong to the next one. Else
            they get an utterance of their own, of no reference words.

    Raises:
        ConfigError: if no hypotheses are named, or a file twice.
        DataError: for a file that cannot be read, or plain files of different length.
    """
    if not hypotheses or len(set(hypotheses)) < len(hypotheses):
        raise ConfigError("name one or more files of hypotheses after the references, each once: asr score REF HYP ...")
    references = read_numbered_lines(reference) if plain else read_transcripts(reference)
    if details is not None:
        more = read_fields(details)
        references = {id: _merged(utterance, more.get(id)) for id, utterance in references.items()}
    systems = {}
    for name, path in zip(_names(hypotheses), hypotheses, strict=True):
        if plain:
            texts = {id: utterance.text for id, utterance in read_numbered_lines(path).items()}
            if len(texts) != len(references):
                raise DataError(
                    f"{path} has {len(texts)} lines, {reference} {len(references)}: lines cannot be paired by number; "
                    "use a form with ids"
                )
        elif reference.suffix.lower() == ".stm" and path.suffix.lower() == ".ctm":
            ignored = read_stm(reference, ignored=True)
            texts = read_segmented_ctm(path, references, ignored=ignored, like_sclite=costs == "sclite")
        else:
            texts = read_texts(path, hypotheses=True)
        systems[name] = texts if plain else _with_ids_of(references, texts)
    outside = {id for texts in systems.values() for id in texts if id.endswith(OUTSIDE) and id not in references}
    references |= {id: TranscriptEntry(id, "", {"speaker": OUTSIDE}) for id in sorted(outside)}
    return references, {name: dict.fromkeys(sorted(outside), "") | texts for name, texts in systems.items()}


def _with_ids_of(references: Mapping[str, TranscriptEntry], texts: Mapping[str, str]) -> dict[str, str]:
    """Give hypotheses the ids of references that differ in letter case alone."""
    ours = Counter(id.casefold() for id in references)
    theirs = Counter(id.casefold() for id in texts)
    known = {id.casefold(): id for id in references if ours[id.casefold()] == 1}
    return {
        known.get(id.casefold(), id) if theirs[id.casefold()] == 1 and id not in references else id: text
        for id, text in texts.items()
    }


def _names(paths: Sequence[Path]) -> list[str]:
    """Call files by their names, or those of one name by the folders in which they differ."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    absolute = [path.absolute() for path in paths]
    common = Path(os.path.commonpath(absolute))
    same = len(set(names)) == 1
    return [str((path.parent if same else path).relative_to(common)) for path in absolute]


def _merged(entry: TranscriptEntry, more: TranscriptEntry | None) -> TranscriptEntry:
    if more is None:
        return entry
    fields = {**more.fields, **entry.fields}
    return replace(entry, fields=fields, audio=entry.audio or more.audio)


def assess(
    references: Mapping[str, TranscriptEntry],
    systems: Mapping[str, Mapping[str, str]],
    options: ScoreOptions,
    progress: Progress = SILENT,
) -> Assessment:
    """Score each system's hypotheses against the references.

    Args:
        references: by utterance id; their fields are what figures can be broken down by.
        systems: name to hypotheses by utterance id.
        options: how.

    Raises:
        DataError: if a system has no id in common with the references, or a reference's
            alternatives cannot be read.
        ConfigError: if no utterance has a field that was asked for.
        MissingExtra: if an option needs a library that is not installed.
    """
    values = {
        field: {id: utterance.fields[field] for id, utterance in references.items() if field in utterance.fields}
        for field in (*options.by, "speaker")
    }
    for field in options.by:
        if not values[field]:
            there = sorted({name for utterance in references.values() for name in utterance.fields})
            raise ConfigError(f"--by {field}: no utterance has it; there is {', '.join(there) or 'no field at all'}")
    draws = {"samples": options.samples, "seed": options.seed}
    normalise = normaliser(options.normalise, options.language)
    plain = {id: utterance.text for id, utterance in references.items()}
    readings = parse_alternatives(plain, normalise) if options.alternatives else {}
    if not options.alternatives:
        plain = {id: normalise(text) for id, text in plain.items()}
    scored = []
    for name, texts in track(systems.items(), "scoring", len(systems), progress):
        hypotheses = {id: normalise(text) for id, text in texts.items()}
        if options.alternatives:
            hypotheses = _heard(texts, readings, normalise)
        if options.costs == "sclite":
            result = score(
                plain, hypotheses, costs="sclite", readings=readings, samples=options.samples, seed=options.seed
            )
        else:
            chosen = {id: nearest_reading(choices, hypotheses.get(id, "")) for id, choices in readings.items()}
            result = score(plain | chosen, hypotheses, samples=options.samples, seed=options.seed)
        groups = {field: group(result, values[field], **draws) for field in options.by}
        scored.append(System(name, result, over_speakers(result, values["speaker"], **draws), groups))
    comparisons = compare({system.name: system.score for system in scored}, **draws)
    return Assessment(
        tuple(scored), tuple(comparisons), references, options, tuple(_hints(references, scored, options))
    )


def _heard(
    texts: Mapping[str, str], readings: Mapping[str, Choices], normalise: Callable[[str], str]
) -> dict[str, str]:
    """Normalise hypotheses; of alternatives in them, as in a CTM, take the cheapest.

    Costs are sclite's. Of very many combinations only the first are tried.
    """
    found = {}
    for id, choices in parse_alternatives(texts, normalise).items():
        options = [stretch.options[:1] if stretch.optional else stretch.options for stretch in choices]
        reference = readings.get(id, [])
        size = sum(len(words) + 1 for stretch in reference for words in stretch.options)
        most = min(READINGS, 1 + MOST_TRIED // (1 + size))
        heard = [[word for words in choice for word in words] for choice in islice(product(*options), most)]
        found[id] = " ".join(min(heard, key=partial(cost, reference)) if len(heard) > 1 else heard[0])
    return found


def _hints(
    references: Mapping[str, TranscriptEntry], systems: Sequence[System], options: ScoreOptions
) -> Iterator[str]:
    """Say what looks like a mistake in how the files were read."""
    said = {word for entry in references.values() for word in entry.text.split()}
    words = sum(id.isalpha() and id in said for id in references)
    if len(references) >= 3 and words > len(references) / 3:
        some = next(id for id in references if id.isalpha() and id in said)
        yield f"ids look like words, such as {some!r}: if the lines have no ids, score them with --plain"
    braces = sum("{" in entry.text and "}" in entry.text for entry in references.values())
    if braces and not options.alternatives:
        yield f"{braces} references hold braces, which count as words; --alternatives reads {{a / b}} as either"
    alike = Counter(
        (edit.reference, edit.hypothesis)
        for system in systems
        for utterance in system.score.utterances
        for edit in utterance.alignment
        if edit.kind == "substitution" and _same_form(edit.reference) == _same_form(edit.hypothesis)
    )
    if alike:
        (first, second), _ = alike.most_common(1)[0]
        codes = " and ".join(" ".join(f"U+{ord(c):04X}" for c in word) for word in (first, second))
        yield (
            f"{alike.total()} words count as wrong that differ only in their Unicode form, such as {first} ({codes}); "
            "--normalise basic makes them equal"
        )


def _same_form(word: str) -> str:
    return word if word.isascii() else unicodedata.normalize("NFKC", word).replace("\u2019", "'")
