"""The speed of training and convolutions, for experiments.benchmark, as shares of the peak."""
import numpy as np

from experiments.benchmark.alexnet import count_product_operations, measure_layers
from experiments.benchmark.timing import time_fastest
from experiments.shared import models, page
from experiments.shared.processes import tick
from nets.backend import to_device
from nets.layers.basic import Dense
from nets.models import alexnet, autoencoder, lenet
from nets.net import Net
from nets.training import loop, optimisers
from nets.training.costs import classification, cross_entropy

IMAGES = 2000                               # of MNIST: an epoch is measured on these
PHOTOGRAPHS = 16                            # in a step of AlexNet
LENET_IMAGES = 128                          # images of MNIST: LeNet's layers are measured on these
TICKS = 6                                   # of `measure`
EPOCH, IMAGENET = 60_000, 1_281_167         # images of an epoch: MNIST's, ImageNet's of 2012


def measure(x, t, size, width):
    """In a worker, on one thread, in float32: measure epochs and convolutions.

    Args:
        x, t: (n, 1, 28, 28) and (n,), n at most IMAGES.
        size, width: of AlexNet; 227 pixels and 1 in 2012.

    Returns:
        The results of `measure_epochs` and `measure_convolutions`.
    """
    rng = np.random.default_rng(0)
    alex = alexnet.krizhevsky2012(rng, width, size).astype("float32")
    photographs = to_device(rng.random((PHOTOGRAPHS, 3, size, size), np.float32))
    rows = measure_epochs(to_device(x), to_device(t))
    cost, adam = cross_entropy(alex), optimisers.Adam(alex.params)
    ms = time_fastest(run_epoch, adam, cost, photographs, to_device(np.arange(PHOTOGRAPHS)),
                      PHOTOGRAPHS)
    tick()
    rows["AlexNet"] = {"images": IMAGENET, "batch": PHOTOGRAPHS,
                       "s an epoch": ms / 1000 * IMAGENET / PHOTOGRAPHS,
                       "GFLOP/s": 1000 / ms * count_training_operations([alex], photographs)}
    return rows, measure_convolutions({"LeNet": (models.build("LeNet", 0),
                                                 to_device(x[:LENET_IMAGES])),
                                       "AlexNet": (alex, photographs)})


def measure_epochs(x, t):
    """{net: {images, batch, s an epoch, GFLOP/s}} by Adam on x (n, 1, 28, 28), t (n,)."""
    nets = {name: models.build(name, 0) for name in ("FC100-100-10", "FC200-200-10", "LeNet")}
    costs = {name: (classification(net, [1e-4] * (len(net.params) // 2)), lenet.BATCH, [net])
             for name, net in nets.items()}
    encoder = models.build("AE400-10", 0).below(1)
    decoder = Net([Dense(400, 784, np.random.default_rng(0))]).astype("float32")
    costs["AE400-10's code"] = (autoencoder.reconstruction(encoder, decoder), autoencoder.BATCH,
                                [encoder, decoder])
    rows = {}
    for name, (cost, batch, chain) in costs.items():
        adam = optimisers.Adam([p for net in chain for p in net.params])
        ms = time_fastest(run_epoch, adam, cost, x, t, min(batch, len(x)))
        rows[name] = {"images": EPOCH, "batch": batch, "s an epoch": ms / 1000 * EPOCH / len(x),
                      "GFLOP/s": 1000 / ms * count_training_operations(chain, x)}
        tick()
    return rows


def run_epoch(optimiser, cost, x, t, batch):
    """Train for an epoch of x, and return the weights, for `time_fastest` to wait for."""
    rates = [1e-3] * (len(x) // batch)
    loop.train_epoch(optimiser, cost, x, t, rates, np.random.default_rng(0), batch)
    return [optimiser.params[0].ravel()]


def count_training_operations(chain, x):
    """10^9 operations in the products of a training step of a chain of nets on x (N, ...).

    A layer has products forward, for its weights' gradient and, but for the first layer, for its
    input's.
    """
    passes = [count / 2 / 1e9 for count in count_product_operations(chain, x)]
    return 3 * sum(passes) - passes[0]


def measure_convolutions(nets):
    """[[name, ms forward, ms backward to the input, GFLOP/s]] of each convolution, an image.

    nets: {name: (net, images)}.
    """
    rows = []
    for name, (net, x) in nets.items():
        layers = [row for row in measure_layers(net, x) if row[0] == "Conv"]
        rows += [[f"{name} conv{i}", forward, backward, 1000 * gflop / (forward + backward)]
                 for i, (_, forward, backward, gflop) in enumerate(layers, 1)]
    tick()
    return rows


def format_training(epochs, convolutions, rate):
    """Both tables in Markdown.  epochs, convolutions: of `measure`; rate: the product's GFLOP/s."""
    nets = [[name, f"{row['images']:,}", row["batch"], page.format_cell(row["s an epoch"]),
             page.format_cell(row["GFLOP/s"]), page.format_cell(100 * row["GFLOP/s"] / rate)]
            for name, row in epochs.items()]
    layers = [[name, *map(page.format_cell, row), page.format_cell(100 * row[-1] / rate)]
              for name, *row in convolutions]
    rates = "GFLOP/s", "% of the product's"
    return f"""\
Training in float32 by Adam, calculated from {IMAGES:,} images, or {PHOTOGRAPHS} photographs:

{page.format_table(["net", "images an epoch", "batch", "s an epoch", *rates], nets)}

Convolutions in float32, per image, forward and back to their input:

{page.format_table(["layer", "ms forward", "ms backward", *rates], layers)}"""
