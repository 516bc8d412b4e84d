"""The text of a segment that is still being said: what is known by now, and what of it stands.

A word that is stable is never taken back, and begins the final text too.

- Greedy decoding: a word is stable when the next one has begun. Log-probs do not change any more.
- Beam search: a word is stable when all hypotheses agree on it, or when it has stood in the best
  one for a while (`settle`). From then on only hypotheses that begin so are considered (compare
  Selfridge et al. 2011, "Stability and accuracy in incremental speech recognition").
- A model that was trained whole reads again when the segment is complete. Nothing is stable before.
- Where commands are listened for there is no text before the segment is complete.

Whether a word is sure enough to be told is decided when it becomes stable. For that all sound must
be there by which it is judged.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from asr.audio.waveform import Waveform
from asr.decoding.greedy import greedy
from asr.decoding.parallel import Scored
from asr.decoding.vocabulary import are_words, separator
from asr.model.best_path import Spike, align
from asr.model.labels import BLANK, LogProbs
from asr.recogniser.engine import Engine
from asr.text.spelling import Spelling, split_words
from asr.transcription.coverage import AFTER, marked
from asr.transcription.long import WORD_PAUSE, Piece, part_words
from asr.transcription.part import Decoded, Part, PieceReader
from asr.transcription.timing import time_words, token_spans
from asr.units import Frames


class RunningText:
    """The text of a piece of which log-probs come in.

    Args:
        reader: decodes the piece.
        recogniser: whose log-probs come.
        settle: how long a word stands in the best hypothesis until it is stable.
        is_final: whether the piece is decoded from these log-probs in the end, too.
    """

    def __init__(self, reader: PieceReader, recogniser: Engine, settle: Frames, *, is_final: bool) -> None:
        self._reader, self._recogniser, self._settle, self._is_final = reader, recogniser, settle, is_final
        self._decoding = reader.decoder.begin() if is_final and reader.decoder is not None else None
        self._space = separator(recogniser.tokenizer)
        self._whole_words = are_words(recogniser.tokenizer)
        self._fed: Frames = 0
        self._best = Decoded(Spelling((), ()), ())
        self._agreed = 0
        """Tokens of the best hypothesis that all others have."""
        self._since: list[tuple[str, Frames]] = []
        """Words of the best hypothesis, and when they came there."""
        self._stable = Decoded(Spelling((), ()), ())
        self._sure: list[bool] = []
        """Of all words that are stable, and of those that are not yet."""

    @property
    def stable(self) -> str:
        """The words that are stable and sure enough."""
        return self._told(len(self._stable.spelling.words))

    @property
    def text(self) -> str:
        """All words that are there by now and sure enough."""
        return self._told(len(self._best.spelling.words))

    def update(self, piece: Piece) -> None:
        """Take all that is there of the piece by now."""
        if self._reader.commands is not None:
            return
        tokens = np.flatnonzero(piece.log_probs.argmax(axis=1) != BLANK)
        read = int(tokens[-1]) + 1 if len(tokens) else 0  # a cut is nowhere before
        if read > self._fed:
            log_probs = self._parted(piece.log_probs[:read])
            self._feed(log_probs)
            self._best = self._decoded(log_probs)
        count = self._stabilise(piece) if self._is_final else 0
        self._judge(piece.waveform, self._parted(piece.log_probs[:read]))
        if count > len(self._stable.spelling.words):
            self._stable = _first(self._best, count)

    def finish(self, piece: Piece) -> Part:
        """The piece's final text, which begins with what is stable.

        Args:
            piece: complete, of which `update` has had the beginning.
        """
        if not self._is_final:
            return self._reader(replace(piece, is_all=False))  # its log-probs are of short chunks
        scored = self._reader.scored(piece)
        self._feed(scored.log_probs)
        return self._reader.part(piece, scored.log_probs, self._final(scored), self._sure[: self._words_stable])

    @property
    def _words_stable(self) -> int:
        return len(self._stable.spelling.words)

    def _told(self, count: int) -> str:
        words = self._best.spelling.words[:count]
        return " ".join(word for (word, _), sure in zip(words, self._sure, strict=False) if sure)

    def _parted(self, log_probs: LogProbs) -> LogProbs:
        if self._space is None:
            return log_probs
        return part_words(log_probs, self._space, pause=self._recogniser.config.frames(WORD_PAUSE))

    def _feed(self, log_probs: LogProbs) -> None:
        if self._decoding is not None:
            self._decoding.accept(log_probs[self._fed :])
        self._fed = len(log_probs)

    def _decoded(self, log_probs: LogProbs) -> Decoded:
        """The best text by now that begins with what is stable."""
        if self._decoding is None:
            path = greedy(log_probs)
            self._agreed = len(path.tokens)
            return Decoded(self._split(path.tokens), path.spikes)
        running = self._decoding.running()
        self._agreed = min(len(list(takewhile(_alike, zip(running[0], other, strict=False)))) for other in running)
        for tokens in running:
            if self._continues(spelling := self._split(tokens)):
                if tokens != running[0]:
                    self._agreed = 0
                try:
                    return Decoded(spelling, tuple(align(log_probs, tokens)))
                except ValueError:  # a search may hold what the frames do not suffice for
                    continue
        self._agreed = 0
        return self._spliced(log_probs)

    def _final(self, scored: Scored) -> Decoded:
        if self._decoding is None:
            path = greedy(scored.log_probs)
            return Decoded(self._split(path.tokens), path.spikes)
        found = self._decoding.finish(second=scored.second)
        kept = tuple(hypothesis for hypothesis in found if self._continues(self._split(hypothesis.tokens)))
        if not kept:
            return replace(self._spliced(scored.log_probs), hypotheses=tuple(found))
        return self._reader.aligned(scored, kept)

    def _split(self, tokens: Sequence[int]) -> Spelling:
        return split_words(tokens, self._recogniser.tokenizer)

    def _continues(self, spelling: Spelling) -> bool:
        """Whether a text begins with what is stable."""
        return _texts(spelling)[: self._words_stable] == _texts(self._stable.spelling)

    def _spliced(self, log_probs: LogProbs) -> Decoded:
        """What is stable, then the best path: where no hypothesis begins with what is stable."""
        stable = self._stable
        end = stable.spikes[-1].stop if stable.spikes else 0
        path = greedy(log_probs[end:])
        rest = [Spike(s.start + end, s.stop + end, s.log_prob) for s in path.spikes]
        for first in range(len(rest) + 1):  # less what would lengthen the last stable word
            spelling = self._split((*stable.spelling.tokens, *path.tokens[first:]))
            if self._continues(spelling):
                return Decoded(spelling, (*stable.spikes, *rest[first:]))
        return stable

    def _stabilise(self, piece: Piece) -> int:
        """Count the words that are stable by now."""
        now, spelling, config = len(piece.log_probs), self._best.spelling, self._recogniser.config
        heard = len(piece.waveform) / config.features.sample_rate - AFTER
        texts = _texts(spelling)
        kept = len(list(takewhile(_alike, zip(texts, (word for word, _ in self._since), strict=False))))
        self._since = [*self._since[:kept], *((word, now) for word in texts[kept:])]
        count = self._words_stable
        for word, at in spelling.words[count:]:
            agreed, complete = (at.stop < n or (self._whole_words and at.stop == n) for n in self._ends)
            if not (agreed or (complete and now - self._since[count][1] >= self._settle)):
                break
            if self._best.spikes[at.stop - 1].start * config.frame > heard:
                break
            assert word == self._since[count][0]
            count += 1
        return count

    @property
    def _ends(self) -> tuple[int, int]:
        return self._agreed, len(self._best.spelling.tokens)

    def _judge(self, waveform: Waveform, log_probs: LogProbs) -> None:
        """Decide which words are sure enough; of those that were stable before it is decided."""
        first = self._words_stable
        reader, rate = self._reader, self._recogniser.config.features.sample_rate
        del self._sure[first:]
        best = self._best
        if reader.low != "drop" or reader.min_confidence == 0 or len(best.spelling.words) == first:
            self._sure += [True] * (len(best.spelling.words) - first)
            return
        words = time_words(
            self._recogniser, waveform, log_probs, best.spelling, best.spikes, reader.calibration, first=first
        )
        tokens = token_spans(self._recogniser, best.spelling, best.spikes)[first:]
        self._sure += [not word.unsure for word in marked(words, tokens, waveform, rate, reader.min_confidence)]


def _alike(pair: tuple[object, object]) -> bool:
    return pair[0] == pair[1]


def _texts(spelling: Spelling) -> list[str]:
    return [word for word, _ in spelling.words]


def _first(decoded: Decoded, count: int) -> Decoded:
    """The first words of a text."""
    words = decoded.spelling.words[:count]
    stop = words[-1][1].stop
    return Decoded(Spelling(decoded.spelling.tokens[:stop], words), decoded.spikes[:stop])
