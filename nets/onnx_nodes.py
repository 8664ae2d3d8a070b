"""The nodes of ONNX graphs: each a function of the chain so far that gives one of our layers.

make(chain, *weights, **attributes): the names and the defaults of the attributes are ONNX's, and
one that a function does not have is an error.  None: nothing is appended.
"""
import math
from types import SimpleNamespace

import numpy as np

from nets.layers.basic import Dense, Flatten, ReLU, Reshape, Sigmoid, Tanh
from nets.layers.conv import ChannelNorm, Conv, MaxPool
from nets.layers.windows import by_side, count_places_by_axis

MAX_NUMBERS = 3 * 10 ** 8                   # in all weights, and in one image within a layer
FLOATS = (1, 10, 11)                        # ONNX's numbers of float32, float16, float64
INTEGERS_AND_BOOL = (6, 7, 9)               # of int32, int64, bool
ZERO_RNG = SimpleNamespace(                 # in place of random weights: zeros, without memory
    normal=lambda mean, std, shape: np.broadcast_to(np.float32(0), shape))


def import_onnx():
    """The onnx package, or RuntimeError that says how to install it."""
    try:
        import onnx
    except ImportError as error:
        raise RuntimeError(f"weights in ONNX need the onnx package ({error}); pip install -r "
                           "requirements-onnx.txt") from error
    return onnx


def read_attributes(node):
    """{name: value} of a node's attributes."""
    return {a.name: import_onnx().helper.get_attribute_value(a) for a in node.attribute}


def read_tensor(tensor):
    """A tensor of the file, or an array itself, as an array."""
    if isinstance(tensor, np.ndarray):
        return tensor
    expect(f"ONNX's type of {tensor.name}", tensor.data_type, *FLOATS, *INTEGERS_AND_BOOL)
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


# ---- Layers ----------------------------------------------------------------------------------


def with_params(layer, W, b):
    """A layer with these parameters.  b: None for zeros."""
    layer.params = [W, np.zeros(layer.params[1].shape) if b is None else b]
    return layer


def read_window(chain, k, strides, pads, dilations, auto_pad):
    """The window, the strides, and the padding by side, of Conv and MaxPool."""
    expect("dilations", list(dilations), [1, 1])
    expect("auto_pad", auto_pad, b"NOTSET")
    expect("lengths of the image's shape, kernel_shape, strides, pads",
           [len(chain.shape), len(k), len(strides), len(pads)], [3, 2, 2, 4])
    return tuple(k), tuple(strides), tuple(zip(pads[:2], pads[2:], strict=True))


def make_conv(chain, W, b=None, *, kernel_shape=None, strides=(1, 1), pads=(0, 0, 0, 0),
              dilations=(1, 1), group=1, auto_pad=b"NOTSET"):
    k, strides, padding = read_window(chain, W.shape[2:], strides, pads, dilations, auto_pad)
    expect("kernel_shape", list(kernel_shape or k), list(k))
    layer = Conv(chain.shape[0], len(W), k, ZERO_RNG, strides, padding, group)
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
    return with_params(Dense(D, H, ZERO_RNG), W, b if b is None else one_per_channel(b, (H,)))


def make_add(chain, b):
    return scale_and_shift(chain, np.ones(chain.shape[0]), one_per_channel(b, chain.shape))


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
    expect("axes of the input, for a node that follows no Conv, Gemm or MatMul",
           len(chain.shape), 3)
    C = len(scale)
    return with_params(Conv(C, C, (1, 1), ZERO_RNG, groups=C), columns, shift)


def one_per_channel(a, shape):
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


# ---- Weights ---------------------------------------------------------------------------------


def make_constant_of_shape(chain, shape, *, value=None):
    """ConstantOfShape: a view of one number, so that it takes no memory."""
    check_size(*shape.tolist())
    return np.broadcast_to(0 if value is None else read_tensor(value).reshape(()), shape)


WEIGHT_NODES = {
    "Constant": lambda chain, *, value: read_tensor(value),
    "ConstantOfShape": make_constant_of_shape, "Identity": lambda chain, a: a}
