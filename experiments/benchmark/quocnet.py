"""How fast QuocNet is at every size, for experiments.benchmark, and what training it all takes."""
import math
from typing import NamedTuple

import numpy as np

from experiments.benchmark import timing
from experiments.benchmark.timing import fastest, timed
from experiments.shared import memory, page
from experiments.shared.memory import peak
from experiments.shared.processes import tick
from intriguing import D, distortion
from nets.backend import to_device, xp
from nets.layers.basic import Dense
from nets.models.features import last_stage
from nets.models.quocnet import (
    BATCH,
    RATE,
    SIZES,
    Descent,
    decoders,
    quocnet,
    reconstruction,
    shapes,
)
from nets.net import Net

TRAINED = ("S", "M")
TICKS = len(SIZES) + len(TRAINED)
SPARE = 10 ** 9                             # bytes of memory that must be free beside the weights
FRAMES, CORES, DAYS = 10 ** 7, 16_000, 3    # Le et al.'s (2012)
GPUS = (1, 8, 64)


class Device(NamedTuple):
    """A large GPU, by its data sheet."""
    name: str
    flops: float                            # float32 operations a second
    bytes: float                            # to and from its memory a second
    memory: float                           # bytes


LARGE = Device("an H100 (SXM)", 67e12, 3.35e12, 80e9)
PER_BYTE = 2                                # operations: a number of a patch is written, then read
                                            # (8 bytes) for the products with 8 maps (16)


def measure():
    """In a worker, on one thread: {size: a row of `one_image`} and {size: a row of `one_step`}.

    The row of a size that was left out is a sentence that says why.
    """
    images = {}
    for name, size in SIZES.items():
        try:
            images[name] = one_image(size)
        except MemoryError as error:        # a GPU's, too
            images[name] = str(error)
        tick()
    steps = {}
    for name in TRAINED:
        steps[name] = one_step(SIZES[name])
        tick()
    return images, steps


def one_image(size):
    """One image forward, back to its pixels, and D of it; weights, image and classifier random.

    Returns {weights, GB of them, ms forward, ms back, D: {ms, evaluations, distortion}, MB: the
    process's peak so far}; distortion is NaN if nothing was found.  Raises MemoryError.
    """
    needed, free = 4 * weights(size) + SPARE, memory.free_memory() if xp is np else math.inf
    if needed > free:
        raise MemoryError(f"it takes {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
                          "free")
    rng = np.random.default_rng(0)
    features = last_stage(quocnet(size, rng, equal=False, dtype="float32"))
    x = rng.random((1, 3, size.pixels, size.pixels), np.float32)
    y, caches = features.forward(to_device(x))
    row = {"weights": weights(size), "GB": 4e-9 * weights(size),
           "ms forward": fastest(features.forward, to_device(x)),
           "ms back": fastest(features.backward, y, caches)}
    classifier = Net([Dense(y.shape[1], 2, rng)]).astype("float32")
    net = Net(features.layers + classifier.layers)
    row["D"], found = timed(D, net, x, 1 - net.predict(x))
    row["D"]["distortion"] = float(distortion(x, found)[0])
    return row | {"MB": peak()}


def one_step(size):
    """A step of training, on BATCH random images: {ms, GFLOP an image, GFLOP/s}."""
    rng = np.random.default_rng(0)
    net = quocnet(size, rng, dtype="float32")
    back = decoders(net)
    cost, descent = reconstruction(net, back), Descent(net, back)
    x = to_device(rng.random((BATCH, 3, size.pixels, size.pixels), np.float32))

    def step():
        _, grads = cost(x)
        descent.step(grads, RATE)
        return descent.params

    ms, gflop = fastest(step), operations(size) / 1e9
    return {"ms": ms, "GFLOP": gflop, "GFLOP/s": 1000 * BATCH * gflop / ms}


def weights(size):
    """How many the encoder has; the decoder has as many again."""
    return sum(math.prod(shape) for shape, _, _ in shapes(size))


def operations(size):
    """Additions and multiplications that training does for an image, those of products alone.

    Each weight is used three times: forward, for its own gradient and for that of its input, the
    code where it is the decoder's; but the first stage's encoder does not need the last.
    """
    first = math.prod(shapes(size)[0][0])
    return 2 * (6 * weights(size) - first)


def training(rate, product):
    """What it takes to train the full net on FRAMES images once: a calculation.

    rate: GFLOP/s of a step, measured; product: of a matrix product on the same machine.
    A GPU reaches the same share of its peak, unless its memory is too slow for that.  Adam's step
    moves some thirty numbers a weight, two or three in each of its dozen operations.
    Returns {PFLOP, days here, TFLOP/s and hours of LARGE, GB of weights, gradients, Adam's means}.
    """
    n, flop = 2 * weights(SIZES["full"]), operations(SIZES["full"])
    large = min(rate / product * LARGE.flops, PER_BYTE * LARGE.bytes)
    step = BATCH * flop / large + 30 * 4 * n / LARGE.bytes      # seconds
    return {"PFLOP": 1e-15 * FRAMES * flop, "days here": FRAMES * flop / (1e9 * rate) / 86400,
            "TFLOP/s": 1e-12 * large, "hours": FRAMES / BATCH * step / 3600, "GB": 4 * 4e-9 * n}


def report(numbers):
    """The text, from numbers: images and steps as `measure` gives them, training as `training`."""
    images, steps, once = (numbers[key] for key in ("images", "steps", "training"))
    product = numbers["GFLOP/s"]
    left_out = "".join(f"\n\nLeft out: size {name}; {row}." for name, row in images.items()
                       if isinstance(row, str))
    return f"""\
# QuocNet, on {timing.describe_machine(numbers)}

One image, in float32; its pixels, the weights, drawn independently at every place, and the \
classifier of two labels on the last stage's outputs are random; D is for the other label.  Of one \
image every weight is used once each way, so that the memory's speed decides.

{format_images(images)}{left_out}

A step of training on {BATCH} images: the objective of all stages, its gradients in encoders and \
decoders, and Adam's step.

{format_steps(steps, product)}

{calculation(steps["M"]["GFLOP/s"], product, once)}"""


def format_images(images):
    """A row for each size that was measured, in Markdown.  images: from `measure`."""
    rows = [[name, SIZES[name].pixels, f"{row['weights']:,}", *map(page.cell, (
        row["GB"], row["ms forward"], row["ms back"], row["D"]["distortion"],
        row["D"]["evaluations"], row["D"]["ms"] / 1000, row["MB"] / 1000))]
        for name, row in images.items() if not isinstance(row, str)]
    return page.table(["size", "pixels", "weights", "GB", "ms forward", "ms back to the pixels",
                       "distortion of D", "evaluations", "seconds", "peak GB so far"], rows)


def format_steps(steps, product):
    """A row for each size that was trained, in Markdown.  Arguments as of `report`."""
    rows = [[name, f"{weights(SIZES[name]):,}", *map(page.cell, row.values()),
             page.cell(100 * row["GFLOP/s"] / product)] for name, row in steps.items()]
    return page.table(["size", "weights", "ms a step", "GFLOP an image", "GFLOP/s",
                       "% of the product's"], rows)


def calculation(rate, product, once):
    """The text of `training`, whose arguments and result these are."""
    full = SIZES["full"]
    n, share = weights(full), rate / product
    spread = [[gpus, *(page.cell(once[key] / gpus) for key in ("hours", "GB"))] for gpus in GPUS]
    return f"""\
What it takes to train the full net on {FRAMES / 1e6:.0f} million images, each once: a \
calculation, not measured.

- Operations: each of the encoder's {n:,} weights, and of as many of the decoder, is used three \
times an image: forward, for its own gradient and for that of its input, which the first stage's \
encoder needs not.  These are {operations(full) / 2e9:.2f} billion multiplications and as many \
additions an image, {once["PFLOP"]:.0f} x 10^15 operations in all.
- Here, at the {rate:.0f} GFLOP/s of a step at size M, one thread would take \
{once["days here"]:.0f} days.
- Memory: weights, gradients and Adam's two means of both are {8e-9 * n:.2f} billion numbers, \
{once["GB"]:.1f} GB in float32.
- A large GPU: {LARGE.name}, by its data sheet {LARGE.flops / 1e12:.0f} TFLOP/s in float32, \
{LARGE.bytes / 1e12:.2f} TB/s, {LARGE.memory / 1e9:.0f} GB.  The same share of its peak as here \
would be {share * LARGE.flops / 1e12:.1f} TFLOP/s; but each number of a patch is written and read, \
8 bytes, for the 16 operations of 8 maps, and its memory is fast enough for \
{PER_BYTE * LARGE.bytes / 1e12:.1f} TFLOP/s.  At the lesser, and with Adam's step after every \
{BATCH} images, it takes {once["hours"]:.1f} hours.
- N of them divide the image plane, each with the weights of its places; what they exchange, \
borders of {full.field + full.pool + full.norm - 3} pixels, is not counted:

{page.table(["GPUs", "hours", "GB each"], spread)}

Le et al. had {CORES:,} cores for {DAYS} days, {CORES * DAYS * 24 / 1e6:.2f} million core-hours, \
against {once["days here"] * 24:,.0f} hours of this thread for one pass; how often they used each \
image they do not say."""
