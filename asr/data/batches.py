"""Utterances -> batches of waveforms and tokens, loaded in the background."""

import contextlib
import dataclasses
import math
import os
import random
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from lhotse.audio import set_current_audio_backend
from lhotse.audio.backend import LibsndfileBackend
from lhotse.augmentation import Speed
from lhotse.cut import Cut
from lhotse.utils import compute_num_samples
from torch import Tensor

from asr.audio.declip import longest, restored
from asr.audio.mono import mixed
from asr.audio.sound import is_mp3
from asr.audio.waveform import Waveform, resample
from asr.child import Child, send
from asr.data.cuts import LazyCut, recordings_of
from asr.errors import DataError
from asr.progress import SILENT, Progress
from asr.text.tokenizer import Tokenizer
from asr.units import Seconds

NICENESS = 5
"""By how much loaders give way to what computes.

It is a little, since every step ends with its slowest worker. At 19 they also give way to everybody
else's programs. Where two of those are busy, the training waits for batches more than half of its
time (`benchmarks/loader_priority.py`).
"""

AHEAD = 3
"""Batches that a loader makes while the one before them waits to be taken."""


class Distort(Protocol):
    """What changes the sound of an utterance in training."""

    def __call__(self, waveform: Waveform, sample_rate: int, /, *, utterance: str) -> Waveform: ...


RUN_UP: Seconds = 4.1
"""Samples that an MP3 needs before a stretch, at 8 kHz."""


@dataclass(frozen=True)
class Batch:
    """Utterances of one batch, padded at their ends."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    recordings: tuple[str, ...]
    """What each utterance is a piece of."""
    waveforms: Tensor
    """(B, N), float32."""
    num_samples: Tensor
    """(B,)."""
    tokens: Tensor
    """(B, U), 0 where padded."""
    num_tokens: Tensor
    """(B,)."""
    unreadable: tuple[str, ...] = ()
    """What is wrong with utterances that were left out."""

    def sounds(self) -> list[Waveform]:
        """(N,) of each utterance, without padding."""
        waveforms = self.waveforms.cpu().numpy()
        return [rows[:size] for rows, size in zip(waveforms, self.num_samples.tolist(), strict=True)]

    def to(self, device: torch.device) -> "Batch":
        """Copy to a device."""
        tensors: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return dataclasses.replace(self, **tensors)

    def split(self, shards: int) -> "list[Batch]":
        """Deal the utterances out in turn to at most `shards` batches, none longer than it needs.

        Where the longest come first, as in planned batches, these are about equal work.
        """
        parts = [list(range(first, len(self.ids), shards)) for first in range(min(shards, len(self.ids)))]
        return [
            Batch(
                ids=tuple(self.ids[i] for i in part),
                texts=tuple(self.texts[i] for i in part),
                recordings=tuple(self.recordings[i] for i in part),
                waveforms=self.waveforms[part, : int(self.num_samples[part].max())],
                num_samples=self.num_samples[part],
                tokens=self.tokens[part, : int(self.num_tokens[part].max())],
                num_tokens=self.num_tokens[part],
            )
            for part in parts
        ]


def plan_batches(cuts: Sequence[LazyCut], longest: Seconds, *, seed: int | None) -> list[list[LazyCut]]:
    """Group cuts of like duration into batches of at most `longest` seconds, padding included.

    A longer cut is alone. Cuts are sorted by jittered duration and cut into runs, and the runs are
    shuffled. So every cut is in one batch, with other neighbours each epoch. In a batch the longest
    comes first. lhotse's dynamic bucketing ended an epoch of AN4 with batches of 4 to 50 of 60 s.
    It also refuses corpora with fewer cuts than buckets.

    Args:
        cuts: the utterances.
        longest: a batch's bound, in seconds of padded audio.
        seed: of the jitter and the shuffle; None keeps plain order of duration, longest first.
    """
    draw = random.Random(f"batches {seed}")
    jitter = 0.05 if seed is not None else 0.0
    keys = np.fromiter((cut.duration * (1 + jitter * draw.uniform(-1, 1)) for cut in cuts), np.float64)
    batches: list[list[LazyCut]] = []
    widest = 0.0
    for index in map(int, np.argsort(keys, kind="stable")[::-1]):
        cut = cuts[index]
        widest = max(widest, cut.duration)
        if not batches or widest * (len(batches[-1]) + 1) > longest:
            batches.append([])
            widest = cut.duration
        batches[-1].append(cut)
    batches = [sorted(batch, key=lambda cut: -cut.duration) for batch in batches]
    if seed is not None:
        draw.shuffle(batches)
    return batches


def plan_pieces(cuts: Sequence[LazyCut], longest: Seconds, *, seed: int | None) -> list[list[LazyCut]]:
    """As `plan_batches`, but every recording's pieces come in the order given.

    No two are in one batch. The first round has the first pieces of all recordings, the next their
    second ones, and so on.
    """
    pieces: dict[str, list[LazyCut]] = defaultdict(list)
    for cut in cuts:
        pieces[cut.recording_id].append(cut)
    rounds = [[cut for cut in cuts if cut is not None] for cuts in zip_longest(*pieces.values())]
    seeds = [None if seed is None else seed * len(rounds) + number for number in range(len(rounds))]
    return [batch for cuts, seed in zip(rounds, seeds, strict=True) for batch in plan_batches(cuts, longest, seed=seed)]


def collate(
    ids: Sequence[str],
    texts: Sequence[str],
    waveforms: Sequence[Tensor],
    tokenizer: Tokenizer,
    *,
    recordings: Sequence[str] | None = None,
) -> Batch:
    """Pad waveforms and tokens to a batch; an utterance whose recording is not told is its own.

    Of no utterances the batch is empty.
    """
    tokens = [torch.tensor(tokenizer.encode(text), dtype=torch.long) for text in texts]

    def pad(rows: list[Tensor]) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True) if rows else torch.zeros(0, 0)

    return Batch(
        ids=tuple(ids),
        texts=tuple(texts),
        recordings=tuple(ids if recordings is None else recordings),
        waveforms=pad(list(waveforms)),
        num_samples=torch.tensor([len(waveform) for waveform in waveforms]),
        tokens=pad(tokens),
        num_tokens=torch.tensor([len(sequence) for sequence in tokens]),
    )


class RunUpBackend(LibsndfileBackend):  # type: ignore[misc]
    """libsndfile for lhotse, with the peaks that were cut off.

    Stretches of an MP3 are decoded from before their beginning. Else they begin with up to 0.3
    seconds of silence: frames need bits of earlier ones.
    """

    def read_audio(
        self,
        path_or_fd: str | Path | BinaryIO,
        offset: Seconds = 0.0,
        duration: Seconds | None = None,
        force_opus_sampling_rate: int | None = None,
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Read a stretch: (channels, N), and its rate."""
        begin = offset
        if offset > 0 and isinstance(path_or_fd, str | Path) and is_mp3(Path(path_or_fd)):
            begin = max(0.0, offset - RUN_UP)
            duration = None if duration is None else duration + offset - begin
        samples, rate = super().read_audio(path_or_fd, begin, duration, force_opus_sampling_rate)
        skipped = compute_num_samples(offset, rate) - compute_num_samples(begin, rate) if begin < offset else 0
        return restored(samples[:, skipped:].T, longest(rate)).T, rate


class BatchDataset:
    """Batch plans by index.

    The audio is read, resampled, speed-perturbed and averaged to mono when a batch is asked for.
    Audio that cannot be read comes back as the error, for the main process to raise. A loader
    process would bury it in a traceback. With `skip`, a batch is what can be read, and says what
    cannot.
    """

    def __init__(
        self,
        batches: Sequence[Sequence[LazyCut]],
        tokenizer: Tokenizer,
        sample_rate: int,
        distort: Distort | None = None,
        *,
        skip: bool = False,
    ) -> None:
        self.skip = skip
        self.batches = batches
        self.distort = distort
        self.tokenizer = tokenizer
        self.sample_rate = sample_rate

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> "Batch | DataError":
        set_current_audio_backend(RunUpBackend())  # else lhotse hands Sphere files to an external program
        cuts, waveforms, unreadable = [], [], []
        for cut in self.batches[index]:
            whole = None
            try:
                whole = cut.cut()
                audio = mixed(whole.load_audio(), whole.sampling_rate)
                waveform = resample(audio, whole.sampling_rate, self.sample_rate)
                if self.distort is not None:
                    waveform = self.distort(waveform, self.sample_rate, utterance=cut.id)
                waveforms.append(torch.from_numpy(waveform))
                cuts.append(cut)
            except MemoryError:
                raise
            except Exception as error:
                what = (whole and _shortened(whole)) or f"its audio cannot be read ({_first(error)})"
                unreadable.append(f"utterance {cut.id}: {what}")
                if not self.skip:
                    return DataError(f"{unreadable[0]}; prepare the corpus again")
        names, texts = [cut.id for cut in cuts], [cut.text for cut in cuts]
        recordings = [cut.recording_id for cut in cuts]
        batch = collate(names, texts, waveforms, self.tokenizer, recordings=recordings)
        return dataclasses.replace(batch, unreadable=tuple(unreadable))


def _first(error: BaseException) -> str:
    """What went wrong first.

    lhotse makes another error of it, and cannot make one of soundfile's.
    """
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().split("\n")[0]


def _shortened(cut: Cut) -> str | None:
    """Say which file of a cut is shorter than its manifest says, if one is."""
    for recording in recordings_of(cut):
        declared = recording.duration * math.prod(t.factor for t in recording.transforms or () if isinstance(t, Speed))
        for source in recording.sources:
            if source.type != "file":
                continue
            seconds = _readable(source.source)
            if 0 < seconds < declared - 0.01:
                return f"{source.source} is shorter than when it was prepared ({seconds:.2f} s of {declared:.2f} s)"
    return None


def _readable(name: str) -> Seconds:
    """How much of a file can be decoded."""
    frames, rate = 0, 1
    with contextlib.suppress(soundfile.LibsndfileError), soundfile.SoundFile(name) as file:
        rate = file.samplerate
        for block in file.blocks(blocksize=rate):
            frames += len(block)
    return frames / rate


def load_batches(
    batches: Sequence[Sequence[LazyCut]],
    tokenizer: Tokenizer,
    *,
    sample_rate: int,
    loaders: int,
    distort: Distort | None = None,
    skip: bool = False,
    progress: Progress = SILENT,
) -> Iterator[Batch]:
    """Load planned batches in order, ahead of their use.

    Batches come from loaders by value, through pipes: containers have little shared memory. Where
    no process can be started, this one loads, and says so.

    Args:
        batches: from `plan_batches`.
        tokenizer: for the targets.
        sample_rate: of the waveforms, in Hz.
        loaders: background processes, each of one thread, at a lower priority. 0 loads in this one.
        distort: what happens to each waveform, given its rate and utterance.
        skip: leave out what cannot be read; `Batch.unreadable` names it. A batch may be empty then.
        progress: is told if loaders cannot work.

    Raises:
        DataError: if audio cannot be read; names the utterance. Also if a loader dies.
    """
    dataset = BatchDataset(batches, tokenizer, sample_rate, distort, skip=skip)
    for batch in _load_ahead(dataset, min(loaders, len(batches)), progress):
        if isinstance(batch, Exception):
            raise batch
        yield batch


def _load_ahead(dataset: BatchDataset, loaders: int, progress: Progress) -> "Iterator[Batch | Exception]":
    """The dataset's items in order; each loader makes every so manieth of them."""
    children: list[Child] = []
    with contextlib.ExitStack() as started:
        try:
            for first in range(loaders):
                children.append(Child(_load, dataset, range(first, len(dataset), loaders)))
                started.callback(children[-1].end)
        except OSError as error:
            progress.say(f"no loader can be started ({error.strerror}): this process loads audio (--loaders 0)")
            started.close()
            children.clear()
        try:
            for number in range(len(dataset)):
                yield children[number % loaders].receive() if children else dataset[number]
        except EOFError:
            raise DataError(
                "a loader process died, perhaps for want of memory; try --loaders 0 "
                "(docs/problems.md#a-loader-process-died)"
            ) from None


def _load(pipe: Connection, dataset: BatchDataset, numbers: Sequence[int]) -> None:
    """A loader's life: its share of the dataset, into a pipe, some items ahead."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICENESS)
    torch.set_num_threads(1)

    def loaded(number: int) -> "Batch | Exception":
        try:
            return dataset[number]
        except Exception as error:
            return error

    with ThreadPoolExecutor(1) as pool:  # makes batches while this thread waits for the pipe
        made: deque[Future[Batch | Exception]] = deque()
        for number in numbers:
            made.append(pool.submit(loaded, number))
            if len(made) > AHEAD:
                send(pipe, made.popleft().result())
        for batch in made:
            send(pipe, batch.result())
