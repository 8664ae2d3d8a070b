"""NumPy or CuPy: how one is chosen, and that arrays of host and device are never mixed up.

The second half runs the core's tests again in another process, with a stand-in for CuPy
(tests/standin) that refuses what CuPy refuses; so a mix-up shows on a machine without a GPU.
"""
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.benchmark import timing
from nets import backend
from nets.backend import to_device, to_host, xp

ROOT = Path(__file__).parents[2]
CORE = {                                    # the main job of test_experiments runs five scripts
    "layers": ["layers", "conv", "losses", "net", "train", "store", "autoencoder", "lenet",
               "alexnet", "norms", "penalty", "local", "quocnet"],
    "searches": ["intriguing", "units", "doors", "by_hand", "pools", "attack", "benchmark_quocnet"],
    "scripts": ["experiments", "gradients"]}

on_numpy = pytest.mark.skipif(xp is not np, reason="is about the choice of NumPy")


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)      # import cupy: ImportError


@pytest.fixture
def cupy_without_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(is_available=lambda: False))


@pytest.fixture
def cupy_with_gpu(monkeypatch):
    cupy = SimpleNamespace(is_available=lambda: True)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy


@pytest.mark.parametrize("name", ["nonsense", "", "GPU", "cuda"])
def test_an_unknown_device_is_an_error(name):
    with pytest.raises(ValueError, match=f"INTRIGUING_DEVICE is '{name}'; expected auto, cpu"):
        backend.choose_library(name)


def test_a_gpu_without_cupy_is_an_error_with_the_mend(no_cupy):
    with pytest.raises(RuntimeError, match="CuPy is not installed .*requirements-gpu.txt"):
        backend.choose_library("gpu")


def test_cupy_without_a_gpu_is_an_error_where_a_gpu_is_asked_for(cupy_without_gpu):
    with pytest.raises(RuntimeError, match="no GPU answers; set it to auto or cpu"):
        backend.choose_library("gpu")


def test_auto_is_numpy_without_cupy(no_cupy):
    assert backend.choose_library("auto") is np


def test_auto_is_numpy_without_a_gpu(cupy_without_gpu):
    assert backend.choose_library("auto") is np


def test_auto_and_gpu_are_cupy_where_a_gpu_answers_and_cpu_is_numpy(cupy_with_gpu):
    assert backend.choose_library("auto") is backend.choose_library("gpu") is cupy_with_gpu
    assert backend.choose_library("cpu") is np


@on_numpy
def test_on_a_cpu_both_ways_hand_the_array_itself_on():
    a = np.zeros(3)
    assert to_device(a) is a
    assert to_host(a) is a


def test_to_host_takes_numbers_and_lists_as_arrays_too():
    assert to_host(3).shape == ()
    assert to_host([1, 2]).tolist() == [1, 2]


@on_numpy
def test_the_environment_variable_decides_for_the_process():
    for device, says in (("cpu", "numpy"), ("neither", "INTRIGUING_DEVICE is 'neither'")):
        done = subprocess.run(
            [sys.executable, "-c", "from nets.backend import xp; print(xp.__name__)"], cwd=ROOT,
            env=os.environ | {"INTRIGUING_DEVICE": device}, capture_output=True, text=True)
        assert says in done.stdout + done.stderr


# ---- the stand-in ----------------------------------------------------------------------------


@pytest.fixture
def standin(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "standin"))
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    import cupy
    assert cupy.__file__.startswith(str(ROOT))
    yield cupy
    sys.modules.pop("cupy")


@pytest.mark.parametrize("mix_up", [
    lambda cupy, d, h: d + h, lambda cupy, d, h: h + d, lambda cupy, d, h: h @ d,
    lambda cupy, d, h: d == h, lambda cupy, d, h: d.__iadd__(h), lambda cupy, d, h: h.__iadd__(d),
    lambda cupy, d, h: cupy.exp(h), lambda cupy, d, h: np.exp(d), lambda cupy, d, h: np.asarray(d),
    lambda cupy, d, h: np.stack([d, d]), lambda cupy, d, h: cupy.where(d > 0, d, h),
    lambda cupy, d, h: d[h.astype(int)], lambda cupy, d, h: h[d.astype(int)],
    lambda cupy, d, h: d[:, h.astype(int)], lambda cupy, d, h: d.__setitem__(0, h),
    lambda cupy, d, h: h.__setitem__(slice(None), d), lambda cupy, d, h: d.clip(h, 1),
    lambda cupy, d, h: np.random.default_rng(0).permutation(d),
])
def test_the_stand_in_refuses_a_mix_up(standin, mix_up):
    h = np.ones((2, 2))
    with pytest.raises((TypeError, IndexError)):
        mix_up(standin, standin.asarray(h), h)


def test_the_stand_in_computes_and_keeps_its_results_on_the_device(standin):
    a = standin.asarray(np.arange(6.0).reshape(2, 3))
    for b in (a + 1, np.float64(2) * a, a @ a.T, a.sum(), a.mean(dtype="float32"), a[0, 1], a[1:],
              a.argmax(1), standin.zeros_like(a), standin.broadcast_to(a[0], (4, 3)), abs(-a),
              a[standin.asarray(np.array([0, 0]))], a.T.reshape(3, 2)):
        assert type(b) is standin.ndarray
    a += a
    a[0] = 7
    assert a.get().tolist() == [[7, 7, 7], [6, 8, 10]]
    assert (a.shape, a.dtype, len(a), float(a[1, 2])) == ((2, 3), np.float64, 2, 10.0)


@on_numpy
def test_what_computes_has_a_name(standin, monkeypatch):
    assert backend.name_device() == "CPU" and timing.name_page("benchmark") == "benchmark"
    monkeypatch.setattr(backend, "xp", standin)
    assert timing.name_page("benchmark", "alexnet") == "benchmark-alexnet-Stand-in-1"
    numbers = {"device": backend.name_device(), "GFLOP/s": 5.0}
    assert timing.describe_machine(numbers).startswith("a GPU (Stand-in 1) that reaches 5 GFLOP/s")


SMALL = """
from experiments.shared.processes import run_in_processes
from nets import backend

def device():
    return backend.xp.__name__

if __name__ == "__main__":
    print([name for small in (True, False)
           for _, name in run_in_processes(device, [()], 1, 1, "", True, small)])
"""


@on_numpy
@pytest.mark.parametrize("device, found", [
    ("auto", ["numpy", "cupy"]), ("gpu", ["cupy", "cupy"]), ("cpu", ["numpy", "numpy"])])
def test_auto_leaves_small_steps_to_the_cpu(device, found, tmp_path):
    (tmp_path / "small.py").write_text(SMALL)
    path = os.pathsep.join([str(ROOT / "tests" / "standin"), str(ROOT)])
    done = subprocess.run([sys.executable, tmp_path / "small.py"], capture_output=True, text=True,
                          env=os.environ | {"INTRIGUING_DEVICE": device, "PYTHONPATH": path})
    assert done.stdout.strip() == str(found), done.stderr


@on_numpy
@pytest.mark.parametrize("part", CORE)
def test_the_core_runs_on_a_device_that_refuses_arrays_of_the_host(part):
    path = os.pathsep.join([str(ROOT / "tests" / "standin"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider",
         *[next((ROOT / "tests").rglob(f"test_{name}.py")) for name in CORE[part]]], cwd=ROOT,
         capture_output=True, text=True,
        env=os.environ | {"INTRIGUING_DEVICE": "gpu", "PYTHONPATH": path})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
