"""Recordings with their texts -> the time of each word."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from asr.data.batches import BatchDataset
from asr.data.cuts import LazyCut
from asr.errors import AsrError, DataError
from asr.transcription.transcribe import Transcriber
from asr.transcription.transcript import Transcript


def align_file(
    transcriber: Transcriber, path: Path, text: str, *, track: int | None = None, channel: int | None = None
) -> Transcript:
    """Align a recording with its text; track and channel are as in `Transcriber.transcribe`.

    Raises:
        DataError: if the file cannot be read or is digital silence, or the text cannot be spelled
            or is too long for it.
    """
    return Transcript(str(path), Path(path.stem), transcriber.align(path, text, track=track, channel=channel))


def align_cuts(transcriber: Transcriber, cuts: Sequence[LazyCut]) -> Iterator[Transcript]:
    """Align the utterances of a manifest with their transcripts; each failure is in its place."""
    rate = transcriber.recogniser.config.features.sample_rate
    utterances = BatchDataset([[cut] for cut in cuts], transcriber.recogniser.tokenizer, rate)
    for number, cut in enumerate(cuts):
        languages = {s.language for s in cut.cut().supervisions if s.language}
        language = languages.pop() if len(languages) == 1 else None
        stem = file_stem(cut)
        batch = utterances[number]
        try:
            if isinstance(batch, AsrError):
                raise batch
            timed = transcriber.align(batch.sounds()[0], cut.text, rate, language=language)
            yield Transcript(cut.id, stem, timed)
        except DataError as error:
            named = error if isinstance(batch, AsrError) else DataError(f"utterance {cut.id}: {error}")
            yield Transcript(cut.id, stem, None, named)


def file_stem(cut: LazyCut) -> Path:
    """What the name of a file about an utterance begins with."""
    return Path(cut.id.replace("/", "_"))
