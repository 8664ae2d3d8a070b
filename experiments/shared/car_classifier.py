"""A classifier of cars: images with labels, and logistic regression on a frozen net's features."""
import numpy as np
from scipy.stats import rankdata

import data as datasets
from nets.backend import to_device, to_host
from nets.layers.basic import Dense
from nets.models import features
from nets.net import Net
from nets.training import costs, optimisers

CARS = ("automobile", "car")                # the name of the class in CIFAR-10 and in STL-10
FEATURES = {"all stages": lambda net: Net([features.AllStages(net)]),
            "last stage": features.last_stage}
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1)     # of the regression's weight decay
ITERATIONS = 200                            # of the regression's L-BFGS; the cost is convex
COLUMNS = ("AUC", "balanced accuracy %")


def load_cars(data, size, strict, quiet):
    """Load images of `size` pixels with labels: 1 for a car, 0 for anything else.

    Returns:
        The data set's name; (x, t) to train on; (x, t) to test on; the name of the class of cars.
        x: (N, 3, size, size) uint8.  t: (N,).

    Raises:
        ValueError: no class is one of CARS, or a part has only cars or no cars.
    """
    name, *parts = datasets.load_photographs(data, size, strict=strict, quiet=quiet)
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
                             f"class {car}; expected images of this and of other classes, both in "
                             "the training and in the test part")
        pairs.append((x, t))
    return name, *pairs, car


def train_classifier(frozen, x, t):
    """Train logistic regression on the features of a frozen net: 1 for a car, 0 for other images.

    The label is 1 where a car is more likely than it is among all training images.  If a tenth of
    them are cars, a label by even odds would hardly ever be 1.

    Args:
        frozen: a net, (N, 3, H, W) -> (N, F).
        x: images (N, 3, H, W) uint8.
        t: (N,) 0 or 1.

    Returns:
        The Net from pixels to two logits.
    """
    dense, *_ = choose_regression(features.compute_features(frozen, x), t)
    return Net([*frozen.layers, dense])


def choose_regression(f, t):
    """Choose the weight decay by the AUC on a fifth of the rows, then fit the regression to all.

    Args:
        f: features (N, F).
        t: (N,) 0 or 1.

    Returns:
        The Dense layer, (N, F) -> logits (N, 2); its decay, one of STRENGTHS; the AUC of this decay
        on that fifth.

    Raises:
        ValueError: there are too few of 0 or of 1.
    """
    validation = np.random.default_rng(56).permutation(len(t)) < len(t) // 5
    for part in (t[validation], t[~validation]):
        if not 0 < part.sum() < len(part):
            raise ValueError(f"{t.sum():,} of {len(t):,} training images are cars; too few cars, "
                             "or too few other images, to choose a regression by")
    auc = {}
    for strength in STRENGTHS:
        dense = fit_regression(f[~validation], t[~validation], strength)
        auc[strength] = roc_auc(compute_scores(dense, f[validation]), t[validation])
    best = max(auc, key=auc.get)
    return fit_regression(f, t, best), best, auc[best]


def fit_regression(f, t, strength):
    """The Dense layer that predicts t (N,) from features f (N, F).

    It is fitted to the features brought to mean 0 and variance 1, and takes them as they are.
    """
    mean, std = f.mean(0), f.std(0) + 1e-8
    dense = Dense(f.shape[1], 2, np.random.default_rng(0))
    dense.params = [0 * p.astype("float32") for p in dense.params]
    x = to_device(((f - mean) / std).astype("float32"))
    optimisers.fit_lbfgs(dense.params, costs.classification(Net([dense]), [strength]), x,
                         to_device(t), ITERATIONS)
    W, b = dense.params
    W /= to_device(std.astype("float32"))[:, None]      # the same logits from f itself
    b -= to_device(mean.astype("float32")) @ W
    b[1] -= float(np.log(t.mean() / (1 - t.mean())))    # the odds relative to those among all
    return dense


def compute_scores(dense, f):
    """logit_1 - logit_0 of features f (N, F): (N,)."""
    z = to_host(dense.forward(to_device(f))[0])
    return z[:, 1] - z[:, 0]


def roc_auc(score, t):
    """The area under the ROC curve, from score (N,) and t (N,).

    It is the share of pairs (a 1, a 0) in which the 1 has the higher score; a tie counts half.
    """
    ones = t.sum()
    return float((rankdata(score)[t == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(t) - ones)))


def balanced_accuracy(score, t):
    """The mean of the accuracies on 1 and on 0, in %, from score (N,) and t (N,)."""
    return 50 * float((score[t == 1] > 0).mean() + (score[t == 0] <= 0).mean())
