"""A recogniser that needs no PyTorch: NumPy features and an ONNX graph, run by onnxruntime."""

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asr.audio.features import FRONT_END, Floats
from asr.audio.log_mel_numpy import NumpyLogMel, NumpyLogMelStream
from asr.audio.reader import Waveform
from asr.config import require_weights
from asr.errors import MissingExtra, ModelError
from asr.model.labels import LogProbs
from asr.model.reading import Chunked
from asr.model.shape import CONTEXT, overhang
from asr.recogniser.config import RecogniserConfig, read_config
from asr.recogniser.engine import Arrays, Engine, numbers
from asr.recogniser.onnx_check import fault
from asr.text.tokenizer import Tokenizer, load_tokenizer
from asr.units import Frames, Seconds, subsampled

MODEL_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
FRONT_END_KEY = "asr.front_end"
"""Of the file's metadata: the number of the way to make features."""
WHOLE: Frames = 1 << 40
"""As window and chunk: all there is."""
TOGETHER: Frames = 8_000
"""Input frames, padding included, that are scored in one batch: 80 s of sound."""


@dataclass(frozen=True)
class OnnxStream:
    """A recording that is still coming in, as `asr.model.acoustic.Stream`."""

    log_mel: Floats
    """(n, F), input frames that are still needed."""
    dropped: Frames
    """Output frames whose input is no longer kept."""
    position: Frames
    """Output frames that were scored."""
    states: Floats
    """Of each layer's forward direction."""


class OnnxRecogniser(Engine):
    """Waveforms in, log-probs of tokens out, on processors.

    Args:
        config: as in the model folder.
        tokenizer: what the tokens mean.
        session: onnxruntime's, of a graph that `asr export` has written.
    """

    def __init__(self, config: RecogniserConfig, tokenizer: Tokenizer, session: Any) -> None:
        self.config, self.tokenizer = config, tokenizer
        self._session = session
        self._features = NumpyLogMel(config.features, ahead=config.level_ahead)
        parts = 2 if config.acoustic.cell == "lstm" else 1
        self._states = (config.acoustic.layers, parts, 1, config.acoustic.hidden)

    @property
    def device(self) -> Any:
        """PyTorch's CPU, for what is beside this recogniser."""
        import torch

        return torch.device("cpu")

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Score whole utterances, in batches of like length."""
        log_mels = [self._features(waveform) for waveform in waveforms]
        found: list[LogProbs] = [np.zeros((0, self.tokenizer.size), np.float32)] * len(log_mels)
        reading = self.reading
        if isinstance(reading, Chunked):
            return [self.step(log_mel, None, reading, last=True)[0] for log_mel in log_mels]
        for group in together([len(log_mel) for log_mel in log_mels], TOGETHER):
            lengths = np.array([len(log_mels[n]) for n in group])
            batch = np.zeros((len(group), int(lengths.max()), self._features.num_mels), np.float32)
            for row, number in zip(batch, group, strict=True):
                row[: len(log_mels[number])] = log_mels[number]
            states = np.zeros((*self._states[:2], len(group), self._states[3]), np.float32)
            log_probs, frames, _ = self._run(batch, lengths, states)
            for number, rows, count in zip(group, log_probs, frames.tolist(), strict=True):
                found[number] = numbers(rows[:count])
        return found

    def emissions(self, waveforms: Any, num_samples: Any) -> Any:
        """As `log_probs`, from and to PyTorch's tensors."""
        import torch

        from asr.model.acoustic import Emissions

        sizes = num_samples.tolist()
        found = self.log_probs([row[:size] for row, size in zip(waveforms.cpu().numpy(), sizes, strict=True)])
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(each) for each in found], batch_first=True)
        return Emissions(padded, torch.tensor(list(map(len, found))), ())

    def feature_stream(self) -> NumpyLogMelStream:
        """Begin a recording."""
        return NumpyLogMelStream(self._features)

    def step(
        self, log_mel: Floats, stream: OnnxStream | None, reading: Chunked, *, last: bool
    ) -> tuple[LogProbs, OnnxStream]:
        """Score frames of one recording as they come in."""
        factor = self.config.acoustic.subsampling
        stream = stream or OnnxStream(log_mel[:0], 0, 0, np.zeros(self._states, np.float32))
        buffered = np.concatenate([stream.log_mel, log_mel])
        dropped, position, states = stream.dropped, stream.position, stream.states
        received = dropped * factor + len(buffered)
        total = subsampled(received, factor)
        found = [np.zeros((0, self.tokenizer.size), np.float32)]
        while position < total:
            stop = position + reading.chunk + reading.lookahead
            if not last and received < stop * factor + overhang(factor):
                break
            start, stop = position - dropped, min(stop, total) - dropped
            first = max(0, start - CONTEXT)
            piece = buffered[first * factor : (stop + CONTEXT) * factor]
            log_probs, _, states = self._run(
                piece[None],
                np.array([len(piece)]),
                states,
                skip=start - first,
                window=stop - start,
                chunk=reading.chunk,
            )
            found.append(log_probs[0])
            position += reading.chunk
        spent = max(dropped, min(position, total) - CONTEXT)
        return numbers(np.concatenate(found)), OnnxStream(
            buffered[(spent - dropped) * factor :], spent, position, states
        )

    def stream_state(self, stream: OnnxStream) -> Arrays:
        """What `step` returned, to be kept."""
        place = np.array([stream.dropped, stream.position])
        return {"log_mel": stream.log_mel, "place": place, "layers": stream.states}

    def resumed(self, state: Mapping[str, Any]) -> OnnxStream:
        """The other way."""
        dropped, position = map(int, state["place"])
        return OnnxStream(state["log_mel"], dropped, position, state["layers"])

    def in_chunks(self, chunk: Seconds, lookahead: Seconds) -> "OnnxRecogniser":
        """As `Recogniser.in_chunks`."""
        other = copy.copy(self)
        other.config = replace(self.config, chunk=chunk, lookahead=lookahead)
        other._features = NumpyLogMel(self.config.features, ahead=other.config.level_ahead)
        return other

    def _run(
        self,
        log_mel: Floats,
        lengths: Any,
        states: Floats,
        *,
        skip: Frames = 0,
        window: Frames = WHOLE,
        chunk: Frames = WHOLE,
    ) -> Any:
        """The graph, as `onnx_export` describes it."""
        numbers = {"skip": skip, "window": window, "chunk": chunk}
        feed = {"log_mel": log_mel, "lengths": lengths, "states": states}
        try:
            return self._session.run(None, feed | {name: np.array([number]) for name, number in numbers.items()})
        except Exception as error:  # as in `load_onnx`
            raise ModelError(f"{MODEL_FILE}: cannot be run ({_reason(error)}); write it again: asr export") from None


def load_onnx(folder: Path, *, int8: bool = False, threads: int = 1) -> OnnxRecogniser:
    """Read a model folder without PyTorch.

    Args:
        folder: the model's.
        int8: take the graph of 8 bits.
        threads: of onnxruntime. Several gain little: the recurrences are many small products.

    Raises:
        ModelError: if the folder is not a model's, or a part is missing or damaged.
        MissingExtra: if onnxruntime is not installed.
    """
    config = read_config(folder)
    path = folder / (INT8_FILE if int8 else MODEL_FILE)
    if not path.is_file():
        wanted = "asr export --int8" if int8 else "asr export"
        raise ModelError(f"{folder}: has no {path.name}; where PyTorch is installed, write it: {wanted} {folder}")
    tokenizer = load_tokenizer(folder)
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("an ONNX model", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_mem_pattern = False  # it keeps a plan for every length that came
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would burn the cores of others
    try:
        require_weights(path, config.acoustic.least_weights(tokenizer.size))
        data = path.read_bytes()
        if found := fault(data):
            raise ValueError(f"it holds {found}, as no file of this program does")
        with contextlib.redirect_stdout(None):  # where it fails, onnxruntime before 1.24 prints
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # each of its errors has a class of its own, without a common one
        raise ModelError(f"{path}: cannot be used ({_reason(error)}); write it again: asr export {folder}") from None
    if session.get_modelmeta().custom_metadata_map.get(FRONT_END_KEY) != str(FRONT_END):
        raise ModelError(f"{path}: takes the features of another version of the program; export it again")
    if not (outputs := session.get_outputs()) or outputs[0].shape[2:] != [tokenizer.size]:
        raise ModelError(f"{path}: has other tokens than the folder's tokenizer; write it again: asr export {folder}")
    return OnnxRecogniser(config, tokenizer, session)


def _reason(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def together(lengths: Sequence[Frames], most: Frames) -> list[list[int]]:
    """Group utterances of like length, so that a group with its padding has at most so many frames.

    A longer one is alone; one without frames is in no group.
    """
    groups: list[list[int]] = []
    for number in sorted((n for n, length in enumerate(lengths) if length), key=lambda n: -lengths[n]):
        if not groups or lengths[groups[-1][0]] * (len(groups[-1]) + 1) > most:
            groups.append([])
        groups[-1].append(number)
    return groups
