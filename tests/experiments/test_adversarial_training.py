"""Adversarial training, run small."""
import json

import numpy as np
import pytest
from PIL import Image
from toy_runs import stamps
from toys import on_numpy

from data import strokes
from experiments import adversarial_training
from experiments.adversarial_training import ARMS, Arm
from experiments.shared import cache, models, samples
from experiments.shared.pools import Pool
from nets import store
from nets.backend import to_host
from nets.training import loop

SETS = strokes.draw(300, 1), strokes.draw(60, 2)


@pytest.fixture
def quick(tmp_path, monkeypatch, in_this_process):
    """Small data, few epochs, everything in this process."""
    monkeypatch.setattr(samples.datasets, "load", lambda *args, **kwargs: ("strokes", *SETS))
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    return {"count": 8, "epochs": 3, "out": str(tmp_path), "quiet": True, "workers": 1}


@on_numpy
def test_every_arm_is_in_the_record_and_what_was_made_is_not_made_again(quick, tmp_path):
    numbers = adversarial_training.main(**quick)
    assert list(numbers) == [f"{name}, seed 0" for name in ARMS]
    for row in numbers.values():
        assert len(row["curve"]) == 3
        assert row["curve"][-1] == pytest.approx(row["test error %"], abs=1e-3)
    assert len({(row["train error %"], row["av. min. distortion"])
                for row in numbers.values()}) == len(ARMS)
    assert numbers["weight decay, seed 0"]["transfer %"] == 100
    assert min(row["transfer %"] for row in numbers.values()) < 100
    out = tmp_path / "strokes"
    text = (out / "adversarial_training.md").read_text()
    assert "Below 1.2 %" in text and "the 60 test images" in text
    assert json.loads((out / "adversarial_training.json").read_text())["numbers"] == numbers
    for stem in ("adversarial_training", "adversarial_training-curves"):
        assert Image.open(out / f"{stem}.png").size[0] > 500
    before = stamps(tmp_path)
    more = adversarial_training.main(**quick, seeds=2)
    assert before.items() <= stamps(tmp_path).items() and numbers.items() <= more.items()
    for s in (0, 1):                        # on the images made for the net of the same seed
        assert more[f"weight decay, seed {s}"]["transfer %"] == 100
    assert " ± " in (out / "adversarial_training.md").read_text()


@on_numpy
def test_for_validation_the_test_images_are_never_looked_at(quick, tmp_path, monkeypatch):
    few = {name: ARMS[name] for name in ("weight decay", "all layers")}
    monkeypatch.setattr(adversarial_training, "ARMS", few)
    monkeypatch.setattr(adversarial_training, "format_claims", lambda by_arm: "")
    monkeypatch.setattr(samples.datasets, "load",
                        lambda *args, **kwargs: ("strokes", SETS[0], ((), ())))
    adversarial_training.main(**quick, validation=True)
    text = (tmp_path / "strokes" / "adversarial_training-validation.md").read_text()
    assert "250 images to train on" in text and "the last 50 training images" in text
    assert not (tmp_path / "strokes" / "adversarial_training.md").exists()


def test_the_last_sixth_is_held_out():
    (x, t), (held, t_held) = adversarial_training.split(*SETS, True)
    for part, whole in ((x, SETS[0][0][:250]), (t, SETS[0][1][:250]),
                        (held, SETS[0][0][250:]), (t_held, SETS[0][1][250:])):
        assert len(part) == len(whole) and (part == whole).all()
    assert adversarial_training.split(*SETS, False) == SETS


def test_the_name_of_a_kept_net_says_what_it_depends_on(monkeypatch):
    def names(epochs=3, validation=False):
        return {adversarial_training.net_path(name, s, "mnist", epochs, validation)
                for name in ARMS for s in (0, 1)}
    every = [names(), names(epochs=4), names(validation=True)]
    assert len(set.union(*every)) == 3 * 2 * len(ARMS)
    for constant, value in (("RATE", 0.1), ("SHARE", 0.5), ("BATCH", 7), ("STEPS", 9),
                            ("ASCENT", 9)):
        with monkeypatch.context() as patch:
            patch.setattr(adversarial_training, constant, value)
            every.append(names())
            assert len(every[-1]) == 2 * len(ARMS) and every[-1] - every[0], constant
    lams = ARMS["pixels"].lams
    for other in (Arm((0.5, *lams[1:]), {}), Arm(lams, {}, (0.3, 0)), Arm(lams, {0: 0.5}),
                  Arm(lams, {0: 0.035, 1: 0.01}), Arm(lams, {0: 0.035}, examples="noise")):
        monkeypatch.setitem(ARMS, "pixels", other)
        assert adversarial_training.net_path("pixels", 0, "mnist", 3,
                                             False) not in set.union(*every)


def test_dropout_is_of_pixels_and_units_and_of_the_same_parameters():
    net = models.build("FC100-100-10", 0)
    dropped = adversarial_training.add_dropout(net, 0.2, 0.5)
    assert all(a is b for a, b in zip(net.params, dropped.params, strict=True))
    assert [layer.p for layer in dropped.layers if hasattr(layer, "p")] == [0.2, 0.5, 0.5]
    x = SETS[0][0][:20]
    assert (net.predict(x) == dropped.predict(x)).all()
    assert adversarial_training.add_dropout(net, 0.0, 0.0).layers == net.layers


ROW = {"test error %": 2.0, "av. min. distortion": 0.06, "transfer %": 10.0}


def by_arm(errors):
    return {name: [ROW | {"test error %": errors.get(name, 2.0)}] for name in ARMS}


@pytest.mark.parametrize("errors, answers", [
    ({"all layers": 1.1, "dropout": 1.3}, ["all layers?  Yes", "dropout < weight decay?  Yes"]),
    ({"all layers": 1.3, "dropout": 1.4}, ["all layers?  No", "dropout < weight decay?  Yes"]),
    ({"all layers": 1.1, "dropout": 1.7}, ["all layers?  Yes", "dropout < weight decay?  No"]),
    ({"all layers": 1.4, "dropout": 1.3}, ["all layers?  No", "dropout < weight decay?  No"]),
    ({"pixels": 1.5, "h1": 1.2, "h2": 1.3}, [
        "alone?  No: h1 1.2 %, h2 1.3 %, pixels 1.5 %; without any, weight decay 1.6 %."]),
    ({"pixels": 1.5, "h1": 1.2, "h2": 1.1}, ["alone?  Yes: h2 1.1 %, h1 1.2 %, pixels 1.5 %"]),
    ({"all layers": 1.2, "Gaussian noise": 1.3}, ["like size?  Yes: Gaussian noise 1.3 %"]),
    ({"all layers": 1.2, "Gaussian noise": 1.1}, ["like size?  No: Gaussian noise 1.1 %"]),
    ({"all layers": 1.3, "all layers, by gradient": 1.1, "pixels, by gradient": 1.3}, [
        "all layers?  No: all layers 1.3 %.",
        "With pools of all layers, yes; of pixels alone, no: all layers, by gradient 1.1 %"]),
    ({"all layers, by gradient": 1.2, "pixels, by gradient": 1.15}, [
        "With pools of all layers, no; of pixels alone, yes: all layers, by gradient 1.2 %"]),
])
def test_the_claims_follow_from_the_numbers(errors, answers):
    rows = by_arm({"weight decay": 1.6} | errors)
    rows["all layers"][0]["transfer %"] = 4.5
    text = adversarial_training.format_claims(rows)
    for answer in [*answers, "pools of all layers have 4.5 % wrong"]:
        assert answer in text


@on_numpy
def test_all_that_an_arm_says_has_a_share_in_its_net(quick, monkeypatch, tmp_path):
    arm = Arm((1e-3, 1e-3, 1e-3), {0: 0.03, 1: 0.02}, (0.1, 0.1), "noise")
    changes = [{}, {"lams": (1e-3, 1e-3, 2e-3)}, {"dropout": (0.1, 0.2)}, {"dropout": (0.2, 0.1)},
               {"pools": {0: 0.03}}, {"pools": {0: 0.03, 1: 0.03}}, {"pools": {0: 0.03, 2: 0.02}},
               {"examples": "D"}, {"examples": "gradient"}]
    nets = set()
    for change in changes:
        monkeypatch.setitem(ARMS, "mine", arm._replace(**change))
        net = adversarial_training.train_arm("mine", 0, "strokes", 1, False, tmp_path / "curve.npz")
        nets.add(b"".join(to_host(p).tobytes() for p in net.params))
    assert len(nets) == len(changes)


@on_numpy
def test_a_pool_holds_as_many_examples_as_there_are_images(quick, monkeypatch, tmp_path):
    sizes = []

    class Counted(Pool):
        def renew(self, net, rng):
            super().renew(net, rng)
            sizes.append(len(self.r))
    monkeypatch.setattr(adversarial_training, "Pool", Counted)
    adversarial_training.train_arm("Gaussian noise", 0, "strokes", 12, False,
                                   tmp_path / "curve.npz")
    assert sizes[::3] == [30 * min(i, 10) for i in range(1, 13)]        # a tenth of 300 an epoch


def test_what_is_measured_leaves_out_what_was_wrong_and_takes_each_set_for_what_it_is():
    net = models.build("FC100-100-10", 0).astype("float64")
    (x, t), test = SETS
    x, t = x[:30], net.predict(SETS[0][0][:30].astype(float))
    t[:5] = (t[:5] + 1) % 10                # wrong already: left as they are
    images = np.where(np.arange(30)[:, None, None, None] < 5, x, np.minimum(x + 0.1, 1))
    row = adversarial_training.measure_net(net, images, x, x, t, (x, t), test)
    size = np.sqrt(((np.minimum(x[5:] + 0.1, 1) - x[5:]) ** 2).mean((1, 2, 3)))
    assert row["av. min. distortion"] == pytest.approx(size.mean(), rel=1e-5)
    assert row["train error %"] == pytest.approx(100 * 5 / 30) == row["transfer %"]
    assert row["test error %"] == pytest.approx(100 * loop.error(net, *test))


def test_an_arm_without_a_distortion_does_not_end_the_run():
    rows = by_arm({})
    rows["h1"][0]["av. min. distortion"] = None
    assert "0.06, is that of" in adversarial_training.format_claims(rows)


def test_a_curve_that_is_lost_is_made_again_and_a_damaged_one_is_named(quick):
    def curve():
        return adversarial_training.load_or_train([("dropout", 0)], "strokes", 2, False, 1, True)[1]
    whole = curve()["dropout", 0]
    net = adversarial_training.net_path("dropout", 0, "strokes", 2, False)
    path = adversarial_training.curve_path(net)
    path.unlink()
    assert (curve()["dropout", 0] == whole).all() and len(whole) == 2
    for damage in ({"line": whole}, {"curve": np.ones(7)}, {"curve": np.array([1, np.nan])},
                   {"curve": -whole}, {"curve": np.array(["1", "2"])}, {"curve": 1j * whole}):
        store.save_sealed(path, **damage)
        with pytest.raises(ValueError, match="curve.npz: not the .*; delete it and run again"):
            curve()
