"""Intriguing properties of neural networks (Szegedy et al. 2014), in the paper's own order.

Section 3: `phi`, directions and `top_images`.  Section 4.1: `objective` and the search D(x, l).
Section 4.2: `distortion`, `amplify` and `transfer`.
Symbols are the paper's: x an image with pixels in [0, 1], r the perturbation, l (`target`) the
wanted label, f(x) = net.predict(x) the label that the net gives, c the weight of |r|^2.
"""
import math
import warnings
from typing import NamedTuple

import numpy as np

from nets.backend import to_device, to_host, xp
from nets.checks import (
    check_choice,
    check_images,
    check_integers,
    check_label_array,
    check_labels,
    check_list,
    check_methods,
    check_number,
    check_real,
    check_shape,
    count_labels,
    is_integer,
    make_rng,
    show,
)
from nets.gradcheck import check_gradients
from nets.losses import column, margin, softmax_cross_entropy, square
from nets.net import chunk_size, evaluate_in_chunks
from nets.search import by_hand, scipy_lbfgsb
from nets.search.boundary import step_onto_boundary
from nets.search.checks import cast, check_pixels, check_targets
from nets.search.line_search import line_search, scan

# ---- Section 3: what the units of a layer mean, and random directions ------------------------

DISTRIBUTIONS = {                           # of a random direction; the paper names none
    "gaussian": lambda rng, H: rng.normal(size=H),              # uniform over all directions
    "non-negative": lambda rng, H: abs(rng.normal(size=H)),     # ... whose entries are 0 or more
}


def phi(net, x, layer):
    """phi(x): the activations of a layer, counted as in nets.Net; phi_0 = x, the raw pixels.

    Section 2.  x: (N, ...) on the host.  Returns (N, H) float64 on the host, one row an image.
    Raises ValueError if x holds no images, or the net has no such layer.
    """
    check_methods("phi", net, "below")
    if len(x := check_images("phi", x)) == 0:
        raise ValueError(f"phi: x of shape {x.shape}; expected one image at least")
    below = net.below(layer)
    rows = evaluate_in_chunks(lambda part: below.forward(part)[0], x)
    return rows.reshape(len(x), -1).astype(float)


def natural_direction(H, i):
    """e_i: the direction of unit i alone.  i: 0 to H - 1.  Returns (H,).

    Raises ValueError if there is no such unit.
    """
    check_integers("natural_direction", 1, H=H)
    if not is_integer(i, 0, H - 1):
        raise ValueError(f"natural_direction: unit {show(i)}: the layer has units 0 to {H - 1}")
    return np.eye(1, H, int(i))[0]


def random_direction(H, seed, distribution="gaussian"):
    """v: a random direction in R^H, of length 1.  distribution: a key of DISTRIBUTIONS.

    seed: anything that numpy.random.default_rng takes.  Returns (H,).  Raises ValueError if an
    argument is none of these.
    """
    check_integers("random_direction", 1, H=H)
    check_choice("random_direction", "distribution", distribution, DISTRIBUTIONS)
    v = DISTRIBUTIONS[distribution](make_rng("random_direction", seed), H)
    return v / np.linalg.norm(v)


def top_images(activations, direction, count, seed=0):
    """The `count` images with the largest <phi(x), direction>: their indices (count,), best first.

    Section 3.  Images with equal scores come in a random order, not in the order of the file.

    Args:
        activations: phi(x) of N images, (N, H).
        direction: (H,), e_i or v.
        count: 1 to N.
        seed: of the random order.

    Raises:
        ValueError: shapes do not fit, count is not 1 to N, or a number is not finite.
    """
    activations, direction = (to_host(check_real("top_images", name, a, ndim)).astype(float)
                              for name, a, ndim in (("activations", activations, 2),
                                                    ("direction", direction, 1)))
    check_shape("top_images", "direction", direction, activations.shape[1:])
    if not is_integer(count, 1, len(activations)):
        raise ValueError(f"top_images: {show(count)} of {len(activations)} images; expected 1 to "
                         f"{len(activations)}")
    order = make_rng("top_images", seed).permutation(len(activations))
    score = (activations @ direction)[order]
    if not np.isfinite(score).all():
        raise ValueError("top_images: NaN or infinity among the activations or in the direction")
    return order[np.argsort(-score, kind="stable")[:count]]


# ---- Section 4.1: the search for the nearest image with another label ------------------------


def loss_and_gradient(net, x, target, temperature=1):
    """loss_f(x, l), d loss / dx, and the logits on the way.

    Args:
        net: with forward and backward, see `D`.
        x: (N, ...).  target: (N,) integers.  All arrays are on the device.
        temperature: the logits are divided by it; a number, or (N, 1).  1 in the paper.

    Returns:
        The loss (N,) in nats, its gradient (N, ...), the logits / temperature (N, K).
    """
    logits, caches = net.forward(x)
    logits = logits.astype(float) / temperature     # float32's rounding stops a line search
    loss, dlogits = softmax_cross_entropy(logits, target)
    return loss, net.backward(dlogits / temperature, caches), logits


def objective(net, x, target, c, r):
    """c |r|^2 + loss_f(x + r, l), its gradient in r, and the logits.

    The paper prints c |r|.  The square has a gradient at r = 0, where the search starts, and
    sweeping c visits every perturbation that sweeping it with c |r| visits.

    Args:
        net, target: as for `loss_and_gradient`.
        x, r: (N, ...).  c: (N,).

    Returns:
        The value (N,) in nats, infinite where the net has no such label, its gradient (N, ...),
        the logits (N, K).
    """
    x, c, r = _check_point(net, x, target, c, r)
    loss, dr, logits = loss_and_gradient(net, x + r, target)        # d(x + r)/dr = 1
    return c * square(r) + loss, 2 * column(c, r) * r + dr, logits


def _check_point(net, x, target, c, r):
    """x, c and r of `objective` as arrays that fit, or ValueError; looks at no values."""
    check_methods("objective", net, "forward", "backward")
    x, r, c = (check_real("objective", name, a) for name, a in (("x", x), ("r", r), ("c", c)))
    check_shape("objective", "r", r, check_images("objective", x).shape)
    check_shape("objective", "c", c, x.shape[:1])
    check_label_array("objective", target, len(x), "target")
    return x, c, r


def search_one(log_c, line_search=line_search):
    """Search for the smallest r with f(x + r) = l, for one image and one label l.

    A generator: it tries one c after the other.  For each c it asks an engine (nets/search) to
    minimise c |r|^2 + loss_f(x + r, l), and the engine sends back a Minimum.  The engine runs many
    such generators at once.

    Args:
        log_c: the first log c to try.
        line_search: how the next c is chosen, see nets/search/line_search.py.

    Yields:
        log c, the r to start from (0, or the r of the last Minimum), and a factor on the usual
        tolerances.  It is sent a Minimum: the r where that minimisation ended, its margin, whether
        it has the label, and the best r so far.

    Returns:
        The Best: the smallest r that has the label.  The paper says "minimum c".  But a larger c
        gives a smaller r, so the search looks for the largest c that still succeeds.
    """
    best, success = yield from try_each(line_search(log_c), tolerance=1)
    if not success:                         # a second look
        best, _ = yield from try_each(scan(log_c, line_search), tolerance=EXACT_FACTOR)
    return best                             # of both: the engine remembers the best r so far


def try_each(log_cs, tolerance):
    """Try each c that the generator `log_cs` yields: the best r, and whether any c succeeded."""
    log_c, r, factor, success, margin_before = next(log_cs), 0, tolerance, False, math.inf
    while True:
        minimum = yield log_c, r, factor
        r, factor = minimum.r, tolerance        # the next minimisation begins where this one ended
        success |= minimum.has_label
        moved = abs(minimum.margin - margin_before) > STUCK * abs(minimum.margin)
        if not moved and not success and tolerance > EXACT_FACTOR:
            r, factor = 0, EXACT_FACTOR         # if it is stuck: from x again, and more exactly
        margin_before = minimum.margin
        try:
            log_c = log_cs.send((minimum.margin, minimum.has_label))
        except StopIteration:
            return minimum.best, success


# Tolerances of each minimisation; those of the line search over c are in nets/search.  Gradients
# are measured against d margin / dx at x, so that they mean the same for every net.
GTOL = 2e-3             # of the gradient: about this share of r
FTOL = 1e-4             # of the gain of a step, as a share of |margin(x)|.  At the kinks of ReLU
                        # and max pooling the gradient does not fall; without FTOL a minimisation
                        # goes on for hundreds of steps.  |margin(x)| counts as 4 at most: without
                        # this limit LeNet's r are 1.3 % longer
STUCK = 0.1             # a search is stuck if its margin changes by a smaller share than this
EXACT_FACTOR = 1e-2     # factor on both tolerances for a search that is stuck or has found nothing.
                        # With 1e-1 the image for one of the tests' labels is three times as far
# On a CPU as many searches as stay in its cache (128 take 3 to 7 % more time), on a GPU as many as
# keep it busy.
SEARCHES_AT_ONCE = 64 if xp is np else 4096
PIXELS_AT_ONCE = 2 ** 24  # of the searches that begin together: bounds the memory
TRAINED_SPREAD, TYPICAL_SPREAD = (0.1, 500), 20  # of the logits: see _temperature
ULPS = (0, *2 ** np.arange(16))         # by how many steps of float32 r may grow: see _verify
ENGINES = {"scipy": scipy_lbfgsb.solve, "by-hand": by_hand.solve}


class Details(NamedTuple):
    """More about each result of D: arrays (N,)."""
    label: np.ndarray           # -1 where D found no image
    c: np.ndarray               # for the logits as `_temperature` divides them; NaN where D found
                                # no image, infinite where x itself has the label
    evaluations: np.ndarray     # how often the loss and its gradient were computed
    distortion: np.ndarray      # NaN where D found no image


def D(net, x, target=None, *, box=(0, 1), solver="auto", dtype=None, line_search=line_search,
      onto_boundary=False, among=10, tick=None, details=False):
    """x + r: for each image the nearest one found that the net labels l.

    Section 4.1: minimise c |r|^2 + loss_f(x + r, l) over r with x + r in the box, for the c that
    gives the smallest r with f(x + r) = l.  D(x, f(x)) = x (printed as f(x)).

    Args:
        net: anything with forward(x), backward(dlogits, caches) and predict(x), as nets.Net has
            them.  forward and backward take arrays of the device, predict takes NumPy's.  They are
            given float64.  They may compute in less, as nets.Net does if its parameters are
            float32.
        x: (N, ...) images within the box; rounded to float32.
        target: (N,) integers, or one for all.  None: the nearest image with another label than
            f(x).  D tries the `among` labels with the largest logits.
        box: two numbers, or arrays that broadcast to x: the smallest and the largest value of each
            pixel of x + r, rounded to float32.  Where both are equal, the pixel stays as it is.
        solver: "scipy", "by-hand", or an engine of your own with the arguments of
            nets.search.scipy_lbfgsb.solve.  "auto": by-hand on a GPU, scipy elsewhere.
        dtype: "float32" or "float64": D searches net.astype(dtype).  None: the net as it is.
        line_search: how the next c is chosen, see `search_one`.
        onto_boundary: whether to make a last step beyond the paper, see nets/search/boundary.py.
        among: how many labels to try where target is None.
        tick: tick(n) is called when n more images are done.
        details: whether to return Details too.

    Returns:
        (N, ...) float32 in the box, or this and Details.  The net, as it was given, labels exactly
        these values l.  Where D found no image, all pixels are NaN; there may be one all the same.

    Raises:
        ValueError: before the first search, if x is outside its box, the net has no such label,
            the net gives NaN for an image, or shapes do not fit.
    """
    check_methods("D", net, "forward", "backward", "predict")
    x, lower, upper = check_pixels(x, box)
    engine = solver if callable(solver) else ENGINES[choose_solver(solver)]
    searched = cast(net, dtype)
    starts, each = _prepare(net, searched, x, target, among)        # each: searches an image
    x_prime, pixels = np.empty_like(x), each * math.prod(x.shape[1:])
    block = max(1, PIXELS_AT_ONCE // max(1, pixels))
    more = Details(np.empty(len(x), int), np.empty(len(x)), np.empty(len(x), int), np.empty(len(x)))
    for i in range(0, len(x), block):
        start = Start(*(a[i * each:(i + block) * each] for a in starts))
        r, c, evaluations = _search(searched, x, lower, upper, start, engine, line_search,
                                    onto_boundary, _count_images(tick, each))
        images = _verify(net, x, lower, upper, start, r)
        size = distortion(x[start.image], images)
        nearest = np.nan_to_num(size, nan=np.inf).reshape(-1, each).argmin(1)
        nearest += each * np.arange(len(nearest))
        not_found, rows = np.isnan(size), slice(i, i + block)
        x_prime[rows], more.distortion[rows] = images[nearest], size[nearest]
        more.label[rows] = np.where(not_found, -1, start.target)[nearest]
        more.c[rows] = np.where(not_found, np.nan, c)[nearest]
        more.evaluations[rows] = evaluations.reshape(-1, each).sum(1)
    if len(x) and np.isnan(more.distortion).all():
        _warn_of_wrong_gradients(net, x, starts.target)
    return (x_prime, more) if details else x_prime


class Start(NamedTuple):
    """What S searches begin with: arrays (S,).  Margins and slopes are of the divided logits."""
    image: np.ndarray           # the image that is searched from
    target: np.ndarray          # the wanted label
    has_label: np.ndarray       # whether the image has it already
    temperature: np.ndarray     # the logits are divided by it
    noise: np.ndarray           # a margin up to this may be rounding alone
    margin_at_x: np.ndarray     # |margin(x)|, or its change by one step of float32, if that is more
    slope: np.ndarray           # the largest |d margin / d pixel|
    log_c: np.ndarray           # the first log c


def _prepare(net, searched, x, target, among):
    """The Start of every search, image after image, and how many searches an image has.

    It checks all images and targets, so that D raises an error before the first search.
    The first c is right for two classes and a linear net.  There the boundary lies where
    |r| = |margin| / |g|, g = d margin / dx, and 2 c r = g / 2, so c = |g|^2 / (4 |margin|).
    """
    if len(x) == 0:
        return Start(*np.zeros((8, 0), int)), 1
    logits = np.concatenate([_logits(net, x[rows], rows.start) for rows in _parts(x, len(x))])
    if logits.min() >= 0 and np.allclose(logits.sum(1), 1, atol=1e-4):
        warnings.warn("D: the net's outputs look like probabilities.  D expects logits, before "
                      "the softmax: with probabilities it finds other images", stacklevel=3)
    label = check_labels("D, net.predict(x)", net.predict(x.astype(float)), *logits.shape)
    targets = check_targets(target, logits, label, among)          # (N, L)
    image, target = np.repeat(np.arange(len(x)), targets.shape[1]), targets.ravel()
    m, other = map(to_host, margin(to_device(logits[image]), to_device(target)))
    slopes = [_margin_slopes(searched, x, image[rows], target[rows], other[rows])
              for rows in _parts(x, len(image))]
    square_g, sum_g, largest_g = np.concatenate(slopes, 1)
    T = _temperature(np.maximum(np.ptp(logits, 1)[image], np.sqrt(square_g)))
    one_step = np.spacing(_largest(x).clip(1e-24))[image] * sum_g
    margin_at_x = np.maximum(abs(m), one_step).clip(1e-300)
    log_c = np.log(np.where(square_g > 0, square_g, 1) / (4 * margin_at_x * T))
    return Start(image, target, label[image] == target, T, _rounding(net, x, logits)[image] / T,
                 margin_at_x / T, largest_g / T, log_c), targets.shape[1]


def _rounding(net, x, logits):
    """How much of a margin may be rounding, (N,): a float32 net's logits change with the batch.

    It evaluates up to eight images one by one, compares, and takes four times the largest change.
    0 for float64: there a margin is that small only where two labels always tie.
    """
    size = abs(logits).max(1)
    alone = np.concatenate([to_host(net.forward(to_device(image[None].astype(float)))[0])
                            for image in x[:8]])
    changes = (abs(alone - logits[:8]).max(1) / size[:8].clip(1e-300)).max()
    if alone.dtype == np.float32:
        changes = max(changes, np.finfo(np.float32).eps)
    return 4 * changes * size if changes > 1e-12 else 0 * size


def _temperature(spread):
    """The number by which the search divides the logits, by their spread (S,): 1 for trained nets.

    A factor on the logits moves no boundary, but it moves the minimisers.  With a small factor the
    cross-entropy pushes all third labels alike; with a large one it has kinks.  So logits whose
    spread is far from that of trained nets are divided until it is typical.
    """
    low, high = TRAINED_SPREAD
    aim = np.where(spread < low, TYPICAL_SPREAD, spread.clip(None, high))
    return np.where(spread > 0, spread / aim, 1)


def _margin_slopes(net, x, image, target, other):
    """Of g = d margin / dx of some images: |g|^2, sum |g| and max |g|, (3, n)."""
    logits, caches = net.forward(to_device(x[image].astype(float)))
    onehot = np.eye(logits.shape[1])
    g = to_host(net.backward(to_device(onehot[target] - onehot[other]), caches))
    g = abs(g.reshape(len(g), -1).astype(float))
    if not np.isfinite(g).all():
        row = image[np.flatnonzero(~np.isfinite(g).all(1))[0]]
        raise ValueError(f"D: the net's gradient at image {row} holds NaN or infinity, and its "
                         "logits do not; is its backward right?")
    return np.array([(g * g).sum(1), g.sum(1), g.max(1)])


def _search(net, x, lower, upper, start, engine, line_search, onto_boundary, tick):
    """r (S, ...) of each search, NaN where it found none, its c and its evaluations (S,)."""
    r = np.zeros((len(start.image), *x.shape[1:]))
    c, evaluations = np.full(len(r), np.inf), np.zeros(len(r), int)
    todo = np.flatnonzero(~start.has_label)
    tick(len(r) - len(todo))
    if len(todo) == 0:
        return r, c, evaluations
    image, target, _, T, noise, margin_at_x, slope, log_c = (a[todo] for a in start)
    xs = x[image].astype(float)
    box = [end[image] - xs for end in (lower, upper)]               # of r
    fixed = [to_device(a) for a in (xs, target, T[:, None], noise, margin_at_x)]

    def evaluate(r, rows):
        evaluations[todo[rows]] += 1
        x_i, target_i, T_i, noise_i, margin_at_x_i = (a[to_device(rows)] for a in fixed)
        loss, dr, logits = loss_and_gradient(net, x_i + r.reshape(x_i.shape), target_i, T_i)
        m, has_label = _judge(logits, target_i, noise_i)
        return loss, dr.reshape(r.shape), m / margin_at_x_i, has_label

    best = engine([search_one(start_c, line_search) for start_c in log_c.tolist()], evaluate,
                  *(end.reshape(len(todo), -1) for end in box),
                  FTOL * margin_at_x.clip(None, 4), GTOL * slope,
                  chunk_size(x, SEARCHES_AT_ONCE), tick)
    nearest = np.reshape([one.r for one in best], xs.shape)
    has_label = np.array([one.has_label for one in best])
    c[todo] = np.exp([one.log_c for one in best])
    for rows in _parts(x, len(todo)) if onto_boundary else ():
        nearest[rows], has_label[rows] = step_onto_boundary(net, *(
            a[rows] for a in (xs, target, nearest, has_label, *box, margin_at_x * T)))
    r[todo] = np.where(column(has_label, xs), nearest, np.nan)
    again = todo[~has_label & (T != 1)]             # the logits as the net gives them may succeed
    if len(again):
        r[again], c[again], more = _search(net, x, lower, upper, _undo_temperature(start, again),
                                           engine, line_search, onto_boundary, lambda n: None)
        evaluations[again] += more
    return r, c, evaluations


def _undo_temperature(start, rows):
    """The Start of some searches, without the division of the logits."""
    some = Start(*(a[rows] for a in start))
    T = some.temperature
    return some._replace(temperature=np.ones(len(T)), noise=T * some.noise,
                         margin_at_x=T * some.margin_at_x, slope=T * some.slope,
                         log_c=some.log_c + np.log(T))


def _verify(net, x, lower, upper, start, r):
    """x + r as float32 in the box where the net labels it l, NaN elsewhere: (S, ...).

    Rounding to float32 can cost the label.  Then r grows by 1, 2, 4, ... steps of float32.
    """
    images = np.full(r.shape, np.nan, np.float32)
    images[start.has_label] = x[start.image[start.has_label]]
    todo = np.flatnonzero(~start.has_label & ~np.isnan(square(r)))
    ulp = np.spacing(np.float32(_largest(x[start.image] + r))).astype(float) / 2
    ulp /= _largest(r).clip(1e-300)         # as a share of r
    for ulps in ULPS:
        for part in _parts(x, len(todo)):
            rows = todo[part]
            image, target = start.image[rows], start.target[rows]
            x_r = x[image] + column(1 + ulps * ulp[rows], r) * r[rows]
            x_r = np.clip(x_r, lower[image], upper[image]).astype(np.float32)
            noise = start.noise[rows] * start.temperature[rows]
            logits, _ = net.forward(to_device(x_r.astype(float)))
            _, has_label = _judge(logits, *map(to_device, (target, noise)))
            has_label = to_host(has_label) & (net.predict(x_r.astype(float)) == target)
            images[rows[has_label]] = x_r[has_label]
        todo = todo[np.isnan(square(images[todo]))]
    return images


def _judge(logits, target, noise):
    """The margins (n,), and whether each is large enough for the label l, above the noise (n,)."""
    m, _ = margin(logits, target)
    return m, (logits.argmax(1) == target) & (m >= noise)


def _logits(net, x, first=0):
    """The logits (n, K) float64 of images x (n, ...) on the host; errors number them from `first`.
    """
    logits = to_host(net.forward(to_device(x.astype(float)))[0])
    if logits.ndim != 2 or len(logits) != len(x):
        raise ValueError(f"D: the net's logits of {len(x)} images have shape {logits.shape}; "
                         "expected (N, K)")
    logits = check_real("D", "the net's logits", logits).astype(float)
    if not np.isfinite(logits).all():
        row = first + np.flatnonzero(~np.isfinite(logits).all(1))[0]
        raise ValueError(f"D: the net's logits of image {row} hold NaN or infinity; are its "
                         "weights finite?")
    return logits


def _largest(x):
    """The largest |pixel| of each image: (N, ...) -> (N,)."""
    return abs(x).reshape(len(x), -1).max(1)


def _parts(x, n):
    """Slices of n searches from images x (N, ...), as many as are evaluated together."""
    size = chunk_size(x, SEARCHES_AT_ONCE)
    return [slice(i, i + size) for i in range(0, n, size)]


def _count_images(tick, each):
    """tick_searches(n): counts n more searches, and ticks once for each image, `each` searches."""
    searches = 0

    def tick_searches(n):
        nonlocal searches
        before, searches = searches // each, searches + n
        if tick and searches // each > before:
            tick(searches // each - before)
    return tick_searches


def _warn_of_wrong_gradients(net, x, target):
    """A warning, if d loss / d x at the first image is not the slope of the loss."""
    for row in check_gradients(net, x[:1], target[:1], places=4, raises=False):
        if row.problem and not row.array.startswith("params"):
            warnings.warn(f"D: no image was found, and {row.problem}", stacklevel=3)
            return


def choose_solver(solver):
    """The key of ENGINES that `solver` means: "auto" is by-hand on a GPU, and scipy elsewhere."""
    if solver not in ("auto", *ENGINES):
        raise ValueError(f"D: no solver is called {solver!r}; choose auto, {', '.join(ENGINES)}, "
                         "or give an engine")
    faster = "scipy" if xp is np else "by-hand"
    return faster if solver == "auto" else solver


# ---- Section 4.2: how far the images are, and which nets they mislead ------------------------


def distortion(x, x_prime):
    """sqrt(sum (x' - x)^2 / n) over an image's n pixels, the tables' "stddev": (N, ...) -> (N,).

    Section 4.2.  The unit is the pixel range [0, 1].  NaN where x' is NaN (D found no image).
    """
    return _distortion(*_check_pair("distortion", x, x_prime))


def _distortion(x, x_prime):
    """`distortion` of arrays of the host that were checked."""
    return np.sqrt(square(x_prime.astype(float) - x) / np.prod(x.shape[1:]))


def amplify(x, x_prime, stddev):
    """x + stddev (x' - x) / distortion(x, x'): the same direction, at a given distortion.

    Section 4.2, last rows of Table 4.  The paper divides by |x' - x|_2, which is sqrt(n) times as
    large (slip 5 in the README).

    Args:
        x, x_prime: (N, ...).
        stddev: the distortion of the result, 0 or more.

    Returns:
        (N, ...) float64; pixels may leave [0, 1].  x where x' = x, NaN where x' is NaN.  Images
        that are equal in float32, the type of D's results, count as x' = x: a difference by
        rounding alone has no direction.

    Raises:
        ValueError: x and x' have different shapes, x is not finite, or stddev is negative.
    """
    check_number("amplify", "stddev", stddev, least=0)
    x, x_prime = _check_pair("amplify", x, x_prime)
    size = _distortion(x, x_prime)
    moved = (x.astype("float32") != x_prime.astype("float32")).any(tuple(range(1, x.ndim)))
    factor = np.divide(stddev, size, out=np.zeros_like(size), where=moved)
    return x + column(factor, x) * (x_prime.astype(float) - x)


def transfer(nets, images, t):
    """The error of each net on the images made for each of them, as shares: Table 2's square.

    Section 4.2.

    Args:
        nets: K nets.
        images: M arrays (N, ...), one for each row of the table.  Images that are NaN (D found
            none) do not count.
        t: (N,) true labels, integers.

    Returns:
        (M, K): [i, j] is the error on images[i] of nets[j], NaN where all images are NaN.
    """
    nets = check_list("transfer", "nets", nets)
    images = [to_host(check_images("transfer", x, "images"))
              for x in check_list("transfer", "images", images)]
    errors = np.full((len(images), len(nets)), np.nan)
    t = to_host(t)
    if images:
        for net in nets:
            check_methods("transfer", net, "predict")
            check_labels("transfer", t, len(images[0]), count_labels(net, images[0]))
    for i, x in enumerate(images):
        check_label_array(f"transfer, images {i}", t, len(x))
        found = ~np.isnan(square(x))
        if found.any():
            x = x[found].astype(float)
            errors[i] = [(net.predict(x) != t[found]).mean() for net in nets]
    return errors


def _check_pair(where, x, x_prime):
    """x and x' as arrays (N, ...) of one shape on the host, or ValueError; x must be finite."""
    x, x_prime = (to_host(check_images(where, a, name)) for name, a in (("x", x), ("x'", x_prime)))
    check_shape(where, "x'", x_prime, x.shape)
    if not np.isfinite(x).all():
        raise ValueError(f"{where}: NaN or infinity in x; images that D did not find are x'")
    if np.isinf(x_prime).any():
        raise ValueError(f"{where}: infinity in x'; expected numbers, or NaN for no image")
    return x, x_prime
