"""Runs that are killed, that lose a worker or their disk, and two at once: what was found stays,
the same command goes on, and the result is the uninterrupted run's, bit for bit."""
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from toy_runs import RUN, alive, ended, images, parts, stamps
from toys import on_numpy

ROOT = Path(__file__).parents[2]
KILLS = 20
FORKS = """
for folder in sys.stdin:                    # a run for each line, without the time of importing
    if pid := os.fork():
        print(pid, flush=True)
    else:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        sys.argv[1:] = ["--out", folder.strip()]
        cli.run(main)
        break
"""

pytestmark = [on_numpy, pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")]


def begun(folder, **options):
    """The run, begun: its process."""
    return subprocess.Popen([sys.executable, "-c", RUN + "cli.run(main)", "--out", str(folder)],
                            cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            **options)


def done(*runs):
    """Wait for runs, and see them end well."""
    for run in runs:
        _, said = run.communicate(timeout=60)
        assert run.returncode == 0, said


def shards(folder):
    """The files of the shards found so far."""
    return set((folder / "cache" / "toys" / "distorted").glob("*.npz"))


def wait_for(pid, folder, count):
    """Wait until so many shards are there, or the run has ended."""
    deadline = time.monotonic() + 60
    while len(shards(folder)) < count and alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def children(pid):
    """The process numbers of a run's workers, and of what Python starts beside them."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


def workers(pid):
    return [child for child in children(pid)
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """{net: bytes} of a run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    done(begun(folder))
    assert len(shards(folder)) == 2 * 32 and not parts(folder)
    return images(folder)


def test_a_run_killed_at_twenty_random_moments_gives_what_an_uninterrupted_one_gives(
        whole, tmp_path):
    rng, folder, seen = np.random.default_rng(0), tmp_path / "0", set()
    with subprocess.Popen([sys.executable, "-c", RUN + FORKS], cwd=ROOT, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as warm:
        kills = 0
        while kills < KILLS:
            warm.stdin.write(f"{folder}\n")
            warm.stdin.flush()
            pid = int(warm.stdout.readline())
            if kills % 2:
                wait_for(pid, folder, len(shards(folder)) + rng.integers(1, 5))
                time.sleep(rng.uniform(0, 0.03))
            else:
                time.sleep(rng.uniform(0, 1))
            os.kill(pid, signal.SIGSTOP)    # so that it starts no other worker
            family = children(pid)
            if not alive(pid):              # it was faster: again from nothing
                assert images(folder) == whole
                folder = tmp_path / str(kills)
                continue
            os.kill(pid, signal.SIGKILL)
            for process in [pid, *family]:
                ended(process)
            kills += 1
            seen.add((folder, len(shards(folder))))
        warm.stdin.close()
    done(begun(folder))
    assert images(folder) == whole and len(seen) > 5


def test_a_worker_that_is_killed_ends_the_run_in_one_line_and_the_next_run_goes_on(
        whole, tmp_path):
    run = begun(tmp_path)
    wait_for(run.pid, tmp_path, 2)
    family = children(run.pid)
    os.kill(workers(run.pid)[0], signal.SIGKILL)       # as the kernel does when memory runs out
    _, said = run.communicate(timeout=30)
    assert run.returncode == 1 and "Traceback" not in said
    assert "a worker process died" in said and "what was computed is kept" in said
    for pid in family:
        ended(pid)
    before = stamps(tmp_path)
    assert 2 <= len(shards(tmp_path)) < 64
    done(begun(tmp_path))
    assert images(tmp_path) == whole and before.items() <= stamps(tmp_path).items()


def test_a_full_disk_ends_the_run_in_one_line_and_what_was_saved_stays(tmp_path):
    def no_files_above_10_kb():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    run = begun(tmp_path)
    wait_for(run.pid, tmp_path, 2)
    run.kill()
    run.communicate()
    kept = shards(tmp_path)
    run = begun(tmp_path, preexec_fn=no_files_above_10_kb)
    _, said = run.communicate(timeout=30)
    assert run.returncode == 1 and "Traceback" not in said
    assert "not written (File too large); make room or choose another folder" in said
    assert shards(tmp_path) == kept and not parts(tmp_path)
    for path in kept:
        assert np.load(path)["images"].shape[1:] == (1, 8, 8)


def test_two_runs_at_once_in_one_folder_do_not_disturb_each_other(whole, tmp_path):
    done(begun(tmp_path), begun(tmp_path))
    assert images(tmp_path) == whole and len(shards(tmp_path)) == 64 and not parts(tmp_path)
    assert json.loads((tmp_path / "faults.json").read_text())["data"] == "toys"
    assert (tmp_path / "faults.md").read_text().startswith("{'FC10, 0'")
