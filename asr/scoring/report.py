"""Scores for the eye: figures, comparisons, and the worst utterances aligned.

They come as rich renderables, which print in colour where the terminal has it. Ids and words are
shown as they are, never read as markup. Control characters, which could steer a terminal, are
replaced.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import isfinite

from rich import box
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from asr.scoring.assess import Assessment, System
from asr.scoring.breakdown import Speakers, confusions
from asr.scoring.compare import Comparison
from asr.scoring.interval import Rate
from asr.scoring.score import Counts, Edit, Score, UtteranceScore, worst

_MARKS = {"equal": "", "substitution": "S", "deletion": "D", "insertion": "I"}
_STYLES = {"equal": "", "substitution": "yellow", "deletion": "red", "insertion": "cyan"}
_LABELS = ("REF ", "HYP ", "    ")
_NARROWEST = 8  # cells for words, on whatever terminal
_IDS_SHOWN = 5
_MISSING = "without a hypothesis, counted as deleted"
_EXTRA = "without a reference, not counted"


def report(name: str, assessment: Assessment) -> RenderableType:
    """Show everything: figures, groups, most frequent errors and worst utterances.

    Several systems stand side by side.
    """
    options = assessment.options
    parts: list[RenderableType] = []
    if len(assessment.systems) == 1:
        (system,) = assessment.systems
        parts.append(figures(name, system.score, system.speakers))
    else:
        parts.append(_side_by_side(name, assessment.systems))
        parts += [Group(Text(printable(comparison_line(comparison))), "") for comparison in assessment.comparisons]
        parts += [
            _id_list(ids, f"of {system.name} {what}")
            for system in assessment.systems
            for ids, what in ((system.score.missing, _MISSING), (system.score.extra, _EXTRA))
            if ids
        ]
    parts += [_groups(field, assessment.systems) for field in options.by]
    if len(assessment.systems) == 1 and options.worst > 0 and system.score.words.errors:
        parts += [_frequent(system.score, options.worst), "", worst_utterances(system.score, options.worst)]
    parts += [Text(printable(f"hint: {hint}")) for hint in assessment.hints]
    parts.append(Text(assessment.conditions, style="dim"))
    return Group(*parts)


def figures(name: str, score: Score, speakers: Speakers | None = None) -> RenderableType:
    """Show rates in per cent with 95 % intervals, counts, and ids without a partner if any."""
    table = _table(f"{name}: {score.totals.utterances:,} utterances, {score.words.reference_length:,} words")
    table.add_column("", overflow="fold")
    for heading in ("rate %", "95 % interval", "errors", "sub", "del", "ins", "of"):
        table.add_column(heading, justify="right", overflow="fold")  # no digit is ever left out
    rates, totals = score.rates, score.totals
    rows = [
        ("words (WER)", rates.wer, score.words, speakers.rates.wer if speakers else None),
        ("characters (CER)", rates.cer, score.characters, speakers.rates.cer if speakers else None),
    ]
    for place, (label, rate, counts, of_speakers) in enumerate(rows[::-1] if score.by_characters else rows):
        table.add_row(label, *_rate_cells(rate), *_count_cells(counts))
        if speakers is not None and of_speakers is not None and place == 0:
            table.add_row(f"  over {speakers.number} speakers", "", _rate_cells(of_speakers)[1])
    table.add_row("sentences (SER)", *_rate_cells(rates.ser), f"{totals.wrong:,}", "", "", "", f"{totals.utterances:,}")
    table.add_row("match errors (MER)", *_rate_cells(rates.mer))
    table.add_row("information lost (WIL)", *_rate_cells(rates.wil))
    parts: list[RenderableType] = [table]
    if score.missing:
        parts.append(_id_list(score.missing, _MISSING))
    if score.extra:
        parts.append(_id_list(score.extra, _EXTRA))
    return Group(*parts)


def comparison_line(comparison: Comparison) -> str:
    """Which of two systems is better and what the two tests found, in two sentences."""
    difference, test = comparison.difference, comparison.mapsswe
    points = ", ".join(f"{100 * end:+.2f}" for end in (difference.low, difference.high))
    return (
        f"{comparison.verdict} Difference of WER {100 * difference.value:+.2f} [{points}]; {comparison.second} is better "
        f"in {100 * comparison.improvement:.1f} % of paired bootstrap samples; MAPSSWE: {test.segments:,} segments, "
        f"z = {test.z:.2f}, p {_p_value(test.p)}."
    )


def _table(title: str) -> Table:
    return Table(
        title=Text(printable(title)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )


def _side_by_side(name: str, systems: Sequence[System]) -> Table:
    totals = systems[0].score.totals
    table = _table(f"{name}: {totals.utterances:,} utterances, {totals.words.reference_length:,} words")
    table.add_column("system", overflow="fold")
    for heading in ("WER %", "95 % interval", "sub", "del", "ins", "CER %", "SER %", "MER %", "WIL %"):
        table.add_column(heading, justify="right", overflow="fold")
    for system in systems:
        rates = system.score.rates
        others = (_per_cent(rate.value) for rate in (rates.cer, rates.ser, rates.mer, rates.wil))
        counts = _count_cells(system.score.words)[1:4]
        table.add_row(Text(printable(system.name)), *_rate_cells(rates.wer), *counts, *others)
        if system.speakers is not None:
            table.add_row(f"  over {system.speakers.number} speakers", "", _rate_cells(system.speakers.rates.wer)[1])
    return table


def _groups(field: str, systems: Sequence[System]) -> Table:
    table = _table(f"by {field}")
    several = len(systems) > 1
    table.add_column(Text(printable(field)), overflow="fold")
    headings = ("system",) * several + ("utterances", "words", "WER %", "95 % interval", "sub", "del", "ins", "CER %")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "system" else "right", overflow="fold")
    for parts in zip(*(system.groups[field] for system in systems), strict=True):
        for row, (system, part) in enumerate(zip(systems, parts, strict=True)):
            score = part.score
            name = (Text(printable(system.name)),) * several
            of = (f"{score.totals.utterances:,}", f"{score.words.reference_length:,}")
            counts = (*_rate_cells(score.wer), *_count_cells(score.words)[1:4], _per_cent(score.cer.value))
            table.add_row(Text("" if row else printable(part.name)), *name, *of, *counts)
    return table


def _frequent(score: Score, count: int) -> Text:
    """The most frequent errors of each kind, a line each."""
    found = confusions(score)
    kinds = {
        "confused": [(f"{c.reference} → {c.hypothesis}", c.count) for c in found if c.reference and c.hypothesis],
        "deleted": [(c.reference, c.count) for c in found if not c.hypothesis],
        "inserted": [(c.hypothesis, c.count) for c in found if not c.reference],
    }
    lines = (
        printable(f"{kind}: " + ", ".join(f"{text} ({times})" for text, times in errors[: 2 * count]))
        for kind, errors in kinds.items()
        if errors
    )
    return Text("\n".join(lines))


def worst_utterances(score: Score, count: int) -> RenderableType:
    """Show up to `count` utterances, aligned, those with the most word errors first."""
    utterances = worst(score, count)
    if not utterances:
        return Text("no utterance has a word error")
    return Group(*(part for utterance in utterances for part in (_heading(utterance), Alignment(utterance), "")))


@dataclass(frozen=True)
class Alignment:
    """An utterance in three lines: reference, hypothesis and S, D or I under each error.

    Lines are folded to the console's width. Columns are padded by display width, so wide scripts
    line up. Asterisks stand where a side has no word. A word wider than the console goes on in the
    next three lines, as whole sentences do in scripts without spaces.
    """

    utterance: UtteranceScore

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(_NARROWEST, options.max_width - cell_len(_LABELS[0]))
        for columns in _folded(_columns(self.utterance.alignment, width), width):
            for label, cells in zip(_LABELS, zip(*columns, strict=True), strict=True):
                line = Text(" ").join(cells)
                line.rstrip()
                if label.strip() or line.plain:  # a stretch without errors needs no marks
                    yield Text.assemble((label, "dim"), line, no_wrap=True)


def _rate_cells(rate: Rate) -> tuple[str, str]:
    return _per_cent(rate.value), f"{_per_cent(rate.low)} – {_per_cent(rate.high)}"


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _per_cent(fraction: float) -> str:
    return f"{100 * fraction:.2f}" if isfinite(fraction) else "infinite"


def _count_cells(counts: Counts) -> tuple[str, ...]:
    fields = (counts.errors, counts.substitutions, counts.deletions, counts.insertions, counts.reference_length)
    return tuple(f"{field:,}" for field in fields)


def _id_list(ids: Sequence[str], what: str) -> Text:
    shown = ", ".join(ids[:_IDS_SHOWN]) + (", ..." if len(ids) > _IDS_SHOWN else "")
    return Text(printable(f"{len(ids):,} {what}: {shown}"))


def _heading(utterance: UtteranceScore) -> Text:
    words = utterance.words
    rate = f"WER {_per_cent(words.rate)} %" if words.reference_length else "empty reference"
    figures = f"  errors {words.errors}, words {words.reference_length}, {rate}"
    return Text.assemble((printable(utterance.id), "bold"), figures)


def printable(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", text)


def _columns(alignment: Iterable[Edit], width: int) -> Iterator[list[Text]]:
    """Lay each edit out as a column of three cells of one width.

    A word wider than `width` gets several.
    """
    for edit in alignment:
        mark, style = _MARKS[edit.kind], _STYLES[edit.kind]
        words = (printable(edit.reference), printable(edit.hypothesis))
        pieces = [chop_cells(word, width) or [word] for word in words]  # it finds no piece in marks without a letter
        for reference, hypothesis in zip_longest(*pieces, fillvalue=""):
            cells = max(cell_len(reference), cell_len(hypothesis))
            if edit.kind == "insertion":
                reference = "*" * cells
            elif edit.kind == "deletion":
                hypothesis = "*" * cells
            texts = (reference, hypothesis, mark)
            yield [Text(text + " " * (max(1, cells) - cell_len(text)), style=style) for text in texts]
            mark = ""


def _folded(columns: Iterable[list[Text]], width: int) -> Iterator[list[list[Text]]]:
    """Gather columns into lines of at most `width` cells, one space between columns."""
    line: list[list[Text]] = []
    used = 0
    for column in columns:
        cells = column[0].cell_len
        if line and used + 1 + cells > width:
            yield line
            line, used = [], 0
        used += cells + (1 if line else 0)
        line.append(column)
    if line:
        yield line
