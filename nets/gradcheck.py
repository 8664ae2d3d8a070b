"""Is a backward the derivative of its forward?  Gradients checked by central differences.

    check_gradients(net, x, target)        # any net that D takes; of a nets.Net, layer by layer
    check_gradients(layer, x)              # one layer: the loss is sum(dy * y) with a random dy

At some places of each array the check moves a number up and down, runs forward, and measures the
slope of the loss.  Then it compares this slope with what backward gives.
`slope`, `numeric_gradient` and `relative_error` do the same for any function.
"""
import numpy as np

from nets.backend import to_device, to_host, xp
from nets.checks import check_images, check_label_array, check_labels, check_methods
from nets.diagnosis import Precision, Table, compare_slopes, make_failed_row
from nets.losses import softmax_cross_entropy
from nets.net import Net

STEP = 1e-6     # of the differences, whose errors are about STEP^2 and 1e-16 / STEP
BOUND = 1e-6    # of a relative error in float64; right gradients have 1e-8 or less
FLOAT64 = Precision(STEP, BOUND, 1e-15)
FLOAT32 = Precision(1e-3, 5e-2, 5e-7)       # right gradients mostly have a tenth of this error
PLACES = 12     # entries of each array that are compared
IMAGES = 4      # at most: more would only cost time
NOISE = 0.3     # the share of noise in x


# ---- Any function ----------------------------------------------------------------------------


def slope(evaluate, a, place):
    """(f(a + STEP) - f(a - STEP)) / (2 STEP), where STEP is added to a[place] alone.

    Args:
        evaluate: takes no argument, reads `a` and returns a number: f(a).
        a: float64 array on the host or the device, changed in place and put back.
        place: an index (a tuple).

    Returns:
        d f / d a[place].
    """
    above, below = (_evaluate_moved(evaluate, a, place, step) for step in (STEP, -STEP))
    return (above - below) / (2 * STEP)


def numeric_gradient(evaluate, a, places=None):
    """d f / d a by central differences, entry by entry.

    Args:
        evaluate: takes no argument, reads `a` and returns a number: f(a).
        a: float64 array on the host or the device, changed in place and put back.
        places: the indices (tuples) to differentiate at, all by default.

    Returns:
        The slopes on the host, in a's shape, or (n,) for n places.

    Raises:
        ValueError: `a` is not float64.
    """
    if a.dtype != "float64":
        raise ValueError(f"differences in {a.dtype} are mostly rounding; use float64")
    slopes = [slope(lambda: float(evaluate()), a, place)
              for place in (np.ndindex(a.shape) if places is None else places)]
    return np.array(slopes).reshape(a.shape if places is None else -1)


def relative_error(ours, slopes):
    """max |ours - slopes| / max |slopes|.  Both arrays have the same shape."""
    ours = to_host(ours)
    assert ours.shape == slopes.shape, f"gradient of shape {ours.shape}, not {slopes.shape}"
    return abs(ours - slopes).max() / max(abs(slopes).max(), 1e-300)


def _evaluate_moved(evaluate, a, place, step):
    """evaluate() while a[place] is `step` larger."""
    before = float(a[place])
    a[place] = before + step
    value = evaluate()
    a[place] = before
    return value


# ---- A net or a layer ------------------------------------------------------------------------


def check_gradients(net, x, target=None, *, places=PLACES, raises=True):
    """Compare what backward and gradients return with the slopes of forward.

    With a target the loss is the cross-entropy, made linear in the logits: its gradient is scaled,
    so that it does not vanish where the net is sure.  Without a target, and for each layer of a
    nets.Net, the loss is sum(dy * y) with a random dy.

    First x is mixed with noise, and so is the input of each layer, because ReLU and max pooling
    have kinks where an image is black.  At the kinks that are left, every number between the slope
    to the left and the slope to the right counts as right.

    A nets.Net and a layer are checked in float64 copies, to 1e-6.  A net of your own that computes
    in float32 is checked with a longer step, to 5e-2.

    Args:
        net: a nets.Net: checks dx and each parameter of each layer, then dx of the whole net.
            With a target, anything that D takes: checks dx at some pixels, and along a direction
            in which all pixels move.  Without a target, a layer: checks dx and its parameters.
        x: (N, ...) images, or inputs of the layer; the first 4 at most are used.
        target: (N,) integers or one for all, the label l of the loss; None for a layer.
        places: how many entries of each array: half where the gradient is largest, half at random.
        raises: whether to raise an error for a wrong gradient; else only the table says so.

    Returns:
        A Table, a list with the worst place of each array (see Row).  `table.problem` is a sentence
        that says what is wrong, or "" if nothing is.  print(table) shows all of it.

    Raises:
        AssertionError: a gradient is wrong; with that sentence and the table.
        Exception: whatever the net itself raises.  With raises=False there is no error: the
            table's problem names it.
    """
    table = Table()
    try:
        for row in _rows(net, x, target, places):
            table.append(row)
    except Exception as error:
        if raises and not table.problem:
            raise
        name = type(net).__name__
        table.append(make_failed_row(name, "", f"{name}: {type(error).__name__}: {error}"))
    if raises and table.problem:
        raise AssertionError(f"{table.problem}\n\n{table}")
    return table


def _rows(net, x, target, places):
    """Yield the rows of the table: first a net's layers, so that the problem names the layer."""
    check_methods("check_gradients", net, "forward", "backward")
    if len(x := to_host(check_images("check_gradients", x))) == 0:
        raise ValueError("check_gradients: x holds no image; expected one at least")
    if not np.isfinite(x).all():
        raise ValueError("check_gradients: x holds NaN or infinity; expected finite numbers")
    count, x = len(x), to_device(x[:IMAGES].astype(float))
    name = type(net).__name__
    if isinstance(net, Net):
        y, plain = x, net.astype("float64")
        for i, layer in enumerate(plain.layers):
            yield from _check(f"{i + 1} {type(layer).__name__}", layer, y, None, places)
            y = layer.forward(y, None)[0]
            if not np.isfinite(to_host(y)).all():
                return                      # the rows that follow would repeat this problem
        # A class derived from Net may have a backward of its own, and astype would lose it.
        net = plain if type(net) is Net else net
    if target is None:
        layer = NetAsLayer(net) if isinstance(net, Net) else \
            Net([net]).astype("float64").layers[0]
        yield from _check(name, layer, x, None, places)
    else:
        target = to_host(target)
        target = np.broadcast_to(target, count) if target.ndim == 0 else target     # one for all
        check_label_array("check_gradients", target, count, "target")
        target = target[:IMAGES]
        yield from _check(name, NetAsLayer(net), x, target, places)


class NetAsLayer:
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
        """no parameters: a net's layers are checked one by one"""
        return []


class CheckFailed(AssertionError):
    """A problem that does not allow to compare numbers."""


def _check(name, layer, x, target, places):
    """Yield a Row for dx and for each parameter of one layer, or one Row with the problem."""
    x = _mix_with_noise(x)
    try:
        y, cache = _forward(layer, x)
        dy = np.random.default_rng(0).normal(size=y.shape) if target is None else \
            _dlogits(y, target)
        grads = _backward(layer, dy, cache)
    except CheckFailed as problem:
        yield make_failed_row(name, "", f"{name}: {problem}.")
        return

    names = ["x", *(f"params[{i}]" for i in range(len(layer.params)))]
    arrays = dict(zip(names, zip([x, *layer.params], grads, strict=True), strict=True))
    along, t = xp.zeros_like(x), xp.zeros(1)        # x + t along: see _all_at_once
    if target is not None and grads[0].shape == x.shape:
        along = to_device(_uphill_direction(grads[0]))
        arrays["x, all at once"] = t, np.array([(grads[0] * to_host(along)).sum()])

    def forward(x=x):
        return to_host(layer.forward(x + t * along if t.any() else x, None)[0]).astype(float)

    precision = FLOAT32 if (forward(x * (1 + 1e-10)) == y).all() else FLOAT64
    noise = precision.rounding * np.sqrt(((y * dy) ** 2).sum())
    for array, (a, da) in arrays.items():
        def slopes_beside(place, h, a=a):
            """The slopes of sum(dy * y) to the left and to the right, h away."""
            up, down = _evaluate_moved(forward, a, place, h), _evaluate_moved(forward, a, place, -h)
            return ((y - down) * dy).sum() / h, ((up - y) * dy).sum() / h

        yield compare_slopes(name, array, a, da, slopes_beside, noise, precision, places, len(x))


def _uphill_direction(dx):
    """A direction in which all pixels move together, uphill if dx is right.

    One pixel of a large net moves the logits by less than float32's rounding.  All of them move
    the logits by more.
    """
    signs = np.random.default_rng(2).choice((-1, 1), dx.shape)
    return np.where(dx == 0, signs, np.sign(dx)) / 3


def _forward(layer, x):
    """y on the host and the cache, or CheckFailed."""
    given = x.copy()
    y, cache = layer.forward(given, None)
    if y.dtype not in ("float32", "float64"):
        raise CheckFailed(f"forward computes in {y.dtype}; gradients are checked in float32 or "
                          "float64")
    y = to_host(y).astype(float)
    if bool((given != x).any()):
        raise CheckFailed("forward writes into x; it should make a new array")
    if not np.isfinite(y).all():
        raise CheckFailed("forward gives NaN or infinity")
    if not _nearly_equal(to_host(layer.forward(x, None)[0]), y):
        raise CheckFailed("forward gives two results for the same x.  Is it still training, with "
                          "dropout or with batch normalisation?")
    return y, cache


def _backward(layer, dy, cache):
    """[dx, d params[0], ...] on the host, or CheckFailed."""
    given = to_device(dy.copy())
    grads = [to_host(da).copy() for da in (layer.backward(given, cache),
                                           *layer.gradients(given, cache))]
    if len(grads) != 1 + len(layer.params):
        raise CheckFailed(f"gradients gives {len(grads) - 1} arrays for {len(layer.params)} "
                          "parameters")
    if (to_host(given) != dy).any():
        raise CheckFailed("backward or gradients writes into dy; it should make a new array")
    if not _nearly_equal(to_host(layer.backward(given, cache)), grads[0]):
        raise CheckFailed("backward gives two results for the same cache.  Does it write into it?")
    return grads


def _nearly_equal(a, b):
    """Whether two arrays differ by rounding at most; NaN equals NaN."""
    rounding = 1e-5 * np.nanmax(abs(b), initial=0)
    return a.shape == b.shape and np.allclose(a, b, 0, rounding, equal_nan=True)


def _dlogits(logits, target):
    """d cross-entropy / d logits (N, K), scaled so that each image's largest entry is 1."""
    check_labels("check_gradients", target, *logits.shape, name="target")
    d = to_host(softmax_cross_entropy(to_device(logits), to_device(target))[1])
    return d / np.maximum(abs(d).max(1, keepdims=True), 1e-300)


def _mix_with_noise(x):
    """x mixed with noise from the smallest range that holds x, 0 and 1; rounded to float32.

    So a net that computes in float32 gives the same for x and x (1 + 1e-10), and is recognised.
    """
    x = to_host(x)
    noise = np.random.default_rng(1).uniform(x.min(initial=0), x.max(initial=1), x.shape)
    return to_device((x + NOISE * (noise - x)).astype("float32").astype("float64"))
