"""Section 3 of intriguing.py: phi, directions, and the images that they pick."""
import numpy as np
import pytest
from toys import images

from intriguing import DISTRIBUTIONS, natural_direction, phi, random_direction, top_images
from nets import net as net_module
from nets.backend import to_device, to_host


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_phi_is_the_nets_activations_whatever_the_chunks(monkeypatch, sigmoid, layer):
    x, _ = images(5, 23)
    monkeypatch.setattr(net_module, "PIXELS", 7 * 20)
    found = phi(sigmoid, x, layer)
    expected = to_host(sigmoid.activations(to_device(x))[layer]).reshape(23, -1)
    assert found.shape == (23, (20, 12, 5)[layer]) and found.dtype == float
    assert isinstance(found, np.ndarray)
    assert found == pytest.approx(expected, abs=1e-6)


def test_phi_0_is_the_pixels(sigmoid):
    x, _ = images(5, 8)
    assert (phi(sigmoid, x, 0) == x.reshape(8, 20)).all()


def test_a_natural_direction_reads_one_unit():
    a = np.random.default_rng(0).normal(size=(6, 4))
    for i in range(4):
        e = natural_direction(4, i)
        assert e.shape == (4,) and (a @ e == a[:, i]).all()


@pytest.mark.parametrize("unit", [-1, 4])
def test_a_unit_that_the_layer_has_not_is_an_error(unit):
    with pytest.raises(ValueError, match=f"unit {unit}: the layer has units 0 to 3"):
        natural_direction(4, unit)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_random_direction_has_length_1_and_depends_on_the_seed_alone(distribution):
    v, again, other = (random_direction(50, [3, i], distribution) for i in (1, 1, 2))
    assert v.shape == (50,) and np.linalg.norm(v) == pytest.approx(1, abs=1e-12)
    assert (v == again).all() and (v != other).any()


def test_gaussian_directions_point_everywhere_and_non_negative_ones_keep_their_sizes():
    v = np.array([random_direction(30, i) for i in range(400)])
    assert abs(v.mean()) < 0.01                         # 1 / sqrt(30 * 30 * 400) = 0.0017
    assert (v < 0).mean() == pytest.approx(0.5, abs=0.02)
    assert (v ** 2).mean(0) == pytest.approx(np.full(30, 1 / 30), rel=0.35)
    w = np.array([random_direction(30, i, "non-negative") for i in range(400)])
    assert w.min() >= 0 and w == pytest.approx(abs(v), abs=1e-12)


def test_an_unknown_distribution_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="'uniform'; choose one of gaussian, non-negative"):
        random_direction(5, 0, "uniform")


def test_top_images_are_the_best_by_brute_force():
    rng = np.random.default_rng(1)
    a, v = rng.normal(size=(40, 6)), rng.normal(size=6)
    score = {n: sum(a[n, i] * v[i] for i in range(6)) for n in range(40)}
    assert top_images(a, v, 10).tolist() == sorted(score, key=score.get, reverse=True)[:10]
    assert sorted(top_images(a, v, 40)) == list(range(40))


@pytest.mark.parametrize("count", [0, 41])
def test_more_images_than_there_are_or_none_is_an_error(count):
    with pytest.raises(ValueError, match=f"{count} of 40 images"):
        top_images(np.zeros((40, 3)), np.ones(3), count)


def test_ties_are_broken_by_the_seed_and_not_by_the_order_of_the_file():
    a = np.r_[np.zeros(20), np.ones(20)][:, None]       # images 20 to 39 tie for the top
    first = top_images(a, np.ones(1), 5, 0)
    assert (first == top_images(a, np.ones(1), 5, 0)).all() and first.min() >= 20
    picks = np.array([top_images(a, np.ones(1), 5, seed) for seed in range(2000)])
    for place in picks.T:                               # each place is any of the 20, as likely
        often = np.bincount(place, minlength=40)[20:]
        assert often.sum() == 2000
        assert ((often - 100) ** 2 / 100).sum() < 45    # chi-square, 19 degrees: 1 in 1,000
