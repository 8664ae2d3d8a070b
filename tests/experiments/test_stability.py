"""How loose the bound is: gains against the SVD, the certificate, and the script run small."""
import json

import numpy as np
import pytest
from toys import attack, on_numpy, trained

from data import strokes
from experiments import stability
from experiments.shared import cache, models, samples
from intriguing import D
from nets.backend import to_device, to_host
from nets.losses import square
from nets.models import fc
from nets.norms import lipschitz_bound
from nets.training import costs, loop


@pytest.fixture
def linear():
    return trained((20, 10))


def test_gains_are_those_of_the_matrix_of_a_linear_net(linear):
    rng = np.random.default_rng(0)
    x, r = rng.random((6, 1, 4, 5)), rng.normal(size=(6, 1, 4, 5))
    W = to_host(linear.params[0])
    expected = np.linalg.norm(r.reshape(6, 20) @ W, axis=1) / np.linalg.norm(r.reshape(6, 20),
                                                                             axis=1)
    assert stability.compute_gains(linear, x, r) == pytest.approx(expected)


def test_the_largest_gain_of_a_linear_net_is_its_largest_singular_value(linear):
    x = np.full((3, 1, 4, 5), 0.5)          # within the box there is room in every direction
    start = np.random.default_rng(1).normal(size=x.shape)
    found = stability.search_largest_gains(linear, x, start)
    norm = np.linalg.norm(to_host(linear.params[0]), 2)
    assert found.max() == pytest.approx(norm, rel=1e-3)
    assert (found > 0.9 * norm).all()       # a start may end at the second singular vector


def test_the_search_ends_above_its_start_and_below_the_bound(sigmoid):
    x, _ = attack(sigmoid, 5)
    start = np.random.default_rng(2).normal(size=x.shape)
    small = start * (stability.START_LENGTH / np.sqrt(square(start)))[:, None, None, None]
    found = stability.search_largest_gains(sigmoid, x.astype(float), start)
    assert (found >= stability.compute_gains(sigmoid, x, small) - 1e-9).all()
    assert found.max() <= lipschitz_bound(sigmoid, x.shape[1:])[1]
    assert found.max() > 1.5 * stability.compute_gains(sigmoid, x, small).max()


def test_the_search_is_handed_the_slope_of_its_value(sigmoid, monkeypatch):
    x, _ = attack(sigmoid, 5, 4)
    checked = []

    def spy(fun, z, lower, upper, **options):
        z, rows, direction = z + 0.1, np.arange(len(z)), np.random.default_rng(3).normal(
            size=z.shape)
        _, g = fun(z, rows)
        ahead, behind = (fun(z + h * direction, rows)[0] for h in (1e-6, -1e-6))
        assert (g * direction).sum(1) == pytest.approx((ahead - behind) / 2e-6, rel=1e-5)
        checked.append(len(z))

    monkeypatch.setattr(stability, "minimize", spy)
    stability.search_largest_gains(sigmoid, x.astype(float),
                                   np.random.default_rng(2).normal(size=x.shape))
    assert checked == [len(x)]


def test_no_image_with_another_label_is_nearer_than_the_certificate(sigmoid, linear):
    for net, K in ((sigmoid, 5), (linear, 10)):
        x, _ = attack(net, K)
        safe = stability.compute_certificates(net, x, lipschitz_bound(net, x.shape[1:])[1])
        label = net.predict(x.astype(float))
        for k in range(1, K):
            found = D(net, x, (label + k) % K)
            assert (np.sqrt(square(found.astype(float) - x)) >= safe).all()
        assert (safe > 0).all()


def test_the_certificate_of_two_opposed_logits_is_the_way_to_the_boundary():
    net = fc.fc((3, 2), np.random.default_rng(0))
    w = np.array([0.6, 0.0, 0.8])
    net.params[0][...] = to_device(np.stack([w, -w], 1))
    net.params[1][...] = 0
    x = np.array([[0.5, 0.2, 0.1]])
    L = np.sqrt(2)                          # |W| of w and -w, |w| = 1
    assert stability.compute_certificates(net, x, L) == pytest.approx(x @ w)


@on_numpy
def test_the_table_has_a_row_for_every_net_and_its_parts_fit_together(
        tmp_path, monkeypatch, in_this_process):
    data = strokes.draw(60, 1)
    nets = {}
    for name in stability.NETS:
        nets[name] = net = models.build(name, 0)
        loop.fit_adam(net.params, costs.classification(net, [0.0] * (len(net.params) // 2)),
                      *map(to_device, data), 12, 0.003, np.random.default_rng(0), batch=10)
        nets[name] = net.astype("float64")
    monkeypatch.setattr(samples.datasets, "load", lambda *args: ("strokes", data, data))
    monkeypatch.setattr(cache, "load_or_train", lambda *args: nets)
    monkeypatch.setattr(stability, "STEPS", 10)
    numbers = stability.main(count=12, out=str(tmp_path), quiet=True)
    assert list(numbers) == list(stability.NETS)
    for row in numbers.values():
        assert row["bound"] >= row["searched"] >= max(row["along D's r"], row["along random r"])
        assert row["bound / searched"] == pytest.approx(row["bound"] / row["searched"])
        assert 0 < row["certificate"] < row["distortion"]
        assert 0 < row["certificate / distortion, at most"] < 1
    record = json.loads((tmp_path / "strokes" / "stability.json").read_text())
    assert record["numbers"] == numbers
