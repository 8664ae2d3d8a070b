"""Adversarial training with a pool of examples for each layer (section 4, "Adversarial training").

An example of layer k is phi_k(x) of a training image, moved within [0, 1] towards a wrong label.
It has the image's true label, and trains the layers above k.  With k = 0 it is a distorted image,
and trains all layers.  The paper does not state the size of a pool, how much of it is replaced and
when, which wrong labels it takes, and how far an example is from phi_k(x).
"""
import numpy as np

from intriguing import D, amplify
from nets.backend import to_device, to_host, xp
from nets.checks import (
    check_images,
    check_integers,
    check_label_array,
    check_labels,
    check_number,
)
from nets.losses import margin, softmax_cross_entropy
from nets.search.answers import Result
from nets.search.rounds import make_engine
from nets.training import costs

STEPS = 4               # of `descend`: on pixels 0.5 ms an image, a third of L-BFGS's time; on nets
                        # trained so, the two results have a cosine of 0.98
ASCENT = 2              # steps of `ascend`: with one step there were 0.1 points more errors


class Pool:
    """Examples of layer k: phi_k(x) + r of training images x, each with the label of its image.

    phi_k(x) is computed anew whenever an example is drawn, because the layers below go on learning.
    r stays as it was found until the example is replaced.

    Args:
        x: training images (N, ...), on the device.
        t: their labels (N,), on the device.
        k: the layer.
        stddev: the distance of an example from phi_k(x) at most, see `distortion`.
        size: how many examples the pool has when it is full.
        share: of the size; so many are replaced by each `renew`.
        examples: `make_adversarial`, or a function with the same arguments.
    """

    def __init__(self, x, t, k, stddev, size, share, examples):
        check_label_array("Pool", t, len(x))
        check_number("Pool", "stddev", stddev, least=0)
        check_integers("Pool", 1, size=size)
        if not 0 < share <= 1:
            raise ValueError(f"Pool: share = {share}; expected more than 0, and 1 at most")
        self.x, self.t, self.k, self.stddev = x, t, k, stddev
        self.size, self.share, self.examples = size, share, examples
        self.rows, self.r = None, None      # rows of x (n,), and their perturbations (n, ...)

    def renew(self, net, rng):
        """Replace a share of the pool, chosen by rng, by new examples for the net as it is now.

        The pool starts empty.  Until it is full, nothing is replaced: it grows.

        Args:
            net: the examples are made for its layers above k.
            rng: chooses what is replaced and which images the new examples are made of.
        """
        n = min(round(self.share * self.size), len(self.x))
        rows = to_device(rng.permutation(len(self.x))[:n])
        phi = net.below(self.k).forward(self.x[rows])[0]
        moved = self.examples(net.above(self.k), to_host(phi), to_host(self.t[rows]), self.stddev,
                              rng)
        r = to_device(moved) - phi
        if self.r is not None:
            old = to_device(rng.permutation(len(self.r))[:self.size - n])
            rows, r = xp.concatenate([self.rows[old], rows]), xp.concatenate([self.r[old], r])
        self.rows, self.r = rows, r

    def draw(self, net, n, rng):
        """Choose n examples by rng, for the net as it is now: phi (n, ...) in [0, 1], t (n,)."""
        if self.r is None:
            raise ValueError("Pool.draw: the pool is empty; call renew first")
        chosen = to_device(rng.integers(len(self.r), size=n))
        rows = self.rows[chosen]
        phi = net.below(self.k).forward(self.x[rows])[0]
        return (phi + self.r[chosen]).clip(0, 1), self.t[rows]


def make_adversarial(net, phi, t, stddev, rng=None):
    """Move phi towards D(phi, l), by a fixed distance; l is the likeliest wrong label.

    Where D lies farther than that, the net still gives the example its true label.

    Args:
        net: the layers above k, net.above(k).
        phi: (N, ...) in [0, 1], on the host.
        t: true labels (N,), on the host.
        stddev: the distance, a root mean square (see `intriguing.distortion`), before the example
            is clipped to [0, 1].
        rng: not used.

    Returns:
        (N, ...) float32 in [0, 1]; phi itself where D found nothing, or phi's label is wrong.
    """
    logits, _ = net.forward(to_device(phi))
    check_labels("make_adversarial", t, *logits.shape)
    wrong = margin(logits, to_device(t))[1]
    moved = amplify(phi, D(net, phi, wrong, solver=make_engine(descend)), stddev)
    return np.where(np.isnan(moved), phi, moved).clip(0, 1).astype("float32")


def ascend(net, phi, t, stddev, rng=None):
    """Move phi up the gradient of its loss, in ASCENT steps of the same length: D's control.

    It looks for a large loss, not for the nearest example, and takes a fourteenth of D's time on
    pixels, and less on units.  Goodfellow et al. (2015) take one step, along the gradient's signs.
    Arguments and result are those of `make_adversarial`.
    """
    for _ in range(ASCENT):
        logits, caches = net.forward(to_device(phi))
        check_labels("ascend", t, *logits.shape)
        g = to_host(net.backward(softmax_cross_entropy(logits, to_device(t))[1], caches))
        step = amplify(np.zeros_like(g), g, stddev / ASCENT)
        phi = (phi + step).clip(0, 1).astype("float32")
    return phi


def add_noise(net, phi, t, stddev, rng):
    """phi + Gaussian noise of this standard deviation, clipped to [0, 1]: the other control."""
    check_images("add_noise", phi, "phi")
    check_number("add_noise", "stddev", stddev, least=0)
    return (phi + rng.normal(0, stddev, phi.shape)).clip(0, 1).astype("float32")


def descend(evaluate, z0, lower, upper, **tolerances):
    """Take STEPS projected gradient steps in all rows: a short `scipy_lbfgsb.minimize`.

    z <- clip(z - a g).  The first a is 1, which is right for c |r|^2, because D makes its curvature
    1.  Then a = <s, s> / <s, y>, where s is the last step and y the change of g: Barzilai and
    Borwein (1988).  a is at most 1, since the loss only adds curvature near a minimum, and at least
    0.1, so that a kink does not end the search.

    Args:
        evaluate, z0, lower, upper: as for `scipy_lbfgsb.minimize`; arrays (N, D).
        tolerances: not used.

    Returns:
        A Result.
    """
    rows, z, a = np.arange(len(z0)), np.clip(z0, lower, upper), 1.0
    g = evaluate(z, rows)[1]
    for _ in range(STEPS):
        s = np.clip(z - a * g, lower, upper) - z
        y = evaluate(z + s, rows)[1] - g
        z, g = z + s, g + y
        a = ((s * s).sum(1) / np.maximum((s * y).sum(1), 1e-12)).clip(0.1, 1)[:, None]
    return Result(z, np.full(len(z), STEPS + 1))


def add_pools(net, cost, pools):
    """Add to the cost of a batch, for each pool, the mean cross-entropy of as many of its examples.

    Examples of layer k have gradients in the layers above k only.  The paper trains "in an
    alternating fashion".  Here each step sums the cost of the batch and those of all pools.  With
    one pool in each step, in turn, so with a third of the examples, one run had 0.2 points more
    errors.

    Args:
        net: the net that is trained.
        cost: cost(x, t, rng), as `costs.classification` returns it.
        pools: a list of Pool.

    Returns:
        A cost of the same form.
    """
    def mixed(x, t, rng):
        value, grads = cost(x, t, rng)
        for pool in pools:
            added, above = costs.cross_entropy(net.above(pool.k))(*pool.draw(net, len(x), rng))
            below = len(grads) - len(above)
            grads = grads[:below] + [g + h for g, h in zip(grads[below:], above, strict=True)]
            value += added
        return value, grads
    return mixed
