"""AlexNet's weights from ONNX: the net against onnxruntime, and what is said of a file that is
not right.  The files are written here, their constants number by number; nets/ has no share."""
import hashlib
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from toy_archives import fill, serve

from data import files as data_files
from experiments.shared import weights
from experiments.shared.weights import read_weights
from nets import store
from nets.backend import to_device, to_host
from nets.models import alexnet

FAMILIES = ["bvlc", "torchvision"]
LAYERS = {"bvlc": ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"],
          "torchvision": ["features.0", "features.3", "features.6", "features.8", "features.10",
                          "classifier.1", "classifier.4", "classifier.6"]}
PARTS = {"bvlc": ("{}_w_0", "{}_b_0"), "torchvision": ("{}.weight", "{}.bias")}
PUBLISHED = {                                # the shapes of the weights in the published files
    "bvlc": [(96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3),
             (256, 192, 3, 3), (4096, 9216), (4096, 4096), (1000, 4096)],
    "torchvision": [(64, 3, 11, 11), (192, 64, 5, 5), (384, 192, 3, 3), (256, 384, 3, 3),
                    (256, 256, 3, 3), (4096, 9216), (4096, 4096), (1000, 4096)]}
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


@pytest.mark.parametrize("family", FAMILIES)
def test_the_published_shapes_make_the_published_net(family):
    arrays = {}
    for shape in PUBLISHED[family]:          # no memory: one zero, seen often
        for s in (shape[::-1] if len(shape) == 2 else shape, shape[:1]):
            arrays[len(arrays)] = np.broadcast_to(np.float32(0), s)
    found = weights.build_weights("published", family, arrays)
    assert [p.shape for p in found.net.params] == [a.shape for a in arrays.values()]
    assert (found.size, found.short) == ({"bvlc": 227, "torchvision": 224}[family], 256)


def test_no_random_number_is_drawn(onnx, written, monkeypatch):
    path = written(model(onnx, "bvlc"))
    monkeypatch.setattr(np.random, "default_rng", lambda *_: pytest.fail("drawn"))
    read_weights(path)


# ---- A file that is not right ----------------------------------------------------------------


def but(name, change):
    """BVLC's tensors, that one changed."""
    arrays = tensors("bvlc")
    return arrays | {name: change(arrays[name])}


def with_one(value):
    def change(a):
        a = a.copy()
        a.flat[-1] = value
        return a

    return change


@pytest.mark.parametrize(("name", "change", "said"), [
    ("conv3_w_0", lambda a: a[:, :8], r"conv3_w_0 is \(24, 8, 3, 3\), expected \(24, 16, 3, 3\)"),
    ("conv2_w_0", lambda a: np.concatenate([a, a], 1), r"conv2_w_0 is \(16, 6, 5, 5\), expected"),
    ("fc6_w_0", lambda a: a[:, :63], r"fc6_w_0 transposed is \(63, 256\), expected \(16, 256\)"),
    ("fc6_w_0", lambda a: a.T.copy(), r"is \(6, 3, 11, 11\), expected \(2, 3, 11, 11\)"),
    ("fc6_w_0", lambda a: a[:0], r"is \(6, 3, 11, 11\), expected \(2, 3, 11, 11\)"),
    ("fc8_w_0", lambda a: a[:6], r"fc8_b_0 is \(7,\), expected \(6,\)"),
    ("fc8_w_0", lambda a: a[:0], r"fc8_w_0 transposed is \(256, 0\), expected \(256, 1\)"),
    ("conv5_w_0", lambda a: a[:0], r"conv5_w_0 is \(0, 12, 3, 3\), expected \(16, 12, 3, 3\)"),
    ("conv1_b_0", lambda a: a[None], r"arrays of \[4, 2, 4, 1, .* axes, expected \[4, 1, 4, 1"),
    ("conv1_w_0", lambda a: a[0], r"arrays of \[3, 1, 4, .* axes, expected \[4, 1, 4"),
    ("fc7_w_0", with_one(np.nan), "fc7_w_0 transposed holds what is not a finite number"),
    ("conv4_b_0", with_one(-np.inf), "conv4_b_0 holds what is not a finite number"),
    ("conv4_w_0", np.float64, "conv4_w_0 is of ONNX's type 11, expected 1, float32"),
    ("fc8_b_0", np.float16, "fc8_b_0 is of ONNX's type 10, expected 1, float32"),
    ("conv1_w_0", lambda a: a.transpose(0, 2, 3, 1), r"conv1_w_0 is \(6, 11, 11, 3\), expected"),
], ids=["inputs", "ungrouped", "not square", "transposed", "no unit", "six classes", "no class",
        "no map", "wide bias", "flat kernel", "nan", "infinity", "float64", "float16", "channels"])
def test_weights_that_do_not_fit_are_named_in_one_line(onnx, written, name, change, said):
    refused(written(model(onnx, "bvlc", but(name, change))), said)


def refused(path, said):
    """The file is refused in one line that names it, what is wrong and the mend."""
    with pytest.raises(ValueError, match=said) as caught:
        read_weights(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert message.endswith(("; experiments/README.md says which weights can be read",
                             "; delete it and run again"))


def without(family, name):
    """The family's tensors, less one."""
    return {label: a for label, a in tensors(family).items() if label != name}


def caffenet(onnx):
    """The nodes of CaffeNet, which differs from AlexNet in its order: pooled, then normalised."""
    nodes = graph(onnx, "bvlc")
    for i in (2, 6):
        assert [nodes[i].op_type, nodes[i + 1].op_type] == ["LRN", "MaxPool"]
        nodes[i:i + 2] = nodes[i:i + 2][::-1]
    return nodes


def twice(onnx):
    proto = model(onnx, "bvlc")
    proto.graph.initializer.append(proto.graph.initializer[0])
    return proto


def resized(onnx, numbers):
    """A model whose first tensor has so many numbers more than its shape says."""
    proto = model(onnx, "bvlc")
    tensor = proto.graph.initializer[0]
    tensor.raw_data = (tensor.raw_data + bytes(4))[:len(tensor.raw_data) + 4 * numbers]
    return proto


@pytest.mark.parametrize(("make", "said"), [
    (lambda onnx: model(onnx, "bvlc", without("bvlc", "fc7_b_0")), "no tensor is called fc7_b_0;"),
    (lambda onnx: model(onnx, "torchvision", without("torchvision", "features.10.weight")),
     "no tensor is called features.10.weight;"),
    (lambda onnx: model(onnx, "bvlc", tensors("bvlc") | {"fc9_w_0": np.zeros((7, 7), np.float32)}),
     r"weights too many: \['fc9_w_0'\]"),
    (lambda onnx: model(onnx, "bvlc", {"layer1.weight": np.zeros((4, 3, 3, 3), np.float32)}),
     "no tensor is called conv1_w_0 or features.0.weight"),
    (lambda onnx: onnx.ModelProto(), "no tensor is called conv1_w_0 or features.0.weight"),
    (lambda onnx: model(onnx, "bvlc", nodes=caffenet(onnx)),
     "its net has MaxPool, LRN, .*; expected LRN, MaxPool, LRN, MaxPool, MaxPool;"),
    (lambda onnx: model(onnx, "torchvision", nodes=[]),
     "its net has no LRN and no MaxPool; expected MaxPool, MaxPool, MaxPool;"),
    (twice, "two tensors of the same name"),
    (lambda onnx: resized(onnx, -1), r"conv1_w_0 cannot be read \("),
    (lambda onnx: resized(onnx, 1), r"conv1_w_0 cannot be read \("),
], ids=["less", "less of torchvision's", "a layer more", "another net", "nothing", "CaffeNet",
        "no graph", "twice", "fewer numbers", "more numbers"])
def test_a_model_that_is_not_alexnets_is_refused(onnx, written, make, said):
    refused(written(make(onnx)), said)


def test_names_that_are_no_text_are_an_error_of_one_line(onnx, written):
    more = {name: np.zeros((7, 7), np.float32) for name in ("fc9_w_0", "fc?_w_0")}
    path = written(model(onnx, "bvlc", tensors("bvlc") | more))
    with open(path, "rb") as file:
        whole = file.read()
    fill_one(path, whole.replace(b"fc?_w_0", b"fc\xff_w_0"))
    refused(path, "weights too many|not a whole ONNX file")     # as protobuf's version has it


def test_weights_in_another_file_are_refused_and_the_file_is_not_opened(
        onnx, written, tmp_path, monkeypatch):
    path = written(model(onnx, "bvlc"))
    monkeypatch.chdir(tmp_path)              # where a careless reader would find them
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="more", size_threshold=0)
    assert (tmp_path / "more").stat().st_size > 100_000
    refused(path, "conv1_w_0 lies in another file; export with external_data=False")


@pytest.mark.parametrize("contents", [
    b"<html>not found</html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:6b0d\n",
    b"PK\x03\x04 an archive", b"\x93NUMPY", bytes(99)], ids=["web page", "pointer", "zip", "npy",
                                                             "zeros"])
def test_what_is_not_onnx_at_all_is_refused(onnx, tmp_path, contents):
    fill(tmp_path, {"net.onnx": contents})
    refused(str(tmp_path / "net.onnx"), "net.onnx: not a whole ONNX file")


def test_a_file_cut_short_anywhere_is_refused_in_one_line(onnx, written):
    path = written(model(onnx, "bvlc"))
    with open(path, "rb") as file:
        whole = file.read()
    for length in range(0, len(whole), len(whole) // 40):
        fill_one(path, whole[:length])
        refused(path, ": ")


def test_a_byte_changed_in_the_graph_is_refused_in_one_line_or_changes_no_weight(onnx, written):
    path, arrays = written(model(onnx, "bvlc")), tensors("bvlc")
    with open(path, "rb") as file:
        whole = file.read()
    head = whole.index(arrays["conv1_w_0"].tobytes())   # the nodes, and its name
    spared = 0
    for i in range(0, head, 3):
        fill_one(path, whole[:i] + bytes([whole[i] ^ 0xff]) + whole[i + 1:])
        try:
            found = read_weights(path)
        except ValueError:
            refused(path, ": ")
        else:
            spared += 1
            for p, a in zip(found.net.params, arrays.values(), strict=True):
                assert np.array_equal(to_host(p), a.T if a.ndim == 2 else a)
    assert 0 < spared < head // 3


def fill_one(path, contents):
    with open(path, "wb") as file:
        file.write(contents)


def test_a_file_too_large_is_not_read(onnx, tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    with open(path, "wb") as file:
        file.truncate(10 ** 9 + 1)           # a hole: it takes no room
    monkeypatch.setattr(onnx, "load", lambda *_, **__: pytest.fail("read"))
    refused(str(path), "1,000,000,001 bytes, expected 1,000,000,000 at most")


def test_a_false_shape_does_not_fill_the_memory(onnx, written):
    """A net this wide, 4 AlexNets, would need some 5 GB."""
    path = written(model(onnx, "bvlc", but("fc6_w_0", lambda a: np.zeros((16384, 1), "float32"))))
    tracemalloc.start()
    refused(path, r"conv1_w_0 is \(6, 3, 11, 11\), expected \(96, 3, 11, 11\)")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e8


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
        onnx, published, tmp_path, capsys):
    asked = published(model(onnx, "bvlc").SerializeToString())
    assert read_weights("bvlc").name == "bvlc"
    assert "100%" in capsys.readouterr().err
    (tmp_path / "raw" / "weights" / "bvlcalexnet-12.onnx").unlink()
    for _ in range(2):
        assert read_weights("bvlc", quiet=True).size == 99
    assert capsys.readouterr() == ("", "") and len(asked) == 2


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
