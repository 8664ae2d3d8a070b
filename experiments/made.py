"""Trained nets and distorted images: computed once, over processes, or loaded from runs/cache.

Every file is written whole, under a name that says what it depends on, as soon as it is done:
an interrupted run goes on where it stopped.  The unit of a search is a shard of fixed members,
each evaluated on one thread: the results are the same, bit for bit, for any number of workers.
"""
import contextlib
import hashlib
import multiprocessing
import os
import queue
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

import data as datasets
import intriguing
from experiments import common
from nets import autoencoder, backend, fc, lbfgs, store, train

CACHE = Path(__file__).parent.parent / "runs" / "cache"
SHARD = 64                                  # images a shard: half a second, a few MB
BLAS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_ticks = None                               # in a worker: where it reports its progress


def over_processes(function, arguments, workers, steps, text, quiet):
    """Yield (i, function(*arguments[i])) as they are done, with a progress bar of `steps`.

    `function` reports its progress by `tick`; BLAS runs on one thread in each process.
    """
    os.environ.update(dict.fromkeys(BLAS, "1"))         # read when a worker imports NumPy
    workers = workers or (os.cpu_count() if backend.xp is np else 1)
    context = multiprocessing.get_context("spawn")
    ticks = context.Queue()
    pool = ProcessPoolExecutor(min(workers, len(arguments)), context, _begin, (ticks,))
    waiting = {}
    bar = tqdm(total=steps, desc=text, disable=quiet or None, leave=False,
               bar_format="{desc} {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left")
    try:
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)      # workers are born deaf to
        waiting = {pool.submit(function, *args): i for i, args in enumerate(arguments)}
        signal.signal(signal.SIGINT, handler)                       # Ctrl-C: the parent hears it
        while waiting:
            bar.update(_sum(ticks))
            for future in [f for f in waiting if f.done()]:
                yield waiting.pop(future), future.result()
    finally:
        bar.close()
        pool.shutdown(wait=not waiting, cancel_futures=True)
        if waiting:                         # Ctrl-C or an error: what others compute is not wanted
            for process in multiprocessing.active_children():
                process.terminate()


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


class Job(NamedTuple):
    """What Tables 1 and 2 and Figure 7 share: data, nets, and images distorted for each."""
    data: str                               # the data set's name
    train: tuple                            # (x, t), all of them
    test: tuple
    x: np.ndarray                           # (N, 1, 28, 28), the images that are attacked
    t: np.ndarray                           # (N,) their labels
    nets: dict                              # {name: net}
    images: dict                            # {name: (N, 1, 28, 28)}, as `distorted` gives them
    searched: dict                          # {name: (N,) which of them the net had right}
    how: str                                # targets and training, for the caption


def prepare(names, data, count, seed, targets, method, workers, quiet):
    """Load, sample, train and search, each once: the Job for these flags."""
    if targets not in ("random", "nearest"):
        raise ValueError(f"--targets {targets}: choose random or nearest")
    data, train_set, test_set = common.load(data, quiet)
    rows, wanted = common.sample(train_set[1], count, seed)
    x, t = train_set[0][rows], train_set[1][rows]
    nets = trained(names, data, seed, method, workers, quiet)
    images = distorted(nets, x, t, wanted if targets == "random" else None, data, workers, quiet)
    searched = {name: net.predict(x.astype(float)) == t for name, net in nets.items()}
    how = {"random": "each with a target drawn from the nine wrong labels",
           "nearest": "each with the nearest of all nine wrong labels"}[targets]
    return Job(data, train_set, test_set, x, t, nets, images, searched,
               f"{how}; nets trained by {method}")


def caption(job):
    """What was attacked, how, and what was left out."""
    wrong = ", ".join(f"{name} {(~ok).sum()}" for name, ok in job.searched.items())
    lost = sum(int(np.isnan(job.images[name][ok, 0, 0, 0]).sum())
               for name, ok in job.searched.items())
    return (f"{len(job.x):,} training images of {common.describe(job.data)}, {job.how}.  Left as "
            f"they are and out of the average distortion, because the net has them wrong "
            f"already: {wrong}.  Not found: {lost}.")


# ---- Trained nets ----------------------------------------------------------------------------

METHODS = ("adam", "lbfgs")
EPOCHS, RATE = 30, 0.002                    # of Adam
ITERATIONS, LINEAR_ITERATIONS = 1000, 100   # of L-BFGS; the linear nets' cost is convex


def trained(names, data, seed, method, workers, quiet, reading="half"):
    """{name: net}: the named nets, trained on the data set or loaded from the cache, in float64.

    names: see `build`.  method: "adam" or "lbfgs", see `train_net`.  reading: of the weight
    decay, a key of train.DECAYS.
    """
    if method not in METHODS:
        raise ValueError(f"--train {method}: choose one of {', '.join(METHODS)}")
    nets = {name: build(name, seed) for name in names}
    paths = {name: CACHE / data / f"{name}, seed {seed}, {method}, {reading} decay.npz"
             for name in names}
    todo = [name for name in names if not paths[name].exists()]
    if todo:
        jobs = [(name, data, seed, method, reading) for name in todo]
        with contextlib.closing(over_processes(train_net, jobs, workers, 100 * len(jobs),
                                               "training", quiet)) as done:
            for i, net in done:
                store.save(paths[todo[i]], net)
    for name, net in nets.items():
        store.load(paths[name], net)
    return {name: net.astype("float64") for name, net in nets.items()}


def build(name, seed):
    """The named net as it is before training, float32.

    name: a key of fc.NETS or AE400-10; followed by " again", it starts from the next seed.
    """
    base = name.removesuffix(" again")
    rng = np.random.default_rng(seed + (base != name))
    if base == "AE400-10":
        return autoencoder.ae(rng).astype("float32")
    if base not in fc.NETS:
        raise ValueError(f"no net is called {name!r}; choose one of {', '.join(fc.NETS)}, "
                         "AE400-10")
    return fc.fc(fc.NETS[base][0], rng).astype("float32")


def train_net(name, data, seed, method, reading):
    """In a worker: the named net, trained.

    Linear nets, whose cost is convex, by L-BFGS always; the others by Adam, or by L-BFGS, which
    is believed to be the paper's way, takes 5 minutes or more and ends nearer to its Table 1.
    """
    _, (x, t), _ = datasets.load(data, quiet=True)
    x, t = backend.to_device(x), backend.to_device(t)
    net = build(name, seed)
    rng = np.random.default_rng([seed, 1])
    if name == "AE400-10":
        autoencoder.fit(net, x, t, rng, lambda share: tick(100 * share))
        return net
    sizes, lams = fc.NETS[name.removesuffix(" again")]
    cost = train.classification(net, lams, reading)
    if method == "lbfgs" or len(sizes) == 2:
        iterations = LINEAR_ITERATIONS if len(sizes) == 2 else ITERATIONS
        train.fit_lbfgs(net.params, cost, x, t, iterations, lambda _: tick(100 / iterations))
    else:
        train.fit_adam(net.params, cost, x, t, EPOCHS, RATE, rng, tick=lambda _: tick(100 / EPOCHS))
    return net


# ---- Distorted images ------------------------------------------------------------------------


def distorted(nets, x, t, targets, data, workers, quiet):
    """{name: D(x, l) for that net}, from the cache or computed, shard by shard.

    nets: {name: net}.  x: (N, ...) in [0, 1].  t: (N,) true labels.  targets: (N,) the wanted
    labels, or None for the nearest over all nine wrong ones.  data: the data set's name.
    Returns arrays (N, ...) float32: x itself where the net gets x wrong, NaN where none was found.
    """
    shards = [slice(i, i + SHARD) for i in range(0, len(x), SHARD)]
    jobs = [(net, x[s], t[s], None if targets is None else targets[s])
            for net in nets.values() for s in shards]
    paths = [CACHE / data / "distorted" / f"{digest(*job)}.npz" for job in jobs]
    todo = [i for i, path in enumerate(paths) if not path.exists()]
    if todo:
        with contextlib.closing(over_processes(distort, [jobs[i] for i in todo], workers,
                                               len(todo), "searching", quiet)) as done:
            for i, images in done:
                store.save_arrays(paths[todo[i]], images=images)
    images = [store.load_arrays(path)["images"] for path in paths]
    return {name: np.concatenate(images[k * len(shards):(k + 1) * len(shards)])
            for k, name in enumerate(nets)}


def distort(net, x, t, targets):
    """In a worker: D for one shard of n images (n, ...); arguments as for `distorted`."""
    images = x.copy()
    right = np.flatnonzero(net.predict(x.astype(float)) == t)
    if len(right):
        images[right] = intriguing.D(net, x[right], targets[right]) if targets is not None \
            else nearest_wrong(net, x[right], t[right])
    tick()
    return images


def nearest_wrong(net, x, t):
    """The nearest of D(x, l) over the nine labels l that are not t: (N, ...), NaN if none."""
    found = [intriguing.D(net, x, (t + k) % 10) for k in range(1, 10)]
    size = np.nan_to_num([intriguing.distortion(x, images) for images in found], nan=np.inf)
    return np.array(found)[size.argmin(0), np.arange(len(x))]


def digest(net, *arrays):
    """A name for what a shard depends on: weights, arrays (n, ...), and the code of the search."""
    sha = hashlib.sha256()
    for a in [*map(backend.to_host, net.params), *arrays]:
        sha.update(b"none" if a is None else str((a.dtype, a.shape)).encode() + a.tobytes())
    for module in (intriguing, lbfgs):
        sha.update(Path(module.__file__).read_bytes())
    return sha.hexdigest()[:32]
