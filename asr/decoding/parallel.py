"""Beam search of many utterances on all cores."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from asr.decoding.decoder import Decoder
from asr.decoding.hypothesis import DecodingConfig, Hypothesis
from asr.model.labels import LogProbs
from asr.workers import Workers, num_workers


@dataclass(frozen=True)
class Scored:
    """What is decoded of an utterance."""

    log_probs: LogProbs
    """(T, V)."""
    second: LogProbs | None = None
    """(T2, V2), the second recogniser's, where there is one."""


class ParallelDecoder:
    """Decodes the same utterances with any weights, each worker its share; a context manager.

    Workers are forked here and inherit the utterances, so that nothing large is sent. What they
    find does not depend on how many they are: each utterance is decoded by itself, with kernels of
    one thread.

    Args:
        decoder: finds the texts.
        utterances: what is to be decoded.
        count: how many workers; None is one a core. A recurrent model on an accelerator has one.
    """

    def __init__(self, decoder: Decoder, utterances: Sequence[Scored], count: int | None = None) -> None:
        count = max(1, min(num_workers(decoder.device, count), len(utterances)))
        self._workers = Workers(_Shard(decoder, utterances, count), decoder.device, count)

    def __call__(self, config: DecodingConfig | None = None) -> list[list[Hypothesis]]:
        """Decode every utterance.

        Args:
            config: in place of the decoder's own.

        Returns:
            Of each utterance its texts, best first.

        Raises:
            AsrError: if a worker has died.
        """
        parts = self._workers.run([config] * self._workers.count)
        found: list[list[Hypothesis]] = [[]] * sum(map(len, parts))
        for worker, part in enumerate(parts):
            found[worker :: len(parts)] = part
        return found

    def close(self) -> None:
        """Let the workers go."""
        self._workers.close()

    def __enter__(self) -> "ParallelDecoder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class _Shard:
    """A worker's part of the utterances; what it holds is there before the workers are forked."""

    decoder: Decoder
    utterances: Sequence[Scored]
    workers: int

    def __call__(self, worker: int, config: DecodingConfig | None) -> list[list[Hypothesis]]:
        return [self.decoder(u.log_probs, config, second=u.second) for u in self.utterances[worker :: self.workers]]
