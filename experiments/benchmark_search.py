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
SHARD = 64                                  # images that a worker takes at a time
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
    found = compared(net, x[few], target[few], smooth)
    return found, shares(net, x[few], target[few]), by_batch(net, x[:most], target[:most])


def compared(net, x, target, smooth):
    """{search: {ms, evaluations, distortion, ...}} of the searches (a) to (d)."""
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


def shares(net, x, target):
    """{part: how many % of D's time it takes}.

    The solver's is the time in SciPy's compiled code, the layers' that in their forward and
    backward; a GPU's work falls where its result is waited for.
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
    the arrays and objects of one batch take together, the images it is given left out.
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
    """{workers: images a second} of D over so many processes, from the first's start to the end."""
    jobs = [(net, x[i:i + SHARD], target[i:i + SHARD]) for i in range(0, len(x), SHARD)]
    found = {}
    for workers in counts:
        times = [span for _, span in
                 over_processes(begin_and_end, jobs, workers, len(jobs), "measuring", quiet)]
        found[workers] = len(x) / (max(end for _, end in times) - min(begin for begin, _ in times))
    return found


def begin_and_end(net, x, target):
    """In a worker: when D of these images began, and when it ended, in seconds."""
    begin = time.time()
    D(net, x, target)
    tick()
    return begin, time.time()


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
