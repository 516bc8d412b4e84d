"""Whether an ONNX file is no more than the graph of a recogniser, before onnxruntime reads it.

A graph may hold loops, functions and names of other files. Those that `asr export` writes hold
none. The bytes are read as protobuf lays them out (numbers of fields are those of onnx.proto), for
the library `onnx` need not be installed.
"""

from collections.abc import Iterator
from typing import TypeAlias

OPERATORS = {
    *(
        "Add",
        "Cast",
        "Concat",
        "Conv",
        "Div",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "GRU",
        "Gather",
        "Identity",
    ),
    *("LSTM", "LayerNormalization", "Less", "LogSoftmax", "MatMul", "Max", "Min", "RNN", "Range", "Relu", "Reshape"),
    *("Shape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"),
}
"""That `asr.recogniser.onnx_export` uses; none of them holds a graph."""
_GRAPH, _FUNCTIONS, _TRAINING = 7, 25, 20
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
_OPERATOR, _ATTRIBUTE = 4, 5
_SUBGRAPHS = (6, 11)
_EXTERNAL = (13, 14)

_Value: TypeAlias = "int | memoryview"


def fault(data: bytes) -> str | None:
    """Say what a graph of `asr export` would not hold; None if there is nothing.

    Args:
        data: the file.
    """
    try:
        for number, value in _fields(memoryview(data)):
            if number in (_FUNCTIONS, _TRAINING):
                return "functions"
            if number == _GRAPH and (found := _of_graph(_message(value))):
                return found
    except ValueError as error:
        return str(error)
    return None


def _of_graph(graph: memoryview) -> str | None:
    for number, value in _fields(graph):
        if number == _SPARSE:
            return "sparse weights"
        if number == _INITIALIZER and any(field in _EXTERNAL and inside for field, inside in _fields(_message(value))):
            return "weights in other files"
        if number == _NODE and (found := _of_node(_message(value))):
            return found
    return None


def _of_node(node: memoryview) -> str | None:
    for number, value in _fields(node):
        if number == _OPERATOR and (operator := bytes(_message(value)).decode("utf-8", "replace")) not in OPERATORS:
            return f"the operator {operator[:50]!r}"
        if number == _ATTRIBUTE and any(field in _SUBGRAPHS for field, _ in _fields(_message(value))):
            return "graphs in graphs"
    return None


def _message(value: _Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _fields(data: memoryview) -> Iterator[tuple[int, _Value]]:
    """A message's fields: their numbers, and what they hold."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind, 0)
        if kind == 2:
            size, place = _varint(data, place)
        elif not size:
            raise ValueError("what is no message")
        if size > len(data) - place:
            raise ValueError("a message that breaks off")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("a message that breaks off")
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
    raise ValueError("a number that does not end")
