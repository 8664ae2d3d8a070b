"""D on real digits: every label is reached, and on a linear net nearly the least distortion."""
import numpy as np
import pytest
from scipy.optimize import minimize

from data import mnist
from intriguing import D, distortion
from nets.backend import to_device, to_host
from nets.fc import NETS, fc
from nets.train import classification, error, fit_lbfgs

pytestmark = pytest.mark.mnist


@pytest.fixture(scope="module")
def digits():
    (x, t), _ = mnist.load(quiet=True)
    return x[:12_000], t[:12_000]


@pytest.fixture(scope="module", params=["FC10(1e-4)", "FC100-100-10"])
def net(request, digits):
    sizes, lams = NETS[request.param]
    rng = np.random.default_rng(0)
    net = fc(sizes, rng).astype("float32")
    fit_lbfgs(net.params, classification(net, lams), *map(to_device, digits), 60)
    assert error(net, *digits) < 0.1
    return net.astype("float64")


def right(net, digits, N):
    """The first N images that the net has right, and their labels."""
    x, t = digits[0][:2 * N], digits[1][:2 * N]
    ok = net.predict(x) == t
    return x[ok][:N], t[ok][:N]


def test_every_one_of_the_nine_wrong_labels_is_reached_from_every_digit(net, digits):
    x, t = right(net, digits, 32)
    for k in range(1, 10):
        found = D(net, x, (t + k) % 10)
        assert (net.predict(found.astype(float)) == (t + k) % 10).all()
        assert found.min() >= 0 and found.max() <= 1 and found.dtype == np.float32
        assert distortion(x, found).max() < 0.25


def least(W, b, x, target, start):
    """The exact answer for logits x W + b: a convex quadratic programme, by SLSQP."""
    A, d = np.delete(W[:, target] - W.T, target, 0), np.delete(b[target] - b, target)
    found = minimize(lambda r: (r @ r, 2 * r), start, jac=True, method="SLSQP",
                     bounds=np.stack([-x, 1 - x], 1), options={"maxiter": 100, "ftol": 1e-9},
                     constraints={"type": "ineq", "fun": lambda r: A @ (x + r) + d,
                                  "jac": lambda r: A})
    assert found.success, found.message
    return np.sqrt(found.fun / x.size)


def test_a_linear_nets_distortion_is_within_3_per_cent_of_the_exact_least_one(net, digits):
    if len(net.params) > 2:
        pytest.skip("only the linear net's problem is convex")
    W, b = map(to_host, net.params)
    x, t = right(net, digits, 3)                   # some seconds each, for SLSQP
    targets = (t + 1) % 10
    found, nearer = (D(net, x, targets, onto_boundary=step) for step in (False, True))
    exact = [least(W, b, x[i].ravel().astype(float), targets[i], (found[i] - x[i]).ravel())
             for i in range(len(x))]
    ours, ours_nearer = distortion(x, found), distortion(x, nearer)
    assert (ours >= 0.9999 * np.array(exact)).all()
    assert np.mean(exact) * 0.9999 <= ours.mean() < 1.03 * np.mean(exact)
    assert np.mean(exact) * 0.9999 <= ours_nearer.mean() < 1.005 * np.mean(exact)
