"""The hypotheses on the print: a coarse line search, and a net stopped early."""
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize
from toys import on_numpy

from data import strokes
from experiments import fidelity
from experiments.shared.models import TABLE_1
from intriguing import D, distortion, objective
from nets.models.fc import fc


@pytest.fixture
def small():
    """A linear net of three labels, images of four pixels, and a wrong label for each."""
    rng = np.random.default_rng(0)
    net, x = fc((4, 3), rng), rng.uniform(0.2, 0.8, (6, 1, 2, 2)).astype(np.float32)
    for p in net.params:
        p *= 8                              # so that all labels lie within the box
    return net, x, (net.predict(x.astype(float)) + 1) % 3


@on_numpy
@pytest.mark.parametrize("factor", [2, 10])
def test_the_coarse_search_keeps_the_first_c_of_its_grid_that_succeeds(small, factor):
    net, x, target = small
    found = fidelity.search_coarsely(net, x, target, factor)
    for image, label, ours in zip(x.astype(float), target, found, strict=True):
        c, theirs = fidelity.FIRST_C, None
        while theirs is None and c >= fidelity.LAST_C:
            def cost(r, c=c, image=image, label=label):
                value, dr, _ = objective(net, image[None], np.array([label]), np.array([c]),
                                         r.reshape(1, 1, 2, 2))
                return value[0], dr.ravel()
            r = scipy.optimize.minimize(
                cost, np.zeros(4), jac=True, method="L-BFGS-B",
                bounds=[(-p, 1 - p) for p in image.ravel()], options={"ftol": 0, "gtol": 1e-9}).x
            if net.predict((image + r.reshape(1, 2, 2))[None])[0] == label:
                theirs = image + r.reshape(1, 2, 2)
            c /= factor
        assert np.isnan(ours).all() if theirs is None else abs(ours - theirs).max() < 1e-3
    assert not np.isnan(found).all()


@on_numpy
def test_a_coarse_search_ends_farther_away_than_d(small):
    net, x, target = small
    ours = distortion(x, D(net, x, target))
    fine, coarse = (distortion(x, fidelity.search_coarsely(net, x, target, factor))
                    for factor in (1.05, 10))
    found = ~np.isnan(coarse)
    assert (ours[found] <= 1.01 * fine[found]).all()
    assert fine[found].mean() < coarse[found].mean()


@on_numpy
def test_a_net_stopped_early_errs_more_and_its_row_stands_beside_the_print(monkeypatch):
    monkeypatch.setattr(fidelity, "STOPS", (1, 30))
    x, t = strokes.draw(200, 1)
    rng = np.random.default_rng(0)
    job = SimpleNamespace(x=x[:3], t=t[:3], seed=0, train=(x, t), test=(x[:50], t[:50]),
                          nets={name: fc((784, 10), rng) for name in TABLE_1})
    rows = fidelity.try_early_stops(job, (t[:3] + 1) % 10)
    first, last = rows.values()
    assert first["train error %"] > last["train error %"]
    assert last["error %"]["FC10(1)"] in (100, pytest.approx(200 / 3), pytest.approx(100 / 3))
    text = fidelity.format_rows(rows)
    assert "(76.2)" in text and "FC10(1), 30 iterations" in text
