"""Training, two ways: full-batch L-BFGS, believed to be the paper's, and mini-batch Adam.

Both minimise a cost: a function of a batch that returns its value and its gradient in every
parameter.  `classification` makes the paper's: mean cross-entropy plus weight decay.
"""
import numpy as np

from nets import lbfgs
from nets.backend import to_device, to_host, xp
from nets.losses import softmax_cross_entropy

DECAYS = {                                  # lambda's meaning is not stated beyond section 2
    "half": lambda lam, k: lam / 2,         # lam/2 sum w^2: nearest to the paper's Table 1
    "whole": lambda lam, k: lam,            # lam sum w^2
    "per unit": lambda lam, k: lam / k,     # lam sum w^2 / k, k output units: as printed
}


def decay(params, lams, reading="half"):
    """sum over layers of factor * sum(w^2), and its gradient in every parameter.

    Section 2.  Weights are decayed, biases are not (the paper does not say).
    params: W_1, b_1, W_2, b_2, ...  lams: lambda_1, lambda_2, ..., one a layer.  A layer's k is
    the number of its biases: units of a dense layer, filters of a convolution.
    reading: a key of DECAYS.  Returns a number, [dW_1, db_1, ...].
    """
    value, grads = 0.0, []
    for W, b, lam in zip(params[::2], params[1::2], lams, strict=True):
        factor = DECAYS[reading](lam, b.size)
        value += factor * float((W * W).sum())
        grads += [2 * factor * W, xp.zeros_like(b)]
    return value, grads


def classification(net, lams, reading="half"):
    """The cost of a classifier: mean cross-entropy + weight decay.

    Returns cost(x, t) -> value in nats, gradients in the order of net.params;
    x (N, ...) and t (N,) on the device.
    """
    def cost(x, t, rng=None):
        logits, caches = net.forward(x, rng)
        loss, dlogits = softmax_cross_entropy(logits, t)
        value, grads = decay(net.params, lams, reading)
        grads = [g + d for g, d in zip(net.gradients(dlogits / len(x), caches), grads, strict=True)]
        return float(loss.mean(dtype="float64")) + value, grads
    return cost


def fit_lbfgs(params, cost, x, t, iterations, tick=None):
    """Train by L-BFGS on all images at once, in place: one problem of one row, without a box.

    params: arrays, trained in place.  cost: as `classification` returns it.
    x (N, ...), t (N,) on the device.  tick: called after every evaluation with the value.
    """
    cuts = np.cumsum([p.size for p in params])[:-1]

    def fun(z, rows):
        _put(params, np.split(z[0], cuts))
        value, grads = _mean_over_chunks(cost, x, t)
        if tick:
            tick(value)
        return [value], _flat(grads)

    start = _flat(params)
    free = np.full_like(start, np.inf)
    found = lbfgs.minimize(fun, start, -free, free, corrections=20, ftol=1e-10, gtol=1e-7,
                           maxiter=iterations)
    _put(params, np.split(found.z[0], cuts))


def _put(params, values):
    for p, value in zip(params, values, strict=True):
        p[...] = to_device(value.reshape(p.shape).astype(p.dtype))


def _flat(arrays):
    return np.concatenate([to_host(a).ravel() for a in arrays])[None].astype(float)   # (1, all)


def _mean_over_chunks(cost, x, t, size=2000):
    """cost(x, t) and its gradients, summed up over chunks of images that fit the cache.

    Exact, because the cost is a mean over images plus a term that does not depend on them.
    """
    value, grads = 0.0, []
    for i in range(0, len(x), size):
        share = len(x[i:i + size]) / len(x)
        part, part_grads = cost(x[i:i + size], t[i:i + size])
        value += share * part
        grads = [share * g + (grads[j] if i else 0.0) for j, g in enumerate(part_grads)]
    return value, grads


def fit_adam(params, cost, x, t, epochs, rate, rng, batch=100, tick=None):
    """Train by Adam (Kingma and Ba 2015) on mini-batches, in place.

    The rate falls linearly from `rate` towards 0, which averages out the noise of the batches.
    x (N, ...), t (N,) and the rest as for `fit_lbfgs`; rng draws the batches; tick is called
    after every epoch with the value of its last batch.
    """
    mean = [xp.zeros_like(p) for p in params]
    square = [xp.zeros_like(p) for p in params]
    batch = min(batch, len(x))              # a set smaller than a batch is one batch
    steps = epochs * (len(x) // batch)
    step = 0
    for _ in range(epochs):
        order = to_device(rng.permutation(len(x)))
        for i in range(0, len(x) - batch + 1, batch):
            value, grads = cost(x[order[i:i + batch]], t[order[i:i + batch]], rng)
            size = rate * (1 - step / steps)
            step += 1
            size *= (1 - 0.999 ** step) ** 0.5 / (1 - 0.9 ** step)      # of the means from 0
            for p, g, m, v in zip(params, grads, mean, square, strict=True):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p -= size * m / (xp.sqrt(v) + 1e-8)
        if tick:
            tick(value)


def error(net, x, t):
    """The share of images x (N, ...) that the net does not give their labels t (N,)."""
    return float((net.predict(x) != to_host(t)).mean())
