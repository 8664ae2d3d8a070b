"""D on real digits: every label is reached, and on a linear net nearly the least distortion."""
import functools

import numpy as np
import pytest
from toys import least

from data import mnist
from intriguing import D, distortion
from nets.backend import to_device
from nets.models import MODELS
from nets.training.costs import classification
from nets.training.loop import error
from nets.training.optimisers import fit_lbfgs

pytestmark = pytest.mark.mnist


@functools.cache
def digits():
    (x, t), _ = mnist.load(quiet=True)
    return x[:12_000], t[:12_000]


@functools.cache
def trained(name):
    """The named net, trained for a moment on 12,000 digits."""
    x, t = digits()
    net = MODELS[name].build(np.random.default_rng(0)).astype("float32")
    cost = classification(net, MODELS[name].lams)
    fit_lbfgs(net.params, cost, to_device(x), to_device(t), 60)
    assert error(net, x, t) < 0.1
    return net.astype("float64")


def right(net, N):
    """The first N images that the net has right, and their labels."""
    x, t = (a[:2 * N] for a in digits())
    ok = net.predict(x) == t
    return x[ok][:N], t[ok][:N]


@pytest.mark.parametrize("name", ["FC10(1e-4)", "FC100-100-10"])
def test_every_one_of_the_nine_wrong_labels_is_reached_from_every_digit(name):
    net = trained(name)
    x, t = right(net, 32)
    for k in range(1, 10):
        found = D(net, x, (t + k) % 10)
        assert (net.predict(found.astype(float)) == (t + k) % 10).all()
        assert found.min() >= 0 and found.max() <= 1 and found.dtype == np.float32
        assert distortion(x, found).max() < 0.25


def test_a_linear_nets_distortion_is_within_3_per_cent_of_the_exact_least_one():
    net = trained("FC10(1e-4)")
    x, t = right(net, 3)                  # some seconds each, for SLSQP
    targets = (t + 1) % 10
    found, nearer = (D(net, x, targets, onto_boundary=step) for step in (False, True))
    exact = least(net, x, targets, ftol=1e-9) / 28
    ours, ours_nearer = distortion(x, found), distortion(x, nearer)
    assert (ours >= 0.9999 * exact).all()
    assert exact.mean() * 0.9999 <= ours.mean() < 1.03 * exact.mean()
    assert exact.mean() * 0.9999 <= ours_nearer.mean() < 1.005 * exact.mean()
