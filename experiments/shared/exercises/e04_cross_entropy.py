"""4. The loss: softmax cross-entropy that does not overflow.

loss = -log softmax(logits)[target].  This loss is right for small logits.  For logits of 1000 it
gives infinity or NaN.  Mend that, and write its gradient dlogits.

Hint: softmax does not change if the same number is taken from all logits.  Take the largest.  The
gradient is softmax(logits) - onehot(target).
"""
import numpy as np

from nets.gradcheck import numeric_gradient, relative_error


def cross_entropy(logits, target):
    """The loss (N,) of logits (N, K) towards target (N,), and dlogits (N, K).  NumPy arrays."""
    n = np.arange(len(logits))
    exp = np.exp(logits)
    loss = -np.log(exp[n, target] / exp.sum(1))
    dlogits = np.zeros_like(logits)
    return loss, dlogits


def check():
    """The gradient is the loss's, and large logits give finite numbers."""
    logits, target = np.random.default_rng(0).normal(size=(3, 5)), np.array([0, 2, 4])
    slopes = numeric_gradient(lambda: cross_entropy(logits, target)[0].sum(), logits)
    error = relative_error(cross_entropy(logits, target)[1], slopes)
    assert error < 1e-6, f"dlogits is wrong, by {error:.1g} of its largest entry"
    with np.errstate(all="ignore"):
        loss, dlogits = cross_entropy(np.array([[1000.0, 0.0], [1000.0, 0.0]]), np.array([0, 1]))
    assert np.isfinite(loss).all(), "the loss of large logits is not finite"
    assert np.allclose(loss, [0, 1000]), f"logits 1000 and 0 have losses 0 and 1000, not {loss}"
    assert np.isfinite(dlogits).all(), "the gradient at large logits is not finite"
