"""--weights: AlexNet and other nets from ONNX files, what their images are, and our own .npz.

The AlexNets are written here, their constants number by number; nets/ has no share."""
import hashlib
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from toy_archives import fill, serve
from toy_onnx import Graph, run_onnx

from data import files as data_files
from experiments.shared import weights
from experiments.shared.weights import read_weights
from nets import store
from nets.backend import to_device, to_host, xp
from nets.models import alexnet

FAMILIES = ["bvlc", "torchvision"]
LAYERS = {"bvlc": ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"],
          "torchvision": ["features.0", "features.3", "features.6", "features.8", "features.10",
                          "classifier.1", "classifier.4", "classifier.6"]}
PARTS = {"bvlc": ("{}_w_0", "{}_b_0"), "torchvision": ("{}.weight", "{}.bias")}
SMALL = {                                    # a sixteenth of them, 2 x 2 at the end, seven classes
    "bvlc": [(6, 3, 11, 11), (16, 3, 5, 5), (24, 16, 3, 3), (24, 12, 3, 3), (16, 12, 3, 3),
             (256, 64), (256, 256), (7, 256)],
    "torchvision": [(4, 3, 11, 11), (12, 4, 5, 5), (24, 12, 3, 3), (16, 24, 3, 3),
                    (16, 16, 3, 3), (256, 64), (256, 256), (7, 256)]}
SIDE = {"bvlc": 99, "torchvision": 96}       # of its images


@pytest.fixture
def onnx():
    return pytest.importorskip("onnx", reason="the onnx package is not installed (pip install -r "
                               "requirements-onnx.txt)")


def tensors(family):
    """{name: array} of a small net, its weights such that every layer matters."""
    rng, arrays = np.random.default_rng(0), {}
    for layer, shape in zip(LAYERS[family], SMALL[family], strict=True):
        W, b = (part.format(layer) for part in PARTS[family])
        arrays[W] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        arrays[b] = rng.normal(0, 0.1, shape[0]).astype(np.float32)
    return arrays


def graph(onnx, family):
    """The nodes of Caffe's net, or torchvision's, with their published constants."""
    nodes, last, make = [], "x", onnx.helper.make_node

    def then(operation, *inputs, **attributes):
        nonlocal last
        nodes.append(make(operation, [last, *inputs], [f"y{len(nodes)}"], **attributes))
        last = nodes[-1].output[0]

    for i, layer in enumerate(LAYERS[family]):
        names = [part.format(layer) for part in PARTS[family]]
        if i < 5:
            padding = [{"bvlc": 0, "torchvision": 2}[family], 2, 1, 1, 1][i]
            group = [1, 2, 1, 2, 2][i] if family == "bvlc" else 1
            then("Conv", *names, strides=[4 if i == 0 else 1] * 2, pads=[padding] * 4, group=group)
        else:
            then("Gemm", *names, transB=1)
        if i < 7:
            then("Relu")
        if i < 2 and family == "bvlc":
            then("LRN", size=5, alpha=1e-4, beta=0.75, bias=1.0)
        if i in (0, 1, 4):
            then("MaxPool", kernel_shape=[3, 3], strides=[2, 2])
        if i == 4:
            then("Flatten")
    return nodes


def model(onnx, family, arrays=None, nodes=None, raw=True):
    """The ONNX model with these tensors and nodes, and two tensors more that are no weights."""
    arrays = tensors(family) if arrays is None else arrays
    nodes = graph(onnx, family) if nodes is None else nodes
    others = {"OC2_DUMMY_1": np.array([1, 64]), "share": np.array(0.5, np.float32)}
    make, side = onnx.helper, SIDE[family]
    return make.make_model(make.make_graph(
        nodes, family,
        [make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, side, side])],
        [make.make_tensor_value_info(n.output[0], onnx.TensorProto.FLOAT, None)
         for n in nodes[-1:]],
        [make.make_tensor(name, make.np_dtype_to_tensor_dtype(a.dtype), a.shape,
                          a.tobytes() if raw else a.ravel(), raw)
         for name, a in (arrays | others).items()]),
        opset_imports=[make.make_opsetid("", 13)], ir_version=8)


@pytest.fixture
def written(onnx, tmp_path):
    """write(model) -> the path, as text, of an ONNX file that holds it."""
    def write(proto):
        path = tmp_path / "net.onnx"
        path.write_bytes(proto.SerializeToString())
        return str(path)

    return write


# ---- The net ---------------------------------------------------------------------------------


def preprocessed(x, family):
    """Images (N, 3, H, W), RGB in [0, 1], as these weights were trained on them, by hand."""
    if family == "bvlc":
        z = [255 * x[:, c] - mean for c, mean in ((2, 104.00699), (1, 116.66877), (0, 122.67891))]
    else:
        z = [(x[:, c] - mean) / std
             for c, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)])]
    return np.stack(z, 1).astype(np.float32)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_logits_are_those_of_onnxruntime(onnx, written, family):
    runtime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime, only for this test, is not installed (pip install "
        "onnxruntime)")
    path = written(model(onnx, family))
    found = read_weights(path)
    x = np.random.default_rng(1).uniform(size=(3, 3, found.size, found.size)).astype(np.float32)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected, = session.run(None, {"x": preprocessed(x, family)})
    logits = to_host(found.net.forward(to_device(x))[0])
    assert logits.dtype == np.float32 and expected.shape == (3, 7)
    assert abs(logits - expected).max() < 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("raw", [True, False], ids=["bytes", "numbers"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_arrives_in_its_place_and_in_float32(onnx, written, family, raw):
    found = read_weights(written(model(onnx, family, raw=raw)))
    assert (found.name, found.size) == (family, SIDE[family])
    for p, a in zip(found.net.params, tensors(family).values(), strict=True):
        assert np.array_equal(to_host(p), a.T if a.ndim == 2 else a)
        assert p.dtype == np.float32 and p.flags.c_contiguous
        p += 1                               # it can be trained further


def test_no_random_number_is_drawn(onnx, written, monkeypatch):
    path = written(model(onnx, "bvlc"))
    monkeypatch.setattr(np.random, "default_rng", lambda *_: pytest.fail("drawn"))
    read_weights(path)


# ---- What its images are ---------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_chosen_is_said(onnx, written, capsys, family):
    path = written(model(onnx, family))
    read_weights(path)
    side, known = SIDE[family], {"bvlc": "bvlc", "torchvision": "imagenet"}[family]
    assert capsys.readouterr().err == (f"{path}: the AlexNet of {family} with 7 labels, for images "
                                       f"of 3 x {side} x {side}; --preprocess {known}\n")


def test_a_net_that_is_not_known_sees_pixels_from_0_to_1_and_that_is_said(tmp_path, capsys):
    g = Graph((3, 8, 8))
    path = g.end(192).save(tmp_path)
    found = read_weights(path)
    assert "--preprocess none, so it sees RGB pixels in [0, 1]: if" in capsys.readouterr().err
    assert (found.name, found.title, found.size, found.short) == ("net.onnx", "net.onnx", 8, 9)
    assert found.description == "net.onnx (8 pixels)"
    x = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    assert abs(to_host(found.net.forward(to_device(x))[0]) - run_onnx(path, x)).max() < 1e-5
    again = found.build_untrained(np.random.default_rng(1))
    W, b = map(to_host, again.params)
    assert W.std() == pytest.approx(192 ** -0.5, rel=0.1) and not b.any()
    assert (found.net.params[1] != 0).any()     # its own did not change


@pytest.mark.parametrize(("choice", "family"), [("bvlc", "bvlc"), ("imagenet", "torchvision")])
def test_preprocessing_can_be_chosen(tmp_path, capsys, choice, family):
    g = Graph((3, 8, 8))
    path = g.end(192).save(tmp_path)
    found = read_weights(path, preprocess=choice)
    assert capsys.readouterr().err.endswith(f"--preprocess {choice}\n")
    x = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    logits, expected = found.net.forward(to_device(x))[0], run_onnx(path, preprocessed(x, family))
    assert abs(to_host(logits) - expected).max() < 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("shape", [(1, 28, 28), (784,), (3, 6, 6), (108,)], ids=str)
def test_rows_of_pixels_are_images_too(tmp_path, shape):
    g = Graph(shape)
    if len(shape) == 1:
        g.add("Gemm", g.draw(*shape, 10))
    else:
        g.end(math.prod(shape), 10)
    found = read_weights(g.save(tmp_path))
    C, side = (1, 28) if 28 in shape or shape[0] == 784 else (3, 6)
    assert (found.channels, found.size) == (C, side)
    assert found.net.forward(xp.zeros((2, C, side, side)))[0].shape == (2, 10)


@pytest.mark.parametrize(("shape", "flags", "said"), [
    ((3, 6, 7), {}, "images of 3 x 6 x 7; expected square ones of 1 channel"),
    ((2, 6, 6), {}, "images of 2 x 6 x 6"), ((10,), {}, "images of 10 x 0 x 0"),
    ((1, 6, 6), {"preprocess": "bvlc"}, "images of 1 x 6 x 6; expected .* 3 with --preprocess")],
    ids=str)
def test_images_that_are_no_pictures_are_refused(tmp_path, shape, flags, said):
    g = Graph(shape)
    g.end(math.prod(shape)) if len(shape) == 3 else g.add("Gemm", g.draw(*shape, 4))
    with pytest.raises(ValueError, match=said):
        read_weights(g.save(tmp_path), **flags)


def test_photographs_for_a_net_of_grey_images_are_an_error(tmp_path):
    path = Graph((1, 28, 28)).end(784).save(tmp_path)
    with pytest.raises(ValueError, match="takes grey images, expected colours; experiments.attack"):
        weights.read_colour_weights(path, True, "auto")


def test_a_file_whose_name_is_in_capitals_is_read(tmp_path):
    path = Graph((3, 6, 6)).end(108).save(tmp_path)
    (tmp_path / "net.onnx").rename(tmp_path / "UP.ONNX")
    assert read_weights(path.replace("net.onnx", "UP.ONNX")).name == "UP.ONNX"


def refused(path, said):
    """The file is refused in one line that names it, what is wrong and the mend."""
    with pytest.raises(ValueError, match=said) as caught:
        read_weights(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert message.endswith(("; experiments/README.md says which weights can be read",
                             "; delete it and run again"))


@pytest.mark.parametrize("suffix", ["onnx", "npz"])
def test_a_file_that_is_not_there_is_named(tmp_path, suffix):
    with pytest.raises(ValueError, match=rf"away\.{suffix}: there is no such file; python -m"):
        read_weights(str(tmp_path / f"away.{suffix}"))


# ---- By name ---------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path, monkeypatch, server):
    """publish(contents): let these bytes be BVLC's, at a local server.  Returns paths asked for."""
    address, files, asked = server

    def publish(contents, there=None):
        serve(files, "good", {"bvlcalexnet-12.onnx": contents if there is None else there})
        monkeypatch.setattr(weights, "BVLC", weights.BVLC._replace(
            url=f"{address}/good/bvlcalexnet-12.onnx", size=len(contents),
            sha256=hashlib.sha256(contents).hexdigest()))
        return asked

    monkeypatch.setattr(data_files, "RAW", tmp_path / "raw")
    monkeypatch.delenv("INTRIGUING_DATA", raising=False)
    return publish


def test_bvlcs_are_downloaded_once_with_a_progress_bar_unless_quiet(
        onnx, published, tmp_path, capsys, monkeypatch):
    asked = published(model(onnx, "bvlc").SerializeToString())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert read_weights("bvlc").name == "bvlc"
    assert "100%" in capsys.readouterr().err
    (tmp_path / "raw" / "weights" / "bvlcalexnet-12.onnx").unlink()
    for _ in range(2):
        assert read_weights("bvlc", quiet=True).size == 99
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1     # what was chosen, and no bar
    assert len(asked) == 2


def test_a_wrong_checksum_is_an_error_on_disk_and_in_a_download(onnx, published, tmp_path):
    contents = model(onnx, "bvlc").SerializeToString()
    changed = contents[:-1] + bytes([contents[-1] ^ 1])
    published(contents, there=changed)
    with pytest.raises(data_files.Unavailable,
                       match=r"BVLC's AlexNet: no bvlcalexnet-12\.onnx in .*"
                       r"\(Damaged\); download .*") as caught:
        read_weights("bvlc", quiet=True)
    assert "\n" not in str(caught.value) and not list((tmp_path / "raw" / "weights").iterdir())
    fill(tmp_path / "raw" / "weights", {"bvlcalexnet-12.onnx": changed})
    with pytest.raises(data_files.Damaged, match=r"bvlcalexnet-12\.onnx: SHA-256 .*; delete it"):
        read_weights("bvlc", quiet=True)


def test_without_the_onnx_package_the_mend_is_said_before_anything_is_downloaded(
        published, tmp_path, monkeypatch):
    asked = published(b"weights")
    fill(tmp_path, {"net.onnx": b"weights"})
    monkeypatch.setitem(sys.modules, "onnx", None)      # import onnx: ImportError
    for choice in ("bvlc", str(tmp_path / "net.onnx")):
        with pytest.raises(RuntimeError, match="need the onnx package .*; pip install -r requirem"
                           "ents-onnx.txt"):
            read_weights(choice)
    assert not asked


@pytest.mark.parametrize("choice", ["BVLC", "torchvision", "", "net.pth", "net.onnx.data"])
def test_another_choice_is_an_error_with_the_choices(choice):
    with pytest.raises(ValueError, match=f"no weights are called '{choice}'; choose bvlc, or a "
                       "file that ends in .onnx or .npz"):
        read_weights(choice)


# ---- Our own format --------------------------------------------------------------------------

ZEROS = SimpleNamespace(normal=lambda mean, std, shape: np.zeros(shape))
NAMES = ["bird", "chien", "猫", "frog", "horse", "ship", "truck"]


@pytest.mark.parametrize("name", ["krizhevsky2012", "bvlc", "torchvision"])
def test_a_net_of_ours_comes_back_with_its_name_and_constants(tmp_path, name):
    path = str(tmp_path / "net.npz")
    net = getattr(alexnet, name)(np.random.default_rng(0), 1 / 16, 99, 7).astype("float32")
    weights.save_npz(path, name, net, 99, 111, NAMES)
    found = read_weights(path)
    assert (found.name, found.size, found.short, found.classes) == (name, 99, 111, NAMES)
    for p, q in zip(net.params, found.net.params, strict=True):
        assert p.dtype == q.dtype and np.array_equal(to_host(p), to_host(q))
    x = to_device(np.random.default_rng(1).uniform(size=(2, 3, 99, 99)).astype("float32"))
    assert np.array_equal(to_host(net.forward(x)[0]), to_host(found.net.forward(x)[0]))


@pytest.mark.parametrize(("change", "said"), [
    ({"name": np.array("lenet")}, "a net called 'lenet' of width 256 / 4096, .* expected kriz"),
    ({"p16": np.zeros(3)}, "it holds .*'p16'"),
    ({"p3": np.zeros(3)}, r"p3 is float64 \(3,\), expected float32 or float64 \(16,\)"),
    ({"p3": np.full(16, np.nan)}, "p3 has values from nan to nan, expected"),
    ({"p3": np.full(16, 1e300)}, "p3 has values from 1e.300 to 1e.300, expected"),
    ({"p3": np.zeros(16, int)}, r"p3 is int64 \(16,\), expected float32 or float64"),
    ({"p3": np.array("bias")}, r"p3 is <U4 \(\), expected float32 or float64"),
    ({"p14": np.zeros((9999, 7), np.float32)}, "of width 9999 / 4096"),
    ({"classes": np.array(NAMES[:6])}, "with 7 labels and 6 classes"),
    ({"classes": np.arange(7)}, r"classes is int64 \(7,\), expected str_ \(any,\)"),
    ({"size": np.array(67)}, r"p10 is .*, expected float32 or float64 \(16, 256\)"),
    ({"size": np.array(131)}, "images of 131 pixels out of 111; expected 67 to 258, out of as man"),
    ({"size": np.array(99.5)}, "size is float64"),
    ({"short": np.array(98)}, "images of 99 pixels out of 98; .* out of as many at least"),
    ({"short": np.array([111])}, r"short is int64 \(1,\), expected int64 \(\)"),
], ids=["name", "more", "shape", "nan", "too large", "integers", "axes", "width", "classes",
        "numbers", "small", "large", "half", "short", "list"])
def test_an_npz_that_does_not_fit_is_told_of_in_one_line(tmp_path, change, said):
    path = str(tmp_path / "net.npz")
    weights.save_npz(path, "bvlc", alexnet.bvlc(ZEROS, 1 / 16, 99, 7), 99, 111, NAMES)
    store.save_arrays(path, **{**np.load(path), **change})
    refused(path, said)


def test_weights_of_another_net_of_ours_are_refused(tmp_path):
    path = str(tmp_path / "net.npz")
    store.save(path, alexnet.bvlc(ZEROS, 1 / 16, 99, 7))    # without its name
    refused(path, r"it holds \['p0'.*; delete it and run again")


@pytest.mark.parametrize("width", [0.051, 0.112, 0.254, 0.504])
@pytest.mark.parametrize("name", ["krizhevsky2012", "torchvision"])
def test_a_net_of_any_width_can_be_read_back_and_its_width_read_off_it(tmp_path, name, width):
    net = getattr(alexnet, name)(ZEROS, width, 67, 3)
    weights.save_npz(tmp_path / "net.npz", name, net, 67, 75, ["a", "b", "c"])
    found = read_weights(str(tmp_path / "net.npz"))
    assert [p.shape for p in found.net.params] == [p.shape for p in net.params]
    assert found.width == pytest.approx(width, abs=1 / 4096)
    again = getattr(alexnet, name)(ZEROS, found.width, 67, 3)
    assert [p.shape for p in again.params] == [p.shape for p in net.params]
