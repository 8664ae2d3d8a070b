"""A net from an ONNX file: its graph, read node by node, as our layers with the nodes' numbers.

The graph must be a chain: each node takes what the node before it gave, and weights.  Any node that
is none of NODES, and any other attribute, is refused by name.  No other file is opened.
"""
import inspect
import os
from typing import NamedTuple

import numpy as np

from nets.backend import to_device
from nets.disk import open_regular
from nets.net import Net
from nets.onnx_nodes import (
    FLOATS,
    NODES,
    WEIGHT_NODES,
    check_size,
    find_shape,
    import_onnx,
    read_attributes,
    read_tensor,
)

MAX_BYTES, MAX_NODES = 10 ** 9, 1000        # of a file
SIDES = (224, 227, *range(1, 1025))         # pixels to try where the graph leaves the size open


class OnnxNet(NamedTuple):
    """What an ONNX file holds."""
    net: Net        # in float32
    shape: tuple    # of one image: (C, H, W), or (D,)
    weights: list   # the names of the weights of Conv, Gemm and MatMul, in order


def read_net(path):
    """The OnnxNet of a file.

    Args:
        path: the file.

    Returns:
        The OnnxNet.  Where the graph leaves the images' size open, the first of SIDES that fits.

    Raises:
        RuntimeError: the onnx package is missing.
        OSError: the file cannot be read.
        ValueError: it is not whole, or its graph is not a chain of NODES.
    """
    graph = parse(path)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    images = [value for value in graph.input if value.name not in constants]
    if (len(images), len(graph.output)) != (1, 1) or len(graph.node) > MAX_NODES:
        raise bad_file(path, f"{len(images)} inputs, {len(graph.output)} outputs, "
                       f"{len(graph.node):,} nodes; expected 1, 1 and {MAX_NODES:,} at most")
    tensor = images[0].type.tensor_type
    dims = [dim.dim_value for dim in tensor.shape.dim]      # 0: any number
    if len(dims) not in (2, 4) or min(dims) < 0 or not dims[1] or tensor.elem_type not in FLOATS:
        raise bad_file(path, f"its input is {dims} (0: any number) of ONNX's type "
                       f"{tensor.elem_type}; expected (N, C, H, W) or (N, D) of type 1, float32")
    first = None                            # what is wrong with the size that is tried first
    for side in SIDES if 0 in dims[2:] else SIDES[:1]:
        shape = (dims[1], *(n or side for n in dims[2:]))
        try:
            net = build_net(graph, Chain(dict(constants), images[0].name, dims[0], shape))
            return OnnxNet(net, shape, [node.input[1] for node in graph.node
                                        if node.op_type in ("Conv", "Gemm", "MatMul")])
        except ValueError as error:
            first = first or str(error)     # the error itself would keep the weights in memory
    raise bad_file(path, first)


def parse(path):
    """The graph of an ONNX file that has passed the onnx package's own checks."""
    onnx = import_onnx()
    from google.protobuf.message import DecodeError
    with open_regular(path) as file:
        if not 0 < (size := os.fstat(file.fileno()).st_size) <= MAX_BYTES:
            raise bad_file(path, f"{size:,} bytes, expected 1 to {MAX_BYTES:,}")
        contents = file.read(size)
    try:
        model = onnx.load_model_from_string(contents)
        graph = model.graph
        for t in [*graph.initializer, *(a.t for node in graph.node for a in node.attribute)]:
            if t.data_location == onnx.TensorProto.EXTERNAL:    # the checks would look for it
                raise bad_file(path, f"{t.name} lies in another file; export with "
                               "external_data=False")
        for value in [*graph.input, *graph.output]:     # the checks want a shape, runtimes do not
            value.type.tensor_type.shape.SetInParent()
        onnx.checker.check_model(model)
    except (DecodeError, UnicodeDecodeError, onnx.checker.ValidationError) as error:
        raise bad_file(path, f"not a whole ONNX file ({' '.join(str(error).split())})") from error
    return graph


def bad_file(path, found):
    """The ValueError to raise: the file, what was found in it, and where to read what is expected.
    """
    return ValueError(f"{path}: {found}; experiments/README.md says which weights can be read")


# ---- The walk along the chain ----------------------------------------------------------------


class Chain:
    """The layers so far, and what they give for one image."""

    def __init__(self, constants, last, batch, shape):
        """constants: {name: tensor}.  last: the input's name.  batch: its images, 0: any number."""
        self.constants, self.last, self.batch, self.shape = constants, last, batch, shape
        self.layers, self.numbers = [], 0

    def append(self, node):
        """Append the layer of a node, or keep the weights that it makes; ValueError if neither."""
        inputs, is_constant = list(node.input), self.last not in node.input
        if node.op_type not in NODES | WEIGHT_NODES or node.domain not in ("", "ai.onnx"):
            raise ValueError(f"expected one of {', '.join(NODES | WEIGHT_NODES)}, and a softmax at "
                             "the end")
        if node.op_type == "Add" and inputs[-1] == self.last:
            inputs.reverse()                # a + b = b + a
        if not is_constant and inputs.pop(0) != self.last:
            raise ValueError(f"its first input is a weight, expected {self.last}")
        if branches := [name for name in inputs if name and name not in self.constants]:
            raise ValueError(f"its input {branches[0]} is neither a weight nor the output of the "
                             "node before it; expected a chain")
        make = (WEIGHT_NODES if is_constant else NODES).get(node.op_type)
        if make is None:
            raise ValueError("a node of this kind must take " + (
                "the output of the node before it" if is_constant else "weights only"))
        arrays = [read_tensor(self.constants[name]) if name else None for name in inputs]
        if any(a is not None and a.size == 0 for a in arrays):
            raise ValueError("weights without numbers")
        call = inspect.signature(make).bind(self, *arrays, **read_attributes(node))
        result = make(*call.args, **call.kwargs)
        if is_constant:
            self.constants[node.output[0]] = result
            return
        self.last = node.output[0]
        if result is not None:
            self.numbers += sum(p.size for p in result.params)
            check_size(self.numbers)
            self.layers.append(result)
            self.shape = find_shape(result, self.shape)


def build_net(graph, chain):
    """The Net of a graph, in float32, by appending its nodes to the chain; or ValueError."""
    nodes, output = list(graph.node), graph.output[0].name
    if (nodes and nodes[-1].op_type in ("Softmax", "LogSoftmax") and output in nodes[-1].output
            and read_attributes(nodes[-1]).get("axis", 1) in (1, -1)):
        output = nodes.pop().input[0]       # left out, because D wants logits
    for node in nodes:
        try:
            chain.append(node)
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            name = node.name or ", ".join(node.output)
            raise ValueError(f"node {name!r}, {node.op_type}: {error}") from error
    if chain.last != output or len(chain.shape) != 1 or not chain.numbers or chain.shape[0] < 2:
        raise ValueError(f"its last node gives {chain.last} (N, {str(chain.shape)[1:]}; expected "
                         f"{output}, the logits (N, K) of two labels at least")
    for layer in chain.layers:              # copies: the file's own arrays are read-only
        with np.errstate(over="ignore"):
            params = [np.array(p, np.float32, order="C") for p in layer.params]
        if not all(np.isfinite(p).all() for p in params):
            raise ValueError(f"weights {[p.shape for p in params]} that are not all finite")
        layer.params = list(map(to_device, params))
    return Net(chain.layers)
