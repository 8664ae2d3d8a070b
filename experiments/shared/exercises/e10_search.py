"""10. D in 30 lines.

Write the search of section 4.1 for one image: the smallest r with f(x + r) = l and every pixel of
x + r in [0, 1].  You have `evaluate(r)`, which gives the loss towards l at x + r, its gradient
(D,), and the label f(x + r).  SciPy's L-BFGS-B is imported.

Hint: for one c, minimise c |r|^2 + loss by `minimize(fun, r0, jac=True, method="L-BFGS-B",
bounds=...)` with the bounds -x and 1 - x.  Then close in on the largest c that succeeds: halve in
log c, 20 times, between a c that succeeds and one that fails.  Keep the shortest r that has the
label.
"""
import numpy as np
from scipy.optimize import minimize  # noqa: F401

from experiments.shared.exercises import make_problem
from intriguing import D, loss_and_gradient
from nets.backend import to_device, to_host


def search(evaluate, x, target):
    """The smallest r (D,) found with f(x + r) = target, x (D,) in [0, 1]."""
    return np.zeros_like(x)


def check():
    """Each r is in the box, has the label, and is at most 2 % longer than D's."""
    net, xs, targets = make_problem()
    for x, target, found in zip(xs.astype(float), targets, D(net, xs, targets), strict=True):
        def evaluate(r, x=x, target=target):
            loss, dx, logits = loss_and_gradient(net, to_device((x + r)[None]),
                                                 to_device(np.array([target])))
            return float(loss[0]), to_host(dx)[0].copy(), int(logits[0].argmax())

        r = search(evaluate, x, target)
        assert (x + r).min() > -1e-9 and (x + r).max() < 1 + 1e-9, "x + r leaves [0, 1]"
        assert evaluate(r)[2] == target, f"the net labels x + r {evaluate(r)[2]}, not {target}"
        ratio = np.linalg.norm(r) / np.linalg.norm(found - x)
        assert ratio < 1.02, f"an r is {100 * (ratio - 1):.0f} % longer than D's"
