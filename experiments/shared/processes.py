"""Functions over processes, with a progress bar, through the standard Executor interface.

`mpiexec -n 4 python -m mpi4py.futures -m experiments.table2 ...` takes three ranks of MPI, on one
machine or many that share a file system, in place of processes: the same results, bit for bit.
"""
import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from tqdm import tqdm

from nets import backend

BLAS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                      "VECLIB_MAXIMUM_THREADS"), "1")

_ticks = None                               # in a worker: where it reports its progress


def over_processes(function, arguments, workers, steps, text, quiet, small=False):
    """Yield (i, function(*arguments[i])) as they are done, with a progress bar of `steps`.

    `function` reports its progress by `tick`; BLAS runs on one thread in each process.
    small: it makes so small steps that a GPU would be slower, so INTRIGUING_DEVICE=auto leaves
    them to the CPU.
    """
    on_cpu = backend.xp is np or (small and backend.DEVICE == "auto")
    environment = BLAS | {"INTRIGUING_DEVICE": "cpu" if on_cpu else backend.DEVICE}
    workers = workers or (os.cpu_count() if on_cpu else 1)
    pool, ticks = _executor(min(workers, len(arguments)), environment)
    waiting, ticked = {}, 0
    bar = tqdm(total=steps, desc=text, disable=quiet or None, leave=False,
               bar_format="{desc} {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left")
    strangers = set(multiprocessing.active_children())
    try:
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)      # workers are born deaf to
        os.environ.update(environment)                              # Ctrl-C: the parent hears it
        try:                                # a worker reads this when it imports NumPy and nets
            waiting = {pool.submit(function, *args): i for i, args in enumerate(arguments)}
        finally:
            signal.signal(signal.SIGINT, handler)
            os.environ["INTRIGUING_DEVICE"] = backend.DEVICE
        while waiting:
            ticked += _sum(ticks)
            bar.update(max(ticked, steps * (1 - len(waiting) / len(arguments))) - bar.n)
            for future in [f for f in waiting if f.done()]:
                yield waiting.pop(future), future.result()
    finally:
        bar.close()
        pool.shutdown(wait=not waiting, cancel_futures=True)
        if waiting:                         # Ctrl-C or an error: what others compute is not wanted
            for process in set(multiprocessing.active_children()) - strangers:
                process.terminate()


def _executor(workers, environment):
    """So many processes, and the queue of their ticks; or the ranks of MPI, which send none."""
    if "mpi4py.futures" in sys.modules:     # as `-m mpi4py.futures` leaves it, in the first rank
        from mpi4py import MPI
        from mpi4py.futures import MPIPoolExecutor
        if MPI.COMM_WORLD.size > 1:
            return MPIPoolExecutor(env=environment), queue.Queue()
    context = multiprocessing.get_context("spawn")
    ticks = context.Queue()
    return ProcessPoolExecutor(workers, context, _begin, (ticks,)), ticks


def _begin(ticks):
    global _ticks
    _ticks = ticks
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """A worker whose parent is killed does not go on for nobody."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _sum(ticks):
    """What came within a tenth of a second."""
    n = 0
    with contextlib.suppress(queue.Empty):
        n += ticks.get(timeout=0.1)
        while True:
            n += ticks.get_nowait()
    return n


def tick(n=1):
    """In a worker: move the progress bar on by n steps."""
    if _ticks:
        _ticks.put(n)
