"""How fast the search is and how near it comes, and training, all measured in one run.

    python -m experiments.benchmark
    python -m experiments.benchmark --weights runs/alexnet.npz --photographs cifar10
    python -m experiments.benchmark --which alexnet --weights runs/alexnet.npz --photographs cifar10
    python -m experiments.benchmark --which quocnet

(a) D as it is: a batch of images in lockstep.  (b) the same search with SciPy's public
`scipy.optimize.minimize`, image by image.  (c) D with its last step onto the boundary, which is
beyond the paper.  (d) the reference for the quality, on the first 64 images: image by image by
`scipy.optimize.minimize`, each c from r = 0 with tight tolerances, c halved down to 0.1 %; not
for LeNet, where tight tolerances take minutes an image at the kinks of ReLU and max pooling.
(a) to (c) are searched on the first 256 images, LeNet's on the first 64; with --weights, AlexNet's
on ten photographs.
Per image: milliseconds (the fastest of three runs), evaluations of the objective; and the mean
distortion, on (d)'s images for the comparison with it.  Training images that the net has right,
targets (label + 1) mod 10.  Then where the time of (a) goes; its time and memory by the number of
images in lockstep, up to `count`, and its speed by that of processes; epochs of training;
convolutions.  All but the processes on one thread.  Machines differ and are shared: compare
ratios, and read the times beside the rate that the same thread reaches in a 2,048 x 2,048 float32
matrix product.  Last, what searches cost; with --weights, those of all of ImageNet by AlexNet.

--which alexnet: the net of 2012 at 227 pixels in float32, weights and images random: milliseconds
an image of the objective's value and gradient, for batches of 1, 16 and 32; billions of additions
and multiplications a second, counting those of the products, beside the matrix product's; memory;
and each layer alone.  With --weights, the search besides, on ten photographs, in float32 and in
float64.

--which quocnet: every size of it, up to the full one of 1.1 billion weights, in float32, weights
and images random: milliseconds of one image forward and back to its pixels, D of it with a random
classifier of two labels on the last stage, memory; the step of its training, at sizes S and M; and
from its rate, how long it takes to train the full net on a large GPU.  Left out is what does not
fit into the memory that is free.
"""
import os

from experiments import (
    benchmark_alexnet,
    benchmark_quocnet,
    benchmark_search,
    benchmark_training,
    common,
    figure5,
    made,
    pictures,
)
from experiments.processes import over_processes
from experiments.timing import REPEATS, matrix_product

ALEXNET = 227, 1                            # its size in pixels and width, as in 2012
HOUR = 3.6e6                                # milliseconds
PHOTOGRAPHED = "AlexNet, ours"
GPU = 1e4                                   # GFLOP/s that one is taken to reach in a net's products


def main(which="search", data="auto", count=1500, seed=0, train="adam", weights="",
         photographs="cifar10", workers=0, out="runs", quiet=False):
    flags, started = dict(locals()), common.start(out)
    if which == "alexnet":
        return of_alexnet(weights, photographs, seed, quiet, flags, started)
    if which == "quocnet":
        return of_quocnet(quiet, flags, started)
    if which != "search":
        raise ValueError(f"--which {which}: choose search, alexnet or quocnet")
    photographed = [searched(weights, photographs, seed, quiet)] if weights else []
    data, (x, t), _ = common.load(data, quiet)
    rows, _ = common.sample(t, count, seed)
    names, jobs = benchmark_search.NETS, []
    for name, net in made.trained(names, data, seed, train, workers, quiet).items():
        right = rows[net.predict(x[rows].astype(float)) == t[rows]]
        if len(right) == 0:
            raise ValueError(f"--count {count}: a net has none of these images right; take more")
        jobs.append((net, x[right], (t[right] + 1) % 10, name in benchmark_search.SMOOTH))
    tasks = [(matrix_product,), *[(benchmark_search.measure, *job) for job in jobs],
             (benchmark_training.measure, x, t, *ALEXNET),
             (benchmark_alexnet.one_evaluation, *ALEXNET),
             *[(benchmark_search.compared, *job) for job in photographed]]
    found = dict(over_processes(call, tasks, 1, (REPEATS + 3) * len(jobs) + 7, "measuring", quiet))
    rate, *of_nets = (found[i] for i in range(1 + len(names)))
    training, evaluation, *rest = (found[i] for i in range(1 + len(names), len(tasks)))
    numbers = {"GFLOP/s": rate, "AlexNet": evaluation,
               **dict(zip(("epochs", "convolutions"), training, strict=True))}
    for of, rows in zip(("search", "time", "batches"), zip(*of_nets, strict=True), strict=True):
        numbers[of] = dict(zip(names, rows, strict=True))
    numbers["search"] |= dict(zip([PHOTOGRAPHED] * len(rest), rest, strict=True))
    net, images, target, _ = jobs[names.index("FC100-100-10")]
    numbers["workers"] = benchmark_search.over_workers(net, images, target, processes(), quiet)
    pictures.save(chart(numbers["batches"]), common.folder(out, data) / "benchmark.png")
    common.save("benchmark", main, flags, data, started, report(numbers, count, weights), numbers)
    return numbers


def searched(weights, photographs, seed, quiet):
    """Of AlexNet, what `compared` takes: the net, photographs that it has right, next labels."""
    model, images, t, names = figure5.loaded(weights, photographs, False, quiet)
    x, t, *_ = figure5.recognised(model.net, images, t, -1, benchmark_alexnet.COMPARED, seed)
    return model.net, x, (t + 1) % len(names), False


def call(function, *arguments):
    """In a worker: function(*arguments)."""
    return function(*arguments)


def alone(function, steps, quiet):
    """function(), in a worker of its own, on one thread."""
    [(_, result)] = over_processes(function, [()], 1, steps, "measuring", quiet)
    return result


def processes():
    """1, 2, 4, ... as far as there are cores."""
    return [2 ** i for i in range(os.cpu_count().bit_length())]


def chart(batches):
    """The picture of milliseconds an image by the number of images in lockstep."""
    return pictures.logarithmic({name: {n: row["ms"] for n, row in rows.items()}
                                 for name, rows in batches.items()},
                                "D: milliseconds an image, by the number of images in lockstep")


def report(numbers, count, weights):
    """The page, from the numbers alone."""
    rate = numbers["GFLOP/s"]
    columns = ("ms", "times (a)", "evaluations", "distortion", "above (d) %", "found %")
    searches = [[name, how, *(common.cell(row.get(k)) for k in columns)]
                for name, rows in numbers["search"].items() for how, row in rows.items()]
    cost = [[name, common.cell(ms := rows[benchmark_search.A]["ms"]), f"{HOUR / ms:,.0f}"]
            for name, rows in numbers["search"].items()]
    parts = next(iter(numbers["time"].values()))
    time = [[name, *(common.cell(row[part]) for part in parts)]
            for name, row in numbers["time"].items()]
    sizes = sorted({n for rows in numbers["batches"].values() for n in rows})
    batches = [[name, *(both(rows.get(n)) for n in sizes)]
               for name, rows in numbers["batches"].items()]
    speed = numbers["workers"]
    workers = [[n, common.cell(a_second), common.cell(a_second / speed[1])]
               for n, a_second in speed.items()]
    epochs = [[name, common.cell(row["s an epoch"]), common.cell(row["GFLOP/s"]),
               common.cell(100 * row["GFLOP/s"] / rate)] for name, row in numbers["epochs"].items()]
    convolutions = [[name, *map(common.cell, row), common.cell(100 * row[-1] / rate)]
                    for name, *row in numbers["convolutions"]]
    return f"""\
# The search, on a thread that reaches {rate:.0f} GFLOP/s in a float32 matrix product

{common.table(["net", "search", *columns], searches)}

ms and evaluations are per image.  Of {count:,} images, the first \
{benchmark_search.SEARCHED} that a net has right; (d), and LeNet, on the first \
{benchmark_search.COMPARED}, and "above (d)" compares on these; AlexNet, where --weights says \
which, on {benchmark_alexnet.COMPARED} photographs.

What (a) costs, on such a core:

{common.table(["net", "ms", "searches a core-hour"], cost)}

{imagenet(numbers["AlexNet"], numbers["search"], weights)}

Where the time of (a) goes, in %:

{common.table(["net", *parts], time)}

By the number of images in lockstep, milliseconds an image (MB that they take together); D takes \
{benchmark_search.LOCKSTEP} of MNIST's:

{common.table(["net", *sizes], batches)}

![milliseconds an image by the number of images in lockstep](benchmark.png)

FC100-100-10, by the number of processes, in shards of {benchmark_search.SHARD} images, their \
starts left out:

{common.table(["processes", "images a second", "times 1"], workers)}

Training in float32 by Adam, an epoch of {benchmark_training.EPOCH:,} images of MNIST, and of \
{benchmark_training.IMAGENET:,} photographs (measured on {benchmark_training.IMAGES:,} and \
{benchmark_training.PHOTOGRAPHS}):

{common.table(["net", "s an epoch", "GFLOP/s", "% of the product's"], epochs)}

Convolutions in float32, per image, forward and back to their input:

{common.table(["layer", "ms forward", "ms backward", "GFLOP/s", "% of the product's"],
              convolutions)}"""


def both(row):
    """ms (MB), or a dash where it was not measured."""
    return "-" if row is None else f"{common.cell(row['ms'])} ({common.cell(row['MB'])})"


def imagenet(cost, search, weights):
    """What it costs to search all of ImageNet on AlexNet, in words.

    cost: as `one_evaluation` has it.  search: {net: {search: {evaluations, ...}}}.
    """
    net, solver, images = cost["net"], cost["solver"], benchmark_training.IMAGENET
    text = (f"AlexNet at {ALEXNET[0]} pixels: {common.cell(net)} ms an evaluation of the objective "
            f"and its gradient, {common.cell(solver)} ms of L-BFGS-B.")
    if not weights:
        return text + "  How many evaluations a search takes is measured with --weights."
    evaluations = search[PHOTOGRAPHED][benchmark_search.A]["evaluations"]
    hours = images * evaluations / HOUR     # for a millisecond an evaluation
    return f"""{text}  With the {common.cell(evaluations)} evaluations that D takes on {weights}, \
AlexNet of our own training, a search takes {common.cell(evaluations * (net + solver) / 1000)} s, \
and all {images:,} of ImageNet's training images {hours * (net + solver):,.0f} core-hours.  A GPU \
that reaches {GPU / 1000:g} TFLOP/s in the net's products would take \
{1000 * hours * cost["GFLOP"] / GPU:,.1f} GPU-hours for them, and L-BFGS-B, which stays on the \
host, {hours * solver:,.0f} core-hours: an estimate, not measured."""


def of_alexnet(weights, photographs, seed, quiet, flags, started):
    """The other benchmark; arguments as main's."""
    shown = figure5.loaded(weights, photographs, False, quiet) if weights else None
    found, layers = alone(benchmark_alexnet.measure, len(benchmark_alexnet.BATCHES), quiet)
    rate = alone(matrix_product, 1, quiet)
    rows = [[n, common.cell(row["ms"]), common.cell(gflops := 1000 * row["GFLOP"] / row["ms"]),
             common.cell(100 * gflops / rate), common.cell(row["MB"], digits=4)]
            for n, row in found.items()]
    numbers = {"GFLOP/s": rate, "batches": found, "layers": layers}
    text = f"""\
# AlexNet, on a thread that reaches {rate:.0f} GFLOP/s in a float32 matrix product

{common.table(["batch", "ms an image", "GFLOP/s", "% of the product's", "peak MB"], rows)}

Each layer, in a batch of 16, per image:

{common.table(["layer", "ms forward", "ms backward", "GFLOP"],
              [[name, *map(common.cell, row)] for name, *row in layers])}"""
    if weights:
        rows = benchmark_alexnet.precisions(*shown, seed)
        numbers["precisions"] = rows
        text += f"""

D of {benchmark_alexnet.COMPARED} of {common.describe(photographs)} for {weights}, \
each with the next label; moved: from pixels moved by some 1e-7, as rounding does.  At the kinks \
of ReLU and max pooling a rounding decides where a search goes on, so that single photographs end \
apart, in float64 too; averages agree:

{common.table(["search in", *next(iter(rows.values()))],
              [[how, *map(common.cell, row.values())] for how, row in rows.items()])}"""
    common.save("benchmark-alexnet", main, flags, "none", started, text, numbers)
    return numbers


def of_quocnet(quiet, flags, started):
    """The third benchmark; arguments as main's."""
    images, steps = alone(benchmark_quocnet.measure, benchmark_quocnet.TICKS, quiet)
    rate = alone(matrix_product, 1, quiet)
    once = benchmark_quocnet.training(steps["M"]["GFLOP/s"], rate)
    numbers = {"GFLOP/s": rate, "images": images, "steps": steps, "training": once}
    common.save("benchmark-quocnet", main, flags, "none", started,
                benchmark_quocnet.report(rate, images, steps, once), numbers)
    return numbers


if __name__ == "__main__":
    common.run(main)
