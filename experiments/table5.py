"""Table 5: how much each layer of AlexNet can stretch, and the product, a bound for the net.

    python -m experiments.table5
    python -m experiments.table5 --weights bvlc

Without --weights the net of 2012 before training, random: the computation is the table's, the
numbers are not.  Of a layer with weights:
as printed: the largest norm over the frequencies, by the paper's formula, with 1 / stride^2.
corrected: the same with 1 / stride, an upper bound for the layer as it is.
true operator: of the layer as it is, with zero padding at its image's size, by Lanczos iteration;
a lower estimate, to 0.01 %.
A dense layer's largest singular value stands in all three.  Below the table, the products: of
these layers alone, as in the paper, and with what else is in the net.
"""
import math

import numpy as np

from experiments.shared import cli, page
from experiments.shared.processes import over_processes, tick
from experiments.shared.weights import IMAGE, Weights, read_weights
from nets import norms
from nets.layers.basic import Dense, Dropout, Preprocess
from nets.layers.conv import ChannelNorm, MaxPool
from nets.models import alexnet

PAPER = {"conv1": 2.75, "conv2": 10, "conv3": 7, "conv4": 7.5, "conv5": 11,
         "FC1": 3.12, "FC2": 4, "FC3": 4}
PUBLISHED = {  # the true operators, of torchvision's own weights (Avant and Morgansen, 2023)
    "conv1": 9.05, "conv2": 14.98, "conv3": 12.14, "conv4": 14.32, "conv5": 16.60,
    "FC1": 5.94, "FC2": 9.30, "FC3": 6.68}
COLUMNS = ("as printed", "corrected", "true operator")


def main(weights="", seed=0, workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    model = read_weights(weights, quiet) if weights else untrained(seed)
    pairs = norms.shapes(model.net, (3, model.size, model.size))
    jobs = [(layer, shape) for layer, shape in pairs if layer.params]
    found = dict(over_processes(measured, jobs, workers, len(jobs), "norms", quiet))
    layers = {name: found[i] for i, name in enumerate(PAPER)}
    numbers = {"net": model.said, "random": not weights, "layers": layers,
               "products": products(layers, pairs)}
    page.save("table5", main, flags, "none", started, report(numbers, model), numbers)
    return numbers


def untrained(seed):
    """The net of 2012 at its start, in float32."""
    name = "krizhevsky2012"
    net = getattr(alexnet, name)(np.random.default_rng(seed)).astype("float32")
    return Weights(name, net, IMAGE[name], 256, [])


def measured(layer, shape):
    """In a worker: {size, stride, groups, and COLUMNS} of a layer, on inputs of `shape`."""
    corrected = norms.bound(layer, shape)
    if isinstance(layer, Dense):
        found = {"size": "{} x {}".format(*layer.params[0].shape), "stride": None, "groups": None,
                 **dict.fromkeys(COLUMNS, corrected)}
    else:
        D, _, k, _ = layer.params[0].shape
        printed = corrected / layer.stride  # the print's factor, as in norms.conv_norm
        norm = printed, corrected, norms.operator_norm(layer, shape)
        found = {"size": f"{shape[0]} x {k} x {k} x {D}", "stride": layer.stride,
                 "groups": layer.groups, **dict(zip(COLUMNS, norm, strict=True))}
    tick()
    return found


def products(layers, pairs):
    """{what is in the product: {column: product}}, each row with all that is above it.

    layers: what `measured` found, by name.  pairs: as of norms.shapes.
    """
    def factor(kind, bound=norms.bound):
        return math.prod(bound(layer, shape) for layer, shape in pairs if isinstance(layer, kind))

    proven = factor(ChannelNorm)
    seen = factor(ChannelNorm, lambda layer, shape: norms.lrn_bound(layer, proven=False))
    factors = {"the eight layers": 1, "max pooling": factor(MaxPool), "LRN, as seen": seen,
               "LRN, proven / seen": proven / seen, "dropout, in testing": factor(Dropout),
               "preprocessing": factor(Preprocess)}
    row = {column: math.prod(layer[column] for layer in layers.values()) for column in COLUMNS}
    row["paper"] = math.prod(PAPER.values())
    found = {}
    for name, times in factors.items():
        row = {column: times * product for column, product in row.items()}
        found[name] = {"factor": times, **row}
    return found


def report(numbers, model):
    """The Markdown."""
    before = (", before training: its weights are random" if numbers["random"] else
              "" if model.width == 1 and model.name != "krizhevsky2012" else ", trained here")
    published = model.name == "torchvision"
    also = ("\npublished: the true operators of torchvision's own weights, by Avant and Morgansen "
            "(2023); with these weights ours are to be within 1 %." if published else "")
    first = model.net.layers[0]
    units = "0 to 255" if first.scale == 255 else "0 to 1"
    return f"""\
# Table 5 for {model.said}{before}

{format_layers(numbers["layers"], published)}

The largest |phi_k(x) - phi_k(x + r)| / |r| of a layer, Euclidean.  As printed and corrected: over \
{norms.POINTS} x {norms.POINTS} frequencies, or as many more as image and padding need, so that \
corrected bounds the layer as it is.  True operator: a lower estimate, to \
{100 * norms.ACCURACY:g} %.  The weights of the paper's net are not public; it prints no \
groups.{also}

## Products, each with all factors above it

{format_products(numbers["products"])}

The first row is the product that the paper means.  It calls max pooling contractive, which holds \
where windows do not overlap.  LRN: no search of ours exceeds k^-beta; what is proven is larger.  \
In the last row, corrected: a bound for the logits' change by that of pixels in [0, 1]; the other \
columns are low, by the strides or as estimates, and the paper's layers are another net's.
Units: this conv1 sees pixels of {units}, less the mean, divided by {min(first.std):g} at least.  \
The paper's are not said; the code of its net saw 0 to 255.  If its conv1 was computed with the \
factor that it prints, its 2.75 is low by the stride, 4, and so is its product."""


def format_layers(layers, published):
    """Table 5 in Markdown.  layers: {name: what `measured` gives}.  published: show PUBLISHED."""
    rows = [[name, row["size"], row["stride"] or "-", row["groups"] or "-",
             *(page.cell(row[c], digits=4) for c in COLUMNS), PAPER[name],
             *([PUBLISHED[name]] * published)] for name, row in layers.items()]
    return page.table(["layer", "size", "stride", "groups", *COLUMNS, "paper's",
                       *(["published"] * published)], rows)


def format_products(found):
    """The products in Markdown.  found: what `products` gives."""
    rows = [[name, *(f"{value:.3g}" for value in row.values())] for name, row in found.items()]
    return page.table(["", "factor", *COLUMNS, "paper's layers"], rows)


if __name__ == "__main__":
    cli.run(main)
