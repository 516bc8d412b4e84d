"""A score in the browser: one file with figures, alignments, plots and recordings.

Tables and plots stand in the page as HTML. Its script only finds, filters and shows utterances.
Whatever comes from transcripts, ids and manifests is escaped.
"""

import base64
import io
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import soundfile
from jinja2 import Environment, PackageLoader, StrictUndefined

from asr.audio.reader import Waveform, open_recording
from asr.errors import AsrError, DataError
from asr.files import atomic
from asr.progress import SILENT, Progress, track
from asr.scoring.assess import Assessment, System
from asr.scoring.breakdown import characters, confusions, words
from asr.scoring.entries import Clip
from asr.scoring.interval import Rate
from asr.scoring.report import comparison_line
from asr.scoring.score import UtteranceScore
from asr.units import seconds_to_samples

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

    Recordings are linked where they lie on this machine in a form that browsers play. With
    `embed_audio` they are put into the page as MP3.

    Raises:
        AsrError: if the page cannot be written, or a recording that is to be embedded cannot be
            read.
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
    """What the page lists of one system: frequent errors, and how many utterances have how many."""
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
    entries = assessment.utterances
    ids = [score.id for score in assessment.systems[0].score.utterances]
    clips = {id: clip for id in ids if (clip := entries[id].audio) is not None}
    sources = _embedded(clips, progress) if assessment.options.embed_audio else _links(clips)
    shown = [
        {
            "id": scores[0].id,
            "fields": _fields(entries[scores[0].id].fields),
            "audio": sources.get(scores[0].id),
            "results": [_result(score, score.id in absent) for score, absent in zip(scores, missing, strict=True)],
        }
        for scores in zip(*(system.score.utterances for system in assessment.systems), strict=True)
    ]
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


def _links(clips: Mapping[str, Clip]) -> dict[str, str]:
    """Links that play stretches; none where no file is, or none that browsers play."""
    links = {}
    for id, clip in clips.items():
        if clip.path.suffix.lower() in _PLAYABLE and clip.path.is_file():
            stretch = f"#t={clip.start:g}" + ("" if clip.duration is None else f",{clip.start + clip.duration:g}")
            links[id] = f"file://{quote(str(clip.path.resolve()))}{stretch}"
    return links


def _embedded(clips: Mapping[str, Clip], progress: Progress) -> dict[str, str]:
    """Stretches as MP3; none where no file is."""
    of_file: dict[Path, dict[str, Clip]] = defaultdict(dict)
    for id, clip in clips.items():
        if clip.path.is_file():
            of_file[clip.path][id] = clip
    stretches = (
        (id, waveform)
        for path, them in of_file.items()
        for id, waveform in zip(them, _stretches(path, them.values()), strict=True)
    )
    total = sum(map(len, of_file.values()))
    return {id: _mp3(waveform) for id, waveform in track(stretches, "recordings", total, progress)}


def _stretches(path: Path, clips: Iterable[Clip]) -> Iterator[Waveform]:
    """Read stretches of one file.

    Where nothing can be sought, it is decoded once for all of them.
    """
    with open_recording(path) as recording:
        if recording.frames is not None:
            for clip in clips:
                blocks = recording.blocks(sample_rate=_SAMPLE_RATE, start=clip.start, duration=clip.duration)
                yield np.concatenate(list(blocks))
            return
        whole = np.concatenate(list(recording.blocks(sample_rate=_SAMPLE_RATE)))
    for clip in clips:
        waveform = whole[seconds_to_samples(clip.start, _SAMPLE_RATE) :]
        if clip.duration is not None:
            waveform = waveform[: seconds_to_samples(clip.duration, _SAMPLE_RATE)]
        if not len(waveform):
            raise DataError(f"{path}: holds no samples from {clip.start:g} s on; correct its times")
        yield waveform


def _mp3(waveform: Waveform) -> str:
    file = io.BytesIO()
    try:
        soundfile.write(file, waveform, _SAMPLE_RATE, format="MP3")
    except (soundfile.LibsndfileError, ValueError):
        raise AsrError("this machine's libsndfile writes no MP3, so recordings cannot be put into the page") from None
    return f"data:audio/mpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
