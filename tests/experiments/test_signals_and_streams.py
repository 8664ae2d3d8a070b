"""Runs that are interrupted, whose streams are closed or full, or that lack memory or room."""
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toys import on_numpy

from experiments.shared import cli

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, sys, tempfile, time
from pathlib import Path
import numpy as np
from PIL import Image
from experiments.shared import cli, page, processes


def hold(folder):
    with tempfile.TemporaryDirectory(dir=folder, prefix="of a worker"):
        time.sleep(60)


def allocate(count):
    return np.ones(count)


def main(what="save", out="", quiet=True):
    flags, started = cli.start(locals())
    if what == "save":
        print("±", flush=True)
        print("a bar", file=sys.stderr, flush=True)
        numbers = [0.5] * (999 if Path(out, "full").exists() else 1)
        page.save("toy", main, flags, "none", started, "text", numbers,
                  {"toy.png": Image.new("L", (2, 2))})
    if what == "hold":
        with tempfile.TemporaryDirectory(dir=out, prefix="of the parent"):
            list(processes.run_in_processes(hold, [(out,)] * 2, 2, 1, "", True))
    if what == "parent":
        allocate(10 ** 15)
    if what == "worker":
        list(processes.run_in_processes(allocate, [(10 ** 15,)], 1, 1, "", True))
    if what == "deleted":
        os.mkdir("below")
        os.chdir("below")
        os.rmdir("../below")
        os.getcwd()


GUARD
    cli.run(main)
"""

pytestmark = on_numpy


@pytest.fixture
def start(tmp_path):
    """start(words, shell, guard): a script of one's own, begun in a shell; its process."""
    def start(words, shell='"$@"', guard='if __name__ == "__main__":', **options):
        (tmp_path / "toy.py").write_text(SCRIPT.replace("GUARD", guard))
        command = sys.executable, "toy.py", "--out", "out", *words.split()
        return subprocess.Popen(["bash", "-c", f"set -o pipefail; {shell}", "bash", *command],
                                cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, **options)
    return start


@pytest.mark.parametrize("shell, status", [
    ('"$@" 2>&-', 0), ('"$@" >&-', 0), ('"$@" >&- 2>&- <&-', 0), ('"$@" | true', 0),
    ('"$@" | head -1', 0), ('"$@" 2>&1 | true', 0), ('"$@" 2>/dev/full', 0), ('"$@" >/dev/full', 1),
    ('PYTHONIOENCODING=ascii "$@"', 0), ('"$@" --help | true', 0)])
def test_results_are_saved_whatever_becomes_of_the_streams(start, tmp_path, shell, status):
    run = start("", shell)
    out, err = run.communicate(timeout=60)
    assert run.returncode == status, err
    assert "help" in shell or {p.name for p in (tmp_path / "out").iterdir()} == {
        "toy.md", "toy.json", "toy.png"}
    assert "Traceback" not in err and "ignored" not in err
    if status:
        assert err.splitlines()[1:] == [
            "experiments.toy: all is saved, but not all was printed: standard output: No space "
            "left on device; make room, or take another place"]
    if "ascii" in shell:
        assert out.startswith("\\xb1\n")


@pytest.mark.parametrize("number", cli.SIGNALS)
@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_a_signal_clears_temporary_files_and_is_one_line(start, tmp_path, number, kill):
    def hear():                 # a shell's & makes deaf to Ctrl-C, and nohup to a hang-up
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    run = start("--what hold", 'exec "$@"', start_new_session=True, preexec_fn=hear)
    while len(list((tmp_path / "out").glob("of*"))) < 3:
        assert run.poll() is None
        time.sleep(0.05)
    kill(run.pid, number)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert err.strip() == ("experiments.toy: interrupted; what was computed is kept, the same "
                           "command goes on")
    assert list((tmp_path / "out").iterdir()) == []


def test_ctrl_c_while_it_imports_leaves_no_line(tmp_path):
    def hear():
        signal.signal(signal.SIGINT, signal.default_int_handler)

    (tmp_path / "numpy.py").write_text("import os, time\nos.mkdir('begun')\ntime.sleep(60)\n")
    run = subprocess.Popen([sys.executable, "-m", "experiments.table1"], cwd=tmp_path, text=True,
                           env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
                           stderr=subprocess.PIPE, preexec_fn=hear)
    while not (tmp_path / "begun").exists():
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    assert run.communicate(timeout=60)[1] == "" and run.returncode == -signal.SIGINT


@pytest.mark.parametrize("words, guard, said", [
    ("--what parent", None, "out of memory (Unable to allocate 7.11 PiB for an array"),
    ("--what worker", None, "out of memory (Unable to allocate 7.11 PiB for an array"),
    ("--what deleted", None, "the working folder: No such file or directory; correct the name"),
    ("--what worker", "if True:", "out of memory"),         # cli.run needs no guard
    ("", "if True:\n    list(processes.run_in_processes(len, ['a', 'b'], 2, 1, '', True))",
     'put what it runs below if __name__ == "__main__":')])
def test_what_ends_a_run_is_one_line(start, words, guard, said):
    run = start(words, **({"guard": guard} if guard else {}))
    out, err = run.communicate(timeout=60)
    assert run.returncode == 1 and len(err.splitlines()) == 1 and said in err, err


def test_a_full_disk_leaves_the_pictures_and_the_page_of_the_run_before(start, tmp_path):
    def no_files_above_5_kb():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    out = tmp_path / "out"
    assert start("").wait(60) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    picture = out / "toy.png"
    picture.write_bytes(b"of the run before")
    before[picture] = b"of the run before"
    (out / "full").touch()                  # a longer record
    run = start("", preexec_fn=no_files_above_5_kb)
    err = run.communicate(timeout=60)[1]
    assert run.returncode == 1 and "out/toy.json: not written (File too large); make room" in err
    (out / "full").unlink()
    assert {path: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("number, said", [
    (28, "No space left on device; make room"), (13, "Permission denied; change its permissions"),
    (40, "Too many levels of symbolic links; a link leads to itself"), (71, "Protocol error; ")])
def test_errors_of_the_system_have_a_place_and_a_mend(number, said):
    line = cli.format_error(OSError(number, os.strerror(number), "a/b\nc"))
    assert line.startswith(f"a/b\\nc: {said}") and not line.endswith("; ")


@pytest.mark.parametrize("script", ["attack", "table1", "cars", "__main__"])
def test_a_script_run_as_a_file_says_the_right_command(script):
    done = subprocess.run([sys.executable, f"experiments/{script}.py"], cwd=ROOT, text=True,
                          capture_output=True)
    command = f"python -m experiments.{script}".removesuffix(".__main__")
    assert done.returncode == 1 and done.stderr.endswith(f"in {ROOT}: {command}\n")
    assert len(done.stderr.splitlines()) == 1


def test_an_older_python_is_refused_in_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 10, 13)\n")
    done = subprocess.run([sys.executable, "-m", "experiments"], cwd=ROOT, text=True,
                          capture_output=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1 and "expected 3.11.4 or newer" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_empty_device_counts_as_unset():
    code = "from nets import backend; print(backend.DEVICE)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True,
                          env=os.environ | {"INTRIGUING_DEVICE": ""})
    assert done.stdout == "auto\n", done.stderr


def test_every_requirement_has_a_lowest_version():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name, _, version = line.partition("#")[0].partition(">=")
        assert name and version.strip(), line       # .ci/run --lowest reads >= as ==
