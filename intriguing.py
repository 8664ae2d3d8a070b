"""Intriguing properties of neural networks (Szegedy et al. 2014), in the paper's own order.

Section 3: `phi`, directions and `top_images`.  Section 4.1: `objective` and the search D(x, l).
Section 4.2: `distortion`, `amplified` and `transfer`.
Symbols are the paper's: x an image with pixels in [0, 1], r the perturbation, l (`target`) the
wanted label, f(x) = net.predict(x) the label that the net gives, c the weight of |r|^2.
"""
import numpy as np

from nets import lbfgs
from nets.backend import to_device, to_host
from nets.bracket import INSIDE, Bracket
from nets.losses import softmax_cross_entropy
from nets.net import chunk

# ---- Section 3: what the units of a layer mean, and random directions ------------------------

DISTRIBUTIONS = {                           # of a random direction; the paper names none
    "gaussian": lambda rng, H: rng.normal(size=H),              # uniform over all directions
    "non-negative": lambda rng, H: abs(rng.normal(size=H)),     # over those without an entry < 0
}


def phi(net, x, layer):
    """phi(x): the activations of a layer, counted as in nets.Net; phi_0 = x, the raw pixels.

    Section 2.  x: (N, ...) of the host.  Returns (N, H) float64 on the host, an image a row.
    """
    below, n = net.below(layer), chunk(x)
    rows = [to_host(below.forward(to_device(x[i:i + n]))[0]) for i in range(0, len(x), n)]
    return np.concatenate(rows).reshape(len(x), -1).astype(float)


def natural_direction(H, i):
    """e_i: unit i by itself, one of H.  Returns (H,)."""
    if not 0 <= i < H:
        raise ValueError(f"unit {i}: the layer has units 0 to {H - 1}")
    return np.eye(1, H, i)[0]


def random_direction(H, seed, distribution="gaussian"):
    """v: a random direction in R^H, of length 1.  distribution: a key of DISTRIBUTIONS.

    seed: anything that numpy.random.default_rng takes.  Returns (H,).
    """
    if distribution not in DISTRIBUTIONS:
        raise ValueError(f"no distribution of directions is called {distribution!r}; choose one "
                         f"of {', '.join(DISTRIBUTIONS)}")
    v = DISTRIBUTIONS[distribution](np.random.default_rng(seed), H)
    return v / np.linalg.norm(v)


def top_images(phi, direction, count, seed=0):
    """argmax over the images of <phi(x), direction>, the `count` first: indices, best first.

    Section 3.  phi: (N, H).  direction: (H,), e_i or v.  Images that score the same come in an
    order drawn from `seed`, never in that of the file.  Returns (count,).
    """
    if not 1 <= count <= len(phi):
        raise ValueError(f"top_images: {count} of {len(phi)} images")
    order = np.random.default_rng(seed).permutation(len(phi))
    score = (phi @ direction)[order]
    return order[np.argsort(-score, kind="stable")[:count]]


# ---- Section 4.1: the search for the nearest image with another label ------------------------


def square(r):
    """|r|^2 of each perturbation: (N, ...) -> (N,)."""
    return (r * r).sum(tuple(range(1, r.ndim)))


def column(c, r):
    """c (N,) with as many axes as r (N, ...), so that each image gets its own."""
    return c.reshape(-1, *[1] * (r.ndim - 1))


def objective(net, x, target, c, r):
    """c |r|^2 + loss_f(x + r, l), and its gradient in r.

    Section 4.1.  The paper prints c |r|; the square has a gradient at r = 0, where the search
    starts, and sweeping c visits every perturbation that sweeping it with c |r| visits.
    x, r: (N, ...).  target: (N,) integers.  c: (N,).
    Returns values (N,) in nats, gradients (N, ...), and the logits (N, K) on the way.
    """
    logits, caches = net.forward(x + r)
    logits = logits.astype(float)           # from float32, say: its rounding stops the line search
    loss, dlogits = softmax_cross_entropy(logits, target)
    dr = net.backward(dlogits, caches)      # d(x + r)/dr = 1
    return c * square(r) + loss, 2 * column(c, r) * r + dr, logits


def margin(logits, target):
    """logit_l - the largest other logit: positive where the label is l, 0 on the boundary.

    logits: (N, K).  target: (N,).  Returns the margin (N,), the largest other label (N,).
    """
    n = np.arange(len(target))
    others = logits.copy()
    others[n, target] = -np.inf
    other = others.argmax(1)
    return logits[n, target] - logits[n, other], other


# Tolerances of the search; those of the line search over c are in nets/bracket.py.  Gradients are
# measured against d margin / dx at x, so that they mean the same for every net.
GTOL = 2e-3             # of each inner minimisation: its gradient, about that share of r
FTOL = 1e-4             # and its gains, of |margin|: at the kinks of ReLU and max pooling, where
                        # the gradient does not fall, it would search on for hundreds of steps
BATCH = 128             # images searched together: MNIST's solvers, 10 MB, stay in cache
CORRECTIONS = 5         # L-BFGS's memory; some ten steps from a warm start need no more
ROUNDS = 40             # values of c at most; five do as a rule
BOUNDARY_STEPS = 3      # of `step_onto_boundary`
PUSH = (1, 1 + 1e-6, 1 + 1e-4, 1 + 1e-2)    # factors on r, should rounding cost it the label


def D(net, x, target, *, minimize=lbfgs.minimize, onto_boundary=False):
    """x + r: for each image the nearest one found that the net labels l.

    Section 4.1: minimise c |r|^2 + loss_f(x + r, l) over r with x + r in [0, 1], for the c that
    gives the smallest r with f(x + r) = l.  The paper says "minimum c"; with c on |r|^2 that is
    the largest c that still succeeds.  D(x, f(x)) = x (printed as f(x)).
    net: anything with forward(x), backward(dlogits, caches) and predict(x), as nets.Net has
    them; the first two work on arrays of the device, predict on NumPy's.  It is given float64,
    and may compute in less, as nets.Net does if its parameters are float32.
    x: (N, ...) pixels in [0, 1].  target: (N,) integers, or one for all.
    minimize: how the rows are minimised, `lbfgs.minimize` or another with its arguments.
    onto_boundary: a last step beyond the paper, see `step_onto_boundary`.
    Returns (N, ...) float32 in [0, 1].  Each was checked to have the label l when the net is given
    exactly these values; where none was found, all its pixels are NaN.
    Raises ValueError for pixels outside [0, 1], labels that the net has not, a net that gives NaN.
    """
    x, target = _checked(x, target)
    found, n = np.empty(x.shape, np.float32), chunk(x, BATCH)
    for i in range(0, len(x), n):
        xs, targets = x[i:i + n], target[i:i + n]
        unit, steepest, log_c = _start(net, xs, targets)
        r = _search(net, xs, targets, unit, GTOL * steepest, log_c, minimize)
        if onto_boundary:
            r = step_onto_boundary(net, xs, targets, unit, r)
        found[i:i + n] = _verified(net, xs, targets, r)
    return found


def _search(net, x, target, unit, gtol, log_c, minimize):
    """The smallest r found, NaN where none was: (N, ...)."""
    rows = np.flatnonzero(net.predict(x) != target)     # those still searching
    bracket = Bracket(log_c)
    nearest = Nearest(x, rows)
    r, scale = np.zeros_like(nearest.r), np.ones((len(x), 1))

    # The solver's first step takes every curvature for 1.  In z = s r, s = sqrt(2 c), that of
    # c |r|^2 = |z|^2 / 2 is 1, whatever c is; in r, small c would make its first steps too short.
    def fun(z, i):                                      # the solver wants rows[i] at z
        i = rows[i]
        r_i = z / scale[i]
        value, dr, logits = objective(net, to_device(x[i]), to_device(target[i]),
                                      to_device(np.exp(bracket.log_c[i])),
                                      to_device(r_i.reshape(x[i].shape)))
        nearest.note(i, r_i, margin(to_host(logits), target[i])[0] > INSIDE * unit[i])
        return to_host(value), to_host(dr).reshape(z.shape) / scale[i]

    for _ in range(ROUNDS):
        if len(rows) == 0:
            break
        scale[rows, 0] = np.sqrt(2 * np.exp(bracket.log_c[rows]))
        s, box = scale[rows], x[rows].reshape(len(rows), -1)
        ftol = FTOL * np.minimum(unit[rows], 4)         # the solver means gains of ftol * value,
        start = r[rows]
        r[rows] = minimize(fun, s * start, -s * box, s * (1 - box), corrections=CORRECTIONS,
                           ftol=ftol, gtol=gtol[rows] / s[:, 0]).z / s  # some |margin| / 4
        logits = net.forward(to_device(x[rows] + r[rows].reshape(x[rows].shape)))[0]
        bracket.narrow(rows, margin(to_host(logits), target[rows])[0] / unit[rows])
        # In a minimum of the loss without the label no c helps: the next search is from 0 again.
        stuck = np.isinf(bracket.yes[rows]) & np.isclose(r[rows], start, rtol=1e-3).all(1)
        r[rows[stuck]] = 0
        rows = rows[~bracket.done[rows]]
    return nearest.r.reshape(x.shape)


class Nearest:
    """The smallest r seen so far that has the label: also those that the solver passes by."""

    def __init__(self, x, rows):
        """x: (N, ...).  rows: which of them have not the label at r = 0."""
        self.r = np.zeros((len(x), x[0].size))
        self.r[rows] = np.nan
        self.square = np.zeros(len(x))
        self.square[rows] = np.inf

    def note(self, rows, r, inside):
        """r (n, D) of `rows`, of which `inside` (n,) have the label."""
        square_r = square(r)
        better = inside & (square_r < self.square[rows])
        self.r[rows[better]] = r[better]
        self.square[rows[better]] = square_r[better]


def _checked(x, target):
    """The arguments of D as float64 (N, ...) and integers (N,) on the host, or ValueError."""
    x = np.asarray(to_host(x), float)
    target = to_host(target)
    if target.shape not in ((), (len(x),)):
        raise ValueError(f"D: targets of shape {target.shape} for {len(x)} images")
    target = np.broadcast_to(target, len(x))
    if not ((x >= 0) & (x <= 1)).all():     # NaN fails this too
        raise ValueError(f"D: pixels from {x.min()} to {x.max()}; expected all within [0, 1]")
    return x, target


def _start(net, x, target):
    """|margin(x)|, its largest |d margin / d pixel|, and a first log c: (N,) each.

    The first c is right for two classes and a linear net: there the boundary lies where
    |r| = |margin| / |g|, g = d margin / dx, and 2 c r = g / 2, so c = |g|^2 / (4 |margin|).
    """
    logits, caches = net.forward(to_device(x))
    logits_host = to_host(logits)
    K = logits_host.shape[1]
    if not np.isfinite(logits_host).all():
        raise ValueError("D: the net's logits hold NaN or infinity; are its weights finite?")
    if target.dtype.kind not in "iu" or target.min() < 0 or target.max() >= K:
        raise ValueError(f"D: targets from {target.min()} to {target.max()}; the net has labels "
                         f"0 to {K - 1}")
    m, other = margin(logits_host, target)
    n = np.arange(len(x))
    dlogits = np.zeros_like(logits_host)
    dlogits[n, target] = 1
    dlogits[n, other] -= 1
    g = to_host(net.backward(to_device(dlogits), caches))
    unit = np.maximum(abs(m), 1e-9)
    log_c = np.log(np.clip(square(g) / (4 * unit), 1e-6, 1e6))
    return unit, abs(g).reshape(len(g), -1).max(1), log_c


def _verified(net, x, target, r):
    """x + r as float32 in [0, 1] where it has the label, NaN elsewhere: (N, ...)."""
    found = np.full(x.shape, np.nan, np.float32)
    for push in PUSH:
        rows = np.flatnonzero(np.isnan(found.reshape(len(x), -1)[:, 0]) & ~np.isnan(square(r)))
        if len(rows) == 0:
            break
        pushed = np.clip(x[rows] + push * r[rows], 0, 1).astype(np.float32)
        right = net.predict(pushed.astype(float)) == target[rows]
        found[rows[right]] = pushed[right]
    return found


def step_onto_boundary(net, x, target, unit, r):
    """A shorter r with the label l, by solving the linearised problem exactly: beyond the paper.

    The cross-entropy in the paper's objective pushes every third label away too, so its r is a
    little long, even for a linear net (slip 4 in the README).  Here the margins to each label j,
    m_j + G_j (r' - r) with G_j = d(logit_l - logit_j)/dx, are held at 0 or above and |r'|^2 is
    minimised in the box.  Given multipliers lam_j >= 0 its minimiser is
    r' = clip(sum_j lam_j G_j / 2), so only the K multipliers are searched for, by L-BFGS-B on
    the dual.  For a linear net r' is the answer; for another, the nearest point with the label
    on the way from r to r' is taken, and the step is made again from there.
    x, r: (N, ...).  target: (N,).  unit: |margin(x)| (N,).  Returns r (N, ...), NaN where it was.
    """
    r = r.copy()
    for _ in range(BOUNDARY_STEPS):
        rows = np.flatnonzero(square(r) > 0)        # found, and not D(x, f(x))
        if len(rows) == 0:
            break
        inside = INSIDE * unit[rows]
        aim = _linearised(net, x[rows], target[rows], r[rows], 2 * inside).reshape(r[rows].shape)
        for share in (1, 0.5, 0.25, 0.125):
            step = r[rows] + share * (aim - r[rows])
            logits = to_host(net.forward(to_device(x[rows] + step))[0])
            better = (margin(logits, target[rows])[0] > inside) & (square(step) < square(r[rows]))
            r[rows[better]] = step[better]
    return r


def _linearised(net, x, target, r, inside):
    """The least r' (n, D) in the box with all margins of the net linearised at x + r `inside`."""
    n = np.arange(len(x))
    logits, caches = net.forward(to_device(x + r))
    K = logits.shape[1]
    rows = [to_host(net.backward(to_device(np.eye(K)[[k] * len(x)]), caches)).reshape(len(x), -1)
            for k in range(K)]
    J = np.stack(rows, 1)                                           # (n, K, D): d logit_k / dx
    G = J[n, target][:, None] - J                                   # (n, K, D)
    logits = to_host(logits)
    m = logits[n, target][:, None] - logits                         # (n, K)
    x, r = x.reshape(len(x), -1), r.reshape(len(x), -1)
    offset = m - inside[:, None] - (G @ r[:, :, None])[..., 0]      # m_j - G_j r, less `inside`

    def primal(lam, i):
        return np.clip((lam[:, None] @ G[i])[:, 0] / 2, -x[i], 1 - x[i])        # r' (n, D)

    def dual(lam, i):
        r = primal(lam, i)
        slack = offset[i] + (G[i] @ r[:, :, None])[..., 0]          # of the constraints, (n, K)
        return (lam * slack).sum(1) - square(r), slack

    upper = np.full_like(m, np.inf)
    upper[n, target] = 0                                            # l itself is no constraint
    lam = lbfgs.minimize(dual, np.zeros_like(m), np.zeros_like(m), upper, ftol=1e-12, gtol=1e-9).z
    return primal(lam, n)


# ---- Section 4.2: how far, and whose ---------------------------------------------------------


def distortion(x, x_prime):
    """sqrt(sum (x' - x)^2 / n) over an image's n pixels, the tables' "stddev": (N, ...) -> (N,).

    Section 4.2.  Root mean square in units of the pixel range [0, 1].
    """
    return np.sqrt(square(x_prime.astype(float) - x) / np.prod(x.shape[1:]))


def amplified(x, x_prime, stddev):
    """x + stddev (x' - x) / distortion(x, x'): the same direction, at a given distortion.

    Section 4.2, last rows of Table 4.  The paper prints |x' - x|_2 below the line, the square
    root of n times as much: slip 5 in the README.  Not clipped: pixels may leave [0, 1].
    x, x_prime: (N, ...).  Returns (N, ...) float64, x where x' = x, NaN where x' is NaN.
    """
    size = distortion(x, x_prime)
    factor = np.divide(stddev, size, out=np.zeros_like(size), where=size != 0)
    return x + column(factor, x) * (x_prime.astype(float) - x)


def transfer(nets, images, t):
    """Error of each net on images made for each other one: Table 2's square, as shares.

    Section 4.2.  nets: K of them.  images: M arrays (N, ...), one for each row of the table; those
    that are NaN, not found, are left out.  t: (N,) true labels.
    Returns (M, K): [i, j] is the error on images[i] of nets[j], NaN where no image is left.
    """
    errors = np.full((len(images), len(nets)), np.nan)
    for i, x in enumerate(images):
        found = ~np.isnan(square(x))
        if found.any():
            x = x[found].astype(float)
            errors[i] = [(net.predict(x) != t[found]).mean() for net in nets]
    return errors
