"""A score in the browser: one file with figures, alignments, plots and recordings, that needs nothing else.

Tables and plots stand in the page as HTML; its script only finds, filters and shows utterances. Whatever comes from
transcripts, ids and manifests is escaped.
"""

import base64
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import soundfile
from jinja2 import Environment, PackageLoader, StrictUndefined

from asr.audio.waveform import load
from asr.errors import AsrError
from asr.files import atomic
from asr.progress import SILENT, Progress, track
from asr.scoring.assess import Assessment, System
from asr.scoring.breakdown import characters, confusions, words
from asr.scoring.interval import Rate
from asr.scoring.report import comparison_line
from asr.scoring.score import UtteranceScore
from asr.scoring.transcripts import Clip

_PLAYABLE = frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".mp4", ".webm"})
_SAMPLE_RATE = 16_000
_ROWS = 50
"""Of each table of frequent errors."""
_HISTOGRAM = 10
_LETTERS = {"equal": "", "substitution": "S", "deletion": "D", "insertion": "I"}


@dataclass(frozen=True)
class Bar:
    """Utterances with a certain number of errors; heights are shares of the highest bar, 0 to 1."""

    label: str
    count: int
    height: float


def write_page(path: Path, name: str, assessment: Assessment, progress: Progress = SILENT) -> None:
    """Write the page, whole or not at all.

    Recordings are linked where they lie on this machine in a form that browsers play, or, with `embed_audio`, put into
    the page as MP3.

    Raises:
        AsrError: if the page cannot be written, or a recording that is to be embedded cannot be read.
    """
    environment = Environment(
        loader=PackageLoader("asr.scoring", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"per_cent": _per_cent, "rate": _rate}
    systems = assessment.systems
    rates = [system.score.wer for system in systems] + [s.speakers.rates.wer for s in systems if s.speakers]
    groups = {
        field: list(zip(*(system.groups[field] for system in systems), strict=True)) for field in assessment.options.by
    }
    html = environment.get_template("page.html").render(
        name=name,
        assessment=assessment,
        axis=_axis(rates),
        groups=groups,
        group_axes={field: _axis(g.score.wer for row in rows for g in row) for field, rows in groups.items()},
        comparison_line=comparison_line,
        tables=[_tables(system) for system in systems],
        data=_data(assessment, progress),
    )
    with atomic(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _per_cent(fraction: float) -> str:
    return f"{100 * fraction:.2f}" if math.isfinite(fraction) else "∞"


def _rate(rate: Rate) -> str:
    return f"{_per_cent(rate.low)} – {_per_cent(rate.high)}"


def _axis(rates: Iterable[Rate]) -> float:
    """The largest rate that a plot has room for."""
    ends = [min(rate.high, max(1.0, rate.value)) for rate in rates]
    return max([0.01, *filter(math.isfinite, ends)])


def _tables(system: System) -> dict[str, Any]:
    """What the page lists of one system: its most frequent errors, and how many utterances have how many."""
    found = confusions(system.score)
    errors = Counter(min(_HISTOGRAM, utterance.words.errors) for utterance in system.score.utterances)
    highest = max(errors.values())
    labels = {_HISTOGRAM: f"{_HISTOGRAM}+"}
    return {
        "confused": [c for c in found if c.reference and c.hypothesis][:_ROWS],
        "deleted": [c for c in found if not c.hypothesis][:_ROWS],
        "inserted": [c for c in found if not c.reference][:_ROWS],
        "words": [word for word in words(system.score) if word.errors][:_ROWS],
        "characters": [character for character in characters(system.score) if character.errors][:_ROWS],
        "histogram": [
            Bar(labels.get(number, str(number)), errors[number], errors[number] / highest)
            for number in range(max(errors) + 1)
        ],
    }


def _data(assessment: Assessment, progress: Progress) -> dict[str, Any]:
    """What the page's script shows: every utterance, with its alignment by each system."""
    missing = [frozenset(system.score.missing) for system in assessment.systems]
    shown = []
    rows = list(zip(*(system.score.utterances for system in assessment.systems), strict=True))
    embed = assessment.options.embed_audio
    for scores in track(rows, "recordings", len(rows), progress if embed else SILENT):
        id = scores[0].id
        utterance = assessment.utterances[id]
        results = [_result(score, id in absent) for score, absent in zip(scores, missing, strict=True)]
        clip = utterance.audio
        audio = None if clip is None else _embedded(clip) if embed else _link(clip)
        shown.append({"id": id, "fields": _fields(utterance.fields), "audio": audio, "results": results})
    return {"systems": [system.name for system in assessment.systems], "utterances": shown}


def _fields(fields: Mapping[str, str | float]) -> dict[str, str | float]:
    return {k: round(v, 3) if isinstance(v, float) and math.isfinite(v) else str(v) for k, v in fields.items()}


def _result(score: UtteranceScore, missing: bool) -> dict[str, Any]:
    return {
        "errors": score.words.errors,
        "words": score.words.reference_length,
        "missing": missing,
        "alignment": [[_LETTERS[edit.kind], edit.reference, edit.hypothesis] for edit in score.alignment],
    }


def _link(clip: Clip) -> str | None:
    """A link that plays this stretch; none where no file is, or none that browsers play."""
    if clip.path.suffix.lower() not in _PLAYABLE or not clip.path.is_file():
        return None
    stretch = f"#t={clip.start:g}" + ("" if clip.duration is None else f",{clip.start + clip.duration:g}")
    return f"file://{quote(str(clip.path.resolve()))}{stretch}"


def _embedded(clip: Clip) -> str | None:
    if not clip.path.is_file():
        return None
    waveform = load(clip.path, sample_rate=_SAMPLE_RATE, start=clip.start, duration=clip.duration)
    file = io.BytesIO()
    try:
        soundfile.write(file, waveform, _SAMPLE_RATE, format="MP3")
    except (soundfile.LibsndfileError, ValueError):
        raise AsrError("this machine's libsndfile writes no MP3, so recordings cannot be put into the page") from None
    return f"data:audio/mpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
