"""How fast the search is and how near it comes, all measured in one run on one thread.

    python -m experiments.benchmark --count 256
    python -m experiments.benchmark --which alexnet --weights runs/alexnet.npz --photographs cifar10
    python -m experiments.benchmark --which quocnet

(a) D as it is: a batch of images in lockstep.  (b) the same search with SciPy's public
`scipy.optimize.minimize`, image by image.  (c) D with its last step onto the boundary, which is
beyond the paper.  (d) the reference for the quality, on the first 64 images: image by image by
`scipy.optimize.minimize`, each c from r = 0 with tight tolerances, c halved down to 0.1 %; not
for LeNet, where tight tolerances take minutes an image at the kinks of ReLU and max pooling.
LeNet is searched on the first 64 images only.
Per image: milliseconds (the fastest of three runs), evaluations of the objective; and the mean
distortion, on (d)'s images for the comparison with it.  Training images that the net has right,
targets (label + 1) mod 10.  Machines differ and are shared: compare ratios, and read the times
beside the rate that the same thread reaches in a 2,048 x 2,048 float32 matrix product.

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
import functools

import numpy as np
from scipy.optimize import minimize

from experiments import benchmark_alexnet, benchmark_quocnet, common, figure5, made
from experiments.processes import over_processes, tick
from experiments.timing import REPEATS, matrix_product, timed
from intriguing import D, distortion, objective
from nets import lbfgs
from nets.backend import to_device, to_host

SMOOTH = ["FC10(1e-4)", "FC100-100-10", "FC10(1)"]
NETS = [*SMOOTH, "LeNet"]
COMPARED = 64
A, B, C, REFERENCE = ("(a) D, in lockstep", "(b) image by image", "(c) D, onto the boundary",
                      "(d) reference")


def main(which="search", data="auto", count=256, seed=0, train="adam", weights="",
         photographs="cifar10", workers=0, out="runs", quiet=False):
    flags, started = dict(locals()), common.start(out)
    if which == "alexnet":
        return of_alexnet(weights, photographs, seed, quiet, flags, started)
    if which == "quocnet":
        return of_quocnet(quiet, flags, started)
    if which != "search":
        raise ValueError(f"--which {which}: choose search, alexnet or quocnet")
    data, (x, t), _ = common.load(data, quiet)
    rows, _ = common.sample(t, count, seed)
    jobs = []
    for name, net in made.trained(NETS, data, seed, train, workers, quiet).items():
        right = rows[net.predict(x[rows].astype(float)) == t[rows]]
        if len(right) == 0:
            raise ValueError(f"--count {count}: a net has none of these images right; take more")
        right = right if name in SMOOTH else right[:COMPARED]
        jobs.append((net, x[right], (t[right] + 1) % 10, name in SMOOTH))
    found = dict(over_processes(measure, jobs, 1, (REPEATS + 1) * len(jobs), "measuring", quiet))
    [(_, rate)] = over_processes(matrix_product, [()], 1, 1, "measuring", quiet)
    numbers = {name: found[i] for i, name in enumerate(NETS)}
    columns = ("ms", "times (a)", "evaluations", "distortion", "above (d) %", "found %")
    lines = [[name, how, *(common.cell(row.get(k)) for k in columns)]
             for name, rows in numbers.items() for how, row in rows.items()]
    common.save("benchmark", main, flags, data, started, f"""\
# The search, on a thread that reaches {rate:.0f} GFLOP/s in a float32 matrix product

{common.table(["net", "search", *columns], lines)}

ms and evaluations are per image.  {count:,} images, less those that a net has wrong; (d), and \
LeNet, on the first {min(count, COMPARED)} of them; "above (d)" compares on these.""",
                {"GFLOP/s": rate, **numbers})
    return numbers


def of_alexnet(weights, photographs, seed, quiet, flags, started):
    """The other benchmark; arguments as main's."""
    shown = figure5.loaded(weights, photographs, False, quiet) if weights else None
    [(_, (found, layers))] = over_processes(benchmark_alexnet.measure, [()], 1,
                                            len(benchmark_alexnet.BATCHES), "measuring", quiet)
    [(_, rate)] = over_processes(matrix_product, [()], 1, 1, "measuring", quiet)
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
    [(_, (images, steps))] = over_processes(benchmark_quocnet.measure, [()], 1,
                                            benchmark_quocnet.TICKS, "measuring", quiet)
    [(_, rate)] = over_processes(matrix_product, [()], 1, 1, "measuring", quiet)
    once = benchmark_quocnet.training(steps["M"]["GFLOP/s"], rate)
    numbers = {"GFLOP/s": rate, "images": images, "steps": steps, "training": once}
    common.save("benchmark-quocnet", main, flags, "none", started,
                benchmark_quocnet.report(rate, images, steps, once), numbers)
    return numbers


def measure(net, x, target, smooth):
    """In a worker, on one thread: {search: {ms, evaluations, distortion, ...}} for one net.

    x: (N, ...).  target: (N,).  smooth: whether the net is, so that the reference is one.
    """
    searches = {A: D, B: functools.partial(D, minimize=lbfgs.one_by_one),
                C: functools.partial(D, onto_boundary=True)}
    found, images, few = {}, {}, slice(COMPARED)
    for _ in range(REPEATS):                # in turn, so that all see the same disturbances
        for how, search in searches.items():
            row, images[how] = timed(search, net, x, target)
            found[how] = min(found.get(how, row), row, key=lambda row: row["ms"])
        tick()
    if smooth:
        found[REFERENCE], images[REFERENCE] = timed(reference, net, x[few], target[few])
    for how, row in found.items():
        size = distortion(x[:len(images[how])], images[how])
        row |= {"times (a)": row["ms"] / found[A]["ms"], "distortion": common.mean(size),
                "found %": 100 * float(np.isfinite(size).mean())}
        if smooth:
            best = common.mean(distortion(x[few], images[REFERENCE]))
            row["above (d) %"] = 100 * (common.mean(size[few]) / best - 1)
    tick()
    return found


def reference(net, x, target):
    """D as one would write it with `scipy.optimize.minimize` alone: (N, ...) float64."""
    return np.concatenate([nearest(net, x[i:i + 1].astype(float), target[i:i + 1])
                           for i in range(len(x))])


def nearest(net, x, target):
    """For one image x (1, ...): c by factors of ten, then halved, each from r = 0."""
    box = np.stack([-x.ravel(), 1 - x.ravel()], 1)

    def fun(r, c):
        value, dr, _ = objective(net, *map(to_device, (x, target, np.array([c]),
                                                       r.reshape(x.shape))))
        return float(value[0]), to_host(dr).ravel()

    def solve(log_c):
        r = minimize(fun, np.zeros(x.size), args=(np.exp(log_c),), jac=True, method="L-BFGS-B",
                     bounds=box, options={"ftol": 1e-12, "gtol": 1e-8}).x.reshape(x.shape)
        return r if net.predict(x + r) == target else None

    low, best = 0.0, solve(0.0)
    while best is None:
        low -= np.log(10)
        if low < -30:                       # c asks for nothing but the label, and it is not there
            return np.full_like(x, np.nan)
        best = solve(low)
    high = low + np.log(10)
    while (r := solve(high)) is not None:
        low, high, best = high, high + np.log(10), r
    while high - low > 1e-3:
        middle = (low + high) / 2
        r = solve(middle)
        low, high, best = (low, middle, best) if r is None else (middle, high, r)
    return x + best


if __name__ == "__main__":
    common.run(main)
