"""Training with the penalty on norms, run small."""
import json

import numpy as np
import pytest
from toy_runs import stamps
from toys import on_numpy

from data import strokes
from experiments import lipschitz_training
from experiments.shared import cache, page, samples


@pytest.fixture
def quick(tmp_path, monkeypatch, in_this_process):
    """Small data, few epochs, three values of mu, everything in this process."""
    sets = strokes.draw(300, 1), strokes.draw(60, 2)
    monkeypatch.setattr(samples.datasets, "load", lambda *args, **kwargs: ("strokes", *sets))
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    monkeypatch.setitem(lipschitz_training.MU, "FC100-100-10", (0, 0.03, 1.0))
    monkeypatch.setitem(lipschitz_training.EPOCHS, "FC100-100-10", 8)
    return {"count": 8, "out": str(tmp_path), "quiet": True, "workers": 1}


@on_numpy
def test_the_bound_falls_as_mu_grows_and_what_is_trained_and_found_is_not_computed_again(
        quick, tmp_path):
    first = lipschitz_training.main(**quick)
    before = stamps(tmp_path)
    numbers = lipschitz_training.main(seeds=2, **quick)
    assert before.items() <= stamps(tmp_path).items()
    assert list(numbers) == [f"mu {mu}, seed {s}" for mu in ("0", "0.03", "1") for s in (0, 1)]
    for arm, row in first.items():          # with another net of its mu there is a transfer
        same = {k: v for k, v in row.items() if k != "transfer %"}
        assert same.items() <= numbers[arm].items()
        assert row["transfer %"] is None and numbers[arm]["transfer %"] is not None
    for s in (0, 1):
        bounds = [numbers[f"mu {mu}, seed {s}"]["L"] for mu in ("0", "0.03", "1")]
        assert bounds[0] > bounds[1] > bounds[2] > 0
    text = (tmp_path / "strokes" / "lipschitz_training.md").read_text()
    assert "Does L fall as mu grows?  Yes" in text and " ± " in text
    record = json.loads((tmp_path / "strokes" / "lipschitz_training.json").read_text())
    assert record["numbers"] == numbers


def test_transfer_is_the_error_on_the_images_made_for_the_others(monkeypatch):
    errors = np.array([[1.0, 0.2, 0.4], [0.1, 1.0, 0.6], [0.3, 0.5, 1.0]])
    monkeypatch.setattr(lipschitz_training, "transfer", lambda *args: errors)
    found = lipschitz_training.measure_transfer("abc", dict.fromkeys("abc"), dict.fromkeys("abc"),
                                                None)
    assert found == pytest.approx({"a": 20, "b": 35, "c": 50})


def test_spread_is_mean_and_standard_deviation():
    assert page.format_spread([1.0, 2.0, 3.0]) == "2 ± 1"
    assert page.format_spread([0.1, 0.1 + 1e-16, 0.1]) == "0.1 ± 0"     # rounding is no spread
    assert page.format_spread([0.5]) == "0.5"
    assert page.format_spread([None]) == "-"


def test_an_arm_without_a_distortion_does_not_end_the_run():
    row = {"test error %": 1.0, "L": 5.0, "av. min. distortion": 0.1}
    text = lipschitz_training.format_claims({0.0: [row],
                                             0.1: [row | {"L": 4.0, "av. min. distortion": None}]})
    assert "0.1, is that of mu = 0" in text and "Does L fall as mu grows?  Yes" in text
