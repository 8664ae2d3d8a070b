"""How fast the search is and how near it comes, for experiments.benchmark: on MNIST's nets."""
import copy
import functools
import math
import time
import tracemalloc
from unittest.mock import patch

import numpy as np
import scipy.optimize

import intriguing
from experiments.benchmark.timing import REPEATS, timed
from experiments.shared import page
from experiments.shared.processes import over_processes, tick
from intriguing import D, distortion
from nets.backend import to_device, to_host, xp
from nets.losses import column, square
from nets.search import scipy_lbfgsb
from nets.search.answers import Result
from nets.search.rounds import in_rounds

SMOOTH = ["FC10(1e-4)", "FC10(1)", "FC100-100-10", "FC200-200-10", "AE400-10"]
NETS = [*SMOOTH, "LeNet"]
SEARCHED, FEW = 256, 64                     # images of smooth nets, and of LeNet
BATCHES = (1, 4, 16, 64, 128, 256, 1024)    # searches that go on together
WIDTH = intriguing.WIDTH                    # of D as it is
SHARD, SHARDS = 64, 16                      # images that a process takes at a time, and how often
TICKS = 3                                   # of `measure`
HOUR = 3.6e6                                # milliseconds
A, B, C = "(a) D, many at once", "(b) image by image", "(c) D, onto the boundary"
BY_HAND, DDN = "(d) D by hand, float32", "(e) DDN, float32"
STEPS = 100                                 # of DDN
PRODUCTS, OTHER, SOLVER, PYTHON = ("dense and convolutional layers", "other layers",
                                   "SciPy's solver", "the rest: Python, loss, c")


def measure(net, x, target, smooth):
    """In a worker, on one thread: for one net, what `compared`, `shares` and `by_batch` give.

    x: (N, ...), all of which the net has right.  target: (N,).  smooth: whether the net is; else
    it is slow, and less is measured.
    """
    few = slice(SEARCHED if smooth else FEW)
    most = BATCHES[-1] if smooth else SEARCHED
    rows = compared(net, x[few], target[few], [A, B, C, BY_HAND, DDN])
    return rows, shares(net, x[few], target[few]), by_batch(net, x[:most], target[:most])


def compared(net, x, target, searches, repeats=REPEATS):
    """{search: {ms, evaluations, distortion, ...}} of some of the searches (a) to (e).

    x: (N, ...), target: (N,), here and in what follows.
    """
    functions = {A: D, B: functools.partial(D, solver=in_rounds(one_by_one)),
                 C: functools.partial(D, onto_boundary=True),
                 BY_HAND: functools.partial(D, solver="by-hand"), DDN: ddn}
    single = net.astype("float32")
    found = {}
    for _ in range(repeats):                # in turn, so that all see the same disturbances
        for how in searches:
            run = timed(functions[how], single if how in (BY_HAND, DDN) else net, x, target)
            found[how] = min(found.get(how, run), run, key=lambda run: run[0]["ms"])
    sizes = np.array([distortion(x, images) for _, images in found.values()])
    best = np.fmin.reduce(sizes)            # of each image; NaN where no search found it
    for (row, _), size in zip(found.values(), sizes, strict=True):
        ok = np.isfinite(size)
        row |= {"times (a)": row["ms"] / found[A][0]["ms"], "distortion": page.mean(size),
                "found %": 100 * float(ok.mean())}
        if best[ok].sum() > 0:
            row["above best %"] = 100 * float(size[ok].mean() / best[ok].mean() - 1)
    tick()
    return {how: row for how, (row, _) in found.items()}


def ddn(net, x, target, steps=STEPS, gamma=0.05):
    """x + r by DDN (decoupled direction and norm): Rony et al. (2019), algorithm 1, with a target.

    r goes a step of length a along -d loss / dr, is brought to the norm e, and clipped to the box;
    e shrinks by gamma where x + r has the label, and grows by it elsewhere.  a falls from 1 to 0.01
    along a cosine.  As for D: NaN where no step had the label.
    """
    x_device, wanted = to_device(x), to_device(target)
    r, e = xp.zeros_like(x_device), xp.ones(len(x), x.dtype)
    best, best_square = xp.full_like(x_device, np.nan), xp.full(len(x), np.inf)
    for k in range(steps):
        _, g, logits = intriguing.loss_and_gradient(net, x_device + r, wanted)
        has_label, square_r = logits.argmax(1) == wanted, square(r)
        better = has_label & (square_r < best_square)
        best_square = xp.where(better, square_r, best_square)
        best = xp.where(column(better, r), x_device + r, best)
        a = 0.01 + 0.99 * (1 + math.cos(math.pi * k / steps)) / 2
        r = r - a * g / column(xp.sqrt(square(g)).clip(1e-30, None), g)
        e = e * xp.where(has_label, 1 - gamma, 1 + gamma).astype(e.dtype)
        r = r * column(e / xp.sqrt(square(r)).clip(1e-30, None), r)
        r = (x_device + r).clip(0, 1) - x_device
    return to_host(best)


def one_by_one(evaluate, z0, lower, upper, corrections=10, ftol=2.2e-9, gtol=1e-5, maxiter=1000):
    """`scipy_lbfgsb.minimize` by SciPy's public function, a row after the other."""
    z, evaluations = np.empty_like(z0), np.zeros(len(z0), int)
    ftol, gtol = (np.broadcast_to(tolerance, len(z0)) for tolerance in (ftol, gtol))

    def evaluate_row(row, i):
        value, gradient = evaluate(row[None], np.array([i]))
        return value[0], gradient[0]

    for i in range(len(z0)):
        with scipy_lbfgsb.ONE_THREAD():
            found = scipy.optimize.minimize(
                evaluate_row, z0[i], args=(i,), jac=True, method="L-BFGS-B",
                bounds=np.stack([lower[i], upper[i]], 1),
                options={"maxcor": corrections, "ftol": ftol[i], "gtol": gtol[i],
                         "maxiter": maxiter, "maxfun": np.inf, "maxls": scipy_lbfgsb.MAXLS})
        z[i], evaluations[i] = found.x, found.nfev
    return Result(z, evaluations)


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
    scipy_lbfgsb.setulb_works()             # asks once per process
    with patch.object(scipy_lbfgsb, "setulb", clocked(SOLVER, scipy_lbfgsb.setulb)):
        begin = time.perf_counter()
        D(net, x, target)
        total = time.perf_counter() - begin
    spent[PYTHON] = total - sum(spent.values())
    tick()
    return {part: 100 * seconds / total for part, seconds in spent.items()}


def by_batch(net, x, target):
    """{n: {ms an image, MB}} of D, n searches together, as far as there are so many images.

    The fastest of REPEATS runs over n images, or over FEW if n is less.  MB: the most that
    the arrays and objects of one batch take on the host, the images it is given left out.
    """
    found = {}
    for n in (n for n in BATCHES if n <= len(x)):
        rows = slice(max(n, FEW))
        with patch.object(intriguing, "WIDTH", n):
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


def format_searches(search):
    """The searches in Markdown.  search: {net: {search: row}}; the first row has all columns."""
    columns = [*next(iter(next(iter(search.values())).values()))]
    rows = [[name, how, *(page.cell(row.get(column)) for column in columns)]
            for name, of_net in search.items() for how, row in of_net.items()]
    return page.table(["net", "search", *columns], rows)


def format_costs(search):
    """What (a), the first of each net's searches, costs, in Markdown."""
    first = {name: next(iter(of_net.values())) for name, of_net in search.items()}
    return page.table(["net", "ms", "searches an hour"],
                      [[name, page.cell(row["ms"]), searches_an_hour(row)]
                       for name, row in first.items()])


def searches_an_hour(row):
    """As many as one thread does, in words.  row: of a search, with its ms an image."""
    return f"{HOUR / row['ms']:,.0f}"


def format_shares(time):
    """Where the time of (a) goes, in Markdown.  time: {net: what `shares` gives}."""
    rows = [[name, *map(page.cell, of_net.values())] for name, of_net in time.items()]
    return page.table(["net", *next(iter(time.values()))], rows)


def format_batches(batches):
    """ms (MB) by the number of searches together, in Markdown.  batches: {net: `by_batch`}."""
    sizes = sorted({n for of_net in batches.values() for n in of_net}, key=int)
    return page.table(["net", *sizes], [[name, *(both(of_net.get(n)) for n in sizes)]
                                        for name, of_net in batches.items()])


def format_workers(workers):
    """Images a second by the number of processes, from one on, in Markdown."""
    one = next(iter(workers.values()))
    return page.table(["processes", "images a second", "times 1"],
                      [[n, page.cell(rate), page.cell(rate / one)]
                       for n, rate in workers.items()])


def details(time, batches, workers, stem):
    """Where the time goes, by searches together, by processes: as `measure` and `over_workers`.

    stem: the name of the page and of its picture.
    """
    return f"""\
Where the time of (a) goes, in %:

{format_shares(time)}

By the number of searches that go on together, milliseconds an image, and the MB that they take on \
the host; D takes {WIDTH}:

{format_batches(batches)}

![milliseconds an image by the number of searches that go on together]({stem}.png)

FC100-100-10, by the number of processes, the median of {SHARDS} times {SHARD} images each:

{format_workers(workers)}"""


def both(row):
    """ms (MB), or a dash where it was not measured."""
    return "-" if row is None else f"{page.cell(row['ms'])} ({page.cell(row['MB'])})"
