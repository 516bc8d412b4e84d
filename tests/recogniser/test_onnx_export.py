"""The ONNX graph says what the PyTorch model says."""

import numpy as np
import pytest
import torch
from support.tiny import recogniser

from asr.errors import MissingExtra
from asr.model.reading import Full
from asr.recogniser.onnx_export import OPSET, RANGE, build, export
from asr.recogniser.onnx_runtime import INT8_FILE, MODEL_FILE, WHOLE

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SHAPES = [
    {"cell": "lstm", "merge": "sum"},
    {"cell": "lstm", "merge": "concat", "projection": 5, "residual": True, "subsampling": 3},
    {"cell": "lstm", "bidirectional": False, "layer_norm": False},
    {"cell": "gru", "merge": "concat", "layer_norm": False, "subsampling": 2},
    {"cell": "gru", "merge": "sum", "projection": 6, "residual": True},
    {"cell": "gru", "bidirectional": False, "projection": 7},
    {"cell": "rnn", "merge": "concat", "residual": True},
    {"cell": "rnn", "merge": "sum", "subsampling": 2, "intermediate": (1,)},
]


def made(**shape):
    """A recogniser whose features have statistics, one bin of them unknown."""
    model = recogniser(**{"layers": 3, **shape})
    model.acoustic.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        model.acoustic.output.weight.div_(20)
        model.features.mean.uniform_(-3, 0)
        model.features.deviation.uniform_(0.6, 2)
        model.features.deviation[3] = 0.5
    return model


def batch(seed=0):
    """Log-mel frames of three utterances, padded with what must not matter."""
    draw = np.random.default_rng(seed)
    log_mel, lengths = draw.normal(size=(3, 61, 16)).astype(np.float32), np.array([61, 40, 17])
    log_mel[1, 40:], log_mel[2, 17:] = np.nan, 1e9
    return log_mel, lengths


def session(model, **options):
    return onnxruntime.InferenceSession(build(model, **options).SerializeToString())


def run(session, log_mel, lengths, states, *, skip=0, window=WHOLE, chunk=WHOLE):
    """Log-probs, their lengths, the states reached."""
    numbers = {"skip": skip, "window": window, "chunk": chunk}
    feed = {"log_mel": log_mel, "lengths": lengths, "states": states}
    return session.run(None, feed | {name: np.array([number]) for name, number in numbers.items()})


def zeros(model, count):
    return model.acoustic.initial_states(count).numpy()


@torch.no_grad()
def expected(model, log_mel, lengths, states):
    log_mel = model.features.normalised(torch.from_numpy(log_mel).nan_to_num())
    return model.acoustic(log_mel, torch.from_numpy(lengths), Full(), states=torch.from_numpy(states))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_of_whole_utterances_is_what_pytorch_makes_of_it(shape):
    """Log-probs of every valid frame, and the states at each utterance's own end."""
    model, (log_mel, lengths) = made(**shape), batch()
    states = np.random.default_rng(1).uniform(-0.5, 0.5, zeros(model, 3).shape).astype(np.float32)
    log_probs, frames, reached = run(session(model), log_mel, lengths, states)
    wanted = expected(model, log_mel, lengths, states)
    assert frames.tolist() == wanted.lengths.tolist()
    for number, count in enumerate(frames):
        np.testing.assert_allclose(log_probs[number, :count], wanted.log_probs[number, :count], atol=2e-6)
    np.testing.assert_allclose(reached, wanted.states, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_with_states_handed_on_are_what_pytorch_streams(shape):
    """A chunk of 4 frames and 3 beyond it, the frames before and after as context alone."""
    model = made(**shape)
    graph, factor, total = session(model), model.config.acoustic.subsampling, 14
    log_mel = np.random.default_rng(2).normal(size=(1, factor * total, 16)).astype(np.float32)
    reading = recogniser(chunk=4 * 0.04, lookahead=4 * 0.04).reading  # a quarter of it is the level's
    with torch.no_grad():
        wanted, _ = model.acoustic.step(model.features.normalised(torch.from_numpy(log_mel)), None, reading, last=True)
    states, found = zeros(model, 1), []
    for position in range(0, total, 4):
        first = max(0, position - 2)
        piece = log_mel[:, first * factor : (position + 7 + 2) * factor]
        log_probs, _, states = run(
            graph, piece, np.array([piece.shape[1]]), states, skip=position - first, window=7, chunk=4
        )
        found.append(log_probs)
    np.testing.assert_allclose(np.concatenate(found, axis=1), wanted, atol=2e-6)


def test_an_utterance_says_the_same_alone_and_in_any_batch():
    model, (log_mel, lengths) = made(), batch()
    graph = session(model)
    together, frames, _ = run(graph, log_mel, lengths, zeros(model, 3))
    for number, length in enumerate(lengths):
        alone, _, _ = run(graph, log_mel[number : number + 1, :length], lengths[number : number + 1], zeros(model, 1))
        np.testing.assert_allclose(alone[0], together[number, : frames[number]], atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_eight_bits_are_nearly_as_good(cell):
    model, (log_mel, lengths) = made(cell=cell, hidden=32), batch()
    states = zeros(model, 3)
    log_probs, frames, _ = run(session(model, int8=True), log_mel, lengths, states)
    wanted = expected(model, log_mel, lengths, states).log_probs.numpy()
    errors = [np.abs(np.exp(log_probs[n, :count]) - np.exp(wanted[n, :count])).max() for n, count in enumerate(frames)]
    assert 1e-6 < max(errors) < 0.02


def test_matrices_of_eight_bits_use_seven_and_are_stored_once():
    graph = build(made(), int8=True)
    small = {i.name: onnx.numpy_helper.to_array(i) for i in graph.graph.initializer if i.data_type == 3}
    matrices = {name: values for name, values in small.items() if not name.endswith(".zero")}
    assert {name.split(".")[0] for name in matrices} == {"subsample", "layers", "output"} and len(matrices) == 14
    assert all(int(values.max()) <= RANGE and int(values.min()) >= -RANGE for values in matrices.values())
    assert all(np.abs(values).max(axis=-2).min() == RANGE for values in matrices.values()), "each unit has its scale"
    assert {node.op_type for node in graph.graph.node} >= {"DynamicQuantizeLSTM", "DynamicQuantizeMatMul"}
    assert "MatMul" not in {node.op_type for node in graph.graph.node}


def test_files_are_whole_models_that_anybody_may_read(tmp_path):
    model = made(hidden=64)
    paths = export(model, tmp_path, int8=True)
    assert paths == [tmp_path / MODEL_FILE, tmp_path / INT8_FILE]
    for path in paths:
        read = onnx.load(path)
        onnx.checker.check_model(read, full_check=path.name == MODEL_FILE)
        assert read.opset_import[0].version == OPSET and read.metadata_props[0].value == "2"
    assert paths[1].stat().st_size < paths[0].stat().st_size / 3
    assert export(model, tmp_path) == paths[:1]


def test_without_onnx_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'asr\[onnx\]'"):
        build(made())
