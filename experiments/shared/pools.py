"""Adversarial training with a pool of examples for each layer (section 4, "Adversarial training").

An example of layer k is phi_k(x) of a training image, moved within [0, 1] towards a wrong label,
and keeps the true one.  It trains the layers above k: k = 0 is a distorted image and trains all.
How large a pool is, how much of it is replaced and when, which labels are aimed at and how far an
example goes are not stated in the paper.
"""
import numpy as np

from intriguing import D, amplified
from nets.backend import to_device, to_host, xp
from nets.losses import margin, softmax_cross_entropy
from nets.search.answers import Result
from nets.search.rounds import in_rounds
from nets.training import costs

STEPS = 4               # of `descend`: a third of L-BFGS's time on pixels, 0.5 ms an image; the two
                        # ends lie at a cosine of 0.98, on nets so trained
ASCENT = 2              # steps of `ascended`: one had 0.1 points more errors


class Pool:
    """Examples of layer k: phi (n, ...), labels t (n,), on the device.

    phi stays as it was when it was made, while the layers below go on learning: most of what an
    old example of a hidden layer differs by from phi_k(x) is that, not the perturbation.
    """

    def __init__(self, k, stddev, size, share, examples):
        """stddev: how far from phi_k(x), see `distortion`.  size: how many it holds when full.

        share: of the size, is replaced at each `renew`.  examples: `adversarial`, or a function
        with its arguments.
        """
        self.k, self.stddev, self.size, self.share, self.examples = k, stddev, size, share, examples
        self.phi, self.t = None, None

    def renew(self, net, x, t, rng):
        """Replace a share of the pool, drawn by rng, by examples made for the net as it now is.

        x: (N, ...) training images, t: (N,) labels, on the device.  The pool starts empty, and
        until it is full nothing leaves it.
        """
        n = min(round(self.share * self.size), len(x))
        rows = to_device(rng.permutation(len(x))[:n])
        phi, t = to_host(net.below(self.k).forward(x[rows])[0]), t[rows]
        new = to_device(self.examples(net.above(self.k), phi, to_host(t), self.stddev, rng))
        if self.phi is None:
            self.phi, self.t = new, t
            return
        kept = to_device(rng.permutation(len(self.t))[:self.size - n])
        self.phi = xp.concatenate([self.phi[kept], new])
        self.t = xp.concatenate([self.t[kept], t])

    def draw(self, n, rng):
        """n examples, drawn by rng: phi (n, ...), t (n,)."""
        rows = to_device(rng.integers(len(self.t), size=n))
        return self.phi[rows], self.t[rows]


def adversarial(net, phi, t, stddev, rng=None):
    """D(phi, l), l the likeliest wrong label, brought to the distance `stddev` from phi.

    net: the layers above, net.above(k).  phi: (N, ...) in [0, 1], t: (N,) true labels, on the
    host.  Distances are root mean squares, see `intriguing.distortion`, before what leaves the
    box is cut off; where D went farther, the net still gives the example its true label.  Where
    nothing is found, or the label is wrong already, phi itself.
    Returns (N, ...) float32 in [0, 1].
    """
    wrong = margin(net.forward(to_device(phi))[0], to_device(t))[1]
    found = amplified(phi, D(net, phi, wrong, solver=in_rounds(descend)), stddev)
    return np.where(np.isnan(found), phi, found).clip(0, 1).astype("float32")


def ascended(net, phi, t, stddev, rng=None):
    """phi, moved up the gradient of its loss in ASCENT steps of the same length: D's control.

    Not the nearest example but one of large loss, for a fourteenth of D's time on pixels and less
    on units; Goodfellow et al. (2015) take one such step, along the gradient's signs.  As
    `adversarial`.
    """
    for _ in range(ASCENT):
        logits, caches = net.forward(to_device(phi))
        g = to_host(net.backward(softmax_cross_entropy(logits, to_device(t))[1], caches))
        step = amplified(np.zeros_like(g), g, stddev / ASCENT)
        phi = (phi + step).clip(0, 1).astype("float32")
    return phi


def noise(net, phi, t, stddev, rng):
    """phi + Gaussian noise of this standard deviation, less what leaves the box: the control."""
    return (phi + rng.normal(0, stddev, phi.shape)).clip(0, 1).astype("float32")


def descend(fun, z0, lower, upper, **tolerances):
    """`scipy_lbfgsb.minimize` as pools need it: STEPS projected gradient steps of all rows.

    z <- clip(z - a g).  a is 1 first, right for c |r|^2, whose curvature D makes 1, and then
    <s, s> / <s, y>, s the last step and y what it changed in g: Barzilai and Borwein (1988); but
    at most 1, since the loss only adds curvature near a minimum, and at least 0.1, so that a
    kink does not end the search.
    fun, z0, lower, upper (N, D): as there.  Tolerances are not looked at.  Returns a Result.
    """
    rows, z, a = np.arange(len(z0)), np.clip(z0, lower, upper), 1.0
    g = fun(z, rows)[1]
    for _ in range(STEPS):
        s = np.clip(z - a * g, lower, upper) - z
        y = fun(z + s, rows)[1] - g
        z, g = z + s, g + y
        a = ((s * s).sum(1) / np.maximum((s * y).sum(1), 1e-12)).clip(0.1, 1)[:, None]
    return Result(z, np.full(len(z), STEPS + 1))


def with_pools(net, cost, pools):
    """The cost of a batch, and for each pool the mean cross-entropy of as many of its examples.

    Examples of layer k have gradients in the layers above k only.  The paper trains "in an
    alternating fashion"; here each batch goes through the pools one after the other and then
    makes its step.  One pool in turn a batch, and so a third of the examples in as many steps, had
    0.2 points more errors in one run.
    cost(x, t, rng): as `costs.classification` returns it, and as is returned.
    """
    def mixed(x, t, rng):
        value, grads = cost(x, t, rng)
        for pool in pools:
            more, above = costs.cross_entropy(net.above(pool.k))(*pool.draw(len(x), rng))
            below = len(grads) - len(above)
            grads = grads[:below] + [g + h for g, h in zip(grads[below:], above, strict=True)]
            value += more
        return value, grads
    return mixed
