"""Of ONNX only the graphs of recognisers are read: no loops, functions or other files."""

import pytest
from support.tiny import recogniser

from asr.recogniser.onnx_check import fault
from asr.recogniser.onnx_export import build

onnx = pytest.importorskip("onnx")


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("int8", [False, True])
def test_what_is_exported_is_without_fault(cell, int8):
    for bidirectional, more in (
        (True, {"merge": "concat", "projection": 5}),
        (False, {"layer_norm": False, "residual": True}),
    ):
        made = recogniser(cell=cell, layers=2, bidirectional=bidirectional, **more)
        assert fault(build(made, int8=int8).SerializeToString()) is None


def changed(change):
    model = build(recogniser())
    change(model, model.graph.node[3])
    return fault(model.SerializeToString())


def test_graphs_in_graphs_other_operators_and_other_files_are_faults():
    helper = onnx.helper
    inner = helper.make_graph([], "inner", [], [])
    function = helper.make_function("some", "f", ["x"], ["y"], [], [helper.make_opsetid("", 17)])
    external = onnx.TensorProto(name="w", data_location=onnx.TensorProto.EXTERNAL)
    external.external_data.add(key="location", value="/etc/passwd")
    sparse = onnx.SparseTensorProto()
    assert changed(lambda model, node: None) is None
    assert changed(lambda model, node: setattr(node, "op_type", "Loop")) == "the operator 'Loop'"
    assert (
        changed(lambda model, node: node.attribute.append(helper.make_attribute("body", inner))) == "graphs in graphs"
    )
    assert (
        changed(lambda model, node: node.attribute.append(helper.make_attribute("some", [inner]))) == "graphs in graphs"
    )
    assert changed(lambda model, node: model.functions.append(function)) == "functions"
    assert changed(lambda model, node: model.graph.initializer.append(external)) == "weights in other files"
    assert changed(lambda model, node: model.graph.sparse_initializer.append(sparse)) == "sparse weights"


@pytest.mark.parametrize("data", [b"\x3a\xff", b"\x3a\x05a", b"\xff" * 20, b"\x3b", b"\x38\x01"])
def test_what_is_no_message_is_a_fault(data):
    assert fault(data)


def test_no_bytes_hold_nothing():
    assert fault(b"") is None
