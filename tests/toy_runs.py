"""A run to interrupt, and the processes of runs."""
import os
import time
from pathlib import Path

import numpy as np


def linger(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)


def alive(pid):
    """Whether the process runs on; where there is no /proc to ask, it is taken to have ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def worker_of(parent, folder):
    """The process number of the worker that runs `linger`, once it does."""
    deadline = time.monotonic() + 30
    while not (pids := list(folder.iterdir())):
        assert time.monotonic() < deadline and parent.poll() is None
        time.sleep(0.05)
    return pids[0].name


def ended(pid):
    """Wait for a process to end."""
    deadline = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


RUN = """
import os
import sys
from pathlib import Path

import numpy as np

from experiments.shared import cache, cli, page
from nets import store
from nets.models.fc import fc


def main(out="", quiet=True):
    (flags, started), folder = cli.start(locals()), Path(out)
    cache.CACHE = folder / "cache"
    rng = np.random.default_rng(0)
    nets = {f"FC10, {i}": fc((64, 10), rng).astype("float64") for i in range(2)}
    x = rng.random((2000, 1, 8, 8), np.float32)
    t = nets["FC10, 0"].predict(x)
    found = cache.load_or_search(nets, x, t, (t + 1) % 10, "toys", "auto", 2, True)
    store.save_arrays(folder / "found.npz", **found)
    numbers = {name: page.mean(images) for name, images in found.items()}
    page.save("faults", main, flags, "toys", started, str(numbers), numbers)


"""


def stamps(folder):
    """{file: when it was written} of the arrays below a folder."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}


def parts(folder):
    """What was left half-written."""
    return list(folder.rglob("*.part"))


def images(folder):
    return {name: a.tobytes() for name, a in np.load(folder / "found.npz").items()}
