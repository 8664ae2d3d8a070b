"""The nets of --weights: any chain in an ONNX file, or AlexNet in our .npz; their photographs."""
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

import data as datasets
from data import files, imagenet
from data.imagenet import match_labels
from data.pictures import escape
from experiments.shared.samples import random_stream
from nets import store
from nets.backend import to_device
from nets.layers.basic import Flatten
from nets.models import alexnet
from nets.net import Net
from nets.onnx_net import bad_file, read_net
from nets.onnx_nodes import import_onnx

BVLC = files.Archive(
    "BVLC's AlexNet", "weights",
    "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/"
    "classification/alexnet/model/bvlcalexnet-12.onnx",
    243_863_787, "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945")
KNOWN = {                                   # in ONNX: the names of their weights, see choose_name
    "bvlc": [*(f"conv{i}_w_0" for i in range(1, 6)), *(f"fc{i}_w_0" for i in (6, 7, 8))],
    "torchvision": [*(f"features.{i}.weight" for i in (0, 3, 6, 8, 10)),
                    *(f"classifier.{i}.weight" for i in (1, 4, 6))],
}
IMAGE_SIZES = {"krizhevsky2012": 227, "bvlc": 227, "torchvision": 224}  # pixels, at full size
DECODED = 32                                # photographs in memory at a time


class Weights(NamedTuple):
    """A net, and the images that it takes."""
    name: str       # of the function in nets/models/alexnet.py, or of the ONNX file
    net: Net        # in float32
    size: int       # pixels of an image's side
    short: int      # pixels of a photograph's short side; the image is cut out of its centre
    classes: list   # the class folder of each label, as data.imagenet.match_labels takes them
    channels: int = 3
    from_graph: bool = False    # whether the net is one that a graph describes

    @property
    def width(self):
        """The width of the hidden layers, as a share of AlexNet's."""
        return self.net.params[12].shape[0] / 4096

    @property
    def title(self):
        """The net's name for captions."""
        return "AlexNet" if self.name in IMAGE_SIZES else self.name

    @property
    def description(self):
        """The net in words, for titles."""
        if self.title != "AlexNet":
            return f"{self.name} ({self.size} pixels)"
        scaled = "" if self.width == 1 else f" at {self.width:g} of its width"
        return f"AlexNet ({self.name}{scaled}, {self.size} pixels)"

    def build_untrained(self, rng):
        """The same net before training, float32: ours with the start of alexnet.rescale_start.

        A graph's with weights of variance 1 / (terms of each sum), and without biases.
        """
        if self.from_graph:
            net = self.net.astype("float32")
            for W, b in [layer.params for layer in net.layers if layer.params]:
                W[...] = to_device(rng.normal(0, math.sqrt(b.size / W.size), W.shape))
                b[...] = 0
            return net
        net = getattr(alexnet, self.name)(rng, self.width, self.size, len(self.classes))
        return alexnet.rescale_start(net).astype("float32")


def read_weights(choice, quiet=False, preprocess="auto"):
    """Weights from "bvlc", downloaded once (243 MB), or from a file that ends in .onnx or .npz.

    quiet: no progress bar while downloading.  preprocess: see `load_onnx`.
    Raises ValueError on another choice and on a file that is not exactly such weights, RuntimeError
    without the onnx package, files.Unavailable, an OSError, if BVLC's cannot be had.
    """
    if choice == "bvlc":
        import_onnx()                       # if it is missing, say so before the download
        return load_onnx(files.find(BVLC) or files.download(BVLC, quiet), preprocess)
    suffix = Path(choice).suffix.lower()
    if suffix in (".onnx", ".npz") and not Path(choice).exists():
        raise ValueError(f"{choice}: there is no such file; python -m experiments.train_alexnet "
                         "makes one, --weights bvlc downloads")
    if suffix == ".onnx":
        return load_onnx(choice, preprocess)
    if suffix == ".npz":
        if preprocess != "auto":
            raise ValueError(f"--preprocess {preprocess}: {choice} has its own; leave it out")
        return load_npz(choice)
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


def load_onnx(path, preprocess="auto"):
    """The Weights of an ONNX file.  What was chosen is said on stderr.

    preprocess: what the net was trained on, a key of alexnet.PREPROCESS, "none" for pixels in
    [0, 1], or "auto": for the nets of KNOWN theirs, for others "none".
    Raises ValueError as read_net does, or if the net takes no square images.
    """
    net, shape, weights = read_net(path)
    known = next((name for name, names in KNOWN.items() if weights == names), None)
    chosen = preprocess if preprocess != "auto" else (
        {"bvlc": "bvlc", "torchvision": "imagenet", None: "none"}[known])
    if len(shape) == 1:                     # the net takes an image as one row of its pixels
        side = next((math.isqrt(shape[0] // C) for C in (1, 3)
                     if math.isqrt(shape[0] // C) ** 2 * C == shape[0]), 0)
        net, shape = Net([Flatten(), *net.layers]), (shape[0] // max(side, 1) ** 2, side, side)
    C, size, width = shape
    if C not in (1, 3) or size != width or (chosen != "none" and C != 3):
        raise bad_file(path, f"its net takes images of {C} x {size} x {width}; expected square "
                       "ones of 1 channel (grey) or 3, and 3 with --preprocess bvlc or imagenet")
    if chosen != "none":
        net = Net([alexnet.PREPROCESS[chosen], *net.layers])
    K = net.params[-1].size
    who = f"the AlexNet of {known}" if known else "a net"
    print(f"{escape(path)}: {who} with {K:,} labels, for images of {C} x {size} x {size}; "
          f"--preprocess {chosen}"
          + ("" if known or preprocess != "auto" else
             ", so it sees RGB pixels in [0, 1]: if it was trained on others, say which"),
          file=sys.stderr, flush=True)
    return Weights(known or Path(path).name, net, size, round(size * 256 / 224), name_classes(K), C,
                   from_graph=True)


def name_classes(K):
    """The class folder of each of K labels: ImageNet's ids, if there are as many."""
    return imagenet.WNIDS if len(imagenet.WNIDS) == K else [f"class {i}" for i in range(K)]


def read_colour_weights(choice, quiet, preprocess):
    """As read_weights; ValueError too for a net of grey images."""
    model = read_weights(choice, quiet, preprocess)
    if model.channels != 3:
        raise ValueError(f"--weights {choice}: its net takes grey images, expected colours; "
                         "experiments.attack takes it, for a picture of a digit")
    return model


def load_net_and_photographs(weights, data, strict, quiet, preprocess="auto"):
    """Load the net of --weights, and the photographs of the test part of --data.

    Returns:
        The Weights, the Photographs, and t and names as data.imagenet.match_labels gives them:
        labels in the net's numbering, and the name of each label.
    """
    model = read_colour_weights(weights, quiet, preprocess)
    _, _, photographs = datasets.load_photographs(data, model.size, model.short, strict, quiet)
    if model.classes[0] == "class 0" and len(photographs.folders) == len(model.classes):
        model = model._replace(classes=photographs.folders)     # both count them in this order
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
