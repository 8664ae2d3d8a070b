"""A net from an ONNX file: its graph, read node by node, as our layers with the nodes' numbers.

The graph must be a chain: each node takes what the node before it gave, and weights.  Any node that
is none of NODES, and any other attribute, is refused by name.  No other file is opened.
"""
import inspect
import math
import os
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from nets import store
from nets.backend import to_device
from nets.layers.basic import Dense, Flatten, ReLU, Reshape, Sigmoid, Tanh
from nets.layers.conv import ChannelNorm, Conv, MaxPool
from nets.layers.windows import by_side, count_places_by_axis
from nets.net import Net

MAX_BYTES, MAX_NODES = 10 ** 9, 1000        # of a file
MAX_NUMBERS = 3 * 10 ** 8                   # in all weights, and in one image within a layer
SIDES = (224, 227, *range(1, 1025))         # pixels to try where the graph leaves the size open
FLOATS, OTHERS = (1, 10, 11), (6, 7, 9)     # ONNX's types: float32, float16, float64; int, bool
NOT_DRAWN = SimpleNamespace(                # in place of random weights: zeros, without memory
    normal=lambda mean, std, shape: np.broadcast_to(np.float32(0), shape))


class OnnxNet(NamedTuple):
    """What an ONNX file holds."""
    net: Net        # in float32
    shape: tuple    # of one image: (C, H, W), or (D,)
    weights: list   # the names of the weights of Conv, Gemm and MatMul, in order


def read_net(path):
    """The OnnxNet of a file.

    Raises RuntimeError without the onnx package, OSError if the file cannot be read, ValueError if
    it is not whole or its graph is not a chain of NODES.
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
    errors = []
    for side in SIDES if 0 in dims[2:] else SIDES[:1]:
        shape = (dims[1], *(n or side for n in dims[2:]))
        try:
            net = build_net(graph, Chain(dict(constants), images[0].name, dims[0], shape))
            return OnnxNet(net, shape, [node.input[1] for node in graph.node
                                        if node.op_type in ("Conv", "Gemm", "MatMul")])
        except ValueError as error:
            errors.append(error)
    raise bad_file(path, errors[0]) from errors[0]          # with the size that is tried first


def import_onnx():
    """The onnx package, or RuntimeError that says how to install it."""
    try:
        import onnx
    except ImportError as error:
        raise RuntimeError(f"weights in ONNX need the onnx package ({error}); pip install -r "
                           "requirements-onnx.txt") from error
    return onnx


def parse(path):
    """The graph of an ONNX file that has passed the onnx package's own checks."""
    onnx = import_onnx()
    from google.protobuf.message import DecodeError
    with store.open_regular(path) as file:
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
        if node.op_type not in NODES | CONSTANTS or node.domain not in ("", "ai.onnx"):
            raise ValueError(f"expected one of {', '.join(NODES | CONSTANTS)}, and a softmax at "
                             "the end")
        if node.op_type == "Add" and inputs[-1] == self.last:
            inputs.reverse()                # a + b = b + a
        if not is_constant and inputs.pop(0) != self.last:
            raise ValueError(f"its first input is a weight, expected {self.last}")
        if branches := [name for name in inputs if name and name not in self.constants]:
            raise ValueError(f"its input {branches[0]} is neither a weight nor the output of the "
                             "node before it; expected a chain")
        make = (CONSTANTS if is_constant else NODES).get(node.op_type)
        if make is None:
            raise ValueError("it takes only weights, or the chain; expected the other")
        arrays = [read_tensor(self.constants[name]) if name else None for name in inputs]
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
        except (ValueError, TypeError, OverflowError) as error:
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


def read_attributes(node):
    """{name: value} of a node's attributes."""
    return {a.name: import_onnx().helper.get_attribute_value(a) for a in node.attribute}


def read_tensor(tensor):
    """A tensor of the file, or an array itself, as an array."""
    if isinstance(tensor, np.ndarray):
        return tensor
    expect(f"ONNX's type of {tensor.name}", tensor.data_type, *FLOATS, *OTHERS)
    a = import_onnx().numpy_helper.to_array(tensor)
    expect(f"shape of {tensor.name}", tuple(tensor.dims), a.shape)
    return a


def find_shape(layer, shape):
    """The shape of one image after a layer, for images of `shape` before it."""
    if isinstance(layer, Dense):
        return layer.params[1].shape
    if isinstance(layer, Flatten | Reshape):
        return getattr(layer, "shape", (math.prod(shape),))
    if not isinstance(layer, Conv | MaxPool):
        return shape
    k = layer.k if isinstance(layer, Conv) else layer.size
    places = count_places_by_axis(shape, k, layer.stride, layer.padding)
    check_size(shape[0], *(n + sum(p) for n, p in zip(shape[1:], by_side(layer.padding),
                                                      strict=True)))
    check_size(shape[0], *k, *places)       # what all taps see
    maps = len(layer.params[0]) if layer.params else shape[0]
    check_size(maps, *places)
    return maps, *places


def check_size(*shape):
    """ValueError if an array of this shape would fill the memory."""
    if math.prod(shape) > MAX_NUMBERS:
        raise ValueError(f"{math.prod(shape):,} numbers, expected {MAX_NUMBERS:,} at most")


def expect(what, found, *expected):
    """ValueError if an attribute, or a shape, is none of those that our layers can have."""
    if found not in expected:
        raise ValueError(f"{what} is {found}, expected {' or '.join(map(str, expected))}")


# ---- Nodes: each a function of the chain, the weights and the attributes that gives a layer ---


def with_params(layer, W, b):
    """A layer with these parameters.  b: None for zeros."""
    layer.params = [W, np.zeros(layer.params[1].shape) if b is None else b]
    return layer


def read_window(chain, k, strides, pads, dilations, auto_pad):
    """The window, the strides, and the padding by side, of Conv and MaxPool."""
    expect("dilations", list(dilations), [1, 1])
    expect("auto_pad", auto_pad, b"NOTSET")
    expect("axes of images, window, strides and half of pads",
           [len(chain.shape) - 1, len(k), len(strides), len(pads) / 2], [2, 2, 2, 2])
    return tuple(k), tuple(strides), tuple(zip(pads[:2], pads[2:], strict=True))


def make_conv(chain, W, b=None, *, kernel_shape=None, strides=(1, 1), pads=(0, 0, 0, 0),
              dilations=(1, 1), group=1, auto_pad=b"NOTSET"):
    k, strides, padding = read_window(chain, W.shape[2:], strides, pads, dilations, auto_pad)
    expect("kernel_shape", list(kernel_shape or k), list(k))
    expect("group", max(1, group), group)
    layer = Conv(chain.shape[0], len(W), k, NOT_DRAWN, strides, padding, group)
    expect("shape of the weights", W.shape, layer.params[0].shape)
    expect("shape of the bias", W.shape[:1] if b is None else b.shape, W.shape[:1])
    return with_params(layer, W, b)


def make_max_pool(chain, *, kernel_shape, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1),
                  ceil_mode=0, auto_pad=b"NOTSET", storage_order=0):
    k, strides, padding = read_window(chain, kernel_shape, strides, pads, dilations, auto_pad)
    layer = MaxPool(k, strides, padding)
    if ceil_mode:                           # padding so that a rest becomes a window
        rests = [-(n + sum(p) - m) % s for n, p, m, s in
                 zip(chain.shape[1:], padding, k, strides, strict=True)]
        layer.padding = tuple((p, q + rest if q + rest < m else q) for (p, q), m, rest in
                              zip(padding, k, rests, strict=True))
    return layer


def make_average_pool(chain, *, kernel_shape, strides=(1, 1), pads=(0, 0, 0, 0), ceil_mode=0,
                      count_include_pad=0, dilations=(1, 1), auto_pad=b"NOTSET"):
    """The average of one pixel, which is in torchvision's nets, is that pixel."""
    expect("kernel_shape, strides, pads", [*kernel_shape, *strides, *pads], [1] * 4 + [0] * 4)


def make_gemm(chain, B, C=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    """y = alpha x B + beta C"""
    expect("transA", transA, 0)             # it would exchange images and numbers
    B, C = B.T if transB else B, np.zeros(1) if C is None else C
    return make_dense(chain, B if alpha == 1 else alpha * B, beta * C)


def make_dense(chain, W, b=None):
    """MatMul, and what Gemm comes to."""
    expect("axes of the weights", W.ndim, 2)
    expect("shape of the input", chain.shape, W.shape[:1])
    D, H = W.shape
    return with_params(Dense(D, H, NOT_DRAWN), W, b if b is None else spread(b, (H,)))


def make_add(chain, b):
    return scale_and_shift(chain, np.ones(chain.shape[0]), spread(b, chain.shape))


def make_batch_norm(chain, gamma, beta, mean, variance, *, epsilon=1e-5, momentum=0.9,
                    training_mode=0, spatial=1):
    expect("training_mode, spatial", [training_mode, spatial], [0, 1])
    expect("shapes of the weights", {a.shape for a in (gamma, beta, mean, variance)},
           {chain.shape[:1]})
    scale = gamma / np.sqrt(variance.astype(float) + epsilon)
    return scale_and_shift(chain, scale, beta - mean * scale)


def scale_and_shift(chain, scale, shift):
    """y_c = scale_c x_c + shift_c: in the layer before, or else as a convolution of one pixel."""
    columns, before = scale[:, None, None, None], chain.layers[-1] if chain.layers else None
    if isinstance(before, Dense | Conv):
        W, b = before.params
        before.params = [W * (scale if W.ndim == 2 else columns), b * scale + shift]
        return None
    expect("axes of what comes neither after Conv, Gemm nor MatMul", len(chain.shape), 3)
    C = len(scale)
    return with_params(Conv(C, C, (1, 1), NOT_DRAWN, groups=C), columns, shift)


def spread(a, shape):
    """One number for each channel of images of `shape`, from an array that is added to them."""
    return np.broadcast_to(a, (1, shape[0], *[1] * (len(shape) - 1))).ravel()


def make_lrn(chain, *, size, alpha=1e-4, beta=0.75, bias=1.0):
    expect("axes of images", len(chain.shape), 3)
    return ChannelNorm(size, bias, alpha / size, beta)      # its alpha is n times ours


def make_flatten(chain, *, axis=1):
    expect("axis", axis, 1, -len(chain.shape))
    return Flatten()


def make_reshape(chain, target, *, allowzero=0):
    """Each image by itself: the first number is that of the images, 0 keeps, -1 is the rest."""
    first, *shape = target.ravel().tolist()
    expect("zeros", 0 in target and allowzero, False)
    expect("images", first, -1, 0, chain.batch or first)
    shape = [n or chain.shape[i] for i, n in enumerate(shape)]
    size = math.prod(chain.shape)
    if -1 in shape and first != -1:
        shape[shape.index(-1)] = size // max(1, -math.prod(shape))
    expect("numbers of an image", math.prod(shape) * (min(shape, default=0) > 0), size)
    return Flatten() if len(shape) == 1 else Reshape(shape)


def make_nothing(chain, ratio=None, training_mode=None, **attributes):
    """Identity, and Dropout, which is for training."""
    expect("training_mode", bool(training_mode), False)


def activation(layer):
    """The function of a node without weights and attributes."""
    return lambda chain: layer()


NODES = {
    "Conv": make_conv, "Gemm": make_gemm, "MatMul": make_dense, "Add": make_add,
    "Relu": activation(ReLU), "Sigmoid": activation(Sigmoid), "Tanh": activation(Tanh),
    "MaxPool": make_max_pool, "AveragePool": make_average_pool, "LRN": make_lrn,
    "BatchNormalization": make_batch_norm, "Flatten": make_flatten, "Reshape": make_reshape,
    "Dropout": make_nothing, "Identity": make_nothing}


def fill(chain, shape, *, value=None):
    """ConstantOfShape: a view of one number, so that it takes no memory."""
    check_size(*shape.tolist())
    return np.broadcast_to(np.float32(0) if value is None else read_tensor(value), shape)


CONSTANTS = {"Constant": lambda chain, *, value: read_tensor(value), "ConstantOfShape": fill,
             "Identity": lambda chain, a: a}
