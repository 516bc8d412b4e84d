"""Recordings -> text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.audio import MEDIA_SUFFIXES, SUFFIXES, load
from asr.decode import greedy
from asr.errors import AsrError, DataError
from asr.fusion import Decoder, Hypothesis
from asr.recogniser import Recogniser


@dataclass(frozen=True)
class Transcript:
    """What was heard in a file, or why nothing could be."""

    path: Path
    text: str
    error: AsrError | None = None
    hypotheses: tuple[Hypothesis, ...] = ()
    """With a decoder: all that it has found, the text first."""


def transcribe(recogniser: Recogniser, paths: Iterable[Path], decoder: Decoder | None = None) -> Iterator[Transcript]:
    """Decode files one after the other, greedily if there is no decoder; a bad file does not keep the next one from its turn.

    A recording too short for one frame has the empty text.
    """
    for path in paths:
        try:
            waveform = load(path, sample_rate=recogniser.config.features.sample_rate)
        except AsrError as error:
            yield Transcript(path, "", error)
            continue
        emissions = recogniser.emissions(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
        if decoder is None:
            (tokens,) = greedy(emissions.log_probs, emissions.lengths)
            yield Transcript(path, recogniser.tokenizer.decode(tokens))
        else:
            hypotheses = tuple(decoder(emissions.log_probs[0, : emissions.lengths[0]]))
            yield Transcript(path, hypotheses[0].text, hypotheses=hypotheses)


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
