"""What the benchmarks share: time, memory, and the evaluations of a net."""
import re
import time

import numpy as np

from experiments.shared.processes import over_processes
from nets.backend import name_device, to_device, to_host

REPEATS = 3


def fastest(function, *args):
    """Milliseconds of the fastest of REPEATS calls."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        to_host(function(*args)[0][:1])     # a GPU has then finished
        times.append(1000 * (time.perf_counter() - begin))
    return min(times)


def timed(search, net, x, target):
    """{ms, evaluations} an image of search(net, x (N, ...), target), and what it found."""
    counting, begin = Counting(net), time.perf_counter()
    images = search(counting, x, target)
    return {"ms": 1000 * (time.perf_counter() - begin) / len(x),
            "evaluations": counting.evaluations / len(x)}, images


class Counting:
    """A net that counts the images whose gradient it is asked for; all that D wants of one."""

    def __init__(self, net):
        self.net, self.evaluations = net, 0
        self.forward, self.predict = net.forward, net.predict

    def backward(self, dlogits, caches):
        self.evaluations += len(dlogits)
        return self.net.backward(dlogits, caches)


def matrix_product(n=2048):
    """In a worker: GFLOP/s of an n x n float32 matrix product, the best of REPEATS."""
    a = to_device(np.random.default_rng(0).random((n, n), np.float32))
    return 2e-6 * n ** 3 / fastest(lambda: a @ a)


def describe_machine(numbers):
    """What the titles say, of numbers {device, GFLOP/s}: a thread, or which GPU, and how fast."""
    device = numbers["device"]
    unit = "a thread" if device == "CPU" else f"a GPU ({device})"
    return f"{unit} that reaches {numbers['GFLOP/s']:.0f} GFLOP/s in a float32 matrix product"


def name_page(*words):
    """The stem of a page: its words with hyphens; those of a GPU end with the GPU's name."""
    device = name_device()
    return "-".join([*words, *(re.findall(r"\w+", device) if device != "CPU" else ())])


def measured(tasks, steps, quiet):
    """{name: function(*arguments)} of tasks {name: (function, *arguments)}.

    In turn, in one worker, on one thread.
    """
    done = over_processes(call, list(tasks.values()), 1, steps, "measuring", quiet)
    return {list(tasks)[i]: result for i, result in done}


def call(function, *arguments):
    """In a worker: function(*arguments)."""
    return function(*arguments)
