"""How fast the search is and how near it comes, and training, all measured in one run.

    python -m experiments.benchmark
    python -m experiments.benchmark --weights runs/alexnet.npz --photographs cifar10
    python -m experiments.benchmark --which alexnet --weights runs/alexnet.npz --photographs cifar10
    python -m experiments.benchmark --which quocnet

(a) D as it is: many searches at once.  (b) the same search with SciPy's public
`scipy.optimize.minimize`, image by image.  (c) D with its last step onto the boundary, which is
beyond the paper.  (d) D by hand (nets/search/by_hand.py), the net in float32.  (e) DDN, the attack
that other libraries use for small distortions, written here again.  All search the first 256
images, those of LeNet the first 64; with --weights, (a), (b) and (d) search ten photographs of
AlexNet's.  The best is the nearest image that any of them found.
Per image: milliseconds (the fastest of three runs, of AlexNet one), evaluations of the objective
and its gradient; and the mean distortion.  Training images that the net has right, of the first
`count` drawn, targets (label + 1) mod 10.  What searches cost; with --weights, those of all of
ImageNet by AlexNet.  Then where the time of (a)
goes; its time and memory by the number of searches together, up to 1,024 (LeNet: 256), and its
speed by that of processes; epochs of training; convolutions.  All but the processes on one thread.
Machines differ and are shared: compare ratios, and read the times beside the rate that the same
thread reaches in a 2,048 x 2,048 float32 matrix product.

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

import numpy as np

from experiments.benchmark import alexnet, quocnet, search, training
from experiments.benchmark.timing import describe_machine, matrix_product, measured, name_page
from experiments.shared import cache, charts, cli, page, samples
from experiments.shared.weights import loaded, recognised
from nets.backend import name_device, xp

ALEXNET = 227, 1                            # its size in pixels and width, as in 2012


def main(which="search", data="auto", count=1500, seed=0, train="adam", weights="",
         photographs="cifar10", workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    if which == "alexnet":
        return of_alexnet(weights, photographs, seed, quiet, flags, started)
    if which == "quocnet":
        return of_quocnet(quiet, flags, started)
    shown = photographed(weights, photographs, seed, quiet) if weights else {}
    data, (x, t), _ = samples.load(data, quiet)
    jobs = searched(x, t, count, data, seed, train, workers, quiet)
    part = slice(training.IMAGES)
    tasks = {"GFLOP/s": (matrix_product,),
             "training": (training.measure, x[part], t[part], *ALEXNET),
             "AlexNet": (alexnet.one_evaluation, *ALEXNET),
             **{name: (search.measure, *job) for name, job in jobs.items()},
             **{name: (search.compared, *job) for name, job in shown.items()}}
    steps = training.TICKS + 1 + search.TICKS * len(jobs) + len(shown)
    found = measured(tasks, steps, quiet)
    numbers = {"device": name_device(), "GFLOP/s": found["GFLOP/s"], "AlexNet": found["AlexNet"]}
    numbers["epochs"], numbers["convolutions"] = found["training"]
    for i, of in enumerate(("search", "time", "batches")):
        numbers[of] = {name: found[name][i] for name in jobs}
    for name in shown:
        numbers["search"][name] = found[name]
    net, images, target, _ = jobs["FC100-100-10"]
    numbers["workers"] = search.over_workers(net, images, target, processes(), quiet)
    stem = name_page("benchmark")
    charts.save(draw_times(numbers["batches"]), page.folder(out, data) / f"{stem}.png")
    page.save(stem, main, flags, data, started, report(numbers, list(shown), stem), numbers)
    return numbers


def searched(x, t, count, data, seed, train, workers, quiet):
    """{net: what `search.measure` takes}: of `count` images those that it has right."""
    rows, _ = samples.sample(t, count, seed)
    jobs = {}
    nets = cache.load_or_train(search.NETS, data, seed, train, workers, quiet)
    for name, net in nets.items():
        right = rows[net.predict(x[rows].astype(float)) == t[rows]]
        if len(right) == 0:
            raise ValueError(f"--count {count}: a net has none of these images right; take more")
        jobs[name] = net, x[right], (t[right] + 1) % 10, name in search.SMOOTH
    return jobs


def photographed(weights, photographs, seed, quiet):
    """{net: what `compared` takes}: photographs that it has right, next labels; each search once.

    Not (c): it wants as many gradients as there are labels, a thousand with ImageNet's.
    """
    model, images, t, names = loaded(weights, photographs, False, quiet)
    count = min(alexnet.COMPARED, len(t))
    x, t, *_ = recognised(model.net, images, t, -1, count, seed)
    searches = [search.A, search.B, search.BY_HAND]
    return {model.said: (model.net, x, (t + 1) % len(names), searches, 1)}


def processes():
    """1, 2, 4, ... as far as there are cores; one on a GPU."""
    return [2 ** i for i in range(os.cpu_count().bit_length())] if xp is np else [1]


def draw_times(batches):
    """The chart of milliseconds per image by the number of images searched together.

    batches: {net: {number: {"ms": milliseconds}}}, as `search.measure` gives them.
    """
    times = {name: {n: row["ms"] for n, row in rows.items()} for name, rows in batches.items()}
    return charts.draw_times(
        times, "The time in which D finds an adversarial example.  Searches that go on together "
        "share each evaluation of the net.  One line per net.", "images searched together",
        "milliseconds per image")


def report(numbers, shown, stem):
    """The page, from the numbers alone.  shown: the names of AlexNet's rows.  stem: its name."""
    rate, unit = numbers["GFLOP/s"], "thread" if numbers["device"] == "CPU" else "GPU"
    photographs = f"  {shown[0]}: photographs, up to {alexnet.COMPARED}." if shown else ""
    return f"""\
# The search, on {describe_machine(numbers)}

{search.format_searches(numbers["search"])}

ms and evaluations are per image.  Images that a net has right: {search.SEARCHED} at \
most, for LeNet {search.FEW}.\
{photographs}

What (a) costs, on such a {unit}:

{search.format_costs(numbers["search"])}

{imagenet(numbers, shown)}

{search.details(numbers["time"], numbers["batches"], numbers["workers"], stem)}

{training.report(numbers["epochs"], numbers["convolutions"], rate)}"""


def imagenet(numbers, shown):
    """What it costs to search all of ImageNet on AlexNet, in words.  Arguments as report's."""
    net, solver, gflop = (numbers["AlexNet"][key] for key in ("net", "solver", "GFLOP"))
    text = (f"AlexNet at {ALEXNET[0]} pixels: {page.cell(net)} ms an evaluation of the objective "
            f"and its gradient, {page.cell(solver)} ms of L-BFGS-B.")
    if not shown:
        return text + "  How many evaluations a search takes is measured with --weights."
    images, large = training.IMAGENET, quocnet.LARGE
    [name] = shown
    evaluations = numbers["search"][name][search.A]["evaluations"]
    hours = images * evaluations / search.HOUR              # for a millisecond an evaluation
    share = 1000 * gflop / net / numbers["GFLOP/s"]         # of what the product reaches
    on_large = 1000 * gflop / (share * large.flops / 1e9)   # milliseconds an evaluation
    unit = "core" if numbers["device"] == "CPU" else "GPU and a core"
    a_search = page.cell(evaluations * (net + solver) / 1000)
    return f"""{text}  Were it to take as many evaluations as {name} does here, \
{page.cell(evaluations)}, a search would take {a_search} s, and all {images:,} of ImageNet's \
training images {hours * (net + solver):,.0f} hours of one such \
{unit}.  The net's part would take {large.name}, \
{large.flops / 1e12:.0f} TFLOP/s by its data sheet, {hours * on_large:,.1f} hours, if it reached \
the same {100 * share:.0f} % of its peak; L-BFGS-B stays on the host, {hours * solver:,.0f} hours \
of a core.  Reckoned, not measured; what D does between evaluations is left out."""


def of_alexnet(weights, photographs, seed, quiet, flags, started):
    """The other benchmark; arguments as main's."""
    shown = loaded(weights, photographs, False, quiet) if weights else None
    (found, layers), rate = measured({"AlexNet": (alexnet.measure,),
                                      "GFLOP/s": (matrix_product,)},
                                     len(alexnet.BATCHES), quiet).values()
    numbers = {"device": name_device(), "GFLOP/s": rate, "batches": found, "layers": layers}
    text = f"""\
# AlexNet, on {describe_machine(numbers)}

{alexnet.format_batches(found, rate)}

Each layer, in a batch of 16, per image:

{alexnet.format_layers(layers)}"""
    if weights:
        rows = alexnet.precisions(*shown, seed)
        numbers["precisions"] = rows
        text += f"""

D of {alexnet.COMPARED} of {page.describe(photographs)} for {weights}, \
each with the next label; moved: from pixels moved by some 1e-7, as rounding does.  At the kinks \
of ReLU and max pooling a rounding decides where a search goes on, so that single photographs end \
apart, in float64 too; averages agree:

{alexnet.format_precisions(rows)}"""
    page.save(name_page("benchmark", "alexnet"), main, flags, "none", started, text, numbers)
    return numbers


def of_quocnet(quiet, flags, started):
    """The third benchmark; arguments as main's."""
    (images, steps), rate = measured({"QuocNet": (quocnet.measure,),
                                      "GFLOP/s": (matrix_product,)},
                                     quocnet.TICKS, quiet).values()
    once = quocnet.training(steps["M"]["GFLOP/s"], rate)
    numbers = {"device": name_device(), "GFLOP/s": rate, "images": images, "steps": steps,
               "training": once}
    page.save(name_page("benchmark", "quocnet"), main, flags, "none", started,
              quocnet.report(numbers), numbers)
    return numbers


if __name__ == "__main__":
    cli.run(main)
