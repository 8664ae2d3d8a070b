"""The speed of QuocNet at every size, for experiments.benchmark, and the cost of training it."""
import math
from typing import NamedTuple

import numpy as np

from experiments.benchmark import timing
from experiments.benchmark.timing import time_fastest, time_search
from experiments.shared import memory, page
from experiments.shared.memory import read_peak_memory
from experiments.shared.processes import tick
from intriguing import D, distortion
from nets.backend import to_device, xp
from nets.layers.basic import Dense
from nets.models.features import last_stage
from nets.models.quocnet import (
    BATCH,
    RATE,
    SIZES,
    AdamWithUnitDecoders,
    make_decoders,
    quocnet,
    reconstruction,
    stage_shapes,
)
from nets.net import Net

TRAINED_SIZES = ("S", "M")                  # sizes whose training step is measured
TICKS = len(SIZES) + len(TRAINED_SIZES)
SPARE_BYTES = 10 ** 9                       # bytes of memory that must be free besides the weights
FRAMES, CORES, DAYS = 10 ** 7, 16_000, 3    # of Le et al. (2012)
GPUS = (1, 8, 64)


class Device(NamedTuple):
    """A large GPU, by its data sheet."""
    name: str
    flops: float                            # float32 operations a second
    bytes: float                            # to and from its memory a second
    memory: float                           # bytes


LARGE = Device("an H100 (SXM)", 67e12, 3.35e12, 80e9)
OPERATIONS_PER_BYTE = 2                     # operations: a number of a patch is written and read, 8
                                            # bytes, for its products with 8 maps, 16 operations


def measure():
    """In a worker, on one thread: {size: row of `measure_image`} and {size: row of `measure_step`}.

    For a size that is left out, the row is a sentence that says why.
    """
    images = {}
    for name, size in SIZES.items():
        try:
            images[name] = measure_image(size)
        except MemoryError as error:        # a GPU's, too
            images[name] = str(error)
        tick()
    steps = {}
    for name in TRAINED_SIZES:
        steps[name] = measure_step(SIZES[name])
        tick()
    return images, steps


def measure_image(size):
    """Measure one image forward, back to its pixels, and D of it, with random weights.

    Returns:
        {weights, GB: of the weights, ms forward, ms back, D: {ms, evaluations, distortion}, MB: the
        process's peak of memory so far}.  distortion is NaN if D found nothing.

    Raises:
        MemoryError: the net does not fit into the free memory.
    """
    needed = 4 * count_weights(size) + SPARE_BYTES
    free = memory.read_free_memory() if xp is np else math.inf
    if needed > free:
        raise MemoryError(f"it takes {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
                          "free")
    rng = np.random.default_rng(0)
    features = last_stage(quocnet(size, rng, equal=False, dtype="float32"))
    x = rng.random((1, 3, size.pixels, size.pixels), np.float32)
    y, caches = features.forward(to_device(x))
    row = {"weights": count_weights(size), "GB": 4e-9 * count_weights(size),
           "ms forward": time_fastest(features.forward, to_device(x)),
           "ms back": time_fastest(features.backward, y, caches)}
    classifier = Net([Dense(y.shape[1], 2, rng)]).astype("float32")
    net = Net(features.layers + classifier.layers)
    row["D"], image = time_search(D, net, x, 1 - net.predict(x))
    row["D"]["distortion"] = float(distortion(x, image)[0])
    return row | {"MB": read_peak_memory()}


def measure_step(size):
    """Measure a step of training on BATCH random images: {ms, GFLOP an image, GFLOP/s}."""
    rng = np.random.default_rng(0)
    net = quocnet(size, rng, dtype="float32")
    decoders = make_decoders(net)
    cost, descent = reconstruction(net, decoders), AdamWithUnitDecoders(net, decoders)
    x = to_device(rng.random((BATCH, 3, size.pixels, size.pixels), np.float32))

    def step():
        _, grads = cost(x)
        descent.step(grads, RATE)
        return descent.params

    ms, gflop = time_fastest(step), count_operations(size) / 1e9
    return {"ms": ms, "GFLOP": gflop, "GFLOP/s": 1000 * BATCH * gflop / ms}


def count_weights(size):
    """The number of weights of the encoder; the decoder has as many again."""
    return sum(math.prod(shape) for shape, _, _ in stage_shapes(size))


def count_operations(size):
    """Additions and multiplications in the products of a training step, an image.

    Each weight of encoder and decoder is used three times: forward, for its own gradient, and for
    the gradient of its input.  The first stage's encoder does not need this last one.
    """
    first = math.prod(stage_shapes(size)[0][0])
    return 2 * (6 * count_weights(size) - first)


def estimate_training(rate, product):
    """Calculate the cost of training the full net on FRAMES images, each once.

    It is assumed that a large GPU reaches the same share of its peak, unless its memory is too slow
    for that, and that Adam's step moves thirty numbers a weight: two or three in each of its dozen
    operations.

    Args:
        rate: GFLOP/s of a step, measured.
        product: GFLOP/s of a matrix product on the same machine.

    Returns:
        {PFLOP, days here, TFLOP/s and hours of LARGE, GB of weights, gradients, Adam's means}.
    """
    n, flop = 2 * count_weights(SIZES["full"]), count_operations(SIZES["full"])
    large = min(rate / product * LARGE.flops, OPERATIONS_PER_BYTE * LARGE.bytes)
    step = BATCH * flop / large + 30 * 4 * n / LARGE.bytes      # seconds
    return {"PFLOP": 1e-15 * FRAMES * flop, "days here": FRAMES * flop / (1e9 * rate) / 86400,
            "TFLOP/s": 1e-12 * large, "hours": FRAMES / BATCH * step / 3600, "GB": 4 * 4e-9 * n}


def format_page(numbers):
    """The page in Markdown.  numbers: as in JSON."""
    images, steps, estimate = (numbers[key] for key in ("images", "steps", "training"))
    product = numbers["GFLOP/s"]
    return f"""\
# QuocNet, on {timing.describe_machine(numbers)}

One image, in float32.  Its pixels, the weights (independent at every place) and the classifier of \
two labels on the last stage's outputs are random.  D is for the other label.  For one image every \
weight is used once each way, so the speed of the memory decides.

{format_images(images)}{format_left_out(images)}

A step of training on {BATCH} images: the objective of all stages, its gradients in encoders and \
decoders, and Adam's step.

{format_steps(steps, product)}

{format_estimate(steps["M"]["GFLOP/s"], product, estimate)}"""


def format_left_out(images):
    """A paragraph for each size that does not fit into the memory.  images: of `measure`."""
    return "".join(f"\n\nLeft out: size {name}; {row}." for name, row in images.items()
                   if isinstance(row, str))


def format_images(images):
    """A row for each size that was measured, in Markdown.  images: of `measure`."""
    rows = [[name, SIZES[name].pixels, f"{row['weights']:,}", *map(page.format_cell, (
        row["GB"], row["ms forward"], row["ms back"], row["D"]["distortion"],
        row["D"]["evaluations"], row["D"]["ms"] / 1000, row["MB"] / 1000))]
        for name, row in images.items() if not isinstance(row, str)]
    return page.format_table(["size", "pixels", "weights", "GB", "ms forward",
                              "ms back to the pixels",
                              "distortion of D", "evaluations", "seconds", "peak GB so far"], rows)


def format_steps(steps, product):
    """A row for each size that was trained, in Markdown.  steps: of `measure`; product: GFLOP/s."""
    rows = [[name, f"{count_weights(SIZES[name]):,}", *map(page.format_cell, row.values()),
             page.format_cell(100 * row["GFLOP/s"] / product)] for name, row in steps.items()]
    return page.format_table(["size", "weights", "ms a step", "GFLOP an image", "GFLOP/s",
                              "% of the product's"], rows)


def format_estimate(rate, product, estimate):
    """The calculation of `estimate_training` in words: its arguments and its result."""
    full = SIZES["full"]
    n, share = count_weights(full), rate / product
    by_gpus = [[gpus, *(page.format_cell(estimate[key] / gpus) for key in ("hours", "GB"))]
               for gpus in GPUS]
    return f"""\
The cost of training the full net on {FRAMES / 1e6:.0f} million images, each once.  This is a \
calculation, not measured.

- Operations: the encoder has {n:,} weights, and the decoder as many.  Each is used three times an \
image: forward, for its own gradient, and for the gradient of its input.  The first stage's \
encoder does not need this last one.  These are {count_operations(full) / 2e9:.2f} billion \
multiplications and as many additions an image, {estimate["PFLOP"]:.0f} x 10^15 operations in all.
- Here, at the {rate:.0f} GFLOP/s of a step at size M, one thread would take \
{estimate["days here"]:.0f} days.
- Memory: weights, gradients and Adam's two means of both are {8e-9 * n:.2f} billion numbers, \
{estimate["GB"]:.1f} GB in float32.
- A large GPU: {LARGE.name}, by its data sheet {LARGE.flops / 1e12:.0f} TFLOP/s in float32, \
{LARGE.bytes / 1e12:.2f} TB/s, {LARGE.memory / 1e9:.0f} GB.  The same share of its peak as here \
would be {share * LARGE.flops / 1e12:.1f} TFLOP/s.  But each number of a patch is written and \
read, 8 bytes, for the 16 operations of 8 maps, so its memory is fast enough for \
{OPERATIONS_PER_BYTE * LARGE.bytes / 1e12:.1f} TFLOP/s.  At the smaller of these two rates, and \
with Adam's step after every {BATCH} images, it takes {estimate["hours"]:.1f} hours.
- Several of them divide the image plane; each has the weights of its places.  They exchange \
borders of {full.field + full.pool + full.norm - 3} pixels, which is not counted:

{page.format_table(["GPUs", "hours", "GB each"], by_gpus)}

Le et al. had {CORES:,} cores for {DAYS} days, {CORES * DAYS * 24 / 1e6:.2f} million core-hours, \
against {estimate["days here"] * 24:,.0f} hours of this thread for one pass.  They do not say how \
often they used each image."""
