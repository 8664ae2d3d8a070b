"""How well QuocNet's features, learnt without labels, tell cars from other images; and controls.

    python -m experiments.cars --data cifar10 --seeds 3
    python -m experiments.cars --data stl10 --size M --epochs 3

The net is trained on frames as by train_quocnet, all stages jointly or each stage for itself.  Then
it is frozen.  A logistic regression on its features is fitted to the labels of the training images
and tested on the test images.
Two kinds of features: the last stage's outputs, as in the paper; and the means of all stages'
outputs over 4 x 4 parts.
Controls: raw pixels; the net before training; the net before training with pixels from 0 to 1, not
brought to mean 0.  In this last one every code also tells how bright the image is.  Random filters
profit from that; training takes it away.
lam depends on the scale of the images.  It is chosen for each training mode by the AUC of the first
seed with the features of all stages, on a fifth of the training images, which that regression is
not fitted to.  The weight decay of each regression is chosen in the same way.  No choice uses the
test images.
After each epoch the net is saved in runs/cache/frames, 37 MB at size S: an interrupted run goes on.
"""
import data as datasets
from experiments.shared import car_classifier, cli, page, quocnet_training
from nets.layers.basic import RGB, Flatten, Preprocess
from nets.models import features, quocnet
from nets.net import Net

LAMBDAS = (0.1, 0.3, 1.0)                   # Le et al.'s, and larger ones
WAYS = {"jointly": "input and target", "each stage for itself": "nothing"}      # keys of BELOW
HELP = {"data": cli.FLAGS["photographs"], "size": "QuocNet's: S, M, L or full"}


def main(data="cifar10", size="S", epochs=quocnet.EPOCHS, seed=0, seeds=1, out="runs",
         strict=False, quiet=False):
    flags, started = cli.start(locals())
    quocnet_training.check_flags(size, 0, WAYS["jointly"])
    pixels = quocnet.SIZES[size].pixels
    name, training, test, car = car_classifier.load_cars(data, pixels, strict, quiet)
    _, photographs = datasets.load_frames(data, pixels, strict=strict, quiet=quiet)
    frames, held = quocnet_training.cut_frames(photographs, 0, seed)
    print(f"Data: {page.describe_data(name)}; {len(frames):,} frames, {len(training[0]):,} "
          "training "
          f"and {len(test[0]):,} test images, of which {test[1].mean():.0%} are of class {car}.",
          flush=True)

    def net_of(way, lam, s):
        return quocnet_training.train(size, s, frames, held, lam, WAYS[way], epochs, quiet)[0]

    by_lam = {way: {lam: validate(net_of(way, lam, seed), training) for lam in LAMBDAS}
              for way in WAYS}
    best_lam = {way: max(LAMBDAS, key=by_lam[way].get) for way in WAYS}
    results = {"raw pixels": [evaluate(Net([Flatten()]), training, test)]}
    for s in range(seed, seed + seeds):
        start = quocnet_training.build(size, s)
        nets = {"before training": start,
                "before training, pixels as they are": skip_centring(start),
                **{f"trained {way}": net_of(way, best_lam[way], s) for way in WAYS}}
        for kind, take in car_classifier.FEATURES.items():
            for how, net in nets.items():
                results.setdefault(f"{kind}, {how}", []).append(evaluate(take(net), training, test))
    numbers = {"lam": best_lam, "AUC on validation": by_lam, "test": results}
    page.save(quocnet_training.name_results("cars", size), main, flags, name, started,
              format_page(numbers, flags, car), numbers)
    return numbers


def skip_centring(net):
    """The net whose filters get pixels in [0, 1], not brought to mean 0."""
    return Net([Preprocess(1, RGB, (0.0,) * 3), *net.layers[1:]])


def validate(net, training):
    """The AUC of the features of all stages, on the validation part of training."""
    f = features.compute_features(car_classifier.FEATURES["all stages"](net), training[0])
    return car_classifier.choose_regression(f, training[1])[2]


# ---- The classifier --------------------------------------------------------------------------


def evaluate(frozen, training, test):
    """The row of a net's features: fit the classifier to `training`, measure it on `test`.

    frozen: (N, 3, H, W) -> features (N, F).  training, test: (x, t).
    """
    dense, strength, _ = car_classifier.choose_regression(features.compute_features(frozen,
                                                                                    training[0]),
                                                          training[1])
    s = car_classifier.compute_scores(dense, features.compute_features(frozen, test[0]))
    return {"AUC": car_classifier.roc_auc(s, test[1]),
            "balanced accuracy %": car_classifier.balanced_accuracy(s, test[1]),
            "features": len(dense.params[0]), "decay": strength}


def format_page(numbers, flags, car):
    """The page in Markdown."""
    seeds = flags["seeds"]
    return f"""\
# Class {car} against the rest, by QuocNet's features: size {flags["size"]}, trained without labels

{format_features(numbers["test"])}

{seeds} seed{"s: mean ± standard deviation" if seeds > 1 else ""}; {flags["epochs"]} epochs.  AUC: \
the area under the ROC curve.  Balanced accuracy: the mean of the accuracies on the two classes; \
an image is labelled a car if its odds exceed those among all images.  Both are measured on the \
test images.  The classifier is a logistic regression, fitted to the training images.

{format_claims(numbers["test"])}

AUC on validation, all stages, seed {flags["seed"]}, by lam:

{format_lambdas(numbers)}"""


def format_features(results):
    """A row for each kind of features, in Markdown.  results: {features: [row of each seed]}."""
    rows = [[kind, of_seeds[0]["features"], *(page.format_spread([row[column] for row in of_seeds])
                                              for column in car_classifier.COLUMNS)]
            for kind, of_seeds in results.items()]
    return page.format_table(["features", "how many", *car_classifier.COLUMNS], rows)


def format_lambdas(numbers):
    """The AUC on validation images by lambda, in Markdown.  numbers: as in JSON."""
    rows = [[way, *map(page.format_cell, of.values()), f"{numbers['lam'][way]:g}"]
            for way, of in numbers["AUC on validation"].items()]
    return page.format_table(["trained", *(f"{lam:g}" for lam in LAMBDAS), "chosen"], rows)


def format_claims(results):
    """A line for each trained net: how far its AUC is above or below those of the controls."""
    auc = {kind: page.average_column(rows, "AUC") for kind, rows in results.items()}
    lines = []
    for kind in car_classifier.FEATURES:
        for way in WAYS:
            ours = auc[f"{kind}, trained {way}"]
            before, raw = (format_difference(ours, auc[control])
                           for control in (f"{kind}, before training", "raw pixels"))
            lines.append(f"- {kind}, trained {way}: the AUC is {before} before training, {raw} of "
                         "raw pixels.")
    return "\n".join(lines)


def format_difference(ours, control):
    """The difference in words: how much above or below."""
    return f"{abs(ours - control):.3f} {'below' if ours < control else 'above'} that"


if __name__ == "__main__":
    cli.run(main)
