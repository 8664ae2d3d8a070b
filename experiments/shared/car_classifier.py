"""Cars against all else: labelled images, and a logistic regression of frozen features."""
import numpy as np
from scipy.stats import rankdata

import data as datasets
from nets.backend import to_device, to_host
from nets.layers.basic import Dense
from nets.models import features
from nets.net import Net
from nets.training import costs, optimisers

CARS = ("automobile", "car")                # what the class is called in CIFAR-10, in STL-10
FEATURES = {"all stages": lambda net: Net([features.AllStages(net)]),
            "last stage": features.last_stage}
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1)     # of the weight decay of a regression
ITERATIONS = 200                            # of its L-BFGS; the cost is convex
COLUMNS = ("AUC", "balanced accuracy %")


def labelled(data, size, strict, quiet):
    """(name, (x, t), (x_test, t_test), the class that is cars): images of `size` pixels.

    x: (N, 3, size, size) uint8.  t: (N,), 1 for a car, else 0.  ValueError if there is no such
    class, or one of the two parts has not both cars and others.
    """
    name, *parts = datasets.photographs(data, size, strict=strict, quiet=quiet)
    car = next((c for c in CARS if c in parts[0].classes), None)
    if car is None:
        raise ValueError(f"--data {data}: no class is called {' or '.join(CARS)}; its classes are "
                         f"{', '.join(parts[0].classes[:12]) or 'none'}")
    pairs = []
    for part in parts:
        x, rows = part.pixels()
        t = (part.t[rows] == part.classes.index(car)).astype(np.int64)
        if not 0 < t.sum() < len(t):
            raise ValueError(f"--data {data}: {t.sum():,} of {len(t):,} images of a part are of "
                             f"class {car}; expected some of it and some of others, in the "
                             "training and in the test part")
        pairs.append((x, t))
    return name, *pairs, car


def classifier(frozen, x, t):
    """The net that labels images cars, 1, or not, 0: logistic regression on frozen features.

    frozen: a net, (N, 3, H, W) -> (N, F).  x: (N, 3, H, W) uint8.  t: (N,) 0 or 1.
    Its label is 1 where a car is more likely than it is among all: with a tenth of cars, a label
    by even odds would hardly ever be 1.
    """
    dense, *_ = regression(features.features(frozen, x), t)
    return Net([*frozen.layers, dense])


def regression(f, t):
    """Dense, F features (N, F) -> logits of 0 and 1; the strength of its decay, and its AUC by
    which that was chosen, on a fifth of the rows.  t: (N,).  ValueError if 0 or 1 are too few."""
    validation = np.random.default_rng(56).permutation(len(t)) < len(t) // 5
    for part in (t[validation], t[~validation]):
        if not 0 < part.sum() < len(part):
            raise ValueError(f"{t.sum():,} of {len(t):,} training images are cars; too few of "
                             "these, or of others, to choose a regression by")
    auc = {}
    for strength in STRENGTHS:
        dense = fitted(f[~validation], t[~validation], strength)
        auc[strength] = area(score(dense, f[validation]), t[validation])
    best = max(auc, key=auc.get)
    return fitted(f, t, best), best, auc[best]


def fitted(f, t, strength):
    """The Dense layer of the regression of t (N,) on f (N, F), mean 0 and variance 1 each."""
    mean, std = f.mean(0), f.std(0) + 1e-8
    dense = Dense(f.shape[1], 2, np.random.default_rng(0))
    dense.params = [0 * p.astype("float32") for p in dense.params]
    x = to_device(((f - mean) / std).astype("float32"))
    optimisers.fit_lbfgs(dense.params, costs.classification(Net([dense]), [strength]), x,
                         to_device(t), ITERATIONS)
    W, b = dense.params
    W /= to_device(std.astype("float32"))[:, None]      # the same logits, of f as it is
    b -= to_device(mean.astype("float32")) @ W
    b[1] -= float(np.log(t.mean() / (1 - t.mean())))    # odds against those among all
    return dense


def score(dense, f):
    """logit_1 - logit_0 of f (N, F): (N,)."""
    z = to_host(dense.forward(to_device(f))[0])
    return z[:, 1] - z[:, 0]


def area(score, t):
    """The area under the ROC curve: the share of pairs of a 1 and a 0 in which the 1 scores higher,
    ties as a half.  score, t: (N,)."""
    ones = t.sum()
    return float((rankdata(score)[t == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(t) - ones)))


def balanced(score, t):
    """The mean of the shares of 1 and of 0 that are labelled right, in %.  score, t: (N,)."""
    return 50 * float((score[t == 1] > 0).mean() + (score[t == 0] <= 0).mean())
