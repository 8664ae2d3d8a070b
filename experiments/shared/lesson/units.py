"""Section 3 of the paper, to try for oneself: ten images of a unit, ten of a random direction."""
import numpy as np

from experiments.shared import measures
from experiments.shared.lesson.encode import encode_png, round_number
from intriguing import phi

SETS, IMAGES = 16, 10   # units, and directions; the images of each
KINDS = {"natural": "unit", "random": "direction"}


def pick_sets(net, x, t, seed):
    """The top images of units and of random directions, and the purity of each set.

    Args:
        net: the sets are of its last hidden layer, or of its pixels if it has no hidden layer.
        x, t: test images (N, 1, H, W) and their labels (N,).
        seed: decides which units and which directions.
    """
    layer = sum(bool(one.params) for one in net.layers) - 1
    groups = measures.pick_images(phi(net, x, layer), SETS, IMAGES, seed)
    sets, used = {}, set()
    for kind, name in KINDS.items():
        group = groups[kind]
        used.update(group.images.ravel().tolist())
        purity = measures.purity(t[group.images])
        sets[name] = {"average": round_number(purity.mean(), 3), "sets": [
            {"name": text if name == "unit" else f"direction {i + 1}", "images": images.tolist(),
             "digits": t[images].tolist(), "purity": round_number(p, 3)}
            for i, (text, images, p) in enumerate(
                zip(group.names, group.images, purity, strict=True))]}
    return {"layer": layer, **sets, "pictures": {i: encode_png(x[i]) for i in sorted(used)},
            "images": len(x), "count": int(np.prod(groups["natural"].images.shape))}
