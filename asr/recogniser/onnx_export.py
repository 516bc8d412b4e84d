"""A recogniser's weights -> an ONNX graph that needs no PyTorch.

The graph is built node by node from the weights, not traced. A traced graph has the lengths of its
example stamped in, or recurrences that cannot be quantised. One graph reads utterances whole, and
recordings window by window as `asr.model.bptt.Chunked` has it:

    log_mel    (B, T, F), relative to the speech level; the graph holds mean and deviation
    lengths    (B,), valid frames of `log_mel`, at least 1 each
    skip       (1,), output frames at the head that are only context of the convolutions
    window     (1,), output frames after these that are read; what lies behind is context too
    chunk      (1,), output frames of the window that are the chunk's own
    states     (layers, 1 or 2, B, H), h and an LSTM's c where the forward direction begins
    ->
    log_probs  (B, T', V), of the chunk, padding last
    frames     (B,), valid ones of these
    reached    as `states`, after the chunk or at the utterance's end

Whole utterances take `WHOLE` frames for window and chunk. The forward direction is two nodes, one
for the chunk and one for its lookahead: its state is needed where they meet. The backward one is a
node with `direction=reverse` and `sequence_lens`, which is reversing within each length.

Opset 17 (layer norm is one of its operators), IR version 8: onnxruntime from 1.12 on reads it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.features import FRONT_END, LEAST_DEVIATION
from asr.errors import MissingExtra
from asr.files import atomic
from asr.model.shape import STRIDES, AcousticConfig
from asr.recogniser.onnx_runtime import FRONT_END_KEY, INT8_FILE, MODEL_FILE
from asr.recogniser.recogniser import ACOUSTIC, Recogniser
from asr.units import subsampled

OPSET = 17
IR_VERSION = 8
MICROSOFT = "com.microsoft"
"""Where onnxruntime's quantised operators are."""
RANGE = 63
"""Of quantised weights, to either side: 7 bits.

Processors without VNNI add two products in 16 bits, which 8 bits would overflow.
"""
PRODUCER = "asr"

_OPERATORS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
_GATES = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""Where ONNX's gates lie in PyTorch's order: GRU's z r h in r z n, LSTM's i o f c in i f g o."""

_Array = npt.NDArray[Any]


def export(recogniser: Recogniser, folder: Path, *, int8: bool = False) -> list[Path]:
    """Write a recogniser's graph into its folder.

    Args:
        recogniser: the model.
        folder: its model folder.
        int8: also write a graph with weights of 8 bits.

    Returns:
        The files.

    Raises:
        MissingExtra: if onnx is not installed.
        AsrError: if a file cannot be written.
    """
    paths = [folder / MODEL_FILE, folder / INT8_FILE][: 1 + int8]
    for path, bits in zip(paths, (32, 8), strict=False):
        with atomic(path) as temporary:
            temporary.write_bytes(build(recogniser, int8=bits == 8).SerializeToString())
    return paths


def build(recogniser: Recogniser, *, int8: bool = False) -> Any:
    """Build the graph.

    With `int8` the matrices of LSTM and linear layers have 8 bits, with a scale for each unit.
    What they are multiplied by is quantised as it comes. GRU and tanh recurrences have no such
    operator and stay as they are, as do the small convolutions.

    Returns:
        An `onnx.ModelProto`.

    Raises:
        MissingExtra: if onnx is not installed.
    """
    onnx = _onnx()
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in recogniser.state().items()}
    graph = _Graph(onnx, weights, recogniser.config.acoustic, int8=int8)
    features = recogniser.config.features.num_mels
    hidden, lengths = graph.subsample(graph.normalise("log_mel"), features)
    hidden = graph.slice(hidden, "skip", graph.node("Add", "skip", "window"), axis=0)
    lengths = graph.node("Min", graph.node("Max", graph.node("Sub", lengths, "skip"), graph.integers(0)), "window")
    states = []
    for number in range(recogniser.config.acoustic.layers):
        hidden, reached = graph.layer(number, hidden, lengths)
        states.append(reached)
    graph.read_out(graph.slice(hidden, graph.integers(0), "chunk", axis=0))
    graph.node("Min", lengths, "chunk", name="frames")
    graph.node("Concat", *states, name="reached", axis=0)
    return graph.model(features, recogniser.tokenizer.size)


class _Graph:
    """Nodes and weights, as they are added.

    Args:
        onnx: the library.
        weights: by name, as on disk.
        config: the acoustic model's shape.
        int8: whether matrices have 8 bits.
    """

    def __init__(self, onnx: Any, weights: Mapping[str, _Array], config: AcousticConfig, *, int8: bool) -> None:
        self._onnx, self._weights, self._config, self._int8 = onnx, weights, config, int8
        self._nodes: list[Any] = []
        self._initialisers: dict[str, Any] = {}

    def node(self, operator: str, *inputs: str, name: str = "", outputs: int = 1, **attributes: Any) -> str:
        """Add a node; returns the name of its first output. Further ones end in .1 and .2."""
        name = name or f"{operator.lower()}.{len(self._nodes)}"
        names = [name, *(f"{name}.{number}" for number in range(1, outputs))]
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return name

    def constant(self, name: str, value: _Array) -> str:
        """Add a weight, once."""
        if name not in self._initialisers:
            self._initialisers[name] = self._onnx.numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        """Add a vector of integers."""
        return self.constant(f"integers.{'.'.join(map(str, values))}", np.array(values, dtype=np.int64))

    def weight(self, name: str) -> _Array:
        """Return an acoustic weight by its name there."""
        return self._weights[f"{ACOUSTIC}{name}"]

    def slice(self, frames: str, start: str, stop: str, *, axis: int) -> str:
        """Cut frames from `start` up to `stop`."""
        return self.node("Slice", frames, start, stop, self.integers(axis))

    def linear(self, name: str, inputs: str) -> str:
        """A linear layer."""
        matrix = self.weight(f"{name}.weight").T
        bias = self.constant(f"{name}.bias", self.weight(f"{name}.bias"))
        if self._int8:
            return self.node(
                "DynamicQuantizeMatMul", inputs, *self.quantised(f"{name}.weight", matrix), bias, domain=MICROSOFT
            )
        product = self.node("MatMul", inputs, self.constant(f"{name}.weight", matrix))
        return self.node("Add", product, bias)

    def quantised(self, name: str, matrix: _Array) -> tuple[str, str, str]:
        """Add a matrix (..., inputs, units) of 8 bits, its scales and zero points, (..., units)."""
        scale = np.maximum(np.abs(matrix).max(axis=-2), np.finfo(np.float32).tiny) / RANGE
        values = np.rint(matrix / scale[..., None, :]).astype(np.int8)
        return (
            self.constant(name, values),
            self.constant(f"{name}.scale", scale.astype(np.float32)),
            self.constant(f"{name}.zero", np.zeros(scale.shape, np.int8)),
        )

    def norm(self, name: str, inputs: str) -> str:
        """Layer norm, if the model has it."""
        if not self._config.layer_norm:
            return inputs
        scale, offset = (self.constant(f"{name}.{part}", self.weight(f"{name}.{part}")) for part in ("weight", "bias"))
        return self.node("LayerNormalization", inputs, scale, offset, axis=-1, epsilon=1e-5)

    def normalise(self, log_mel: str) -> str:
        """By training data's statistics; what is not known is divided by infinity."""
        mean, deviation = self._weights["features.mean"], self._weights["features.deviation"]
        deviation = np.where(deviation <= LEAST_DEVIATION, np.inf, deviation).astype(np.float32)
        centred = self.node("Sub", log_mel, self.constant("features.mean", mean))
        return self.node("Div", centred, self.constant("features.deviation", deviation))

    def subsample(self, log_mel: str, features: int) -> tuple[str, str]:
        """(B, T, F) -> (T', B, D) and the lengths (B,) there."""
        hidden, lengths = self.node("Unsqueeze", log_mel, self.integers(1)), "lengths"
        for number, stride in enumerate(STRIDES[self._config.subsampling]):
            hidden = self._without_padding(hidden, lengths)
            name = f"subsample.convolutions.{number}"
            weights = (self.constant(f"{name}.{part}", self.weight(f"{name}.{part}")) for part in ("weight", "bias"))
            hidden = self.node("Conv", hidden, *weights, strides=[stride, 2], pads=[1, 1, 1, 1], kernel_shape=[3, 3])
            hidden = self.node("Relu", hidden)
            lengths = self.node(
                "Div", self.node("Add", lengths, self.integers(stride - 1)), self.integers(stride)
            )  # rounded up
        hidden = self.node("Transpose", hidden, perm=[2, 0, 1, 3])  # (T', B, C, F')
        shape = self.integers(0, 0, self._config.channels * subsampled(features, 4))  # 0 is: as it is
        return self.linear("subsample.linear", self.node("Reshape", hidden, shape)), lengths

    def _without_padding(self, hidden: str, lengths: str) -> str:
        """(B, C, T, F) with zeros at padded frames."""
        zero, one = (self.constant(f"scalar.{n}", np.array(n, dtype=np.int64)) for n in (0, 1))
        frames = self.node("Squeeze", self.node("Shape", hidden, start=2, end=3), self.integers(0))
        time = self.node("Unsqueeze", self.node("Range", zero, frames, one), self.integers(0, 2))  # (1, T, 1)
        valid = self.node("Less", time, self.node("Unsqueeze", lengths, self.integers(1, 2)))  # (B, T, 1)
        nothing = self.constant("nothing", np.zeros(1, np.float32))
        return self.node("Where", self.node("Unsqueeze", valid, self.integers(1)), hidden, nothing)

    def layer(self, number: int, inputs: str, lengths: str) -> tuple[str, str]:
        """(T', B, D) -> (T', B, D'), and the state after the chunk, (1, 1 or 2, B, H)."""
        name, config = f"layers.{number}", self._config
        frames = self.norm(f"{name}.recurrent.norm", inputs)
        parts = self._states(number)
        first, last, far = self.integers(0), self.integers(-1), self.integers(np.iinfo(np.int64).max)
        own = self.node("Cast", self.node("Min", lengths, "chunk"), to=self._onnx.TensorProto.INT32)
        forwards = self._recurrence(name, 0, self.slice(frames, first, "chunk", axis=0), own, parts)
        reached = [f"{forwards}.{place}" for place in range(1, 1 + len(parts))]
        # Behind the lookahead stands another frame, which is dropped: a node without any fails.
        beyond = self.node(
            "Concat",
            self.slice(frames, "chunk", far, axis=0),
            self.slice(frames, first, self.integers(1), axis=0),
            axis=0,
        )
        behind = self._recurrence(name, 0, beyond, "", reached)
        both = self.node("Concat", forwards, behind, axis=0)
        outputs = [self.node("Squeeze", self.slice(both, first, last, axis=0), self.integers(1))]
        if config.bidirectional:
            valid = self.node("Cast", lengths, to=self._onnx.TensorProto.INT32)
            backwards = self._recurrence(name, 1, frames, valid, [])
            outputs.append(self.node("Squeeze", backwards, self.integers(1)))
        merged, size = outputs[0], config.hidden
        if len(outputs) == 2 and config.merge == "sum":
            merged = self.node("Add", *outputs)
        elif len(outputs) == 2:
            merged, size = self.node("Concat", *outputs, axis=2), 2 * config.hidden
        if config.projection:
            merged, size = self.linear(f"{name}.project", merged), config.projection
        if config.residual and size == self._input_size(number):
            merged = self.node("Add", inputs, merged)
        state = self.node("Concat", *reached, axis=0)
        return merged, self.node("Unsqueeze", state, first)

    def _input_size(self, number: int) -> int:
        config = self._config
        both = 2 if config.bidirectional and config.merge == "concat" else 1
        return config.hidden if number == 0 else config.projection or both * config.hidden

    def _states(self, number: int) -> list[str]:
        """Of a layer: h and perhaps c, (1, B, H) each."""
        own = self.node("Gather", "states", self.constant(f"scalar.{number}", np.array(number, dtype=np.int64)), axis=0)
        parts = 2 if self._config.cell == "lstm" else 1
        return [self.slice(own, self.integers(part), self.integers(part + 1), axis=0) for part in range(parts)]

    def _recurrence(self, name: str, direction: int, frames: str, lengths: str, states: Sequence[str]) -> str:
        """One direction over its frames, (T, 1, B, H); its states are the further outputs."""
        prefix = f"{name}.recurrent.rnns.{direction}"
        inputs, recurrent, *biases = (
            self._gates(self.weight(f"{prefix}.{part}_l0")) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        bias = self.constant(f"{prefix}.B", np.concatenate(biases)[None])
        cell = self._config.cell
        attributes: dict[str, Any] = {"hidden_size": self._config.hidden}
        attributes["direction"] = "reverse" if direction else "forward"
        if cell == "lstm" and self._int8:
            matrix, *scaled = self.quantised(f"{prefix}.W", inputs.T[None])
            square, *rescaled = self.quantised(f"{prefix}.R", recurrent.T[None])
            known = [*states, "", ""][:2]
            sizes = [matrix, square, bias, lengths, *known, "", *scaled, *rescaled]
            return self.node("DynamicQuantizeLSTM", frames, *sizes, outputs=3, domain=MICROSOFT, **attributes)
        if cell == "gru":
            attributes["linear_before_reset"] = 1
        weights = [self.constant(f"{prefix}.W", inputs[None]), self.constant(f"{prefix}.R", recurrent[None]), bias]
        outputs = 3 if cell == "lstm" else 2
        return self.node(_OPERATORS[cell], frames, *weights, lengths, *states, outputs=outputs, **attributes)

    def _gates(self, weight: _Array) -> _Array:
        gates = _GATES[self._config.cell]
        parts = np.split(weight, len(gates))
        return np.concatenate([parts[gate] for gate in gates])

    def read_out(self, hidden: str) -> None:
        """(T, B, D) -> log-probs, (B, T, V)."""
        logits = self.linear("output", self.norm("norm", hidden))
        by_utterance = self.node("Transpose", self.node("LogSoftmax", logits, axis=-1), perm=[1, 0, 2])
        self.node("Identity", by_utterance, name="log_probs")

    def model(self, features: int, tokens: int) -> Any:
        """All that was added, as a model that is checked."""
        helper, types, config = self._onnx.helper, self._onnx.TensorProto, self._config
        shape = [config.layers, 2 if config.cell == "lstm" else 1, "batch", config.hidden]
        inputs = [
            helper.make_tensor_value_info("log_mel", types.FLOAT, ["batch", "frames", features]),
            helper.make_tensor_value_info("lengths", types.INT64, ["batch"]),
            *(helper.make_tensor_value_info(name, types.INT64, [1]) for name in ("skip", "window", "chunk")),
            helper.make_tensor_value_info("states", types.FLOAT, shape),
        ]
        outputs = [
            helper.make_tensor_value_info("log_probs", types.FLOAT, ["batch", "outputs", tokens]),
            helper.make_tensor_value_info("frames", types.INT64, ["batch"]),
            helper.make_tensor_value_info("reached", types.FLOAT, shape),
        ]
        graph = helper.make_graph(self._nodes, "recogniser", inputs, outputs, list(self._initialisers.values()))
        opsets = [helper.make_opsetid("", OPSET), *([helper.make_opsetid(MICROSOFT, 1)] if self._int8 else [])]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name=PRODUCER)
        helper.set_model_props(model, {FRONT_END_KEY: str(FRONT_END)})
        self._onnx.checker.check_model(model)
        return model


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise MissingExtra("exporting a model", "onnx") from None
    return onnx
