"""How fast the search is and how near it comes, for experiments.benchmark: on MNIST's nets."""
import copy
import functools
import time
import tracemalloc
from unittest.mock import patch

import numpy as np
from scipy.optimize import minimize

import intriguing
from experiments import common
from experiments.processes import over_processes, tick
from experiments.timing import REPEATS, timed
from intriguing import D, distortion, objective
from nets import lbfgs
from nets.backend import to_device, to_host

SMOOTH = ["FC10(1e-4)", "FC10(1)", "FC100-100-10", "FC200-200-10", "AE400-10"]
NETS = [*SMOOTH, "LeNet"]
SEARCHED, COMPARED = 256, 64                # images of (a) to (c), and of (d)
BATCHES = (1, 4, 16, 64, 128, 256, 1024)    # images in lockstep
LOCKSTEP = intriguing.BATCH                 # of D as it is
SHARD, SHARDS = 64, 16                      # images that a process takes at a time, and how often
TICKS = 4                                   # of `measure`
HOUR = 3.6e6                                # milliseconds
A, B, C, REFERENCE = ("(a) D, in lockstep", "(b) image by image", "(c) D, onto the boundary",
                      "(d) reference")
PRODUCTS, OTHER, SOLVER, PYTHON = ("dense and convolutional layers", "other layers",
                                   "SciPy's solver", "the rest: Python, loss, c")


def measure(net, x, target, smooth):
    """In a worker, on one thread: for one net, what `compared`, `shares` and `by_batch` give.

    x: (N, ...), all of which the net has right.  target: (N,).  smooth: whether the net is, so
    that (d) is a reference; else it is slow too, and less is measured.
    """
    few = slice(SEARCHED if smooth else COMPARED)
    most = BATCHES[-1] if smooth else SEARCHED
    rows = compared(net, x[few], target[few], [A, B, C])
    if smooth:
        with_reference(rows, net, x[:COMPARED], target[:COMPARED])
    found = {how: row for how, (row, _) in rows.items()}
    tick()
    return found, shares(net, x[few], target[few]), by_batch(net, x[:most], target[:most])


def compared(net, x, target, searches, repeats=REPEATS):
    """{search: ({ms, evaluations, distortion, ...}, images)} of some of the searches (a) to (c).

    x: (N, ...), target: (N,), here and in what follows.
    """
    functions = {A: D, B: functools.partial(D, minimize=lbfgs.one_by_one),
                 C: functools.partial(D, onto_boundary=True)}
    found = {}
    for _ in range(repeats):                # in turn, so that all see the same disturbances
        for how in searches:
            run = timed(functions[how], net, x, target)
            found[how] = min(found.get(how, run), run, key=lambda run: run[0]["ms"])
    for row, images in found.values():
        row |= worth(x, images, row["ms"] / found[A][0]["ms"])
    tick()
    return found


def worth(x, images, times):
    """What a row says of the images found from x (N, ...): {times (a), distortion, found %}."""
    size = distortion(x, images)
    return {"times (a)": times, "distortion": common.mean(size),
            "found %": 100 * float(np.isfinite(size).mean())}


def with_reference(found, net, x, target):
    """Add to what `compared` found the row of (d), on the first images x, and "above (d) %"."""
    row, images = timed(reference, net, x, target)
    found[REFERENCE] = row | worth(x, images, row["ms"] / found[A][0]["ms"]), images
    best = found[REFERENCE][0]["distortion"]
    for row, images in found.values():
        size = common.mean(distortion(x, images[:len(x)]))
        row["above (d) %"] = 100 * (size / best - 1) if size and best else None


def shares(net, x, target):
    """{part: how many % of D's time it takes}.

    The solver's is the time in SciPy's compiled code, the layers' that in their forward and
    backward; a GPU's falls where its result is waited for.
    """
    spent = dict.fromkeys((PRODUCTS, OTHER, SOLVER), 0.0)

    def clocked(part, function):
        def run(*args):
            begin = time.perf_counter()
            result = function(*args)
            spent[part] += time.perf_counter() - begin
            return result
        return run

    net = copy.deepcopy(net)
    for layer in net.layers:
        part = PRODUCTS if layer.params else OTHER
        layer.forward = clocked(part, layer.forward)
        layer.backward = clocked(part, layer.backward)
    lbfgs.lockstep_works()                  # asks once per process
    with patch.object(lbfgs, "setulb", clocked(SOLVER, lbfgs.setulb)):
        begin = time.perf_counter()
        D(net, x, target)
        total = time.perf_counter() - begin
    spent[PYTHON] = total - sum(spent.values())
    tick()
    return {part: 100 * seconds / total for part, seconds in spent.items()}


def by_batch(net, x, target):
    """{n: {ms an image, MB}} of D, n images in lockstep, as far as there are so many.

    The fastest of REPEATS runs over n images, or over COMPARED if n is less.  MB: the most that
    the arrays and objects of one batch take on the host, the images it is given left out.
    """
    found = {}
    for n in (n for n in BATCHES if n <= len(x)):
        rows = slice(max(n, COMPARED))
        with patch.object(intriguing, "BATCH", n):
            ms = min(timed(D, net, x[rows], target[rows])[0]["ms"] for _ in range(REPEATS))
            tracemalloc.start()
            D(net, x[:n], target[:n])
            found[n] = {"ms": ms, "MB": tracemalloc.get_traced_memory()[1] / 1e6}
            tracemalloc.stop()
    tick()
    return found


def over_workers(net, x, target, counts, quiet):
    """{workers: images a second} of D over so many processes: the sum of what each one does."""
    job = (net, x[:SHARD], target[:SHARD])
    return {n: sum(rate for _, rate in
                   over_processes(images_a_second, [job] * n, n, n, "measuring", quiet))
            for n in counts}


def images_a_second(net, x, target):
    """In a worker: how many images it searches a second, the median of SHARDS runs over x.

    The first images, which load what it needs, are left out.
    """
    D(net, x[:4], target[:4])
    times = []
    for _ in range(SHARDS):
        begin = time.perf_counter()
        D(net, x, target)
        times.append(time.perf_counter() - begin)
    tick()
    return len(x) / float(np.median(times))


# ---- The page --------------------------------------------------------------------------------

COLUMNS = ("ms", "times (a)", "evaluations", "distortion", "above (d) %", "found %")


def table(search):
    """The table of searches, and that of what (a) costs.  search: {net: {search: row}}."""
    rows = [[name, how, *(common.cell(row.get(column)) for column in COLUMNS)]
            for name, of_net in search.items() for how, row in of_net.items()]
    cost = [[name, common.cell(ms := of_net[A]["ms"]), f"{HOUR / ms:,.0f}"]
            for name, of_net in search.items()]
    return (common.table(["net", "search", *COLUMNS], rows),
            common.table(["net", "ms", "searches an hour"], cost))


def details(time, batches, workers):
    """Where the time goes, by images in lockstep, by processes: as `measure` and `over_workers`."""
    sizes = sorted({n for of_net in batches.values() for n in of_net})
    by_size = [[name, *(both(of_net.get(n)) for n in sizes)] for name, of_net in batches.items()]
    shares = [[name, *map(common.cell, of_net.values())] for name, of_net in time.items()]
    speed = [[n, common.cell(rate), common.cell(rate / workers[1])] for n, rate in workers.items()]
    return f"""\
Where the time of (a) goes, in %:

{common.table(["net", *next(iter(time.values()))], shares)}

By the number of images in lockstep, milliseconds an image, and the MB that they take on the host; \
D takes {LOCKSTEP}:

{common.table(["net", *sizes], by_size)}

![milliseconds an image by the number of images in lockstep](benchmark.png)

FC100-100-10, by the number of processes, the median of {SHARDS} times {SHARD} images each:

{common.table(["processes", "images a second", "times 1"], speed)}"""


def both(row):
    """ms (MB), or a dash where it was not measured."""
    return "-" if row is None else f"{common.cell(row['ms'])} ({common.cell(row['MB'])})"


# ---- The reference ---------------------------------------------------------------------------


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
