"""What the tables and Figure 7 share: data, nets, and images distorted for each net."""
from typing import NamedTuple

import numpy as np

from experiments.shared import cache, models, page, samples
from intriguing import distortion
from nets.training.loop import error

TARGETS = {"random": "each with a target drawn from the nine wrong labels",     # for captions
           "nearest": "each with the nearest of all nine wrong labels"}


class AttackedSet(NamedTuple):
    """Images, nets, and D(x, l) for each net."""
    data: str                               # the data set's name
    train: tuple                            # (x, t), all of them
    test: tuple
    part: str                               # "training" or "test": of which x are a sample
    x: np.ndarray                           # (N, 1, 28, 28), the images that are attacked
    t: np.ndarray                           # (N,) their labels
    nets: dict                              # {name: net}
    images: dict                            # {name: (N, 1, 28, 28)}, see cache.load_or_search
    searched: dict                          # {name: (N,) which of them the net had right}
    how: str                                # targets and training, for the caption
    seed: int                               # of the nets, the sample and the targets

    def rename(self, names):
        """The same set with nets called otherwise.  names: {its name here: the other}."""
        return self._replace(**{field: {names[name]: of
                                        for name, of in getattr(self, field).items()}
                                for field in ("nets", "images", "searched")})


def prepare_seeds(names, flags, part="training"):
    """Yield the AttackedSet of each seed: nets, sample and targets anew for each.

    names, part: as for `prepare`.  flags: of the script, among them "seed", the first, and "seeds".
    """
    for seed in range(flags["seed"], flags["seed"] + flags["seeds"]):
        yield prepare(names, *(flags[name] for name in ("data", "count")), seed,
                      *(flags[name] for name in ("targets", "train", "solver", "workers", "quiet")),
                      part)


def prepare(names, data, count, seed, targets, method, solver="auto", workers=0, quiet=False,
            part="training"):
    """Load, sample, train and search, each once: the AttackedSet for these flags.

    Args:
        names: of the nets, see models.Name.
        data, count, seed, targets, solver, workers, quiet: flags, see cli.FLAGS.
        method: the flag --train.
        part: the "training" or the "test" images are attacked.
    """
    data, train_set, test_set = samples.load(data, quiet)
    x, t = {"training": train_set, "test": test_set}[part]
    rows, wanted = samples.sample_images(t, count, seed)
    x, t = x[rows], t[rows]
    nets = cache.load_or_train(names, data, seed, method, workers, quiet)
    images = cache.load_or_search(nets, x, t, wanted if targets == "random" else None, data, solver,
                                  workers, quiet)
    searched = {name: net.predict(x) == t for name, net in nets.items()}
    return AttackedSet(data, train_set, test_set, part, x, t, nets, images, searched,
                       f"{TARGETS[targets]}.  {models.describe_training(names, method)}", seed)


def summarise_search(job, name):
    """What the search for a net gave: {av. min. distortion, its std over images, ...}."""
    size = samples.apply_in_chunks(distortion, job.x, job.images[name])
    size = size[job.searched[name]]
    return {"av. min. distortion": page.mean(size), "std over images": page.deviation(size),
            "searched": len(size), "not found": int(np.isnan(size).sum())}


def measure_errors(net, job):
    """{"train error %": number, "test error %": number}, in float32, the precision of training."""
    net = net.astype("float32")
    return {"train error %": 100 * error(net, *job.train),
            "test error %": 100 * error(net, *job.test)}


def measure_part_errors(job):
    """{net: {"error on P1 %", "error on P2 %", "error on test %"}} of Table 3, in float32.

    P1, P2: the halves of the training images, see `models.rows_of_part`.
    """
    x, t = job.train
    one, two = (models.rows_of_part(len(x), part, job.seed) for part in ("P1", "P2"))
    parts = {"P1": (x[one], t[one]), "P2": (x[two], t[two]), "test": job.test}
    nets = {name: net.astype("float32") for name, net in job.nets.items()}
    return {name: {f"error on {part} %": 100 * error(net, *both) for part, both in parts.items()}
            for name, net in nets.items()}


def measure_net(net, x, t, images, training, test):
    """The errors of a net and its average distortion: {column: number}.

    Args:
        net: in float64.
        x, t: images (N, ...) and their labels (N,).
        images: D of x for this net, (N, ...).
        training, test: (x, t) of all images.
    """
    size = distortion(x, images)[net.predict(x.astype(float)) == t]
    return {"train error %": 100 * error(net, *training), "test error %": 100 * error(net, *test),
            "av. min. distortion": page.mean(size), "not found": int(np.isnan(size).sum())}


def describe(job, seeds):
    """A caption: what was attacked, how, and what was left out.

    job: of the last seed.  seeds: how many there are.
    """
    wrong = ", ".join(f"{name} {(~right).sum()}" for name, right in job.searched.items())
    not_found = sum(summarise_search(job, name)["not found"] for name in job.nets)
    cells = "" if seeds == 1 else (
        f"Mean ± standard deviation over {seeds} seeds: nets, sample and targets anew for each; "
        f"what is counted below is of seed {job.seed}.  ")
    return (f"{cells}{len(job.x):,} {job.part} images of "
            f"{page.describe_data(job.data)}, "
            f"{job.how}.  Images that a net has wrong already are left as they are and out of "
            f"the average distortion: {wrong}.  Not found: {not_found}.")
