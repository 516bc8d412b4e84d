"""Tables: prepared corpora, reach of gradients, confidences, rejected commands, tuning."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from asr.data.prepare import Prepared
from asr.decoding.commands import Rejection
from asr.decoding.tune import Tuning
from asr.scoring.report import printable
from asr.training.adapt import Adaptation
from asr.training.gradients import Inspection
from asr.training.learning_curve import Point, Range
from asr.training.reach import TOLERANCE
from asr.transcription.calibrate import Reliability
from asr.transcription.rejection import HOUR, Trial, rate_limit


def preparation(prepared: Prepared) -> RenderableType:
    """Show a row a split, the notes, and every problem."""
    table = Table(title=str(prepared.folder), title_justify="left")
    table.add_column("split")
    for heading in ("utterances", "speakers", "hours", "longest (s)"):
        table.add_column(heading, justify="right")
    table.add_column("alphabet", overflow="fold")
    for split in prepared.splits:
        speakers = str(split.speakers) if split.speakers else "unknown"
        figures = (str(split.utterances), speakers, f"{split.hours:.2f}", f"{split.longest:.1f}")
        table.add_row(split.name, *figures, Text(split.alphabet))
    lines = [Text(f"note: {note}") for note in prepared.notes]
    lines.append(Text(f"recommended for asr train: {prepared.units}"))
    if prepared.problems:
        lines.append(Text(f"problems: {len(prepared.problems)}, also in {prepared.folder / 'problems.txt'}"))
        lines += [Text(f"  {problem}") for problem in prepared.problems]
    return Group(table, *lines)


def reaches(inspections: Sequence[Inspection]) -> RenderableType:
    """Show, for each layer and direction of each model, how far its gradients reach."""

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("model", overflow="fold")
    for heading in ("layer", "direction", "change a frame", "within 0.5 s", "2 s drop", "segment"):
        table.add_column(heading, justify="right", overflow="fold")
    for inspection in inspections:
        for reach in inspection.reaches:
            within = reach.share_within[: round(0.5 / inspection.frame) + 1][-1]
            dropped, segment = reach.dropped(round(2.0 / inspection.frame)), reach.recommended()
            table.add_row(
                Text(printable(inspection.name)),
                str(reach.layer),
                reach.direction,
                f"x {reach.growth:.3f}",
                f"{100 * float(within):.1f} %",
                f"{100 * dropped:.1f} %",
                "longer" if segment is None else f"{segment * inspection.frame:.2f} s",
            )
    share = f"{100 * TOLERANCE:.0f} %"
    note = f"2 s drop: what truncation to segments of 2 s takes away; segment: the shortest that takes at most {share}"
    return Group(table, Text(note))


def reliability(judgements: Sequence[Reliability]) -> RenderableType:
    """Show shares that are right, mean confidences and expected calibration errors, a line each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    for heading in ("\nnumber", "\nright", "confidence\nbefore", "\nafter", "error\nbefore", "\nafter", "\nby luck"):
        table.add_column(heading, justify="right", overflow="fold")
    for judged in judgements:
        count = len(judged.correct)
        means = (sum(column) / count for column in (judged.correct, judged.before, judged.after))
        shares = (f"{100 * share:.1f} %" for share in (*means, *judged.errors))
        table.add_row(Text(printable(judged.name)), f"{count:,}", *shares)
    return table


def curve(points: Sequence[Point], ranges: Sequence[Range]) -> RenderableType:
    """Show error rates by minutes of speech, and a line for each amount of more."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("minutes", "WER %", "95 % interval"):
        table.add_column(heading, justify="right")
    for point in points:
        interval = f"[{100 * point.low:.1f}, {100 * point.high:.1f}]"
        table.add_row(f"{point.minutes:.1f}", f"{100 * point.wer:.1f}", interval)
    lines = [
        f"{(found.minutes - points[-1].minutes) / 60:g} more hours: about {100 * found.low:.0f} to {100 * found.high:.0f} %"
        for found in ranges
    ]
    return Group(table, *map(Text, lines))


def adaptation(found: Adaptation) -> RenderableType:
    """Show word error rates before and after, and what was forgotten."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(f"WER %, {'with the language model' if found.searched else 'greedy'}", no_wrap=True)
    for heading in ("before", "after", "change", "words"):
        table.add_column(heading, justify="right")
    sets = {"own recordings, held out": found.own, "general speech": found.general}
    for name, scores in sets.items():
        if scores is not None:
            cells = [f"{wer.value:.1%} [{100 * wer.low:.1f}, {100 * wer.high:.1f}]" for wer in (s.wer for s in scores)]
            change = 100 * (scores[1].wer.value - scores[0].wer.value)
            table.add_row(name, *cells, f"{change:+.1f}", f"{scores[0].words.reference_length:,}")
    lines = []
    if found.general is not None:
        lost = 100 * (found.general[1].wer.value - found.general[0].wer.value)
        lines.append(f"forgotten: {lost:+.1f}")
    else:
        lines.append("what was forgotten is not known: there was no general speech to try (--general)")
    if not found.share:
        lines.append("adapting did not help: the weights are those of the base model")
    return Group(table, *map(Text, lines))


def rejections(rejection: Rejection, trials: Mapping[str, Trial]) -> RenderableType:
    """Show false accepts of other speech, and missed and confused commands, a line a data set."""
    least = rejection.threshold
    title = f"threshold {least:.3f} nats a token, for {rejection.rate:g} false accepts an hour"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    for heading in ("other speech,\nhours", "false\naccepts", "an\nhour", "at most,\n95 %"):
        table.add_column(heading, justify="right")
    for heading in ("\ncommands", "\nmissed %", "\nconfused %"):
        table.add_column(heading, justify="right")
    for name, trial in trials.items():
        accepted, hours, count = trial.accepted(least), trial.seconds / HOUR, len(trial.commands)
        cells = ["0.00", "", "", ""]
        if trial.others:
            limit = rate_limit(accepted, trial.seconds)
            cells = [f"{hours:.2f}", f"{accepted:,}", f"{accepted / hours:.1f}", f"{limit:.1f}"]
        shares = (
            f"{100 * failed / count:.1f}" if count else "" for failed in (trial.missed(least), trial.confused(least))
        )
        table.add_row(Text(printable(name)), *cells, f"{count:,}", *shares)
    return table


def trials(tuning: Tuning) -> RenderableType:
    """Show the word error rate of each pair of weights.

    Below it stand those of blank penalties, of the recurrent model's shares and of second weights.
    """
    words = tuning.tuned.words.reference_length
    rate = {trial.config: f"{100 * trial.words / max(1, words):.2f}" for trial in tuning.trials}
    best = tuning.config
    plane = sorted({(config.lm_weight, config.word_bonus) for config in rate})
    lowest = {name: min(getattr(config, name) for config in rate) for name in ("rnn_share", "second_weight")}
    bonuses = sorted({bonus for _, bonus in plane})
    table = Table(title="WER %", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("LM weight \\ word bonus", justify="right")
    for bonus in bonuses:
        table.add_column(f"{bonus:g}", justify="right")
    for weight in sorted({weight for weight, _ in plane}):
        cells = [rate[replace(best, lm_weight=weight, word_bonus=bonus, **lowest)] for bonus in bonuses]
        table.add_row(f"{weight:g}", *cells)
    parts: list[RenderableType] = [table]
    chosen = f"chosen: LM weight {best.lm_weight:g}, word bonus {best.word_bonus:g}"
    titles = {
        "blank_penalty": "blank penalty",
        "rnn_share": "recurrent share",
        "second_weight": "second recogniser's weight",
    }
    for name, title in titles.items():
        values = sorted({getattr(config, name) for config in rate} - {lowest.get(name)})
        if len(values) > (name not in lowest):
            errors = [min(t.words for t in tuning.trials if getattr(t.config, name) == value) for value in values]
            line = ", ".join(f"{v:g}: {100 * e / max(1, words):.2f}" for v, e in zip(values, errors, strict=True))
            parts.append(Text(f"at best, by the {title}: {line}"))
            chosen += f", {title} {getattr(best, name):g}"
    return Group(*parts, Text(chosen))
