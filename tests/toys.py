"""Small images, nets and layers that the tests share.

The images are 4 x 5 pixels, many of them at 0 or 1, as MNIST's are, so that the box matters.
"""
import functools

import numpy as np
import pytest
from scipy.optimize import minimize

from intriguing import objective
from nets.backend import to_device, to_host, xp
from nets.losses import softmax_cross_entropy, square
from nets.models.fc import fc
from nets.training.costs import classification
from nets.training.loop import fit_adam

on_numpy = pytest.mark.skipif(xp is not np, reason="is not about where arrays are")


def images(K, N=24, seed=0):
    """N images of K classes (N, 1, 4, 5) float32 with many pixels at 0 or 1, labels (N,)."""
    rng = np.random.default_rng(seed)
    t = rng.integers(0, K, N)
    pale = np.random.default_rng(K).normal(0.3, 0.5, (K, 20))[t] + rng.normal(0, 0.15, (N, 20))
    return pale.clip(0, 1).astype(np.float32).reshape(N, 1, 4, 5), t


@functools.cache
def trained(sizes, lam=1e-3):
    """A net that labels `images` correctly, in float64."""
    rng = np.random.default_rng(0)
    net = fc(sizes, rng)
    x, t = map(to_device, images(sizes[-1], 400, seed=1))
    cost = classification(net, [lam] * (len(sizes) - 1))
    fit_adam(net.params, cost, x, t, 40, 0.05, rng, batch=50)
    return net


def layer_case(make, shape):
    """The layer make(rng), an input x of `shape`, a random dy of its output's, in float64."""
    rng = np.random.default_rng(0)
    layer = make(rng)
    x = to_device(rng.normal(size=shape))
    return layer, x, to_device(rng.normal(size=layer.forward(x)[0].shape))


def attack(net, K, N=24):
    """Images x that the net labels correctly, and for each a wrong label."""
    x, t = images(K, N)
    right = net.predict(x) == t
    assert right.mean() > 0.8
    x, t = x[right], t[right]
    return x, (t + 1 + np.arange(len(t)) % (K - 1)) % K


def length(x, found):
    return np.sqrt(square(found.astype(float) - x))


def least(net, x, target, ftol=1e-12):
    """min |r| over r with logit_l >= each other logit and x + r in the box: a linear net's exact
    answer, a convex quadratic programme, by SciPy's SLSQP.  x (N, ...), target (N,) -> (N,)."""
    W, b = map(to_host, net.params)
    lengths = []
    for image, k in zip(x.reshape(len(x), -1).astype(float), target, strict=True):
        G = np.delete(W[:, k, None] - W, k, 1).T                # d(logit_l - logit_j)/dx
        m = np.delete(b[k] - b, k) + G @ image
        found = minimize(
            lambda r: (r @ r, 2 * r), np.zeros(len(image)), jac=True, method="SLSQP",
            bounds=np.stack([-image, 1 - image], 1), options={"ftol": ftol, "maxiter": 500},
            constraints={"type": "ineq", "fun": lambda r, m=m, G=G: m + G @ r,
                         "jac": lambda r, G=G: G})
        assert found.success
        lengths.append(np.sqrt(found.fun))
    return np.array(lengths)


def reference(net, x, target):
    """D as one would write it with `scipy.optimize.minimize` alone: (N, ...) float64."""
    return np.concatenate([nearest(net, x[i:i + 1].astype(float), target[i:i + 1])
                           for i in range(len(x))])


def nearest(net, x, target):
    """For one image x (1, ...): c by factors of ten, then halved, each from r = 0."""
    box = np.stack([-x.ravel(), 1 - x.ravel()], 1)

    def fun(r, c):
        value, dr, _ = objective(net, *map(to_device, (x, target, np.array([c]),
                                                       r.reshape(x.shape))))
        return float(value[0]), to_host(dr).ravel()

    def solve(log_c):
        r = minimize(fun, np.zeros(x.size), args=(np.exp(log_c),), jac=True, method="L-BFGS-B",
                     bounds=box, options={"ftol": 1e-12, "gtol": 1e-8}).x.reshape(x.shape)
        return r if net.predict(x + r) == target else None

    low, best = 0.0, solve(0.0)
    while best is None:
        low -= np.log(10)
        if low < -30:                       # c asks for nothing but the label, and it is not there
            return np.full_like(x, np.nan)
        best = solve(low)
    high = low + np.log(10)
    while (r := solve(high)) is not None:
        low, high, best = high, high + np.log(10), r
    while high - low > 1e-3:
        middle = (low + high) / 2
        r = solve(middle)
        low, high, best = (low, middle, best) if r is None else (middle, high, r)
    return x + best


def descend(net, x, target, steps=100, rate=0.01):
    """Which images plain descent of the loss in the box brings to their label: (N,).  Adam."""
    reached, r, m, v = np.zeros(len(x), bool), *np.zeros((3, *x.shape))
    for i in range(1, steps + 2):
        logits, caches = net.forward(to_device(x + r))
        reached |= to_host(logits.argmax(1)) == target
        dlogits = softmax_cross_entropy(logits, to_device(target))[1]
        g = to_host(net.backward(dlogits, caches))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        step = m / (1 - 0.9 ** i) / (np.sqrt(v / (1 - 0.999 ** i)) + 1e-8)
        r = (x + r - rate * step).clip(0, 1) - x
    return reached
