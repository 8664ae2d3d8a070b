"""5. What the search minimises.

The objective is c |r|^2 + loss_f(x + r, l), section 4.1.  Return its value and its gradient in r,
for one image.  `loss_and_gradient` gives the loss at x + r and d loss / d (x + r).

Hint: d (x + r) / d r = 1.  And |r|^2 is the sum of the squares of r's entries.
"""
import numpy as np

from experiments.shared.exercises import make_problem
from intriguing import loss_and_gradient
from nets.backend import to_device, to_host
from nets.gradcheck import numeric_gradient, relative_error


def objective(loss_and_gradient, c, r):
    """The value, a number, and its gradient (D,).

    loss_and_gradient: loss_and_gradient(r) gives loss_f(x + r, l) and d loss / d (x + r) (D,).
    """
    loss, dx = loss_and_gradient(r)
    raise NotImplementedError("write the value and the gradient")


def check():
    """The value is c |r|^2 + loss, and the gradient is its slope."""
    net, x, target = make_problem()

    def evaluate(r):
        loss, dx, _ = loss_and_gradient(net, to_device(x[:1] + r), to_device(target[:1]))
        return float(loss[0]), to_host(dx)[0]

    r, c = np.random.default_rng(0).normal(0, 0.1, 20), 3.0
    value, gradient = objective(evaluate, c, r)
    assert abs(value - (c * (r * r).sum() + evaluate(r)[0])) < 1e-9, "the value is wrong"
    slopes = numeric_gradient(lambda: objective(evaluate, c, r)[0], r)
    error = relative_error(gradient, slopes)
    assert error < 1e-6, f"the gradient is wrong, by {error:.1g} of its largest entry"
