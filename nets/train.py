"""Training, two ways: full-batch L-BFGS, believed to be the paper's, and steps on mini-batches,
Adam's or those of momentum.

All minimise a cost: a function of a batch that returns its value and its gradient in every
parameter.  `classification` makes the paper's: mean cross-entropy plus weight decay.
"""
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np

from nets.backend import fuse, to_device, to_host, xp
from nets.losses import softmax_cross_entropy
from nets.search.scipy_lbfgsb import minimize

DECAYS = {                                  # lambda's meaning is not stated beyond section 2
    "half": lambda lam, k: lam / 2,         # lam/2 sum w^2: nearest to the paper's Table 1
    "whole": lambda lam, k: lam,            # lam sum w^2
    "per unit": lambda lam, k: lam / k,     # lam sum w^2 / k, k output units: as printed
}


def decay(net, lams, reading="half"):
    """sum over layers of factor * sum(w^2), and its gradient in every parameter.

    Section 2.  Weights decay, biases do not (the paper does not say): see Layer.decays.

    Args:
        net: a Net.
        lams: lambda_1, lambda_2, ..., one for each layer that has parameters.
        reading: a key of DECAYS.  A layer's k is the number of its biases: units of a dense
            layer, filters of a convolution.

    Returns:
        A number, and its gradient in each of net.params: 0 in those that do not decay.
    """
    value, grads, decays = 0.0, [], iter(net.decays)
    weighted = [layer.params for layer in net.layers if layer.params]
    for params, lam in zip(weighted, lams, strict=True):
        decayed = [next(decays) for _ in params]
        k = sum(p.size for p, is_weight in zip(params, decayed, strict=True) if not is_weight)
        for p, is_weight in zip(params, decayed, strict=True):
            factor = DECAYS[reading](lam, k) if is_weight else 0
            value += factor * float((p * p).sum())
            grads.append(2 * factor * p)
    return value, grads


def cross_entropy(net):
    """The cost of a classifier without weight decay: mean cross-entropy.

    Returns cost(x, t, rng) -> value in nats, gradients in the order of net.params;
    x (N, ...) and t (N,) on the device.
    """
    def cost(x, t, rng=None):
        logits, caches = net.forward(x, rng)
        loss, dlogits = softmax_cross_entropy(logits, t)
        return float(loss.mean(dtype="float64")), net.gradients(dlogits / len(x), caches)
    return cost


def classification(net, lams, reading="half"):
    """The cost of a classifier: mean cross-entropy + weight decay.  As `cross_entropy`."""
    entropy = cross_entropy(net)

    def cost(x, t, rng=None):
        value, grads = entropy(x, t, rng)
        more, decays = decay(net, lams, reading)
        return value + more, [g + d for g, d in zip(grads, decays, strict=True)]
    return cost


# Images that full-batch training evaluates together: on a CPU as many as stay in its cache, on a
# GPU as many as MNIST has, in few and large kernels.
TOGETHER = 2000 if xp is np else 60_000


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
    found = minimize(fun, start, -free, free, corrections=20, ftol=1e-10, gtol=1e-7,
                     maxiter=iterations)
    _put(params, np.split(found.z[0], cuts))


def _put(params, values):
    for p, value in zip(params, values, strict=True):
        p[...] = to_device(value.reshape(p.shape).astype(p.dtype))


def _flat(arrays):
    return np.concatenate([to_host(a).ravel() for a in arrays])[None].astype(float)   # (1, all)


def _mean_over_chunks(cost, x, t, size=TOGETHER):
    """cost(x, t) and its gradients, summed up over chunks of images.

    Exact, because the cost is a mean over images plus a term that does not depend on them.
    """
    value, grads = 0.0, []
    for i in range(0, len(x), size):
        share = len(x[i:i + size]) / len(x)
        part, part_grads = cost(x[i:i + size], t[i:i + size])
        value += share * part
        grads = [share * g + (grads[j] if i else 0.0) for j, g in enumerate(part_grads)]
    return value, grads


@fuse
def adam_step(w, g, m, v, size):
    """One parameter w, its gradient g, and the running means m and v of g and g^2, in place."""
    m += 0.1 * (g - m)
    v += 0.001 * (g * g - v)
    w -= size * m / (xp.sqrt(v) + 1e-8)


class Adam:
    """m <- m + 0.1 (g - m),  v <- v + 0.001 (g^2 - v),  w <- w - eps (m / sqrt(v) + lam w).

    Kingma and Ba (2015), m and v divided by what they lack because they start from 0, as the end
    of their section 2 has it.  With lam above 0, AdamW: Loshchilov and Hutter (2019).
    State: the number of steps, every m, every v.
    """

    def __init__(self, params, lams=None):
        """lams: lam of each parameter; None: all 0."""
        self.params, self.lams = params, lams or [0.0] * len(params)
        self.steps = xp.zeros(())
        self.mean = [xp.zeros_like(p) for p in params]
        self.square = [xp.zeros_like(p) for p in params]
        self.state = [self.steps, *self.mean, *self.square]

    def step(self, grads, rate):
        """One step along the gradients, one a parameter, with eps = rate; in place."""
        self.steps += 1
        step = int(self.steps)
        size = rate * ((1 - 0.999 ** step) ** 0.5 / (1 - 0.9 ** step))
        for w, lam, g, m, v in zip(self.params, self.lams, grads, self.mean, self.square,
                                   strict=True):
            if lam:
                w -= rate * lam * w
            adam_step(w, g, m, v, size)


class Momentum:
    """v <- 0.9 v - lam eps w - eps g,  w <- w + v.  State: every v.

    Krizhevsky et al. (2012), section 5, where lam is 0.0005; in their code it is 0 for biases.
    """

    def __init__(self, params, lams=None):
        """lams: lam of each parameter; None: all 0."""
        self.params, self.lams = params, lams or [0.0] * len(params)
        self.state = [xp.zeros_like(p) for p in params]

    def step(self, grads, rate):
        """One step along the gradients, one a parameter, with eps = rate; in place."""
        for w, lam, g, v in zip(self.params, self.lams, grads, self.state, strict=True):
            v *= 0.9
            if lam:
                v -= lam * rate * w
            v -= rate * g
            w += v


SCHEDULES = {                               # the rate's share of the first one, at a share of
    "linear": lambda done: 1 - done,        # the steps; both average out the noise of batches
    "cosine": lambda done: (1 + np.cos(np.pi * done)) / 2,
}


def rates(schedule, rate, epochs, images, batch):
    """The rate of each step: `epochs` lists of one for each whole batch, falling from `rate`.

    schedule: a key of SCHEDULES.  A set of fewer images than a batch is one batch.
    """
    batches = images // min(batch, images)
    done = np.arange(epochs * batches) / (epochs * batches)
    return (rate * SCHEDULES[schedule](done)).reshape(epochs, batches).tolist()


def one_epoch(optimiser, cost, x, t, rates, rng, batch):
    """A step of the optimiser for each of len(rates) batches: images in an order drawn by rng.

    cost: as `cross_entropy` returns it; rng is given to it too.  x: (N, ...), t: (N,) on the
    device.  rates: of each step.  Returns the cost of each batch before its step, a list.
    """
    order = to_device(rng.permutation(len(x)))
    values = []
    for i, rate in enumerate(rates):
        rows = order[i * batch:(i + 1) * batch]
        value, grads = cost(x[rows], t[rows], rng)
        optimiser.step(grads, rate)
        values.append(value)
    return values


def in_threads(cost, shard):
    """The same cost, its batches divided into shards of so many images, each in a thread.

    A mean over images, so the shards' costs are averaged, always in their order: the number of
    cores changes nothing.  rng gives each shard one of its own.  BLAS should have one thread.
    """
    pool = ThreadPoolExecutor()

    def of_shards(x, t, rng):
        starts = range(0, len(x), shard)
        tasks = [pool.submit(copy_context().run, cost, x[i:i + shard], t[i:i + shard], one)
                 for i, one in zip(starts, rng.spawn(len(starts)), strict=True)]
        parts = [task.result() for task in tasks]       # in its context is what NumPy warns of
        shares = [len(x[i:i + shard]) / len(x) for i in starts]
        values, grads = zip(*parts, strict=True)
        return (sum(share * value for share, value in zip(shares, values, strict=True)),
                [sum(share * g for share, g in zip(shares, of_one, strict=True))
                 for of_one in zip(*grads, strict=True)])
    return of_shards


def fit_adam(params, cost, x, t, epochs, rate, rng, batch=100, tick=None):
    """Train by Adam on mini-batches, in place, while the rate falls linearly from `rate` to 0.

    x (N, ...), t (N,) and the rest as for `fit_lbfgs`; rng draws the batches; tick is called
    after every epoch with the value of its last batch.
    """
    adam = Adam(params)
    for of_epoch in rates("linear", rate, epochs, len(x), batch):
        values = one_epoch(adam, cost, x, t, of_epoch, rng, batch)
        if tick:
            tick(values[-1])


def error(net, x, t):
    """The share of images x (N, ...) that the net does not give their labels t (N,)."""
    return float((net.predict(x) != to_host(t)).mean())
