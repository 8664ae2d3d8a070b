"""The speed of AlexNet, for experiments.benchmark: milliseconds, share of the peak, memory."""
import time

import numpy as np

from experiments.benchmark.timing import time_fastest
from experiments.shared import page
from experiments.shared.memory import read_peak_memory
from experiments.shared.processes import tick
from experiments.shared.weights import pick_correct
from intriguing import SEARCHES_AT_ONCE, D, distortion, objective
from nets.backend import to_device
from nets.layers.basic import Dense
from nets.layers.conv import Conv
from nets.models import alexnet
from nets.net import chunk_size
from nets.search.scipy_lbfgsb import CORRECTIONS, minimize

BATCHES = (1, 16, 32)
PHOTOGRAPHS = 10                            # photographs that are searched


def measure(size=227, width=1):
    """In a worker, on one thread: measure AlexNet of 2012 in float32, weights and images random.

    Returns:
        {batch: {ms, GFLOP, MB}}: milliseconds and GFLOP (10^9 operations) an image of the
        objective's value and gradient, and the process's peak of memory so far.
        [[layer, ms forward, ms backward, GFLOP]], an image.
    """
    net, args = make_random(size, width, max(BATCHES))
    batches = {}
    for n in BATCHES:
        batches[n] = {"ms": time_fastest(objective, net, *(a[:n] for a in args)) / n,
                      "MB": read_peak_memory()}
        tick()
    layers = measure_layers(net, args[0][:16])
    for row in batches.values():
        row["GFLOP"] = sum(gflop for *_, gflop in layers)
    return batches, layers


def measure_evaluation(size=227, width=1):
    """In a worker: the cost of an evaluation in D, an image.

    Returns {net, GFLOP, solver}:
        net: milliseconds of the objective with its gradient, in D's batches, with random weights
        and images.
        GFLOP: its 10^9 operations.
        solver: milliseconds of L-BFGS-B with as many unknowns, on a quadratic with curvatures from
        1 to 100.
    """
    net, args = make_random(size, width, chunk_size(np.empty((1, 3, size, size)), SEARCHES_AT_ONCE))
    row = {"net": time_fastest(objective, net, *args) / len(args[0]),
           "GFLOP": sum(count_product_operations([net], args[0][:1])) / 1e9}
    curvature = np.linspace(1, 100, 3 * size ** 2)[None]
    seconds = []                            # in the quadratic itself

    def quadratic(z, rows):
        begin = time.perf_counter()
        value, gradient = (curvature * z * z).sum(1) / 2, curvature * z
        seconds.append(time.perf_counter() - begin)
        return value, gradient

    begin = time.perf_counter()
    box = np.ones_like(curvature)
    result = minimize(quadratic, 0.5 * box, -box, box, corrections=CORRECTIONS)
    total = time.perf_counter() - begin
    tick()
    return row | {"solver": 1000 * (total - sum(seconds)) / int(result.evaluations[0])}


def make_random(size, width, n):
    """AlexNet of 2012 in float32, and the objective's x, target, c, r for n images, on the device.

    Weights, images and targets are random; c is 1, r is 0.
    """
    rng = np.random.default_rng(0)
    net = alexnet.krizhevsky2012(rng, width, size).astype("float32")
    x = rng.random((n, 3, size, size), np.float32)
    return net, [to_device(a) for a in (x, rng.integers(0, 1000, n), np.ones(n), np.zeros(x.shape))]


def measure_layers(net, x):
    """[[name, ms forward, ms backward, GFLOP of both]] of every layer, an image of x (N, ...)."""
    rows, n = [], len(x)
    for layer in net.layers:
        y, cache = layer.forward(x)
        rows.append([type(layer).__name__, time_fastest(layer.forward, x) / n,
                     time_fastest(layer.backward, y, cache) / n,
                     count_operations(layer, y) / n / 1e9])
        x = y
    return rows


def count_operations(layer, y):
    """Additions and multiplications in the products of forward and backward; y: the output."""
    if isinstance(layer, Conv):             # each number of y is a sum over one filter
        return 4 * y.size * layer.params[0][0].size
    return 4 * y.size * len(layer.params[0]) if isinstance(layer, Dense) else 0


def count_product_operations(chain, x):
    """[operations] of each layer with parameters; x (N, ...) goes through a chain of nets."""
    counts = []
    for net in chain:
        for layer in net.layers:
            x, _ = layer.forward(x)
            counts += [count_operations(layer, x)] if layer.params else []
    return counts


def compare_precisions(model, photographs, t, names, seed):
    """Search D for PHOTOGRAPHS photographs, each with the next label, in float32 and in float64.

    The third row is the control: float64, from pixels that are moved by about 1e-7.  At the kinks
    of ReLU and max pooling such a change can lead a search elsewhere.

    Args:
        model, photographs, t, names: of `weights.load_net_and_photographs`.
        seed: chooses the photographs and how pixels are moved.

    Returns:
        {how: {ms, not found, av. distortion, within 2 % of float64: how many % of the distortions
        are, mean above %: by how many % the mean is above float64's}}.  The last three are over the
        photographs that were found in all rows.
    """
    x, t, *_ = pick_correct(model.net, photographs, t, -1, PHOTOGRAPHS, seed)
    moved = np.clip(x + 1e-7 * np.random.default_rng(seed).normal(size=x.shape), 0, 1)
    rows, sizes = {}, {}
    for how, (image, dtype) in {"float64": (x, "float64"), "float32": (x, "float32"),
                                "float64, moved": (moved, "float64")}.items():
        net, begin = model.net.astype(dtype), time.perf_counter()
        images = D(net, image, (t + 1) % len(names))
        rows[how] = {"ms": 1000 * (time.perf_counter() - begin) / len(x)}
        sizes[how] = distortion(x, images)
    everywhere = ~np.isnan(sum(sizes.values()))
    best = sizes["float64"][everywhere]
    for how, row in rows.items():
        size = sizes[how][everywhere]
        row |= {"not found": int(np.isnan(sizes[how]).sum()), "av. distortion": page.mean(size),
                "within 2 % of float64": page.mean(100.0 * (abs(size / best - 1) < 0.02)),
                "mean above %": 100 * float(size.mean() / best.mean() - 1) if len(best) else None}
    return rows


# ---- The page's tables -----------------------------------------------------------------------


def format_batches(batches, rate):
    """A row for each batch, in Markdown.  batches: of `measure`.  rate: the product's GFLOP/s."""
    rows = [[n, page.format_cell(row["ms"]),
             page.format_cell(gflops := 1000 * row["GFLOP"] / row["ms"]),
             page.format_cell(100 * gflops / rate), page.format_cell(row["MB"], digits=4)]
            for n, row in batches.items()]
    return page.format_table(["batch", "ms an image", "GFLOP/s", "% of the product's", "peak MB"],
                             rows)


def format_layers(layers):
    """A row for each layer, in Markdown.  layers: of `measure`."""
    return page.format_table(["layer", "ms forward", "ms backward", "GFLOP"],
                             [[name, *map(page.format_cell, row)] for name, *row in layers])


def format_precisions(rows):
    """A row for each precision, in Markdown.  rows: of `compare_precisions`."""
    return page.format_table(["search in", *next(iter(rows.values()))],
                             [[how, *map(page.format_cell, row.values())]
                              for how, row in rows.items()])
