"""A piece of a recording -> its timed text: what long and live reading have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asr.decoding.commands import Commands
from asr.decoding.decoder import Decoder
from asr.decoding.greedy import greedy
from asr.decoding.hypothesis import DecodingConfig, Hypothesis
from asr.decoding.parallel import Scored
from asr.decoding.vocabulary import separator
from asr.errors import ConfigError
from asr.model.best_path import Spike, align
from asr.model.labels import LogProbs
from asr.model.reading import Full
from asr.recogniser.engine import Engine
from asr.text.spelling import Spelling, split_words
from asr.text.timed import Command, Segment, TimedText
from asr.transcription.confidence import Calibration
from asr.transcription.coverage import Counts, Low, count, mark, without_unsure
from asr.transcription.long import WORD_PAUSE, Piece, part_words
from asr.transcription.timing import time_text, token_spans
from asr.units import Seconds


@dataclass(frozen=True)
class Decoded:
    """The text of an utterance, and where its tokens are."""

    spelling: Spelling
    spikes: tuple[Spike, ...]
    hypotheses: tuple[Hypothesis, ...] = ()
    """With a decoder: all that it has found, the text first. The commands that are most like it."""
    command: Command | None = None
    """If commands are listened for and it is one."""


@dataclass(frozen=True)
class Part:
    """The text of a piece of a recording."""

    start: Seconds
    timed: TimedText
    """Its times count from the piece's start."""
    hypotheses: tuple[Hypothesis, ...]
    """With a decoder: all its texts."""
    counts: Counts
    """Of its levels."""

    @property
    def end(self) -> Seconds:
        return self.start + self.timed.duration

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Their times count from the recording's start."""
        return tuple(segment.shifted(self.start) for segment in self.timed.segments)


@dataclass(frozen=True)
class PieceReader:
    """What turns pieces into text: a `Transcriber`'s parts."""

    recogniser: Engine
    decoder: Decoder | None
    calibration: Calibration
    min_confidence: float
    low: Low
    commands: Commands | None = None
    """In place of a decoder: all that is listened for."""

    def with_hotwords(self, hotwords: Mapping[str, float]) -> "PieceReader":
        """A reader that favours other phrases; all else is as it is here.

        Raises:
            ConfigError: if a phrase cannot be spelt with the model's tokens, or commands are
                listened for.
        """
        if self.commands is not None:
            raise ConfigError("commands take the place of hot words; change the commands")
        if self.decoder is not None:
            return replace(self, decoder=self.decoder.with_hotwords(hotwords))
        return replace(self, decoder=Decoder(self.recogniser.tokenizer, DecodingConfig(), hotwords=hotwords))

    def __call__(self, piece: Piece) -> Part:
        """Score, decode and time a piece.

        A model that was trained on whole utterances reads each piece by itself, as it would one of
        these. The state that a stream carries over minutes is none that training knew.
        """
        scored = self.scored(piece)
        return self.part(piece, scored.log_probs, self.decode(scored))

    def part(self, piece: Piece, log_probs: LogProbs, found: Decoded, told: Sequence[bool] = ()) -> Part:
        """Time what was decoded of a piece.

        Args:
            piece: the sound.
            log_probs: (T, V), as they were decoded.
            found: the text.
            told: of its first words, whether they were sure enough when they were told. That stays.
        """
        timed = time_text(self.recogniser, piece.waveform, log_probs, found.spelling, found.spikes, self.calibration)
        rate = self.recogniser.config.features.sample_rate
        if found.command is not None:
            timed = timed.as_command(found.command)
        else:
            heard = np.concatenate([piece.waveform, piece.beyond])
            tokens = token_spans(self.recogniser, found.spelling, found.spikes)
            timed = mark(timed, tokens, heard, rate, self.min_confidence, told)
        counts = count(timed.words, piece.waveform, rate)
        return Part(piece.start, without_unsure(timed) if self.low == "drop" else timed, found.hypotheses, counts)

    def scored(self, piece: Piece) -> Scored:
        """What is decoded of a piece."""
        log_probs, second, space = piece.log_probs, None, separator(self.recogniser.tokenizer)
        if isinstance(self.recogniser.reading, Full) and not piece.is_all:
            (log_probs,) = self.recogniser.log_probs([piece.waveform])
        if space is not None:
            log_probs = part_words(log_probs, space, pause=self.recogniser.config.frames(WORD_PAUSE))
        if self.decoder is not None:
            (second,) = self.decoder.second_log_probs([piece.waveform])
        return Scored(log_probs, second)

    def decode(self, utterance: Scored) -> Decoded:
        """Find an utterance's text and where its tokens are.

        The decoder's best text is aligned; the best path of greedy decoding needs no alignment.
        Where commands are listened for, it is one of them or empty.
        """
        if self.commands is not None:
            return self._command(utterance.log_probs, self.commands)
        if self.decoder is None:
            path = greedy(utterance.log_probs)
            return Decoded(split_words(path.tokens, self.recogniser.tokenizer), path.spikes)
        return self.aligned(utterance, tuple(self.decoder(utterance.log_probs, second=utterance.second)))

    def aligned(self, utterance: Scored, hypotheses: tuple[Hypothesis, ...]) -> Decoded:
        """Find where the tokens of the first of several texts are."""
        tokens = hypotheses[0].tokens
        spikes = tuple(align(utterance.log_probs, tokens))
        return Decoded(split_words(tokens, self.recogniser.tokenizer), spikes, hypotheses)

    def _command(self, log_probs: LogProbs, commands: Commands) -> Decoded:
        candidates = commands(log_probs)
        told = tuple(
            Hypothesis(found.spelling.tokens, found.phrase.text, found.score, found.log_prob) for found in candidates
        )
        if not candidates or not commands.accepts(best := candidates[0]):
            return Decoded(Spelling((), ()), (), told)
        command = Command(best.phrase.name, dict(best.phrase.slots), best.score)
        return Decoded(best.spelling, tuple(align(log_probs, best.spelling.tokens)), told, command)
