"""The segments of a recording as they are found, and what is known of the whole at the end."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager

from asr.text.timed import Coverage, Segment, TimedText
from asr.transcription.coverage import coverage, sum_counts, warning
from asr.transcription.part import Part
from asr.transcription.sound import Sound
from asr.units import Seconds


class Segments(Iterator[Segment]):
    """The segments of a recording one by one, each as soon as it is certain.

    Nothing is kept, so memory does not grow. What it tells of the whole is complete at the end.

    Args:
        opened: the sound.
        parts: finds the parts of a sound.

    Example:
        >>> found = model.segments("lecture.mp4")  # doctest: +SKIP
        >>> for segment in found:  # doctest: +SKIP
        ...     print(segment.start, segment.text)
        >>> found.warnings, found.coverage  # doctest: +SKIP
    """

    def __init__(self, opened: AbstractContextManager[Sound], parts: Callable[[Sound], Iterator[Part]]) -> None:
        self.duration: Seconds = 0.0
        """Of what was read by now."""
        self.confidence = 1.0
        """Probability that all of it is right."""
        self.coverage: Coverage | None = None
        """None before the end."""
        self.warnings: tuple[str, ...] = ()
        """What was amiss with the recording, a line each."""
        self._segments = self._read(opened, parts)

    def __next__(self) -> Segment:
        return next(self._segments)

    @property
    def segments(self) -> Iterator[Segment]:
        """Those that are left, so that forms of lines can be written while they come."""
        return self

    def close(self) -> None:
        """Stop, and close the recording."""
        self._segments.close()

    def whole(self, segments: Sequence[Segment], language: str | None = None) -> TimedText:
        """Put together what was found, at the end.

        Args:
            segments: all that came.
            language: of the text, if known.
        """
        return TimedText(segments, self.duration, self.confidence, language, self.warnings, self.coverage)

    def _read(
        self, opened: AbstractContextManager[Sound], parts: Callable[[Sound], Iterator[Part]]
    ) -> Generator[Segment, None, None]:
        counts = sum_counts([])
        with opened as sound:
            for part in parts(sound):
                counts = counts + part.counts
                self.confidence *= part.timed.confidence
                self.duration = sound.duration
                yield from part.segments
        self.duration = sound.duration
        self.coverage = coverage(counts, self.duration)
        missed = warning(self.coverage)
        self.warnings = (*sound.warnings, *([sound.prefix + missed] if missed else []))
