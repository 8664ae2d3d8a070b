"""Training on mini-batches: the rate of each step, an epoch, shards in threads; and the error.
"""
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np

from nets.backend import to_device
from nets.checks import (
    check_choice,
    check_images,
    check_integers,
    check_labels,
    check_methods,
    check_number,
    check_real,
    check_shape,
    count_labels,
)
from nets.training import optimisers

SCHEDULES = {                               # the rate's share of the first one, at a share of
    "linear": lambda done: 1 - done,        # the steps; both average out the noise of batches
    "cosine": lambda done: (1 + np.cos(np.pi * done)) / 2,
}


def make_rates(schedule, rate, epochs, images, batch):
    """The rate of each step: `epochs` lists of one for each whole batch, falling from `rate`.

    schedule: a key of SCHEDULES.  A set of fewer images than a batch is one batch.
    """
    check_choice("make_rates", "schedule", schedule, SCHEDULES)
    check_integers("make_rates", 1, images=images, batch=batch)
    check_integers("make_rates", 0, epochs=epochs)
    check_number("make_rates", "rate", rate, least=0)
    batches = images // min(batch, images)
    done = np.arange(epochs * batches) / (epochs * batches)
    return (rate * SCHEDULES[schedule](done)).reshape(epochs, batches).tolist()


def train_epoch(optimiser, cost, x, t, rates, rng, batch):
    """A step of the optimiser for each of len(rates) batches: images in an order drawn by rng.

    cost: as `cross_entropy` returns it; rng is given to it too.  x: (N, ...), t: (N,) on the
    device.  rates: of each step.  Returns the cost of each batch before its step, a list.
    """
    x = check_real("train_epoch", "x", x)
    check_integers("train_epoch", 1, batch=batch)
    check_shape("train_epoch", "t", t, (len(x),))
    order = to_device(rng.permutation(len(x)))
    values = []
    for i, rate in enumerate(rates):
        rows = order[i * batch:(i + 1) * batch]
        value, grads = cost(x[rows], t[rows], rng)
        optimiser.step(grads, rate)
        values.append(value)
    return values


def divide_over_threads(cost, shard):
    """The same cost, its batches divided into shards of so many images, each in a thread.

    A mean over images, so the shards' costs are averaged, always in their order: the number of
    cores changes nothing.  rng gives each shard one of its own.  BLAS should have one thread.
    """
    check_integers("divide_over_threads", 1, shard=shard)
    pool = ThreadPoolExecutor()

    def of_shards(x, t, rng):
        starts = range(0, len(x), shard)
        # In a copy of this thread's context, so that its np.errstate holds there too.
        tasks = [pool.submit(copy_context().run, cost, x[i:i + shard], t[i:i + shard], one)
                 for i, one in zip(starts, rng.spawn(len(starts)), strict=True)]
        parts = [task.result() for task in tasks]
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
    adam = optimisers.Adam(params)
    for of_epoch in make_rates("linear", rate, epochs, len(x), batch):
        values = train_epoch(adam, cost, x, t, of_epoch, rng, batch)
        if tick:
            tick(values[-1])


def error(net, x, t):
    """The share of images x (N, ...) that the net does not give their labels t (N,)."""
    check_methods("error", net, "predict")
    if len(check_images("error", x)) == 0:
        raise ValueError("error: no images; expected one at least")
    t = check_labels("error", t, len(x), count_labels(net, x))
    return float((net.predict(x) != t).mean())
