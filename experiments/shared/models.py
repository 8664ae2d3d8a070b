"""The nets of the tables, by name: built, trained on what, and how captions describe that."""
from typing import NamedTuple

import numpy as np

from experiments.shared.samples import random_stream
from nets.models import MODELS
from nets.training.costs import DECAYS

TABLE_1 = ["FC10(1e-4)", "FC10(1e-2)", "FC10(1)", "FC100-100-10", "FC200-200-10", "AE400-10"]
TABLE_3 = {  # {name in cache: the paper's}; the paper does not say whether the third starts anew
    "FC100-100-10 on P1": "FC100-100-10",
    "FC123-456-10 on P1": "FC123-456-10",
    "FC100-100-10 again on P2": "FC100-100-10'",
}
TABLE_3_ONLY = ["FC123-456-10"]
# Tables 1 and 2 have these beside the paper's: one from another start, and all others of MODELS.
BEYOND = ["FC100-100-10 again",
          *(name for name in MODELS if name not in (*TABLE_1, *TABLE_3_ONLY))]


class Name(NamedTuple):
    """The parts of a net's name."""
    base: str           # a key of MODELS
    again: bool         # whether it starts from the next seed
    part: str           # of the training set: all, P1 or P2
    reading: str        # of the weight decay, a key of costs.DECAYS


def parse_name(name):
    """The Name of, for example, "FC100-100-10 again on P2" or "FC10(1), whole decay".

    Raises:
        ValueError: no net, no part of the training set, or no reading of the decay is called so.
    """
    name, comma, reading = name.partition(", ")
    name, on, part = name.partition(" on ")
    found = Name(name.removesuffix(" again"), name.endswith(" again"), part if on else "all",
                 reading.removesuffix(" decay") if comma else "half")
    if found.reading not in DECAYS:
        raise ValueError(f"no weight decay is called {reading!r}; choose one of "
                         f"{', '.join(f'{known} decay' for known in DECAYS)}")
    if on and found.part not in ("P1", "P2"):
        raise ValueError(f"no part of the training set is called {found.part!r}; choose P1 or P2")
    if found.base not in MODELS:
        raise ValueError(f"no net is called {found.base!r}; choose one of {', '.join(MODELS)}")
    return found


def build(name, seed):
    """The named net before training, float32."""
    base, again, *_ = parse_name(name)
    return MODELS[base].build(np.random.default_rng(seed + again)).astype("float32")


def choose_training(name, method):
    """How the named net is trained, a models.model.Training.  method: "adam" or "lbfgs"."""
    model = MODELS[parse_name(name).base]
    trainings = {"adam": model.adam, "lbfgs": model.lbfgs}
    if method not in trainings:
        raise ValueError(f"--train {method}: choose one of {', '.join(trainings)}")
    return trainings[method]


def describe_training(names, method):
    """How the named nets are trained, for a caption."""
    optimisers = {MODELS[parse_name(name).base].family: choose_training(name, method).optimiser
                  for name in names}
    return "Trained: " + ", ".join(f"{family} by {how}" for family, how in optimisers.items())


def rows_of_part(N, part, seed):
    """Which of N training images a net is trained on: "all", or one of the halves "P1", "P2".

    Section 4.2, Table 3: P1 and P2 are disjoint, drawn by seed, and cover everything.
    """
    order = random_stream(seed, "halves").permutation(N)
    halves = {"all": slice(None), "P1": order[:N // 2], "P2": order[N // 2:]}
    if part not in halves:
        raise ValueError(f"no part of the training set is called {part!r}; choose P1 or P2")
    return halves[part]
