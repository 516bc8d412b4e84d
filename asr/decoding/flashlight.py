"""flashlight-text, the library of the beam searches with an n-gram model, and what both need of it.

See Collobert et al. 2016, arXiv 1609.03193.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.decoding.hotwords import HotWords
from asr.decoding.hypothesis import DecodingConfig
from asr.errors import MissingExtra, ModelError
from asr.lm.ngram import LOG10
from asr.model.labels import LogProbs

THRESHOLD = 15.0
"""Nats behind the best hypothesis at which flashlight drops one.

At 50 the search took half as long again, and found the same texts (`benchmarks/RESULTS.md`).
"""


def step(search: Any, scores: LogProbs) -> None:
    """Hand frames to flashlight, which takes an address."""
    numbers = np.ascontiguousarray(scores, np.float32)
    search.decode_step(numbers.ctypes.data, *numbers.shape)


def ranked(search: Any) -> list[Any]:
    """What flashlight keeps by now, the best first."""
    return sorted(search.get_all_final_hypothesis(), key=lambda result: -result.score)


def lm_score(lm: Any, units: Sequence[int]) -> float:
    """Score a whole sentence of words or tokens, its end included, in nats."""
    state, total = lm.start(False), 0.0
    for unit in units:
        state, score = lm.score(state, unit)
        total += score
    return float((total + lm.finish(state)[1]) * LOG10)


@dataclass(frozen=True)
class Flashlight:
    """The parts of flashlight-text that are used, imported when they are needed."""

    decoder: Any
    kenlm: Any
    dictionary: Any

    def read(self, path: Path, units: Sequence[str]) -> Any:
        """Read a language model, its words numbered as `units` are.

        Raises:
            ModelError: if the file is none.
        """
        dictionary = self.dictionary.Dictionary()
        for unit in units:
            dictionary.add_entry(unit)
        try:
            with _quiet():
                return self.kenlm.KenLM(str(path), dictionary)
        except (RuntimeError, UnicodeDecodeError) as error:  # its message may quote half a character
            reason = str(error).strip().split("\n")[-1].strip()
            raise ModelError(f"{path}: this language model cannot be read ({reason}); build or copy it again") from None

    def options(self, config: DecodingConfig, lm_weight: float) -> dict[str, Any]:
        """What the options of every search have in common."""
        return {
            "beam_size": config.beam,
            "beam_size_token": config.top_tokens,
            "beam_threshold": THRESHOLD,
            "lm_weight": lm_weight * LOG10,  # which multiplies base 10 logarithms
            "sil_score": 0.0,
            "log_add": True,
            "criterion_type": self.decoder.CriterionType.CTC,
        }

    def boosted(
        self,
        lm: Any,
        words: HotWords,
        scale: float,
        *,
        unknown: int = sys.maxsize,
        start: int = 0,
        end: Sequence[int] = (),
    ) -> Any:
        """A language model that adds what hot words earn.

        Args:
            lm: the model without them.
            words: the hot words, of the same units.
            scale: what the search multiplies scores by; bonuses are divided by it.
            unknown: the unit that the model takes all later ones for.
            start: the hot words' state before the first unit.
            end: units that they are shown after the last.
        """

        decoder = self.decoder

        class Boosted(decoder.LM):  # type: ignore[name-defined, misc]
            """Its states are a tree of its own: the model takes different new words for one."""

            def __init__(self) -> None:
                super().__init__()
                self.reached: dict[Any, tuple[Any, int]] = {}
                """Of each state that of the model, and that of the hot words."""

            def start(self, start_with_nothing: bool) -> Any:
                state = decoder.LMState()
                self.reached = {state: (lm.start(start_with_nothing), start)}
                return state

            def score(self, state: Any, unit: int) -> tuple[Any, float]:
                known, hot = self.reached[state]
                known, score = lm.score(known, min(unit, unknown))
                hot, change = words.step(hot, unit)
                state = state.child(unit)
                self.reached[state] = known, hot
                return state, score + change / scale

            def finish(self, state: Any) -> tuple[Any, float]:
                known, hot = self.reached[state]
                _, score = lm.finish(known)
                total = 0.0
                for unit in end:
                    hot, change = words.step(hot, unit)
                    total += change
                return state.child(-1), score + (total + words.finish(hot)) / scale

        return Boosted()


def is_installed() -> bool:
    """Whether flashlight-text can be imported."""
    try:
        flashlight()
    except MissingExtra:
        return False
    return True


def flashlight() -> Flashlight:
    """Import flashlight-text.

    Raises:
        MissingExtra: if it is not installed.
    """
    try:
        from flashlight.lib.text import decoder, dictionary
        from flashlight.lib.text.decoder import kenlm
    except ImportError:
        if sys.version_info >= (3, 13):
            raise MissingExtra(
                "decoding with an n-gram model (flashlight-text, which exists up to Python 3.12)", "lm"
            ) from None
        raise MissingExtra("decoding with an n-gram model", "lm") from None
    return Flashlight(decoder, kenlm, dictionary)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep KenLM's progress bar, written by C++, off the screen."""
    sys.stderr.flush()
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)
