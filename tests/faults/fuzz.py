"""Hostile inputs for the doors of the project: what each lets in is right, or refused in one line.

    python -m tests.faults.fuzz --count 5000
    python -m tests.faults.fuzz --door pictures --seed 7 --count 1

Each input is made from its seed alone.  An input is clean if the door returns what it promises, or
raises an error that it promises, of one line that names the file or the function; within SECONDS
and MEMORY; with no line on stderr but ours, and no file outside its own folder.  The first that is
not is printed, and the exit status is 1.
"""
import argparse
import contextlib
import gzip
import hashlib
import importlib
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
from nets.backend import to_host
from nets.layers import basic, conv, local
from nets.models import alexnet, fc, quocnet
from nets.net import Net
from tests import toy_archives
from tests.toys import images

SECONDS, MEMORY = 60, 2 ** 30               # for one input: real time, bytes of address space
RESULTS = Path(__file__).parents[2] / "experiments" / "results"
REFUSALS = ValueError, OSError, RuntimeError


class Door(NamedTuple):
    make: object                # make(rng, here, patch) writes files; gives the arguments of `call`
    call: object                # call(*arguments) goes through the door
    check: object               # check(value, *arguments): whether the value is as promised
    name: object = lambda path, *_: re.escape(Path(path).name)  # a pattern: what errors must name
    errors: tuple = REFUSALS


def pick(rng, choices):
    choices = list(choices)
    return choices[rng.integers(len(choices))]


# ---- Bytes and files -------------------------------------------------------------------------

HUGE = b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff\xff", b"\0\0\0\0"
HEADS = (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x89PNG\r\n\x1a\n", b"GIF89a",
         b"\xff\xd8\xff\xe0", b"II*\0\x08\0\0\0", b"RIFF\xff\xff\xff\x7fWEBPVP8 ", b"BM", b"\x80\x04.",
         b"PK\x03\x04", b"\x1f\x8b\x08\0", b"P5 60000 60000 255\n", b"\0\0\x08\x03")


def spoil(rng, raw):
    """The bytes: damaged in one of many ways, or whole."""
    at, to = np.sort(rng.integers(0, len(raw) + 1, 2))
    more = rng.bytes(int(rng.integers(1, 40)))
    flipped = bytearray(raw)
    for i in rng.integers(0, max(1, len(raw)), rng.integers(1, 5)) if raw else ():
        flipped[i] ^= 1 << rng.integers(8)
    start = int(rng.integers(0, min(len(raw), 64) + 1))
    number = pick(rng, HUGE)
    return pick(rng, [raw, raw, bytes(flipped), bytes(flipped), raw[:at], raw[at:], b"", more,
                      raw[:at] + raw[to:], raw[:to] + raw[at:], raw[:at] + more + raw[at:],
                      raw[:at] + bytes(to - at) + raw[to:], raw + more, pick(rng, HEADS) + raw,
                      raw[:start] + number + raw[start + len(number):],
                      pick(rng, HEADS) + raw[start:]])


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


# ---- Pictures and folders of them ------------------------------------------------------------


def draw_picture(rng, kind=None, mode=None):
    """The bytes of a small picture, and its format."""
    kind = kind or pick(rng, pictures.FORMATS)
    mode = mode or pick(rng, ["L", "RGB", "RGBA", "P", "1", "I;16", "LA", "CMYK", "F"])
    pixels = rng.integers(0, 256, (*rng.integers(1, 30, 2), 3), np.uint8)
    image, file = Image.fromarray(pixels), io.BytesIO()
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0] * np.uint16(pick(rng, [1, 16, 257])))
    with contextlib.suppress(OSError, ValueError):      # not each format has each mode
        image = image if mode == "I;16" else image.convert(mode)
        image.save(file, kind)
    return file.getvalue(), kind


def declare(rng):
    """The start of a picture that says it is huge."""
    size = [int(pick(rng, [2 ** 31 - 1, 65535, 40_000, 20])) for _ in range(2)]
    head = b"IHDR" + b"".join(n.to_bytes(4, "big") for n in size) + b"\x08\x02\0\0\0"
    data = zlib.compress(bytes(1000))
    chunks = [head, b"IDAT" + data, b"IEND"]
    little = b"".join(n.to_bytes(4, "little") for n in size)
    return pick(rng, [
        HEADS[1] + b"".join((len(c) - 4).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big")
                            for c in chunks),
        b"P6 %d %d 255\n" % tuple(size) + bytes(99),
        b"BM" + little[:4] + bytes(4) + b"\x36\0\0\0\x28\0\0\0" + little + b"\1\0\x18\0" + bytes(99),
        b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(9) + b",\0\0\0\0\xff\xff\xff\xff\0\2\2L\1\0;"])


def make_picture(rng, here, patch):
    raw, kind = draw_picture(rng)
    path = here / ("x" + pick(rng, pictures.SUFFIXES))
    path.write_bytes(raw)
    try:
        whole = pictures.open_picture(path).tobytes() if kind == "PNG" else None
    except ValueError:          # this mode is not for PNG
        whole = None
    path.unlink()
    if rng.random() < 0.15:
        raw, whole = declare(rng), None
    return put(rng, path, raw), whole


def open_square(path, whole):
    image = pictures.open_picture(path)
    return image, pictures.cut_square(image, 8, 8)


def check_square(value, path, whole):
    """In a PNG no damage goes unseen."""
    image, x = value
    assert image.mode == "RGB" and whole in (None, image.tobytes())
    check_pixels(x[None], 1, 8)


def check_pixels(x, n, size):
    assert x.shape == (n, 3, size, size) and x.dtype == np.float32
    assert n == 0 or 0 <= x.min() <= x.max() <= 1       # NaN fails too


ODD = ("a", "b", "A|b", "x\ny", os.fsdecode(b"\xff\xfe"), "é\u202e", "\t", " ", "n" * 240, "train",
       "val", "Valid", "__MACOSX", ".hidden", "n01440764", "*", "-rf", "\u2028", "%s{}")


def make_folder(rng, here, patch):
    root = here / "photographs"
    root.mkdir()
    for _ in range(rng.integers(0, 9)):
        below = root.joinpath(*(pick(rng, ODD) for _ in range(rng.integers(0, 3))))
        path = below / (pick(rng, ODD) + pick(rng, [*pictures.SUFFIXES, ".txt", ".PNG", ""]))
        with contextlib.suppress(OSError):  # the name is taken, or too long
            below.mkdir(parents=True, exist_ok=True)
            if rng.random() < 0.4:
                put(rng, path, draw_picture(rng)[0])
            else:
                path.write_bytes(draw_picture(rng, "PNG", "RGB")[0])
    if rng.random() < 0.2:
        with contextlib.suppress(OSError):
            pick(rng, [root, *root.iterdir()]).joinpath("loop").symlink_to(root)
    return root, bool(rng.integers(2)), bool(rng.integers(2))


def read_folder(root, strict, parts):
    sets = (folder.load_parts if parts else lambda *args: [folder.load(*args)])(
        root, 8, None, strict, True)
    return [(photographs, *photographs.images()) for photographs in sets]


def check_folder(value, root, strict, parts):
    for photographs, x, rows in value:
        check_pixels(x, len(rows), 8)
        assert not strict or len(rows) == len(photographs)
        K, names = len(photographs.classes), map(photographs.name_of, range(len(photographs)))
        assert all(name.isprintable() for name in names)
        assert ((photographs.t == -1) if K == 0 else (0 <= photographs.t) & (photographs.t < K)
                ).all()


# ---- Data sets -------------------------------------------------------------------------------


def offline(patch, here):
    """Data sets lie in `here`, and no server answers."""
    def fetch(*args):
        raise files.DownloadFailed("no server")
    patch.setattr(files, "RAW", here)
    patch.setattr(files, "fetch", fetch)
    patch.delenv("INTRIGUING_DATA", raising=False)


def make_mnist(rng, here, patch):
    offline(patch, here)
    raw, known = {}, {}
    for name, (shape, _) in mnist.FILES.items():
        shape = len(name) % 3 + 2, *shape[1:]
        raw[name] = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
        raw[name] += rng.integers(0, 10, shape, np.uint8).tobytes()
        known[name] = shape, hashlib.sha256(raw[name]).hexdigest()
    patch.setattr(mnist, "FILES", known)
    (here / "mnist").mkdir()
    spoilt = pick(rng, raw)
    for name, contents in raw.items():
        spelling = pick(rng, [name, name.replace("-idx", ".idx")])
        is_zipped = rng.random() < 0.5
        if is_zipped and name == spoilt and rng.random() < 0.3:
            contents = spoil(rng, contents)
        path = here / "mnist" / (spelling + ".gz" * is_zipped)
        contents = gzip.compress(contents) if is_zipped else contents
        put(rng, path, contents) if name == spoilt else path.write_bytes(contents)
    return spoilt.split("-idx")[0], raw


def check_mnist(value, name, raw):
    (x, t), (x_test, t_test) = value
    for a, contents in zip((x * 255, t, x_test * 255, t_test), raw.values(), strict=True):
        assert (np.frombuffer(contents[-a.size:], np.uint8) == np.round(a).ravel()).all()


def pack(rng, members, inside):
    """A .tar.gz of {name: bytes}, where a member may be a link, elsewhere, missing or cut."""
    members = {f"{inside}/{name}": contents for name, contents in members.items()}
    name = pick(rng, members)
    link = tarfile.TarInfo(name)
    link.type, link.linkname = pick(rng, [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE,
                                          tarfile.FIFOTYPE]), pick(rng, ["/etc/passwd", "../x", name])
    contents = members.pop(name)
    members |= pick(rng, [{name: contents}, {name: contents}, {name: link}, {},
                          {name: spoil(rng, contents)}, {f"../../{name}": contents},
                          {f"/{name}": contents}, {name: contents, "x/../../y": b"x"}])
    return toy_archives.tar(members)


def make_archive(rng, here, patch, module, contents):
    """The files, of which one is spoilt, or their archive; its size and digest may be right."""
    offline(patch, here)
    place = here / module.ARCHIVE.folder
    place.mkdir()
    if rng.random() < 0.4:
        spoilt = pick(rng, contents)
        for name, raw in contents.items():
            put(rng, place / name, raw) if name == spoilt else (place / name).write_bytes(raw)
    else:
        raw = pack(rng, contents, module.UNPACKED)
        put(rng, place / module.ARCHIVE.name, raw)
        if (place / module.ARCHIVE.name).is_file():
            raw = pick(rng, [(place / module.ARCHIVE.name).read_bytes(), raw])
        toy_archives.known(patch, module, raw, "http://127.0.0.1:1")
    return (contents,)


def make_cifar(rng, here, patch):
    patch.setattr(cifar10, "IMAGES", 3)
    return make_archive(rng, here, patch, cifar10, toy_archives.BATCHES)


def make_stl(rng, here, patch):
    contents = {name: rng.integers(1, 10, (1, *shape[1:]), np.uint8).tobytes()
                for name, (shape, _) in stl10.FILES.items()}
    patch.setattr(stl10, "FILES", {
        name: ((1, *shape[1:]), hashlib.md5(contents[name]).hexdigest())
        for name, (shape, _) in stl10.FILES.items()})
    return make_archive(rng, here, patch, stl10, contents)


def read_sets(*sets):
    return [(photographs.t, photographs.images()[0]) for photographs in sets]


def check_sets(value, counts):
    for (t, x), n in zip(value, counts, strict=True):
        check_pixels(x, n, 8)
        assert t.shape == (n,) and t.dtype == np.int64 and -1 <= t.min() <= t.max() <= 9


# ---- Arrays in .npz files --------------------------------------------------------------------

ODD_ARRAYS = (np.array("text"), np.array([None, 1], object), np.zeros((0, 3)), np.array(1j),
              np.array(7), np.full((2, 2), np.nan), np.array("2026", "datetime64"), np.arange(5),
              np.array([(1, 2.0)], "i4,f8"), np.array(["a", "b"]), np.array(b"x"))


def distort_array(rng, a):
    """Another array in the place of a, most often nearly the same."""
    a = np.array(a)
    changes = [lambda: pick(rng, ODD_ARRAYS), lambda: a[None], lambda: a.ravel()[:-1],
               lambda: a.T.copy(), lambda: np.asfortranarray(a),
               lambda: a.astype(a.dtype.newbyteorder(">")),
               lambda: a.astype(pick(rng, ["f2", "f4", "f8", "i4", "i8", "u1", "c8", "U3", "?"]))]
    if a.size and a.dtype.kind in "fiu":
        values = [-1, 7, 99] if a.dtype.kind != "f" else [-1, 1.5, 7, 1e39, np.nan, np.inf, -np.inf]
        new = a.copy()
        new.flat[rng.integers(a.size)] = np.array(pick(rng, values)).astype(a.dtype)
        changes += [lambda: new] * 5
    with contextlib.suppress(ValueError, TypeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pick(rng, changes)()
    return a


def member(rng, a):
    """An array as a member of an .npz file; its header may lie."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(a), allow_pickle=True)
    raw = file.getvalue()
    if rng.random() < 0.1:
        lie = pick(rng, [b"(9999999999, 9)", b"(-1,)", b"(2,)", b"()", b"(True,)", b"(1" + b"0" * 30,
                         b"__import__('os')", b"(" * 60])
        raw = re.sub(rb"\([^()]*\)", lambda _: lie, raw[:128], count=1)[:128].ljust(128) + raw[128:]
    return raw


def write_npz(rng, path, arrays, is_sealed):
    """Write arrays with one slip, or damage, or none; {name: array} as they were meant."""
    arrays = dict(arrays)
    if rng.random() < 0.5:
        name = pick(rng, arrays)
        arrays[name] = distort_array(rng, arrays[name])
    if is_sealed:
        with contextlib.suppress(ValueError, BufferError):     # objects have no seal
            arrays["seal"] = np.array(store.compute_seal(
                pick(rng, [path, path, path, "another.npz"]), arrays))
    members = [(f"{name}.npy", member(rng, a)) for name, a in arrays.items()]
    i, kind = rng.integers(len(members)), pick(rng, ["no"] * 6 + ["drop", "twice", "name", "bytes"])
    if kind == "drop":
        del members[i]
    elif kind == "twice":
        members.append(pick(rng, members))
    elif kind == "name":
        members[i] = pick(rng, ["x.npy", members[i][0][:-4], "../x.npy", "p0.npy"]), members[i][1]
    elif kind == "bytes":
        members[i] = members[i][0], spoil(rng, members[i][1])
    file = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")     # of a name twice
        for name, raw in members:
            archive.writestr(name, raw)
    raw = file.getvalue()
    if rng.random() < 0.6:
        path.write_bytes(raw)
        return path
    return put(rng, path, raw)


def npz_door(draw, call, check, is_sealed=True, name=Door._field_defaults["name"]):
    """The door of files with the arrays draw(rng, patch, here)."""
    def make(rng, here, patch):
        path, arrays = here / "net.npz", draw(rng, patch, here)
        return write_npz(rng, path, arrays, is_sealed), arrays
    return Door(make, call, check, name)


def check_like(value, path, arrays, low=-store.LARGEST, high=store.LARGEST):
    """Arrays of the shapes that were saved, finite, in their range."""
    for a, wanted in zip(value, arrays.values(), strict=True):
        assert a.shape == np.shape(wanted) and a.dtype.kind in "fiu"
        assert a.size == 0 or low <= a.min() <= a.max() <= high


def random_arrays(*shapes, dtype=float):
    return lambda rng, *_: {f"p{i}": rng.random(s).astype(dtype) for i, s in enumerate(shapes)}


def save_net(save):
    """The arrays of the file that save(path) writes."""
    def draw(rng, patch, here):
        save(patch, here / "whole.npz")
        with np.load(here / "whole.npz") as whole:
            arrays = dict(whole)
        (here / "whole.npz").unlink()
        return arrays
    return draw


def save_quocnet(patch, path):
    patch.setitem(quocnet.SIZES, "S", quocnet.Size(12, 3, 2, 3, 2, 2))
    net = quocnet_training.build("S", 0)
    quocnet_training.save(path, net, quocnet.make_decoders(net), "S", 0.3, "nothing")


def save_alexnet(patch, path):
    net = alexnet.bvlc(np.random.default_rng(0), 2 / 4096, 67, 3).astype("float32")
    weights.save_npz(path, "bvlc", net, 67, 70, ["a", "b", "c"])


def draw_strokes(rng, patch, here):
    """The cache of strokes under its own name, which write_npz then spoils."""
    for name, number in {"TRAIN": 3, "TEST": 2, "CACHE": here}.items():
        patch.setattr(strokes, name, number)
    strokes.load(quiet=True)
    [path] = here.glob("*.npz")
    with np.load(path) as whole:
        return {name: whole[name] for name in whole if name != "seal"}


def make_strokes(rng, here, patch):
    arrays = draw_strokes(rng, patch, here)
    [path] = here.glob("*.npz")
    path.unlink()
    return write_npz(rng, path, arrays, True), arrays


def check_strokes(value, path, arrays):
    (x, t), (x_test, t_test) = value
    assert x.shape == (3, 1, 28, 28) and x_test.shape == (2, 1, 28, 28)
    assert all(0 <= a.min() <= a.max() <= high for a, high in ((x, 1), (x_test, 1), (t, 9)))


def load_net(path, arrays):
    net = fc.fc((6, 4, 3), np.random.default_rng(0))
    store.load(path, net, store.load_sealed)
    return [to_host(p) for p in net.params]


def resume(path, arrays):
    state = [np.zeros((2, 3), np.float32), np.zeros(3)]
    return checkpoint.resume(path, state, 5), state


def check_resumed(value, path, arrays):
    rows, state = value
    assert rows == [] or 1 <= len(rows) <= 5 and np.isfinite(np.array(rows)).all()
    assert all(np.isfinite(a).all() for a in state)


def draw_checkpoint(rng, patch, here):
    return {"curve": rng.random((rng.integers(1, 7), 3)), "a0": np.ones((2, 3), np.float32),
            "a1": np.ones(3)}


def check_net(value, path, *_):
    """A net whose weights are finite, and which labels images of the size that it names."""
    net, size = value.net, value.size
    size = quocnet.SIZES[size].pixels if isinstance(size, str) else size
    assert all(np.isfinite(to_host(p)).all() for p in net.params)
    logits, _ = net.forward(np.zeros((1, getattr(value, "channels", 3), size, size)))
    assert np.isfinite(to_host(logits)).all()


# ---- ONNX, records, flags --------------------------------------------------------------------


def make_onnx(rng, here, patch):
    """A convolution and a matrix, where a node may be another and a number wrong."""
    raw = rng.bytes(200)
    with contextlib.suppress(ImportError):
        import onnx
        make, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
        W, V = rng.normal(size=(2, 3, 3, 3)), rng.normal(size=(18, 4))
        W, V = (distort_array(rng, a.astype("f4")) if rng.random() < 0.2 else a.astype("f4")
                for a in (W, V))
        number = int(pick(rng, [1, 1, 1, 0, -1, 2, 10 ** 9]))
        nodes = [make.make_node("Conv", ["x", "W"], ["y"], strides=[number, 1], pads=[0, 0, 0, 0]),
                 make.make_node(pick(rng, ["Relu", "Relu", "Erf", "Sigmoid"]), ["y"], ["z"]),
                 make.make_node("Flatten", ["z"], ["f"]),
                 make.make_node(pick(rng, ["MatMul", "MatMul", "Add"]), ["f", "V"], ["logits"])]
        with contextlib.suppress(Exception):    # a type that ONNX does not have
            graph = make.make_graph(
                nodes, "toy", [make.make_tensor_value_info("x", FLOAT, ["N", 3, 5, 5])],
                [make.make_tensor_value_info("logits", FLOAT, None)],
                [onnx.numpy_helper.from_array(a, name) for a, name in ((W, "W"), (V, "V"))])
            raw = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8
                                  ).SerializeToString()
    return (put(rng, here / "net.onnx", raw),)


JUNK = (None, True, -1, 1e999, float("nan"), 10 ** 400, "", "\ud800", "a\nb|c", [], {}, [[]] * 3)


def make_record(rng, here, patch):
    stem = pick(rng, report.RECORDS)
    path = here / f"{stem}.json"
    record = json.loads((RESULTS / path.name).read_text())
    place = record
    while place:                            # somewhere in the tree
        key = pick(rng, place if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or rng.random() < 0.2:
            place[key] = pick(rng, JUNK)
            if rng.random() < 0.2:
                del place[key]
            break
        place = place[key]
    raw = json.dumps(record).encode() if rng.random() < 0.95 else b"[" * 100_000
    path.write_bytes(raw) if rng.random() < 0.7 else put(rng, path, raw)
    for other in report.RECORDS.keys() - {stem}:
        (here / f"{other}.json").symlink_to(RESULTS / f"{other}.json")
    (here / "top.md").write_text(f"{headlines.BEGIN}\n{headlines.END}")
    return path, here


def write_report(path, here):
    report.main(str(here), str(here / "top.md"))
    return [(here / name).read_text() for name in ("README.md", "top.md")]


WORDS = ("", "0", "-1", "1", "1e99", "nan", "inf", "9" * 400, "9" * 5000, "a\nb", "é", "--", "auto",
         "١٢", "0x10", "1_000", " 7 ", "\udcff", "-", "random", "../../x", "%s%n", "scipy")
SCRIPTS = ("attack", "table1", "figure5", "stability", "train_alexnet", "train_quocnet", "cars",
           "adversarial_training", "figure1_2", "table5", "lipschitz_training", "gradients")


def make_flags(rng, here, patch):
    module = importlib.import_module(f"experiments.{pick(rng, SCRIPTS)}")
    names = [*inspect.signature(module.main).parameters, "x"]
    argv = [module.__name__]
    for _ in range(rng.integers(1, 5)):
        flag = "--" + pick(rng, names).replace("_", "-")
        argv += pick(rng, [[flag, pick(rng, WORDS)]] * 5 + [[f"{flag}={pick(rng, WORDS)}"], [flag]])
    patch.setattr(sys, "argv", argv)
    return module.__name__, module


def parse_flags(name, module):
    """The flags; argparse's refusal, its last line on stderr, as a ValueError."""
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        try:
            return cli.parse(name, module.main, module)
        except SystemExit:
            raise ValueError(printed.getvalue().splitlines()[-1]) from None


def check_flags(value, name, module):
    for flag, number in value.items():
        least, most = cli.LIMITS.get(flag, (number, number))
        assert least <= number <= most or number != number
        assert number in cli.CHOICES.get(flag, [number]) or number != number


# ---- Functions -------------------------------------------------------------------------------

X, T = images(5, 4)                         # (4, 1, 4, 5), (4,)
RNG, NET = np.random.default_rng(0), fc.fc((20, 6, 5), np.random.default_rng(0))
LOGITS, PHI = np.random.default_rng(1).normal(size=(4, 5)), np.random.default_rng(2).random((4, 20))
SLIPS = (None, "x", "", True, -1, 0, 2, 7, 2.5, 10 ** 30, np.nan, np.inf, 1j, b"1", [], {}, (0, 1),
         [[1, 2], [3]], NET, Net, print, X, T, X[:2], np.zeros(0), np.array(3), np.array(None),
         np.array("x"), np.float32(0.5), np.int8(-3), {"a": 1}, range(3), Path("x"), lambda *_: None)


def is_number(a, shape, low=-np.inf, high=np.inf, nan=False):
    """Whether a is numbers of this shape, within bounds."""
    a = np.asarray(to_host(a), float)
    return a.shape == shape and ((low <= a) & (a <= high) | (nan & np.isnan(a))).all()


def is_found(value, net, x, target, among):
    found, x = np.asarray(value), np.asarray(x)
    return found.dtype == np.float32 and is_number(found, x.shape, 0, 1, nan=True)


CALLS = {                                   # function: arguments, and whether a value is right
    intriguing.D: ((NET, X, T, 3), is_found),
    intriguing.objective: ((NET, X, T, np.ones(4), 0 * X), lambda v, net, x, *_: (
        is_number(v[0], np.shape(x)[:1]) and np.shape(v[1]) == np.shape(x))),
    intriguing.distortion: ((X, X), lambda v, x, _: is_number(v, np.shape(x)[:1], 0, nan=True)),
    intriguing.amplify: ((X, 1 - X, 0.1), lambda v, x, *_: is_number(v, np.shape(x), nan=True)),
    intriguing.transfer: (([NET], [X], T), lambda v, nets, x, t: is_number(
        v, (len(x), len(list(nets))), 0, 1, nan=True)),
    intriguing.top_images: ((PHI, PHI[0], 2, 0), lambda v, a, d, n, s: (
        len(set(v)) == n and is_number(v, (n,), 0, len(a) - 1))),
    intriguing.phi: ((NET, X, 1), lambda v, net, x, k: len(v) == len(x)),
    intriguing.natural_direction: ((5, 1), lambda v, H, i: is_number(v, (H,), 0, 1)),
    intriguing.random_direction: ((5, 1, "gaussian"), lambda v, H, *_: is_number(v, (H,), -1, 1)),
    losses.margin: ((LOGITS, T), lambda v, z, t: len(v[0]) == len(v[1]) == len(z)),
    losses.softmax_cross_entropy: ((LOGITS, T), lambda v, z, t: np.shape(v[1]) == np.shape(z)),
    losses.sigmoid_cross_entropy: ((LOGITS, LOGITS), lambda v, z, x: np.shape(v[1]) == np.shape(z)),
    losses.sparsity: ((PHI, 0.1), lambda v, h, _: np.shape(v[1]) == np.shape(h)),
    NET.predict: ((X,), lambda v, x: is_number(v, np.shape(x)[:1], 0, 4)),
    Net: ((NET.layers,), lambda v, layers: v.params is not None),
    basic.Dense: ((3, 4, RNG), lambda v, *_: len(v.params) == 2),
    basic.Dropout: ((0.5, True), lambda v, *_: 0 <= v.p < 1),
    basic.Preprocess: ((1, 1, (0, 0, 0), (1, 1, 1)), lambda v, *_: is_number(v.std, (3,), 0)),
    conv.Conv: ((2, 4, 3, RNG, 1, 0, 2), lambda v, *_: np.isfinite(v.params[0]).all()),
    conv.MaxPool: ((2, 2), lambda v, *_: v.forward(np.zeros((1, 1, 9, 9))) is not None),
    conv.ChannelNorm: ((5, 1, 1e-4, 0.75), lambda v, *_: True),
    local.L2Pool: ((2, 1e-6), lambda v, *_: True),
    local.ContrastNorm: ((3, 0.01), lambda v, *_: True),
    fc.fc: (((20, 5), RNG), lambda v, sizes, _: len(v.params) == 2 * len(sizes) - 2),
}


def make_call(rng, here, patch):
    """A function and its arguments, of which one or two are slips."""
    function = pick(rng, CALLS)
    arguments = list(CALLS[function][0])
    for _ in range(rng.integers(0, 3)):
        i = rng.integers(len(arguments))
        a = arguments[i]
        if isinstance(a, np.ndarray) and a.size and a.ndim and rng.random() < 0.7:
            a = pick(rng, [distort_array(rng, a), a[..., None], a[0], a[:, None], a.tolist(),
                           a.swapaxes(0, -1), a.astype(object), a[:0], a != 0])
        else:
            a = pick(rng, SLIPS)
        arguments[i] = a
    return function, *arguments


def call_function(function, *arguments):
    if function is intriguing.D:
        *arguments, among = arguments
        return function(*arguments, among=among)
    return function(*arguments)


def check_call(value, function, *arguments):
    assert CALLS[function][1](value, *arguments)


def name_function(function, *_):
    return f"^({function.__name__}|this net|phi_|D|sizes)"


# ---- The doors, and the judgement ------------------------------------------------------------

DOORS = {
    "pictures": Door(make_picture, open_square, check_square, lambda *_: ""),    # the caller names
    "folders": Door(make_folder, read_folder, check_folder),
    "mnist": Door(make_mnist, lambda *_: mnist.load(quiet=True), check_mnist, lambda name, _: name),
    "cifar10": Door(make_cifar, lambda _: read_sets(*cifar10.load(8, quiet=True)),
                    lambda value, _: check_sets(value, (15, 3)), lambda _: "cifar10"),
    "stl10": Door(make_stl, lambda _: read_sets(
        *stl10.load(8, quiet=True), stl10.load_unlabelled(8, quiet=True)),
        lambda value, _: check_sets(value, (1, 1, 1)), lambda _: "stl10"),
    "arrays": npz_door(random_arrays((3, 2), (4,)), lambda path, _: store.load_arrays(
        path, store.expect_shapes([(3, 2), (4,)])).values(), check_like, False),
    "nets": npz_door(random_arrays((6, 4), (4,), (4, 3), (3,)), load_net, check_like),
    "checkpoints": npz_door(draw_checkpoint, resume, check_resumed),
    "curves": npz_door(lambda rng, *_: {"curve": rng.random(4)}, lambda path, _: [
        adversarial_training.load_curve(path, 4)], lambda *args: check_like(*args, 0, 100)),
    "shards": npz_door(
        lambda rng, *_: {"images": rng.random((3, 1, 4, 4), np.float32)},
        lambda path, _: [np.nan_to_num(cache.load_shard(path, (3, 1, 4, 4)))],
        lambda *args: check_like(*args, 0, 1)),
    "strokes": Door(make_strokes, lambda *_: strokes.load(quiet=True), check_strokes, errors=()),
    "quocnet": npz_door(save_net(save_quocnet), lambda path, _: quocnet_training.load(path),
                        check_net, False),
    "alexnet": npz_door(save_net(save_alexnet), lambda path, _: weights.read_weights(str(path)),
                        check_net, False),
    "onnx": Door(make_onnx, lambda path: weights.read_weights(str(path)), check_net),
    "records": Door(make_record, write_report, lambda *_: None),
    "flags": Door(make_flags, parse_flags, check_flags, lambda *_: ""),
    "functions": Door(make_call, call_function, check_call, name_function, (ValueError,)),
}


class Unclean(BaseException):
    """Not an Exception, so that no door takes it for a broken file."""


@contextlib.contextmanager
def limit():
    """Limit the time by an alarm, and the memory by that of the process as it is now."""
    def ring(*_):
        raise Unclean(f"longer than {SECONDS} s")
    before, memory = signal.signal(signal.SIGALRM, ring), resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, memory[1]))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, memory)


@contextlib.contextmanager
def watch_output(patch, printed):
    """Append to `printed` what goes to stderr, past Python too; hide stdout."""
    with tempfile.TemporaryFile("w+") as file, contextlib.redirect_stdout(io.StringIO()):
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        patch.setattr(sys, "stderr", file)
        try:
            yield
        finally:
            patch.setattr(sys, "stderr", None)
            file.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            printed += file.read().splitlines()


def check_error(error, name):
    """Whether an error is one line that names the file or the function, and hides no other."""
    line, cause = cli.format_error(error), error
    while cause := cause.__cause__ or cause.__context__:
        assert not isinstance(cause, MemoryError), f"out of memory: {line}"
    assert line and len(str(error).splitlines()) == 1 and re.search(name, line), line


def judge(door, seed):
    """What is unclean about a door's input of this seed, as text; "" if nothing is."""
    door, printed = DOORS[door], []
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        here, elsewhere = Path(root, "here"), Path(root, "elsewhere")
        here.mkdir(), elsewhere.mkdir()
        patch.chdir(elsewhere)
        with np.errstate(all="ignore"):
            arguments = door.make(np.random.default_rng(seed), here, patch)
        try:
            with (warnings.catch_warnings(record=True) as warned, limit(),
                  watch_output(patch, printed)):
                warnings.simplefilter("always")
                try:
                    value = door.call(*arguments)
                except door.errors as error:
                    check_error(error, door.name(*arguments))
                else:
                    door.check(value, *arguments)
            others = [str(w.message) for w in warned if not str(w.message).startswith("D: ")]
            others += [line for line in printed if str(here) not in line]
            assert not others, f"warnings or lines that are not ours: {others}"
            assert sorted(os.listdir(root)) == ["elsewhere", "here"] and not os.listdir(elsewhere)
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
