"""Recordings -> text, with the time of each word.

The `Transcriber` is the one object that commands, evaluation and Python users hold.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from asr.audio.reader import Waveform
from asr.decoding.commands import Commands, load_commands
from asr.decoding.decoder import Decoder
from asr.decoding.flashlight import is_installed
from asr.decoding.greedy import greedy
from asr.decoding.hypothesis import Hypothesis, best_together
from asr.decoding.parallel import ParallelDecoder, Scored
from asr.decoding.tuned import load_decoder, load_tuned, tuned_models
from asr.errors import AsrError, ConfigError, DataError
from asr.model.best_path import align
from asr.model.labels import LogProbs, minimum_frames
from asr.recogniser.bundled import bundled_model
from asr.recogniser.engine import Engine
from asr.recogniser.engines import EngineName, load_engine
from asr.text.spelling import spell
from asr.text.timed import TimedText
from asr.transcription.confidence import UNCALIBRATED, Calibration, load_calibration
from asr.transcription.coverage import MIN_CONFIDENCE, Low
from asr.transcription.endpoint import LiveConfig
from asr.transcription.journal import Journal
from asr.transcription.live import LiveStream
from asr.transcription.long import pieces
from asr.transcription.part import Decoded, Part, PieceReader
from asr.transcription.parts import read_parts
from asr.transcription.segments import Segments
from asr.transcription.sound import Recording, Sound, nobody, opened
from asr.transcription.timing import time_text
from asr.transcription.transcript import Transcript

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Transcriber:
    """A recogniser, the decoder that reads its log-probs, and what its confidences are worth.

    Example:
        >>> transcriber = Transcriber.load("runs/an4/best")  # doctest: +SKIP
        >>> transcriber.transcribe("a.wav").text  # doctest: +SKIP
        'go forward ten meters'
    """

    recogniser: Engine
    decoder: Decoder | None = None
    """None decodes greedily."""
    calibration: Calibration = UNCALIBRATED
    min_confidence: float = MIN_CONFIDENCE
    """Words below it are dropped or marked; 0 keeps all. Given texts keep theirs."""
    low: Low = "drop"
    """What becomes of these words."""
    jobs: int = 1
    """Pieces of a recording that are decoded at the same time."""
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
        device: "str | torch.device" = "auto",
        engine: EngineName = "auto",
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
            engine: "torch", "onnx" or "int8"; "auto" is ONNX where `asr export` has written it, and
                no other device than "cpu" is asked for.

        Raises:
            ModelError: if the folder is not a model's, or a part of it or a language model cannot
                be used.
            ConfigError: if a value is not allowed.
            MissingExtra: if a language model needs a library that is not installed.
        """
        is_bundled = folder is None
        folder = bundled_model() if folder is None else Path(folder)
        recogniser = load_engine(folder, engine, str(device))
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
        found = self.segments(recording, sample_rate, track=track, channel=channel)
        return found.whole(tuple(found), language)

    def segments(
        self,
        recording: Recording,
        sample_rate: int | None = None,
        *,
        track: int | None = None,
        channel: int | None = None,
    ) -> Segments:
        """Give the segments of a recording one by one, each as soon as it is certain.

        At the end the result has `warnings`, `coverage`, `duration` and `confidence`, as the text
        of `transcribe` has.

        Raises:
            DataError, ConfigError: as `transcribe`, when the first segment is asked for.
        """
        return Segments(self._opened(recording, sample_rate, track=track, channel=channel), self.parts)

    def hypotheses(self, recording: Recording, sample_rate: int | None = None) -> tuple[Hypothesis, ...]:
        """Find the best texts of a recording, best first, with their scores.

        Raises:
            ConfigError: if there is no decoder, which alone has several; and as `transcribe`.
            DataError: as `transcribe`.
        """
        if self.decoder is None and self.commands is None:
            raise ConfigError("greedy decoding has a single text; load the model with a beam or a language model")
        with self._opened(recording, sample_rate) as sound:
            return best_together([part.hypotheses for part in self.parts(sound)])

    def align(
        self,
        recording: Recording,
        text: str,
        sample_rate: int | None = None,
        *,
        language: str | None = None,
        track: int | None = None,
        channel: int | None = None,
    ) -> TimedText:
        """Find when each word of a known text is said; words stay as they are written.

        Args:
            recording: as in `transcribe`.
            text: what is said in it.
            sample_rate: as in `transcribe`.
            language: as in `transcribe`.
            track: as in `transcribe`.
            channel: as in `transcribe`.

        Raises:
            DataError: if the recording cannot be read, is digital silence, or is too short for the
                text; if the text has no words, or some that the tokens cannot spell.
            ConfigError: as `transcribe`.
        """
        with self._opened(recording, sample_rate, track=track, channel=channel) as sound:
            waveform = np.concatenate(list(sound))
        try:
            spelling = spell(text, self.recogniser.tokenizer)
            if not waveform.any():
                raise DataError("holds only silence, with which no text can be aligned; is it the right recording?")
            log_probs = np.concatenate([piece.log_probs for piece in pieces(self.recogniser, [waveform])])
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
        self, paths: Iterable[Path], *, track: int | None = None, channel: int | None = None
    ) -> Iterator[Transcript]:
        """Transcribe files one after the other; one that cannot be read has its error instead.

        Args:
            paths: the files.
            track: as in `transcribe`.
            channel: as in `transcribe`.
        """
        for path in paths:
            try:
                timed = self.transcribe(path, track=track, channel=channel)
            except AsrError as error:
                yield Transcript(str(path), Path(path.stem), None, error)
            else:
                yield Transcript(str(path), Path(path.stem), timed)

    def transcribe_file(
        self,
        path: Path,
        journal: Journal,
        *,
        track: int | None = None,
        channel: int | None = None,
        several: bool = False,
        follow: Callable[[Segments], object] = nobody,
        told: Callable[[float], None] = nobody,
    ) -> Transcript:
        """Transcribe a file in memory that does not grow, from where an earlier job was stopped.

        Args:
            path: the file.
            journal: open; what it has is not searched for again. The segments of the result are
                read from it.
            track: as in `transcribe`.
            channel: as in `transcribe`.
            several: whether the result has the decoder's other texts, too, of what was found now.
            follow: is given the segments while they come, those of the journal first.
            told: is called with the share of the file that is read, where it says how long it is.

        Returns:
            The transcript, which has the error of a file that cannot be read instead of a text.
        """
        hypotheses: list[Sequence[Hypothesis]] = []

        def parts(sound: Sound) -> Iterator[Part]:
            yield from journal.parts()
            for part in self.parts(sound, journal):
                journal.add(part)
                if several:
                    hypotheses.append(part.hypotheses)
                yield part

        found = Segments(self._opened(path, None, track=track, channel=channel, told=told), parts)
        try:
            follow(found)
            deque(found, maxlen=0)
        except AsrError as error:
            return Transcript(str(path), Path(path.stem), None, error)
        timed = found.whole(journal.segments)
        return Transcript(str(path), Path(path.stem), timed, hypotheses=best_together(hypotheses))

    def _opened(
        self,
        recording: Recording,
        sample_rate: int | None,
        *,
        track: int | None = None,
        channel: int | None = None,
        told: Callable[[float], None] = nobody,
    ) -> AbstractContextManager[Sound]:
        wanted = self.recogniser.config.features.sample_rate
        return opened(recording, sample_rate, wanted, track=track, channel=channel, told=told)

    def scored(self, utterances: Sequence[LogProbs], waveforms: Sequence[Waveform]) -> list[Scored]:
        """Give what is decoded of utterances.

        Args:
            utterances: (T, V) of each, the recogniser's.
            waveforms: (N,) of each, for a second recogniser.
        """
        if self.decoder is None:
            return [Scored(log_probs) for log_probs in utterances]
        second = self.decoder.second_log_probs(waveforms)
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

    @property
    def reader(self) -> PieceReader:
        """What turns pieces of recordings into text."""
        return PieceReader(
            self.recogniser, self.decoder, self.calibration, self.min_confidence, self.low, self.commands
        )

    def parts(self, sound: Sound, journal: Journal | None = None) -> Iterator[Part]:
        """Decode a recording piece by piece, but not what a journal has already."""
        return read_parts(self.reader, sound, journal, jobs=self.jobs)
