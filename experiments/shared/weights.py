"""The nets of --weights: AlexNet from others' ONNX files or from our .npz; their photographs."""
import math
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

import data as datasets
from data import files, imagenet
from data.imagenet import match_labels
from experiments.shared.samples import random_stream
from nets import store
from nets.backend import to_device
from nets.models import alexnet
from nets.net import Net
from nets.onnx_net import bad_file, import_onnx, read_arrays

BVLC = files.Archive(
    "BVLC's AlexNet", "weights",
    "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/"
    "classification/alexnet/model/bvlcalexnet-12.onnx",
    243_863_787, "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945")
IMAGE_SIZES = {"krizhevsky2012": 227, "bvlc": 227, "torchvision": 224}  # pixels, at full size
AXES = [4, 1] * 5 + [2, 1] * 3              # the number of axes of each parameter
DECODED = 32                                # photographs in memory at a time


class Weights(NamedTuple):
    """A net of AlexNet's kind, and the images that it takes."""
    name: str       # of the function in nets/models/alexnet.py
    net: Net        # in float32
    size: int       # pixels of an image's side
    short: int      # pixels of a photograph's short side; the image is cut out of its centre
    classes: list   # the class folder of each label, as data.imagenet.match_labels takes them

    @property
    def width(self):
        """The width of the hidden layers, as a share of AlexNet's."""
        return self.net.params[12].shape[0] / 4096

    @property
    def description(self):
        """The net in words, for titles."""
        scaled = "" if self.width == 1 else f" at {self.width:g} of its width"
        return f"AlexNet ({self.name}{scaled}, {self.size} pixels)"

    def build_untrained(self, rng):
        """The same net before training, float32, with the random start of alexnet.rescale_start."""
        net = getattr(alexnet, self.name)(rng, self.width, self.size, len(self.classes))
        return alexnet.rescale_start(net).astype("float32")


def read_weights(choice, quiet=False):
    """Weights from "bvlc", downloaded once (243 MB), or from a file that ends in .onnx or .npz.

    quiet: no progress bar while downloading.
    Raises ValueError on another choice and on a file that is not exactly such weights, RuntimeError
    without the onnx package, files.Unavailable, an OSError, if BVLC's cannot be had.
    """
    if choice == "bvlc":
        import_onnx()                       # if it is missing, say so before the download
        return load_onnx(files.find(BVLC) or files.download(BVLC, quiet))
    for suffix, load in ((".onnx", load_onnx), (".npz", load_npz)):
        if Path(choice).suffix == suffix:
            if not Path(choice).exists():
                raise ValueError(f"{choice}: there is no such file; python -m "
                                 "experiments.train_alexnet makes one, --weights bvlc downloads")
            return load(choice)
    raise ValueError(f"no weights are called {choice!r}; choose bvlc, or a file that ends in .onnx "
                     "or .npz")


def save_npz(path, name, net, size, short, classes):
    """Save a net with the other fields of its Weights."""
    store.save_arrays(path, name=np.array(name), size=np.array(size), short=np.array(short),
                      classes=np.array(classes, str), **store.name_parameters(net))


def load_npz(path):
    """The Weights that save_npz saved; ValueError if the file holds anything else."""
    about = {"name": store.TEXT, "size": store.INTEGER, "short": store.INTEGER,
             "classes": store.Expected((None,), (np.str_,))}
    last = {"p14": store.Expected((None, None))}        # tells the width and the number of labels
    name, size, short, classes, W = store.load_arrays(path, about | last, more=True).values()
    name, size, short, classes = (a.tolist() for a in (name, size, short, classes))
    H, K = W.shape
    if name not in IMAGE_SIZES or not 2 <= H <= 4096 or len(classes) != K:
        raise bad_file(path, f"a net called {name!r} of width {H} / 4096, with {K} labels and "
                       f"{len(classes)} classes; expected {' or '.join(IMAGE_SIZES)}, a width of "
                       "2 / 4096 to 1, and a class for each label")
    largest = IMAGE_SIZES[name] + 31        # the same net takes 32 sizes
    if not largest - 191 <= size <= min(largest, short):
        raise bad_file(path, f"images of {size} pixels out of {short}; expected {largest - 191} "
                       f"to {largest}, out of as many at least")
    net = build_zeros(name, H / 4096, size, K).astype("float32")
    arrays = store.load_arrays(
        path, {**about, **store.expect_shapes([p.shape for p in net.params])})
    store.fill(net, arrays)
    return Weights(name, net, size, short, classes)


def build_zeros(name, width, size, classes):
    """A net of zeros."""
    zeros = SimpleNamespace(normal=lambda mean, std, shape: np.zeros(shape, np.float32))
    return getattr(alexnet, name)(zeros, width, size, classes)


def load_onnx(path):
    """The Weights of an ONNX file; ValueError if it is none of onnx_net.TENSOR_NAMES."""
    return build_weights(path, *read_arrays(path))


def build_weights(path, name, arrays):
    """The Weights with parameters {its name in an error: array}; ValueError if they do not fit."""
    if [a.ndim for a in arrays.values()] != AXES:
        raise bad_file(path, f"arrays of {[a.ndim for a in arrays.values()]} axes, expected {AXES}")
    net, size = build_zero_net(name, list(arrays.values()))
    params = []
    for (label, a), p in zip(arrays.items(), net.params, strict=True):
        if a.shape != p.shape:
            raise bad_file(path, f"{label} is {a.shape}, expected {p.shape}")
        if a.dtype.kind != "f" or not np.isfinite(a := a.astype(np.float32, order="C")).all():
            raise bad_file(path, f"{label} holds what is not a finite number")
        params.append(to_device(a))         # a copy, because a file's own array is read-only
    for layer in net.layers:
        layer.params, params = params[:len(layer.params)], params[len(layer.params):]
    K = net.params[-1].size
    classes = imagenet.WNIDS if len(imagenet.WNIDS) == K else [f"class {i}" for i in range(K)]
    return Weights(name, net, size, round(size * 256 / IMAGE_SIZES[name]),
                   classes)  # full: out of 256


def build_zero_net(name, arrays):
    """A net of zeros with the sizes of these arrays, and the side of its images.

    It is never larger than AlexNet, so that a wrong file cannot fill the memory.
    """
    (D, H), e = arrays[10].shape, arrays[8].shape[0]
    side = min(max(math.isqrt(D // max(e, 1)), 1), 6)       # of the last pooling's output
    size = IMAGE_SIZES[name] - 32 * (6 - side)  # the strides' product is 32
    width = min(max(H, 2), 4096) / 4096
    classes = max(arrays[14].size // max(H, 1), 1)
    return build_zeros(name, width, size, classes), size


def load_net_and_photographs(weights, data, strict, quiet):
    """Load the net of --weights, and the photographs of the test part of --data.

    Returns:
        The Weights, the Photographs, and t and names as data.imagenet.match_labels gives them:
        labels in the net's numbering, and the name of each label.
    """
    model = read_weights(weights, quiet)
    _, _, photographs = datasets.load_photographs(data, model.size, model.short, strict, quiet)
    return model, photographs, *match_labels(photographs, model.classes)


def pick_correct(net, photographs, t, wanted, count, seed):
    """Pick the first `count` photographs, in an order drawn by seed, that the net labels right.

    Args:
        net: the net.
        photographs: data.folder's Photographs, N of them.
        t: (N,) labels in the net's numbering; -1 for none: then the net's own label is right.
        wanted: the target; photographs that have this label already are left out.  -1: no target.
        count: how many.
        seed: of the order.

    Returns:
        x (count, 3, H, W), their labels (count,), their rows (count,), and how many were tried.

    Raises:
        ValueError: there are not so many.
    """
    if not 1 <= count <= len(t):
        raise ValueError(f"--count {count}: there are {len(t):,} photographs; choose 1 to {len(t)}")
    order = random_stream(seed, "photographs").permutation(len(t))
    right, tried = [], 0
    for x, rows in photographs.batches(order, DECODED):
        labels = net.predict(x)
        for image, row, label in zip(x, rows, labels, strict=True):
            tried += 1
            if label != wanted and t[row] in (label, -1):
                right.append((image, label, row))
            if len(right) == count:
                return (*map(np.array, zip(*right, strict=True)), tried)
    raise ValueError(f"--count {count}: of {len(t):,} photographs the net labels {len(right):,} "
                     "right, and not as the target; choose fewer")
