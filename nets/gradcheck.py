"""Is a backward the derivative of its forward?  Gradients checked by central differences.

    check_gradients(net, x, target)        # any net that D takes; of a nets.Net, layer by layer
    check_gradients(layer, x)              # one layer: the loss is sum(dy * y) with a random dy

At some places of each array a number moves up and down, nothing but forward runs, and the slope of
the loss stands beside what backward says.  `slope`, `numeric` and `relative_error` do the same
for any function.
"""
import numpy as np

from nets.backend import to_device, to_host, xp
from nets.diagnosis import Precision, Table, compare, failed
from nets.losses import softmax_cross_entropy
from nets.net import Net

STEP = 1e-6     # of the differences: wrong by STEP^2 and 1e-16 / STEP
BOUND = 1e-6    # on a relative error in float64; right gradients show 1e-8 or less
FLOAT64 = Precision(STEP, BOUND, 1e-15)
FLOAT32 = Precision(1e-3, 5e-2, 5e-7)       # a tenth of it as a rule: rounding leaves two digits
PLACES = 12     # of each array
IMAGES = 4      # at most: more would only cost time
NOISE = 0.3     # how much of x is noise


# ---- Any function ----------------------------------------------------------------------------


def slope(fun, a, place):
    """(fun at a + STEP - fun at a - STEP) / (2 STEP), a moved at one place and put back.

    Args:
        fun: takes nothing, reads `a` and returns a number.
        a: float64 array of the host or the device.
        place: an index (a tuple).
    Returns: d fun / d a[place].
    """
    return (_moved(fun, a, place, STEP) - _moved(fun, a, place, -STEP)) / (2 * STEP)


def numeric(fun, a, places=None):
    """d fun() / d a by central differences, entry by entry.

    Args:
        fun: takes nothing, reads `a` and returns a number.
        a: float64 array of the host or the device, moved in place and put back.
        places: the indices (tuples) to differentiate at, all by default.
    Returns: the slopes on the host, in a's shape, or (n,) for n places.
    Raises: ValueError if `a` is not float64.
    """
    if a.dtype != "float64":
        raise ValueError(f"differences in {a.dtype} are mostly rounding; use float64")
    slopes = [slope(lambda: float(fun()), a, place)
              for place in (np.ndindex(a.shape) if places is None else places)]
    return np.array(slopes).reshape(a.shape if places is None else -1)


def relative_error(ours, slopes):
    """The largest |ours - slopes|, relative to the largest |slope|; arrays of one shape."""
    ours = to_host(ours)
    assert ours.shape == slopes.shape, f"gradient of shape {ours.shape}, not {slopes.shape}"
    return abs(ours - slopes).max() / max(abs(slopes).max(), 1e-300)


def _moved(fun, a, place, step):
    """fun() with a[place] moved by `step`, which is put back."""
    here = float(a[place])
    a[place] = here + step
    value = fun()
    a[place] = here
    return value


# ---- A net or a layer ------------------------------------------------------------------------


def check_gradients(net, x, target=None, *, places=PLACES, raises=True):
    """Compare what backward and gradients return with the slopes of forward.

    The loss is the cross-entropy towards `target`, taken as linear in the logits: its gradient is
    the same, and it does not vanish where the net is sure.  Without a target it is sum(dy * y)
    with a random dy, and so it is for each layer of a nets.Net.

    x, and what each layer sees of it, is first mixed with noise, because on black paper ReLU and
    max pooling have kinks.  What kinks are left cause no alarm: every number between the slope to
    the left and that to the right counts as right.

    A nets.Net and a layer are checked in float64 copies, to 1e-6.  A net of one's own that
    computes in float32 (it does not notice 1e-10 of x) gets a longer step, and is checked to 5e-2.

    Args:
        net: a nets.Net: each layer by itself, dx and each of its params, then dx of the whole.
            With a target, anything that D takes: dx, at some pixels and along all at once.
            Without, a layer: dx and its params.
        x: (N, ...) images, or inputs of the layer; at most the first 4 are used.
        target: (N,) integers or one for all, the label whose loss is meant; None for a layer.
        places: how many entries of each array: half where the gradient is largest, half at random.
        raises: whether a wrong gradient is an error; else only the table says so.
    Returns: a Table, a list with the worst place of each array (see Row).  `table.problem` is the
        sentence that says what is wrong, or "" if nothing is; print(table) shows it all.
    Raises: AssertionError with that sentence and the table, and what the net itself raises.  With
        raises=False neither: an error of the net becomes the table's problem.
    """
    table = Table()
    try:
        for row in _rows(net, x, target, places):
            table.append(row)
    except Exception as error:
        if raises and not table.problem:
            raise
        name = type(net).__name__
        table.append(failed(name, "", f"{name}: {type(error).__name__}: {error}"))
    if raises and table.problem:
        raise AssertionError(f"{table.problem}\n\n{table}")
    return table


def _rows(net, x, target, places):
    """The rows of the table, as they come: a net's layers first, so that they are named."""
    count, x = len(x), to_device(to_host(x)[:IMAGES].astype(float))
    name = type(net).__name__
    if isinstance(net, Net):
        y, plain = x, net.astype("float64")
        for i, layer in enumerate(plain.layers):
            yield from _check(f"{i + 1} {type(layer).__name__}", layer, y, None, places)
            y = layer.forward(y, None)[0]
            if not np.isfinite(to_host(y)).all():
                return                      # the row said so; those that follow would repeat it
        # A class derived from Net may have a backward of its own, and astype would lose it.
        net = plain if type(net) is Net else net
    if target is None:
        yield from _check(name, Net([net]).astype("float64").layers[0], x, None, places)
    else:
        target = np.broadcast_to(to_host(target), count)[:IMAGES]
        yield from _check(name, AsLayer(net), x, target, places)


class AsLayer:
    """A net as one layer without parameters: its gradient in x, end to end."""

    params = []

    def __init__(self, net):
        self.net = net

    def forward(self, x, rng=None):
        """logits, caches"""
        return self.net.forward(x)

    def backward(self, dlogits, caches):
        """dx"""
        return self.net.backward(dlogits, caches)

    def gradients(self, dlogits, caches):
        """none: a net's layers are checked one by one"""
        return []


class Wrong(AssertionError):
    """What is wrong before a number can be compared."""


def _check(name, layer, x, target, places):
    """A Row for dx and for each parameter of one layer, or one that says why there are none."""
    x = _off_the_kinks(x)
    try:
        y, cache = _forward(layer, x)
        dy = np.random.default_rng(0).normal(size=y.shape) if target is None else \
            _dlogits(y, target)
        grads = _backward(layer, dy, cache)
    except Wrong as problem:
        yield failed(name, "", f"{name}: {problem}.")
        return

    names = ["x", *(f"params[{i}]" for i in range(len(layer.params)))]
    arrays = dict(zip(names, zip([x, *layer.params], grads, strict=True), strict=True))
    along, t = xp.zeros_like(x), xp.zeros(1)        # x + t along: see _all_at_once
    if target is not None and grads[0].shape == x.shape:
        along = to_device(_all_at_once(grads[0]))
        arrays["x, all at once"] = t, np.array([(grads[0] * to_host(along)).sum()])

    def forward(x=x):
        return to_host(layer.forward(x + t * along if t.any() else x, None)[0]).astype(float)

    precision = FLOAT32 if (forward(x * (1 + 1e-10)) == y).all() else FLOAT64
    noise = precision.rounding * np.sqrt(((y * dy) ** 2).sum())
    for array, (a, da) in arrays.items():
        def sides(place, h, a=a):
            """The slopes of sum(dy * y) to the left and to the right, h away."""
            up, down = _moved(forward, a, place, h), _moved(forward, a, place, -h)
            return ((y - down) * dy).sum() / h, ((up - y) * dy).sum() / h

        yield compare(name, array, a, da, sides, noise, precision, places, len(x))


def _all_at_once(dx):
    """A direction in which all pixels move together, uphill, as far as dx is right.

    One pixel of a large net moves the logits by less than float32 rounds; all of them do not.
    """
    signs = np.random.default_rng(2).choice((-1, 1), dx.shape)
    return np.where(dx == 0, signs, np.sign(dx)) / 3


def _forward(layer, x):
    """y on the host and the cache, or Wrong."""
    seen = x.copy()
    y, cache = layer.forward(seen, None)
    if y.dtype not in ("float32", "float64"):
        raise Wrong(f"forward computes in {y.dtype}; gradients are checked in float32 or float64")
    y = to_host(y).astype(float)
    if bool((seen != x).any()):
        raise Wrong("forward writes into x; it should make a new array")
    if not np.isfinite(y).all():
        raise Wrong("forward gives NaN or infinity")
    if not _alike(to_host(layer.forward(x, None)[0]), y):
        raise Wrong("forward gives two results for the same x.  Is it still training, with dropout "
                    "or with batch normalisation?")
    return y, cache


def _backward(layer, dy, cache):
    """[dx, d params[0], ...] on the host, or Wrong."""
    given = to_device(dy.copy())
    grads = [to_host(da).copy() for da in (layer.backward(given, cache),
                                           *layer.gradients(given, cache))]
    if len(grads) != 1 + len(layer.params):
        raise Wrong(f"gradients gives {len(grads) - 1} arrays for {len(layer.params)} parameters")
    if (to_host(given) != dy).any():
        raise Wrong("backward or gradients writes into dy; it should make a new array")
    if not _alike(to_host(layer.backward(given, cache)), grads[0]):
        raise Wrong("backward gives two results for the same cache.  Does it write into it?")
    return grads


def _alike(a, b):
    """Whether two arrays are the same but for rounding, NaN included."""
    rounding = 1e-5 * np.nanmax(abs(b), initial=0)
    return a.shape == b.shape and np.allclose(a, b, 0, rounding, equal_nan=True)


def _dlogits(logits, target):
    """d cross-entropy / d logits (N, K), each image's largest entry 1, so that none vanishes."""
    target = np.broadcast_to(target, len(logits))
    d = to_host(softmax_cross_entropy(to_device(logits), to_device(target))[1])
    return d / np.maximum(abs(d).max(1, keepdims=True), 1e-300)


def _off_the_kinks(x):
    """x mixed with noise in the smallest range that holds x, 0 and 1.

    Numbers that float32 has, so that computing in float32 cannot notice 1e-10 of them more.
    """
    x = to_host(x)
    noise = np.random.default_rng(1).uniform(x.min(initial=0), x.max(initial=1), x.shape)
    return to_device((x + NOISE * (noise - x)).astype("float32").astype("float64"))
