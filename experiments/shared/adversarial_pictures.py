"""The pictures of experiments.adversarial_training: examples of every layer, curves."""
import numpy as np

from experiments.shared import charts, pictures
from experiments.shared.pools import adversarial
from intriguing import phi

MAGNIFIED = 5                               # what was added


def examples(net, distances, x, t):
    """Examples by D of every layer, made for the net: of the first image of each label.

    distances: {layer: how far}.  x: (N, 1, 28, 28), t: (N,).
    """
    rows = [np.flatnonzero(t == label)[0] for label in np.unique(t)]
    x, t, parts = x[rows], t[rows], []
    for k, stddev in distances.items():
        phi_k = phi(net, x, k).astype("float32")
        found = adversarial(net.above(k), phi_k, t, stddev)
        side = round(phi_k.shape[1] ** 0.5)             # 28 pixels, or 10 by 10 units
        tiles = np.concatenate([phi_k, found, pictures.magnified(found - phi_k, MAGNIFIED)])
        labels = net.above(k).predict(found)
        parts.append((pictures.grid(tiles.reshape(-1, 1, side, side), len(x), 60 // side),
                      f"layer {k}, {'the pixels' if k == 0 else '100 sigmoid units'}: as it is, "
                      f"the example, and what was added, x {MAGNIFIED}.  The net's labels: "
                      f"{' '.join(map(str, labels))}"))
    return pictures.panels(parts, "Examples of each layer at distances of "
                           f"{', '.join(map(str, distances.values()))}, made for the net trained "
                           "on pools of all layers", columns=1)


def draw_curves(of_arms, kind):
    """The chart of each arm's error after every epoch, the mean over its seeds.

    of_arms: {(arm, seed): errors in % (epochs,)}.  kind: of which images, "Test" or "Validation".
    """
    names = dict.fromkeys(name for name, _ in of_arms)
    seeds = len(of_arms) // len(names)
    means = {name: np.mean([of for (arm, _), of in of_arms.items() if arm == name], 0)
             for name in names}
    title = (f"Adversarial training: the {kind.lower()} error after each epoch"
             f"{f', the mean of {seeds} seeds' if seeds > 1 else ''}.  One line per way to "
             "train.  Pixels, h1, h2, all layers: on adversarial examples for the output of these "
             "layers (h: hidden).")
    return charts.draw_curves(means, title, f"{kind.lower()} error, %")
