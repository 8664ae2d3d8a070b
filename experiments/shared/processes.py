"""Run a function in many processes, with a progress bar, by the standard Executor interface.

`mpiexec -n 4 python -m mpi4py.futures -m experiments.table2 ...` uses three ranks of MPI in place
of processes, on one machine or on many that share a file system.  The results are the same, bit
for bit.
"""
import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

import numpy as np
from tqdm import tqdm

from nets import backend

ONE_BLAS_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                                 "VECLIB_MAXIMUM_THREADS"), "1")

ENDS = signal.SIGTERM, signal.SIGHUP        # signals that end a worker
NO_GUARD = 3                                # exit status of a worker that would start workers

_ticks = None                               # in a worker: the queue for its progress


def run_in_processes(function, arguments, workers, steps, text, quiet, small=False):
    """Call a function with many arguments in worker processes; BLAS has one thread in each.

    Args:
        function: it tells its progress by `tick`.
        arguments: a list of tuples, one a call.
        workers: the number of processes; 0 means one for each core, or one on a GPU.
        steps: the length of the progress bar, in ticks.
        text: stands before the progress bar.
        quiet: show no progress bar.
        small: the function's steps are so small that a GPU would be slower; then
            INTRIGUING_DEVICE=auto takes the CPU.

    Yields:
        (i, function(*arguments[i])), in the order in which they end.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(NO_GUARD)                  # a worker, which still imports the script
    # The ranks of MPI live on from call to call: they choose their library once.
    leave = small and backend.DEVICE == "auto" and "mpi4py.futures" not in sys.modules
    on_cpu = backend.xp is np or leave
    environment = ONE_BLAS_THREAD | {"INTRIGUING_DEVICE": "cpu" if on_cpu else "gpu"}
    workers = workers or (os.cpu_count() if on_cpu else 1)
    not_ours = set(multiprocessing.active_children())
    with _ignore(signal.SIGINT, signal.SIGHUP):     # what starts here inherits this
        pool, ticks = _start_executor(min(workers, len(arguments)), environment)
    waiting, progress, ours = {}, 0, set()
    bar = tqdm(total=steps, desc=text, disable=quiet or None, leave=False,
               bar_format="{desc} {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left")
    try:
        os.environ.update(environment)      # a worker reads this when it imports NumPy and nets
        try:
            with _ignore(signal.SIGINT, signal.SIGHUP):
                waiting = {pool.submit(_run_job, function, *args): i
                           for i, args in enumerate(arguments)}
        finally:
            os.environ["INTRIGUING_DEVICE"] = backend.DEVICE
        ours = set(multiprocessing.active_children()) - not_ours
        while waiting:
            progress = min(steps, progress + _sum_ticks(ticks))
            bar.update(max(progress, steps * (1 - len(waiting) / len(arguments))) - bar.n)
            for future in [f for f in waiting if f.done()]:
                yield waiting.pop(future), future.result()
    except BrokenExecutor:
        if any(process.exitcode == NO_GUARD for process in ours):
            sys.exit(f"{sys.argv[0]}: worker processes import this script; put what it runs below "
                     'if __name__ == "__main__":')
        raise
    finally:
        bar.close()
        pool.shutdown(wait=not waiting, cancel_futures=True)
        if waiting:                         # Ctrl-C or an error: end what the others compute
            for process in set(multiprocessing.active_children()) - not_ours:
                process.terminate()


@contextlib.contextmanager
def _ignore(*numbers):
    """Ignore these signals, as do the processes that start here."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _start_executor(workers, environment):
    """So many processes, and the queue of their ticks; or the ranks of MPI, which send no ticks."""
    if "mpi4py.futures" in sys.modules:     # in the first rank, after `-m mpi4py.futures`
        from mpi4py import MPI
        from mpi4py.futures import MPIPoolExecutor
        if MPI.COMM_WORLD.size > 1:
            return MPIPoolExecutor(env=environment), queue.Queue()
    context = multiprocessing.get_context("spawn")
    try:
        ticks = context.Queue()
        return ProcessPoolExecutor(workers, context, _start_worker, (ticks,)), ticks
    except OSError as error:
        raise OSError(f"worker processes cannot start ({error.strerror}): they need room in "
                      "/dev/shm, where they may write (in Docker: --shm-size), and open files "
                      "(ulimit -n)") from error


def _start_worker(ticks):
    global _ticks
    _ticks = ticks
    ticks.cancel_join_thread()              # a worker that ends waits for nobody
    for number in ENDS:
        signal.signal(number, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end(*_):
    """End this worker, but first its `with` blocks, which clear temporary files."""
    for number in ENDS:                     # a second signal would end them half-way
        signal.signal(number, lambda *_: None)      # with SIG_IGN, a pending one prints a line
    sys.exit(1)


def _run_job(function, *args):
    """In a worker: function(*args); a signal ends the worker, not the job alone."""
    try:
        return function(*args)
    except SystemExit:
        os._exit(1)


def _end_with_parent():
    """End this worker when its parent ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)      # they are to wake the main thread
    multiprocessing.parent_process().join()
    os._exit(1)


def _sum_ticks(ticks):
    """The sum of the ticks that come within a tenth of a second."""
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
