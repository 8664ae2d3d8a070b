"""One image forward through a net, and the gradient of its loss back: every array, every sum.

The terms of a sum come from the layer's own backward.  With dy = 1 at output j and 0 elsewhere it
returns d y_j / d x, one row of the layer's Jacobian.  For Dense this row is the weights of unit j.
"""
import inspect
from typing import NamedTuple

import numpy as np

from experiments.shared.lesson.encode import (
    encode_floats,
    encode_indices,
    encode_signed,
    encode_source,
    round_numbers,
)
from nets.backend import to_device, to_host
from nets.gradcheck import numeric_gradient
from nets.layers.basic import Dense, Flatten, ReLU, Sigmoid
from nets.layers.conv import Conv, MaxPool
from nets.losses import softmax_cross_entropy
from nets.net import Net

TERMS = 4               # of a sum: the largest ones are shown, the others are added up
ALL_UNITS = 1000        # an array with more units explains one unit of each of its maps
ROWS = 128              # of a Jacobian at a time: bounds the memory
CHAIN_RULES = {
    Flatten: "dx = dy, in the shape of x",
    Dense: "dx = dy Wᵀ",
    Sigmoid: "dx = dy · y · (1 − y), number by number",
    ReLU: "dx = dy where y > 0, else 0",
    Conv: "dx[tap] += W[:, :, u, v]ᵀ dy, for each place (u, v) of the window",
    MaxPool: "dx = the sum of dy over the windows in which the pixel is the largest",
}


class Passed(NamedTuple):
    """One image after its way forward through a net."""
    net: Net
    arrays: list            # x, the output of each layer; the last are the logits; on the host
    caches: list            # of each layer
    explained: list         # of each array: the units (n,) whose sums the page shows
    rows: list              # of each layer: d y_j / d x for the explained outputs j (n, D)
    columns: list           # of each layer: d y / d x_i for the explained inputs i (H, n)


def pass_forward(net, x):
    """Run one image x (1, ...) forward, and find each layer's Jacobian where it is explained."""
    arrays, caches = [x.astype(float)], []
    for layer in net.layers:
        y, cache = layer.forward(to_device(arrays[-1]), None)
        arrays.append(to_host(y))
        caches.append(cache)
    explained = [choose_units(a[0]) for a in arrays]
    found = [find_jacobian(layer, arrays[i], arrays[i + 1], explained[i + 1], explained[i])
             for i, layer in enumerate(net.layers)]
    return Passed(net, arrays, caches, explained, *map(list, zip(*found, strict=True)))


def choose_units(a):
    """Which units of an array (C, H, W) or (H,) are explained: all, or the largest of each map."""
    if a.size <= ALL_UNITS:
        return np.arange(a.size)
    maps = a.reshape(len(a), -1)
    return maps.argmax(1) + maps.shape[1] * np.arange(len(a))


def find_jacobian(layer, x, y, outputs, inputs):
    """d y_j / d x for the outputs j (n, D), and d y / d x_i for the inputs i (H, m), at x (1, ...).
    """
    rows, columns = np.empty((len(outputs), x.size)), np.empty((y.size, len(inputs)))
    for first in range(0, y.size, ROWS):
        j = np.arange(first, min(first + ROWS, y.size))
        dy = np.eye(len(j), y.size, first).reshape(len(j), *y.shape[1:])
        _, cache = layer.forward(to_device(x.repeat(len(j), 0)), None)
        dx = to_host(layer.backward(to_device(dy), cache)).reshape(len(j), -1)
        columns[j] = dx[:, inputs]
        wanted = np.isin(outputs, j)
        rows[wanted] = dx[outputs[wanted] - first]
    return rows, columns


# ---- As the page has it ----------------------------------------------------------------------


def describe_layers(passed):
    """What the page says of each layer: its name, equations, source, and the pictures of W."""
    layers = []
    for i, layer in enumerate(passed.net.layers):
        x, y = passed.arrays[i], passed.arrays[i + 1]
        layers.append({
            "name": f"{i + 1} {type(layer).__name__}",
            "kind": type(layer).__name__,
            "sums": not isinstance(layer, Sigmoid | Flatten),   # y is a sum of terms
            "input": arrange(x), "output": arrange(y),
            "weights": draw_weights(passed, i) if layer.params else None})
    return layers


def arrange(a):
    """How an array (1, ...) is drawn: so many maps, each with so many rows and columns."""
    if a.ndim == 4:
        return {"shape": format_shape(a), "maps": a.shape[1], "rows": a.shape[2],
                "columns": a.shape[3]}
    columns = next(n for n in (56, 25, 20, 10) if a.size % n == 0 and a.size >= n)
    return {"shape": format_shape(a), "maps": 1, "rows": a.size // columns, "columns": columns}


def draw_weights(passed, i):
    """The incoming weights of each unit of a Dense, or of each map of a Conv, as pictures."""
    W = to_host(passed.net.layers[i].params[0])
    if W.ndim == 4:
        pictures, shape = W, {"maps": W.shape[1], "rows": W.shape[2], "columns": W.shape[3]}
    else:
        before = passed.arrays[i - 1] if isinstance(passed.net.layers[i - 1], Flatten) else \
            passed.arrays[i]
        pictures, shape = W.T, arrange(before)
    return {**shape, "largest": round_numbers(abs(pictures.reshape(len(pictures), -1)).max(1)),
            "pictures": [encode_signed(p, abs(p).max()) for p in pictures]}


def show_sources(net):
    """{"forward", "backward": [(text of the equation, source)] of each layer}, in HTML."""
    return {way: [(read_equation(getattr(layer, way)), encode_source(getattr(layer, way)))
                  for layer in net.layers] for way in ("forward", "backward")}


def read_equation(function):
    """The first paragraph of a function's docstring, on one line."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split("\n"))


def write_chain_rule(layer, x, y):
    """The chain rule of a layer with the shapes of its arrays, in words for the page."""
    rule = CHAIN_RULES.get(type(layer)) or read_equation(layer.backward)
    W = f" {format_shape(layer.params[0].T)}" if isinstance(layer, Dense) else ""
    return f"{rule}:  dy {format_shape(y)}{W} → dx {format_shape(x)}"


def format_shape(a):
    """An array's shape as text, with brackets."""
    return "(" + ", ".join(map(str, a.shape)) + ")"


def encode_forward(passed):
    """The arrays of the way forward, the softmax, and the terms of each explained output."""
    units = []
    for i, rows in enumerate(passed.rows):
        x, y = (a.ravel() for a in passed.arrays[i:i + 2])
        outputs = passed.explained[i + 1]
        units.append(encode_terms(outputs, rows, rows * x, y[outputs]))
    logits = passed.arrays[-1]
    return {"arrays": [encode_floats(a) for a in passed.arrays],
            "softmax": round_numbers(softmax(logits)[0]), "units": units}


def encode_backward(passed, target):
    """The gradients on the way back from the loss towards a label, and the terms of their sums.

    Beside each explained gradient stands its numeric value, by `nets.gradcheck.numeric_gradient`.
    """
    target = np.array([target])
    loss, dlogits = softmax_cross_entropy(to_device(passed.arrays[-1]), to_device(target))
    dy, gradients, units = dlogits, [], []
    for i in reversed(range(len(passed.net.layers))):
        dx = passed.net.layers[i].backward(dy, passed.caches[i])
        inputs, factors = passed.explained[i], passed.columns[i].T          # (n, H)
        unit = encode_terms(inputs, factors, factors * to_host(dy).ravel(),
                            to_host(dx).ravel()[inputs])
        unit["numeric"] = encode_floats(measure_slopes(passed, i, target, inputs))
        units.append(unit)
        gradients.append(encode_floats(dy))
        dy = dx
    return {"loss": round_numbers(loss)[0], "dlogits": round_numbers(dlogits, 5),
            "gradients": [*gradients, encode_floats(dy)], "units": units}


def measure_slopes(passed, i, target, inputs):
    """d loss / d x at some units of the input of layer i, by differences: (n,)."""
    rest, x = Net(passed.net.layers[i:]), to_device(passed.arrays[i].copy())

    def evaluate():
        return softmax_cross_entropy(rest.forward(x)[0], to_device(target))[0][0]

    return numeric_gradient(evaluate, x, zip(*np.unravel_index(inputs, x.shape), strict=True))


def encode_terms(units, factors, products, totals):
    """The largest terms of sums.

    Args:
        units: which units (n,) the sums make.
        factors, products: of every term (n, terms).
        totals: the sums with their constants, such as a bias (n,).

    Returns:
        For page.js: for each unit `count` terms, the largest first, what the other terms add up
        to, and the constant.
    """
    count = min(TERMS, max(1, np.count_nonzero(factors, 1).max(initial=0)))
    index = np.argsort(-abs(products) - 1e-300 * (factors != 0), 1, kind="stable")[:, :count]
    shown = np.take_along_axis(products, index, 1)
    return {"units": encode_indices(units), "count": count, "index": encode_indices(index),
            "factor": encode_floats(np.take_along_axis(factors, index, 1)),
            "product": encode_floats(shown),
            "others": encode_floats(products.sum(1) - shown.sum(1)),
            "constant": encode_floats(totals - products.sum(1))}


def softmax(logits):
    """softmax(logits) (N, K): the gradient of the cross-entropy towards a label, plus its onehot.
    """
    logits = to_host(logits)
    labels = np.zeros(len(logits), int)
    onehot = np.eye(logits.shape[1])[labels]
    return to_host(softmax_cross_entropy(to_device(logits), to_device(labels))[1]) + onehot
