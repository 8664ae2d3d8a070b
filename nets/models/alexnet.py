"""AlexNet: Krizhevsky, Sutskever and Hinton (2012), the paper's network for ImageNet.

Images are RGB in [0, 1], as everywhere here.  The first layer of each net converts them to what its
weights were trained on.  So the box of D is [0, 1], and distortions compare with the paper's.

The constants of a net belong to its weights.  With those of another net the logits are wrong.

    net                 pixels                         LRN                  dropout
    krizhevsky2012      RGB, 0 .. 255, less the mean   k = 2, alpha = 1e-4  halves units in testing
    bvlc                BGR, 0 .. 255, less the mean   k = 1, alpha = 2e-5  doubles them in training
    torchvision         RGB, of mean 0 and variance 1  none                 doubles them in training

All take `width` (a factor on the size of each hidden layer), `size` (the side of an image in
pixels, at least 67, torchvision 63) and `classes`, for smaller machines and images than in 2012.
"""
import numpy as np

from nets.checks import check_number
from nets.layers.basic import BGR, RGB, Dense, Dropout, Flatten, Preprocess, ReLU
from nets.layers.conv import ChannelNorm, Conv, MaxPool
from nets.layers.windows import count_places
from nets.net import Net

MEAN = (122.67891, 116.66877, 104.00699)    # R, G, B of ILSVRC 2012's training images, from Caffe
PREPROCESS = {                              # what published weights were trained on
    "bvlc": Preprocess(255, BGR, MEAN[::-1]),
    "imagenet": Preprocess(1, RGB, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
BIASES = (0, 1, 0, 1, 1, 1, 1, 0)           # of the eight layers at the start of training


def krizhevsky2012(rng, width=1, size=227, classes=1000):
    """The net of 2012 as printed: x (N, 3, 227, 227) -> logits (N, 1000); 60,965,224 parameters.

    The print says 224 pixels, but its 55 x 55 outputs need 227.  It subtracts a mean image, here a
    mean pixel.  Its weights are not public.  Its code is public and differs from the print: alpha
    is divided by n = 5, each half of the channels is normalised alone, in the first layer ReLU
    follows the pooling, and the weights of the layers three to five begin with a standard deviation
    of 0.03, not 0.01.
    """
    return _build_two_columns(rng, Preprocess(255, RGB, MEAN), ChannelNorm(5, 2, 1e-4, 0.75),
                              Dropout(0.5, inverted=False), width, size, classes)


def bvlc(rng, width=1, size=227, classes=1000):
    """Caffe's bvlc_alexnet, the same net with other constants: x (N, 3, 227, 227) -> (N, 1000).

    The Berkeley Vision and Learning Center released its weights.  Here it begins with the weights
    and biases of `krizhevsky2012`; Caffe's began with biases of 0.1.
    """
    return _build_two_columns(rng, PREPROCESS["bvlc"], ChannelNorm(5, 1, 1e-4 / 5, 0.75),
                              Dropout(0.5), width, size, classes)


def _build_two_columns(rng, preprocess, norm, dropout, width, size, classes):
    """Krizhevsky et al. (2012), section 3.5.  Two GPUs held half of the channels each: two groups.

    After the last convolution ReLU follows the pooling, which gives the same and has a fourth of
    the numbers.
    """
    a, b, c, d, e, f = _scale_sizes((96, 256, 384, 384, 256, 4096), width)
    side = _last_side(size)
    net = Net([
        preprocess,
        Conv(3, a, 11, rng, 4), ReLU(), norm, MaxPool(3, 2),                # (N, 96, 27, 27)
        Conv(a, b, 5, rng, 1, 2, 2), ReLU(), norm, MaxPool(3, 2),           # (N, 256, 13, 13)
        Conv(b, c, 3, rng, 1, 1), ReLU(),                                   # (N, 384, 13, 13)
        Conv(c, d, 3, rng, 1, 1, 2), ReLU(),                                # (N, 384, 13, 13)
        Conv(d, e, 3, rng, 1, 1, 2), MaxPool(3, 2), ReLU(), Flatten(),      # (N, 9216)
        Dense(e * side * side, f, rng), ReLU(), dropout,                    # (N, 4096)
        Dense(f, f, rng), ReLU(), dropout,                                  # (N, 4096)
        Dense(f, classes, rng)])
    weighted = [layer.params for layer in net.layers if layer.params]
    for (W, b), bias in zip(weighted, BIASES, strict=True):
        terms = W.size / len(b)             # of each sum: Conv and Dense draw variance 1 / terms
        W *= 0.01 * np.sqrt(terms / width)  # standard deviation 0.01 at full width
        b += bias
    return net


def torchvision(rng, width=1, size=224, classes=1000):
    """The one column of Krizhevsky (2014), as torchvision has it: 61,100,840 parameters.

    x: (N, 3, 224, 224) -> logits (N, 1000).  No groups, no LRN.  The parameters begin with the
    random numbers of `Conv` and `Dense`.
    """
    a, b, c, d, e, f = _scale_sizes((64, 192, 384, 256, 256, 4096), width)
    side = _last_side(size + 4)
    return Net([
        PREPROCESS["imagenet"],
        Conv(3, a, 11, rng, 4, 2), MaxPool(3, 2), ReLU(),                   # (N, 64, 27, 27)
        Conv(a, b, 5, rng, 1, 2), MaxPool(3, 2), ReLU(),                    # (N, 192, 13, 13)
        Conv(b, c, 3, rng, 1, 1), ReLU(),                                   # (N, 384, 13, 13)
        Conv(c, d, 3, rng, 1, 1), ReLU(),                                   # (N, 256, 13, 13)
        Conv(d, e, 3, rng, 1, 1), MaxPool(3, 2), ReLU(),                    # (N, 256, 6, 6)
        Flatten(), Dropout(0.5), Dense(e * side * side, f, rng), ReLU(),    # (N, 4096)
        Dropout(0.5), Dense(f, f, rng), ReLU(),                             # (N, 4096)
        Dense(f, classes, rng)])


def rescale_start(net):
    """Rescale the weights and biases before training, so that y varies as much as x; in place.

    The published start, with a standard deviation of 0.01 and biases of 1, suits 1.2 million
    photographs and 90 epochs.
    """
    for W, b in [layer.params for layer in net.layers if layer.params]:
        W *= np.sqrt(b.size / W.size) / float(W.std())      # variance 1 / terms of each sum
        b *= 0.1
    return net


def _scale_sizes(sizes, width):
    """The sizes times `width`, rounded to even numbers, so that two groups divide them.

    The last size, of the dense layers, is rounded first, and its factor is used for all sizes.  So
    one can tell the width of a net from its weights.
    """
    check_number("AlexNet", "width", width, least=1e-6)

    def scale(n, width):
        return 2 * max(1, round(n * width / 2))
    width = scale(sizes[-1], width) / sizes[-1]
    return [scale(n, width) for n in sizes]


def _last_side(size):
    """The side of the last pooling's output, for an image of side `size`, its padding included."""
    for k, stride in ((11, 4), (3, 2), (3, 2), (3, 2)):     # the other convolutions keep it
        size = count_places(size, k, stride)
    return size
