"""Recordings -> text, with the time of each word.

The `Transcriber` is the one object that commands, evaluation and Python users hold.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.audio.reader import Recording as OpenRecording
from asr.audio.reader import Waveform, open_recording
from asr.audio.waveform import from_array
from asr.decoding.commands import Commands, load_commands
from asr.decoding.decoder import Decoder
from asr.decoding.flashlight import is_installed
from asr.decoding.greedy import greedy
from asr.decoding.hypothesis import Hypothesis, best_together
from asr.decoding.parallel import ParallelDecoder, Scored
from asr.decoding.tuned import load_decoder, load_tuned, tuned_models
from asr.errors import AsrError, ConfigError, DataError
from asr.model.acoustic import Emissions
from asr.model.best_path import align
from asr.model.ctc import minimum_frames
from asr.recogniser.bundled import bundled_model
from asr.recogniser.model_folder import load_model
from asr.recogniser.recogniser import Recogniser
from asr.text.spelling import spell
from asr.text.timed import Segment, TimedText, joined
from asr.transcription.confidence import UNCALIBRATED, Calibration, load_calibration
from asr.transcription.coverage import (
    MIN_CONFIDENCE,
    Low,
    coverage,
    sum_counts,
    warning,
)
from asr.transcription.endpoint import LiveConfig
from asr.transcription.live import LiveStream
from asr.transcription.long import pieces
from asr.transcription.part import Decoded, Part, PieceReader
from asr.transcription.timing import time_text
from asr.transcription.transcript import Transcript
from asr.units import Samples
from asr.workers import choose_device

Recording: TypeAlias = str | Path | npt.NDArray[Any] | Tensor
"""A file, or samples: (N,) or (channels, N), floats of full scale +-1 or PCM integers."""


def _nobody(*_told: Any) -> None:
    """Is told nothing."""


@dataclass(frozen=True)
class Transcriber:
    """A recogniser, the decoder that reads its log-probs, and what its confidences are worth.

    Example:
        >>> transcriber = Transcriber.load("runs/an4/best")  # doctest: +SKIP
        >>> transcriber.transcribe("a.wav").text  # doctest: +SKIP
        'go forward ten meters'
    """

    recogniser: Recogniser
    decoder: Decoder | None = None
    """None decodes greedily."""
    calibration: Calibration = UNCALIBRATED
    min_confidence: float = MIN_CONFIDENCE
    """Words below it are dropped or marked; 0 keeps all. Given texts keep theirs."""
    low: Low = "drop"
    """What becomes of these words."""
    commands: Commands | None = None
    """If given, all that is listened for, without the decoder: a piece is a command or no text."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise ConfigError(f"min_confidence is {self.min_confidence}; it is a probability, from 0 to 1")
        if self.low not in get_args(Low):
            raise ConfigError(f"low is {self.low!r}; it is one of {', '.join(get_args(Low))}")

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        *,
        lm: bool | str | Path | Sequence[str | Path] | None = None,
        second: str | Path | None = None,
        beam: int | None = None,
        hotwords: Mapping[str, float] | None = None,
        commands: str | Path | Sequence[str] | None = None,
        device: str | torch.device = "auto",
    ) -> "Transcriber":
        """Read a model folder with its calibration.

        Without `lm`, `beam` or `hotwords` a named model decodes greedily. The English model that
        comes with the package takes its language model, where flashlight-text is installed.

        Args:
            folder: the model's; None is the English model's.
            lm: an n-gram file, the folder of a recurrent model, or both; True takes those that `asr
                tune` has kept, False none.
            second: with `lm`, the folder of another recogniser, whose score counts too.
            beam: hypotheses to keep; alone it asks for a beam search without a language model.
            hotwords: phrases to favour, and what each earns in nats; 6 is usual.
            commands: the only phrases to listen for: a grammar's file or its lines.
            device: "cpu", "cuda", or "auto", the better one that is there.

        Raises:
            ModelError: if the folder is not a model's, or a part of it or a language model cannot
                be used.
            ConfigError: if a value is not allowed.
            MissingExtra: if a language model needs a library that is not installed.
        """
        is_bundled = folder is None
        folder = bundled_model() if folder is None else Path(folder)
        recogniser = load_model(folder, choose_device(str(device)))
        models: Sequence[Path] = ()
        other = Path(second) if second is not None else None
        if lm is None:
            tuned = load_tuned(folder) if is_bundled and commands is None else None
            lm = tuned is not None and bool(tuned.lm) and is_installed()
        if lm is True:
            models, kept = tuned_models(folder)
            other = other or kept
        elif lm:
            models = [Path(path) for path in ([lm] if isinstance(lm, str | Path) else lm)]
        if other is not None and not models:
            raise ConfigError("a second recogniser needs a language model")
        searches = bool(models) or beam is not None or bool(hotwords)
        if searches and commands is not None:
            raise ConfigError("commands take the place of a search; give none of lm, beam and hotwords beside them")
        decoder = None
        if searches:
            decoder = load_decoder(folder, recogniser, models, second=other, beam=beam, hotwords=hotwords)
        listened = None if commands is None else load_commands(commands, folder, recogniser.tokenizer)
        return cls(recogniser, decoder, load_calibration(folder), commands=listened)

    def transcribe(
        self,
        recording: Recording,
        sample_rate: int | None = None,
        *,
        language: str | None = None,
        track: int | None = None,
        channel: int | None = None,
    ) -> TimedText:
        """Turn a recording into text with times; one too short for a frame has the empty text.

        A file is read block by block, so memory does not grow with its length.

        Args:
            recording: a file ("-" is standard input), or samples.
            sample_rate: of the samples, in Hz; a file has its own.
            language: for the result, if known; decoding does not depend on it.
            track: of a file with several sound tracks, from 0; None is its default.
            channel: of a file with several channels, from 0; None averages them.

        Raises:
            DataError: if the recording cannot be read or holds no sound.
            ConfigError: if samples come without a rate, or a file with one.
        """
        with self._opened(recording, sample_rate, track, channel) as sound:
            return self._together(list(self._parts(sound)), sound, language)

    def segments(self, recording: Recording, sample_rate: int | None = None) -> Iterator[Segment]:
        """Give the segments of a recording one by one, each as soon as it is certain.

        Raises:
            DataError, ConfigError: as `transcribe`.
        """
        with self._opened(recording, sample_rate) as sound:
            for part in self._parts(sound):
                for segment in part.timed.segments:
                    yield segment.shifted(part.start)

    def hypotheses(self, recording: Recording, sample_rate: int | None = None) -> tuple[Hypothesis, ...]:
        """Find the best texts of a recording, best first, with their scores.

        Raises:
            ConfigError: if there is no decoder, which alone has several; and as `transcribe`.
            DataError: as `transcribe`.
        """
        if self.decoder is None and self.commands is None:
            raise ConfigError("greedy decoding has a single text; load the model with a beam or a language model")
        with self._opened(recording, sample_rate) as sound:
            return best_together([part.hypotheses for part in self._parts(sound)])

    def align(
        self, recording: Recording, text: str, sample_rate: int | None = None, *, language: str | None = None
    ) -> TimedText:
        """Find when each word of a known text is said; words stay as they are written.

        Raises:
            DataError: if the recording cannot be read, is digital silence, or is too short for the
                text; if the text has no words, or some that the tokens cannot spell.
            ConfigError: as `transcribe`.
        """
        with self._opened(recording, sample_rate) as sound:
            waveform = np.concatenate(list(sound))
        try:
            spelling = spell(text, self.recogniser.tokenizer)
            if not waveform.any():
                raise DataError("holds only silence, with which no text can be aligned; is it the right recording?")
            log_probs = torch.cat([piece.log_probs for piece in pieces(self.recogniser, [waveform])])
            if (needed := minimum_frames(spelling.tokens)) > len(log_probs):
                raise DataError(
                    f"the text needs {needed} frames of {1000 * self.recogniser.config.frame:.0f} ms, the recording has "
                    f"{len(log_probs)}; do they belong together?"
                )
        except DataError as error:
            if isinstance(recording, str | Path):
                raise DataError(f"{recording}: {error}") from None
            raise
        spikes = align(log_probs, spelling.tokens)
        timed = time_text(self.recogniser, waveform, log_probs, spelling, spikes, self.calibration, language=language)
        return replace(timed, warnings=tuple(sound.warnings))

    def stream(self, sample_rate: int, config: LiveConfig | None = None) -> LiveStream:
        """Begin to read sound as it comes.

        A model that was trained in chunks (`--bptt.mode chunked`) tells words that stand while
        people speak. One that was trained whole tells what it takes them to be, and reads each
        segment again when it is complete.

        Args:
            sample_rate: of the samples that will come, in Hz.
            config: when a segment ends, and what is read at a time.

        Raises:
            ConfigError: if a setting is not allowed.

        Example:
            >>> stream = model.stream(sample_rate=16_000)  # doctest: +SKIP
            >>> for event in stream.accept(samples):  # doctest: +SKIP
            ...     print(event)
            Partial(text='go forward ten', stable_prefix='go forward')
        """
        return LiveStream(self.reader, config or LiveConfig(), sample_rate)

    def transcribe_files(
        self,
        paths: Iterable[Path],
        *,
        track: int | None = None,
        channel: int | None = None,
        told: Callable[[Path, float], None] = _nobody,
    ) -> Iterator[Transcript]:
        """Transcribe files one after the other; one that cannot be read has its error instead.

        Args:
            paths: the files.
            track: as in `transcribe`.
            channel: as in `transcribe`.
            told: is called while a file is read, with the file and the share of it that is done,
                where it says how long it is.
        """
        for path in paths:
            name, stem = str(path), Path(path.stem)
            try:
                with self._opened(path, None, track, channel, partial(told, path)) as sound:
                    parts = list(self._parts(sound))
            except AsrError as error:
                yield Transcript(name, stem, None, error)
            else:
                timed = self._together(parts, sound, None)
                hypotheses = best_together([part.hypotheses for part in parts])
                yield Transcript(name, stem, timed, hypotheses=hypotheses)

    def scored(self, emissions: Emissions, waveforms: Tensor, num_samples: Tensor) -> list[Scored]:
        """Give what is decoded of each utterance of a batch.

        Args:
            emissions: the recogniser's, of the batch.
            waveforms: (B, N) float32, for a second recogniser.
            num_samples: (B,), valid samples.
        """
        utterances = emissions.utterances()
        if self.decoder is None:
            return [Scored(log_probs) for log_probs in utterances]
        second = self.decoder.second_log_probs(waveforms, num_samples)
        return [Scored(*both) for both in zip(utterances, second, strict=True)]

    def decode(self, utterance: Scored) -> Decoded:
        """Find an utterance's text and where its tokens are."""
        return self.reader.decode(utterance)

    def texts(self, utterances: Sequence[Scored]) -> list[str]:
        """Find the best text of each utterance, with a decoder on all cores.

        Raises:
            AsrError: if a worker process has died.
        """
        if self.commands is not None:
            decoded = map(self.decode, utterances)
            return [" ".join(word for word, _ in found.spelling.words) for found in decoded]
        if self.decoder is None:
            return [self.recogniser.tokenizer.decode(greedy(utterance.log_probs).tokens) for utterance in utterances]
        with ParallelDecoder(self.decoder, utterances) as decode:
            return [hypotheses[0].text for hypotheses in decode()]

    @contextmanager
    def _opened(
        self,
        recording: Recording,
        sample_rate: int | None,
        track: int | None = None,
        channel: int | None = None,
        told: Callable[[float], None] = _nobody,
    ) -> "Iterator[_Sound]":
        """Open what comes in: the one place where it may be a file or samples."""
        wanted = self.recogniser.config.features.sample_rate
        if isinstance(recording, str | Path):
            if sample_rate is not None:
                raise ConfigError(f"{recording}: a file has its own sample rate; leave sample_rate out")
            with open_recording(recording, track=track, channel=channel) as file:
                yield _Sound(_telling(file, wanted, told), file.warnings, f"{file.name}: ")
            return
        if sample_rate is None:
            raise ConfigError("samples do not say their rate: transcribe(samples, sample_rate)")
        if track is not None or channel is not None:
            raise ConfigError("track and channel choose from a file; of samples, give those of one channel")
        samples = recording.detach().cpu().numpy() if isinstance(recording, Tensor) else recording
        yield _Sound(iter([from_array(samples, sample_rate, wanted)]), [])

    @property
    def reader(self) -> PieceReader:
        """What turns pieces of recordings into text."""
        return PieceReader(
            self.recogniser, self.decoder, self.calibration, self.min_confidence, self.low, self.commands
        )

    def _parts(self, blocks: Iterable[Waveform]) -> Iterator[Part]:
        """Decode a recording piece by piece."""
        return map(self.reader, pieces(self.recogniser, blocks))

    def _together(self, parts: Sequence[Part], sound: "_Sound", language: str | None) -> TimedText:
        duration = sound.samples / self.recogniser.config.features.sample_rate
        timed = joined([(part.start, part.timed) for part in parts], duration, language)
        covered = coverage(sum_counts(part.counts for part in parts), duration)
        missed = warning(covered)
        return replace(
            timed, warnings=(*sound.warnings, *([sound.prefix + missed] if missed else [])), coverage=covered
        )


def _telling(file: OpenRecording, sample_rate: int, told: Callable[[float], None]) -> Iterator[Waveform]:
    """Read a file; after each block tell which share of it is done."""
    for block in file.blocks(sample_rate=sample_rate):
        yield block
        if file.promised:
            told(min(1.0, file.seconds / file.promised))


class _Sound:
    """Blocks that are read once, counted.

    Args:
        blocks: (N,) each.
        warnings: what is amiss; complete when all is read.
        prefix: of what is warned of later, a file's name.
    """

    def __init__(self, blocks: Iterator[Waveform], warnings: list[str], prefix: str = "") -> None:
        self.prefix = prefix
        self.warnings = warnings
        self.samples: Samples = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[Waveform]:
        for block in self._blocks:
            self.samples += len(block)
            yield block
