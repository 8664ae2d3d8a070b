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

import data as datasets
from experiments.shared import car_classifier, cli, page, quocnet_training
from nets.layers.basic import RGB, Flatten, Preprocess
from nets.models import features, quocnet
from nets.net import Net

LAMBDAS = (0.1, 0.3, 1.0)                   # Le et al.'s, and larger ones
WAYS = {"jointly": "input and target", "each stage for itself": "nothing"}      # of BELOW
HELP = {"data": cli.FLAGS["photographs"], "size": "QuocNet's: S, M, L or full"}


def main(data="cifar10", size="S", epochs=quocnet.EPOCHS, seed=0, seeds=1, out="runs",
         strict=False, quiet=False):
    flags, started = cli.start(locals())
    quocnet_training.checked(size, 0, WAYS["jointly"], epochs)
    if seeds < 1:
        raise ValueError(f"--seeds {seeds}: expected 1 or more")
    pixels = quocnet.SIZES[size].pixels
    name, training, test, car = car_classifier.labelled(data, pixels, strict, quiet)
    _, photographs = datasets.frames(data, pixels, strict=strict, quiet=quiet)
    frames, held = quocnet_training.cut(photographs, 0, seed)
    print(f"Data: {page.describe(name)}; {len(frames):,} frames, {len(training[0]):,} training "
          f"and {len(test[0]):,} test images, of which {test[1].mean():.0%} are of class {car}.",
          flush=True)

    def net_of(way, lam, s):
        return quocnet_training.trained(size, s, frames, held, lam, WAYS[way], epochs, quiet)[0]

    by_lam = {way: {lam: validated(net_of(way, lam, seed), training) for lam in LAMBDAS}
              for way in WAYS}
    chosen = {way: max(LAMBDAS, key=by_lam[way].get) for way in WAYS}
    found = {"raw pixels": [judged(Net([Flatten()]), training, test)]}
    for s in range(seed, seed + seeds):
        start = quocnet_training.start(size, s)
        nets = {"before training": start, "before training, pixels as they are": as_they_are(start),
                **{f"trained {way}": net_of(way, chosen[way], s) for way in WAYS}}
        for kind, of in car_classifier.FEATURES.items():
            for how, net in nets.items():
                found.setdefault(f"{kind}, {how}", []).append(judged(of(net), training, test))
    numbers = {"lam": chosen, "AUC on validation": by_lam, "test": found}
    page.save(quocnet_training.stem_of("cars", size), main, flags, name, started,
              report(numbers, flags, car), numbers)
    return numbers


def as_they_are(net):
    """The same net, but that pixels reach its filters as they are, in [0, 1]."""
    return Net([Preprocess(1, RGB, (0.0,) * 3), *net.layers[1:]])


def validated(net, training):
    """The AUC on validation of a net's features, all stages."""
    f = features.features(car_classifier.FEATURES["all stages"](net), training[0])
    return car_classifier.regression(f, training[1])[2]


# ---- The classifier --------------------------------------------------------------------------


def judged(frozen, training, test):
    """{AUC, balanced accuracy %, features, decay} of the classifier on the test images."""
    dense, strength, _ = car_classifier.regression(features.features(frozen, training[0]),
                                                   training[1])
    s = car_classifier.score(dense, features.features(frozen, test[0]))
    return {"AUC": car_classifier.area(s, test[1]),
            "balanced accuracy %": car_classifier.balanced(s, test[1]),
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
    rows = [[what, of[0]["features"], *(page.spread([one[column] for one in of])
                                        for column in car_classifier.COLUMNS)] for what,
            of in found.items()]
    return page.table(["features", "how many", *car_classifier.COLUMNS], rows)


def format_lambdas(numbers):
    """The AUC on validation by lambda, in Markdown.  numbers: as in JSON."""
    rows = [[way, *map(page.cell, of.values()), f"{numbers['lam'][way]:g}"]
            for way, of in numbers["AUC on validation"].items()]
    return page.table(["trained", *(f"{lam:g}" for lam in LAMBDAS), "chosen"], rows)


def claims(found):
    """How far the trained nets are above the controls, a line each."""
    auc = {what: np.mean([one["AUC"] for one in of]) for what, of in found.items()}
    lines = []
    for kind in car_classifier.FEATURES:
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
    cli.run(main)
