"""Figure 6: cars that QuocNet's features recognise, and the same cars after D, not recognised.

    python -m experiments.figure6 --weights runs/quocnet.npz --data cifar10 --count 16
    python -m experiments.figure6 --weights runs/quocnet-M.npz --data stl10

The net is the one that train_quocnet saved, frozen.  A logistic regression on its features is
fitted to the labels of the training images, as in experiments.cars.  Of the cars in the test part
that it recognises, `count` are drawn by seed, and D(x, l) is searched with l: not a car.  All this
is done with the features of the last stage, as in the paper, and with those of all stages.
Files: figure6-....png, rows of x, x' and the difference magnified; figure6.md and figure6.json.
For another size than S the names begin with figure6-M and so on.
"""

import numpy as np

from experiments.shared import car_classifier, cli, page, pictures, quocnet_training
from experiments.shared.samples import random_stream
from intriguing import D, distortion
from nets.backend import to_host
from nets.models import features, quocnet

MAGNIFICATION = 10                          # |x' - x|; the paper does not say how much
SIDE = 96                                   # pixels of a tile's side, about, for smaller images
COLUMNS = 8
HELP = {"data": cli.FLAGS["photographs"], "weights": "the .npz file of train_quocnet"}


def main(data="cifar10", weights="runs/quocnet.npz", count=16, seed=0, solver="auto", out="runs",
         strict=False, quiet=False):
    flags, started = cli.start(locals())
    model = quocnet_training.load(weights)
    pixels = quocnet.SIZES[model.size].pixels
    name, training, (x, t), car = car_classifier.load_cars(data, pixels, strict, quiet)
    print(f"Data: {page.describe_data(name)}; {len(t):,} test images, {t.sum():,} of class {car}.",
          flush=True)
    stem = quocnet_training.name_results("figure6", model.size)
    numbers, pairs, shown = {}, {}, {}
    for kind, take in car_classifier.FEATURES.items():
        f = car_classifier.train_classifier(take(model.net), *training)
        numbers[kind], pairs[kind] = attack_cars(f, x, t, count, seed, solver)
    for kind, (cars, images) in pairs.items():
        shown[name_picture(stem, kind)] = draw_cars(cars, images)
    page.save(stem, main, flags, name, started, format_page(numbers, model, car, stem), numbers,
              shown)
    return numbers


def name_picture(stem, kind):
    """The file name of the picture for these features."""
    return f"{stem}-{kind.replace(' ', '-')}.png"


def attack_cars(f, x, t, count, seed, solver):
    """Search D(x, not a car) for cars that f recognises.

    Args:
        f: the classifier, a Net from pixels to two logits.
        x: test images (N, 3, H, W) uint8.
        t: (N,) 1 for a car, else 0.
        count: how many cars, drawn by seed.
        seed: of these draws.
        solver: as for D.

    Returns:
        The row of numbers; a pair: the cars and what D found for them, (count, 3, H, W) each.

    Raises:
        ValueError: f recognises fewer cars.
    """
    z = features.compute_features(f, x)     # the logits
    score = z[:, 1] - z[:, 0]
    rows = np.flatnonzero((score > 0) & (t == 1))
    if not 1 <= count <= len(rows):
        raise ValueError(f"--count {count}: of {t.sum():,} cars {len(rows):,} are recognised; "
                         + (f"choose 1 to {len(rows)}" if len(rows) else "train longer"))
    rows = random_stream(seed, "cars").permutation(rows)[:count]
    images = to_host(features.scale_pixels(x[rows]))
    found = D(f, images, 0, solver=solver)
    size = distortion(images, found)
    return {"AUC": car_classifier.roc_auc(score, t),
            "balanced accuracy %": car_classifier.balanced_accuracy(score, t),
            "recognised %": 100 * float((score[t == 1] > 0).mean()),
            "searched": count, "not found": int(np.isnan(size).sum()),
            "av. distortion": page.mean(size), "distortions": size.tolist()}, (images, found)


def draw_cars(x, found):
    """Draw rows of x, x' and |x' - x| magnified, (N, 3, H, W) each; None if D found no image."""
    success = ~np.isnan(distortion(x, found))
    x, found = x[success], found[success]
    bands = [np.concatenate([x[i:i + COLUMNS], found[i:i + COLUMNS],
                             np.minimum(MAGNIFICATION * abs(found - x)[i:i + COLUMNS], 1)])
             for i in range(0, len(x), COLUMNS)]
    if not bands:
        return None
    scale = max(1, SIDE // x.shape[3])
    return pictures.draw_panels(
        [(pictures.draw_grid(band, len(band) // 3, scale), "") for band in bands],
        f"Figure 6: cars that are recognised; the same, not recognised; the absolute "
        f"difference, {MAGNIFICATION} times.", 1)


def format_page(numbers, model, car, stem):
    """The page in Markdown.  car: the name of the class."""
    shown = "\n\n".join(
        f"{kind.capitalize()}:\n\n![cars, the same not recognised, and the difference]"
        f"({name_picture(stem, kind)})"
        for kind, row in numbers.items() if row["searched"] > row["not found"])
    return f"""\
# Figure 6: {car}, recognised and no longer recognised, by QuocNet's features (size {model.size})

{format_table(numbers)}

AUC, balanced accuracy (see cars.md) and the share of cars that are recognised are those of the \
test images.  Searched: cars that are recognised, drawn by seed.  Distortion: root mean square \
over pixels in [0, 1]; the paper gives none for this figure.  The picture shows the absolute \
value of the difference, {MAGNIFICATION} times.  The net was trained with lam = {model.lam:g} and \
--below "{model.below}".

{shown}"""


def format_table(numbers):
    """A row for each kind of features, in Markdown.  numbers: {kind: {column: number}}."""
    columns = (*car_classifier.COLUMNS, "recognised %", "searched", "not found", "av. distortion")
    return page.format_table(["features", *columns],
                             [[kind, *(page.format_cell(row[column]) for column in columns)]
                              for kind, row in numbers.items()])


if __name__ == "__main__":
    cli.run(main)
