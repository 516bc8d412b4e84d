"""Files that FFmpeg writes: any codec in any container, late, with gaps, with several tracks."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_media(
    path: Path,
    samples: np.ndarray,
    rate: int,
    codec: str,
    form: str | None = None,
    *,
    others: Sequence[np.ndarray] = (),
    default: int | None = None,
    video: bool = False,
    start: float = 0.0,
    gaps: Sequence[tuple[float, float]] = (),
    muxer: dict[str, str] | None = None,
    title: str | None = None,
) -> Path:
    """Write sound, (N,) or (channels, N), as the tracks of a file.

    Args:
        path: the file.
        samples: of the first track.
        rate: of all tracks, in Hz.
        codec: of the sound.
        form: of the container; None tells it by the file's ending.
        others: of further tracks.
        default: number of the track that is marked as the default one.
        video: whether there is a picture from 0 on.
        start: time stamp of the sound's beginning, in seconds.
        gaps: (time, length): what comes after that much sound is so much later.
        muxer: options of the container.
        title: a tag.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tracks = [np.atleast_2d(track).astype(np.float32) for track in (samples, *others)]
    with av.open(str(path), "w", format=form, options=muxer or {}) as container:
        if title is not None:
            container.metadata["title"] = title
        picture = container.add_stream("mpeg4", rate=10) if video else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(tracks[0])]
        streams = [container.add_stream(codec, rate=rate, layout=layout) for _ in tracks]
        for number, stream in enumerate(streams):
            stream.bit_rate = 96_000
            if default is not None:
                stream.disposition = av.stream.Disposition.default.value if number == default else 0
        if picture is not None:
            length = start + tracks[0].shape[1] / rate + sum(gap for _, gap in gaps)
            for number in range(max(1, int(length * 10))):
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number % 256, np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        for stream, track in zip(streams, tracks, strict=True):
            _encode(container, stream, track, rate, layout, start, gaps)
    return path


def _encode(container, stream, track, rate, layout, start, gaps):
    size = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=rate)
    for first in range(0, track.shape[1], size):
        block = np.ascontiguousarray(track[:, first : first + size].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, None, Fraction(1, rate)
        later = start + sum(length for time, length in gaps if first >= time * rate)
        for made in resampler.resample(frame):
            made.pts, made.time_base = first + round(later * rate), Fraction(1, rate)
            container.mux(stream.encode(made))
    container.mux(stream.encode(None))
