"""A trained recogniser and minutes of somebody's recordings -> a recogniser that knows them better.

Training goes on from the base model. What it knew of general speech is kept by one of two means,
and a third:

- where general speech is there, the base model goes on reading other voices (`recogniser.voices`);
- else the output stays like the base model's (pseudo-rehearsal), if the tokens are the same;
- of the way from the base model's weights to the adapted ones only so much is gone as helps
  (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

N-grams that the base model brings learn the words of the recordings (`own_words`).

An epoch, and at the end that share of the way, is chosen by the word error rate on a part of the
recordings that is not trained on, plus what general speech has lost beyond one in a hundred words.
An epoch loses none if the base model is kept. It is judged greedily, the share with the language
model if there is one: posteriors that grew too sure cost nothing greedily, but lead a search
astray.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from asr.audio.augment import LIGHT
from asr.corpora.prompted import LEAST_SENTENCES
from asr.data.cuts import LazyCut, load_cuts
from asr.data.prepare import prepare
from asr.decoding.vocabulary import letters
from asr.errors import ConfigError, DataError
from asr.progress import SILENT, Progress
from asr.recogniser.model_folder import load_model, save_model
from asr.recogniser.recogniser import Recogniser
from asr.recogniser.voices import OTHERS_FOLDER, Voice
from asr.scoring.score import Score, summary_line
from asr.text.normalise import TextForm
from asr.text.tokenizer import CharacterTokenizer, Tokenizer
from asr.training.adapt_goal import JUDGED, AdaptationGoal, Judge
from asr.training.objective import Transcription
from asr.training.own_words import Search, Texts
from asr.training.run import run, usable_device
from asr.training.selection import fitting, long_enough, some
from asr.training.settings import BpttConfig, OptimiserConfig, TrainConfig
from asr.training.trainer import Trainer
from asr.training.voice import learn_voice, share_taken
from asr.transcription.evaluate import evaluate
from asr.transcription.transcribe import Transcriber
from asr.units import Seconds

GENERAL_FOLDER = "general"
"""In a model folder: general speech with transcripts, to know other voices and to judge by."""
HEARD: Seconds = 10_000.0
"""Of speech, over all epochs, that a training hears: four to five minutes' work of two cores."""
EPOCHS = (4, 30)
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of the way from the base model's weights to the adapted ones."""
REHEARSAL = 0.3
"""Weight of staying like the base model, where that one is not kept for other voices."""
SPELT = 0.95
"""Share of the recordings that the base model's tokens must be able to spell, to be kept."""


@dataclass(frozen=True)
class Speech:
    """Utterances with transcripts, in three parts."""

    train: Sequence[LazyCut]
    dev: Sequence[LazyCut]
    test: Sequence[LazyCut]

    @property
    def size(self) -> int:
        """Count all utterances."""
        return len(self.train) + len(self.dev) + len(self.test)

    @property
    def texts(self) -> Texts:
        """What is said, without what judges in the end."""
        train, dev = ([cut.text for cut in part] for part in (self.train, self.dev))
        return Texts(train, dev)

    @property
    def seconds(self) -> Seconds:
        """Of what is trained on."""
        return float(sum(cut.duration for cut in self.train))


@dataclass(frozen=True)
class Adaptation:
    """What came of it."""

    folder: Path
    """Of the adapted model, with the base model's language models where tokens agree."""
    own: tuple[Score, Score]
    """Before and after, on recordings that took no part."""
    general: tuple[Score, Score] | None
    """The same on general speech that took no part; none without it, or where letters differ."""
    share: float
    """Of the way from the base model's weights to the adapted ones; 0 is the base model."""
    searched: bool
    """Whether the scores are of a search with the language models; else they are greedy."""


def adapt(
    recordings: Path,
    model: Path,
    out: Path,
    *,
    general: Path | None = None,
    rehearsal: float | None = None,
    epochs: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Adaptation:
    """Adapt a model to recordings; the same call after a kill goes on from the last checkpoint.

    Args:
        recordings: a folder of recordings with transcripts, in any layout of the corpus `folder`,
            or a folder of manifests.
        model: the base model's folder.
        out: the adapted model's folder; its run is in `out/run`.
        general: general speech, as `recordings`; None takes what the model folder brings.
        rehearsal: weight of staying like the base model, 0 for not at all. None is `REHEARSAL`, and
            0 where the base model is kept for other voices.
        epochs: passes over the recordings; None chooses as many as take about five minutes.
        device: as in training.
        threads: as in training.
        seed: of every draw.
        progress: who is told how far it is.

    Raises:
        DataError: if recordings cannot be read or are too few.
        ConfigError: if `out` holds another model or run.
        ModelError: if the base model cannot be used.
        TrainingError: as in training.
    """
    if out.resolve() == model.resolve():
        raise ConfigError(f"{out}: is the base model's folder; choose another one for the adapted model")
    base = load_model(model)
    own = read_speech(recordings, out / "data", base.tokenizer, progress)
    if own.size < LEAST_SENTENCES or not own.dev or not own.test:
        raise DataError(
            f"{recordings}: {own.size} utterances are too few to train, to choose and to judge by; record at least "
            f"{LEAST_SENTENCES} different sentences, better a hundred"
        )
    tokenizer = suited(base.tokenizer, own, progress)
    same = tokenizer is base.tokenizer
    search = Search.of(model) if same else None
    if general is None and (model / GENERAL_FOLDER).is_dir():
        general = model / GENERAL_FOLDER
    other = None if general is None or not same else read_speech(general, out / "general", tokenizer, progress)
    known, judged = ([], []) if other is None else (other.train, other.dev)
    voice = learn_voice(base, own.train, known) if known else None
    if rehearsal is None:
        rehearsal = REHEARSAL if voice is None else 0.0
    config = settings(base, model, own, same=same, rehearsal=rehearsal, epochs=epochs)
    config = replace(config, device=device, threads=threads, seed=seed)
    torch.manual_seed(seed)
    recogniser = Recogniser(config.recogniser, tokenizer).to(usable_device(config))
    base.to(recogniser.device)
    teacher = base if config.rehearsal else None
    trainer = Trainer(config, recogniser, Transcription(config, recogniser.acoustic, teacher=teacher))
    judge = Judge.of(base if same else None, own.dev, judged if voice is None else [], progress)
    cuts = fitting(long_enough(own.train, config, progress), tokenizer, config, progress)
    goal = AdaptationGoal(trainer, judge)
    best = run(trainer, goal, cuts, [*judge.own, *judge.general], out / "run", progress)
    adapted, share = load_model(best, recogniser.device), 1.0
    learnt = search and search.with_words(own.texts, tokenizer, out / "run", progress)
    old, new = (one.decoder(base) if one else None for one in (search, learnt))
    if same:
        judge = Judge.of(base, own.dev, judged, progress, (old, new), voice)
        adapted, share = part_way(base, adapted, judge)
    transcribers = Transcriber(base, old), Transcriber(judge.engine(adapted), new)
    result = _judged(out, transcribers, share, own, other, progress)
    save_model(out, adapted, readme=_card(result, own, adapted))
    if voice is not None:
        _keep(out, base, voice, (own.test, judged or known), progress)
    if learnt:
        learnt.keep(out)
    return result


def read_speech(source: Path, out: Path, tokenizer: Tokenizer, progress: Progress) -> Speech:
    """Read manifests, or prepare recordings in the form that a model writes.

    Raises:
        DataError: if they cannot be read.
    """
    folder = source
    if not (source / "train.jsonl.gz").is_file():
        cased = any(letter != letter.lower() for letter in letters(tokenizer))
        form: TextForm = "verbatim" if cased else "basic"
        prepared = prepare("folder", out, source=source, text_form=form, written=letters(tokenizer), progress=progress)
        for line in (*prepared.notes, *map(str, prepared.problems)):
            progress.say(line)
        folder = prepared.folder
    parts = (folder / f"{name}.jsonl.gz" for name in ("train", "dev", "test"))
    return Speech(*(load_cuts(part) if part.is_file() else [] for part in parts))


def suited(tokenizer: Tokenizer, own: Speech, progress: Progress) -> Tokenizer:
    """Keep a model's tokens if they spell the recordings; else take characters, in a stated line.

    These are the characters of the recordings and, where they share some, those that the model
    knows.
    """
    texts = [cut.text for cut in (*own.train, *own.dev, *own.test)]
    spelt = sum(tokenizer.decode(tokenizer.encode(text)) == text for text in texts)
    if spelt >= SPELT * len(texts):
        return tokenizer
    needed = set("".join(texts))
    known = letters(tokenizer)
    characters = needed | (known if needed & known else set()) | {" "}
    new = "".join(sorted(needed - known - {" "}))
    made = CharacterTokenizer(sorted(characters))
    why = f"cannot write {new[:40]!r}" if new else "has no tokens for most of their words"
    progress.say(f"the base model {why}: a new output layer of {made.size - 1} characters is learnt")
    return made


def settings(
    base: Recogniser,
    model: Path,
    own: Speech,
    *,
    same: bool,
    rehearsal: float = REHEARSAL,
    epochs: int | None = None,
) -> TrainConfig:
    """Choose the settings of a training by how much speech there is.

    Args:
        base: the model to begin with.
        model: its folder.
        own: the recordings.
        same: whether the tokens are the model's.
        rehearsal: weight of staying like the base model.
        epochs: as in `adapt`.
    """
    low, high = EPOCHS
    chunk = base.config.chunk
    return TrainConfig(
        features=base.config.features,
        acoustic=base.config.acoustic,
        bptt=BpttConfig("truncated", segment=4.0)
        if chunk is None
        else BpttConfig("chunked", chunk=chunk, lookahead=base.config.lookahead),
        augment=LIGHT,
        optimiser=OptimiserConfig(learning_rate=5e-4 if same else 1e-3, warmup=0.1),
        init=str(model),
        keep_statistics=same,
        intermediate_weight=0.0,
        rehearsal=rehearsal if same else 0.0,
        epochs=epochs or max(low, min(high, round((HEARD if same else 3 * HEARD) / max(1.0, own.seconds)))),
        batch_seconds=30.0,
        average=0.95,
    )


def part_way(base: Recogniser, adapted: Recogniser, judge: Judge) -> tuple[Recogniser, float]:
    """Go that part of the way from a model to an adapted one which judges best.

    Args:
        base: the model.
        adapted: the adapted one, with the same tokens.
        judge: what they are compared by.

    Returns:
        The model, and the share of the way; of equally good ones the least loss decides.
    """
    found = {}
    for share in (0.0, *SHARES):
        mixed = mixture(base, adapted, share)
        found[share] = (judge(mixed)[:2], mixed)
    best = min(found, key=lambda share: found[share][0])
    return found[best][1], best


@torch.no_grad()
def mixture(base: Recogniser, adapted: Recogniser, share: float) -> Recogniser:
    """Mix the weights of two models of one shape; the second has this share."""
    acoustic = copy.deepcopy(adapted.acoustic)
    start = base.acoustic.state_dict()
    acoustic.load_state_dict(
        {name: torch.lerp(start[name], end, share) for name, end in adapted.acoustic.state_dict().items()}
    )
    return adapted.with_acoustic(acoustic)


def _judged(
    out: Path,
    transcribers: tuple[Transcriber, Transcriber],
    share: float,
    own: Speech,
    other: Speech | None,
    progress: Progress,
) -> Adaptation:
    """Score the model before and after on what took no part."""

    def scores(cuts: Sequence[LazyCut]) -> tuple[Score, Score]:
        first, second = (evaluate(one, cuts, loaders=0, progress=progress).score for one in transcribers)
        return first, second

    canary = [] if other is None else some(other.test, JUDGED)
    general = scores(canary) if canary else None
    return Adaptation(out, scores(own.test), general, share, transcribers[1].decoder is not None)


def _keep(
    out: Path, base: Recogniser, voice: Voice, cuts: tuple[Sequence[LazyCut], Sequence[LazyCut]], progress: Progress
) -> None:
    """Keep a base model for other voices, and say how well these are told from the own one."""
    save_model(out / OTHERS_FOLDER, base, readme="What reads other voices than the one adapted to.\n")
    voice.save(out)
    yours, others = (share_taken(voice, base, part) for part in cuts)
    progress.say(
        f"the base model stays for other voices; taken for yours are {100 * yours:.0f} % of your recordings held "
        f"out, and {100 * others:.0f} % of general speech"
    )


def _card(result: Adaptation, own: Speech, adapted: Recogniser) -> str:
    """The README of the model folder; it names no transcript and no path."""
    lines = [summary_line(name, score) for name, score in zip(("before", "after"), result.own, strict=True)]
    if result.general is not None:
        names = ("general speech before", "general speech after")
        lines += [summary_line(name, score) for name, score in zip(names, result.general, strict=True)]
    figures = "\n".join(f"- {line}" for line in lines)
    others = "" if result.general is None else "- other voices are read by the base model, in `others/`\n"
    return f"""# A speech recogniser, adapted

{adapted.num_parameters / 1e6:.1f} M parameters, CTC over {adapted.tokenizer.size - 1} tokens. It began with another \
model's weights.

- adapted to {len(own.train)} utterances, {own.seconds / 60:.1f} minutes of speech
- {100 * result.share:.0f} % of the way from the base model's weights to the adapted ones
{others}{figures}

Word error rates are of recordings that took no part, {"with the language model" if result.searched else "greedily"}; \
the interval is a 95 % bootstrap over utterances.

    asr transcribe RECORDING... --model FOLDER{" --lm" if result.searched else ""}
"""
