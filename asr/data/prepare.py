"""A corpus becomes checked manifests: train.jsonl.gz, dev.jsonl.gz and test.jsonl.gz.

Each is a list of lhotse cuts. Faults are found before training starts: a recording that is missing,
damaged or silent, an empty transcript, an id used twice, a segment outside its file. Faulty
utterances are left out and listed; the rest is written.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lhotse import AudioSource, MonoCut, MultiCut, Recording, SupervisionSegment
from lhotse.cut import Cut

from asr import corpora
from asr.audio.features import FeatureConfig
from asr.corpora.utterance import Problem, Utterance
from asr.data.cuts import save_cuts, text_of
from asr.data.recording import Check, Sound, examine_all
from asr.data.splits import lacking, recommended_units, shared
from asr.errors import DataError
from asr.progress import SILENT, Progress
from asr.text.normalise import TextForm, normalise
from asr.text.remarks import without_remarks
from asr.units import Seconds

REWRITTEN_RATE = FeatureConfig().sample_rate
"""Of media files that are rewritten, in Hz; other recordings keep their own rate."""

KEPT = ("corpus", "confidence")
"""What else a manifest says of an utterance, where it is known."""
REMARKS_SHOWN = 10
"""Of different remarks, so many are named with their counts."""
OVERHANG: Seconds = 0.025
"""A segment may reach so far past its file's end, where it is cut: times in corpora are rounded."""


@dataclass(frozen=True)
class SplitSummary:
    """What one split holds.

    Attributes:
        name: train, dev or test.
        utterances: how many there are.
        speakers: how many are known.
        hours: of speech as cut.
        longest: of the utterances as cut, in seconds.
        alphabet: the characters of the transcripts but for the space, sorted.
    """

    name: str
    utterances: int
    speakers: int
    hours: float
    longest: Seconds
    alphabet: str


@dataclass(frozen=True)
class Prepared:
    """What was written, and what was not.

    Attributes:
        folder: where the manifests are.
        splits: train, dev and test.
        problems: every fault found.
        notes: what the user should know of, one sentence each.
        units: the tokens that suit train, as options of `asr train`, and why.
    """

    folder: Path
    splits: tuple[SplitSummary, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    units: str


def prepare(
    corpus: str,
    out: Path,
    *,
    source: Path | None = None,
    downloads: Path = Path("data"),
    options: corpora.Options | None = None,
    text_form: TextForm = "basic",
    check: Check = "decode",
    written: Set[str] = frozenset(),
    progress: Progress = SILENT,
) -> Prepared:
    """Read a corpus, check every utterance, and write the manifests of its splits.

    Those of an earlier run are replaced. The same corpus gives the same bytes. A split without
    usable utterances has no file, and a note says so. Whether an utterance is long enough for its
    transcript is for training to judge, which knows tokens and frames.

    Args:
        corpus: one of `corpora.NAMES`, or "lhotse:NAME".
        out: folder for the manifests, `problems.txt`, and `audio/` with what was rewritten as FLAC.
        source: the corpus on disk; None downloads it into `downloads`.
        downloads: where downloaded corpora are kept, each in a folder of its own.
        options: what some corpora let the user choose.
        text_form: form of the transcripts.
        check: whether recordings are decoded.
        written: characters that a model writes already, so that train need not teach them.
        progress: who is told how far it is.

    Raises:
        DataError: if the corpus cannot be read, nothing in train is usable, or `out` cannot be
            written.
        ConfigError: if the corpus is unknown or an option does not fit it.
        DownloadError: if the corpus cannot be fetched.
    """
    options = options or corpora.Options()
    if source is None:
        source = corpora.download(corpus, downloads, options, progress)
    read = corpora.read(corpus, source.resolve(), options)
    parts = {"train": read.train, "dev": read.dev, "test": read.test}
    out = out.resolve()
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
    paths = [utterance.audio for part in parts.values() for utterance in part]
    sounds = dict(
        examine_all(paths, check=check, rewritten=out / "audio", sample_rate=REWRITTEN_RATE, progress=progress)
    )
    spoken, remarks = _spoken(parts, text_form)
    cuts, faulty = _sort_out(spoken, sounds)
    problems = (*read.problems, *faulty)
    with _writing(out):
        (out / "problems.txt").write_text(
            "".join(f"{problem}\n" for problem in problems), encoding="utf-8", errors="backslashreplace"
        )
    if not cuts["train"]:
        first = f"; the first of {len(problems)} problems is {problems[0]}" if problems else ""
        raise DataError(f"{source}: holds no usable utterance to train on{first}")
    with _writing(out):
        _write(out, cuts)
    splits = tuple(_summary(name, part) for name, part in cuts.items())
    notes = (*read.notes, *_remark_notes(remarks, text_form), *_notes(cuts, written))
    return Prepared(out, splits, problems, notes, recommended_units(cuts["train"]))


def _spoken(
    parts: Mapping[str, Sequence[Utterance]], text_form: TextForm
) -> tuple[dict[str, list[Utterance]], Counter[str]]:
    """Bring transcripts to their form, without remarks unless that is verbatim; count remarks."""
    found: Counter[str] = Counter()
    spoken: dict[str, list[Utterance]] = {name: [] for name in parts}
    for name, part in parts.items():
        for utterance in part:
            text, remarks = without_remarks(utterance.text)
            found.update(remark.lower() for remark in remarks)
            text = normalise(utterance.text if text_form == "verbatim" else text, text_form, utterance.language)
            spoken[name].append(replace(utterance, text=text))
    return spoken, found


def _remark_notes(remarks: Counter[str], text_form: TextForm) -> Iterator[str]:
    if remarks:
        named = ", ".join(f"{remark} ({count})" for remark, count in remarks.most_common(REMARKS_SHOWN))
        more = f" and {len(remarks) - REMARKS_SHOWN} more" if len(remarks) > REMARKS_SHOWN else ""
        if text_form == "verbatim":
            yield f"transcripts hold remarks, which a model will spell: {named}{more}; --text basic leaves them out"
        else:
            yield f"{remarks.total()} remarks in transcripts are left out, since nobody says them: {named}{more}"


def _sort_out(
    parts: Mapping[str, Sequence[Utterance]], sounds: Mapping[Path, Sound | str]
) -> tuple[dict[str, list[Cut]], list[Problem]]:
    """Make cuts of the utterances that can be used, split by split, and problems of the others."""
    problems = []
    cuts: dict[str, list[Cut]] = {name: [] for name in parts}
    seen: dict[str, str] = {}
    for name, part in parts.items():
        for utterance in part:
            sound = sounds[utterance.audio]
            faults = list(_faults(utterance, sound))
            if utterance.id in seen:
                faults.append(f"the id {utterance.id} is used before, at {seen[utterance.id]}; ids must be unique")
            seen.setdefault(utterance.id, utterance.where)
            if isinstance(sound, Sound) and not faults:
                cuts[name].append(cut_of(utterance, sound))
            problems += [Problem(utterance.where, fault) for fault in faults]
    return cuts, problems


def _faults(utterance: Utterance, sound: Sound | str) -> Iterator[str]:
    """List why an utterance, its text normalised, cannot be used at all."""
    try:
        f"{utterance.id}{utterance.text}{utterance.speaker}{utterance.audio}".encode()
    except UnicodeEncodeError:  # a file name of another encoding, or half a surrogate pair
        yield "its name, file or text is not valid Unicode; rename it"
        return
    if not utterance.text:
        yield "the transcript is empty, or nothing but punctuation and remarks"
    if isinstance(sound, str):
        yield sound
        return
    total = sound.info.duration
    start, end = utterance.start, _end(utterance, sound)
    if not (0 <= start < min(end, total) and end <= total + OVERHANG):
        yield f"the segment from {start:g} s to {end:g} s is not inside {sound.path}, which has {total:g} s"
    if utterance.channel is not None and not 0 <= utterance.channel < sound.info.num_channels:
        yield f"channel {utterance.channel} is not in {sound.path}, which has {sound.info.num_channels}"


def _end(utterance: Utterance, sound: Sound) -> Seconds:
    return sound.info.duration if utterance.duration is None else utterance.start + utterance.duration


def cut_of(utterance: Utterance, sound: Sound) -> Cut:
    """Describe an utterance to lhotse; one channel is a MonoCut, several are a MultiCut."""
    total = sound.info.duration
    duration = min(_end(utterance, sound), total) - utterance.start
    everything = list(range(sound.info.num_channels))
    channels = everything if utterance.channel is None else [utterance.channel]
    channel = channels[0] if len(channels) == 1 else channels
    recording = Recording(
        id=utterance.id,
        sources=[AudioSource(type="file", channels=everything, source=str(sound.path))],
        sampling_rate=sound.info.sample_rate,
        num_samples=sound.info.num_samples,
        duration=total,
    )
    supervision = SupervisionSegment(
        id=utterance.id,
        recording_id=utterance.id,
        start=0.0,
        duration=duration,
        channel=channel,
        text=utterance.text,
        language=utterance.language,
        speaker=utterance.speaker,
        custom={name: value for name in KEPT if (value := getattr(utterance, name)) is not None} or None,
    )
    kind = MonoCut if len(channels) == 1 else MultiCut
    return kind(utterance.id, utterance.start, duration, channel, supervisions=[supervision], recording=recording)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror}); choose another folder or make room") from None


def _write(out: Path, cuts: Mapping[str, Sequence[Cut]]) -> None:
    """Write the manifests; lhotse cannot load an empty one, so that has none."""
    for name, part in cuts.items():
        manifest = out / f"{name}.jsonl.gz"
        if not part:
            manifest.unlink(missing_ok=True)
        else:
            save_cuts(part, manifest)


def _speakers(cuts: Iterable[Cut]) -> set[str]:
    return {cut.supervisions[0].speaker for cut in cuts if cut.supervisions[0].speaker is not None}


def _summary(name: str, cuts: Sequence[Cut]) -> SplitSummary:
    return SplitSummary(
        name=name,
        utterances=len(cuts),
        speakers=len(_speakers(cuts)),
        hours=sum(cut.duration for cut in cuts) / 3600,
        longest=max((cut.duration for cut in cuts), default=0.0),
        alphabet="".join(sorted({character for cut in cuts for character in cut.supervisions[0].text} - {" "})),
    )


def _notes(cuts: Mapping[str, Sequence[Cut]], written: Set[str]) -> Iterator[str]:
    """Say what is missing, and what a figure measured on these splits would hide."""
    for name, part in cuts.items():
        if not part:
            yield f"{name} has no usable utterances, so there is no {name}.jsonl.gz"
    trained = _speakers(cuts["train"])
    known = [name for name in ("dev", "test") if trained & _speakers(cuts[name])]
    if known:
        yield f"train has speakers of {' and '.join(known)}: a score there does not tell how strangers are recognised"
    again = shared(cuts)
    if again:
        yield again
    others = {name: list(map(text_of, cuts[name])) for name in ("dev", "test")}
    yield from lacking([*map(text_of, cuts["train"]), *written], others)
