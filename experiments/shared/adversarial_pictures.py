"""The pictures of experiments.adversarial_training: examples of every layer, error curves."""
import numpy as np

from experiments.shared import charts, pictures
from experiments.shared.pools import make_adversarial
from intriguing import phi

MAGNIFICATION = 5                           # of the change, in the picture


def draw_examples(net, distances, x, t):
    """Draw one adversarial example for each layer and label.

    Args:
        net: the examples are made for it.
        distances: {layer k: the distance of its examples from phi_k(x)}.
        x: images (N, 1, 28, 28); the first one of each label is taken.
        t: their labels (N,).

    Returns:
        A Pillow image: for each layer, phi_k(x), the example and the difference.
    """
    rows = [np.flatnonzero(t == label)[0] for label in np.unique(t)]
    x, t, parts = x[rows], t[rows], []
    for k, stddev in distances.items():
        phi_k = phi(net, x, k).astype("float32")
        images = make_adversarial(net.above(k), phi_k, t, stddev)
        side = round(phi_k.shape[1] ** 0.5)             # 28 pixels, or 10 by 10 units
        tiles = np.concatenate([phi_k, images, pictures.magnify(images - phi_k, MAGNIFICATION)])
        labels = net.above(k).predict(images)
        parts.append((pictures.draw_grid(tiles.reshape(-1, 1, side, side), len(x), 60 // side),
                      f"layer {k}, {'the pixels' if k == 0 else '100 sigmoid units'}: before, "
                      f"the example, and {MAGNIFICATION} times the difference.  The net's labels: "
                      f"{' '.join(map(str, labels))}"))
    return pictures.draw_panels(parts, "Examples of each layer at distances of "
                                f"{', '.join(map(str, distances.values()))}, made for the net "
                                "trained on pools of all layers", columns=1)


def draw_curves(curves, kind):
    """Draw the error of each arm after every epoch, the mean over its seeds.

    Args:
        curves: {(arm, seed): errors in % (epochs,)}.
        kind: of which images, "Test" or "Validation".

    Returns:
        The matplotlib Figure.
    """
    names = dict.fromkeys(name for name, _ in curves)
    seeds = len(curves) // len(names)
    means = {name: np.mean([curve for (arm, _), curve in curves.items() if arm == name], 0)
             for name in names}
    title = (f"Adversarial training: the {kind.lower()} error after each epoch"
             f"{f', the mean of {seeds} seeds' if seeds > 1 else ''}.  One line per way to "
             "train.  Pixels, h1, h2, all layers: on adversarial examples for the output of these "
             "layers (h: hidden).")
    return charts.draw_curves(means, title, f"{kind.lower()} error, %")
