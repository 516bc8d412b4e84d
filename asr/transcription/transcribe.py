"""Recordings -> text, with the time of each word."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.audio.waveform import MEDIA_SUFFIXES, SUFFIXES, load
from asr.decoding.decoder import Decoder
from asr.decoding.greedy import greedy
from asr.decoding.hypothesis import Hypothesis
from asr.errors import AsrError, DataError
from asr.recogniser.recogniser import Recogniser
from asr.text.spelling import heard
from asr.text.timed import TimedText
from asr.transcription.confidence import UNCALIBRATED, Calibration
from asr.transcription.timing import time_text


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording, or why it cannot be told."""

    name: str
    """The file, or the utterance's id."""
    stem: Path
    """What the name of a file about it begins with."""
    timed: TimedText | None
    error: AsrError | None = None
    hypotheses: tuple[Hypothesis, ...] = ()
    """With a decoder: all that it has found, the text first."""

    @property
    def text(self) -> str:
        return self.timed.text if self.timed else ""


def transcribe(
    recogniser: Recogniser,
    paths: Iterable[Path],
    calibration: Calibration = UNCALIBRATED,
    decoder: Decoder | None = None,
) -> Iterator[Transcript]:
    """Decode files one after the other, greedily if there is no decoder; a bad file does not keep the next one from its turn.

    A recording too short for one frame has the empty text.
    """
    for path in paths:
        try:
            waveform = load(path, sample_rate=recogniser.config.features.sample_rate)
        except AsrError as error:
            yield Transcript(str(path), path.with_suffix(""), None, error)
            continue
        sound = torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])
        emissions = recogniser.emissions(*sound)
        log_probs = emissions.log_probs[0, : int(emissions.lengths[0])]
        hypotheses = tuple(decoder(log_probs, second=decoder.second_log_probs(*sound)[0])) if decoder else ()
        tokens = hypotheses[0].tokens if hypotheses else greedy(emissions.log_probs, emissions.lengths)[0]
        timed = time_text(recogniser, waveform, log_probs, heard(tokens, recogniser.tokenizer), calibration)
        yield Transcript(str(path), path.with_suffix(""), timed, hypotheses=hypotheses)


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """Replace each folder by the audio files below it, in order of name.

    Raises:
        DataError: for a folder without audio.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES | MEDIA_SUFFIXES)
        if not inside:
            raise DataError(f"{path}: no audio file in this folder")
        found += inside
    return found
