"""How near D comes to exact answers, and the slips of the print (README, "The paper's slips")."""
import numpy as np
import pytest
from scipy.optimize import minimize
from toys import attack, images, least, length, on_numpy, reference, trained

from intriguing import D, amplify, distortion, objective
from nets.backend import to_device, to_host
from nets.losses import square
from nets.models.fc import fc
from nets.search.scipy_lbfgsb import minimize as minimize_rows


@pytest.fixture(scope="module")
def two():
    return trained((20, 2))


# ---- how near: exact answers -----------------------------------------------------------------


def test_for_two_classes_without_the_box_the_least_distance_is_the_margin_over_the_slope():
    net = fc((20, 2), np.random.default_rng(0))
    x = np.random.default_rng(1).uniform(0.3, 0.7, (24, 20)).astype(np.float32)
    net.params[1][...] -= net.forward(to_device(x).mean(0)[None])[0][0]    # pass amid the images
    W, b = map(to_host, net.params)
    m = x @ (W[:, 1] - W[:, 0]) + b[1] - b[0]
    found = D(net, x, 1 - net.predict(x))
    assert found.min() > 0                                      # the box is not in the way
    assert found.max() < 1
    ratio = length(x, found) / (abs(m) / np.linalg.norm(W[:, 1] - W[:, 0]))
    assert ratio.min() > 1 - 1e-5
    assert ratio.max() < 1.005


@on_numpy
def test_for_two_classes_the_paper_is_exact_in_the_box_too(two):
    x, target = attack(two, 2, N=12)
    found = D(two, x, target)
    assert ((found == 0) & (x > 0) | (found == 1) & (x < 1)).any()      # the box was in the way
    ratio = length(x, found) / least(two, x, target)
    assert ratio.min() > 1 - 1e-5
    assert ratio.max() < 1.005


@on_numpy
def test_for_ten_classes_it_lies_a_little_above_and_the_step_onto_the_boundary_mends_it(linear):
    """Slip 4: the print calls the penalised search exact for every convex loss."""
    x, target = attack(linear, 10)
    exact = least(linear, x, target)
    penalised = length(x, D(linear, x, target)) / exact
    assert penalised.min() > 1 - 1e-5
    assert 1.005 < penalised.mean() < 1.1
    mended = length(x, D(linear, x, target, onto_boundary=True)) / exact
    assert mended.min() > 1 - 1e-5
    assert mended.max() < 1.005


@on_numpy
def test_on_a_sigmoid_net_D_is_as_near_as_scipys_tight_search_image_by_image(sigmoid):
    x, target = attack(sigmoid, 5, N=16)
    ours, theirs = (length(x, find(sigmoid, x, target)) for find in (D, reference))
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.005)
    boundary = length(x, D(sigmoid, x, target, onto_boundary=True))
    assert (boundary <= ours * (1 + 1e-6)).all()


# ---- the slips of the print ------------------------------------------------------------------


@on_numpy
def test_slip_1_a_smaller_c_succeeds_farther_away_so_the_largest_that_succeeds_is_nearest(two):
    x, target = attack(two, 2, N=4)
    log_c = np.linspace(-7, 5, 25)
    images = np.repeat(x.reshape(len(x), -1).astype(float), len(log_c), 0)
    targets, c = np.repeat(target, len(log_c)), np.tile(np.exp(log_c), len(x))
    r = minimize_rows(lambda z, i: objective(two, images[i], targets[i], c[i], z)[:2],
                      np.zeros_like(images), -images, 1 - images, ftol=1e-13, gtol=1e-8).z
    lengths = np.sqrt(square(r)).reshape(len(x), -1)
    succeeds = (two.predict(images + r) == targets).reshape(len(x), -1)
    assert (np.diff(lengths, axis=1) <= 1e-6).all()             # a larger c, a smaller r
    assert (np.diff(succeeds.astype(int), axis=1) <= 0).all()   # and from some c on, no success
    assert succeeds[:, 0].all()
    assert not succeeds[:, -1].any()
    nearest = np.where(succeeds, lengths, np.inf).min(1)
    assert (nearest == lengths[range(len(x)), succeeds.sum(1) - 1]).all()


@on_numpy
def test_slip_2_c_r_unsquared_has_no_gradient_at_0_and_its_square_reaches_its_minimisers(sigmoid):
    x, target = images(5, 1)[0].astype(float).reshape(1, 20), np.array([3])
    loss, slope, _ = objective(sigmoid, x, target, np.zeros(1), np.zeros((1, 20)))
    c = np.linalg.norm(slope) / 3                       # small enough for a minimiser off 0

    def printed(r):
        value, dr, _ = objective(sigmoid, x, target, np.zeros(1), r.reshape(1, 20))
        size = np.linalg.norm(r)
        return value[0] + c * size, dr[0] + c * r / max(size, 1e-300)

    step = 1e-6 * np.random.default_rng(0).normal(size=20)
    ahead, behind = printed(step)[0] - loss[0], loss[0] - printed(-step)[0]
    assert (ahead - behind) / np.linalg.norm(step) == pytest.approx(2 * c, rel=1e-3)

    r = minimize(printed, -1e-2 * slope[0], jac=True, options={"gtol": 1e-9}).x
    assert np.linalg.norm(r) > 0.01
    squared = np.array([c / (2 * np.linalg.norm(r))])
    _, dr, _ = objective(sigmoid, x, target, squared, r[None])
    assert abs(dr).max() < 1e-6 * np.linalg.norm(slope)         # stationary for that c |r|^2


def test_slip_5_the_amplification_meant_goes_28_times_as_far_as_the_printed_one():
    x, x_prime = np.random.default_rng(0).uniform(size=(2, 3, 784))
    printed = 0.1 * (x_prime - x) / np.sqrt(square(x_prime - x))[:, None]
    meant = amplify(x, x_prime, 0.1)
    assert meant - x == pytest.approx(28 * printed)
    assert distortion(x, meant) == pytest.approx(0.1, rel=1e-12)
