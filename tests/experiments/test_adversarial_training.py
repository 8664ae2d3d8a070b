"""Adversarial training, run small."""
import json

import numpy as np
import pytest
from PIL import Image
from toys import on_numpy

from data import strokes
from experiments import adversarial_training
from experiments.adversarial_training import ARMS, Arm
from experiments.shared import cache, models, pools, samples
from nets import store
from nets.training import costs, loop

SETS = strokes.draw(300, 1), strokes.draw(60, 2)


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Small data, few epochs, everything in this process."""
    monkeypatch.setattr(samples.datasets, "load", lambda *args, **kwargs: ("strokes", *SETS))
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    calls = []

    def in_this_process(function, jobs, *args):
        calls.append((function.__name__, len(jobs)))
        return ((i, function(*job)) for i, job in enumerate(jobs))
    monkeypatch.setattr(cache, "over_processes", in_this_process)
    return {"count": 8, "epochs": 3, "out": str(tmp_path), "quiet": True, "workers": 1}, calls


@on_numpy
def test_every_arm_is_in_the_record_and_what_was_made_is_not_made_again(quick, tmp_path):
    flags, calls = quick
    numbers = adversarial_training.main(**flags)
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
    before = len(calls)
    more = adversarial_training.main(**flags, seeds=2)
    assert calls[before:] == [("train_and_save", len(ARMS)), ("search_and_save", len(ARMS))]
    assert numbers.items() <= more.items()
    for s in (0, 1):                        # on the images made for the net of the same seed
        assert more[f"weight decay, seed {s}"]["transfer %"] == 100
    assert " ± " in (out / "adversarial_training.md").read_text()


@on_numpy
def test_for_validation_the_test_images_are_never_looked_at(quick, tmp_path, monkeypatch):
    flags, _ = quick
    few = {name: ARMS[name] for name in ("weight decay", "all layers")}
    monkeypatch.setattr(adversarial_training, "ARMS", few)
    monkeypatch.setattr(adversarial_training, "claims", lambda by_arm: "")
    monkeypatch.setattr(samples.datasets, "load",
                        lambda *args, **kwargs: ("strokes", SETS[0], ((), ())))
    adversarial_training.main(**flags, validation=True)
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
        return {adversarial_training.path(name, s, "mnist", epochs, validation)
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
        assert adversarial_training.path("pixels", 0, "mnist", 3, False) not in set.union(*every)


def test_dropout_is_of_pixels_and_units_and_of_the_same_parameters():
    net = models.build("FC100-100-10", 0)
    dropped = adversarial_training.with_dropout(net, 0.2, 0.5)
    assert all(a is b for a, b in zip(net.params, dropped.params, strict=True))
    assert [layer.p for layer in dropped.layers if hasattr(layer, "p")] == [0.2, 0.5, 0.5]
    x = SETS[0][0][:20]
    assert (net.predict(x) == dropped.predict(x)).all()
    assert adversarial_training.with_dropout(net, 0.0, 0.0).layers == net.layers


ROW = {"test error %": 2.0, "av. min. distortion": 0.06, "transfer %": 10.0}


def by_arm(**errors):
    return {name: [ROW | {"test error %": errors.get(name.replace(" ", "_"), 2.0)}]
            for name in ARMS}


@pytest.mark.parametrize("errors, below, order", [
    ({"all_layers": 1.1, "dropout": 1.3, "weight_decay": 1.6}, "Yes", "Yes"),
    ({"all_layers": 1.3, "dropout": 1.4, "weight_decay": 1.6}, "No", "Yes"),
    ({"all_layers": 1.1, "dropout": 1.7, "weight_decay": 1.6}, "Yes", "No"),
    ({"all_layers": 1.4, "dropout": 1.3, "weight_decay": 1.6}, "No", "No")])
def test_the_claims_follow_from_the_numbers(errors, below, order):
    text = adversarial_training.claims(by_arm(**errors))
    assert f"Below 1.2 % with pools of all layers?  {below}" in text
    assert f"dropout < weight decay?  {order}" in text


def test_the_layers_are_named_from_the_most_helpful_on():
    text = adversarial_training.claims(by_arm(pixels=1.5, h1=1.2, h2=1.3))
    assert "alone?  No: h1 1.2 %, h2 1.3 %, pixels 1.5 %; without any, weight decay 2 %." in text
    text = adversarial_training.claims(by_arm(pixels=1.5, h1=1.2, h2=1.1))
    assert "alone?  Yes: h2 1.1 %, h1 1.2 %, pixels 1.5 %" in text


@pytest.mark.parametrize(("noise", "answer"), [(1.3, "Yes"), (1.1, "No")])
def test_pools_are_compared_with_noise_and_transfer_is_that_of_all_layers(noise, answer):
    rows = by_arm(all_layers=1.2, Gaussian_noise=noise)
    rows["all layers"][0]["transfer %"] = 4.5
    text = adversarial_training.claims(rows)
    assert f"noise of like size?  {answer}: Gaussian noise {noise} %" in text
    assert "pools of all layers have 4.5 % wrong" in text


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_is_trained_as_its_row_says(quick, monkeypatch, name):
    """Its decay and dropout; its pools: layers, distances, as many as images, share and kind."""
    asked, arm, plain = {"pools": []}, ARMS[name], costs.classification

    def pool(*args):
        asked["pools"].append(args)
        return pools.Pool(*args)

    def classification(net, lams):
        asked["lams"], asked["dropout"] = lams, [layer.p for layer in net.layers
                                                 if hasattr(layer, "p")]
        return plain(net, lams)
    monkeypatch.setattr(adversarial_training, "Pool", pool)
    monkeypatch.setattr(costs, "classification", classification)
    adversarial_training.train_arm(name, 0, "strokes", 1, False)
    pixels, units = arm.dropout
    assert asked["lams"] == arm.lams
    assert asked["dropout"] == ([pixels, units, units] if any(arm.dropout) else [])
    made_by = {"noise": pools.noise, "D": pools.adversarial, "gradient": pools.ascended}
    assert asked["pools"] == [(k, stddev, 300, adversarial_training.SHARE, made_by[arm.examples])
                              for k, stddev in arm.pools.items()]


def test_what_is_measured_leaves_out_what_was_wrong_and_takes_each_set_for_what_it_is():
    net = models.build("FC100-100-10", 0).astype("float64")
    (x, t), test = SETS
    x, t = x[:30], net.predict(SETS[0][0][:30].astype(float))
    t[:5] = (t[:5] + 1) % 10                # wrong already: left as they are
    images = np.where(np.arange(30)[:, None, None, None] < 5, x, np.minimum(x + 0.1, 1))
    row = adversarial_training.measured(net, images, x, x, t, (x, t), test)
    size = np.sqrt(((np.minimum(x[5:] + 0.1, 1) - x[5:]) ** 2).mean((1, 2, 3)))
    assert row["av. min. distortion"] == pytest.approx(size.mean(), rel=1e-5)
    assert row["train error %"] == pytest.approx(100 * 5 / 30) == row["transfer %"]
    assert row["test error %"] == pytest.approx(100 * loop.error(net, *test))


@pytest.mark.parametrize(("everywhere", "pixels", "answers"), [
    (1.1, 1.3, "of all layers, yes; of pixels alone, no"),
    (1.2, 1.15, "of all layers, no; of pixels alone, yes")])
def test_examples_by_gradient_have_answers_of_their_own(everywhere, pixels, answers):
    rows = by_arm(all_layers=1.3)
    rows["all layers, by gradient"][0]["test error %"] = everywhere
    rows["pixels, by gradient"][0]["test error %"] = pixels
    text = adversarial_training.claims(rows)
    assert f"by gradient?  With pools {answers}: all layers, by gradient {everywhere} %" in text
    assert "all layers?  No: all layers 1.3 %." in text


def test_an_arm_without_a_distortion_does_not_end_the_run():
    rows = by_arm()
    rows["h1"][0]["av. min. distortion"] = None
    assert "0.06, is that of" in adversarial_training.claims(rows)


@pytest.mark.parametrize(("flags", "said"), [({"epochs": 0}, "--epochs 0: expected 1 or more"),
                                             ({"seeds": 0}, "--seeds 0: expected 1 or more")])
def test_bad_flags_are_named(flags, said):
    with pytest.raises(ValueError, match=said):
        adversarial_training.main(**flags)


@pytest.mark.parametrize("damage", [None, {"line": np.ones(3)}, {"curve": np.ones(7)}])
def test_a_curve_that_is_lost_or_damaged_is_made_again_or_named(quick, damage):
    flags, calls = quick
    adversarial_training.main(**flags)
    arm = ("dropout", 0, "strokes", flags["epochs"], False)
    path = adversarial_training.beside(adversarial_training.path(*arm))
    whole = store.load_arrays(path)["curve"]
    path.unlink()
    if damage is None:
        adversarial_training.main(**flags)
        assert (store.load_arrays(path)["curve"] == whole).all()
    else:
        store.save_arrays(path, **damage)
        with pytest.raises(ValueError, match="curve.npz: not a curve of .* epochs; delete it and"):
            adversarial_training.main(**flags)
