"""The experiments, run small: flags, errors in one line, caches, tables, figures."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_runs import ended, worker_of
from toys import on_numpy

import intriguing
from data import strokes
from experiments import __main__ as everything
from experiments import figure1_2, figure7, table1, table2, table3_4
from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import search, timing
from experiments.shared import cache, cli, measures, models, page, pictures, processes, samples
from experiments.shared.models import BEYOND
from experiments.shared.noise import add_noise
from nets import store
from nets.backend import to_device
from nets.models import autoencoder, fc
from nets.training import costs, loop

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small():
    """("strokes", (x, t), (x_test, t_test)): a data set that takes no time to draw."""
    return "strokes", strokes.draw(600, 1), strokes.draw(100, 2)


@pytest.fixture(scope="module")
def nets(small):
    """{name: net}: the nets of Table 1, trained for a moment, in this process."""
    found = {}
    for name in [*table1.PAPER, *BEYOND, *table3_4.NETS]:
        net = models.build(name, 0)
        cost = costs.classification(net, [1e-4] * (len(net.params) // 2))
        epochs, rate = (8, 0.002) if name == "LeNet" else (30, 0.01)    # it is slow and quick
        loop.fit_adam(net.params, cost, *map(to_device, small[1]), epochs, rate,
                      np.random.default_rng(0), batch=50)
        found[name] = net.astype("float64")
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The cache of the images found, one for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def quick(monkeypatch, tmp_path, small, nets, found):
    """Experiments on the small data and nets, with results below tmp_path."""
    monkeypatch.setattr(samples.datasets, "load", lambda name, quiet=False: small)
    monkeypatch.setattr(cache, "CACHE", found)
    monkeypatch.setattr(cache, "load_or_train", lambda names, *args: {
        name: nets[name.partition(", ")[0]] for name in names})
    return {"count": 20, "workers": 1, "quiet": True, "out": str(tmp_path / "out")}


def test_the_main_job_prints_the_tables_and_draws_the_figures(quick, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measures, "RESAMPLES", 99)      # the permutations take most of the time
    everything.main(**quick)
    text = capsys.readouterr().out
    out = tmp_path / "out" / "strokes"      # never where MNIST's results would stand
    assert not (tmp_path / "out" / "table1.md").exists()
    for stem in ("table1", "table2", "figure7", "table3_4", "figure1_2"):
        assert (out / f"{stem}.md").read_text() in text
        record = json.loads((out / f"{stem}.json").read_text())
        assert record["data"] == "strokes"
        assert ("count" not in record["flags"]) == (stem == "figure1_2")
        assert record["flags"].get("count") in (20, None)
        assert record["command"].startswith(f"python -m experiments.{stem} --data strokes")
        assert "strokes" in (out / f"{stem}.md").read_text()
    for stem in ("figure1", "figure2", "figure7"):
        assert Image.open(out / f"{stem}.png").size[0] > 800
    assert "experiments.attack" in text


def test_the_main_job_trains_every_net_that_its_scripts_show_before_them():
    trained = set()
    for names, scripts in everything.STAGES:
        trained |= set(names)
        for script in scripts:
            assert set({table1: [*table1.PAPER, *BEYOND, *table1.list_readings()],
                        table2: [*table1.PAPER, *BEYOND], figure7: table1.PAPER,
                        table3_4: table3_4.NETS, figure1_2: figure1_2.LAYERS}[script]) <= trained
    assert sum(len(scripts) for _, scripts in everything.STAGES) == 5


def test_table_1_gives_the_errors_and_distortions_of_its_nets(quick, nets, small):
    numbers = table1.main(**quick)
    for name in [*table1.PAPER, *BEYOND]:
        wrong = np.mean(nets[name].predict(small[2][0]) != small[2][1])
        assert numbers[name]["test error %"] == pytest.approx(100 * wrong)
        assert numbers[name]["not found"] == 0 < numbers[name]["av. min. distortion"] < 0.5


def test_table_2_has_100_on_its_diagonal_and_the_clean_error_in_its_last_row(quick, nets, small):
    numbers = table2.main(**quick)
    rows, _ = samples.sample_images(small[1][1], 20, 0)
    for name in [*table1.PAPER, *BEYOND]:
        assert numbers[name]["error %"][name] == 100
        clean = np.mean(nets[name].predict(small[1][0][rows]) != small[1][1][rows])
        assert numbers["undistorted"]["error %"][name] == pytest.approx(100 * clean)


@on_numpy
def test_the_nearest_target_is_never_farther_than_a_random_one(quick):
    few = {**quick, "count": 3}
    random, nearest = (table1.main(**few, targets=how) for how in ("random", "nearest"))
    for name in random:
        assert nearest[name]["av. min. distortion"] <= 1.001 * random[name]["av. min. distortion"]


@on_numpy
def test_a_table_of_two_seeds_has_both_their_numbers_and_shows_mean_and_deviation(quick, tmp_path):
    few = {**quick, "count": 4}
    for script in (table1, table2, figure7, table3_4):
        stem = script.__name__.rpartition(".")[2]
        of_seeds = []
        for seed in (0, 1):
            script.main(**few, seed=seed)
            of_seeds.append(json.loads((tmp_path / f"out/strokes/{stem}.json").read_text()))
        script.main(**few, seeds=2)
        path = tmp_path / f"out/strokes/{stem}-seeds.json"
        both = list(leaves(json.loads(path.read_text())["numbers"]))
        one, two = (list(leaves(record["numbers"])) for record in of_seeds)
        assert all(b == [x, y] for b, x, y in zip(both, one, two, strict=True)
                   if not isinstance(x, str)), stem
        assert " ± " in path.with_suffix(".md").read_text()


def leaves(numbers):
    """The numbers and words of a record, in order; those of many seeds are lists."""
    if isinstance(numbers, dict):
        for key, inner in numbers.items():
            if key != "c":                  # Figure 7's panel c shows the first seed's case
                yield from leaves(inner)
    else:
        yield numbers


def test_figure_7_measures_what_it_shows(quick):
    numbers = figure7.main(**quick)
    assert numbers["a"]["accuracy %"] == numbers["b"]["accuracy %"] == 0
    accuracy = numbers["accuracy % on noise of stddev 1"]
    gaps = {abs(a - 51) for row in accuracy.values() for a in row.values()}
    assert abs(numbers["c"]["accuracy %"] - 51) == pytest.approx(min(gaps))


@on_numpy
def test_the_benchmark_measures_all_that_its_page_shows(quick, monkeypatch, in_this_process):
    for module in (timing, search):
        monkeypatch.setattr(module, "REPEATS", 1)
    monkeypatch.setattr(benchmark, "ALEXNET", (67, 1 / 32))
    monkeypatch.setattr(benchmark, "list_worker_counts", lambda: [1])
    numbers = benchmark.main(count=3, workers=1, quiet=True, out=quick["out"])
    page = (Path(quick["out"]) / "strokes" / "benchmark.md").read_text()
    for name, rows in numbers["search"].items():
        assert all(row["found %"] == 100 and row["ms"] > 0 for row in rows.values())
        a, b, c, by_hand, ddn = rows.values()
        assert a["evaluations"] <= 1.1 * b["evaluations"]
        assert c["distortion"] <= a["distortion"] * 1.0001
        assert 0 <= c["above best %"] <= a["above best %"]
        assert by_hand["distortion"] <= 1.01 * a["distortion"]
        assert ddn["evaluations"] == 100
        assert f"{3.6e6 / a['ms']:,.0f}" in page        # searches a core-hour
        assert sum(numbers["time"][name].values()) == pytest.approx(100)
        assert list(numbers["batches"][name]) == [1]
    assert numbers["workers"][1] > 0
    assert len(numbers["convolutions"]) == 2 + 5 and len(numbers["epochs"]) == 5
    assert all(row["s an epoch"] > 0 for row in numbers["epochs"].values())
    assert "is measured with --weights" in page
    assert (Path(quick["out"]) / "strokes" / "benchmark.png").exists()


def test_a_net_is_trained_in_a_worker_and_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    monkeypatch.setattr(cache, "train_net", untrained)  # real training takes half a minute
    first = cache.load_or_train(["FC100-100-10"], "strokes", 3, "adam", 1, True)["FC100-100-10"]
    monkeypatch.setattr(cache, "run_in_processes", None)  # would fail if it were called
    again = cache.load_or_train(["FC100-100-10"], "strokes", 3, "adam", 1, True)["FC100-100-10"]
    assert (first.params[0] == again.params[0]).all() and first.params[1][0] == 3


def untrained(name, data, seed, method):
    net = models.build(name, seed)
    net.params[1][:] = 3
    return net


def test_every_net_learns_in_its_own_way(monkeypatch, small):
    monkeypatch.setattr(cache.datasets, "load", lambda name, quiet=False: small)
    for module, constants in ((fc, {"EPOCHS": 15, "ITERATIONS": 40}),
                              (autoencoder, {"EPOCHS": 2, "ITERATIONS": 40})):
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)
    for name, method in (("FC10(1e-4)", "adam"), ("FC100-100-10", "adam"),
                         ("FC100-100-10 again", "lbfgs"), ("AE400-10", "adam")):
        net = cache.train_net(name, "strokes", 0, method)
        assert loop.error(net, *small[1]) < 0.5, name


def test_a_count_of_which_a_net_has_none_right_is_named(quick, nets, small, monkeypatch):
    rows, _ = samples.sample_images(small[1][1], 1, 0)
    wrong = (small[1][1] + 1) % 10          # every image is labelled wrong now
    relabelled = ("strokes", (small[1][0], wrong), small[2])
    monkeypatch.setattr(samples.datasets, "load", lambda name, quiet=False: relabelled)
    for script in (figure7, benchmark):
        flags = {k: v for k, v in quick.items() if k != "targets"}
        with pytest.raises(ValueError, match="none of these images right"):
            script.main(**{**flags, "count": 3})
    numbers = table1.main(**{**quick, "count": 3})
    assert any(row["av. min. distortion"] is None for row in numbers.values())


def test_noise_has_its_stddev_and_the_box_only_where_it_is_clipped():
    x = np.full((50, 1, 28, 28), 0.2, np.float32)
    free, clipped = (add_noise(x, 0.3, clip, 0) for clip in (False, True))
    assert (free - x).std() == pytest.approx(0.3, rel=0.02) and free.min() < 0
    assert (clipped == free.clip(0, 1)).all()


def test_the_sample_is_a_prefix_of_a_larger_one_and_no_target_is_the_true_label():
    t = np.arange(1000) % 10
    rows, targets = samples.sample_images(t, 500, 3)
    fewer, fewer_targets = samples.sample_images(t, 20, 3)
    assert (rows[:20] == fewer).all() and (targets[:20] == fewer_targets).all()
    assert len(set(rows)) == 500 and (targets != t[rows]).all()
    assert set((targets - t[rows]) % 10) == set(range(1, 10))
    assert (samples.sample_images(t, 500, 4)[0] != rows).any()


def test_distorted_images_are_the_same_bit_for_bit_for_any_number_of_workers(
        quick, nets, small, monkeypatch, tmp_path):
    two = {name: nets[name] for name in ("FC10(1e-4)", "FC100-100-10")}
    x, t = small[1][0][:70], small[1][1][:70]           # a whole shard and a part of one
    found = []
    for workers in (1, 2):
        monkeypatch.setattr(cache, "CACHE", tmp_path / f"cache{workers}")
        found.append(cache.load_or_search(two, x, t, (t + 1) % 10, "strokes", "auto", workers,
                                          True))
    for name in two:
        assert found[0][name].tobytes() == found[1][name].tobytes()


def test_images_that_a_net_gets_wrong_are_left_as_they_are(quick, nets, small):
    net = nets["FC10(1e-4)"]
    x, t = small[1][0][:20], (net.predict(small[1][0][:20]) + np.arange(20) % 2) % 10
    images, = cache.load_or_search({"net": net}, x, t, (t + 3) % 10, "strokes", "auto", 1,
                                   True).values()
    changed = (images != x).any((1, 2, 3))
    assert (changed == (np.arange(20) % 2 == 0)).all()


def test_shards_that_were_computed_are_not_computed_again(quick, nets, small, monkeypatch):
    x, t = small[1][0][:10], small[1][1][:10]
    job = ({"net": nets["FC10(1)"]}, x, t, (t + 1) % 10, "strokes", "auto", 1, True)
    first = cache.load_or_search(*job)["net"]
    monkeypatch.setattr(cache, "run_in_processes", None)  # would fail if it were called
    assert cache.load_or_search(*job)["net"].tobytes() == first.tobytes()


def test_each_solver_has_shards_of_its_own(quick, nets, small, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    x, t = small[1][0][:10], small[1][1][:10]
    job = ({"net": nets["FC100-100-10"]}, x, t, (t + 1) % 10, "strokes")
    theirs, ours = (cache.load_or_search(*job, solver, 1, True)["net"]
                    for solver in intriguing.ENGINES)
    assert (theirs != ours).any()
    sizes = [intriguing.distortion(x, found).mean() for found in (theirs, ours)]
    assert sizes[1] == pytest.approx(sizes[0], rel=5e-3)
    cache.load_or_search(*job, "auto", 1, True)              # is one of the two
    assert len(list((cache.CACHE / "strokes" / "distorted").iterdir())) == 2


def test_distorted_images_are_in_memory_once(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    monkeypatch.setattr(cache, "SHARD", 64)
    x = np.random.default_rng(0).random((1500, 1, 28, 28), np.float32)
    numbers = iter(range(99))               # in place of digests: every shard is there already
    monkeypatch.setattr(cache, "fingerprint", lambda *job, code=(): None if code else next(numbers))
    for i in range(48):
        shard = x[i % 24 * cache.SHARD:][:cache.SHARD]
        store.save_sealed(tmp_path / "toys" / "distorted" / f"{i}.npz", images=shard)
    tracemalloc.start()
    found = cache.load_or_search(dict.fromkeys("ab"), x, x[:, 0, 0, 0], None, "toys", "auto", 1,
                                 True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found["a"] == x).all() and (found["b"] == x).all()
    assert peak < 1.2 * 2 * x.nbytes


@pytest.mark.parametrize("change", [
    lambda x: 7 * x, lambda x: x / 0, lambda x: 1j * x, lambda x: x.astype(str),
    lambda x: x.astype(float), lambda x: x[1:], lambda x: -x,
    lambda x: np.where(np.arange(x.size).reshape(x.shape) == 99, np.nan, x).astype(x.dtype),
], ids=["seven", "inf", "complex", "text", "type", "fewer", "negative", "one NaN"])
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_shard_whose_images_cannot_be_is_refused(tmp_path, change):
    x = np.random.default_rng(0).random((8, 1, 6, 6), np.float32)
    x[3] = np.nan                           # none was found
    store.save_sealed(tmp_path / "x.npz", images=x)
    assert np.array_equal(cache.load_shard(tmp_path / "x.npz", x.shape), x, equal_nan=True)
    store.save_sealed(tmp_path / "x.npz", images=change(x))
    with pytest.raises(ValueError, match="x.npz: not the .*; delete it and run again"):
        cache.load_shard(tmp_path / "x.npz", x.shape)


@on_numpy
def test_what_was_found_for_another_net_is_not_believed(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    rng = np.random.default_rng(0)
    x, folder, paths = rng.random((4, 1, 4, 4), np.float32), tmp_path / "toys" / "distorted", []
    jobs = [({"net": net}, x, net.predict(x), None, "toys", "scipy", 1, True)
            for net in (fc.fc((16, 3), rng).astype("float64") for _ in range(2))]
    for job in jobs:
        cache.load_or_search(*job)
        paths += set(folder.iterdir()) - set(paths)
    shutil.copy(paths[1], paths[0])
    cache.load_or_search(*jobs[1])
    with pytest.raises(ValueError, match=f"{paths[0]}: its seal is not that of its name and arr"):
        cache.load_or_search(*jobs[0])


def test_a_run_deletes_what_a_killed_one_left_unfinished(tmp_path):
    left = tmp_path / f"unfinished@{socket.gethostname()}-99999999-abcd1234.part"
    left.write_bytes(b"half of it")
    cli.check_writable(tmp_path, "")
    assert not left.exists()


def test_parts_give_what_the_whole_gives():
    a, b = np.arange(10.0).reshape(5, 2), np.arange(5.0)
    for size in (1, 2, 5, 9):
        found = samples.apply_in_chunks(lambda a, b: a.sum(1) * b, a, b, size=size)
        assert (found == a.sum(1) * b).all()
    assert samples.apply_in_chunks(lambda a: a * 2, a[:0]).shape == (0, 2)


def fail(n):
    raise ValueError(f"job {n} fails")


def die(n):
    os.kill(os.getpid(), signal.SIGKILL)


@on_numpy
@pytest.mark.parametrize("function, error", [(fail, ValueError), (die, RuntimeError)])
def test_a_worker_that_fails_or_dies_ends_the_run_with_an_error_and_no_hang(function, error):
    started = time.monotonic()
    with pytest.raises(error):
        list(processes.run_in_processes(function, [(1,), (2,)], 2, 2, "", True))
    assert time.monotonic() - started < 30


@on_numpy
def test_workers_end_when_their_parent_is_killed(tmp_path):
    code = ("import sys; sys.path.insert(0, 'tests')\n"
            "from experiments.shared import processes; from toy_runs import linger\n"
            "if __name__ == '__main__':\n"
            f"    list(processes.run_in_processes(linger, [({str(tmp_path)!r},)], 1, 1, '', "
            "True))\n")
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    pid = worker_of(parent, tmp_path)
    parent.kill()
    parent.wait()
    ended(pid)


def test_trained_nets_are_loaded_from_the_cache_under_a_name_of_all_they_depend_on(
        monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    net = models.build("FC10(1)", 5)
    net.params[1][:] = 7
    monkeypatch.setattr(cache, "train_net", no_training)
    with pytest.raises(RuntimeError):       # the file is not there yet
        cache.load_or_train(["FC10(1)"], "strokes", 5, "adam", 1, True)
    monkeypatch.setattr(cache, "fingerprint", lambda *parts, **code: "0123456789")
    name = "FC10(1), seed 5, lbfgs to 1e-06, 01234567.npz"
    store.save(tmp_path / "strokes" / name, net, store.save_sealed)
    found = cache.load_or_train(["FC10(1)"], "strokes", 5, "adam", 1, True)["FC10(1)"]
    assert (found.params[1] == 7).all() and found.params[1].dtype == float


def no_training(*job):
    raise RuntimeError("it was not to be trained")


def test_again_is_the_same_net_from_the_next_seed():
    again, next_seed, first = (models.build(name, seed).params[0] for name, seed in
                               [("FC100-100-10 again", 0), ("FC100-100-10", 1),
                                ("FC100-100-10", 0)])
    assert (again == next_seed).all() and (again != first).any()


def test_the_papers_names_are_the_papers_sizes():
    for name, sizes in (("FC10(1)", [10]), ("FC200-200-10", [200, 200, 10])):
        assert [len(b) for b in models.build(name, 0).params[1::2]] == sizes
    assert models.build("AE400-10", 0).params[0].shape == (784, 400)


@pytest.mark.parametrize("flags, words", [
    ({"count": 0}, "count 0"), ({"count": 99999}, "count 99999"),
    ({"targets": "near"}, "random, nearest")])
def test_bad_flags_are_named_before_anything_is_trained(quick, flags, words, monkeypatch):
    for script in (table1, table3_4):
        with pytest.raises(ValueError, match=words):
            script.main(**{**quick, **flags})
    monkeypatch.setattr(cache, "load_or_train", None)         # would fail if it were called
    with pytest.raises(ValueError, match=words):
        everything.main(**{**quick, **flags})


def test_more_images_than_the_test_set_has_are_refused_by_tables_3_and_4_alone(
        quick, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="count 101: there are 100 images"):
        table3_4.main(**{**quick, "count": 101})
    counts = {}

    def stub(module):
        def main(count=1, data=""):
            counts[module] = count
        return main

    monkeypatch.setattr(everything, "print_rows", lambda *args: None)
    for module in (module for stage in everything.STAGES for module in stage.scripts):
        monkeypatch.setattr(module, "main", stub(module))
    everything.main(**{**quick, "count": 101})
    assert {m: n for m, n in counts.items() if n != 101} == {table3_4: 100}


def test_what_is_not_a_number_is_null_in_the_record(tmp_path):
    page.save("stem", lambda: None, {"out": str(tmp_path)}, "mnist", 0.0, "text",
              {"a": [float("nan"), 1.5]})
    assert json.loads((tmp_path / "stem.json").read_text())["numbers"] == {"a": [None, 1.5]}


@pytest.mark.parametrize("names, method, words", [
    (["FC10(1)", "LeNet"], "lbfgs", "linear nets by full-batch L-BFGS, LeNet by Adam"),
    (["FC123-456-10 on P1"], "lbfgs", "sigmoid nets by full-batch L-BFGS"),
    (["FC200-200-10", "AE400-10"], "adam", "sigmoid nets by Adam, AE400-10 by Adam (the code)")])
def test_the_caption_says_how_each_kind_of_net_was_trained(names, method, words):
    assert models.describe_training(names, method).startswith(f"Trained: {words}")


@pytest.mark.parametrize("name, read", [
    ("LeNet", ("LeNet", False, "all", "half")), ("FC10(1) again", ("FC10(1)", True, "all", "half")),
    ("FC100-100-10 again on P2", ("FC100-100-10", True, "P2", "half")),
    ("FC10(1) on P1, per unit decay", ("FC10(1)", False, "P1", "per unit"))])
def test_a_nets_name_says_its_sizes_its_start_its_part_of_the_training_set_and_its_decay(
        name, read):
    assert models.parse_name(name) == read


@pytest.mark.parametrize("name", ["FC10(1) on ", "LeNet on P3", "LeNet on all",
                                  "LeNet on P1 again"])
def test_an_unknown_part_of_the_training_set_is_refused_with_the_name(name):
    with pytest.raises(ValueError, match="no part of the training set .* choose P1 or P2"):
        models.parse_name(name)


@pytest.mark.parametrize("names, method, words", [
    (["FC9"], "adam", "FC9"), (["FC10(1)"], "sgd", "sgd")])
def test_unknown_nets_and_methods_are_named(names, method, words):
    with pytest.raises(ValueError, match=words):
        cache.load_or_train(names, "strokes", 0, method, 1, True)


@on_numpy
def test_ctrl_c_in_the_middle_ends_with_one_line_and_leaves_no_worker(tmp_path):
    code = ("import signal, sys; sys.path.insert(0, 'tests'); sys.argv = ['table1']\n"
            "from experiments.shared import cli, processes; from toy_runs import linger\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)    # deaf in a shell's &\n"
            "def main(quiet=False):\n"
            f"    list(processes.run_in_processes(linger, [({str(tmp_path)!r},)], 1, 1, '', "
            "True))\n"
            "if __name__ == '__main__':\n"
            "    cli.run(main)\n")
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE,
                              text=True, start_new_session=True)
    pid = worker_of(parent, tmp_path)
    os.killpg(parent.pid, signal.SIGINT)                # as a terminal does: to all of them
    _, said = parent.communicate(timeout=30)
    assert parent.returncode == 130 and "interrupted" in said and "Traceback" not in said
    ended(pid)


def test_cells_and_tables():
    assert page.format_cell(0.0621, 0.058) == "0.0621 (0.058)"
    assert page.format_cell(float("nan")) == page.format_cell(None) == "-"
    assert page.format_table(["a", "b"], [[1, 22]]) == "| a | b  |\n|---|----|\n| 1 | 22 |"


def test_pictures_are_what_they_show():
    x = np.zeros((3, 1, 2, 2), np.float32)
    x[1] = 1
    picture = np.asarray(pictures.draw_grid(x, columns=2, scale=1))
    assert picture.shape == (6, 6, 3) and (picture[:2, 4:] == 255).all()
    assert (picture[:2, :2] == 0).all()
    assert pictures.magnify(np.array([-1, 0, 0.01]), 10) == pytest.approx([0, 0.5, 0.6])
    assert pictures.draw_panels([(pictures.draw_grid(x, 3), "caption")], "title").mode == "RGB"
