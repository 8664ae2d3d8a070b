"""AlexNet with weights that others trained, from ONNX, or with our own, from .npz.

Two ONNX files are known, by the names of their tensors: BVLC's, as Caffe2 wrote it, and
torchvision's, as PyTorch exports it.  Of the file only the weights are read; its graph is looked
at, never run.  Nothing is ever unpickled, and no other file is opened.
"""
import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from data import archive, imagenet
from nets import alexnet, store
from nets.backend import to_device, to_host
from nets.net import Net

BVLC = archive.Archive(
    "BVLC's AlexNet", "weights",
    "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/"
    "classification/alexnet/model/bvlcalexnet-12.onnx",
    243_863_787, "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945")
NAMES = {                                   # in the order of the net's params
    "bvlc": [f"{layer}_{part}_0" for layer in (
        "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8") for part in "wb"],
    "torchvision": [f"{layer}.{part}" for layer in (
        "features.0", "features.3", "features.6", "features.8", "features.10",
        "classifier.1", "classifier.4", "classifier.6") for part in ("weight", "bias")],
}
# CaffeNet has BVLC's names and shapes, but pools before it normalises: only the graph tells.
ORDER = {"bvlc": ["LRN", "MaxPool", "LRN", "MaxPool", "MaxPool"], "torchvision": ["MaxPool"] * 3}
IMAGE = {"krizhevsky2012": 227, "bvlc": 227, "torchvision": 224}    # pixels, of the full size
AXES = [4, 1] * 5 + [2, 1] * 3              # of the params
LARGEST = 10 ** 9                           # bytes of a file


class Weights(NamedTuple):
    name: str       # of the function in nets/alexnet.py
    net: Net        # in float32
    size: int       # pixels of an image's side
    short: int      # of a photograph's short side, out of whose centre they are cut
    classes: list   # the class folder of each label, as data.imagenet.labels wants them

    @property
    def width(self):
        """Of each hidden layer, as a share of AlexNet's."""
        return self.net.params[12].shape[0] / 4096

    @property
    def said(self):
        """What net it is, in words."""
        scaled = "" if self.width == 1 else f" at {self.width:g} of its width"
        return f"AlexNet ({self.name}{scaled}, {self.size} pixels)"

    def anew(self, rng):
        """The same net before training, float32, from the start of alexnet.restarted."""
        net = getattr(alexnet, self.name)(rng, self.width, self.size, len(self.classes))
        return alexnet.restarted(net).astype("float32")


def weights(choice, quiet=False):
    """Weights from "bvlc", downloaded once (243 MB), or from a file that ends in .onnx or .npz.

    quiet: no progress bar while downloading.
    Raises ValueError on another choice and on a file that is not exactly such weights, RuntimeError
    without the onnx package, mnist.Unavailable, an OSError, if BVLC's cannot be had.
    """
    if choice == "bvlc":
        package()                           # it is missed before the download, not after
        return load_onnx(archive.find(BVLC) or archive.download(BVLC, quiet))
    for suffix, load in ((".onnx", load_onnx), (".npz", load_npz)):
        if Path(choice).suffix == suffix:
            if not Path(choice).exists():
                raise ValueError(f"{choice}: there is no such file; python -m "
                                 "experiments.train_alexnet makes one, --weights bvlc downloads")
            return load(choice)
    raise ValueError(f"no weights are called {choice!r}; choose bvlc, or a file that ends in .onnx "
                     "or .npz")


def save_npz(path, name, net, size, short, classes):
    """Save a net with what Weights says of it."""
    store.save_arrays(path, name=np.array(name), size=np.array(size), short=np.array(short),
                      classes=np.array(classes, str),
                      **{f"p{i}": to_host(p) for i, p in enumerate(net.params)})


def load_npz(path):
    """Weights as save_npz saved them, or ValueError."""
    arrays = store.load_arrays(path)
    name = str(arrays.pop("name", None))
    labels = [f"p{i}" for i in range(len(AXES))]
    if name not in IMAGE or set(arrays) != {"size", "short", "classes", *labels}:
        raise wrong(path, f"a net called {name!r} with arrays {sorted(arrays)}; expected "
                    f"{' or '.join(IMAGE)} with size, short, classes and p0 to {labels[-1]}")
    found = fitted(path, name, {label: arrays[label] for label in labels})
    size, short, classes = (arrays[label].tolist() for label in ("size", "short", "classes"))
    sizes = range(found.size, found.size + 32)          # the same net takes them all
    if type(size) is not int or type(short) is not int or size not in sizes or short < size:
        raise wrong(path, f"images of {size} pixels out of {short}; this net takes {sizes[0]} to "
                    f"{sizes[-1]}, out of as many at least")
    K = found.net.params[-1].size
    if arrays["classes"].dtype.kind != "U" or arrays["classes"].shape != (K,):
        raise wrong(path, f"its classes are {arrays['classes'].dtype} "
                    f"{arrays['classes'].shape}, expected the names of the net's {K}")
    return found._replace(size=size, short=short, classes=classes)


def load_onnx(path):
    """Weights of an ONNX file that NAMES knows, or ValueError."""
    tensors, order = parsed(path)
    name = recognised(path, tensors, order)
    arrays = {}
    for label in NAMES[name]:
        a = array(path, label, tensors[label])
        # ONNX's dense layers are (outputs, inputs), ours (inputs, outputs)
        arrays |= {f"{label} transposed": a.T} if a.ndim == 2 else {label: a}
    return fitted(path, name, arrays)


def package():
    """The onnx package, or RuntimeError with the mend."""
    try:
        import onnx
    except ImportError as error:
        raise RuntimeError(f"weights in ONNX need the onnx package ({error}); pip install -r "
                           "requirements-onnx.txt") from error
    return onnx


def parsed(path):
    """{name: tensor} of an ONNX file, and which operations normalise and pool, in their order."""
    onnx = package()
    from google.protobuf.message import DecodeError
    if (size := os.path.getsize(path)) > LARGEST:
        raise wrong(path, f"{size:,} bytes, expected {LARGEST:,} at most")
    try:
        graph = onnx.load(path, format="protobuf", load_external_data=False).graph
        names = [tensor.name for tensor in graph.initializer]
        order = [node.op_type for node in graph.node if node.op_type in ("LRN", "MaxPool")]
    except (DecodeError, UnicodeDecodeError) as error:      # protobuf's versions differ
        raise wrong(path, f"not a whole ONNX file ({error})") from error
    if len(set(names)) < len(names):
        raise wrong(path, "two tensors of the same name")
    return dict(zip(names, graph.initializer, strict=True)), order


def recognised(path, tensors, order):
    """The name of the net whose tensors, all and no others, these are, or ValueError."""
    name = next((name for name in NAMES if NAMES[name][0] in tensors), None)
    if name is None:
        raise wrong(path, "no tensor is called " + " or ".join(n[0] for n in NAMES.values()))
    if missing := [label for label in NAMES[name] if label not in tensors]:
        raise wrong(path, f"no tensor is called {' or '.join(missing)}")
    # What else there is, the shape of a reshaping say, has one axis at most.
    if more := [label for label in tensors.keys() - NAMES[name] if len(tensors[label].dims) > 1]:
        raise wrong(path, f"weights too many: {sorted(map(str, more))}")
    if order != ORDER[name]:
        raise wrong(path, f"its net has {', '.join(order) or 'no LRN and no MaxPool'}; expected "
                    f"{', '.join(ORDER[name])}")
    return name


def array(path, label, tensor):
    """A tensor as an array of float32, or ValueError."""
    onnx = package()
    if tensor.data_location == onnx.TensorProto.EXTERNAL:   # to_array would go and read it
        raise wrong(path, f"{label} lies in another file; export with external_data=False")
    if tensor.data_type != onnx.TensorProto.FLOAT:
        raise wrong(path, f"{label} is of ONNX's type {tensor.data_type}, expected "
                    f"{onnx.TensorProto.FLOAT}, float32")
    try:
        return onnx.numpy_helper.to_array(tensor)
    except ValueError as error:             # more or fewer numbers than its shape says
        raise wrong(path, f"{label} cannot be read ({error})") from error


def fitted(path, name, arrays):
    """The Weights with these parameters, {what a message calls it: array}, or ValueError."""
    if [a.ndim for a in arrays.values()] != AXES:
        raise wrong(path, f"arrays of {[a.ndim for a in arrays.values()]} axes, expected {AXES}")
    net, size = unfilled(name, list(arrays.values()))
    params = []
    for (label, a), p in zip(arrays.items(), net.params, strict=True):
        if a.shape != p.shape:
            raise wrong(path, f"{label} is {a.shape}, expected {p.shape}")
        if a.dtype.kind != "f" or not np.isfinite(a := a.astype(np.float32, order="C")).all():
            raise wrong(path, f"{label} holds what is not a finite number")
        params.append(to_device(a))         # a copy, for a file's own array cannot be written to
    for layer in net.layers:
        layer.params, params = params[:len(layer.params)], params[len(layer.params):]
    K = net.params[-1].size
    classes = imagenet.WNIDS if len(imagenet.WNIDS) == K else [f"class {i}" for i in range(K)]
    return Weights(name, net, size, round(size * 256 / IMAGE[name]), classes)   # full: out of 256


def unfilled(name, arrays):
    """A net of zeros as large as these arrays say, and its image's side.

    Never larger than AlexNet, whatever they say, so that a false file cannot fill the memory; its
    shapes then differ.
    """
    (D, H), e = arrays[10].shape, arrays[8].shape[0]
    side = min(max(math.isqrt(D // max(e, 1)), 1), 6)       # of the last pooling's output
    size = IMAGE[name] - 32 * (6 - side)    # the strides' product is 32
    width = min(max(H, 2), 4096) / 4096
    classes = max(arrays[14].size // max(H, 1), 1)
    zeros = SimpleNamespace(normal=lambda mean, std, shape: np.zeros(shape, np.float32))
    return getattr(alexnet, name)(zeros, width, size, classes), size


def wrong(path, found):
    """The exception to raise: the file, what is wrong with it, and the mend."""
    return ValueError(f"{path}: {found}; experiments/README.md says which weights can be read")
