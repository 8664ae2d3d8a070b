"""Several ranks of MPI: training follows the curve of one rank, searches give the same bits.

Ranks are threads with a communicator that stands in for MPI's; and, where mpi4py and mpiexec are
installed (requirements-mpi.txt), processes."""
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from toy_runs import RUN, images, parts
from toys import images as toy_images
from toys import on_numpy

from nets.backend import to_device, to_host
from nets.layers.basic import Dense, Dropout, Sigmoid
from nets.net import Net
from nets.training import costs, loop, optimisers, ranks

ROOT = Path(__file__).parents[2]
FOLDERS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
MPIEXEC = importlib.util.find_spec("mpi4py") and shutil.which("mpiexec", path=FOLDERS)
with_mpi = pytest.mark.skipif(not MPIEXEC, reason="needs mpi4py and mpiexec: pip install -r "
                                                  "requirements-mpi.txt")


def mpiexec(count, *words, **options):
    """A program over so many ranks, on the path of the tests: (its exit status, what it said)."""
    path = os.pathsep.join(map(str, [ROOT, ROOT / "tests", Path(__file__).parent]))
    done = subprocess.run([MPIEXEC, "-n", str(count), sys.executable, *words], cwd=ROOT, text=True,
                          env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1",
                               "INTRIGUING_DEVICE": "cpu"},
                          capture_output=True, timeout=120, **options)
    return done.returncode, done.stdout + done.stderr


class Ranks:
    """A communicator of threads: what is asked of MPI's, on NumPy's arrays as it is."""

    def __init__(self, rank, given):
        self.rank, self.size, self.given = rank, len(given), given
        self.calls = 0

    def gathered(self, value):
        self.given[self.rank] = value
        BARRIER.wait(60)
        everyones = list(self.given)
        BARRIER.wait(60)
        return everyones

    def bcast(self, value):
        return self.gathered(value)[0]

    def allgather(self, value):
        return self.gathered(value)

    def Allreduce(self, mine, total):
        assert type(mine) is np.ndarray and mine.ndim == 1 and mine.dtype == total.dtype
        total[...] = sum(self.gathered(mine))
        self.calls += 1


def over_threads(function, size):
    """[function(comm) of each of `size` ranks], each in a thread."""
    global BARRIER
    BARRIER, given = threading.Barrier(size), [None] * size
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(function, [Ranks(rank, given) for rank in range(size)]))


def curve(comm, dtype="float64"):
    """The losses of three epochs of a small net with dropout, and its weights: Adam, 5 shards."""
    rng = np.random.default_rng(0)
    net = Net([Dense(20, 12, rng), Sigmoid(), Dropout(0.5), Dense(12, 5, rng)]).astype(dtype)
    x, t = toy_images(5, 70)
    x, t = to_device(x.reshape(70, 20)), to_device(t)
    adam, rng = optimisers.Adam(net.params), np.random.default_rng(1)
    cost = ranks.divide_over_ranks(costs.cross_entropy(net), 4, comm)
    values = [value for of_epoch in loop.make_rates("linear", 0.05, 3, 70, 18)
              for value in loop.train_epoch(adam, cost, x, t, of_epoch, rng, 18)]
    return values, np.concatenate([to_host(p).ravel() for p in net.params]), comm


@pytest.mark.parametrize(("dtype", "rel"), [("float64", 1e-9), ("float32", 1e-3)])
@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_any_number_of_ranks_follows_the_curve_of_one(size, dtype, rel):
    alone, weights, _ = curve(ranks.OneRank(), dtype)
    assert len(alone) == 9 and alone[-1] < 0.8 * alone[0]
    for values, found, comm in over_threads(lambda comm: curve(comm, dtype), size):
        assert values == pytest.approx(alone, rel=rel)
        assert found == pytest.approx(weights, rel=rel, abs=rel)
        assert found.dtype == dtype and comm.calls == 9         # one Allreduce a step


class NCCL:
    """cupyx.distributed's NCCLBackend, on the threads' communicator: sums on the device only."""

    def __init__(self, size, rank, use_mpi):
        assert use_mpi and (size, rank) == (COMM.size, COMM.rank)
        self.comm = COMM.comm

    def all_reduce(self, mine, total):
        assert type(mine) is type(total) is type(to_device(0.0)) and mine.dtype == total.dtype
        total[...] = sum(self.comm.gathered(mine))


COMM = threading.local()


def test_by_nccl_the_curve_is_the_same_and_nothing_goes_through_mpi(monkeypatch):
    monkeypatch.setattr(ranks, "can_use_nccl", lambda comm: True)
    monkeypatch.setattr(ranks.importlib, "import_module",
                        {"cupyx.distributed": SimpleNamespace(NCCLBackend=NCCL)}.get)

    def curve_by_nccl(comm):
        COMM.comm, COMM.size, COMM.rank = comm, comm.size, comm.rank
        return curve(comm)
    alone, weights, _ = curve(ranks.OneRank())
    for values, found, comm in over_threads(curve_by_nccl, 3):
        assert values == pytest.approx(alone, rel=1e-9) and comm.calls == 0
        assert found == pytest.approx(weights, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("gpus", "there", "expected"), [
    (["0:1", "0:2"], True, True), (["0:1", "0:1"], True, False), (["0:1", "0:2"], False, False),
    ([None, None], True, False)])
def test_nccl_is_taken_where_each_rank_has_a_gpu_to_itself(monkeypatch, gpus, there, expected):
    """gpus: the bus of each rank's, None without CuPy.  there: whether NCCL is installed."""
    monkeypatch.setattr(ranks.importlib, "import_module",
                        {"cupy.cuda.nccl": SimpleNamespace(available=there)}.get)
    here = threading.local()

    class Device:
        def __init__(self):
            self.pci_bus_id = here.gpu
    cupy = SimpleNamespace(cuda=SimpleNamespace(Device=Device))
    monkeypatch.setattr(ranks, "xp", np if None in gpus else cupy)

    def taken(comm):
        here.gpu = gpus[comm.rank]
        return ranks.can_use_nccl(comm)
    assert over_threads(taken, 2) == [expected, expected]


def test_the_images_of_a_batch_are_divided_among_the_ranks_each_once():
    def seen(comm):
        rows = []

        def cost(x, t, rng):
            rows.extend(to_host(t).tolist())
            return float(to_host(t).mean()), [x.sum(0) / len(x)]
        x = to_device(np.ones((18, 2)))
        value, _ = ranks.divide_over_ranks(cost, 4, comm)(x, to_device(np.arange(18)),
                                                          np.random.default_rng(0))
        assert value == pytest.approx(8.5)      # the mean over images, of unequal shares
        return sorted(rows)
    found = over_threads(seen, 3)
    assert sum(found, []) == list(range(18)) and [len(rows) for rows in found] == [4, 8, 6]


def test_one_rank_is_training_in_threads_bit_for_bit():
    x, t = toy_images(5, 18)
    x, t = to_device(x.reshape(18, 20)), to_device(t)
    net = Net([Dense(20, 5, np.random.default_rng(0))])
    cost = costs.cross_entropy(net)
    found, expected = (of(x, t, np.random.default_rng(2)) for of in (
        ranks.divide_over_ranks(cost, 4, ranks.OneRank()), loop.divide_over_threads(cost, 4)))
    assert found[0] == expected[0]
    for a, b in zip(found[1], expected[1], strict=True):
        assert (to_host(a) == to_host(b)).all()


def test_more_ranks_than_shards_are_refused():
    with pytest.raises(ValueError, match="^5 ranks, but a batch of 18 images has 3 shards of 6"):
        over_threads(lambda comm: ranks.divide_over_ranks(None, 6, comm)(np.ones(18), None, None),
                     5)


def test_every_rank_starts_from_the_first_ones_arrays():
    def started(comm):
        arrays = [to_device(np.full((2, 3), comm.rank + 7.0)), to_device(np.array(comm.rank))]
        ranks.broadcast_start(arrays, comm)
        return [to_host(a) for a in arrays]
    for a, b in over_threads(started, 3):
        assert (a == 7).all() and a.shape == (2, 3) and b == 0


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_ranks_that_would_not_know_of_each_other_are_refused(name, monkeypatch):
    monkeypatch.delitem(sys.modules, "mpi4py", raising=False)
    monkeypatch.setenv(name, "1")
    assert ranks.world().size == 1
    monkeypatch.setenv(name, "2")
    with pytest.raises(RuntimeError, match="mpiexec -n N python -m mpi4py -m experiments"):
        ranks.world()


# ---- By MPI ----------------------------------------------------------------------------------


@with_mpi
@on_numpy
@pytest.mark.parametrize("size", [1, 2, 4])
def test_training_over_mpi_follows_the_curve_of_one_rank(size):
    code = ("import json, test_ranks; from nets.training import ranks\n"
            "values, weights, comm = test_ranks.curve(ranks.world())\n"
            "if comm.rank == 0: print('\\n', json.dumps([comm.size, values, weights.tolist()]))")
    status, said = mpiexec(size, "-m", "mpi4py", "-c", code)
    assert status == 0, said
    [line] = [line for line in said.splitlines() if line.startswith(" [")]
    found, values, weights = json.loads(line)
    alone, expected, _ = curve(ranks.OneRank())
    assert found == size and values == pytest.approx(alone, rel=1e-9)
    assert weights == pytest.approx(expected, rel=1e-9, abs=1e-9)


@with_mpi
@on_numpy
def test_searches_over_mpi_give_what_processes_give_bit_for_bit(tmp_path):
    for count, unused in ((1, "mpi4py.futures.MPIPoolExecutor"),
                          (3, "experiments.shared.processes.ProcessPoolExecutor")):
        path, folder = tmp_path / f"over{count}.py", tmp_path / str(count)
        path.write_text(RUN + "if __name__ == '__main__':\n"
                              "    import experiments.shared.processes, mpi4py.futures\n"
                              f"    {unused} = None\n"
                              "    cli.run(main)\n")
        status, said = mpiexec(count, "-m", "mpi4py.futures", str(path), "--out", str(folder))
        assert status == 0, said
    assert images(tmp_path / "1") == images(tmp_path / "3") and not parts(tmp_path)


TRAIN = """
import sys
from pathlib import Path
from experiments import train_alexnet
from experiments.shared import cache, cli
cache.CACHE = Path(sys.argv[-1]) / "cache"
train_alexnet.SHARD = 8
cli.run(train_alexnet.main)
"""


def trained(photographs, out, count):
    """Train a small AlexNet on a folder of photographs over so many ranks, in batches of 20."""
    return mpiexec(count, "-m", "mpi4py", "-c", TRAIN, "--data", str(photographs), "--quiet",
                   "--width", "0.03125", "--epochs", "2", "--batch", "20", "--weights",
                   str(out / "net.npz"), "--out", str(out))


@pytest.fixture
def photographs(tmp_path):
    """A folder: 20 dark and 20 pale photographs of 67 x 67 to train on, one and one to test on."""
    rng = np.random.default_rng(1)
    for part, count in (("train", 20), ("test", 1)):
        for name, pale in (("dark", 0), ("pale", 100)):
            (tmp_path / "photographs" / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(pale, pale + 150, (67, 67, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(
                    tmp_path / "photographs" / part / name / f"{i}.png")
    return tmp_path / "photographs"


@with_mpi
@on_numpy
def test_alexnet_is_trained_over_ranks_and_the_first_alone_speaks(photographs, tmp_path):
    curves = []
    for count in (1, 2):
        status, said = trained(photographs, tmp_path / str(count), count)
        assert status == 0, said
        assert said.count("epoch  1: loss") == said.count("# AlexNet trained") == 1
        [path] = (tmp_path / str(count)).glob("**/train_alexnet.json")
        numbers = json.loads(path.read_text())["numbers"]
        assert numbers["ranks"] == count
        curves.append([row["loss"] for row in numbers["curve"]])
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)


@with_mpi
@on_numpy
def test_a_rank_that_fails_ends_all(photographs, tmp_path):
    status, said = trained(photographs, tmp_path, 4)
    assert status != 0 and "4 ranks, but a batch of 20 images has 3 shards of 8" in said
