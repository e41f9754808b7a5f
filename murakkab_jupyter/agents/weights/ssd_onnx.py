"""SSD-MobileNet-v2 from TensorFlow's frozen graph to ONNX, without TensorFlow.

What is kept is the body and the heads: from a picture (batch x 3 x height x width, RGB from -1 to 1) to `boxes`
(batch x anchors x 4: offsets of the centre and the logarithms of the size, each y before x, as TensorFlow has them) and
`scores` (batch x anchors x 91: sigmoids, number 0 is the background). Anchors and what is done with the boxes is in
`agents.perception.ssd`. Normalisation is folded into the convolution before it. All arithmetic here is of single
elements, so the file is the same, byte for byte, on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from murakkab_jupyter.agents.weights.protobuf import bytes_field, fields, floats, int_field, signed, varints

__all__ = ["convert"]

Array = npt.NDArray[Any]

INPUT = "FeatureExtractor/MobilenetV2/MobilenetV2/input"
HEADS = 6
BOX_VALUES, CLASSES = 4, 91
FLOAT, INT64 = 1, 7
"""Types of elements, as ONNX numbers them."""
IR_VERSION, OPSET = 8, 13


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a frozen graph; its attributes are read only where they are needed."""

    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, memoryview]


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution that has not been written yet: what it is multiplied with and what is added is folded into it.

    Weights are output channels x input channels of a group x height x width.
    """

    source: str
    weights: Array
    bias: Array
    strides: tuple[int, int]
    groups: int


Value = Convolution | Array | str
"""What a node gives: a convolution that can still be folded into, a constant, or the name of a tensor of the new graph."""


def convert(source: Path, target: Path) -> None:
    """Write the ONNX file of a frozen graph; raises `ValueError` where it is not the graph that is known here."""
    try:
        target.write_bytes(Writer(nodes(memoryview(source.read_bytes()))).model())
    except (KeyError, TypeError) as error:
        msg = f"{source} is not the frozen graph of SSD-MobileNet-v2: {error}"
        raise ValueError(msg) from error


# --- reading ------------------------------------------------------------------------------------------------


def inner(value: int | memoryview) -> memoryview:
    """A field that must be bytes."""
    if isinstance(value, int):
        msg = "a number stands where a message should"
        raise TypeError(msg)
    return value


def text(value: int | memoryview) -> str:
    return bytes(inner(value)).decode()


def nodes(graph: memoryview) -> dict[str, Node]:
    """The nodes of a GraphDef by name."""
    found = {}
    for number, value in fields(graph):
        if number != 1:
            continue
        name = op = ""
        inputs, attributes = [], {}
        for part, content in fields(inner(value)):
            if part == 1:
                name = text(content)
            elif part == 2:
                op = text(content)
            elif part == 3:
                inputs.append(text(content).removesuffix(":0"))
            elif part == 5:
                entry = dict(fields(inner(content)))
                attributes[text(entry[1])] = inner(entry[2])
        found[name] = Node(op, tuple(inputs), attributes)
    return found


def constant(node: Node) -> Array:
    """The tensor of a constant: of floats, all that is looked at here."""
    tensor = inner(dict(fields(node.attributes["value"]))[8])
    shape: list[int] = []
    values: Array = np.zeros(0, np.float32)
    for number, value in fields(tensor):
        if number == 1 and value != FLOAT:
            msg = "a constant is not of floats"
            raise TypeError(msg)
        if number == 2:
            dims = [dict(fields(inner(dim))) for part, dim in fields(inner(value)) if part == 2]
            shape = [signed(varints(dim[1])[0]) for dim in dims]
        elif number == 4:
            values = np.frombuffer(inner(value), "<f4")
        elif number == 5:
            values = np.array(floats(value), np.float32)
    return np.full(shape, values.item(), np.float32) if values.size == 1 else values.reshape(shape)


def strides_of(node: Node) -> tuple[int, int]:
    """Steps down and across; raises `ValueError` for paddings and dilations that are not known here."""
    listed = inner(dict(fields(node.attributes["strides"]))[1])
    (_, down, across, _) = [one for number, value in fields(listed) if number == 3 for one in varints(value)]
    if text(dict(fields(node.attributes["padding"]))[2]) != "SAME":
        msg = "a convolution is padded otherwise than the network's"
        raise ValueError(msg)
    return down, across


# --- writing ------------------------------------------------------------------------------------------------


def tensor(name: str, values: Array) -> bytes:
    """A TensorProto of floats or of whole numbers of 64 bits."""
    kind, stored = (FLOAT, "<f4") if values.dtype.kind == "f" else (INT64, "<i8")
    dims = b"".join(int_field(1, size) for size in values.shape)
    return dims + int_field(2, kind) + bytes_field(8, name) + bytes_field(9, values.astype(stored).tobytes())


def attribute(name: str, value: int | str | Iterable[int]) -> bytes:
    """An AttributeProto."""
    head = bytes_field(1, name)
    if isinstance(value, int):
        return head + int_field(3, value) + int_field(20, 2)
    if isinstance(value, str):
        return head + bytes_field(4, value) + int_field(20, 3)
    return head + b"".join(int_field(8, one) for one in value) + int_field(20, 7)


def port(name: str, shape: Iterable[int | str]) -> bytes:
    """A ValueInfoProto of floats; a text in the shape is a size that is free."""
    dims = (int_field(1, one) if isinstance(one, int) else bytes_field(2, one) for one in shape)
    sizes = b"".join(bytes_field(1, dim) for dim in dims)
    return bytes_field(1, name) + bytes_field(2, bytes_field(1, int_field(1, FLOAT) + bytes_field(2, sizes)))


class Writer:
    """Writes what the heads need, each node once."""

    def __init__(self, graph: Mapping[str, Node]) -> None:
        self.graph = graph
        self.body: list[bytes] = []
        self.initializers: list[bytes] = []
        self.values: dict[str, Value] = {INPUT: "picture"}
        self.limits = (
            self.initializer("zero", np.float32(0)),
            self.initializer("six", np.float32(6)),
        )

    def model(self) -> bytes:
        """The whole ModelProto."""
        boxes = self.head("boxes", "BoxEncodingPredictor", BOX_VALUES)
        scores = self.write("Sigmoid", [self.head("logits", "ClassPredictor", CLASSES)], "scores")
        graph = [bytes_field(1, node) for node in self.body]
        graph += [bytes_field(2, "ssd-mobilenet-v2")]
        graph += [bytes_field(5, one) for one in self.initializers]
        graph += [bytes_field(11, port("picture", ("batch", 3, "height", "width")))]
        graph += [bytes_field(12, port(boxes, ("batch", "anchors", BOX_VALUES)))]
        graph += [bytes_field(12, port(scores, ("batch", "anchors", CLASSES)))]
        head = int_field(1, IR_VERSION) + bytes_field(2, "murakkab-jupyter")
        return (
            head + bytes_field(7, b"".join(graph)) + bytes_field(8, bytes_field(1, "") + int_field(2, OPSET))
        )

    def head(self, name: str, predictor: str, values: int) -> str:
        """What one kind of predictor says on all six maps: batch x anchors x values."""
        shape = self.initializer(f"{name}_shape", np.array([0, -1, values]))
        heads = [f"BoxPredictor_{index}/{predictor}/BiasAdd" for index in range(HEADS)]
        self.follow(heads)
        parts = []
        for index, one in enumerate(heads):
            last = self.write("Transpose", [self.tensor(one)], f"{name}_{index}_last", perm=(0, 2, 3, 1))
            parts.append(self.write("Reshape", [last, shape], f"{name}_{index}"))
        return self.write("Concat", parts, name, axis=1)

    def initializer(self, name: str, values: Any) -> str:
        """Store a constant."""
        self.initializers.append(tensor(name, np.asarray(values)))
        return name

    def write(
        self, op: str, inputs: Iterable[str], output: str, **attributes: int | str | Iterable[int]
    ) -> str:
        """Add a node; gives the name of its output."""
        ports = b"".join(bytes_field(1, one) for one in inputs) + bytes_field(2, output)
        stated = b"".join(bytes_field(5, attribute(key, value)) for key, value in attributes.items())
        self.body.append(ports + bytes_field(3, output) + bytes_field(4, op) + stated)
        return output

    def follow(self, heads: Iterable[str]) -> None:
        """Work out all that the heads need, inputs first."""
        inputs: dict[str, tuple[str, ...]] = {}
        ahead = list(heads)
        while ahead:
            name = ahead.pop()
            if name not in inputs and name not in self.values:
                inputs[name] = self.graph[name].inputs
                ahead += inputs[name]
        for name in TopologicalSorter(inputs).static_order():
            if name not in self.values:
                self.values[name] = self.value(name, self.graph[name])

    def value(self, name: str, node: Node) -> Value:
        """What a node gives, once its inputs are known."""
        if node.op == "Const":
            return constant(node)
        values = [self.values[one] for one in node.inputs]
        if node.op == "Identity":
            return self.tensor(node.inputs[0]) if isinstance(values[0], Convolution) else values[0]
        if node.op == "Relu6":
            return self.write("Clip", [self.tensor(node.inputs[0]), *self.limits], name)
        if all(isinstance(one, np.ndarray) for one in values):
            return computed(node.op, values)
        if node.op in ("Conv2D", "DepthwiseConv2dNative") and isinstance(values[1], np.ndarray):
            return convolution(node, self.tensor(node.inputs[0]), values[1])
        if isinstance(values[0], Convolution) and isinstance(values[1], np.ndarray):
            return folded(node.op, values[0], values[1])
        if node.op != "Add":
            msg = f"{name} is of the kind {node.op}"
            raise TypeError(msg)
        return self.write("Add", [self.tensor(one) for one in node.inputs], name)

    def tensor(self, name: str) -> str:
        """What a node gives, as a tensor of the new graph: a convolution is written now."""
        value = self.values[name]
        if isinstance(value, np.ndarray):
            msg = f"{name} is a constant"
            raise TypeError(msg)
        if isinstance(value, Convolution):
            weights = self.initializer(f"{name}/weights", value.weights)
            bias = self.initializer(f"{name}/bias", value.bias)
            self.values[name] = value = self.write(
                "Conv", [value.source, weights, bias], name,
                auto_pad="SAME_UPPER", group=value.groups, kernel_shape=value.weights.shape[2:], strides=value.strides,
            )  # fmt: skip
        return value


def convolution(node: Node, source: str, weights: Array) -> Convolution:
    """TensorFlow has weights as height x width x inputs x outputs, and for each channel alone x multiplier."""
    groups = 1
    if node.op == "DepthwiseConv2dNative":
        height, width, groups, multiplier = weights.shape
        weights = weights.reshape(height, width, 1, groups * multiplier)
    turned = weights.transpose(3, 2, 0, 1)
    return Convolution(source, turned, np.zeros(turned.shape[0], np.float32), strides_of(node), groups)


def computed(op: str, values: list[Any]) -> Array:
    """An operation on constants."""
    if op == "Rsqrt":
        made: Array = np.float32(1) / np.sqrt(values[0])
        return made
    done: Array = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[op](*values)
    return done


def folded(op: str, convolution: Convolution, values: Array) -> Convolution:
    """A convolution with a factor or a summand of each output channel."""
    if op == "Mul":
        weights = convolution.weights * values[:, None, None, None]
        return replace(convolution, weights=weights, bias=convolution.bias * values)
    if op in ("Add", "BiasAdd"):
        return replace(convolution, bias=convolution.bias + values)
    msg = f"{op} follows a convolution"
    raise TypeError(msg)
