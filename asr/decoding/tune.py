"""The decoding weights with the fewest word errors on dev, kept in the model folder."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TypeAlias

from asr.data.cuts import LazyCut
from asr.decoding.decoder import Decoder
from asr.decoding.greedy import greedy
from asr.decoding.hypothesis import DecodingConfig, Hypothesis
from asr.decoding.parallel import ParallelDecoder, Scored
from asr.decoding.tuned import TunedDecoding, save_tuned
from asr.errors import ModelError
from asr.files import atomic
from asr.lm.compact import SUFFIX
from asr.progress import SILENT, Progress, track
from asr.recogniser.config import SECOND_FOLDER
from asr.recogniser.emissions import emitted
from asr.recogniser.engine import Engine
from asr.recogniser.model_folder import load_model, save_model
from asr.scoring.score import Score, score

LM_WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)
WORD_BONUSES = (-1.0, 0.0, 1.0, 2.0, 3.0)
BLANK_PENALTIES = (0.0, 1.0)
RNN_SHARES = (0.25, 0.5, 0.75, 1.0)
SECOND_WEIGHTS = (0.05, 0.1, 0.2, 0.4, 0.8)

KEPT = {"lm.arpa", "lm.arpa.gz", "lm.bin", f"lm{SUFFIX}", "rnn_lm"}
"""What language models are called in a model folder."""

Lists: TypeAlias = Sequence[Sequence[Hypothesis]]
"""Of each utterance its hypotheses."""


@dataclass(frozen=True)
class Trial:
    """A point of the grid, and the errors that its best hypotheses make on dev."""

    config: DecodingConfig
    words: int
    characters: int


@dataclass(frozen=True)
class Tuning:
    """What was tried and chosen, and how that compares with greedy decoding."""

    trials: tuple[Trial, ...]
    config: DecodingConfig
    greedy: Score
    tuned: Score


def tune(recogniser: Engine, decoder: Decoder, cuts: Sequence[LazyCut], progress: Progress = SILENT) -> Tuning:
    """Search weights on a grid.

    Log-probs are computed once. Where an n-gram model takes part in the search, every point of the
    grid is searched, on all cores, with and without a blank penalty. For each share of a recurrent
    model and each weight of a second recogniser, the whole grid then only ranks the best point's
    hypotheses anew. Where models only rank there is one search alone.

    A point is judged by the mean of the word errors at it and at its neighbours on the grid, since
    a single one can be lucky. Of equal points that with the fewest character errors is taken, then
    that with the smallest weights. So there is one point for each penalty, share and second weight.
    Where the search depends on the weights, each of these is searched: it may find other texts than
    those that were ranked. The one with the fewest errors is chosen.

    Raises:
        DataError: if an utterance's audio cannot be read.
        AsrError: if a worker process has died.
    """
    references: dict[str, str] = {}
    greedy_texts: dict[str, str] = {}
    utterances: dict[str, Scored] = {}
    for batch, emissions in emitted(recogniser, cuts, "emissions", progress, loaders=0):
        second = decoder.second_log_probs(batch.sounds())
        for id, text, log_probs, other in zip(batch.ids, batch.texts, emissions.utterances(), second, strict=True):
            references[id], greedy_texts[id] = text, recogniser.tokenizer.decode(greedy(log_probs).tokens)
            utterances[id] = Scored(log_probs, other)

    def best_texts(lists: Lists, config: DecodingConfig) -> dict[str, str]:
        ranked = (decoder.rank(hypotheses, config) for hypotheses in lists)
        return {id: hypotheses[0].text for id, hypotheses in zip(utterances, ranked, strict=True)}

    def tried(lists: Lists, config: DecodingConfig) -> Trial:
        errors = score(references, best_texts(lists, config), samples=1)
        return Trial(config, errors.words.errors, errors.characters.errors)

    both = decoder.has_ngram and decoder.has_rnn
    shares = (0.0, *RNN_SHARES) if both else (decoder.config.rnn_share,)
    second_weights = (0.0, *SECOND_WEIGHTS) if decoder.has_second else (decoder.config.second_weight,)
    grid = [
        replace(
            decoder.config, lm_weight=weight, word_bonus=bonus, rnn_share=shares[0], second_weight=second_weights[0]
        )
        for weight, bonus in product(LM_WEIGHTS, WORD_BONUSES)
    ]
    planes: list[list[Trial]] = []  # the grid's trials for each penalty, share and second weight
    with ParallelDecoder(decoder, list(utterances.values())) as decode:
        if decoder.fused:
            points = [replace(config, blank_penalty=penalty) for penalty in BLANK_PENALTIES for config in grid]
            searched = [tried(decode(config), config) for config in track(points, "weights", len(points), progress)]
            planes += [searched[first : first + len(grid)] for first in range(0, len(points), len(grid))]
        rest = list(product(shares, second_weights))[decoder.fused :]
        if rest:
            base = min(map(_best_trial, planes), key=_errors).config if planes else decoder.config
            lists = decode(replace(base, rnn_share=1.0))
            for share, weight in rest:
                weighed = replace(base, rnn_share=share, second_weight=weight)
                points = [replace(weighed, lm_weight=one.lm_weight, word_bonus=one.word_bonus) for one in grid]
                planes.append([tried(lists, config) for config in points])
        finals = {trial.config: decode(trial.config) if decoder.fused else lists for trial in map(_best_trial, planes)}
    trials = {trial.config: trial for plane in planes for trial in plane}
    trials |= {config: tried(lists, config) for config, lists in finals.items()}
    best = min((trials[config] for config in finals), key=_errors).config
    tuned = score(references, best_texts(finals[best], best))
    return Tuning(tuple(trials.values()), best, score(references, greedy_texts), tuned)


def keep(folder: Path, lm: Sequence[Path], second: Path | None, config: DecodingConfig) -> None:
    """Copy language models and a second recogniser into a model folder; write their weights there.

    Language models that were kept there before, and are not among these, go.

    Raises:
        AsrError: if something cannot be written.
        ModelError: if one of the models has gone meanwhile.
    """
    names = []
    for path in lm:
        name = "rnn_lm" if path.is_dir() else f"lm{_ending(path)}"
        names.append(name)
        files = (
            [(file, folder / name / file.name) for file in sorted(path.iterdir())]
            if path.is_dir()
            else [(path, folder / name)]
        )
        for source, target in files:
            if target.exists() and source.samefile(target):
                continue
            try:
                with atomic(target) as temporary:
                    shutil.copyfile(source, temporary)
            except FileNotFoundError:
                raise ModelError(f"{source}: is no longer there") from None
    if "rnn_lm" in names:
        stale = {file.name for file in (folder / "rnn_lm").iterdir()} - {
            file.name for path in lm if path.is_dir() for file in path.iterdir()
        }
        for left in stale:  # another tokenizer's file would be read in place of the right one
            (folder / "rnn_lm" / left).unlink()
    if second is not None and second.resolve() != (folder / SECOND_FOLDER).resolve():
        save_model(folder / SECOND_FOLDER, load_model(second), readme=f"The second recogniser of {folder.name}.\n")
    for name in KEPT - set(names):
        shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink(missing_ok=True)
    save_tuned(folder, TunedDecoding(tuple(names), config, second is not None))


def _errors(trial: Trial) -> tuple[int, int]:
    return trial.words, trial.characters


def _best_trial(trials: Sequence[Trial]) -> Trial:
    """Find the point of the grid about which errors are fewest."""

    def place(trial: Trial) -> tuple[int, int]:
        return LM_WEIGHTS.index(trial.config.lm_weight), WORD_BONUSES.index(trial.config.word_bonus)

    def merit(trial: Trial) -> tuple[float, ...]:
        row, column = place(trial)
        near = [t.words for t in trials if max(abs(place(t)[0] - row), abs(place(t)[1] - column)) <= 1]
        return (sum(near) / len(near), trial.characters, trial.config.lm_weight, abs(trial.config.word_bonus))

    return min(trials, key=merit)


def _ending(path: Path) -> str:
    """What an n-gram file's name ends in, in a model folder; other files are KenLM's binaries."""
    if path.suffix == ".gz":
        return ".arpa.gz"
    return path.suffix if path.suffix in (".arpa", SUFFIX) else ".bin"
