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
    round_numbers,
)
from nets.backend import to_device, to_host
from nets.gradcheck import numeric_gradient
from nets.layers.basic import Dense, Flatten, ReLU, Sigmoid
from nets.layers.conv import Conv, MaxPool
from nets.losses import softmax_cross_entropy
from nets.net import Net

TERMS = 4               # of a sum: the largest ones are shown, the others are added up
ROWS = 100              # of a Jacobian at a time: bounds the memory
DRAWN = 100_000         # weights; of a Dense with more, no pictures: they would fill the page
UNEVEN = np.arange(1.0, 1001.0)             # dlogits in which no two terms cancel out
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


def pass_forward(net, x, limit):
    """Run one image x (1, ...) forward, and find each layer's Jacobian where it is explained.

    limit: of an array with more units than this, only some are explained.
    """
    arrays, caches = [x.astype(float)], []
    for layer in net.layers:
        y, cache = layer.forward(to_device(arrays[-1]), None)
        arrays.append(to_host(y))
        caches.append(cache)
    explained = [choose_units(x[0], limit)]
    for layer, y in zip(net.layers, arrays[1:], strict=True):
        explained.append(explained[-1] if isinstance(layer, Flatten) else choose_units(y[0], limit))
    gradients = pass_backward(net, to_device(UNEVEN[None, :arrays[-1].size]), caches)[::-1]
    found = [find_jacobian(layer, arrays[i], np.flatnonzero(to_host(gradients[i + 1])),
                           explained[i + 1], explained[i]) for i, layer in enumerate(net.layers)]
    return Passed(net, arrays, caches, explained, *map(list, zip(*found, strict=True)))


def pass_backward(net, dlogits, caches):
    """[dlogits, d loss / d the input of the last layer, ..., d loss / d x], on the device."""
    gradients = [dlogits]
    for layer, cache in zip(reversed(net.layers), reversed(caches), strict=True):
        gradients.append(layer.backward(gradients[-1], cache))
    return gradients


def choose_units(a, limit):
    """Which units of an array (C, H, W) or (H,) are explained: all, or some with large values.

    These are the largest ones of a vector, the largest of each map, or of each row of one image.
    """
    if a.size <= limit:
        return np.arange(a.size)
    if a.ndim == 1:
        return np.sort(np.argsort(-abs(a))[:limit])
    parts = a[0] if len(a) == 1 else a.reshape(len(a), -1)
    return parts.argmax(1) + parts.shape[1] * np.arange(len(parts))


def find_jacobian(layer, x, moved, outputs, inputs):
    """d y_j / d x for the outputs j (n, D), and d y / d x_i for the inputs i (H, m), at x (1, ...).

    moved: the outputs through which a gradient comes back, where dy is not 0.  For max pooling and
    ReLU these are few.  The others have no part in dx, and stay 0 in the second array.
    """
    y, cache = layer.forward(to_device(x.repeat(ROWS, 0)), None)
    size, needed = y[0].size, np.union1d(moved, outputs)
    rows, columns = np.empty((len(outputs), x.size)), np.zeros((size, len(inputs)))
    for first in range(0, len(needed), ROWS):
        j = needed[first:first + ROWS]
        dy = np.zeros((ROWS, size))
        dy[np.arange(len(j)), j] = 1
        dx = to_host(layer.backward(to_device(dy.reshape(y.shape)), cache)).reshape(ROWS, -1)
        columns[j] = dx[:len(j), inputs]
        wanted = np.isin(outputs, j)
        rows[wanted] = dx[np.searchsorted(j, outputs[wanted])]
    return rows, columns


# ---- As the page has it ----------------------------------------------------------------------


def describe_layers(passed):
    """What the page says of each layer: its name, equations, source, and the pictures of W."""
    layers = []
    for i, layer in enumerate(passed.net.layers):
        x, y = passed.arrays[i:i + 2]
        after_flatten = i > 0 and isinstance(passed.net.layers[i - 1], Flatten)
        places = arrange(passed.arrays[i - 1] if after_flatten else x)
        layers.append({
            "name": f"{i + 1} {type(layer).__name__}", "kind": type(layer).__name__,
            "sums": not isinstance(layer, Sigmoid | Flatten),   # y is a sum of terms
            "input": arrange(x), "output": arrange(y), "places": places,
            "weights": draw_weights(layer, places) if layer.params else None})
    return layers


def arrange(a):
    """How an array (1, ...) is drawn: so many maps, each with so many rows and columns."""
    if a.ndim == 4:
        _, maps, rows, columns = a.shape
        return {"maps": maps, "rows": rows, "columns": columns, "is_picture": True}
    columns = min((n for n in range(1, a.size + 1) if a.size % n == 0), key=lambda n: abs(n - 26))
    return {"maps": 1, "rows": a.size // columns, "columns": columns, "is_picture": False}


def draw_weights(layer, places):
    """The incoming weights of each unit of a Dense, or of each map of a Conv, as pictures.

    places: how the input of a Dense is drawn.
    """
    W = to_host(layer.params[0])
    if W.size > DRAWN:
        return {"pictures": None}
    if W.ndim == 4:
        pictures, places = W, arrange(W)
    else:
        pictures = W.T
    return {**places, "largest": round_numbers(abs(pictures.reshape(len(pictures), -1)).max(1)),
            "pictures": [encode_signed(p, abs(p).max()) for p in pictures]}


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
    layers, units = passed.net.layers, []
    for i, rows in enumerate(passed.rows):
        x, y = (a.ravel() for a in passed.arrays[i:i + 2])
        outputs = passed.explained[i + 1]
        products = rows * x
        constant = y[outputs] - products.sum(1)
        units.append(None if isinstance(layers[i], Flatten) else encode_terms(
            outputs, y.size, rows, products) | {"constant": encode_floats(constant)})
    return {**encode_arrays(passed.arrays, passed.explained),
            "softmax": round_numbers(softmax(passed.arrays[-1])),
            "units": units}


def encode_backward(passed, target):
    """The gradients on the way back from the loss towards a label, and the terms of their sums.

    The first gradient is dlogits, the last one d loss / d x.  Beside each explained gradient stands
    its numeric value, by `nets.gradcheck.numeric_gradient`.
    """
    wanted = to_device(np.array([target]))
    loss, dlogits = softmax_cross_entropy(to_device(passed.arrays[-1]), wanted)
    layers, gradients = passed.net.layers, pass_backward(passed.net, dlogits, passed.caches)
    units = []
    for i, dy in zip(reversed(range(len(layers))), gradients[:-1], strict=True):
        inputs, factors = passed.explained[i], passed.columns[i].T          # (n, H)
        units.append(None if isinstance(layers[i], Flatten) else encode_terms(
            inputs, passed.arrays[i].size, factors, factors * to_host(dy).ravel()) | {
                "numeric": encode_floats(measure_slopes(passed, i, wanted, inputs))})
    return {**encode_arrays(gradients, passed.explained[::-1]), "loss": round_numbers(loss)[0],
            "units": units}


def encode_arrays(arrays, explained):
    """The numbers of arrays, None for the same ones as before, and their ranges.

    strongest: of the explained units of each array the one with the largest value.
    """
    arrays = [to_host(a).ravel() for a in arrays]
    texts = [encode_floats(a) for a in arrays]
    return {"arrays": [text if i == 0 or text != texts[i - 1] else None
                       for i, text in enumerate(texts)],
            "ranges": [round_numbers([a.min(), a.max()], 3) for a in arrays],
            "strongest": [int(units[abs(a[units]).argmax()])
                          for a, units in zip(arrays, explained, strict=True)]}


def measure_slopes(passed, i, wanted, inputs):
    """d loss / d x at some units of the input of layer i, by differences: (n,)."""
    rest, x = Net(passed.net.layers[i:]), to_device(passed.arrays[i].copy())
    return numeric_gradient(lambda: softmax_cross_entropy(rest.forward(x)[0], wanted)[0][0], x,
                            zip(*np.unravel_index(inputs, x.shape), strict=True))


def encode_terms(units, size, factors, products):
    """The largest terms of sums, and what the other terms add up to.

    Args:
        units: which units (n,) of an array of this size the sums make.
        factors, products: of every term (n, terms).

    Returns:
        For page.js, for each unit `count` terms, the largest first.  units: None means all.
    """
    count = min(TERMS, max(1, np.count_nonzero(factors, 1).max(initial=0)))
    order = np.lexsort((-abs(factors), -abs(products)))[:, :count]      # by the product
    shown = np.take_along_axis(products, order, 1)
    return {"units": None if len(units) == size else encode_indices(units), "count": count,
            "index": encode_indices(order), "product": encode_floats(shown),
            "factor": encode_floats(np.take_along_axis(factors, order, 1)),
            "others": encode_floats(products.sum(1) - shown.sum(1))}


def softmax(logits):
    """softmax(logits): (N, K) -> (N, K), from the gradient of the cross-entropy towards label 0."""
    logits = to_device(logits)
    labels = to_device(np.zeros(len(logits), int))
    return to_host(softmax_cross_entropy(logits, labels)[1]) + np.eye(1, logits.shape[1])
