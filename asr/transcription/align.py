"""Recordings with their texts -> the time of each word."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from lhotse.cut import Cut

from asr.audio.waveform import Waveform, load
from asr.data.batches import BatchDataset
from asr.data.cuts import text_of
from asr.errors import AsrError, DataError
from asr.recogniser.recogniser import Recogniser
from asr.text.spelling import spell
from asr.text.timed import TimedText
from asr.transcription.confidence import Calibration
from asr.transcription.timing import time_text
from asr.transcription.transcribe import Transcript


def align_file(recogniser: Recogniser, path: Path, text: str, calibration: Calibration) -> Transcript:
    """Align a recording with what is said in it.

    Raises:
        DataError: if the file cannot be read or is digital silence, or the text cannot be spelled or is too long for it.
    """
    waveform = load(path, sample_rate=recogniser.config.features.sample_rate)
    try:
        return Transcript(str(path), path.with_suffix(""), _aligned(recogniser, waveform, text, calibration, None))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def align_cuts(recogniser: Recogniser, cuts: Sequence[Cut], calibration: Calibration) -> Iterator[Transcript]:
    """Align the utterances of a manifest with their transcripts; one that cannot be aligned keeps no other from its turn."""
    utterances = BatchDataset([[cut] for cut in cuts], recogniser.tokenizer, recogniser.config.features.sample_rate)
    for number, cut in enumerate(cuts):
        languages = {s.language for s in cut.supervisions if s.language}
        language = languages.pop() if len(languages) == 1 else None
        stem = file_stem(cut)
        batch = utterances[number]
        try:
            if isinstance(batch, AsrError):
                raise batch
            timed = _aligned(recogniser, batch.waveforms[0].numpy(), text_of(cut), calibration, language)
            yield Transcript(cut.id, stem, timed)
        except DataError as error:
            named = error if isinstance(batch, AsrError) else DataError(f"utterance {cut.id}: {error}")
            yield Transcript(cut.id, stem, None, named)


def file_stem(cut: Cut) -> Path:
    """What the name of a file about an utterance begins with."""
    return Path(cut.id.replace("/", "_"))


def _aligned(
    recogniser: Recogniser, waveform: Waveform, text: str, calibration: Calibration, language: str | None
) -> TimedText:
    spelling = spell(text, recogniser.tokenizer)
    if not waveform.any():
        raise DataError("holds only silence, with which no text can be aligned; is it the right recording?")
    emissions = recogniser.emissions(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
    log_probs = emissions.log_probs[0, : int(emissions.lengths[0])]
    return time_text(recogniser, waveform, log_probs, spelling, calibration, language=language)
