"""Costs: functions of a batch that return a value and its gradient in every parameter.

`classification` makes the paper's: mean cross-entropy plus weight decay.
"""
import math

import numpy as np

from nets.checks import check_choice, check_labels
from nets.losses import softmax_cross_entropy

DECAYS = {                                  # lambda's meaning is not stated beyond section 2
    "half": lambda lam, k: lam / 2,         # lam/2 sum w^2: nearest to the paper's Table 1
    "whole": lambda lam, k: lam,            # lam sum w^2
    "per unit": lambda lam, k: lam / k,     # lam sum w^2 / k, k output units: as printed
}


def decay(net, lams, reading="half"):
    """sum over layers of factor * sum(w^2), and its gradient in every parameter.

    Section 2.  Weights decay, biases do not (the paper does not say): see Layer.decays.

    Args:
        net: a Net.
        lams: lambda_1, lambda_2, ..., one for each layer that has parameters.
        reading: a key of DECAYS.  A layer's k is the number of its biases: units of a dense
            layer, filters of a convolution.

    Returns:
        A number, and its gradient in each of net.params: 0 in those that do not decay.
    """
    value, grads, decays = 0.0, [], iter(net.decays)
    weighted = [layer.params for layer in net.layers if layer.params]
    check_choice("decay", "reading", reading, DECAYS)
    if np.shape(lams) != (len(weighted),):
        raise ValueError(f"decay: lambdas {lams!r} for {len(weighted)} layers with parameters; "
                         "expected one each")
    for params, lam in zip(weighted, lams, strict=True):
        decayed = [next(decays) for _ in params]
        k = sum(p.size for p, is_weight in zip(params, decayed, strict=True) if not is_weight)
        for p, is_weight in zip(params, decayed, strict=True):
            factor = DECAYS[reading](lam, k) if is_weight else 0
            value += factor * float((p * p).sum())
            grads.append(2 * factor * p)
    return value, grads


def cross_entropy(net):
    """The cost of a classifier without weight decay: mean cross-entropy.

    Returns cost(x, t, rng) -> value in nats, gradients in the order of net.params;
    x (N, ...) and t (N,) on the device.  ValueError if the net does not have a label.
    """
    def cost(x, t, rng=None):
        logits, caches = net.forward(x, rng)
        loss, dlogits = softmax_cross_entropy(logits, t)
        value = float(loss.mean(dtype="float64"))
        if value == math.inf:               # only now, because looking at t waits for the device
            check_labels("cross_entropy", t, *logits.shape)
        return value, net.gradients(dlogits / len(x), caches)
    return cost


def classification(net, lams, reading="half"):
    """The cost of a classifier: mean cross-entropy + weight decay.  As `cross_entropy`."""
    entropy = cross_entropy(net)

    def cost(x, t, rng=None):
        value, grads = entropy(x, t, rng)
        more, decays = decay(net, lams, reading)
        return value + more, [g + d for g, d in zip(grads, decays, strict=True)]
    return cost
