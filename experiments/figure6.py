"""Figure 6: cars that are recognised by QuocNet's features, and the same cars, not recognised.

    python -m experiments.figure6 --weights runs/quocnet.npz --data cifar10 --count 16
    python -m experiments.figure6 --weights runs/quocnet.npz --data stl10 --size M

The net is that of train_quocnet, frozen; on its features stands a logistic regression, fitted to
the labels of the training images as in experiments.cars.  Of the test images that are cars and
that it recognises, `count` are drawn by seed, and D(x, l) is searched for with l: not a car.  This
once with the features of the last stage, as the paper has it, and once with those of all stages.
Written: figure6-....png, rows of x, x' and the difference magnified; figure6.md and figure6.json.
"""
from pathlib import Path

import numpy as np

from experiments import cars, common, pictures, train_quocnet
from intriguing import D, distortion
from nets import quocnet, store
from nets.backend import to_host
from nets.net import Net

MAGNIFIED = 10                              # |x' - x|; the paper does not say how much
SIDE = 96                                   # pixels of a tile's side, at least
COLUMNS = 8


def main(data="cifar10", size="S", weights="runs/quocnet.npz", count=16, seed=0, out="runs",
         strict=False, quiet=False):
    flags, started = dict(locals()), common.start(out)
    net = loaded(weights, size)
    name, training, (x, t), car = cars.labelled(data, quocnet.SIZES[size].pixels, strict, quiet)
    print(f"Data: {common.describe(name)}; {len(t):,} test images, {t.sum():,} of class {car}.",
          flush=True)
    numbers = {kind: attacked(cars.classifier(features(net), *training), x, t, count, seed,
                              Path(out, f"figure6-{kind.replace(' ', '-')}.png"))
               for kind, features in cars.FEATURES.items()}
    common.save("figure6", main, flags, name, started, report(numbers, flags, car), numbers)
    return numbers


def loaded(weights, size):
    """The net of this size that train_quocnet saved; ValueError if the file does not hold it."""
    if size not in quocnet.SIZES:
        raise ValueError(f"--size {size}: choose one of {', '.join(quocnet.SIZES)}")
    if not Path(weights).exists():
        raise ValueError(f"--weights {weights}: there is no such file; python -m "
                         "experiments.train_quocnet makes one")
    net = train_quocnet.start(size, 0)
    store.load(weights, Net(net.layers + quocnet.decoders(net)))    # they share their arrays
    return net


def attacked(f, x, t, count, seed, path):
    """Cars that f recognises, searched for D(x, not a car), drawn: their numbers.

    x: (N, 3, H, W) uint8.  t: (N,) 1 for a car, else 0.  path: of the picture.
    """
    z = quocnet.features(f, x)              # the logits
    score = z[:, 1] - z[:, 0]
    rows = np.flatnonzero((score > 0) & (t == 1))
    if not 1 <= count <= len(rows):
        raise ValueError(f"--count {count}: of {t.sum():,} cars {len(rows):,} are recognised; "
                         f"choose 1 to {len(rows)}")
    rows = np.random.default_rng([seed, 57]).permutation(rows)[:count]
    images = to_host(quocnet.in_0_to_1(x[rows]))
    found = D(f, images, 0)
    drawn(images, found, path)
    size = distortion(images, found)
    return {"AUC": cars.area(score, t), "balanced accuracy %": cars.balanced(score, t),
            "recognised %": 100 * float((score[t == 1] > 0).mean()),
            "searched": count, "not found": int(np.isnan(size).sum()),
            "av. distortion": common.mean(size), "distortions": size.tolist()}


def drawn(x, found, path):
    """Rows of x, x' and |x' - x| magnified, images (N, 3, H, W) of the cars found, as a PNG."""
    path.unlink(missing_ok=True)            # of another run: it would stand for this one's
    whole = ~np.isnan(distortion(x, found))
    x, found = x[whole], found[whole]
    bands = [np.concatenate([x[i:i + COLUMNS], found[i:i + COLUMNS],
                             np.minimum(MAGNIFIED * abs(found - x)[i:i + COLUMNS], 1)])
             for i in range(0, len(x), COLUMNS)]
    if bands:
        scale = max(1, SIDE // x.shape[3])
        pictures.save(pictures.panels(
            [(pictures.grid(band, len(band) // 3, scale), "") for band in bands],
            f"Figure 6: cars that are recognised; the same, not recognised; the absolute "
            f"difference, {MAGNIFIED} times.", 1), path)


def report(numbers, flags, car):
    """The Markdown."""
    columns = (*cars.COLUMNS, "recognised %", "searched", "not found", "av. distortion")
    rows = [[kind, *(common.cell(row[column]) for column in columns)]
            for kind, row in numbers.items()]
    shown = "\n\n".join(
        f"{kind.capitalize()}:\n\n![cars, the same not recognised, and the difference]"
        f"(figure6-{kind.replace(' ', '-')}.png)"
        for kind, row in numbers.items() if row["searched"] > row["not found"])
    return f"""\
# Figure 6: {car}, and no longer, by QuocNet's features (size {flags["size"]})

{common.table(["features", *columns], rows)}

Of the test images: AUC and balanced accuracy as in cars.md, and the share of cars that are \
recognised.  Searched: cars that are recognised, drawn by seed.  Distortion: root mean square over \
pixels in [0, 1]; the paper gives none for this figure.  The difference is its absolute value, \
{MAGNIFIED} times.

{shown}"""


if __name__ == "__main__":
    common.run(main)
