"""Trained nets and distorted images: computed once, over processes, or loaded from runs/cache.

Every file is written whole, under a name that says what it depends on, by the worker that made
it, as soon as it is done: an interrupted run goes on where it stopped.  (Workers send no result
back: if one were killed while it sends much, the parent would wait forever for the rest.)  A shard
has fixed members, each evaluated on one thread: the results are the same, bit for bit, for any
number of workers.
"""
import inspect
from pathlib import Path

import numpy as np

import data as datasets
import intriguing
from data import strokes
from experiments.shared import cli
from experiments.shared.fingerprint import fingerprint
from experiments.shared.models import MODELS, build, choose_training, parse_name, rows_of_part
from experiments.shared.processes import run_in_processes, tick
from experiments.shared.samples import random_stream
from intriguing import D
from nets import backend, store
from nets.search import scipy_lbfgsb

CACHE = Path(__file__).parents[2] / "runs" / "cache"
SHARD = intriguing.SEARCHES_AT_ONCE         # images a shard: on a CPU half a second, a few MB
# What trains a net is not named by the search's code, except for the solver of full-batch training.
SEARCH = ("nets.search",)
SOLVER = [scipy_lbfgsb.minimize_together, scipy_lbfgsb.run_together, scipy_lbfgsb.Solver]


# ---- Trained nets ----------------------------------------------------------------------------


def load_or_train(names, data, seed, method, workers, quiet):
    """{name: net}: the named nets, trained on the data set or loaded, in float64.

    Args:
        names: see models.Name.
        data: the data set's name.
        method: "adam" or "lbfgs".
    """
    nets, paths, jobs, small = {}, {}, {}, set()
    for name in names:
        nets[name], training = build(name, seed), choose_training(name, method)
        code = [inspect.getmodule(training.fit), train_net, rows_of_part, random_stream, *SOLVER,
                *([strokes] if data == "strokes" else [])]
        mark = fingerprint(nets[name], MODELS[parse_name(name).base].lams, code=code, apart=SEARCH)
        paths[name] = CACHE / data / f"{name}, seed {seed}, {training.tag}, {mark[:8]}.npz"
        jobs[name] = name, data, seed, method
        if training.small_steps:
            small.add(name)
    return train_missing(nets, paths, train_net, jobs, workers, quiet, small)


def train_missing(nets, paths, function, jobs, workers, quiet, small):
    """{name: net}, in float64: loaded from their files, after those without a file are trained.

    Args:
        nets: {name: net before training}.
        paths: {name: its file}.
        function: function(*jobs[name]) gives the net trained, in a worker, and ticks 100 times.
        small: names of those that are trained in small steps, see `run_in_processes`.
    """
    todo = {True: [], False: []}            # on a CPU all together, so that no core waits
    for name in nets:
        if not paths[name].exists():
            todo[name in small and backend.xp is not np].append(
                (paths[name], function, jobs[name]))
    for are_small, some in todo.items():
        if some:
            cli.check_writable(some[0][0].parent, "trained nets are kept there")
            list(run_in_processes(train_and_save, some, workers, 100 * len(some), "training", quiet,
                                  are_small))
    for name, net in nets.items():
        store.load(paths[name], net, store.load_sealed)
    return {name: net.astype("float64") for name, net in nets.items()}


def train_and_save(path, function, job):
    """In a worker: the net that function(*job) gives, to its file."""
    store.save(path, function(*job), store.save_sealed)


def train_net(name, data, seed, method):
    """In a worker: the named net, trained.  Arguments as for `load_or_train`."""
    base, _, part, reading = parse_name(name)
    _, (x, t), _ = datasets.load(data, quiet=True)
    rows, net = rows_of_part(len(x), part, seed), build(name, seed)
    choose_training(name, method).fit(
        net, MODELS[base].lams, backend.to_device(x[rows]), backend.to_device(t[rows]),
        random_stream(seed, "batches"), reading, lambda share: tick(100 * share))
    return net


# ---- Distorted images ------------------------------------------------------------------------


def load_or_search(nets, x, t, targets, data, solver, workers, quiet):
    """{name: D(x, l) for that net}, from the cache or computed, shard by shard.

    Args:
        nets: {name: net}.
        x: (N, ...) in [0, 1].
        t: (N,) true labels.
        targets: (N,) the wanted labels, or None for the nearest of all wrong ones.
        data: the data set's name.
        solver: as for D, by name.

    Returns:
        Arrays (N, ...) float32: x itself where the net gets x wrong, NaN where none was found.
    """
    shards = [slice(i, i + SHARD) for i in range(0, len(x), SHARD)]
    solver = intriguing.choose_solver(solver)
    jobs, paths = [], []
    for net in nets.values():
        mark = fingerprint(net, code=[intriguing, search_shard])    # once: it has many parameters
        for s in shards:
            job = x[s], t[s], None if targets is None else targets[s], solver
            jobs.append((net, *job))
            paths.append(CACHE / data / "distorted" / f"{fingerprint(mark, *job)}.npz")
    todo = [(path, *job) for path, job in zip(paths, jobs, strict=True) if not path.exists()]
    if todo:
        cli.check_writable(paths[0].parent, "found images are kept there")
        steps = sum(len(x) for _, _, x, *_ in todo)
        list(run_in_processes(search_and_save, todo, workers, steps, "searching", quiet))
    images = {name: np.empty_like(x) for name in nets}
    places = [of_net[s] for of_net in images.values() for s in shards]
    for place, path in zip(places, paths, strict=True):
        place[...] = load_shard(path, place.shape)
    return images


def load_shard(path, shape):
    """The images (n, ...) in a shard's file; ValueError if it holds anything else.

    They are in [0, 1], or NaN as a whole.
    """
    images = store.Expected(shape, (np.float32,), 0, 1, nan=True)
    return store.load_sealed(path, {"images": images})["images"]


def search_and_save(path, *job):
    """In a worker: what `search_shard` finds, to the shard's file."""
    store.save_sealed(path, images=search_shard(*job))


def search_shard(net, x, t, targets, solver):
    """D for one shard of n images (n, ...); arguments as for `load_or_search`."""
    images = x.copy()
    right = np.flatnonzero(net.predict(x.astype(float)) == t)
    if len(right):
        images[right] = D(net, x[right], None if targets is None else targets[right],
                          solver=solver, tick=tick)
    tick(len(x) - len(right))
    return images
