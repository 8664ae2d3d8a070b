"""Table 5: how much each layer of AlexNet can stretch, and the product, a bound for the net.

    python -m experiments.table5
    python -m experiments.table5 --weights bvlc

Without --weights the net is that of 2012 before training, with random weights: the computation is
the table's, the numbers are not.  For a convolution:
as printed: the largest norm over the frequencies, by the paper's formula, with 1 / stride^2.
corrected: the same with 1 / stride, an upper bound for the layer as it is.
true operator: the norm of the layer as it is, with zero padding at its image's size, by Lanczos
iteration; a lower estimate, to 0.01 %.
For a dense layer all three are its largest singular value.  Below the table stand the products: of
these layers alone, as in the paper, and of all layers of the net.
"""
import math

import numpy as np

from experiments.shared import cli, page
from experiments.shared.processes import run_in_processes, tick
from experiments.shared.weights import IMAGE_SIZES, Weights, read_weights
from nets import norms
from nets.layers.basic import Dense, Dropout, Preprocess, Sigmoid
from nets.layers.conv import ChannelNorm, MaxPool
from nets.layers.windows import by_axis
from nets.models import alexnet

PAPER = {"conv1": 2.75, "conv2": 10, "conv3": 7, "conv4": 7.5, "conv5": 11,
         "FC1": 3.12, "FC2": 4, "FC3": 4}
PUBLISHED = {  # the true operators of torchvision's own weights (Avant and Morgansen, 2023)
    "conv1": 9.05, "conv2": 14.98, "conv3": 12.14, "conv4": 14.32, "conv5": 16.60,
    "FC1": 5.94, "FC2": 9.30, "FC3": 6.68}
PAPERS_UNITS = """  \
The paper does not give its units; the code of its net saw 0 to 255.  If the paper computed conv1 \
with the factor that it prints, its 2.75 is too small by the stride, 4, and so is its product."""
COLUMNS = ("as printed", "corrected", "true operator")


def main(weights="", preprocess="auto", seed=0, workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    model = read_weights(weights, quiet, preprocess) if weights else build_untrained(seed)
    pairs = norms.input_shapes(model.net, (model.channels, model.size, model.size))
    jobs = [(layer, shape) for layer, shape in pairs if layer.params]
    rows = dict(run_in_processes(measure_layer, jobs, workers, len(jobs), "norms", quiet))
    layers = {name: rows[i] for i, name in enumerate(name_layers(layer for layer, _ in jobs))}
    papers = PAPER if model.title == "AlexNet" else {}
    numbers = {"net": model.description, "random": not weights, "layers": layers,
               "products": multiply_bounds(layers, pairs, papers)}
    page.save("table5", main, flags, "none", started, format_page(numbers, model), numbers)
    return numbers


def build_untrained(seed):
    """The Weights of the net of 2012 before training, in float32."""
    name = "krizhevsky2012"
    net = getattr(alexnet, name)(np.random.default_rng(seed)).astype("float32")
    return Weights(name, net, IMAGE_SIZES[name], 256, [])


def name_layers(layers):
    """The names of layers with weights: conv1, conv2, ..., FC1, FC2, ..."""
    counts, names = {"conv": 0, "FC": 0}, []
    for layer in layers:
        kind = "FC" if isinstance(layer, Dense) else "conv"
        counts[kind] += 1
        names.append(f"{kind}{counts[kind]}")
    return names


def measure_layer(layer, shape):
    """In a worker: {size, stride, groups, and COLUMNS} of a layer, for inputs of this shape."""
    corrected = norms.layer_bound(layer, shape)
    if isinstance(layer, Dense):
        row = {"size": "{} x {}".format(*layer.params[0].shape), "stride": None, "groups": None,
               **dict.fromkeys(COLUMNS, corrected)}
    else:
        D, _, *k = layer.params[0].shape
        s, t = by_axis(layer.stride)
        printed = corrected / math.sqrt(s * t)      # the paper's factor, as in norms.conv_norm
        norm = printed, corrected, norms.operator_norm(layer, shape)
        row = {"size": f"{shape[0]} x {k[0]} x {k[1]} x {D}",
               "stride": s if s == t else f"{s} x {t}",
               "groups": layer.groups, **dict(zip(COLUMNS, norm, strict=True))}
    tick()
    return row


def multiply_bounds(layers, pairs, papers):
    """Multiply the norms: {factor's name: {column: product}}; a row has all factors above it too.

    layers: {name: row of `measure_layer`}.  pairs: [(layer, shape)], of norms.input_shapes.
    papers: {name: the paper's norm}, or {} for another net.
    """
    def factor(kind, bound=norms.layer_bound):
        return math.prod(bound(layer, shape) for layer, shape in pairs if isinstance(layer, kind))

    proven = factor(ChannelNorm)
    seen = factor(ChannelNorm, lambda layer, shape: norms.lrn_bound(layer, proven=False))
    sigmoids = factor(Sigmoid)
    factors = {"the eight layers" if papers else "these layers": 1,
               "max pooling": factor(MaxPool), "LRN, as seen": seen,
               "LRN, proven / seen": proven / seen, "dropout, in testing": factor(Dropout),
               **({"sigmoids": sigmoids} if sigmoids != 1 else {}),
               "preprocessing": factor(Preprocess)}
    row = {column: math.prod(layer[column] for layer in layers.values()) for column in COLUMNS}
    if papers:
        row["paper"] = math.prod(papers.values())
    rows = {}
    for name, value in factors.items():
        row = {column: value * product for column, product in row.items()}
        rows[name] = {"factor": value, **row}
    return rows


def format_page(numbers, model):
    """The page in Markdown.  numbers: as in JSON.  model: the Weights."""
    before = (", before training: its weights are random" if numbers["random"] else
              "" if model.from_graph or model.width == 1 and model.name != "krizhevsky2012" else
              ", trained here")
    published = model.name == "torchvision"
    also = ("\npublished: the true operators of torchvision's own weights, by Avant and Morgansen "
            "(2023); with these weights ours should be within 1 %." if published else "")
    first, papers = model.net.layers[0], PAPER if model.title == "AlexNet" else {}
    about_paper = PAPERS_UNITS if papers else ""
    units = "0 to 1"
    if isinstance(first, Preprocess):
        units = (f"{'0 to 255' if first.scale == 255 else '0 to 1'}, less the mean, divided by "
                 f"{min(first.std):g} at least")
    return f"""\
# Table 5 for {model.description}{before}

{format_layers(numbers["layers"], papers, published)}

The largest |phi_k(x) - phi_k(x + r)| / |r| of a layer, in Euclidean norms.  As printed and \
corrected: over {norms.POINTS} x {norms.POINTS} frequencies, or more if image and padding need \
them; so corrected bounds the layer as it is.  True operator: a lower estimate, to \
{100 * norms.ACCURACY:g} %.  The weights of the paper's net are not public; the paper prints no \
groups.{also}

## Products, each with all factors above it

{format_products(numbers["products"])}

The first row is the product that the paper means.  The paper calls max pooling contractive, which \
holds where windows do not overlap.  LRN: no search of ours exceeds k^-beta; the proven bound is \
larger.  The last row, corrected, bounds the change of the logits by that of pixels in [0, 1].  As \
printed is too small by the strides, true operator is a lower estimate\
{", and the paper's layers belong to another net" if papers else ""}.
Units: the first layer sees pixels of {units}.{about_paper}"""


def format_layers(layers, papers, published):
    """Table 5 in Markdown.

    layers: {name: row of `measure_layer`}.  papers: as for `multiply_bounds`.  published: show
    PUBLISHED.
    """
    rows = [[name, row["size"], row["stride"] or "-", row["groups"] or "-",
             *(page.format_cell(row[c], digits=4) for c in COLUMNS),
             *([papers.get(name, "-")] * bool(papers)), *([PUBLISHED[name]] * published)]
            for name, row in layers.items()]
    return page.format_table(["layer", "size", "stride", "groups", *COLUMNS,
                              *(["paper's"] * bool(papers)), *(["published"] * published)], rows)


def format_products(products):
    """The products in Markdown.  products: {factor's name: {column: product}}."""
    rows = [[name, *(f"{value:.3g}" for value in row.values())] for name, row in products.items()]
    papers = ["paper's layers"] if len(rows[0]) > 2 + len(COLUMNS) else []
    return page.format_table(["", "factor", *COLUMNS, *papers], rows)


if __name__ == "__main__":
    cli.run(main)
