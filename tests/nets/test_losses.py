"""Each loss against its closed forms, and its gradient against central differences."""
import numpy as np
import pytest

from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, numeric_gradient, relative_error
from nets.losses import sigmoid_cross_entropy, softmax_cross_entropy, sparsity


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_gradient_of_the_cross_entropy(rng):
    logits, target = to_device(rng.normal(0, 3, (4, 5))), to_device(np.array([0, 4, 2, 2]))
    slopes = numeric_gradient(lambda: softmax_cross_entropy(logits, target)[0].sum(), logits)
    assert relative_error(softmax_cross_entropy(logits, target)[1], slopes) < BOUND


def test_the_cross_entropy_is_minus_the_log_of_the_labels_share(rng):
    logits, target = rng.normal(0, 2, (3, 4)), np.array([1, 0, 3])
    loss = to_host(softmax_cross_entropy(to_device(logits), to_device(target))[0])
    for z, t, value in zip(logits, target, loss, strict=True):
        assert value == pytest.approx(-np.log(np.exp(z[t]) / np.exp(z).sum()))


@pytest.mark.parametrize("K", [2, 10, 1000])
def test_equal_logits_cost_log_K(K):
    loss, _ = softmax_cross_entropy(to_device(np.full((1, K), 7.0)), to_device(np.array([1])))
    assert to_host(loss) == pytest.approx([np.log(K)])


def test_adding_a_number_to_all_logits_of_an_image_changes_nothing(rng):
    logits, target = rng.normal(size=(3, 4)), to_device(np.array([1, 0, 3]))
    shift = np.array([[100.0], [-1e3], [1e4]])
    for a, b in zip(softmax_cross_entropy(to_device(logits), target),
                    softmax_cross_entropy(to_device(logits + shift), target), strict=True):
        assert to_host(a) == pytest.approx(to_host(b), abs=1e-11)


def test_huge_logits_stay_finite_and_cost_their_difference():
    logits = to_device(np.array([[1e5, -1e5, 0.0], [1e300, 0.0, -1e300]]))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, dlogits = softmax_cross_entropy(logits, to_device(np.array([1, 0])))
    assert to_host(loss).tolist() == [2e5, 0]
    assert to_host(dlogits).tolist() == [[1, -1, 0], [0, 0, 0]]


def test_the_gradient_of_the_cross_entropy_of_pixels(rng):
    z, x = to_device(rng.normal(0, 3, (3, 4))), to_device(rng.uniform(size=(3, 4)))
    slopes = numeric_gradient(lambda: sigmoid_cross_entropy(z, x)[0].sum(), z)
    assert relative_error(sigmoid_cross_entropy(z, x)[1], slopes) < BOUND


def test_the_cross_entropy_of_pixels_is_that_of_independent_coins(rng):
    z, x = rng.normal(0, 2, (3, 4)), rng.uniform(size=(3, 4))
    y = 1 / (1 + np.exp(-z))
    coins = -(x * np.log(y) + (1 - x) * np.log(1 - y)).sum(1)
    loss, _ = sigmoid_cross_entropy(to_device(z), to_device(x))
    assert to_host(loss) == pytest.approx(coins)


def test_a_sure_pixel_costs_nothing_when_right_and_its_logit_when_wrong():
    z, x = to_device(np.array([[800.0], [-800.0]])), to_device(np.array([[1.0], [1.0]]))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, dz = sigmoid_cross_entropy(z, x)
    assert to_host(loss).tolist() == [0, 800] and to_host(dz).ravel().tolist() == [0, -1]


@pytest.mark.parametrize("rho", [0.05, 0.3])
def test_the_gradient_of_the_sparsity(rng, rho):
    h = to_device(rng.uniform(0.05, 0.95, (4, 3)))
    slopes = numeric_gradient(lambda: sparsity(h, rho)[0], h)
    assert relative_error(sparsity(h, rho)[1], slopes) < BOUND


def test_the_sparsity_is_the_divergence_of_each_units_mean_activity():
    h, rho = np.array([[0.2, 0.1], [0.6, 0.3]]), 0.1        # the units' means: 0.4 and 0.2
    divergence = sum(rho * np.log(rho / q) + (1 - rho) * np.log((1 - rho) / (1 - q))
                     for q in (0.4, 0.2))
    assert float(sparsity(to_device(h), rho)[0]) == pytest.approx(divergence)


def test_units_active_a_share_rho_of_the_time_cost_nothing():
    loss, dh = sparsity(to_device(np.array([[0.0, 0.1], [0.2, 0.1]])), 0.1)
    assert float(loss) == pytest.approx(0, abs=1e-15)
    assert to_host(dh) == pytest.approx(0, abs=1e-14)


def test_units_that_never_or_always_fire_have_a_finite_cost():
    loss, dh = sparsity(to_device(np.array([[0.0, 1.0], [0.0, 1.0]])), 0.1)
    assert np.isfinite(float(loss))
    assert np.isfinite(to_host(dh)).all()
    assert (to_host(dh)[:, 0] < 0).all()        # descent raises what is too quiet
    assert (to_host(dh)[:, 1] > 0).all()
