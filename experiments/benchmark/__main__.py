"""The speed of the search and its distortions, and the speed of training, in one run.

    python -m experiments.benchmark
    python -m experiments.benchmark --weights runs/alexnet.npz --photographs cifar10
    python -m experiments.benchmark --which alexnet --weights runs/alexnet.npz --photographs cifar10
    python -m experiments.benchmark --which quocnet

Five searches:
(a) D as it is: many searches at once.
(b) The same search with SciPy's public `scipy.optimize.minimize`, image by image.
(c) D with a last step onto the boundary, which is not in the paper.
(d) D by hand (nets/search/by_hand.py), with the net in float32.
(e) DDN, the attack that other libraries use for small distortions, written anew here.
They search 256 training images that the net labels right, among the first `count` drawn by seed;
for LeNet 64.  Targets are (label + 1) mod 10.  With --weights, (a), (b) and (d) also search ten
photographs on AlexNet.
For each search: milliseconds an image (the fastest of three runs; of one for AlexNet), evaluations
an image of the objective with its gradient, the mean distortion, and how far this is above that of
the best: for each image the nearest one that any search found.
Then: the cost of searches (with --weights, also of searching all of ImageNet on AlexNet); the parts
of the time of (a); its time and memory by the number of searches together, up to 1,024, for LeNet
256; its speed by the number of processes; epochs of training; convolutions.  Everything runs on
one thread, apart from the processes.
Machines differ and are shared: compare ratios, and read the times beside the rate that the same
thread reaches in a 2,048 x 2,048 float32 matrix product.

--which alexnet: the net of 2012 at 227 pixels in float32, with random weights and images.  For
batches of 1, 16 and 32: milliseconds an image of the objective's value and gradient, memory, and
billions of additions and multiplications a second (those of the products), beside the matrix
product's; and each layer alone.  With --weights also the search, on ten photographs, in float32 and
in float64.

--which quocnet: QuocNet at every size up to the full one, with 1.1 billion weights, in float32;
weights and images are random.  Milliseconds of one image forward and back to its pixels; D of it,
with a random classifier of two labels on the last stage; memory; a step of training, at sizes S and
M; and a calculation of the time to train the full net on a large GPU.  A size that does not fit
into the free memory is left out.
"""
import os

import numpy as np

from experiments.benchmark import alexnet, quocnet, search, training
from experiments.benchmark.timing import (
    describe_machine,
    measure_matrix_product,
    name_page,
    run_tasks,
)
from experiments.shared import cache, charts, cli, page, samples
from experiments.shared.weights import load_net_and_photographs, pick_correct
from nets.backend import name_device, xp

ALEXNET = 227, 1                            # pixels of an image's side, and width, as in 2012
HELP = {"count": "how many images to take; of them are searched those that the net labels right"}


def main(which="search", data="auto", count=1500, seed=0, train="adam", weights="",
         preprocess="auto", photographs="cifar10", workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    if which == "alexnet":
        return benchmark_alexnet(weights, preprocess, photographs, seed, quiet, flags, started)
    if which == "quocnet":
        return benchmark_quocnet(quiet, flags, started)
    shown = (prepare_photographs(weights, preprocess, photographs, seed, quiet)
             if weights else {})
    data, (x, t), _ = samples.load(data, quiet)
    jobs = prepare_searches(x, t, count, data, seed, train, workers, quiet)
    first = slice(training.IMAGES)
    tasks = {"GFLOP/s": (measure_matrix_product,),
             "training": (training.measure, x[first], t[first], *ALEXNET),
             "AlexNet": (alexnet.measure_evaluation, *ALEXNET),
             **{name: (search.measure, *job) for name, job in jobs.items()},
             **{name: (search.compare_searches, *job) for name, job in shown.items()}}
    steps = training.TICKS + 1 + search.TICKS * len(jobs) + len(shown)
    results = run_tasks(tasks, steps, quiet)
    numbers = {"device": name_device(), "GFLOP/s": results["GFLOP/s"],
               "AlexNet": results["AlexNet"]}
    numbers["epochs"], numbers["convolutions"] = results["training"]
    for i, part in enumerate(("search", "time", "batches")):
        numbers[part] = {name: results[name][i] for name in jobs}
    for name in shown:
        numbers["search"][name] = results[name]
    net, images, target, _ = jobs["FC100-100-10"]
    numbers["workers"] = search.measure_workers(net, images, target, list_worker_counts(), quiet)
    stem = name_page("benchmark")
    page.save(stem, main, flags, data, started, format_page(numbers, list(shown), stem), numbers,
              {f"{stem}.png": draw_times(numbers["batches"])})
    return numbers


def prepare_searches(x, t, count, data, seed, train, workers, quiet):
    """{net: arguments of `search.measure`}: of `count` images those that the net labels right."""
    rows, _ = samples.sample_images(t, count, seed)
    jobs = {}
    nets = cache.load_or_train(search.NETS, data, seed, train, workers, quiet)
    for name, net in nets.items():
        right = rows[net.predict(x[rows].astype(float)) == t[rows]]
        if len(right) == 0:
            raise ValueError(f"--count {count}: a net has none of these images right; take more")
        jobs[name] = net, x[right], (t[right] + 1) % 10, name in search.SMOOTH
    return jobs


def prepare_photographs(weights, preprocess, photographs, seed, quiet):
    """{net: arguments of `search.compare_searches`}: photographs that it labels right.

    (c) is left out: it takes as many gradients as there are labels, which are 1,000 for ImageNet.
    """
    model, images, t, names = load_net_and_photographs(weights, photographs, False, quiet,
                                                       preprocess)
    count = min(alexnet.PHOTOGRAPHS, len(t))
    x, t, *_ = pick_correct(model.net, images, t, -1, count, seed)
    searches = [search.TOGETHER, search.IMAGE_BY_IMAGE, search.BY_HAND]
    return {model.description: (model.net, x, (t + 1) % len(names), searches, 1)}


def list_worker_counts():
    """Numbers of processes: 1, 2, 4, ... up to the number of cores; 1 on a GPU."""
    return [2 ** i for i in range(os.cpu_count().bit_length())] if xp is np else [1]


def draw_times(batches):
    """Draw milliseconds per image by the number of images searched together.

    batches: {net: {number: {"ms": milliseconds}}}, of `search.measure`.
    """
    times = {name: {n: row["ms"] for n, row in rows.items()} for name, rows in batches.items()}
    return charts.draw_times(
        times, "The time in which D finds an adversarial example.  Searches that go on together "
        "share each evaluation of the net.  One line per net.", "images searched together",
        "milliseconds per image")


def format_page(numbers, shown, stem):
    """The page in Markdown.  numbers: as in JSON.  shown: AlexNet's rows.  stem: of the files."""
    rate, unit = numbers["GFLOP/s"], "thread" if numbers["device"] == "CPU" else "GPU"
    photographs = f"  {shown[0]}: photographs, up to {alexnet.PHOTOGRAPHS}." if shown else ""
    return f"""\
# The search, on {describe_machine(numbers)}

{search.format_searches(numbers["search"])}

ms and evaluations are per image.  Images that a net labels right: at most {search.IMAGES}, for \
LeNet {search.FEW_IMAGES}.{photographs}

The cost of (a), on such a {unit}:

{search.format_costs(numbers["search"])}

{estimate_imagenet(numbers, shown)}

{search.format_details(numbers["time"], numbers["batches"], numbers["workers"], stem)}

{training.format_training(numbers["epochs"], numbers["convolutions"], rate)}"""


def estimate_imagenet(numbers, shown):
    """The cost of searching all of ImageNet on AlexNet, in words."""
    net, solver, gflop = (numbers["AlexNet"][key] for key in ("net", "solver", "GFLOP"))
    text = (f"AlexNet at {ALEXNET[0]} pixels: {page.format_cell(net)} ms an evaluation of the "
            f"objective and its gradient, {page.format_cell(solver)} ms of L-BFGS-B.")
    if not shown:
        return text + "  How many evaluations a search takes is measured with --weights."
    images, large = training.IMAGENET, quocnet.LARGE
    [name] = shown
    evaluations = numbers["search"][name][search.TOGETHER]["evaluations"]
    hours = images * evaluations / search.HOUR              # for a millisecond an evaluation
    share = 1000 * gflop / net / numbers["GFLOP/s"]         # of the matrix product's rate
    on_large = 1000 * gflop / (share * large.flops / 1e9)   # milliseconds an evaluation
    unit = "core" if numbers["device"] == "CPU" else "GPU and a core"
    a_search = page.format_cell(evaluations * (net + solver) / 1000)
    return f"""{text}  With as many evaluations as {name} takes here, \
{page.format_cell(evaluations)}, a search would take {a_search} s, and all {images:,} of \
ImageNet's training images {hours * (net + solver):,.0f} hours of one such {unit}.  The net's part \
would take {large.name}, {large.flops / 1e12:.0f} TFLOP/s by its data sheet, \
{hours * on_large:,.1f} hours, if that reached the same {100 * share:.0f} % of its peak.  L-BFGS-B \
stays on the host, {hours * solver:,.0f} hours of a core.  This is a calculation, not measured; it \
leaves out what D does between evaluations."""


def benchmark_alexnet(weights, preprocess, photographs, seed, quiet, flags, started):
    """--which alexnet.  Arguments: flags of main, all flags, and the time of the start."""
    shown = (load_net_and_photographs(weights, photographs, False, quiet, preprocess)
             if weights else None)
    (batches, layers), rate = run_tasks({"AlexNet": (alexnet.measure,),
                                         "GFLOP/s": (measure_matrix_product,)},
                                        len(alexnet.BATCHES), quiet).values()
    numbers = {"device": name_device(), "GFLOP/s": rate, "batches": batches, "layers": layers}
    text = f"""\
# AlexNet, on {describe_machine(numbers)}

{alexnet.format_batches(batches, rate)}

Each layer, in a batch of 16, per image:

{alexnet.format_layers(layers)}"""
    if weights:
        rows = alexnet.compare_precisions(*shown, seed)
        numbers["precisions"] = rows
        text += f"""

D of {alexnet.PHOTOGRAPHS} of {page.describe_data(photographs)} for {weights}, \
each with the next label.  moved: the pixels are moved by about 1e-7, as rounding moves them.  At \
the kinks of ReLU and max pooling such a change can lead a search elsewhere.  So the \
results for single photographs differ, in float64 too, while averages agree:

{alexnet.format_precisions(rows)}"""
    page.save(name_page("benchmark", "alexnet"), main, flags, "none", started, text, numbers)
    return numbers


def benchmark_quocnet(quiet, flags, started):
    """--which quocnet.  Arguments: a flag of main, all flags, and the time of the start."""
    (images, steps), rate = run_tasks({"QuocNet": (quocnet.measure,),
                                       "GFLOP/s": (measure_matrix_product,)},
                                      quocnet.TICKS, quiet).values()
    estimate = quocnet.estimate_training(steps["M"]["GFLOP/s"], rate)
    numbers = {"device": name_device(), "GFLOP/s": rate, "images": images, "steps": steps,
               "training": estimate}
    page.save(name_page("benchmark", "quocnet"), main, flags, "none", started,
              quocnet.format_page(numbers), numbers)
    return numbers


if __name__ == "__main__":
    cli.run(main)
