"""How well QuocNet's features, learnt without labels, tell cars from all else, beside controls.

    python -m experiments.cars --data cifar10 --seeds 3
    python -m experiments.cars --data stl10 --size M --epochs 3

The net is trained on frames as by train_quocnet, jointly or each stage for itself; then it is
frozen, and a logistic regression of its features on the labels of the training images is tested on
the test images.  Two kinds of features: the last stage's outputs, as the paper has it, and the
means of all stages' outputs over 4 x 4 parts.  The controls: raw pixels, and the same net before
training, once also with pixels from 0 to 1, not brought to mean 0: every code then says how bright
the image is, which random filters do well with and training takes away.  lam, which the scale of
the images decides, is chosen for each way by the first seed's area under the curve, with the
features of all stages, on a fifth of the training images, kept out of that regression; so is the
strength of each regression's weight decay.  The test images choose nothing here.  Nets are kept
epoch by epoch in runs/cache/frames, at size S 37 MB each: an interrupted run goes on.
"""
import numpy as np
from scipy.stats import rankdata

import data as datasets
from experiments import common, train_quocnet
from nets import features, quocnet, train
from nets.alexnet import RGB, Preprocess
from nets.backend import to_device, to_host
from nets.layers import Dense, Flatten
from nets.net import Net

CARS = ("automobile", "car")                # what the class is called in CIFAR-10, in STL-10
LAMBDAS = (0.1, 0.3, 1.0)                   # Le et al.'s, and larger ones
WAYS = {"jointly": "input and target", "each stage for itself": "nothing"}      # of BELOW
FEATURES = {"all stages": lambda net: Net([features.AllStages(net)]),
            "last stage": features.last_stage}
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1)     # of the weight decay of a regression
ITERATIONS = 200                            # of its L-BFGS; the cost is convex
COLUMNS = ("AUC", "balanced accuracy %")


def main(data="cifar10", size="S", epochs=quocnet.EPOCHS, seed=0, seeds=1, out="runs",
         strict=False, quiet=False):
    flags, started = common.start(locals())
    train_quocnet.checked(size, 0, WAYS["jointly"], epochs)
    if seeds < 1:
        raise ValueError(f"--seeds {seeds}: expected 1 or more")
    pixels = quocnet.SIZES[size].pixels
    name, training, test, car = labelled(data, pixels, strict, quiet)
    _, photographs = datasets.frames(data, pixels, strict=strict, quiet=quiet)
    frames, held = train_quocnet.cut(photographs, 0, seed)
    print(f"Data: {common.describe(name)}; {len(frames):,} frames, {len(training[0]):,} training "
          f"and {len(test[0]):,} test images, of which {test[1].mean():.0%} are of class {car}.",
          flush=True)

    def net_of(way, lam, s):
        return train_quocnet.trained(size, s, frames, held, lam, WAYS[way], epochs, quiet)[0]

    by_lam = {way: {lam: validated(net_of(way, lam, seed), training) for lam in LAMBDAS}
              for way in WAYS}
    chosen = {way: max(LAMBDAS, key=by_lam[way].get) for way in WAYS}
    found = {"raw pixels": [judged(Net([Flatten()]), training, test)]}
    for s in range(seed, seed + seeds):
        start = train_quocnet.start(size, s)
        nets = {"before training": start, "before training, pixels as they are": as_they_are(start),
                **{f"trained {way}": net_of(way, chosen[way], s) for way in WAYS}}
        for kind, of in FEATURES.items():
            for how, net in nets.items():
                found.setdefault(f"{kind}, {how}", []).append(judged(of(net), training, test))
    numbers = {"lam": chosen, "AUC on validation": by_lam, "test": found}
    common.save(train_quocnet.stem_of("cars", size), main, flags, name, started,
                report(numbers, flags, car), numbers)
    return numbers


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


def as_they_are(net):
    """The same net, but that pixels reach its filters as they are, in [0, 1]."""
    return Net([Preprocess(1, RGB, (0.0,) * 3), *net.layers[1:]])


def validated(net, training):
    """The AUC on validation of a net's features, all stages."""
    f = features.features(FEATURES["all stages"](net), training[0])
    return regression(f, training[1])[2]


# ---- The classifier --------------------------------------------------------------------------


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
    train.fit_lbfgs(dense.params, train.classification(Net([dense]), [strength]), x, to_device(t),
                    ITERATIONS)
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


def judged(frozen, training, test):
    """{AUC, balanced accuracy %, features, decay} of the classifier on the test images."""
    dense, strength, _ = regression(features.features(frozen, training[0]), training[1])
    s = score(dense, features.features(frozen, test[0]))
    return {"AUC": area(s, test[1]), "balanced accuracy %": balanced(s, test[1]),
            "features": len(dense.params[0]), "decay": strength}


def report(numbers, flags, car):
    """The Markdown."""
    seeds = flags["seeds"]
    return f"""\
# Class {car} against the rest, by QuocNet's features: size {flags["size"]}, trained without labels

{format_features(numbers["test"])}

{seeds} seed{"s: mean ± standard deviation" if seeds > 1 else ""}; {flags["epochs"]} epochs.  AUC: \
the area under the ROC curve.  Balanced accuracy: the mean of the shares of either class that are \
labelled right, a car where the odds exceed those among all.  Both of the test images, by a \
logistic regression on the training images.

{claims(numbers["test"])}

AUC on validation, all stages, seed {flags["seed"]}, by lam:

{format_lambdas(numbers)}"""


def format_features(found):
    """A row for each kind of features, in Markdown.  found: {features: [row of each seed]}."""
    rows = [[what, of[0]["features"], *(common.spread([one[column] for one in of])
                                        for column in COLUMNS)] for what, of in found.items()]
    return common.table(["features", "how many", *COLUMNS], rows)


def format_lambdas(numbers):
    """The AUC on validation by lambda, in Markdown.  numbers: as in JSON."""
    rows = [[way, *map(common.cell, of.values()), f"{numbers['lam'][way]:g}"]
            for way, of in numbers["AUC on validation"].items()]
    return common.table(["trained", *(f"{lam:g}" for lam in LAMBDAS), "chosen"], rows)


def claims(found):
    """How far the trained nets are above the controls, a line each."""
    auc = {what: np.mean([one["AUC"] for one in of]) for what, of in found.items()}
    lines = []
    for kind in FEATURES:
        for way in WAYS:
            ours = auc[f"{kind}, trained {way}"]
            lines.append(f"- {kind}, trained {way}: the AUC is "
                         f"{against(ours, auc[f'{kind}, before training'])} before training, "
                         f"{against(ours, auc['raw pixels'])} of raw pixels.")
    return "\n".join(lines)


def against(ours, control):
    """How much above or below, in words."""
    return f"{abs(ours - control):.3f} {'below' if ours < control else 'above'} that"


if __name__ == "__main__":
    common.run(main)
