"""FC: the paper's fully connected nets for MNIST (section 2)."""
import functools

from nets.checks import check_list, show
from nets.layers.basic import Dense, Flatten, Sigmoid
from nets.models.model import Model, Training
from nets.net import Net
from nets.training.costs import classification
from nets.training.loop import fit_adam
from nets.training.optimisers import fit_lbfgs

EPOCHS, RATE = 20, 0.01                     # of Adam
ITERATIONS = 1000                           # of L-BFGS; linear nets, convex, stop before
LOOSE_FTOL = 1e-6       # ends linear nets early: their errors change by less than 0.1 % afterwards


def fc(sizes, rng):
    """Sigmoid hidden layers between pixels and logits: sizes = (784, 100, 100, 10), say.

    FC10 is sizes = (784, 10): no hidden layer, a softmax regression.
    """
    sizes = check_list("fc", "sizes", sizes)
    if len(sizes) < 2:
        raise ValueError(f"fc: sizes {show(sizes)}; expected the pixels and the labels at least")
    layers = [Flatten()]
    for D, H in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [Dense(D, H, rng), Sigmoid()]
    return Net(layers[:-1])                 # the logits are linear


def fit_by_adam(net, lams, x, t, rng, reading, tick):
    """Train on mini-batches: fast.  Arguments as models.model.Training says."""
    cost = classification(net, lams, reading)
    fit_adam(net.params, cost, x, t, EPOCHS, RATE, rng, tick=lambda _: tick(1 / EPOCHS))


def make_lbfgs(tag, ftol):
    """Training on all images at once, which is believed to be the paper's way.

    With ftol = 1e-10 it takes 5 minutes or more and ends nearer to the paper's Table 1.
    """
    def fit(net, lams, x, t, rng, reading, tick):
        cost = classification(net, lams, reading)
        fit_lbfgs(net.params, cost, x, t, ITERATIONS, lambda _: tick(1 / ITERATIONS), ftol)
    return Training("full-batch L-BFGS", tag, fit, False)


ADAM = Training("Adam", f"adam {EPOCHS} x {RATE}", fit_by_adam, True)
LBFGS = make_lbfgs(f"lbfgs {ITERATIONS}", 1e-10)
LBFGS_LOOSE = make_lbfgs(f"lbfgs to {LOOSE_FTOL:g}", LOOSE_FTOL)


def linear(lam):
    """A net without hidden layers.  Its cost is convex, so it is always trained by L-BFGS."""
    return Model("linear nets", functools.partial(fc, (784, 10)), (lam,), LBFGS_LOOSE, LBFGS)


def sigmoid(*hidden, lams):
    """A net with sigmoid hidden layers of these sizes."""
    return Model("sigmoid nets", functools.partial(fc, (784, *hidden, 10)), lams, ADAM, LBFGS)


MODELS = {
    "FC10(1e-4)": linear(1e-4),
    "FC10(1e-2)": linear(1e-2),
    "FC10(1)": linear(1.0),
    "FC100-100-10": sigmoid(100, 100, lams=(1e-5, 1e-5, 1e-6)),
    "FC200-200-10": sigmoid(200, 200, lams=(1e-5, 1e-5, 1e-6)),
    "FC123-456-10": sigmoid(123, 456, lams=(1e-5, 1e-5, 1e-6)),     # its lambdas are not stated
}
