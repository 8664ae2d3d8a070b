"""The speed of the search and its distortions on MNIST's nets, for experiments.benchmark."""
import copy
import functools
import math
import time
import tracemalloc
from unittest.mock import patch

import numpy as np
import scipy.optimize

import intriguing
from experiments.benchmark.timing import REPEATS, time_search
from experiments.shared import page
from experiments.shared.processes import run_in_processes, tick
from intriguing import D, distortion
from nets.backend import to_device, to_host, xp
from nets.losses import column, square
from nets.search import scipy_lbfgsb
from nets.search.answers import Result
from nets.search.rounds import make_engine

SMOOTH = ["FC10(1e-4)", "FC10(1)", "FC100-100-10", "FC200-200-10", "AE400-10"]
NETS = [*SMOOTH, "LeNet"]
IMAGES, FEW_IMAGES = 256, 64                # images of smooth nets, and of LeNet
BATCHES = (1, 4, 16, 64, 128, 256, 1024)    # numbers of searches together
WIDTH = intriguing.SEARCHES_AT_ONCE         # the number of searches together in D as it is
SHARD, SHARDS = 64, 16                      # images that a process takes at a time, and how often
TICKS = 3                                   # of `measure`
HOUR = 3.6e6                                # milliseconds
TOGETHER = "(a) D, many at once"
IMAGE_BY_IMAGE = "(b) image by image"
ONTO_BOUNDARY = "(c) D, onto the boundary"
BY_HAND = "(d) D by hand, float32"
DDN = "(e) DDN, float32"
DDN_STEPS = 100                             # of DDN
PRODUCTS, OTHER, SOLVER, PYTHON = ("dense and convolutional layers", "other layers",
                                   "SciPy's solver", "the rest: Python, loss, c")


def measure(net, x, target, smooth):
    """In a worker, on one thread: all measurements of one net.

    Args:
        net: the net.
        x: images (N, ...) that it labels right.
        target: (N,).
        smooth: whether the net is smooth.  If not, it is slow, and fewer images are searched.

    Returns:
        The results of `compare_searches`, `measure_shares` and `measure_batches`.
    """
    few = slice(IMAGES if smooth else FEW_IMAGES)
    most = BATCHES[-1] if smooth else IMAGES
    rows = compare_searches(net, x[few], target[few],
                            [TOGETHER, IMAGE_BY_IMAGE, ONTO_BOUNDARY, BY_HAND, DDN])
    return (rows, measure_shares(net, x[few], target[few]),
            measure_batches(net, x[:most], target[:most]))


def compare_searches(net, x, target, searches, repeats=REPEATS):
    """Run some of the searches (a) to (e) on the same images: {search: row of numbers}.

    Args:
        net: the net.
        x: images (N, ...).
        target: (N,).
        searches: names, TOGETHER to DDN; TOGETHER must be among them.
        repeats: how often each runs; the fastest run counts.

    Returns:
        {search: {ms, evaluations, times (a), distortion, found %, above best %}}, the first two an
        image.
    """
    functions = {TOGETHER: D, IMAGE_BY_IMAGE: functools.partial(D, solver=make_engine(one_by_one)),
                 ONTO_BOUNDARY: functools.partial(D, onto_boundary=True),
                 BY_HAND: functools.partial(D, solver="by-hand"), DDN: ddn}
    single = net.astype("float32")
    fastest = {}
    for _ in range(repeats):                # in turn, so that other jobs disturb all alike
        for how in searches:
            run = time_search(functions[how], single if how in (BY_HAND, DDN) else net, x, target)
            fastest[how] = min(fastest.get(how, run), run, key=lambda run: run[0]["ms"])
    sizes = np.array([distortion(x, images) for _, images in fastest.values()])
    best = np.fmin.reduce(sizes)            # of each image; NaN where no search found it
    for (row, _), size in zip(fastest.values(), sizes, strict=True):
        ok = np.isfinite(size)
        row |= {"times (a)": row["ms"] / fastest[TOGETHER][0]["ms"], "distortion": page.mean(size),
                "found %": 100 * float(ok.mean())}
        if best[ok].sum() > 0:
            row["above best %"] = 100 * float(size[ok].mean() / best[ok].mean() - 1)
    tick()
    return {how: row for how, (row, _) in fastest.items()}


def ddn(net, x, target, steps=DDN_STEPS, gamma=0.05):
    """x + r by DDN (decoupled direction and norm): Rony et al. (2019), algorithm 1, with a target.

    In each step r moves by a length a along -d loss / dr, gets the norm e, and is clipped to the
    box.  e shrinks by the share gamma where x + r has the label, and grows by it elsewhere.  a
    falls from 1 to 0.01 along a cosine.

    Returns:
        The nearest image with the label, (N, ...), NaN where no step had the label.
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
    """`scipy_lbfgsb.minimize` by SciPy's public function, one row after another."""
    z, evaluations = np.empty_like(z0), np.zeros(len(z0), int)
    ftol, gtol = (np.broadcast_to(tolerance, len(z0)) for tolerance in (ftol, gtol))

    def evaluate_row(row, i):
        value, gradient = evaluate(row[None], np.array([i]))
        return value[0], gradient[0]

    for i in range(len(z0)):
        with scipy_lbfgsb.ONE_THREAD():
            result = scipy.optimize.minimize(
                evaluate_row, z0[i], args=(i,), jac=True, method="L-BFGS-B",
                bounds=np.stack([lower[i], upper[i]], 1),
                options={"maxcor": corrections, "ftol": ftol[i], "gtol": gtol[i],
                         "maxiter": maxiter, "maxfun": np.inf, "maxls": scipy_lbfgsb.MAXLS})
        z[i], evaluations[i] = result.x, result.nfev
    return Result(z, evaluations)


def measure_shares(net, x, target):
    """{part: its share of D's time in %}.

    The solver's time is that in SciPy's compiled code, the layers' that in forward and backward.
    On a GPU, time counts for the part that waits for the result.
    """
    seconds = dict.fromkeys((PRODUCTS, OTHER, SOLVER), 0.0)

    def add_clock(part, function):
        def run(*args):
            begin = time.perf_counter()
            result = function(*args)
            seconds[part] += time.perf_counter() - begin
            return result
        return run

    net = copy.deepcopy(net)
    for layer in net.layers:
        part = PRODUCTS if layer.params else OTHER
        layer.forward = add_clock(part, layer.forward)
        layer.backward = add_clock(part, layer.backward)
    scipy_lbfgsb.setulb_works()             # its check runs once per process: now, not below
    with patch.object(scipy_lbfgsb, "setulb", add_clock(SOLVER, scipy_lbfgsb.setulb)):
        begin = time.perf_counter()
        D(net, x, target)
        total = time.perf_counter() - begin
    seconds[PYTHON] = total - sum(seconds.values())
    tick()
    return {part: 100 * s / total for part, s in seconds.items()}


def measure_batches(net, x, target):
    """{n: {ms an image, MB}} of D with n searches together, for every n that x has images for.

    ms: of the fastest of REPEATS runs over n images, or over FEW_IMAGES if n is less.  MB: the peak
    of the arrays and objects of one batch on the host, without its images.
    """
    rows_by_n = {}
    for n in (n for n in BATCHES if n <= len(x)):
        rows = slice(max(n, FEW_IMAGES))
        with patch.object(intriguing, "SEARCHES_AT_ONCE", n):
            ms = min(time_search(D, net, x[rows], target[rows])[0]["ms"] for _ in range(REPEATS))
            tracemalloc.start()
            D(net, x[:n], target[:n])
            rows_by_n[n] = {"ms": ms, "MB": tracemalloc.get_traced_memory()[1] / 1e6}
            tracemalloc.stop()
    tick()
    return rows_by_n


def measure_workers(net, x, target, counts, quiet):
    """{processes: images a second} of D in so many processes: the sum of their rates."""
    job = (net, x[:SHARD], target[:SHARD])
    return {n: sum(rate for _, rate in
                   run_in_processes(measure_rate, [job] * n, n, n, "measuring", quiet))
            for n in counts}


def measure_rate(net, x, target):
    """In a worker: how many images it searches a second, the median of SHARDS runs over x."""
    D(net, x[:4], target[:4])               # loads code and memory: not measured
    times = []
    for _ in range(SHARDS):
        begin = time.perf_counter()
        D(net, x, target)
        times.append(time.perf_counter() - begin)
    tick()
    return len(x) / float(np.median(times))


# ---- The page --------------------------------------------------------------------------------


def format_searches(search):
    """The searches in Markdown.  search: {net: {name: row}}; the first row has all columns."""
    columns = [*next(iter(next(iter(search.values())).values()))]
    rows = [[name, how, *(page.format_cell(row.get(column)) for column in columns)]
            for name, of_net in search.items() for how, row in of_net.items()]
    return page.format_table(["net", "search", *columns], rows)


def format_costs(search):
    """The cost of (a), the first search of each net, in Markdown.  search: {net: {name: row}}."""
    first = {name: next(iter(of_net.values())) for name, of_net in search.items()}
    return page.format_table(["net", "ms", "searches an hour"],
                             [[name, page.format_cell(row["ms"]), format_searches_an_hour(row)]
                              for name, row in first.items()])


def format_searches_an_hour(row):
    """How many searches one thread makes in an hour.  row: of a search, with its ms an image."""
    return f"{HOUR / row['ms']:,.0f}"


def format_shares(time):
    """The parts of the time of (a) in Markdown.  time: {net: of `measure_shares`}."""
    rows = [[name, *map(page.format_cell, of_net.values())] for name, of_net in time.items()]
    return page.format_table(["net", *next(iter(time.values()))], rows)


def format_batches(batches):
    """ms (MB) by the number of searches together, in Markdown.  batches: {net: {n: row}}."""
    sizes = sorted({n for of_net in batches.values() for n in of_net}, key=int)
    rows = [[name, *(format_ms_and_mb(of_net.get(n)) for n in sizes)]
            for name, of_net in batches.items()]
    return page.format_table(["net", *sizes], rows)


def format_workers(workers):
    """Images a second by the number of processes, in Markdown.  workers: {processes: images}."""
    one = next(iter(workers.values()))      # the first row is that of one process
    return page.format_table(["processes", "images a second", "times 1"],
                             [[n, page.format_cell(rate), page.format_cell(rate / one)]
                              for n, rate in workers.items()])


def format_details(time, batches, workers, stem):
    """The page's tables of time, batches and processes.  stem: the name of the page's picture.

    time, batches, workers: as for `format_shares`, `format_batches` and `format_workers`.
    """
    return f"""\
The parts of the time of (a), in %:

{format_shares(time)}

Milliseconds an image by the number of searches together, and in brackets the MB that they take on \
the host; D has {WIDTH} searches together:

{format_batches(batches)}

![milliseconds an image by the number of searches together]({stem}.png)

FC100-100-10, by the number of processes, each with the median of {SHARDS} times {SHARD} images:

{format_workers(workers)}"""


def format_ms_and_mb(row):
    """ms (MB), or a dash for None."""
    return "-" if row is None else f"{page.format_cell(row['ms'])} ({page.format_cell(row['MB'])})"
