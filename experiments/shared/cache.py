"""Trained nets and distorted images: computed once, over processes, or loaded from runs/cache.

Every file is written whole, under a name that says what it depends on, by the worker that made
it, as soon as it is done: an interrupted run goes on where it stopped.  (Workers send no result
back: one that were killed while it sends much would leave a piece, whose rest is waited for
forever.)  The unit of a search is a shard of fixed members, each evaluated on one thread: the
results are the same, bit for bit, for any number of workers.
"""
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

import data as datasets
import intriguing
from experiments.shared import cli, page, samples
from experiments.shared.processes import over_processes, tick
from intriguing import D, distortion
from nets import backend, losses, store
from nets import net as net_module
from nets.layers import basic, conv, windows
from nets.models import alexnet, autoencoder, fc, lenet
from nets.search import answers, boundary, by_hand, checks, lbfgs, line_search, scipy_lbfgsb
from nets.training import costs, loop, optimisers

CACHE = Path(__file__).parents[2] / "runs" / "cache"
SHARD = intriguing.WIDTH                    # images a shard: on a CPU half a second, a few MB

TARGETS = {"random": "each with a target drawn from the nine wrong labels",     # for captions
           "nearest": "each with the nearest of all nine wrong labels"}


class Job(NamedTuple):
    """What the tables and Figure 7 share: data, nets, and images distorted for each."""
    data: str                               # the data set's name
    train: tuple                            # (x, t), all of them
    test: tuple
    attacked: str                           # "training" or "test": of which x are a sample
    x: np.ndarray                           # (N, 1, 28, 28), the images that are attacked
    t: np.ndarray                           # (N,) their labels
    nets: dict                              # {name: net}
    images: dict                            # {name: (N, 1, 28, 28)}, as `distorted` gives them
    searched: dict                          # {name: (N,) which of them the net had right}
    how: str                                # targets and training, for the caption


def prepare(names, data, count, seed, targets, method, solver="auto", workers=0, quiet=False,
            attacked="training"):
    """Load, sample, train and search, each once: the Job for these flags.

    names: of the nets, see `build`.  attacked: the "training" or the "test" images.  The others
    are flags, see cli.FLAGS; method is --train.
    """
    data, train_set, test_set = samples.load(data, quiet)
    x, t = {"training": train_set, "test": test_set}[attacked]
    rows, wanted = samples.sample(t, count, seed)
    x, t = x[rows], t[rows]
    nets = trained(names, data, seed, method, workers, quiet)
    images = distorted(nets, x, t, wanted if targets == "random" else None, data, solver, workers,
                       quiet)
    searched = {name: net.predict(x) == t for name, net in nets.items()}
    return Job(data, train_set, test_set, attacked, x, t, nets, images, searched,
               f"{TARGETS[targets]}.  {trained_how(names, method)}")


def searches(job, name):
    """What the search for a net gave: {av. min. distortion, searched, not found}."""
    size = samples.in_parts(distortion, job.x, job.images[name])[job.searched[name]]
    return {"av. min. distortion": page.mean(size), "searched": len(size),
            "not found": int(np.isnan(size).sum())}


def caption(job):
    """What was attacked, how, and what was left out."""
    wrong = ", ".join(f"{name} {(~ok).sum()}" for name, ok in job.searched.items())
    lost = sum(searches(job, name)["not found"] for name in job.nets)
    return (f"{len(job.x):,} {job.attacked} images of {page.describe(job.data)}, {job.how}.  "
            f"Left as they are and out of the average distortion, because the net has them wrong "
            f"already: {wrong}.  Not found: {lost}.")


# ---- Trained nets ----------------------------------------------------------------------------

METHODS = {"adam": "Adam", "lbfgs": "full-batch L-BFGS"}
EPOCHS, RATE = 30, 0.01                     # of Adam
ITERATIONS = 1000                           # of L-BFGS; linear nets, convex, stop before


def trained(names, data, seed, method, workers, quiet, reading="half"):
    """{name: net}: the named nets, trained on the data set or loaded from the cache, in float64.

    names: see `build`.  method: "adam" or "lbfgs", see `train_net`.  reading: of the weight
    decay, a key of costs.DECAYS.
    """
    if method not in METHODS:
        raise ValueError(f"--train {method}: choose one of {', '.join(METHODS)}")
    nets = {name: build(name, seed) for name in names}
    paths = {name: CACHE / data / f"{name}, seed {seed}, {way(name, method)}, {reading} decay.npz"
             for name in names}
    jobs = {name: (name, data, seed, method, reading) for name in names}
    small = {name for name in names if way(name, method).startswith("adam")} - {"LeNet"}
    return kept_nets(nets, paths, train_net, jobs, workers, quiet, small)


def kept_nets(nets, paths, function, jobs, workers, quiet, small):
    """{name: net}, in float64: those that their files hold; what is in no file is trained first.

    nets: {name: net before training}.  paths: {name: its file}.  In a worker, function(*jobs[name])
    gives the net trained, and ticks 100 times on the way.  small: those that are trained in small
    steps, see `over_processes`.
    """
    todo = {True: [], False: []}            # on a CPU all together, so that no core waits
    for name in nets:
        if not paths[name].exists():
            todo[name in small and backend.xp is not np].append(
                (paths[name], function, jobs[name]))
    for are_small, some in todo.items():
        if some:
            cli.writable(some[0][0].parent, "trained nets are kept there")
            list(over_processes(keep_trained, some, workers, 100 * len(some), "training", quiet,
                                are_small))
    for name, net in nets.items():
        store.load(paths[name], net)
    return {name: net.astype("float64") for name, net in nets.items()}


def keep_trained(path, function, job):
    """In a worker: the net that function(*job) gives, to its file."""
    store.save(path, function(*job))


def trained_how(names, method):
    """How the named nets are trained, for a caption."""
    kinds = {"sigmoid nets": METHODS[method], "linear ones": "L-BFGS", "LeNet": "Adam",
             "AE400-10": "Adam (the code) and L-BFGS (its softmax)"}
    of = dict.fromkeys("linear ones" if name.startswith("FC10(") else
                       "sigmoid nets" if name.startswith("FC") else name for name in names)
    return "Trained: " + ", ".join(f"{kind} by {kinds[kind]}" for kind in kinds if kind in of)


def way(name, method):
    """How the net is trained, as its file's name says: linear nets by L-BFGS always."""
    name = parse(name).base
    if name == "AE400-10":
        return f"adam {autoencoder.EPOCHS} x {autoencoder.RATE}"
    if name == "LeNet":
        return f"adam {lenet.EPOCHS} x {lenet.RATE}"
    if method == "lbfgs" or name.startswith("FC10("):
        return f"lbfgs {ITERATIONS}"
    return f"adam {EPOCHS} x {RATE}"


class Name(NamedTuple):
    """A net's name, read: what its sizes are called, whether it starts anew, trained on what."""
    base: str
    again: bool
    part: str


def parse(name):
    """"FC100-100-10 again on P2" -> FC100-100-10, from the next seed, on P2; else on "all"."""
    name, on, part = name.partition(" on ")
    return Name(name.removesuffix(" again"), name.endswith(" again"), part if on else "all")


def build(name, seed):
    """The named net as it is before training, float32.

    name: a key of fc.NETS, AE400-10 or LeNet; followed by " again", it starts from the next
    seed; followed by " on P1" or " on P2", it is trained on that half of the training set.
    """
    base, again, _ = parse(name)
    rng = np.random.default_rng(seed + again)
    if base == "AE400-10":
        return autoencoder.ae(rng).astype("float32")
    if base == "LeNet":
        return lenet.lenet(rng).astype("float32")
    if base not in fc.NETS:
        raise ValueError(f"no net is called {base!r}; choose one of {', '.join(fc.NETS)}, "
                         "AE400-10, LeNet")
    return fc.fc(fc.NETS[base][0], rng).astype("float32")


def part_of(N, part, seed):
    """Which of N training images a net is trained on: "all", or one of the halves "P1", "P2".

    Section 4.2, Table 3: P1 and P2 are disjoint, drawn by seed, and cover everything.
    """
    order = np.random.default_rng([seed, 43]).permutation(N)
    halves = {"all": slice(None), "P1": order[:N // 2], "P2": order[N // 2:]}
    if part not in halves:
        raise ValueError(f"no part of the training set is called {part!r}; choose P1 or P2")
    return halves[part]


def train_net(name, data, seed, method, reading):
    """In a worker: the named net, trained.

    L-BFGS is believed to be the paper's way; it takes 5 minutes or more and ends nearer to its
    Table 1.  Linear nets, whose cost is convex, are trained by it always.
    """
    base, _, part = parse(name)
    _, (x, t), _ = datasets.load(data, quiet=True)
    rows = part_of(len(x), part, seed)
    x, t = backend.to_device(x[rows]), backend.to_device(t[rows])
    net = build(name, seed)
    rng = np.random.default_rng([seed, 1])
    if base in ("AE400-10", "LeNet"):
        fit = {"AE400-10": autoencoder.fit, "LeNet": lenet.fit}[base]
        fit(net, x, t, rng, lambda share: tick(100 * share))
        return net
    cost = costs.classification(net, fc.NETS[base][1], reading)
    if way(name, method).startswith("lbfgs"):
        optimisers.fit_lbfgs(net.params, cost, x, t, ITERATIONS, lambda _: tick(100 / ITERATIONS))
    else:
        loop.fit_adam(net.params, cost, x, t, EPOCHS, RATE, rng, tick=lambda _: tick(100 / EPOCHS))
    return net


# ---- Distorted images ------------------------------------------------------------------------


def distorted(nets, x, t, targets, data, solver, workers, quiet):
    """{name: D(x, l) for that net}, from the cache or computed, shard by shard.

    nets: {name: net}.  x: (N, ...) in [0, 1].  t: (N,) true labels.  targets: (N,) the wanted
    labels, or None for the nearest over all nine wrong ones.  data: the data set's name.
    solver: as for D, by name.
    Returns arrays (N, ...) float32: x itself where the net gets x wrong, NaN where none was found.
    """
    shards = [slice(i, i + SHARD) for i in range(0, len(x), SHARD)]
    solver = intriguing.choose_solver(solver)
    jobs = [(net, x[s], t[s], None if targets is None else targets[s], solver)
            for net in nets.values() for s in shards]
    paths = [CACHE / data / "distorted" / f"{digest(*job)}.npz" for job in jobs]
    todo = [(path, *job) for path, job in zip(paths, jobs, strict=True) if not path.exists()]
    if todo:
        cli.writable(paths[0].parent, "found images are kept there")
        steps = sum(len(x) for _, _, x, *_ in todo)
        list(over_processes(keep_distorted, todo, workers, steps, "searching", quiet))
    images = {name: np.empty_like(x) for name in nets}
    places = [of_net[s] for of_net in images.values() for s in shards]
    for place, path in zip(places, paths, strict=True):
        place[...] = kept(path, place.shape)
    return images


def kept(path, shape):
    """The images in a shard's file, or ValueError if they are not of this shape (n, ...)."""
    arrays = store.load_arrays(path)
    if set(arrays) != {"images"} or arrays["images"].shape != shape:
        raise ValueError(f"{path}: holds {({k: a.shape for k, a in arrays.items()})}, not images "
                         f"{shape}; delete it and run again")
    return arrays["images"]


def keep_distorted(path, *job):
    """In a worker: what `distort` finds, to the shard's file."""
    store.save_arrays(path, images=distort(*job))


def distort(net, x, t, targets, solver):
    """D for one shard of n images (n, ...); arguments as for `distorted`."""
    images = x.copy()
    right = np.flatnonzero(net.predict(x.astype(float)) == t)
    if len(right):
        images[right] = D(net, x[right], None if targets is None else targets[right],
                          solver=solver, tick=tick)
    tick(len(x) - len(right))
    return images


def digest(net, *parts):
    """A name for what a result depends on: a net, arrays and words, the device, the code."""
    sha = hashlib.sha256(backend.xp.__name__.encode())
    for layer in net.layers:
        constants = {k: v for k, v in vars(layer).items() if k != "params"}
        sha.update(f"{type(layer).__name__} {constants}".encode())
    for part in [*map(backend.to_host, net.params), *parts]:
        array = isinstance(part, np.ndarray)
        sha.update(str((part.dtype, part.shape) if array else part).encode())
        sha.update(part.tobytes() if array else b"")
    for module in (intriguing, alexnet, answers, boundary, by_hand, checks, conv, basic, lbfgs,
                   line_search, losses, net_module, scipy_lbfgsb, windows):
        sha.update(Path(module.__file__).read_bytes())
    return sha.hexdigest()[:32]
