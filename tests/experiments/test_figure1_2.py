"""Figures 1 and 2: measures by hand and by brute force, and the script run small."""
import json

import numpy as np
import pytest
import scipy.stats
from PIL import Image
from toy_pictures import panel, stands_in

from data import strokes
from experiments import figure1_2, figure3_4
from experiments.shared import cache, coherence, measures, models, pictures, samples
from intriguing import natural_direction, phi, random_direction
from nets.backend import to_device
from nets.training import costs, loop

SAME, HALF, ALL = [3] * 10, [1] * 5 + [7] * 5, list(range(10))


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


# ---- what images have in common --------------------------------------------------------------


def test_purity_is_the_share_of_the_most_frequent_digit():
    labels = np.array([SAME, HALF, ALL, [0, 0, 0, 9, 9, 8, 7, 6, 5, 4]])
    assert measures.purity(labels) == pytest.approx([1, 0.5, 0.1, 0.3])


def test_entropy_is_in_bits():
    labels = np.array([SAME, HALF, ALL, [2] * 5 + [3, 3, 3, 3, 9]])
    expected = [0, 1, np.log2(10), -(0.5 * np.log2(0.5) + 0.4 * np.log2(0.4) + 0.1 * np.log2(0.1))]
    assert measures.entropy(labels) == pytest.approx(expected)


def test_identical_images_correlate_by_1_and_a_negative_by_minus_1():
    x = normal(0, 1, 28, 28)
    sets = np.array([[x, x, x], [x, 5 * x + 2, x]])      # of contrast and brightness no trace
    assert measures.correlation(sets) == pytest.approx([1, 1])
    assert measures.correlation(np.array([[x, 1 - x]])) == pytest.approx([-1])
    assert measures.correlation(np.array([[x, x, 1 - x, 1 - x]])) == pytest.approx([-1 / 3])


def test_correlation_is_numpys_averaged_over_all_pairs():
    x = normal(1, 4, 10, 1, 5, 6).astype(np.float32) + normal(2, 4, 1, 1, 5, 6)
    for found, images in zip(measures.correlation(x), x, strict=True):
        pairs = [np.corrcoef(images[i].ravel(), images[j].ravel())[0, 1]
                 for i in range(10) for j in range(i)]
        assert len(pairs) == 45 and found == pytest.approx(np.mean(pairs), abs=1e-6)


def test_images_of_one_grey_are_left_out_of_the_correlation():
    a, b = normal(3, 2, 1, 4, 4)
    grey = np.full((1, 4, 4), 0.1)
    found = measures.correlation(np.array([[a, b, grey], [a, b, b], [a, grey, grey], [grey] * 3]))
    assert found[0] == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert found[1] != pytest.approx(found[0]) and np.isnan(found[2:]).all()


# ---- whether two groups differ ---------------------------------------------------------------


def test_cohens_d_by_hand():
    a, b = np.array([2.0, 4, 6]), np.array([1.0, 3])     # means 4 and 2, variances 4 and 2
    assert measures.cohens_d(a, b) == pytest.approx(2 / np.sqrt((2 * 4 + 1 * 2) / 3))
    assert measures.cohens_d(b, a) == pytest.approx(-measures.cohens_d(a, b))
    assert np.isnan(measures.cohens_d(np.ones(3), np.zeros(3)))


def test_superiority_counts_pairs_and_equal_ones_half():
    assert measures.superiority(np.array([1, 2, 3]), np.array([2, 0])) == (1 + 1.5 + 2) / 6
    assert measures.superiority(np.ones(4), np.ones(5)) == 0.5


def test_the_permutation_test_finds_a_planted_difference_and_none_between_equal_halves():
    a, b = normal(4, 60), normal(5, 60)
    planted = measures.compare(a + 1, b, 0)
    assert planted["p"] < 0.001 and planted["d"] > 0.5 and planted["superiority"] > 0.6
    assert measures.compare(a, np.random.default_rng(6).permutation(a), 0)["p"] > 0.9
    assert measures.compare(a, b, 0) == measures.compare(a, b, 0)


def test_under_no_difference_p_is_spread_evenly(monkeypatch):
    monkeypatch.setattr(measures, "RESAMPLES", 199)
    p = [measures.p_value(normal([7, i], 20), normal([8, i], 25), i) for i in range(300)]
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.1 and np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_what_cannot_be_compared_is_none_and_nan_is_left_out():
    a = np.array([np.nan, 1, 2, 3])
    assert measures.compare(a, a[::-1], 0) == measures.compare(a[1:], a[:0:-1], 0)
    assert measures.compare(np.ones(5), np.zeros(5), 0)["d"] is None
    assert set(measures.compare(a[:2], a, 0).values()) == {None}


# ---- directions and what they pick -----------------------------------------------------------


def layer(N=60, H=9):
    """Activations (N, H): unit 0 never fires, 1 is constant; 2, 3, 4 fire on 4, N/2, 10 images."""
    a = abs(normal(9, N, H))
    a[:, 0], a[:, 1] = 0, 0.7
    a[4:, 2] = 0
    a[:, 3] = np.arange(N) % 2
    a[:, 4] = np.arange(N) < 10
    return a


def test_units_that_are_constant_are_counted_and_left_out():
    found = measures.pick_images(layer(), 200, 10, 0)
    assert sorted(found["natural"].names) == [f"unit {i}" for i in range(2, 9)]
    assert found["natural"].left_out == 2 and found["natural"].images.shape == (7, 10)
    assert found["random"].left_out == 0 and found["random"].images.shape == (200, 10)


def test_units_are_drawn_by_seed_and_none_twice():
    draws = [measures.pick_images(abs(normal(1, 30, 50)), 20, 10, seed)["natural"].names
             for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2] and len(set(draws[0])) == 20


def test_ties_for_the_tenth_place_are_counted_and_drawn_by_seed():
    units = {i: natural_direction(9, i) for i in (2, 3, 4, 5)}
    groups = [measures.build_group(layer(), units, 10, seed) for seed in (0, 1)]
    assert groups[0].ties == groups[1].ties == 2         # units 2 and 3, not 4: its ten are all
    tops = [{i: set(row) for i, row in zip(g.names, g.images.tolist(), strict=True)}
            for g in groups]
    assert tops[0][2] > {0, 1, 2, 3} and tops[0][4] == set(range(10))
    assert [tops[0][i] != tops[1][i] for i in units] == [True, True, False, False]


def test_each_tied_direction_gets_a_draw_of_its_own():
    a = np.repeat((np.arange(60) < 30.0)[:, None], 5, 1)
    images = measures.pick_images(a, 5, 10, 0)["natural"].images
    assert len({tuple(sorted(row)) for row in images.tolist()}) == 5 and images.max() < 30


def test_groups_are_what_their_directions_rank_first():
    a = layer()
    groups = measures.pick_images(a, 6, 10, 3)
    for kind, distribution in measures.RANDOM_KINDS.items():
        for i, images in enumerate(groups[kind].images):
            assert groups[kind].names[i] == f"random_direction(9, [3, 47, {i}])"
            v = random_direction(9, [3, 47, i], distribution)
            assert images.tolist() == np.argsort(-(a @ v))[:10].tolist()
    name, images = groups["natural"].names[0], groups["natural"].images[0]
    score = a @ natural_direction(9, int(name.split()[1]))
    assert sorted(score[images]) == sorted(score)[-10:]


def test_random_sets_hold_no_image_twice():
    g = measures.pick_at_random(30, 50, 10, 0)
    assert g.images.shape == (50, 10) and all(len(set(row)) == 10 for row in g.images.tolist())
    assert len(np.unique(g.images)) == 30
    assert (g.images != measures.pick_at_random(30, 50, 10, 1).images).any()


# ---- the script ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nets():
    """LeNet and FC100-100-10, trained for a moment on 600 strokes, in float64."""
    x, t = map(to_device, strokes.draw(600, 1))
    found = {}
    for name, steps in (("LeNet", 1), ("FC100-100-10", 30)):
        net = models.build(name, 0)
        cost = costs.classification(net, [0.0] * (len(net.params) // 2))
        loop.fit_adam(net.params, cost, x, t, steps, 0.01, np.random.default_rng(0), batch=100)
        found[name] = net.astype("float64")
    return found


@pytest.fixture(scope="module")
def run(nets, tmp_path_factory):
    """The script's numbers and its folder, on 150 test images, 12 directions of a kind."""
    test = strokes.draw(150, 2)
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples.datasets, "load", lambda name, quiet: ("strokes", test, test))
        patch.setattr(cache, "load_or_train", lambda names, *args: {n: nets[n] for n in names})
        patch.setattr(figure1_2, "DIRECTIONS", 12)
        patch.setattr(measures, "RESAMPLES", 199)
        return figure1_2.main(workers=1, quiet=True, out=str(out)), out / "strokes", test


def test_every_layer_has_every_kind_of_direction_and_its_own_numbers(run, nets):
    numbers, _, (x, t) = run
    layers = ["LeNet", "LeNet untrained", "FC100-100-10", "FC100-100-10 untrained", "pixels"]
    kinds = ["natural", "random", "non-negative"]
    assert list(numbers["directions"]) == [
        *(f"{name}, {kind}" for name in layers for kind in kinds), "images at random"]
    untrained = models.build("LeNet", 0).astype("float64")
    for name, a in (("LeNet", phi(nets["LeNet"], x, 3)), ("LeNet untrained", phi(untrained, x, 3)),
                    ("FC100-100-10", phi(nets["FC100-100-10"], x, 2)),
                    ("pixels", x.reshape(150, -1))):
        for kind, g in measures.pick_images(a.astype(float), 12, 10, 0).items():
            row = numbers["directions"][f"{name}, {kind}"]
            assert row["purity"]["mean"] == pytest.approx(measures.purity(t[g.images]).mean())
            assert row["correlation"]["std"] == pytest.approx(
                measures.correlation(x[g.images]).std())
            assert row["different"] == len(set(g.images.ravel().tolist()))
            assert (row["left out"], row["ties"]) == (g.left_out, g.ties)


def test_the_errors_are_those_of_the_nets(run, nets):
    numbers, _, (x, t) = run
    for name, net in nets.items():
        wrong = 100 * np.mean(net.predict(x.astype(float)) != t)
        assert numbers["test error %"][name] == pytest.approx(wrong)
    assert numbers["test error %"]["pixels"] is None


def test_the_record_and_the_pictures_are_written(run):
    numbers, folder, _ = run
    text = (folder / "figure1_2.md").read_text()
    assert json.loads((folder / "figure1_2.json").read_text())["numbers"] == numbers
    for stem in ("figure1", "figure2", "figure1_2-histograms"):
        picture = Image.open(folder / f"{stem}.png")
        assert picture.size[0] > 800 and f"({stem}.png)" in text
    for name in figure1_2.LAYERS:
        for kind in measures.RANDOM_KINDS:
            assert text.count(f"\n- {name}, natural against {kind} directions: ") == 1


def test_the_figures_show_lenets_units_and_its_random_directions(run, nets):
    _, folder, (x, t) = run
    groups = measures.pick_images(phi(nets["LeNet"], x, 3), 12, 10, 0)
    for stem, kind in (("figure1", "natural"), ("figure2", "random")):
        sheet, g = Image.open(folder / f"{stem}.png"), groups[kind]
        for i, (name, rows) in enumerate(zip(g.names, g.images, strict=True)):
            shown = panel(pictures.draw_grid(x[rows], 10), f"{name}: {' '.join(map(str, t[rows]))}")
            assert stands_in(shown, sheet) == (i < 4)


def planted(natural, other, p, different=1000):
    """Rows and tests of two trained nets and their controls, every measure as given."""
    level = {"natural": natural, "random": other, "non-negative": other}
    rows = {(name, kind): {m: {"mean": level[kind] if name in figure1_2.LAYERS else 0.5}
                           for m in figure1_2.AXES} | {"directions": 200, "different": different}
            for name in (*figure1_2.LAYERS, "pixels") for kind in level}
    tests = {(name, kind): {m: {"d": 1.0, "p": p} for m in figure1_2.AXES}
             for name in figure1_2.LAYERS for kind in measures.RANDOM_KINDS}
    return coherence.format_findings(coherence.Study([*figure1_2.LAYERS], 10, rows, tests))


def test_the_verdicts_follow_the_numbers():
    level = 0.05 / 12                       # two nets, two kinds, three measures
    higher, lower = planted(0.9, 0.8, 0.9 * level), planted(0.8, 0.9, 0.9 * level)
    same, few = planted(0.9, 0.8, 1.1 * level), planted(0.9, 0.8, 0.9 * level, different=499)
    for text in (higher, lower):
        assert text.count("**the claim does not hold**, by 3 of 3 measures") == 4
    for words, count in (("**purer**", 4), ("**more mixed**", 4), ("**more alike**", 4)):
        assert higher.count(words) == count and lower.count(words) == 0
    for words in ("**less pure**", "**less mixed**", "**less alike**"):
        assert lower.count(words) == 4 and higher.count(words) == 0
    assert same.count("**no difference found**, the claim stands") == 4
    assert few.count("not tested, because the natural ones pick only 499 different images") == 4
    assert "p = " not in few and "claim" not in few
    assert planted(0.9, 0.8, None).count("not tested") == 12


def test_the_controls_are_the_most_coherent_of_all_untrained_and_pixel_directions():
    purity, entropy, _ = planted(0.9, 0.4, 0.5).splitlines()[-3:]
    assert "the most coherent are pixels, natural (0.5)" in purity
    trained = {kind: ", ".join(f"{name}, {kind} ({mean})" for name in figure1_2.LAYERS)
               for kind, mean in (("natural", 0.9), ("random", 0.4))}
    for text, beyond, rest in ((purity, "natural", "random"), (entropy, "random", "natural")):
        more, less = text.split("More coherent: ")[1].split(".  Not: ")
        for part in trained[beyond].split(", ")[::2]:
            assert part in more
        assert f"{beyond} (" in more and f"{rest} (" in less and f"{rest} (" not in more


# ---- the histograms --------------------------------------------------------------------------


@pytest.mark.parametrize("script", [figure1_2, figure3_4])
def test_the_bins_hold_every_value_that_a_measure_can_take(script):
    n = script.IMAGES
    extremes = {"purity": np.arange(1, n + 1) / n,
                "entropy": measures.entropy(np.array([SAME[:n], ALL[:n]])),
                "correlation": np.array([-1 / (n - 1), 1])}
    for m, values in extremes.items():
        edges, _ = script.AXES[m]
        counts = np.histogram(values, edges)[0]
        assert counts.sum() == len(values) and counts.max() == 1


# ---- over the nets of many seeds -------------------------------------------------------------


@pytest.mark.parametrize("level", [0.05, 0.001])
def test_the_interval_over_nets_is_scipys(level):
    differences = np.random.default_rng(0).normal(0.3, 1, 5)
    expected = scipy.stats.ttest_1samp(differences, 0).confidence_interval(1 - level)
    assert coherence.find_interval(differences, level) == pytest.approx(tuple(expected))


def of_nets(gaps):
    """A record of five nets whose natural directions lie above the random ones by `gaps`."""
    jitter = np.array([-2, -1, 0, 1, 2]) * 1e-3

    def row(gap):
        return {"directions": [200] * 5} | {
            m: {"mean": (0.4 + gap + jitter).tolist()} for m in coherence.WORDINGS}
    return {"directions": {name: row(gap) for name, gap in
                           {"LeNet, natural": gaps, "LeNet, random": 0 * jitter,
                            "LeNet untrained, natural": 9, "LeNet untrained, random": 0}.items()}}


def test_a_difference_over_nets_is_said_with_its_direction_and_for_trained_nets_only():
    up, down = (coherence.format_findings_over_nets(of_nets(gap), ["LeNet"])
                for gap in (0.1, -0.1))
    same = coherence.format_findings_over_nets(of_nets(np.array([-2, 2, 1, -2, 2]) * 0.1),
                                               ["LeNet"])
    assert up.endswith("natural ones are purer, more mixed, more alike.") and "\n" not in up
    assert down.endswith("natural ones are less pure, less mixed, less alike.")
    assert same.endswith("**no difference found**.")
    up, same = (coherence.write_claim(of_nets(gap), ["LeNet"])
                for gap in (0.1, np.array([-2, 2, 1, -2, 2]) * 0.1))
    assert "those of LeNet are purer, more mixed, more alike than random ones" in up
    assert "over the nets of 5 seeds, no difference" in same and "found, for LeNet (" in same
    table = coherence.format_differences(of_nets(0.1))
    assert "| 0.1 (0.1 to 0.1) |" in table and "LeNet untrained" in table
