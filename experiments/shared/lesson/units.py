"""Section 3 of the paper, to try for oneself: ten images of a unit, ten of a random direction."""
from experiments.shared import measures
from experiments.shared.lesson.encode import encode_png, round_number

SETS, IMAGES = 16, 10   # units, and directions; the images of each
KINDS = {"natural": "unit", "random": "direction"}


def last_hidden_layer(net):
    """K - 1, counted as in nets.Net; 0, the pixels, of a net without hidden layers."""
    return sum(bool(layer.params) for layer in net.layers) - 1


def pick_sets(activations, x, t, seed):
    """The top images of units and of random directions, and the purity of each set.

    Args:
        activations: phi(x) (N, H).
        x, t: test images (N, 1, H, W) and their labels (N,).
        seed: decides which units and which directions.
    """
    groups = measures.pick_images(activations, SETS, IMAGES, seed)
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
    return {**sets, "pictures": {i: encode_png(x[i]) for i in sorted(used)}}
