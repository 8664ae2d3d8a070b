"""Tables 3 and 4: the halves, what is fed to whom, and what is said of it."""
import json
from types import SimpleNamespace

import numpy as np
import pytest

from data import strokes
from experiments import table3_4
from experiments.shared import cache, models, samples
from intriguing import amplify, distortion
from nets.backend import to_host
from nets.models import fc

NAMES = list(table3_4.PAPER_3)              # as displayed
HALF = dict(zip(NAMES, ("P1", "P1", "P2"), strict=True))


@pytest.fixture(scope="module")
def small():
    """("strokes", (x, t), (x_test, t_test)): few images, an odd number of them to split."""
    return "strokes", strokes.draw(601, 1), strokes.draw(100, 2)


@pytest.fixture(scope="module")
def nets(small):
    """{cache's name: net}, trained on their halves for a moment, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache.datasets, "load", lambda name, quiet=False: small)
        patch.setattr(fc, "EPOCHS", 40)
        patch.setattr(fc, "RATE", 0.01)
        return {name: cache.train_net(name, "strokes", 0, "adam").astype("float64")
                for name in table3_4.NETS}


@pytest.fixture(scope="module")
def run(small, nets, tmp_path_factory):
    """A small run: its numbers, record and text, and the images found, {cache's name: images}."""
    out = tmp_path_factory.mktemp("table3_4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples.datasets, "load", lambda name, quiet=False: small)
        patch.setattr(cache, "CACHE", out / "cache")
        patch.setattr(cache, "load_or_train", lambda names, *args: {n: nets[n] for n in names})
        numbers = table3_4.main(count=24, workers=1, quiet=True, out=str(out))
        rows, targets = samples.sample_images(small[2][1], 24, 0)
        x, t = small[2][0][rows], small[2][1][rows]
        images = cache.load_or_search(nets, x, t, targets, "strokes", "auto", 1, True)
    record = json.loads((out / "strokes" / "table3_4.json").read_text())
    text = (out / "strokes" / "table3_4.md").read_text()
    return SimpleNamespace(numbers=numbers, record=record, text=text, images=images, x=x, t=t)


@pytest.fixture
def job(nets):
    """Two nets' images of four digits: changed, changed, not found, left as the net has it wrong.

    The second net's search found nothing at all.
    """
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(4, 1, 28, 28)).astype(np.float32)
    images = (x + rng.normal(0, 0.05, x.shape)).clip(0, 1).astype(np.float32)
    images[2], images[3] = np.nan, x[3]
    two = dict(zip(NAMES[:2], nets.values(), strict=False))
    t = two[NAMES[1]].predict(x.astype(float))
    t[2:] = 9                               # what a net makes of NaN would count as wrong
    return SimpleNamespace(
        x=x, t=t, nets=two, seed=0,
        images={NAMES[0]: images, NAMES[1]: np.full_like(x, np.nan)},
        searched={NAMES[0]: np.array([True, True, True, False]), NAMES[1]: np.ones(4, bool)})


# ---- the halves ------------------------------------------------------------------------------


@pytest.mark.parametrize("N", [2, 10, 601])
def test_the_split_is_disjoint_covers_everything_and_is_even(N):
    one, two = (models.rows_of_part(N, which, 3) for which in ("P1", "P2"))
    assert sorted([*one, *two]) == list(range(N))
    assert 0 <= len(two) - len(one) <= 1


def test_the_split_is_drawn_by_seed():
    first, same, other = (models.rows_of_part(100, "P1", seed) for seed in (0, 0, 1))
    assert (first == same).all() and set(first) != set(other)
    assert set(first) != set(range(50))     # drawn, not cut


def test_an_unknown_half_is_named():
    with pytest.raises(ValueError, match="P3"):
        models.rows_of_part(10, "P3", 0)


@pytest.mark.parametrize("method, fit", [("adam", "fit_adam"), ("lbfgs", "fit_lbfgs")])
def test_each_net_is_trained_on_its_half_and_nothing_else(small, monkeypatch, method, fit):
    given = []
    monkeypatch.setattr(cache.datasets, "load", lambda name, quiet=False: small)
    monkeypatch.setattr(f"nets.models.fc.{fit}", lambda params, cost, x, t, *args, **kwargs:
                        given.append((to_host(x), to_host(t))))
    for name, shown in table3_4.NETS.items():
        cache.train_net(name, "strokes", 4, method)
        rows = models.rows_of_part(601, HALF[shown], 4)
        assert (given[-1][0] == small[1][0][rows]).all() and len(given[-1][0]) == len(rows), name
        assert (given[-1][1] == small[1][1][rows]).all(), name


def test_the_third_net_is_the_first_from_another_start():
    first, second, third = (models.build(name, 0) for name in table3_4.NETS)
    assert [p.shape for p in third.params] == [p.shape for p in first.params]
    assert (third.params[0] != first.params[0]).any()
    assert [len(b) for b in second.params[1::2]] == [123, 456, 10]


# ---- the tables ------------------------------------------------------------------------------


def test_table_3_gives_each_nets_errors_on_both_halves_and_the_test_set(run, nets, small):
    (x, t), numbers = small[1], run.numbers["table 3"]
    for (full_name, name), row in zip(table3_4.NETS.items(), numbers.values(), strict=True):
        net = nets[full_name].astype("float32")
        for half in ("P1", "P2"):
            rows = models.rows_of_part(601, half, 0)
            wrong = np.mean(net.predict(x[rows]) != t[rows])
            assert numbers[name][f"error on {half} %"] == pytest.approx(100 * wrong)
        wrong = np.mean(net.predict(small[2][0]) != small[2][1])
        assert numbers[name]["error on test %"] == pytest.approx(100 * wrong)
        other = {"P1": "P2", "P2": "P1"}[HALF[name]]
        assert row[f"error on {HALF[name]} %"] < row[f"error on {other} %"]     # at home


def test_the_test_images_are_distorted_each_net_the_same(run, nets):
    for full_name, name in table3_4.NETS.items():
        wrong = nets[full_name].predict(run.x) != run.t
        three, four = run.numbers["table 3"][name], run.numbers["table 4"]
        assert four["undistorted"]["error %"][name] == pytest.approx(100 * wrong.mean())
        assert four[name]["error %"][name] == 100
        assert three["searched"] == (~wrong).sum() and three["not found"] == 0
        assert 0 < three["av. min. distortion"] == four[name]["av. distortion"] < 0.2
    assert four["undistorted"]["av. distortion"] == 0


def test_amplified_rows_measure_0_1_exactly_before_they_are_clipped_and_less_after(run):
    rows = run.numbers["table 4"]
    for name in NAMES:
        free, clipped = (rows[f"{name}, amplified to 0.1, {how}"]["av. distortion"]
                         for how in ("not clipped", "clipped"))
        assert free == pytest.approx(0.1, rel=1e-6)
        assert 0.05 < clipped < free * (1 - 1e-6)


def test_noise_rows_measure_their_stddev_before_they_are_clipped_and_less_after(run):
    rows = run.numbers["table 4"]
    for stddev in (0.06, 0.1):
        free, clipped = (rows[f"Gaussian noise, stddev {stddev}, {how}"]["av. distortion"]
                         for how in ("not clipped", "clipped"))
        assert free == pytest.approx(stddev, rel=0.02)
        assert clipped < 0.95 * free


def test_the_clipped_rows_are_the_others_within_the_box_and_their_names_say_so(job):
    images = table3_4.make_rows(job)
    named = [row.removesuffix(", clipped") for row in images if row.endswith(", clipped")]
    assert named == ["Gaussian noise, stddev 0.06",
                     *(f"{name}, amplified to 0.1" for name in job.nets),
                     "Gaussian noise, stddev 0.1"]
    for row in named:
        free, clipped = images[f"{row}, not clipped"], images[f"{row}, clipped"]
        assert np.array_equal(free.clip(0, 1), clipped, equal_nan=True)
    assert images[f"{NAMES[0]}, amplified to 0.1, not clipped"][0].max() > 1
    assert sum(row.endswith(", not clipped") for row in images) == len(named)


def test_images_not_found_are_left_out_and_those_left_as_they_are_stay_so(job):
    images = table3_4.make_rows(job)
    for row in (NAMES[0], *(f"{NAMES[0]}, amplified to 0.1, {how}" for how in table3_4.CLIPPING)):
        assert np.isnan(images[row][2]).all(), row
        assert (images[row][3] == job.x[3]).all(), row
        assert (images[row][:2] != job.x[:2]).any((1, 2, 3)).all(), row
    numbers = table3_4.measure_transfer(job)
    size = distortion(job.x, job.images[NAMES[0]])
    assert numbers[NAMES[0]]["av. distortion"] == pytest.approx(size[:2].mean())
    assert numbers[NAMES[1]]["av. distortion"] is None
    net, fed = job.nets[NAMES[1]], [0, 1, 3]
    wrong = np.mean(net.predict(job.images[NAMES[0]][fed].astype(float)) != job.t[fed])
    assert numbers[NAMES[0]]["error %"][NAMES[1]] == pytest.approx(100 * wrong)
    assert 0 < wrong < 1


def test_amplification_keeps_the_direction_leaves_what_did_not_move_and_keeps_nan(job):
    x, found = job.x, job.images[NAMES[0]]
    far = amplify(x, found, 0.25)
    assert distortion(x, far)[:2] == pytest.approx(0.25, rel=1e-12)
    r, further = (a[:2].astype(float) - x[:2] for a in (found, far))
    factor = 0.25 / distortion(x, found)[:2, None, None, None]
    assert further == pytest.approx(factor * r)
    assert np.isnan(far[2]).all() and (far[3] == x[3]).all()


# ---- what is said ----------------------------------------------------------------------------


def cells(text, first):
    """The cells of the first row of a table whose first cell is this."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return next(row for row in rows if row and row[0] == first)


def test_both_tables_stand_beside_the_papers_in_one_record(run):
    text = run.text
    assert run.record["numbers"] == run.numbers
    assert "# Table 3: ours (the paper's)" in text and "# Table 4:" in text
    for row, paper in (("FC100-100-10, amplified to 0.1, clipped", (100, 98, 43, 0.1)),
                       ("FC123-456-10, amplified to 0.1, not clipped", (96, 100, 22, 0.1)),
                       ("Gaussian noise, stddev 0.06, clipped", (2.2, 2.6, 2.4, 0.06))):
        assert [cell.split(" ")[1] for cell in cells(text, row)[1:]] == [f"({p:g})" for p in paper]
    assert cells(text, "made for / fed to")[1:] == [*NAMES, "av. distortion"]
    assert "(" not in "".join(cells(text, "undistorted"))
    assert cells(text, "model")[1:] == ["trained on", "error on P1 %", "error on P2 %",
                                        "error on test %", "av. min. distortion", "searched",
                                        "not found"]
    for name, paper in table3_4.PAPER_3.items():
        half, *both, _, _ = cells(text, name)[1:]
        assert half == HALF[name]
        assert [cell.split(" ")[1] for cell in both] == [f"({p:g})" for p in paper], name
    assert "601 training images" in text and "24 test images" in text


def test_images_that_amplification_brings_nearer_are_counted(run):
    counts = [(distortion(run.x, found) > 0.1).sum() for found in run.images.values()]
    assert 0 < max(counts) < 24
    said = ", ".join(f"{name} {n}" for name, n in zip(NAMES, counts, strict=True))
    assert f"falls below 100: {said}." in run.text


def test_what_is_said_of_the_rates_follows_from_them():
    def say(as_found, amplified, noise):
        rate = {row: dict.fromkeys(NAMES, value) for row, value in (
            *((n, as_found) for n in NAMES),
            *((f"{n}, amplified to 0.1, {how}", amplified) for n in NAMES
              for how in table3_4.CLIPPING),
            *((f"Gaussian noise, stddev {s}, {how}", noise) for s in (0.06, 0.1)
              for how in table3_4.CLIPPING))}
        return rate, [line.split("?  ")[1][:3] for line in
                      table3_4.format_claims(rate).splitlines() if line[:1] == "-"]

    assert say(5, 50, 2)[1] == ["Yes", "Yes", "Yes"]
    assert say(2, 50, 2)[1] == ["No:", "Yes", "Yes"]    # not above is not above
    assert say(5, 5, 2)[1] == ["Yes", "No:", "Yes"]
    assert say(50, 60, 70)[1] == ["No:", "Yes", "No:"]
    rate, _ = say(5, 50, 2)
    rate["Gaussian noise, stddev 0.06, clipped"][NAMES[2]] = 5.5
    rate[NAMES[1]][NAMES[2]] = 9
    rate[NAMES[2]][NAMES[2]] = 1                        # the diagonal is not asked for
    assert ("No: FC100-100-10' on FC100-100-10: 5 against 5.5 on Gaussian noise, stddev 0.06, "
            "clipped.\n") in table3_4.format_claims(rate)
