"""Hostile inputs for the doors of the project: what each lets in is right, or refused in one line.

    python -m tests.faults.fuzz --count 5000
    python -m tests.faults.fuzz --door pictures --seed 7 --count 1

A seed makes an input.  It is clean if the door returns what it promises, or raises an error that it
promises, in one line that names the file or the function; within SECONDS and MEMORY; with no line
on stderr but ours, and no file outside its own folder.  The first that is not is printed; then the
exit status is 1.
"""
import argparse
import contextlib
import gzip
import hashlib
import importlib.util
import inspect
import io
import json
import os
import re
import resource
import signal
import sys
import tarfile
import tempfile
import traceback
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

import intriguing
from data import cifar10, files, folder, mnist, pictures, stl10, strokes
from experiments import adversarial_training
from experiments.report import __main__ as report
from experiments.report import headlines
from experiments.shared import cache, checkpoint, cli, quocnet_training, weights
from nets import losses, store
from nets.backend import to_device, to_host
from nets.layers import basic, conv, local
from nets.models import alexnet, fc, quocnet
from nets.net import Net
from tests import toy_archives
from tests.toys import images

SECONDS, MEMORY = 60, 2 ** 30       # for an input: real time; bytes more than the process has
RESULTS = Path(__file__).parents[2] / "experiments" / "results"


class Door(NamedTuple):
    make: object                    # make(rng, here, patch) writes files; the arguments of `call`
    call: object                    # call(*arguments) goes through the door
    check: object                   # check(value, *arguments): AssertionError if it is not right
    name: object = lambda path, *_: re.escape(Path(path).name)      # a pattern: what errors name
    errors: tuple = (ValueError, OSError, RuntimeError)


def pick(rng, choices):
    choices = list(choices)
    return choices[rng.integers(len(choices))]


# ---- Bytes and files -------------------------------------------------------------------------

HEADS = (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x89PNG\r\n\x1a\n", b"GIF89a",
         b"\xff\xd8\xff\xe0", b"II*\0\x08\0\0\0", b"RIFF\xff\xff\xff\x7fWEBPVP8 ", b"BM\xff",
         b"\x80\x04.", b"PK\x03\x04", b"\x1f\x8b\x08\0", b"P5 60000 60000 255\n", b"\xff" * 4,
         b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0")


def spoil(rng, raw):
    """The bytes: damaged in one of many ways, or whole."""
    at, to = np.sort(rng.integers(0, len(raw) + 1, 2))
    more, head, start = rng.bytes(20), pick(rng, HEADS), int(rng.integers(0, 64))
    flipped = bytearray(raw)
    for i in rng.integers(0, len(raw), rng.integers(1, 5)) if raw else ():
        flipped[i] ^= 1 << rng.integers(8)
    return pick(rng, [raw, raw, bytes(flipped), bytes(flipped), raw[:at], raw[at:], b"", more,
                      raw[:at] + raw[to:], raw[:to] + raw[at:], raw[:at] + more + raw[at:],
                      raw[:at] + bytes(to - at) + raw[to:], raw + more, head + raw,
                      raw[:start] + head + raw[start + len(head):]])


def put(rng, path, raw):
    """Write the bytes, spoilt; or put what is no file, or nothing, in their place."""
    kind = pick(rng, ["file"] * 12 + ["folder", "pipe", "device", "loop", "nothing"])
    if kind == "file":
        path.write_bytes(spoil(rng, raw))
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "nothing":
        path.symlink_to("/dev/zero" if kind == "device" else path)
    return path


# ---- Pictures --------------------------------------------------------------------------------


def draw_picture(rng, kind=None):
    """The bytes of a small picture; kind: its format, a random one by default."""
    pixels, file = rng.integers(0, 256, (*rng.integers(1, 30, 2), 3), np.uint8), io.BytesIO()
    mode, image = pick(rng, ["L", "RGB", "RGBA", "P", "1", "I;16", "LA", "CMYK", "F"]), None
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0] * np.uint16(pick(rng, [1, 16, 257])))
    with contextlib.suppress(OSError, ValueError):      # not each format has each mode
        image = image or Image.fromarray(pixels).convert("RGB" if kind else mode)
        image.save(file, kind or pick(rng, pictures.FORMATS))
    return file.getvalue()


def declare_huge(rng):
    """A picture that says it is huge."""
    w, h = (int(pick(rng, [2 ** 31 - 1, 65535, 40_000, 20])) for _ in "wh")
    chunks = [b"IHDR" + w.to_bytes(4, "big") + h.to_bytes(4, "big") + b"\x08\x02\0\0\0",
              b"IDAT" + zlib.compress(bytes(1000)), b"IEND"]
    return pick(rng, [b"P6 %d %d 255\n" % (w, h) + bytes(99), HEADS[1] + b"".join(
        (len(c) - 4).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks)])


def make_picture(rng, here, patch):
    path, raw, whole = here / ("x" + pick(rng, pictures.SUFFIXES)), draw_picture(rng), None
    if raw.startswith(HEADS[1]):
        path.write_bytes(raw)
        whole = pictures.open_picture(path).tobytes()
        path.unlink()
    elif rng.random() < 0.15:
        raw = declare_huge(rng)
    return put(rng, path, raw), whole


def open_square(path, whole):
    image = pictures.open_picture(path)
    return image, pictures.cut_square(image, 8, 8)


def check_square(value, path, whole):
    """No damage of a PNG goes unseen."""
    image, x = value
    assert image.mode == "RGB" and whole in (None, image.tobytes())
    check_pixels(x[None], 1)


def check_pixels(x, n):
    assert x.shape == (n, 3, 8, 8) and x.dtype == np.float32
    assert n == 0 or 0 <= x.min() <= x.max() <= 1       # NaN fails too


ODD = ("a", "b", "A|b", "x\ny", os.fsdecode(b"\xff\xfe"), "é\u202e", " ", "n" * 240, "train", "val",
       "Valid", "__MACOSX", ".hidden", "n01440764", "*", "-rf", "%s{}")


def make_folder(rng, here, patch):
    root = here / "photographs"
    root.mkdir()
    for _ in range(rng.integers(0, 9)):
        below = root.joinpath(*(pick(rng, ODD) for _ in range(rng.integers(0, 3))))
        path = below / (pick(rng, ODD) + pick(rng, [*pictures.SUFFIXES, ".txt", ".PNG", ""]))
        with contextlib.suppress(OSError):              # the name is taken, or too long
            below.mkdir(parents=True, exist_ok=True)
            if rng.random() < 0.4:
                put(rng, path, draw_picture(rng))
            else:
                path.write_bytes(draw_picture(rng, "PNG"))
    if rng.random() < 0.2:
        (root / "loop").symlink_to(root)
    return root, rng.random() < 0.5, rng.random() < 0.5


def read_folder(root, strict, parts):
    sets = (folder.load_parts if parts else lambda *args: [folder.load(*args)])(
        root, 8, None, strict, True)
    return [(photographs, *photographs.images()) for photographs in sets]


def check_folder(value, root, strict, parts):
    for photographs, x, rows in value:
        check_pixels(x, len(rows))
        K, N, t = len(photographs.classes), len(photographs), photographs.t
        assert len(rows) == N or not strict
        assert all(photographs.name_of(row).isprintable() for row in range(N))
        assert ((t >= -(K == 0)) & (t < max(K, K == 0))).all()


# ---- Data sets -------------------------------------------------------------------------------


def fill(rng, here, patch, place, contents):
    """Write {name: bytes} below data/raw, one of them spoilt; no server answers.  Its name."""
    def fetch(*args):
        raise files.DownloadFailed("no server")
    patch.setattr(files, "RAW", here)
    patch.setattr(files, "fetch", fetch)
    patch.delenv("INTRIGUING_DATA", raising=False)
    (here / place).mkdir()
    spoilt = pick(rng, contents)
    for name, raw in contents.items():
        put(rng, here / place / name, raw) if name == spoilt else (
            here / place / name).write_bytes(raw)
    return spoilt


def make_mnist(rng, here, patch):
    raw = {}
    for name, (shape, _) in mnist.FILES.items():
        shape = len(name) % 3 + 2, *shape[1:]
        raw[name] = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
        raw[name] += rng.integers(0, 10, shape, np.uint8).tobytes()
        patch.setitem(mnist.FILES, name, (shape, hashlib.sha256(raw[name]).hexdigest()))
    contents = {pick(rng, [name, name.replace("-idx", ".idx")]): a for name, a in raw.items()}
    if rng.random() < 0.5:
        contents = {f"{name}.gz": gzip.compress(spoil(rng, a) if rng.random() < 0.1 else a)
                    for name, a in contents.items()}
    fill(rng, here, patch, "mnist", contents)
    return "ubyte", raw


def check_mnist(value, name, raw):
    (x, t), (x_test, t_test) = value
    for a, contents in zip((x * 255, t, x_test * 255, t_test), raw.values(), strict=True):
        assert (np.frombuffer(contents[-a.size:], np.uint8) == np.round(a).ravel()).all()


def make_set(rng, here, patch, module, contents):
    """The files of a data set, or their archive, whose size and digest may be right."""
    place, archive = module.ARCHIVE.folder, module.ARCHIVE.name
    if rng.random() < 0.4:
        fill(rng, here, patch, place, contents)
        return place, contents
    members = {f"{module.UNPACKED}/{name}": raw for name, raw in contents.items()}
    name = pick(rng, members)
    raw, link = members.pop(name), tarfile.TarInfo(name)
    link.type = pick(rng, [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
    link.linkname = pick(rng, ["/etc/passwd", "../x", name])
    members |= pick(rng, [{name: raw}, {name: link}, {}, {name: spoil(rng, raw)}, {
        f"../../{name}": raw}, {f"/{name}": raw}, {name: raw, "x/../../y": b"x"}])
    raw = spoil(rng, toy_archives.tar(members)) if rng.random() < 0.5 else (
        toy_archives.tar(members))
    if rng.random() < 0.8:
        toy_archives.known(patch, module, raw, "http://127.0.0.1:1")
    fill(rng, here, patch, place, {archive: raw})
    return place, contents


def make_cifar(rng, here, patch):
    patch.setattr(cifar10, "IMAGES", 3)
    return make_set(rng, here, patch, cifar10, toy_archives.BATCHES)


def make_stl(rng, here, patch):
    contents = {}
    for name, (shape, _) in stl10.FILES.items():
        contents[name] = rng.integers(1, 10, shape := (1, *shape[1:]), np.uint8).tobytes()
        patch.setitem(stl10.FILES, name, (shape, hashlib.md5(contents[name]).hexdigest()))
    return make_set(rng, here, patch, stl10, contents)


def check_sets(value, *counts):
    for photographs, n in zip(value, counts, strict=True):
        check_pixels(photographs.images()[0], n)
        assert len(photographs.t) == n and -1 <= photographs.t.min() <= photographs.t.max() <= 9


# ---- Arrays in .npz files --------------------------------------------------------------------

ODD_ARRAYS = (np.array("text"), np.array([None, 1], object), np.zeros((0, 3)), np.array(1j),
              np.array(7), np.full((2, 2), np.nan), np.array("2026", "datetime64"), np.arange(5),
              np.array([(1, 2.0)], "i4,f8"), np.array(["a", "b"]), np.array(b"x"))
LIES = (b"(9999999999, 9)", b"(-1,)", b"(2,)", b"()", b"(True,)", b"(1L,)", b"(1" + b"0" * 30,
        b"__import__('os')", b"(" * 60)     # shapes in a header


def distort(rng, a):
    """Another array in the place of a, most often nearly the same."""
    a, new = np.array(a), np.array(a)
    kinds = ["f2", "f4", "f8", "i4", "i8", "u1", "c8", "U3", "?", a.dtype.newbyteorder(">")]
    changes = [lambda: pick(rng, ODD_ARRAYS), lambda: a[None], lambda: a.ravel()[:-1],
               lambda: a.T.copy(), lambda: np.asfortranarray(a), lambda: a.astype(pick(rng, kinds))]
    if a.size and a.dtype.kind in "fiu":
        values = [-1, 7, 99] + [1e39, np.nan, np.inf, -np.inf] * (a.dtype.kind == "f")
        new.flat[rng.integers(a.size)] = np.array(pick(rng, values)).astype(a.dtype)
        changes += [lambda: new] * 5
    with contextlib.suppress(ValueError, TypeError):
        return pick(rng, changes)()
    return a


def write_npz(rng, path, arrays, is_sealed=True):
    """Write arrays, with slips, damage, or neither; sealed as such files are."""
    arrays = dict(arrays)
    if rng.random() < 0.5:
        arrays[name] = distort(rng, arrays[name := pick(rng, arrays)])
    if is_sealed:
        with contextlib.suppress(ValueError, BufferError):     # objects have no seal
            name = pick(rng, [path, path, path, "another.npz"])
            arrays["seal"] = np.array(store.compute_seal(name, arrays))
    is_own, members = not is_sealed or name == path, []
    for name, a in arrays.items():
        np.lib.format.write_array(file := io.BytesIO(), np.asarray(a), allow_pickle=True)
        raw = file.getvalue()
        if rng.random() < 0.1:
            head = re.sub(rb"\([^()]*\)", lambda _: pick(rng, LIES), raw[:128], count=1)
            raw = head[:128].ljust(128) + raw[128:]
        members.append((f"{name}.npy", raw))
    i, kind = rng.integers(len(members)), pick(rng, ["no"] * 6 + ["drop", "twice", "name", "bytes"])
    name, raw = members[i]
    if kind != "no":
        members[i:i + 1] = {"drop": [], "twice": 2 * [members[i]], "bytes": [(
            name, spoil(rng, raw))], "name": [(pick(rng, ["x.npy", name[:-4], "../x.npy"]), raw)]
            }[kind]
    method = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
    with zipfile.ZipFile(file := io.BytesIO(), "w", method) as archive:
        for name, raw in members:
            archive.writestr(name, raw)
    path.write_bytes(file.getvalue()) if rng.random() < 0.6 else put(rng, path, file.getvalue())
    return path, is_own


def npz_door(draw, call, check, is_sealed=True):
    """The door of files with the arrays draw(rng, patch, path)."""
    def make(rng, here, patch):
        path = here / "net.npz"
        arrays = draw(rng, patch, path)
        if not arrays:                      # it wrote the file
            with np.load(path) as whole:
                arrays = dict(whole)
            path.unlink()
        return write_npz(rng, path, arrays, is_sealed)
    return Door(make, call, check)


def draw_arrays(*shapes):
    return lambda rng, *_: {f"p{i}": rng.random(shape) for i, shape in enumerate(shapes)}


def check_arrays(*shapes, low=-store.LARGEST, high=store.LARGEST):
    """A check of arrays of these shapes: sealed with their own name, finite, in their range."""
    def check(value, path, is_own):
        assert is_own
        for a, shape in zip(value, shapes, strict=True):
            assert is_number(a, shape, low, high) and to_host(a).dtype.kind == "f"
    return check


def is_number(a, shape, low=-np.inf, high=np.inf, nan=False):
    """Whether a is numbers of this shape, within bounds."""
    a = np.asarray(to_host(a), float)
    return a.shape == shape and ((low <= a) & (a <= high) | (nan & np.isnan(a))).all()


def save_quocnet(rng, patch, path):
    patch.setitem(quocnet.SIZES, "S", quocnet.Size(12, 3, 2, 3, 2, 2))
    net = quocnet_training.build("S", 0)
    quocnet_training.save(path, net, quocnet.make_decoders(net), "S", 0.3, "nothing")


def save_alexnet(rng, patch, path):
    net = alexnet.bvlc(np.random.default_rng(0), 2 / 4096, 67, 3).astype("float32")
    weights.save_npz(path, "bvlc", net, 67, 70, ["a", "b", "c"])


def check_net(value, *_):
    """A net with finite weights that takes images of the size that it names."""
    size = value.size if isinstance(value.size, int) else quocnet.SIZES[value.size].pixels
    x = np.zeros((1, getattr(value, "channels", 3), size, size))
    assert all(np.isfinite(to_host(a)).all()
               for a in (*value.net.params, value.net.forward(to_device(x))[0]))


def load_net(path, is_own):
    store.load(path, net := fc.fc((6, 4, 3), np.random.default_rng(0)), store.load_sealed)
    return net.params


def draw_checkpoint(rng, *_):
    return {"curve": rng.random((rng.integers(1, 7), 3)), "a0": np.ones((2, 3)), "a1": np.ones(3)}


def resume(path, is_own):
    rows = checkpoint.resume(path, state := [to_device(np.zeros((2, 3))), to_device(np.zeros(3))],
                             5)
    assert len(rows) <= 5 and np.isfinite(np.array(rows)).all()
    return state


def make_strokes(rng, here, patch):
    for name, value in {"TRAIN": 3, "TEST": 2, "CACHE": here}.items():
        patch.setattr(strokes, name, value)
    whole = strokes.load(quiet=True)
    [path] = here.glob("*.npz")
    with np.load(path) as saved:
        arrays = {name: saved[name] for name in saved if name != "seal"}
    path.unlink()
    return write_npz(rng, path, arrays)[0], whole, arrays


def check_strokes(value, path, whole, arrays):
    """Damage is drawn anew: x and t in their range."""
    for (x, t), (y, _) in zip(value, whole, strict=True):
        assert is_number(x, y.shape, 0, 1) and is_number(t, (len(y),), 0, 9)


# ---- ONNX, records, flags --------------------------------------------------------------------


def make_onnx(rng, here, patch):
    """A convolution and a matrix; a node may be another, a number or an array wrong."""
    raw = rng.bytes(200)
    with contextlib.suppress(Exception):    # no onnx package, or a type that ONNX does not have
        import onnx
        make, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
        arrays = {"W": rng.normal(size=(2, 3, 3, 3)), "V": rng.normal(size=(18, 4))}
        arrays = {name: distort(rng, a.astype("f4")) if rng.random() < 0.2 else a.astype("f4")
                  for name, a in arrays.items()}
        stride = int(pick(rng, [1, 1, 1, 0, -1, 2, 10 ** 9]))
        nodes = [make.make_node("Conv", ["x", "W"], ["y"], strides=[stride, 1]),
                 make.make_node(pick(rng, ["Relu", "Relu", "Erf", "Sigmoid"]), ["y"], ["z"]),
                 make.make_node("Flatten", ["z"], ["f"]),
                 make.make_node(pick(rng, ["MatMul", "MatMul", "Add"]), ["f", "V"], ["logits"])]
        raw = make.make_model(make.make_graph(
            nodes, "toy", [make.make_tensor_value_info("x", FLOAT, ["N", 3, 5, 5])],
            [make.make_tensor_value_info("logits", FLOAT, None)],
            [onnx.numpy_helper.from_array(a, name) for name, a in arrays.items()]),
            opset_imports=[make.make_opsetid("", 13)], ir_version=8).SerializeToString()
    return (put(rng, here / "net.onnx", raw),)


JUNK = (None, True, -1, 1e999, float("nan"), 10 ** 400, "", "\ud800", "a\nb|c", [], {}, [[]] * 3)


def make_record(rng, here, patch):
    """One of the records is spoilt, somewhere in its tree."""
    for stem in report.RECORDS:
        (here / f"{stem}.json").symlink_to(RESULTS / f"{stem}.json")
    path = here / f"{pick(rng, report.RECORDS)}.json"
    record = place = json.loads(path.read_text())
    while place:
        key = pick(rng, place if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or rng.random() < 0.2:
            place[key] = pick(rng, JUNK)
            break
        place = place[key]
    path.unlink()
    raw = json.dumps(record).encode() if rng.random() < 0.95 else b"[" * 100_000
    path.write_bytes(raw) if rng.random() < 0.7 else put(rng, path, raw)
    (here / "top.md").write_text(f"{headlines.BEGIN}\n{headlines.END}")
    return path, here


WORDS = ("", "0", "-1", "1", "1e99", "nan", "inf", "9" * 400, "9" * 5000, "a\nb", "é", "--", "auto",
         "١٢", "0x10", "1_000", " 7 ", "\udcff", "-", "random", "../../x", "%s%n", "scipy")
SCRIPTS = ("attack", "table1", "figure5", "stability", "train_alexnet", "train_quocnet", "cars",
           "adversarial_training", "figure1_2", "table5", "lipschitz_training", "gradients")


def make_flags(rng, here, patch):
    module = importlib.import_module(f"experiments.{pick(rng, SCRIPTS)}")
    argv = [module.__name__]
    for _ in range(rng.integers(1, 5)):
        flag = "--" + pick(rng, [*inspect.signature(module.main).parameters, "x"])
        argv += pick(rng, [[flag, pick(rng, WORDS)]] * 3 + [[f"{flag}={pick(rng, WORDS)}"], [flag]])
    patch.setattr(sys, "argv", argv)
    return module, argv


def parse_flags(module, argv):
    """The flags; what argparse refuses, the last line on stderr, as a ValueError."""
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        try:
            return cli.parse(module.__name__, module.main, module)
        except SystemExit:
            raise ValueError(printed.getvalue().splitlines()[-1]) from None


def check_flags(value, *_):
    for flag in value.keys() & cli.LIMITS.keys():
        assert cli.LIMITS[flag][0] <= value[flag] <= cli.LIMITS[flag][1]
    assert all(value[flag] in cli.CHOICES[flag] for flag in value.keys() & cli.CHOICES.keys())


# ---- Functions -------------------------------------------------------------------------------

X, T = images(5, 4)                         # (4, 1, 4, 5), (4,)
RNG, NET = np.random.default_rng(0), fc.fc((20, 6, 5), np.random.default_rng(0))
Z, PHI = np.random.default_rng(1).normal(size=(4, 5)), np.random.default_rng(2).random((4, 20))
SLIPS = (None, "x", "", True, -1, 0, 2, 7, 2.5, 10 ** 30, np.nan, np.inf, 1j, b"1", [], {}, (0, 1),
         [[1, 2], [3]], NET, Net, print, X, T, X[:2], np.zeros(0), np.array(3), np.array(None),
         np.array("x"), np.float32(0.5), np.int8(-3), {"a": 1}, range(3), Path("x"))
CALLS = {                                   # function: arguments, and whether a value is right
    intriguing.D: ((NET, X, T), lambda v, net, x, t: is_number(v, np.shape(x), 0, 1, True)),
    intriguing.objective: ((NET, X, T, np.ones(4), 0 * X), lambda v, net, x, *_: (
        is_number(v[0], np.shape(x)[:1], nan=True) and np.shape(v[1]) == np.shape(x))),
    intriguing.distortion: ((X, X), lambda v, x, _: is_number(v, np.shape(x)[:1], 0, nan=True)),
    intriguing.amplify: ((X, 1 - X, 0.1), lambda v, x, *_: is_number(v, np.shape(x), nan=True)),
    intriguing.transfer: (([NET], [X], T), lambda v, nets, x, t: is_number(
        v, (len(x), len(list(nets))), 0, 1, True)),
    intriguing.top_images: ((PHI, PHI[0], 2, 0), lambda v, a, d, n, s: (
        len(set(v)) == n and is_number(v, (n,), 0, len(a) - 1))),
    intriguing.phi: ((NET, X, 1), lambda v, net, x, k: len(v) == len(x)),
    intriguing.natural_direction: ((5, 1), lambda v, H, i: is_number(v, (H,), 0, 1)),
    intriguing.random_direction: ((5, 1, "gaussian"), lambda v, H, *_: is_number(v, (H,), -1, 1)),
    losses.margin: ((Z, T), lambda v, z, t: len(v[0]) == len(v[1]) == len(z)),
    losses.softmax_cross_entropy: ((Z, T), lambda v, z, t: is_number(v[0], np.shape(t), 0, nan=1)),
    losses.sigmoid_cross_entropy: ((Z, Z), lambda v, z, x: np.shape(v[1]) == np.shape(z)),
    losses.sparsity: ((PHI, 0.1), lambda v, h, _: np.shape(v[1]) == np.shape(h)),
    NET.predict: ((X,), lambda v, x: is_number(v, np.shape(x)[:1], 0, 4)),
    Net: ((NET.layers,), lambda v, layers: v.params is not None),
    basic.Dense: ((3, 4, RNG), lambda v, D, H, _: v.params[0].shape == (D, H)),
    basic.Dropout: ((0.5, True), lambda v, *_: 0 <= v.p < 1),
    basic.Preprocess: ((1, 1, (0, 0, 0), (1, 1, 1)), lambda v, *_: is_number(v.std, (3,), 0)),
    conv.Conv: ((2, 4, 3, RNG, 1, 0, 2), lambda v, *_: np.isfinite(to_host(v.params[0])).all()),
    conv.MaxPool: ((2, 2), lambda v, *_: v.stride is not None),
    conv.ChannelNorm: ((5, 1, 1e-4, 0.75), lambda v, *_: v.k > 0),
    local.L2Pool: ((2, 1e-6), lambda v, *_: v.epsilon >= 0),
    local.ContrastNorm: ((3, 0.01), lambda v, *_: v.size % 2 == 1),
    fc.fc: (((20, 5), RNG), lambda v, sizes, _: len(v.params) == 2 * len(sizes) - 2),
}


def make_call(rng, here, patch):
    """A function and its arguments, of which up to two are slips."""
    function = pick(rng, CALLS)
    arguments = list(CALLS[function][0])
    for i in rng.integers(0, len(arguments), rng.integers(0, 3)):
        a = arguments[i]
        if isinstance(a, np.ndarray) and a.size and a.ndim and rng.random() < 0.7:
            arguments[i] = pick(rng, [distort(rng, a), a[..., None], a[0], a[:, None], a.tolist(),
                                      a.swapaxes(0, -1), a.astype(object), a[:0], a != 0])
        else:
            arguments[i] = pick(rng, SLIPS)
    return function, *arguments


def check_call(value, function, *arguments):
    assert CALLS[function][1](value, *arguments)


# ---- The doors, and the judgement ------------------------------------------------------------

DOORS = {
    "pictures": Door(make_picture, open_square, check_square, lambda *_: ""),   # callers name them
    "folders": Door(make_folder, read_folder, check_folder),
    "mnist": Door(make_mnist, lambda *_: mnist.load(True), check_mnist),
    "cifar10": Door(make_cifar, lambda *_: cifar10.load(8, quiet=True),
                    lambda value, *_: check_sets(value, 15, 3)),
    "stl10": Door(make_stl, lambda *_: [*stl10.load(8, quiet=True),
                                        stl10.load_unlabelled(8, quiet=True)],
                  lambda value, *_: check_sets(value, 1, 1, 1)),
    "arrays": npz_door(draw_arrays((3, 2), (4,)), lambda path, _: store.load_arrays(
        path, store.expect_shapes([(3, 2), (4,)])).values(), check_arrays((3, 2), (4,)), False),
    "nets": npz_door(draw_arrays((6, 4), (4,), (4, 3), (3,)), load_net,
                     check_arrays((6, 4), (4,), (4, 3), (3,))),
    "checkpoints": npz_door(draw_checkpoint, resume, check_arrays((2, 3), (3,))),
    "curves": npz_door(lambda rng, *_: {"curve": rng.random(4)}, lambda path, _: [
        adversarial_training.load_curve(path, 4)], check_arrays((4,), low=0, high=100)),
    "shards": npz_door(lambda rng, *_: {"images": rng.random((3, 1, 4, 4), np.float32)},
                       lambda path, _: [cache.load_shard(path, (3, 1, 4, 4))],
                       check_arrays((3, 1, 4, 4), low=0, high=1)),
    "strokes": Door(make_strokes, lambda *_: strokes.load(quiet=True), check_strokes, errors=()),
    "quocnet": npz_door(save_quocnet, lambda path, _: quocnet_training.load(path), check_net,
                        is_sealed=False),
    "alexnet": npz_door(save_alexnet, lambda path, _: weights.read_weights(str(path)), check_net,
                        is_sealed=False),
    "onnx": Door(make_onnx, lambda path: weights.read_weights(str(path)), check_net),
    "records": Door(make_record, lambda path, here: report.main(str(here), str(here / "top.md")),
                    lambda *_: None),
    "flags": Door(make_flags, parse_flags, check_flags, lambda *_: ""),
    "functions": Door(
        make_call, lambda function, *arguments: function(*arguments), check_call,
        lambda function, *_: f"^({function.__name__}|this net|phi_|D)", (ValueError,)),
}
if importlib.util.find_spec("onnx") is None:    # then every file is refused, for that reason
    del DOORS["onnx"]


class Unclean(BaseException):
    """Not an Exception, so that no door takes it for a broken file."""


@contextlib.contextmanager
def limit(printed):
    """Limit time and memory, hide stdout, append to `printed` the lines on stderr, C's too."""
    def ring(*_):
        raise Unclean(f"longer than {SECONDS} s")
    alarm, memory = signal.signal(signal.SIGALRM, ring), resource.getrlimit(resource.RLIMIT_AS)
    pages, stderr = int(Path("/proc/self/statm").read_text().split()[0]), os.dup(2)
    with tempfile.TemporaryFile("w+") as file, contextlib.redirect_stdout(io.StringIO()), \
            contextlib.redirect_stderr(file):
        os.dup2(file.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, memory[1]))
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)
            resource.setrlimit(resource.RLIMIT_AS, memory)
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            printed += file.read().splitlines()


def check_error(error, name):
    """Whether an error is one line that names the file or the function, and hides no other."""
    line, cause = cli.format_error(error), error
    assert line and len(str(error).splitlines()) == 1 and re.search(name, line), line
    while cause := cause.__cause__ or cause.__context__:
        assert not isinstance(cause, MemoryError), f"out of memory: {line}"


def judge(door, seed):
    """What is unclean about a door's input of this seed, as text; "" if nothing is."""
    door, printed = DOORS[door], []
    with (tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch,
          warnings.catch_warnings(record=True) as warned):
        here, elsewhere = Path(root, "here"), Path(root, "elsewhere")
        here.mkdir(), elsewhere.mkdir()
        patch.chdir(elsewhere)
        arguments = door.make(np.random.default_rng(seed), here, patch)
        warned.clear()
        warnings.simplefilter("always")
        try:
            with limit(printed):
                try:
                    value = door.call(*arguments)
                except door.errors as error:
                    check_error(error, door.name(*arguments))
                else:
                    door.check(value, *arguments)
            printed += [str(w.message) for w in warned if not str(w.message).startswith("D: ")]
            assert all(str(here) in line for line in printed), f"not our lines: {printed}"
            others = {*Path(root).iterdir(), *elsewhere.iterdir()} - {here, elsewhere}
            assert not others, f"files outside its folder: {others}"
            assert not list(here.rglob("*.part")), "an unfinished file"
        except (Exception, Unclean, SystemExit):
            return f"{traceback.format_exc()}\nof {str(arguments)[:500]}"
    return ""


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="how many inputs [500]")
    parser.add_argument("--seed", type=int, default=0, help="of the first input [0]")
    parser.add_argument("--door", choices=DOORS, help="only this one; else all in turn")
    flags = parser.parse_args(words)
    for seed in range(flags.seed, flags.seed + flags.count):
        door = flags.door or list(DOORS)[seed % len(DOORS)]
        if unclean := judge(door, seed):
            print(f"{unclean}\nUnclean; again by python -m tests.faults.fuzz --door {door} --seed "
                  f"{seed} --count 1")
            return 1
    print(f"{flags.count:,} inputs, all clean")
    return 0


if __name__ == "__main__":
    sys.exit(main())
