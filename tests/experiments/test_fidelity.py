"""The hypotheses on the print: which images, labels and search; early stops; one factor."""
import numpy as np
import pytest
import scipy.optimize
from toys import on_numpy

from data import strokes
from experiments import fidelity
from experiments.shared import attacked_set, models, samples
from experiments.shared.models import TABLE_1, TABLE_3
from intriguing import D, distortion, objective
from nets.models import MODELS
from nets.models.fc import fc
from nets.training.costs import classification
from nets.training.optimisers import fit_lbfgs


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
def test_a_coarse_search_leaves_an_image_that_has_the_label(small):
    net, x, target = small
    target[:2] = net.predict(x[:2].astype(float))
    found = fidelity.search_coarsely(net, x, target, 10)
    assert (found[:2] == x[:2]).all() and (found[2:] != x[2:]).any()


def make_job(names, wrong=False):
    """An AttackedSet of three images, with random linear nets and D of the images it has right.

    wrong: make the first net have the first image wrong, and the second image right.
    """
    x, t = strokes.draw(200, 1)
    nets = {name: fc((784, 10), np.random.default_rng(i)) for i, name in enumerate(names)}
    a, t_a = x[:3].astype(np.float32), t[:3].copy()
    if wrong:
        labels = nets[names[0]].predict(a.astype(float))
        t_a[:2] = (labels[0] + 1) % 10, labels[1]
    _, wanted = samples.sample_images(t, 3, 0)
    images, searched = {}, {}
    for name, net in nets.items():
        searched[name] = net.predict(a.astype(float)) == t_a
        images[name] = a.copy()
        if searched[name].any():
            images[name][searched[name]] = D(net, a[searched[name]], wanted[searched[name]])
    return attacked_set.AttackedSet("strokes", (x, t), (x, t), "training", a, t_a, nets, images,
                                    searched, "", 0)


@on_numpy
def test_every_hypothesis_is_tried_and_ours_is_the_first(monkeypatch):
    def in_this_process(function, jobs, *_):
        return [(i, function(*job)) for i, job in enumerate(jobs)]

    monkeypatch.setattr(fidelity, "run_in_processes", in_this_process)
    monkeypatch.setattr(fidelity, "tick", lambda: None)
    monkeypatch.setattr(fidelity, "SEARCHES", {"D": None, "factor 10": 10.0})
    monkeypatch.setattr(fidelity.samples, "sample_images",
                        lambda t, count, seed: (np.arange(count), (t[:count] + 3) % 10))
    job = make_job(TABLE_1[:2], wrong=True)
    searches = fidelity.try_searches(job, "scipy", 1, True)
    ours, *others = fidelity.list_hypotheses()
    assert ours == "right images, random label, D" and len(others) == 7
    for name, net in job.nets.items():
        assert list(searches[name]) == [ours, *others]
        wanted = (job.t + 1) % 10
        images = D(net, job.x, wanted)
        of = searches[name]["all images, next label, D"]
        assert of["error %"][name] == pytest.approx(100 * (net.predict(images) != job.t).mean())
        assert of["av. distortion"] == pytest.approx(distortion(job.x, images).mean())
        assert searches[name]["all images, random label, D"]["error %"][name] == pytest.approx(
            100 * (net.predict(D(net, job.x, (job.t + 3) % 10)) != job.t).mean())
        coarse = fidelity.search_coarsely(net, job.x, wanted, 10)
        assert searches[name]["all images, next label, factor 10"]["av. distortion"] == (
            pytest.approx(distortion(job.x, coarse).mean()))
        right = job.searched[name]
        images[~right] = job.x[~right]
        assert searches[name]["right images, next label, D"]["error %"] == {
            other: pytest.approx(100 * (of.predict(images) != job.t).mean())
            for other, of in job.nets.items()}
        size = searches[name]["right images, next label, D"]["av. distortion"]
        assert size == (pytest.approx(distortion(job.x, images)[right].mean()) if right.any()
                        else None)


@on_numpy
def test_a_net_stopped_early_errs_more_and_stands_beside_the_print(monkeypatch):
    monkeypatch.setattr(fidelity, "STOPS", (1, 30))
    job = make_job(TABLE_1)
    job.t[0] = (job.t[0] + 1) % 10          # wrong already for the stopped net
    stopped = fidelity.try_early_stops(job, "FC10(1)", "scipy")
    assert list(stopped) == ["1", "30", fidelity.NOT_STOPPED]
    assert stopped["1"]["train error %"] > stopped["30"]["train error %"]
    assert len(stopped["1"]["column"]) == 10
    text = fidelity.format_stops({"FC10(1)": stopped})
    assert "(21.2)" in text and "(35.2)" in text and "| 30 " in text
    net = models.build("FC10(1)", job.seed)     # stopped after 30 iterations, and attacked
    fit_lbfgs(net.params, classification(net, MODELS["FC10(1)"].lams), *job.train, 30)
    net = net.astype("float64")
    right = net.predict(job.x.astype(float)) == job.t
    assert right.any() and not right.all()
    _, wanted = samples.sample_images(job.train[1], 3, job.seed)
    images = job.x.copy()
    images[right] = D(net, job.x[right], wanted[right])
    row = stopped["30"]["row"]
    assert row["av. distortion"] == pytest.approx(distortion(job.x, images)[right].mean())
    assert row["error %"]["FC10(1)"] == 100.0
    assert stopped["30"]["column"]["AE400-10"] == pytest.approx(
        100 * (net.predict(job.images["AE400-10"].astype(float)) != job.t).mean())
    assert row["error %"]["AE400-10"] == pytest.approx(
        100 * (job.nets["AE400-10"].predict(images.astype(float)) != job.t).mean())
    text = fidelity.format_stopped_rows({"FC10(1)": stopped})
    assert "(71.9)" in text and "(0.14)" in text and text.count("\n") == 3


@pytest.mark.parametrize(("train", "test", "nearest"), [
    ([21.2, 25, 22], [25, 20, 21], "30"), ([21.2, 25, 22], [20.5, 20, 30], "1"),
    ([[21, 21.4], 21.2, 22], [[20, 20], 30, 20.1], "1")])
def test_the_stop_that_is_shown_is_the_nearest_by_both_errors(train, test, nearest):
    of_net = {how: {"train error %": a, "test error %": b}
              for how, a, b in zip(("1", "8", "30"), train, test, strict=True)}
    of_net[fidelity.NOT_STOPPED] = {"train error %": 21.2, "test error %": 20}
    assert fidelity.choose_stops("FC10(1)", of_net) == (nearest, fidelity.NOT_STOPPED)


@on_numpy
def test_the_nets_of_table_3_are_measured_on_both_halves_and_on_the_test_set():
    job = make_job(list(TABLE_3.values()), wrong=True)._replace(part="test")
    rows = fidelity.measure_nets(job)
    (x, t), first = job.train, next(iter(rows))
    for part in ("P1", "P2"):
        some = models.rows_of_part(len(x), part, job.seed)
        assert rows[first][f"error on {part} %"] == pytest.approx(
            100 * (job.nets[first].predict(x[some].astype(float)) != t[some]).mean())
    assert rows[first]["error on test %"] == pytest.approx(
        100 * (job.nets[first].predict(x.astype(float)) != t).mean())
    right = job.searched[first]
    assert not right.all() and rows[first]["av. distortion"] == (pytest.approx(
        distortion(job.x, job.images[first])[right].mean()) if right.any() else None)


@on_numpy
def test_rows_under_another_training_stand_beside_the_print():
    job = make_job(TABLE_1)
    rows = fidelity.measure_nets(job)
    net = job.nets["AE400-10"]
    assert rows["AE400-10"]["train error %"] == pytest.approx(
        100 * (net.predict(job.train[0].astype(float)) != job.train[1]).mean())
    text = fidelity.format_training({"as here": {"table 2": rows}, "by Adam": {"table 2": rows}},
                                    "table 2")
    assert text.count("\n") == 7 and "(1.64)" in text and "(0.065)" in text and "71.9" not in text


def test_one_factor_for_all_images_gives_the_average_distortion():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(5, 1, 3, 3)).astype(np.float32)
    found = x + rng.normal(0, 0.05, x.shape).astype(np.float32)
    found[0] = x[0]
    far = fidelity.amplify_together(x, found, 0.1)
    assert distortion(x, far)[1:].mean() == pytest.approx(0.1, rel=1e-5) and (far[0] == x[0]).all()
    assert np.ptp((far - x)[1:] / (found - x)[1:]) < 1e-3


def test_a_row_is_compared_with_the_print_cell_by_cell():
    row = {"error %": {"a": 100.0, "b": 10.0, "c": 30.0}, "av. distortion": 0.05,
           "std over images": 0.016}
    # 2 sqrt(10 * 90 / 256) = 3.75, with as many images of ours 5.30; 0.05 for the rounding.
    far = 10**9
    assert fidelity.compare_with_print(row, "a", (100, 13.8, 33, 0.0524), far) == [
        True, True, False]
    assert fidelity.compare_with_print(row, "a", (100, 13.9, 36, 0.0519), far) == [
        False, False, True]
    assert fidelity.compare_with_print(row, "a", (100, 15.3, 36, 0.0527), 256) == [
        True, True, True]
    assert fidelity.count_agreeing({"how": row}, "a", (100, 13.8, 33, 0.05), far) == {"how": 3}
