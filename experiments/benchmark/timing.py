"""What the benchmarks share: clocks, a net that counts its evaluations, names of the machine."""
import re
import time

import numpy as np

from experiments.shared.processes import run_in_processes
from nets.backend import name_device, to_device, to_host

REPEATS = 3


def time_fastest(function, *args):
    """Milliseconds of the fastest of REPEATS calls."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        to_host(function(*args)[0][:1])     # waits until a GPU has finished
        times.append(1000 * (time.perf_counter() - begin))
    return min(times)


def time_search(search, net, x, target):
    """{ms, evaluations} an image of search(net, x (N, ...), target), and the images it returns."""
    counting, begin = CountingNet(net), time.perf_counter()
    images = search(counting, x, target)
    return {"ms": 1000 * (time.perf_counter() - begin) / len(x),
            "evaluations": counting.evaluations / len(x)}, images


class CountingNet:
    """A net that counts the images in its calls of backward; it has all that D needs."""

    def __init__(self, net):
        self.net, self.evaluations = net, 0
        self.forward, self.predict = net.forward, net.predict

    def backward(self, dlogits, caches):
        self.evaluations += len(dlogits)
        return self.net.backward(dlogits, caches)


def measure_matrix_product(n=2048):
    """In a worker: GFLOP/s of an n x n float32 matrix product, the best of REPEATS."""
    a = to_device(np.random.default_rng(0).random((n, n), np.float32))
    return 2e-6 * n ** 3 / time_fastest(lambda: a @ a)


def describe_machine(numbers):
    """The machine, for titles: a thread or which GPU, and its rate.  numbers: device, GFLOP/s."""
    device = numbers["device"]
    unit = "a thread" if device == "CPU" else f"a GPU ({device})"
    return f"{unit} that reaches {numbers['GFLOP/s']:.0f} GFLOP/s in a float32 matrix product"


def name_page(*words):
    """The stem of a page: words with hyphens; on a GPU it ends with the GPU's name."""
    device = name_device()
    return "-".join([*words, *(re.findall(r"\w+", device) if device != "CPU" else ())])


def run_tasks(tasks, steps, quiet):
    """Run tasks in turn, in one worker, on one thread.

    Args:
        tasks: {name: (function, *arguments)}.
        steps: how often the functions call `tick`.
        quiet: show no progress bar.

    Returns:
        {name: result}.
    """
    done = run_in_processes(call_function, list(tasks.values()), 1, steps, "measuring", quiet)
    return {list(tasks)[i]: result for i, result in done}


def call_function(function, *arguments):
    """In a worker: function(*arguments)."""
    return function(*arguments)
