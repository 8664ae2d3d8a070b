"""Losses: one call gives the value of each image and the gradient, so that the two belong together.

The caller takes the mean over the images.
"""
import numpy as np

from nets.backend import xp
from nets.checks import check_label_array, check_number, check_real, check_shape

SIGNED = "fi"               # kinds of numbers; the difference of two others is not what is meant


def square(r):
    """|r|^2 of each perturbation: (N, ...) -> (N,)."""
    return (r * r).sum(tuple(range(1, r.ndim)))


def column(c, r):
    """c (N,) -> (N, 1, ..., 1), with as many axes as r (N, ...): one number for each image."""
    return c.reshape(-1, *[1] * (r.ndim - 1))


def margin(logits, target):
    """logit_l - the largest other logit: positive where the label is l, 0 on the boundary.

    Args:
        logits: (N, K).  target: (N,) integers, l.  Both on the device.

    Returns:
        The margins (N,) and the other labels with the largest logits (N,).  A label that the net
        does not have has a margin of minus infinity.
    """
    logits = check_real("margin", "logits", logits, ndim=2)
    check_label_array("margin", target, len(logits), "target")
    own = target[:, None] == xp.arange(logits.shape[1])             # (N, K)
    others = xp.where(own, -xp.inf, logits)
    return xp.where(own, logits, -xp.inf).max(1) - others.max(1), others.argmax(1)


def softmax_cross_entropy(logits, target):
    """loss = -log softmax(logits)_target, dlogits = softmax(logits) - onehot(target).

    Section 2: loss_f of the paper's classifiers.

    Args:
        logits: (N, K).  target: (N,) integers, 0 to K - 1.

    Returns:
        loss (N,) in nats, dlogits (N, K).  The loss is infinite where there is no such label: its
        share is 0.  (An error would make a GPU wait for the labels in each step of a training.)
    """
    logits = check_real("softmax_cross_entropy", "logits", logits, 2, SIGNED)
    check_label_array("softmax_cross_entropy", target, len(logits), "target")
    z = logits - logits.max(1, keepdims=True)           # the same softmax, without overflow
    exp_z = xp.exp(z)
    sum_exp = exp_z.sum(1, keepdims=True)
    onehot = target[:, None] == xp.arange(z.shape[1])   # (N, K)
    loss = xp.log(sum_exp[:, 0]) - xp.where(onehot, z, -xp.inf).max(1)
    return loss, exp_z / sum_exp - onehot


def sigmoid_cross_entropy(z, x):
    """loss = -sum x log y + (1 - x) log(1 - y), y = sigmoid(z), and dz = y - x.

    The loss of a reconstruction y of x, where each pixel is the probability of a white dot.

    Args:
        z, x: (N, D), x in [0, 1].

    Returns:
        loss (N,) in nats, dz (N, D).
    """
    z, x = (check_real("sigmoid_cross_entropy", name, a, 2, SIGNED)
            for name, a in (("z", z), ("x", x)))
    check_shape("sigmoid_cross_entropy", "x", x, z.shape)
    y = (1 + xp.tanh(z / 2)) / 2
    softplus = z.clip(0, None) + xp.log1p(xp.exp(-abs(z)))      # log(1 + e^z), without overflow
    return (softplus - x * z).sum(1), y - x


def sparsity(h, rho):
    """loss = sum_j KL(rho || rho_j), rho_j = mean over the images of unit j, and its gradient.

    KL(rho || q) = rho log(rho / q) + (1 - rho) log((1 - rho) / (1 - q)): zero where unit j is
    active a share rho of the time.

    Args:
        h: (N, H), sigmoid outputs.  rho: a number between 0 and 1.

    Returns:
        loss (a number in nats, for all images together), dh (N, H).
    """
    h = check_real("sparsity", "h", h, ndim=2)
    check_number("sparsity", "rho", rho, least=1e-6, below=1)
    if len(h) == 0:
        raise ValueError(f"sparsity: h of shape {h.shape}; expected one image at least")
    q = h.mean(0).clip(1e-6, 1 - 1e-6)                  # a unit that never fires has no log
    loss = (rho * (np.log(rho) - xp.log(q)) + (1 - rho) * (np.log(1 - rho) - xp.log(1 - q))).sum()
    dq = (1 - rho) / (1 - q) - rho / q                  # (H,)
    return loss, xp.broadcast_to(dq / len(h), h.shape)
