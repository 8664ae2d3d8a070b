"""How fast training and convolutions are, for experiments.benchmark: as shares of the machine."""
import numpy as np

from experiments.benchmark.alexnet import each_layer, of_products
from experiments.benchmark.timing import fastest
from experiments.shared import models, page
from experiments.shared.processes import tick
from nets.backend import to_device
from nets.layers.basic import Dense
from nets.models import alexnet, autoencoder, lenet
from nets.net import Net
from nets.training import loop, optimisers
from nets.training.costs import classification, cross_entropy

IMAGES = 2000                               # of MNIST, that an epoch is measured on
PHOTOGRAPHS = 16                            # a step of AlexNet
CONVOLVED = 128                             # images of MNIST that LeNet's layers are measured on
TICKS = 6                                   # of `measure`
EPOCH, IMAGENET = 60_000, 1_281_167         # images of an epoch: of MNIST, of ImageNet's 2012 set


def measure(x, t, size, width):
    """In a worker, on one thread, all in float32: what `epochs` and `convolutions` give.

    x: (n, 1, 28, 28), t: (n,) of MNIST, IMAGES or fewer.  size, width: of AlexNet, 227 pixels and
    1 in 2012.
    """
    rng = np.random.default_rng(0)
    alex = alexnet.krizhevsky2012(rng, width, size).astype("float32")
    photographs = to_device(rng.random((PHOTOGRAPHS, 3, size, size), np.float32))
    found = epochs(to_device(x), to_device(t))
    cost, adam = cross_entropy(alex), optimisers.Adam(alex.params)
    ms = fastest(one_epoch, adam, cost, photographs, to_device(np.arange(PHOTOGRAPHS)), PHOTOGRAPHS)
    tick()
    found["AlexNet"] = {"images": IMAGENET, "batch": PHOTOGRAPHS,
                        "s an epoch": ms / 1000 * IMAGENET / PHOTOGRAPHS,
                        "GFLOP/s": 1000 / ms * of_training([alex], photographs)}
    return found, convolutions({"LeNet": (models.build("LeNet", 0), to_device(x[:CONVOLVED])),
                                "AlexNet": (alex, photographs)})


def epochs(x, t):
    """{net: {images, batch, s an epoch, GFLOP/s}} by Adam; x (n, 1, 28, 28), t (n,) for all."""
    nets = {name: models.build(name, 0) for name in ("FC100-100-10", "FC200-200-10", "LeNet")}
    costs = {name: (classification(net, [1e-4] * (len(net.params) // 2)), lenet.BATCH, [net])
             for name, net in nets.items()}
    encoder = models.build("AE400-10", 0).below(1)
    decoder = Net([Dense(400, 784, np.random.default_rng(0))]).astype("float32")
    costs["AE400-10's code"] = (autoencoder.reconstruction(encoder, decoder), autoencoder.BATCH,
                                [encoder, decoder])
    found = {}
    for name, (cost, batch, chain) in costs.items():
        ms = fastest(one_epoch, optimisers.Adam([p for net in chain for p in net.params]), cost, x,
                     t, min(batch, len(x)))
        found[name] = {"images": EPOCH, "batch": batch, "s an epoch": ms / 1000 * EPOCH / len(x),
                       "GFLOP/s": 1000 / ms * of_training(chain, x)}
        tick()
    return found


def one_epoch(optimiser, cost, x, t, batch):
    """An epoch of x, for `fastest`: the weights that it ends with."""
    rates = [1e-3] * (len(x) // batch)
    loop.one_epoch(optimiser, cost, x, t, rates, np.random.default_rng(0), batch)
    return [optimiser.params[0].ravel()]


def of_training(chain, x):
    """10^9 operations of the products of a training step; arguments as `of_products` has them.

    Each layer's go forward, to its weights, and, except from the first one, to its input.
    """
    passes = [count / 2 / 1e9 for count in of_products(chain, x)]
    return 3 * sum(passes) - passes[0]


def convolutions(nets):
    """[[name, ms forward, ms backward, GFLOP/s]] of each convolution, per image.

    nets: {name: (net, the images it is measured on)}.  Backward is that to the input.
    """
    rows = []
    for name, (net, x) in nets.items():
        layers = [row for row in each_layer(net, x) if row[0] == "Conv"]
        rows += [[f"{name} conv{i}", forward, backward, 1000 * gflop / (forward + backward)]
                 for i, (_, forward, backward, gflop) in enumerate(layers, 1)]
    tick()
    return rows


def report(epochs, convolutions, rate):
    """The page's part, from what `measure` gives and the matrix product's GFLOP/s."""
    trained = [[name, f"{row['images']:,}", row["batch"], page.cell(row["s an epoch"]),
                page.cell(row["GFLOP/s"]), page.cell(100 * row["GFLOP/s"] / rate)]
               for name, row in epochs.items()]
    layers = [[name, *map(page.cell, row), page.cell(100 * row[-1] / rate)]
              for name, *row in convolutions]
    return f"""\
Training in float32 by Adam, reckoned from {IMAGES:,} images, or {PHOTOGRAPHS} photographs:

{page.table(["net", "images an epoch", "batch", "s an epoch", "GFLOP/s", "% of the product's"],
            trained)}

Convolutions in float32, per image, forward and back to their input:

{page.table(["layer", "ms forward", "ms backward", "GFLOP/s", "% of the product's"], layers)}"""
