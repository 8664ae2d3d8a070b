"""Figures 3, 4 and 5, run small: a net that tells three colours apart, photographs made here."""
import json
import os
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from toy_pictures import panel, stands_in, write_photographs

import data as datasets
from data import imagenet, strokes
from experiments import figure3_4, figure5, stability, train_alexnet
from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import alexnet, search, timing
from experiments.shared import cache, measures, page, pictures, samples
from experiments.shared.weights import (
    load_net_and_photographs,
    pick_correct,
    read_weights,
    save_npz,
)
from intriguing import distortion, phi
from nets.backend import to_device
from nets.models.alexnet import krizhevsky2012, rescale_start
from nets.training import costs, loop

FOLDERS = ["blue", "n01518878", "red"]      # the second is ImageNet's ostrich
SIZE, SHORT = 67, 75


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder of photographs in two parts, and the weights of a net that knows their labels."""
    root, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)

    def pixels(name):                       # noise, the class's channel brighter
        x = rng.integers(90, 130, (40, 40, 3))
        x[:, :, 2 - FOLDERS.index(name)] += rng.integers(15, 40)
        return x
    write_photographs(root, {"train": 12, "test": 7}, FOLDERS, pixels)
    _, photographs, test = datasets.load_photographs(str(root), SIZE, SHORT, quiet=True)
    x, _ = photographs.images()
    net = train_alexnet.build(2, 1 / 32, SIZE, 3)
    loop.fit_adam(net.params, costs.classification(net, [0.0] * 8), to_device(x),
                  to_device(photographs.t), 30, 3e-3, np.random.default_rng(0), 12)
    assert loop.error(net, test.images()[0], test.t) == 0
    path = root.parent / "net.npz"
    save_npz(path, train_alexnet.NET, net, SIZE, SHORT, FOLDERS)
    return SimpleNamespace(root=root, test=test, weights=str(path), net=net)


@pytest.fixture
def quick(world, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(measures, "RESAMPLES", 99)
    return {"weights": world.weights, "data": str(world.root), "out": str(tmp_path / "out"),
            "quiet": True}


# ---- Figure 5 --------------------------------------------------------------------------------


def test_every_photograph_takes_the_target_and_all_numbers_are_of_the_photographs_found(
        world, quick, monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(figure5, "draw_photographs", lambda *args: seen.update(args=args))
    numbers = figure5.main(count=5, workers=1, **quick)
    x, images, t, after, names = seen["args"]
    assert names == ["blue", "ostrich", "red"] and numbers["target"] == "ostrich"
    assert (world.net.predict(x) == t).all() and 1 not in t
    assert (world.net.predict(images) == 1).all() and after.tolist() == [1] * 5
    size = distortion(x, images)
    assert numbers["av. distortion"] == pytest.approx(size.mean()) and 0 < size.max() < 0.2
    assert numbers["searched"] == 5 and numbers["not found"] == 0
    eight = np.round(images * 255) / 255
    assert numbers["8-bit PNG has the target %"] == 100 * np.mean(world.net.predict(eight) == 1)
    for row, label, image in zip(numbers["images"], t, x, strict=True):
        assert row["before"] == names[label] and row["after"] == "ostrich"
        original = world.test.decode(world.test.files.index(row["file"]))
        assert (original == image).all()
    record = json.loads((tmp_path / "out" / "figure5.json").read_text())
    assert record["numbers"] == numbers and "0.006508" in (
        tmp_path / "out" / "figure5.md").read_text()


def test_the_precisions_are_compared_on_what_all_of_them_found(quick, monkeypatch):
    found, search = [], alexnet.D

    def D(net, x, target):
        found.append(search(net, x, target))
        found[-1][len(found) - 1] = np.nan              # another one in each precision
        return found[-1]
    monkeypatch.setattr(alexnet, "D", D)
    monkeypatch.setattr(alexnet, "PHOTOGRAPHS", 4)
    shown = load_net_and_photographs(quick["weights"], quick["data"], False, True)
    rows = alexnet.compare_precisions(*shown, 0)
    assert list(rows) == ["float64", "float32", "float64, moved"]
    assert all(row["not found"] >= 1 and row["ms"] > 0 for row in rows.values())
    x, *_ = pick_correct(shown[0].net, *shown[1:3], -1, 4, 0)
    sizes = [distortion(x, images) for images in found]
    kept = ~np.isnan(sum(sizes))
    for size, row in zip(sizes, rows.values(), strict=True):
        assert row["av. distortion"] == pytest.approx(size[kept].mean())
    assert rows["float64"]["within 2 % of float64"] == 100
    assert rows["float64"]["mean above %"] == 0


def test_the_benchmark_searches_photographs_once_by_three_searches(world, monkeypatch):
    asked = []

    def D(net, x, target, **options):
        asked.append(list(options))
        logits, caches = net.forward(to_device(x))
        net.backward(logits, caches)
        return x
    monkeypatch.setattr(search, "D", D)
    jobs = benchmark.prepare_photographs(world.weights, "auto", str(world.root), 0, True)
    [(name, (net, x, target, *how))] = jobs.items()
    assert name == read_weights(world.weights).description and len(x) == alexnet.PHOTOGRAPHS
    assert (net.predict(x) == (target - 1) % 3).all()
    found = search.compare_searches(net, x, target, *how)
    assert asked == [[], ["solver"], ["solver"]] and len(found) == 3
    rows = found
    assert all(row["evaluations"] == 1 for row in rows.values())
    said = benchmark.estimate_imagenet({"device": "CPU", "GFLOP/s": 1.0,
                                        "AlexNet": {"net": 1.0, "solver": 1.0, "GFLOP": 1.0},
                                        "search": {name: rows}}, [name])
    assert f"as many evaluations as {name} takes here, 1, a search" in said


def test_the_photographs_are_drawn_by_seed_among_those_held_out(world):
    def files(seed, count=5):
        *_, rows, tried = pick_correct(world.net, world.test, world.test.t, 1, count, seed)
        assert tried >= count
        return [world.test.files[row] for row in rows]
    assert files(0) == files(0) != files(1)
    assert files(0)[:3] == files(0, 3)
    assert len(set(files(2, 14))) == 14     # all of them but the target's own


def test_a_photograph_that_the_net_gets_wrong_is_not_searched(world):
    t = np.where(world.test.t == 0, 2, 0)   # all wrong now
    with pytest.raises(ValueError, match=r"--count 1: of 21 photographs the net labels 0 right"):
        pick_correct(world.net, world.test, t, 1, 1, 0)


def test_of_photographs_without_labels_the_nets_own_is_right(world, quick, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for i, path in enumerate(sorted(world.root.glob("test/*/*.png"))):
        (flat / f"{i:02}.png").write_bytes(path.read_bytes())
    text = tmp_path / "out" / "figure5.md"
    numbers = figure5.main(count=2, target="red", workers=1, **(quick | {"data": str(flat)}))
    assert "they have no labels" in text.read_text()
    assert numbers["searched"] == 2 and numbers["target"] == "red"
    assert all(row["before"] != "red" == row["after"] for row in numbers["images"])


def test_the_picture_has_a_row_of_three_for_each_photograph_shown(world):
    x, _ = world.test.images([0, 1, 2])
    images = np.clip(x + 0.01, 0, 1)
    images[1] = np.nan                      # not found
    sheet = figure5.draw_photographs(x, images, np.zeros(3, int), np.ones(3, int), ["a", "b"])
    scale = max(1, figure5.SIDE // SIZE)
    for i in range(3):
        for image, text in ((x[i], "a"), (0.5 + 10 * (images[i] - x[i]), "difference, 10 x"),
                            (images[i], "b")):
            shown = panel(pictures.draw_grid(np.nan_to_num(image)[None], 1, scale), text)
            assert stands_in(shown, sheet) == (i != 1)


def test_photographs_kept_in_memory_are_called_by_their_place(world, quick, monkeypatch):
    x, _ = world.test.images()
    kept = datasets.folder.Photographs(
        datasets.folder.Path("cifar10"), np.round(255 * x).astype(np.uint8).transpose(0, 2, 3, 1),
        world.test.t, FOLDERS, SIZE, SIZE, False, True)
    monkeypatch.setattr(datasets, "load_photographs", lambda name, *args: (name, kept, kept))
    numbers = figure5.main(count=2, workers=1, **(quick | {"data": "cifar10"}))
    assert all(row["file"].startswith("cifar10 ") for row in numbers["images"])


def test_nothing_found_is_said_and_no_picture_of_another_run_stands(quick, monkeypatch, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "figure5.png").write_bytes(b"another run's")
    monkeypatch.setattr(cache, "load_or_search", lambda nets, x, *args: dict.fromkeys(
        nets, np.full_like(x, np.nan)))
    numbers = figure5.main(count=2, **quick)
    assert numbers["not found"] == 2 and numbers["av. distortion"] is None
    assert not (tmp_path / "out" / "figure5.png").exists()
    assert "Nothing was found" in (tmp_path / "out" / "figure5.md").read_text()


@pytest.mark.parametrize("count", [0, -3, 22])
def test_a_count_of_photographs_that_are_not_there_is_named(world, count):
    with pytest.raises(ValueError, match=f"--count {count}: there are 21 photographs; choose 1 to"):
        pick_correct(world.net, world.test, world.test.t, 1, count, 0)


def test_by_png_is_rounding_to_256_levels():
    x = np.random.default_rng(0).random((3, 3, 5, 4)).astype(np.float32)
    assert figure5.round_trip_png(x) == pytest.approx(np.round(x * 255) / 255, abs=1e-7)
    assert figure5.round_trip_png(x[:0]).shape == (0, 3, 5, 4)


def test_a_target_that_the_net_does_not_know_is_told_of_with_those_it_knows(quick):
    with pytest.raises(ValueError, match="--target zebra: .*choose one of blue, ostrich, red"):
        figure5.main(target="zebra", **quick)
    assert figure5.find_label("", ["cat", "bird"]) == 1     # no ostrich
    with pytest.raises(ValueError, match="ostrich or bird"):
        figure5.find_label("", ["cat"])


def test_a_target_is_a_name_or_a_wordnet_id_and_two_classes_of_a_name_are_refused(quick):
    assert figure5.find_label("tench", imagenet.WNIDS) == 0
    assert figure5.find_label("n03126707", imagenet.WNIDS) == 517
    with pytest.raises(ValueError, match="^crane: 2 .* choose n02012849 or n03126707$"):
        figure5.find_label("crane", imagenet.WNIDS)
    assert figure5.main(target="n01518878", count=1, **quick)["target"] == "ostrich"


def test_names_that_are_no_text_or_would_break_a_table_are_escaped(quick, tmp_path):
    root = tmp_path / "any"
    shutil.copytree(quick["data"], root)
    odd = os.fsdecode(b"a|b\xff\nc")
    for path in root.glob("test/*/*.png"):
        path.rename(path.with_name(odd + path.name))
    numbers = figure5.main(count=2, workers=1, **(quick | {"data": str(root)}))
    assert all("/a|b\\udcff\\nc" in row["file"] for row in numbers["images"])
    text = (tmp_path / "out" / "figure5.md").read_text()
    rows = [line for line in text.splitlines() if "udcff" in line]
    assert len(rows) == 2 and all(re.sub(r"\\\|", "", row).count("|") == 5 for row in rows)
    assert json.loads((tmp_path / "out" / "figure5.json").read_text())["numbers"] == numbers


def test_the_other_experiments_take_the_same_weights_and_photographs(
        world, quick, monkeypatch, tmp_path):
    flags = {"weights": world.weights, "photographs": str(world.root), "quiet": True,
             "out": str(tmp_path)}
    monkeypatch.setattr(stability, "NETS", ())
    monkeypatch.setattr(stability, "STEPS", 5)
    monkeypatch.setattr(samples.datasets, "load",
                        lambda *args: ("mnist", *[strokes.draw(9, 1)] * 2))
    row, = stability.main(count=3, workers=1, **flags).values()
    assert row["images"] == 3 and row["bound"] > row["searched"] >= row["along D's r"]
    assert str(world.root) in (tmp_path / "stability.md").read_text()
    monkeypatch.setattr(alexnet, "PHOTOGRAPHS", 1)
    monkeypatch.setattr(timing, "run_in_processes", lambda *args: enumerate(
        [({1: {"ms": 1.0, "MB": 1.0, "GFLOP": 1.0}}, []), 100.0]))
    numbers = benchmark.main(which="alexnet", **flags)
    assert list(numbers["precisions"]) == ["float64", "float32", "float64, moved"]


# ---- Figures 3 and 4 -------------------------------------------------------------------------


def test_the_groups_are_what_phi_ranks_first_and_the_controls_are_there(
        world, quick, monkeypatch, tmp_path):
    monkeypatch.setattr(figure3_4, "DIRECTIONS", 6)
    seen = {}
    monkeypatch.setattr(figure3_4, "draw_figures", lambda groups, *args:
                        seen.update(groups=groups) or {})
    numbers = figure3_4.main(layer=6, **quick)
    x, _ = world.test.images()
    expected = measures.pick_images(phi(world.net, x, 6).astype(np.float32), 6, 5, 0)
    for kind, group in expected.items():
        assert (seen["groups"]["AlexNet", kind].images == group.images).all()
        row = numbers["directions"][f"AlexNet, {kind}"]
        assert row["purity"]["mean"] == pytest.approx(
            measures.purity(world.test.t[group.images]).mean())
    layers = ["AlexNet", "AlexNet untrained", "pixels"]
    assert list(numbers["directions"]) == [
        *(f"{name}, {kind}" for name in layers for kind in expected), "images at random"]
    assert numbers["photographs"] == 21
    assert Image.open(tmp_path / "out" / "figure3_4-histograms.png").size[0] > 500


def test_the_figures_show_the_top_photographs_of_their_directions(world, quick, tmp_path):
    numbers = figure3_4.main(**quick)
    x, _ = world.test.images()
    groups = measures.pick_images(phi(world.net, x, 7).astype(np.float32), figure3_4.DIRECTIONS, 5,
                                  0)
    for stem, kind in (("figure3", "natural"), ("figure4", "random")):
        sheet = Image.open(tmp_path / "out" / f"{stem}.png")
        for rows in groups[kind].images[:4]:
            scale = max(1, round(figure3_4.TILE / SIZE))
            assert stands_in(pictures.draw_grid(x[rows], 5, scale), sheet)
    assert json.loads((tmp_path / "out" / "figure3_4.json").read_text())["numbers"] == numbers


def test_photographs_without_labels_have_correlations_alone(world, quick, tmp_path):
    flat = tmp_path / "a flat folder"
    flat.mkdir()
    for i in range(3):
        for path in sorted(world.root.glob("test/*/*.png")):
            (flat / f"{i} {path.parent.name} {path.name}").write_bytes(path.read_bytes())
    numbers = figure3_4.main(**(quick | {"data": str(flat)}))
    assert "purity" not in numbers["directions"]["AlexNet, natural"]
    assert numbers["photographs"] == 12     # a fifth of 63


def test_a_layer_too_large_for_the_memory_is_refused(quick, monkeypatch):
    monkeypatch.setattr(figure3_4, "MOST_ACTIVATIONS", 1000)
    with pytest.raises(ValueError, match="--layer 7: 128 units of 21 photographs do not fit"):
        figure3_4.main(**quick)


def test_with_one_photograph_a_label_the_labels_measures_are_left_out_and_it_says_so(
        world, quick, tmp_path):
    for i, path in enumerate(sorted(world.root.glob("test/*/*.png"))):
        folder = tmp_path / "single" / ("val", "train")[i > 9] / f"{i % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.png").write_bytes(path.read_bytes())
    numbers = figure3_4.main(**(quick | {"data": str(tmp_path / "single")}))
    row = numbers["directions"]["AlexNet, natural"]
    assert "correlation" in row and "purity" not in row and "entropy" not in row
    text = (tmp_path / "out" / "figure3_4.md").read_text()
    assert "No label has 5 photographs" in text and "purity" not in text.split("## ")[1]


def test_colours_are_the_means_of_blocks():
    x = np.random.default_rng(0).random((2, 3, 67, 67)).astype(np.float32)
    edges = np.linspace(0, 67, 17).astype(int)
    found = figure3_4.average_colours(x)
    assert found.shape == (2, 3, 16, 16)
    for i, j in ((0, 0), (7, 3), (15, 15)):
        block = x[:, :, edges[i]:edges[i + 1], edges[j]:edges[j + 1]]
        assert found[:, :, i, j] == pytest.approx(block.mean((2, 3)), rel=1e-5)


def test_an_untrained_net_is_the_same_net_before_training(world):
    model = read_weights(world.weights)
    net = model.build_untrained(np.random.default_rng(3))
    same = rescale_start(krizhevsky2012(np.random.default_rng(3), 1 / 32, SIZE, 3))
    for p, q in zip(net.params, same.params, strict=True):
        assert p.dtype == "float32" and (p == q.astype("float32")).all()


def test_where_results_of_photographs_go_and_what_they_are_called(tmp_path):
    assert page.choose_folder(tmp_path, "/somewhere/photographs") == tmp_path
    assert page.choose_folder(tmp_path, "strokes") == tmp_path / "strokes"
    assert page.describe_data("cifar10") == "CIFAR-10" and "/x" in page.describe_data("/x")
