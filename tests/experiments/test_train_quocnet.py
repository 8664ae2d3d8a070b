"""Training QuocNet, its classifier of cars and Figure 6: the parts, and whole small runs."""
import json

import numpy as np
import pytest
from PIL import Image
from scipy.stats import mannwhitneyu
from toy_pictures import stands_in, write_photographs

import data as datasets
from data import folder
from experiments import cars, figure6, train_quocnet
from experiments.shared import (
    cache,
    car_classifier,
    checkpoint,
    memory,
    pictures,
    quocnet_training,
)
from intriguing import distortion
from nets import store
from nets.backend import to_device, to_host
from nets.layers.basic import Dense, Flatten
from nets.models import features, quocnet
from nets.models.quocnet import Size
from nets.net import Net

DRAWN = train_quocnet.draw_pictures
TOY = Size(14, 3, 2, 3, maps=2, stages=2)
CLASSES = ("automobile", "plant", "sky")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A toy size called S, and a folder of small images: cars have a dark bar at the bottom.

    30 a class to train on, 10 to test on, 16 x 14 pixels.  Caches go to the test's own folder.
    """
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    monkeypatch.setitem(quocnet.SIZES, "S", TOY)
    monkeypatch.setattr(quocnet_training, "HELD_OUT", 12)
    monkeypatch.setattr(train_quocnet, "draw_pictures", lambda *args: None)  # it takes seconds
    monkeypatch.setattr(car_classifier, "STRENGTHS", (0.01, 0.1))
    monkeypatch.setattr(car_classifier, "ITERATIONS", 50)
    rng = np.random.default_rng(1)

    def pixels(name):
        x = rng.integers(60, 256, (7, 8, 3)).repeat(2, 0).repeat(2, 1)
        x[-5:] //= 6 if name == "automobile" else 1
        return x
    return str(write_photographs(tmp_path / "photographs", {"train": 30, "test": 10}, CLASSES,
                                 pixels))


def run(data, out, **flags):
    flags = {"epochs": 3, "quiet": True} | flags
    return train_quocnet.main(data, weights=str(out / "net.npz"), out=str(out), **flags)


# ---- Frames ----------------------------------------------------------------------------------


def test_a_frame_is_one_square_from_anywhere_along_the_longer_side(tmp_path):
    """An image whose every column is another grey: a square's first column says where it was."""
    grey = np.arange(0, 250, 5, dtype=np.uint8)
    Image.fromarray(np.broadcast_to(grey, (10, 50))).save(tmp_path / "a.png")
    one = folder.load(tmp_path, 10, quiet=True)
    x, rows = one.pixels([0] * 300, np.random.default_rng(0))
    assert x.shape == (300, 3, 10, 10) and x.dtype == np.uint8 and (rows == 0).all()
    left = x[:, 0, 0, 0]
    assert left.min() < 10 and left.max() > 190 and 90 < left.mean() < 110
    assert (x == x[:, :1, :1]).all() and (np.diff(x[:, 0, 0].astype(int)) >= 4).all()
    centre, _ = one.pixels()
    assert (centre[0, 0, 0] == grey[20:30]).all()


def test_frames_kept_apart_are_not_trained_on_and_none_is_used_twice(small):
    _, photographs = datasets.load_frames(small, 14, quiet=True)
    x, held = quocnet_training.cut_frames(photographs, 0, 0)
    assert len(x) == 78 and len(held) == 12
    assert len(np.unique(np.concatenate([x, held]).reshape(90, -1), axis=0)) == 90
    fewer, _ = quocnet_training.cut_frames(photographs, 10, 0)
    assert len(fewer) == 8
    other, _ = quocnet_training.cut_frames(photographs, 0, 1)
    assert (other != x).any()


# ---- Training --------------------------------------------------------------------------------


def test_a_run_lowers_what_it_should_and_writes_its_weights_and_pictures(
        small, tmp_path, monkeypatch):
    monkeypatch.setattr(train_quocnet, "draw_pictures", DRAWN)
    monkeypatch.setattr(train_quocnet, "STARTS", 2)
    monkeypatch.setattr(quocnet, "RATE", 0.01)
    numbers = run(small, tmp_path, epochs=8)
    first, *_, last = numbers["curve"]
    assert len(numbers["curve"]) == 9 and first["loss"] is None
    losses = [row["loss"] for row in numbers["curve"][1:]]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.8 * losses[0]
    assert last["error %"][0] < 0.9 * first["error %"][0]
    record = json.loads((tmp_path / "train_quocnet.json").read_text())
    assert record["numbers"]["frames"] == 78
    assert "| 8     |" in (tmp_path / "train_quocnet.md").read_text()
    for name in ("frames", "filters", "units"):
        with Image.open(tmp_path / f"train_quocnet-{name}.png") as picture:
            assert min(picture.size) > 50 and len(picture.getcolors(2 ** 24)) > 50
    net, *how = quocnet_training.load(tmp_path / "net.npz")
    assert how == ["S", quocnet.LAMBDA, "input and target"]
    before = quocnet_training.build("S", 0)
    assert all((to_host(a) != to_host(b)).any()
               for a, b in zip(net.params, before.params, strict=True))


def test_results_of_other_sizes_have_names_of_their_own(small, tmp_path, monkeypatch):
    monkeypatch.setitem(quocnet.SIZES, "M", TOY._replace(pixels=12))
    for size in ("S", "M"):
        run(small, tmp_path, size=size, epochs=1)
    text = (tmp_path / "train_quocnet-M.md").read_text()
    assert "train_quocnet-M-frames.png" in text and "12 pixels" in text
    assert "14 pixels" in (tmp_path / "train_quocnet.md").read_text()
    assert quocnet_training.load(tmp_path / "net.npz").size == "M"


def test_the_first_row_of_pictures_is_frames_then_what_their_codes_make_of_them(small):
    net = quocnet_training.build("S", 0)
    back = quocnet.make_decoders(net)
    x = np.random.default_rng(9).random((2, 3, 14, 14)).astype("float32")
    local = quocnet.stages(net)[0][0]
    made_of = back[0].forward(local.forward(to_device(4 * x - 2))[0])[0]
    assert train_quocnet.reconstruct(net, back, x) == pytest.approx(to_host(made_of) / 4 + 0.5,
                                                                    abs=1e-5)


def test_what_a_unit_likes_is_shown_of_the_middle_of_each_map(small):
    net = quocnet_training.build("S", 0)
    x = np.random.default_rng(10).integers(0, 256, (9, 3, 14, 14)).astype(np.uint8)
    sheet = train_quocnet.draw_liked(net, x, 0, 1, True)
    phi = to_host(net.forward(to_device((x / 255).astype("float32")))[0])
    side = phi.shape[2]
    middle = (side * side // 2) // side, (side * side // 2) % side
    for m in range(2):
        best = np.argsort(-phi[:, m, middle[0], middle[1]])[:8]
        assert stands_in(pictures.draw_grid(x[best] / np.float32(255), 8, 1), sheet)


def test_the_optimum_is_as_far_from_grey_as_frames_are(small):
    net = quocnet_training.build("S", 0)
    x = np.random.default_rng(11).random((5, 3, 14, 14)).astype("float32")
    best = train_quocnet.find_optimum(net, 3, x, np.random.default_rng(0))
    far = [np.sqrt(((images - 0.5) ** 2).sum()) for images in x]
    assert np.sqrt(((best - 0.5) ** 2).sum()) == pytest.approx(np.mean(far), rel=1e-3)


def test_what_is_measured_is_the_error_and_the_sparsity_by_their_formulas(small, monkeypatch):
    net = quocnet_training.build("S", 0)
    back = quocnet.make_decoders(net)
    x = np.random.default_rng(2).integers(0, 256, (5, 3, 14, 14)).astype(np.uint8)
    found = quocnet_training.measure_stages(net, back, x)
    monkeypatch.setattr(quocnet, "BATCH", 2)            # in three chunks, the last one smaller
    assert quocnet_training.measure_stages(net, back, x) == pytest.approx(found, rel=1e-4)
    z, expected = to_device((4 * (x / 255) - 2).astype("float32")), []
    for (local, pool, norm), decoder in zip(quocnet.stages(net), back, strict=True):
        h = local.forward(z)[0]
        r, p = to_host(decoder.forward(h)[0] - z), pool.forward(h)[0]
        expected += [100 * (r ** 2).sum() / (to_host(z) ** 2).sum(), to_host(p).sum() / 5]
        z = norm.forward(p)[0]
    assert found == pytest.approx(expected, rel=1e-4)


def test_an_interrupted_run_goes_on_to_the_same_weights_bit_for_bit(
        small, tmp_path, monkeypatch, capsys, interrupt):
    whole = run(small, tmp_path / "whole")
    monkeypatch.setattr(cache, "CACHE", tmp_path / "another")
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        run(small, tmp_path / "again")
    assert not (tmp_path / "again" / "net.npz").exists()
    capsys.readouterr()
    again = run(small, tmp_path / "again")
    said = capsys.readouterr().out
    assert "Going on after epoch 2;" in said and "epoch  3:" in said and "epoch  2:" not in said
    a, b = (dict(np.load(tmp_path / out / "net.npz")) for out in ("whole", "again"))
    assert all((a[name] == b[name]).all() for name in a)
    assert [row["error %"] for row in whole["curve"]] == [row["error %"] for row in again["curve"]]


def test_how_many_threads_share_a_batch_changes_nothing_but_rounding(small, monkeypatch):
    x = np.random.default_rng(3).integers(0, 256, (40, 3, 14, 14)).astype(np.uint8)
    found = []
    for shard in (10, 40):
        monkeypatch.setattr(quocnet_training, "SHARD", shard)
        monkeypatch.setattr(cache, "CACHE", cache.CACHE / str(shard))
        net, *_ = quocnet_training.train("S", 0, x, x[:2], 0.1, "nothing", 1, True)
        found.append(to_host(net.params[0]))
    assert found[0] == pytest.approx(found[1], abs=2e-3) and (found[0] != found[1]).any()


def test_another_run_does_not_go_on_from_this_one(small, tmp_path, capsys):
    run(small, tmp_path, epochs=2)
    for flags in ({"lam": 0.7}, {"below": "nothing"}, {"seed": 1}, {"frames": 80}, {"epochs": 3}):
        run(small, tmp_path, **({"epochs": 2} | flags))
        assert "Going on" not in capsys.readouterr().out, flags


def test_every_epoch_of_every_seed_draws_its_own_batches(small, tmp_path, first_numbers):
    for seed in (0, 1):
        run(small, tmp_path, seed=seed)
    assert len(set(first_numbers)) == 6


def test_a_cost_that_is_no_number_stops_the_run_in_one_line(small, tmp_path, monkeypatch):
    monkeypatch.setattr(quocnet, "RATE", 1e30)
    with pytest.raises(RuntimeError, match="^the cost became (nan|inf): the steps were too long"):
        run(small, tmp_path, epochs=9)


def damaged(arrays, how):
    """A checkpoint's arrays, damaged."""
    if how == "no curve":
        del arrays["curve"]
    elif how == "an array less":
        del arrays["a1"]
    elif how == "another shape":
        arrays["a0"] = arrays["a0"][1:]
    elif how == "another type":
        arrays["a0"] = arrays["a0"].astype("float32")
    elif how == "longer":
        arrays["curve"] = np.ones((5, 2))
    elif how == "empty":
        arrays["curve"] = np.ones((0, 2))
    else:
        arrays["a2"].flat[3] = np.nan
    return arrays


@pytest.mark.parametrize("how", ["no curve", "an array less", "another shape", "another type",
                                 "longer", "empty", "not finite"])
def test_a_damaged_checkpoint_is_named_and_changes_nothing(tmp_path, how):
    path, state = tmp_path / "kept.npz", [to_device(np.ones((2, 3))) for _ in range(3)]
    checkpoint.save(path, state, [[1.0, 2.0]])
    arrays = dict(np.load(path))
    arrays.pop("seal")
    store.save_sealed(path, **damaged(arrays, how))
    assert_refused(path, state)


def test_a_checkpoint_that_was_changed_or_copied_is_not_believed(tmp_path):
    path, state = tmp_path / "kept.npz", [to_device(np.ones((2, 3))) for _ in range(3)]
    checkpoint.save(path, state, [[1.0, 2.0]])
    whole = dict(np.load(path))
    store.save_arrays(path, **{name: a if name == "seal" else 0 * a for name, a in whole.items()})
    assert_refused(path, state)             # all zero
    checkpoint.save(tmp_path / "other.npz", state, [[1.0, 2.0]])
    (tmp_path / "other.npz").rename(path)
    assert_refused(path, state)


def assert_refused(path, state):
    state = [0 * a for a in state]
    with pytest.raises(ValueError, match="kept.npz: .*; delete it and run again$"):
        checkpoint.resume(path, state, 4)
    assert all((to_host(a) == 0).all() for a in state)


def test_too_few_images_and_too_little_memory_are_said(small, tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    for i in range(2):
        Image.fromarray(np.zeros((14, 14, 3), np.uint8)).save(tmp_path / "one" / f"{i}.png")
    with pytest.raises(ValueError, match="one: 1 of its images can be used as frames; expected 2"):
        run(str(tmp_path / "one"), tmp_path)            # the other one is the folder's test part
    monkeypatch.setattr(memory, "read_free_memory", lambda: 1000)
    monkeypatch.setattr(quocnet_training, "xp", np)
    with pytest.raises(ValueError, match="--size S: its training takes 0.0 GB of memory, and 0.0 "
                       "GB are free; choose a smaller one"):
        run(small, tmp_path)


@pytest.mark.parametrize(("flags", "said"), [
    ("--size XL", "--size XL: choose one of S, M, L, full"),
    ("--lam -1", "--lam -1.0: expected 0 or more"),
    ("--lam nan", "--lam nan: expected 0 or more"),
    ("--below all", "--below all: choose one of input and target, input, nothing"),
    ("--epochs 0", "--epochs 0: expected 1 or more"),
    ("--weights net.pt", "--weights net.pt: expected a file that ends in .npz"),
    ("--frames 91", "--frames 91: there are 90 images; choose 2 to 90, or 0 for all"),
])
def test_what_cannot_be_is_said_in_one_line(small, refusal, flags, said):
    line = refusal(train_quocnet.main, "--data", small, "--quiet", *flags.split())
    assert line.endswith(said)


# ---- What a unit likes -----------------------------------------------------------------------


def test_the_optimal_stimulus_of_a_linear_unit_is_its_weights_at_the_length_asked_for():
    rng = np.random.default_rng(4)
    dense = Dense(12, 3, rng)
    net = Net([Flatten(), dense])
    z = to_device(rng.normal(size=(4, 3, 2, 2)))
    z *= 5 / (z * z).sum((1, 2, 3), keepdims=True) ** 0.5
    best, value = features.optimal_stimulus(net, 1, z)
    w = to_host(dense.params[0])[:, 1]
    assert to_host(best).ravel() == pytest.approx(5 * w / np.linalg.norm(w), rel=1e-4)
    assert value == pytest.approx(5 * np.linalg.norm(w))


def test_the_optimal_stimulus_is_higher_than_its_starts_and_as_long(small):
    layers = Net(quocnet_training.build("S", 0).layers[1:])
    z = to_device(np.random.default_rng(5).normal(size=(3, 3, 14, 14)).astype("float32"))
    best, value = features.optimal_stimulus(layers, 4, z, 30)
    before = to_host(layers.forward(z)[0]).reshape(3, -1)[:, 4]
    assert value > before.max()
    assert float(layers.forward(best[None])[0].ravel()[4]) == pytest.approx(value, rel=1e-5)
    lengths = to_host((z * z).sum((1, 2, 3)))
    assert abs(float((best * best).sum()) / lengths - 1).min() < 1e-4


# ---- The classifier of cars ------------------------------------------------------------------


def test_the_area_is_the_share_of_pairs_in_their_order():
    rng = np.random.default_rng(6)
    score, t = rng.integers(0, 9, 60) / 4, rng.integers(0, 2, 60)
    pairs = [(a > b) + (a == b) / 2 for a in score[t == 1] for b in score[t == 0]]
    assert car_classifier.roc_auc(score, t) == pytest.approx(np.mean(pairs))
    u = mannwhitneyu(score[t == 1], score[t == 0]).statistic
    assert car_classifier.roc_auc(score, t) == pytest.approx(u / (t.sum() * (1 - t).sum()))


def test_balanced_accuracy_is_the_mean_over_the_classes():
    assert car_classifier.balanced_accuracy(np.array([1, -1, 0, -2, 3]),
                                            np.array([1, 1, 0, 0, 0])) == \
        pytest.approx(50 * (1 / 2 + 2 / 3))


def test_the_regression_has_a_gradient_of_zero_and_labels_by_the_odds_among_all():
    """d cost / d weights at the optimum, in the features as they were given."""
    rng = np.random.default_rng(7)
    f = (rng.normal(size=(400, 5)) * [1, 10, 0.1, 3, 1] + [0, 50, -2, 0, 1]).astype("float32")
    t = (rng.random(400) < 1 / (1 + np.exp(2 - f[:, 0] - 10 * (f[:, 2] + 2)))).astype(int)
    dense = car_classifier.fit_regression(f, t, 0.1)
    s = car_classifier.compute_scores(dense, f) + np.log(t.mean() / (1 - t.mean()))
    p = 1 / (1 + np.exp(-s))
    assert (p - t).mean() == pytest.approx(0, abs=1e-4)
    std = f.std(0)
    w = to_host(dense.params[0]) * std[:, None]         # of the standardised features
    slope = ((f - f.mean(0)) / std * (p - t)[:, None]).mean(0)
    assert w[:, 0] == pytest.approx(-w[:, 1], abs=1e-4)
    assert slope + 0.1 * w[:, 1] == pytest.approx(0, abs=2e-4)      # lam/2 (w_0^2 + w_1^2)


def test_the_strength_is_the_best_on_rows_that_are_left_out():
    """Of 300 features only one says anything: a strong decay is better than hardly any."""
    rng = np.random.default_rng(8)
    f, t = rng.normal(size=(400, 300)).astype("float32"), np.arange(400) % 2
    f[:, 3] += 1.5 * t
    _, strength, auc = car_classifier.choose_regression(f, t)
    assert strength >= 0.1 and 0.6 < auc < 1


def test_every_row_of_cars_is_of_the_net_the_seed_and_the_images_that_it_says(
        small, tmp_path, monkeypatch):
    monkeypatch.setattr(cars, "LAMBDAS", (0.1, 1.0))
    numbers = cars.main(small, epochs=2, seeds=2, out=str(tmp_path), quiet=True)
    _, training, test, _ = car_classifier.load_cars(small, 14, False, True)
    frames, held = quocnet_training.cut_frames(datasets.load_frames(small, 14, quiet=True)[1], 0, 0)
    assert (len(frames), len(held), len(training[1]), len(test[1])) == (78, 12, 90, 30)

    def trained(way, lam, seed):
        return quocnet_training.train("S", seed, frames, held, lam, cars.WAYS[way], 2, True)[0]

    def auc_of(frozen):
        f = car_classifier.train_classifier(frozen, *training)
        z = to_host(f.forward(to_device((test[0] / 255).astype("float32")))[0])
        return car_classifier.roc_auc(z[:, 1] - z[:, 0], test[1])
    for way, by_lam in numbers["AUC on validation"].items():
        assert numbers["lam"][way] == max(by_lam, key=by_lam.get)
        for lam, found in by_lam.items():
            f = features.compute_features(car_classifier.FEATURES["all stages"](trained(way, lam,
                                                                                        0)),
                                          training[0])
            assert found == pytest.approx(car_classifier.choose_regression(f, training[1])[2])
    rows = {"raw pixels": [auc_of(Net([Flatten()]))]}
    for seed in (0, 1):
        start = quocnet_training.build("S", seed)
        nets = {"before training": start,
                "before training, pixels as they are": cars.skip_centring(start),
                **{f"trained {way}": trained(way, numbers["lam"][way], seed) for way in cars.WAYS}}
        for kind, of in car_classifier.FEATURES.items():
            for how, net in nets.items():
                rows.setdefault(f"{kind}, {how}", []).append(auc_of(of(net)))
    assert rows.keys() == numbers["test"].keys()
    for what, aucs in rows.items():
        assert [row["AUC"] for row in numbers["test"][what]] == pytest.approx(aucs, abs=1e-6)
        assert "all" not in what or min(aucs) > 0.8     # the dark bar of cars is found
    text = (tmp_path / "cars.md").read_text()
    assert "- last stage, trained jointly: the AUC is " in text and "±" in text


def test_the_claims_are_differences_of_means_in_their_direction():
    found = {"raw pixels": [{"AUC": 0.75}]}
    for kind, aucs in (("all stages", (0.5, 0.7, 0.9)), ("last stage", (0.6, 0.4, 0.6))):
        for how, auc in zip(("before training", *(f"trained {way}" for way in cars.WAYS)), aucs,
                            strict=True):
            found[f"{kind}, {how}"] = [{"AUC": auc - 0.05}, {"AUC": auc + 0.05}]
    assert cars.format_claims(found).splitlines() == [
        "- all stages, trained jointly: the AUC is 0.200 above that before training, 0.050 below "
        "that of raw pixels.",
        "- all stages, trained each stage for itself: the AUC is 0.400 above that before training, "
        "0.150 above that of raw pixels.",
        "- last stage, trained jointly: the AUC is 0.200 below that before training, 0.350 below "
        "that of raw pixels.",
        "- last stage, trained each stage for itself: the AUC is 0.000 above that before training, "
        "0.150 below that of raw pixels."]


def test_the_control_without_centring_gives_the_first_filters_the_pixels_as_they_are(small):
    net = quocnet_training.build("S", 0)
    x = to_device(np.random.default_rng(14).random((2, 3, 14, 14)).astype("float32"))
    first = Net(cars.skip_centring(net).layers[:2])
    assert to_host(first.forward(x)[0]) == pytest.approx(to_host(net.layers[1].forward(x)[0]))


@pytest.mark.parametrize(("counts", "said"), [
    ({"plant": 0, "sky": 0}, "30 of 30 images of a part are of class automobile"),
    ({"automobile": 2}, "2 of 62 training images are cars; too few"),
])
def test_images_of_one_class_and_too_few_cars_are_an_error(small, tmp_path, counts, said):
    for name, count in counts.items():
        for part in ("train", "test"):
            for path in sorted((tmp_path / "photographs" / part / name).iterdir())[count:]:
                path.unlink()
    with pytest.raises(ValueError, match=said):
        cars.main(small, epochs=1, out=str(tmp_path), quiet=True)
    assert not (tmp_path / "cars.md").exists()


@pytest.mark.parametrize("script", [cars, figure6])
def test_without_a_class_of_cars_there_is_a_clear_line(small, tmp_path, monkeypatch, script):
    monkeypatch.setattr(car_classifier, "CARS", ("lorry",))
    net = quocnet_training.build("S", 0)
    quocnet_training.save(tmp_path / "net.npz", net, quocnet.make_decoders(net), "S", 0.1, "input")
    flags = {"weights": str(tmp_path / "net.npz")} if script is figure6 else {}
    with pytest.raises(ValueError, match=f"^--data {small}: no class is called lorry; its classes "
                       "are automobile, plant, sky$"):
        script.main(small, out=str(tmp_path), quiet=True, **flags)


# ---- Figure 6 --------------------------------------------------------------------------------


def test_figure_6_takes_recognised_cars_to_what_is_none(small, tmp_path):
    run(small, tmp_path, epochs=2)
    numbers = figure6.main(small, weights=str(tmp_path / "net.npz"), count=3, out=str(tmp_path),
                           quiet=True)
    assert list(numbers) == ["all stages", "last stage"]
    assert all(row["not found"] == 0 and 0 < row["av. distortion"] < 0.3
               for row in numbers.values())
    assert numbers["all stages"]["recognised %"] > 70
    text = (tmp_path / "figure6.md").read_text()
    for kind in ("all-stages", "last-stage"):
        assert f"figure6-{kind}.png" in text
        with Image.open(tmp_path / f"figure6-{kind}.png") as picture:
            assert len(picture.getcolors(2 ** 24)) > 50


def test_what_is_found_are_images_with_the_other_label_of_cars_that_were_recognised(
        small):
    net = quocnet_training.build("S", 0)
    _, training, (x, t), _ = car_classifier.load_cars(small, 14, False, True)
    f = car_classifier.train_classifier(car_classifier.FEATURES["last stage"](net), *training)
    row, (images, found) = figure6.attack_cars(f, x, t, 4, 0, "auto")
    assert (f.predict(images) == 1).all() and (f.predict(found) == 0).all()
    assert row["distortions"] == pytest.approx(distortion(images, found).tolist())
    files = (x[t == 1] / np.float32(255)).astype("float32")
    assert all((abs(files - image).max((1, 2, 3)) == 0).any() for image in images)


def test_drawn_are_x_then_what_was_found_then_the_difference_one_under_the_other():
    rng = np.random.default_rng(13)
    x = rng.random((11, 3, 4, 4)).astype("float32")
    found = (x + 0.05 * rng.normal(size=x.shape)).clip(0, 1).astype("float32")
    found[2] = np.nan                       # not found: left out
    sheet = figure6.draw_cars(x, found)
    whole = np.array([i for i in range(11) if i != 2])
    for rows in (whole[:8], whole[8:]):
        tiles = [x[rows], found[rows], np.minimum(10 * abs(found[rows] - x[rows]), 1)]
        band = pictures.draw_grid(np.concatenate(tiles), len(rows), figure6.SIDE // 4)
        assert stands_in(band, sheet)
    assert figure6.draw_cars(x, np.full_like(x, np.nan)) is None


@pytest.mark.parametrize(("flags", "said"), [
    ("--weights other.npz", "other.npz: not the .npz file that was expected (it holds ["),
    ("--weights short.npz", "short.npz: not the .npz file that was expected (it holds ["),
    ("--weights nan.npz", "nan.npz: not the .npz file that was expected (p1 has values from nan"),
    ("--weights full.npz", "full.npz: not the .npz file that was expected (it holds ["),
    ("--weights text.npz", "(p0 is <U4 (), expected float32 or float64 ("),
    ("--weights XL.npz", "--weights XL.npz: says size 'XL' and below 'nothing'; expected a file"),
    ("--count 99", "are recognised; choose 1 to "),
])
def test_figure_6_says_in_one_line_what_cannot_be(
        small, tmp_path, monkeypatch, refusal, flags, said):
    monkeypatch.chdir(tmp_path)
    net = quocnet_training.build("S", 0)
    back = quocnet.make_decoders(net)
    quocnet_training.save("net.npz", net, back, "S", 0.3, "nothing")
    quocnet_training.save("short.npz", net, back[:1], "S", 0.3, "nothing")
    store.save("other.npz", net)
    quocnet_training.save("full.npz", net, back, "full", 0.3, "nothing")
    quocnet_training.save("XL.npz", net, back, "XL", 0.3, "nothing")
    store.save_arrays("text.npz", **{**np.load("net.npz"), "p0": np.array("text")})
    net.params[1][0, 0, 0, 0, 0, 0] = np.nan
    quocnet_training.save("nan.npz", net, back, "S", 0.3, "nothing")
    words = ["--data", small, "--weights", "net.npz", "--quiet", *flags.split()]
    assert said in refusal(figure6.main, *words)
