"""Training, two ways: full-batch L-BFGS, believed to be the paper's, and steps on mini-batches,
Adam's or those of momentum.

All minimise a cost, a function of a batch: nets/training/costs.py.
"""
import numpy as np

from nets.backend import fuse, to_device, to_host, xp
from nets.checks import check_integers, check_real, check_shape
from nets.search.scipy_lbfgsb import minimize

# Images that full-batch training evaluates together: on a CPU as many as stay in its cache, on a
# GPU as many as MNIST has, in few and large kernels.
IMAGES_AT_ONCE = 2000 if xp is np else 60_000


def fit_lbfgs(params, cost, x, t, iterations, tick=None, ftol=1e-10):
    """Train by L-BFGS on all images at once, in place: one problem of one row, without a box.

    params: arrays, trained in place.  cost: as `classification` returns it.
    x (N, ...), t (N,) on the device.  tick: called after every evaluation with the value.
    ftol: it ends when an iteration lowers the cost by less than ftol max(cost, 1).
    """
    x = check_real("fit_lbfgs", "x", x)
    check_integers("fit_lbfgs", 1, images=len(x), iterations=iterations)
    check_shape("fit_lbfgs", "t", t, (len(x),))
    cuts = np.cumsum([p.size for p in params])[:-1]

    def evaluate(z, rows):
        _copy_into(params, np.split(z[0], cuts))
        value, grads = _mean_over_chunks(cost, x, t)
        if tick:
            tick(value)
        return [value], _flatten(grads)

    start = _flatten(params)
    free = np.full_like(start, np.inf)
    result = minimize(evaluate, start, -free, free, corrections=20, ftol=ftol, gtol=1e-7,
                      maxiter=iterations)
    _copy_into(params, np.split(result.z[0], cuts))


def _copy_into(params, values):
    for p, value in zip(params, values, strict=True):
        p[...] = to_device(value.reshape(p.shape).astype(p.dtype))


def _flatten(arrays):
    return np.concatenate([to_host(a).ravel() for a in arrays])[None].astype(float)   # (1, all)


def _mean_over_chunks(cost, x, t, size=IMAGES_AT_ONCE):
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


def _lam_of_each(params, lams):
    """lams, or 0 for each parameter; ValueError if their numbers differ."""
    if lams is not None and len(lams) != len(params):
        raise ValueError(f"{len(lams)} lambdas for {len(params)} parameters; expected one each")
    return [0.0] * len(params) if lams is None else lams


@fuse
def adam_step(w, g, m, v, size):
    """One parameter w, its gradient g, and the running means m and v of g and g^2, in place."""
    m += 0.1 * (g - m)
    v += 0.001 * (g * g - v)
    w -= size * m / (xp.sqrt(v) + 1e-8)


class Adam:
    """m <- m + 0.1 (g - m),  v <- v + 0.001 (g^2 - v),
    w <- w - eps_t m / (sqrt(v) + 1e-8) - eps lam w,  eps_t = eps sqrt(1 - 0.999^t) / (1 - 0.9^t).

    eps: the rate of step t.  eps_t makes up for m and v, which start from 0.  This is the form at
    the end of section 2 of Kingma and Ba (2015): 1e-8 is its epsilon-hat.  Their Algorithm 1 adds
    epsilon to sqrt(v / (1 - 0.999^t)) instead, so that its 1e-8 counts for more in the first steps.
    With lam above 0, AdamW: Loshchilov and Hutter (2019).
    State: the number of steps, every m, every v.
    """

    def __init__(self, params, lams=None):
        """lams: lam of each parameter; None: all 0."""
        self.params, self.lams = params, _lam_of_each(params, lams)
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
        self.params, self.lams = params, _lam_of_each(params, lams)
        self.state = [xp.zeros_like(p) for p in params]

    def step(self, grads, rate):
        """One step along the gradients, one a parameter, with eps = rate; in place."""
        for w, lam, g, v in zip(self.params, self.lams, grads, self.state, strict=True):
            v *= 0.9
            if lam:
                v -= lam * rate * w
            v -= rate * g
            w += v
