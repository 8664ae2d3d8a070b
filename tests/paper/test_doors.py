"""Plausible slips at the public doors: each is one line that says what was expected, no number."""
import re

import numpy as np
import pytest
from toys import images

from experiments.shared import measures, noise, pools, samples
from intriguing import (
    D,
    amplify,
    distortion,
    natural_direction,
    objective,
    phi,
    random_direction,
    top_images,
    transfer,
)
from nets import norms
from nets.backend import to_device, to_host
from nets.gradcheck import check_gradients
from nets.layers.basic import RGB, Dense, Dropout, Preprocess, Reshape, Sigmoid
from nets.layers.conv import ChannelNorm, Conv, MaxPool
from nets.layers.local import ContrastNorm, L2Pool, Local, draw_filters
from nets.losses import margin, sigmoid_cross_entropy, softmax_cross_entropy, sparsity
from nets.models import alexnet, features, quocnet
from nets.models.fc import fc
from nets.models.lenet import lenet
from nets.net import Net
from nets.training import costs, loop, optimisers, penalty

X, T = images(5, 6)                         # (6, 1, 4, 5), (6,)
NAN = X.copy()
NAN[2] = np.nan
RNG = np.random.default_rng(0)
NET = fc((20, 12, 5), RNG)
LABELS = {                                  # in place of T, and the line
    "a column": (T[:, None], "integers, \\(6,\\)|t of shape \\(6, 1\\); expected \\(6,\\)"),
    "one-hot": (np.eye(5, dtype=int)[T], "one-hot rows, t.argmax|t of shape \\(6, 5\\); expected"),
    "bool": (T > 2, "s of type bool"),
    "float": (T.astype(float), "s of type float64"),
    "NaN": (np.full(6, np.nan), "s of type float64"),
    "text": (T.astype(str), "s of type <U"),
    "too few": (T[:5], "shape \\(5,\\); expected"),
    "-1": (np.r_[-1, T[1:]], " -1 of image [0-5]; the net has labels 0 to 4"),
    "K": (np.r_[5, T[1:]], " 5 of image [0-5]; the net has labels 0 to 4"),
}
LABEL_DOORS = {
    "D": lambda t: D(NET, X, t),
    "transfer": lambda t: transfer([NET], [X], t),
    "error": lambda t: loop.error(NET, X, t),
    "check_gradients": lambda t: check_gradients(NET, X, t),
    "cross_entropy": lambda t: costs.cross_entropy(NET)(*map(to_device, (X, t))),
    "fit_adam": lambda t: loop.fit_adam([], costs.cross_entropy(NET), *map(to_device, (X, t)), 1,
                                        0.1, np.random.default_rng(0), 6),
    "fit_lbfgs": lambda t: optimisers.fit_lbfgs(NET.params, costs.cross_entropy(NET),
                                                *map(to_device, (X, t)), 1),
    "make_adversarial": lambda t: pools.make_adversarial(NET, X, t, 0.1),
    "ascend": lambda t: pools.ascend(NET, X, t, 0.1),
}


@pytest.mark.parametrize("door", LABEL_DOORS)
@pytest.mark.parametrize("slip", LABELS)
def test_labels_that_are_not_one_integer_an_image_are_named(door, slip):
    labels, says = LABELS[slip]
    with pytest.raises(ValueError, match=says):
        LABEL_DOORS[door](labels)


SLIPS = {                                   # what is called, and the line
    # images and directions
    "pixels that are complex": (lambda: D(NET, X + 0j, 1), "D: x of type complex"),
    "pixels that are text": (lambda: D(NET, X.astype(str), 1), "D: x of type <U32; expected real"),
    "a box of text": (lambda: D(NET, X, 1, box=("0", "1")), "D: box of type <U1"),
    "no axis of images": (lambda: D(NET, X[0, 0, 0], 1), "x[None] makes a batch of one image"),
    "the net and x swapped": (lambda: D(X, NET, 1), "D: ndarray given; expected an object with"),
    "among half a label": (lambda: D(NET, X, among=2.5), "D: among = 2.5; expected an integer"),
    "float16": (lambda: D(NET, X, 1, dtype="float16"), "dtype float16 for a Net; expected float32"),
    "objects": (lambda: NET.predict(X.astype(object)), "x of type object; expected real numbers"),
    "predict of NaN": (lambda: NET.predict(NAN), "the logits of image 2 are NaN; are its pixels"),
    "forward of complex": (lambda: NET.forward(to_device(X + 0j)), "x of type complex"),
    "forward of a row": (lambda: NET.forward(to_device(X[0, 0, 0])), "expected images (N, ...)"),
    "phi of nothing": (lambda: phi(NET, X[:0], 1), "expected one image at least"),
    "phi of no layer": (lambda: phi(NET, X, 1.5), "phi_1.5: this net has phi_0 to phi_2"),
    "error of nothing": (lambda: loop.error(NET, X[:0], T[:0]), "error: no images"),
    "a missing axis": (lambda: distortion(X, X[:, 0]), "x' of shape (6, 4, 5); expected (6, 1, 4"),
    "swapped axes": (lambda: amplify(X, X.swapaxes(1, 3), 0.1), "x' of shape (6, 5, 4, 1)"),
    "distortion of complex": (lambda: distortion(X, X + 0j), "distortion: x' of type complex"),
    "x and x' swapped": (lambda: distortion(NAN, X), "NaN or infinity in x; images that D did not"),
    "NaN as distance": (lambda: amplify(X, X + 0.1, np.nan), "stddev = nan; expected a number"),
    "r of another shape": (
        lambda: objective(NET, X, T, np.ones(6), 0 * X[:, 0]), "objective: r of shape (6, 4, 5)"),
    "one c for all": (lambda: objective(NET, X, T, 1.0, 0 * X), "objective: c of shape ()"),
    "a row of units": (
        lambda: top_images(np.ones((6, 3)), np.ones((3, 1)), 2), "shape (3, 1); expected 1 axes"),
    "NaN in a direction": (
        lambda: top_images(np.ones((6, 3)), np.array([1, np.nan, 0]), 2), "NaN or infinity among"),
    "half an image": (lambda: top_images(np.ones((6, 3)), np.ones(3), 2.5), "2.5 of 6 images"),
    "a unit too many": (lambda: natural_direction(3, 3), "unit 3: the layer has units 0 to 2"),
    "no unit": (lambda: random_direction(0, 1), "random_direction: H = 0; expected an integer"),
    "transfer without predict": (lambda: transfer([Sigmoid()], [X], T), "an object with predict"),
    "infinity in x'": (lambda: amplify(X, X / 0, 0.1), "amplify: infinity in x'"),
    "arrays for a unit": (lambda: natural_direction(3, T), "natural_direction: unit array("),
    "arrays for a count": (lambda: top_images(np.ones((6, 3)), np.ones(3), T), "array("),
    "half a seed": (lambda: random_direction(3, 2.5), "random_direction: seed = 2.5; expected an"),
    "nets that are no list": (lambda: transfer(NET, [X], T), "for nets; expected a list"),
    "images that are no list": (lambda: transfer([NET], 7, T), "transfer: 7 for images; expected"),
    "rows of two lengths": (lambda: distortion([[1], [2, 3]], X), "rows of different lengths"),
    "paddings of two lengths": (lambda: Conv(1, 2, 3, RNG, 1, [[1, 2], [3]]), "Conv: padding = [["),
    "strides of two lengths": (lambda: MaxPool(2, [[1, 2], [3]]), "MaxPool: stride = [["),
    "targets of two lengths": (lambda: D(NET, X, [[1, 2], [3]]), "D: target with rows of"),
    "a huge number": (lambda: Dense(10 ** 30, 3, RNG), "an integer, at least 1 and below 2^31"),
    "yes for a number": (lambda: Dense(True, 3, RNG), "Dense: D = True; expected an integer"),
    "a net that is no list": (lambda: Net(None), "Net: None for layers; expected a list"),
    "sizes that are no list": (lambda: fc(784, RNG), "fc: 784 for sizes; expected a list"),
    "means that are no list": (lambda: Preprocess(1, RGB, 0.5, (1, 1, 1)), "mean 0.5, std"),
    "labels of objective": (lambda: objective(NET, X, None, np.ones(6), 0 * X),
                            "objective: targets of type NoneType"),
    # losses
    "logits that are bool": (lambda: softmax_cross_entropy(np.ones((6, 3), bool), T),
                             "logits of type bool; expected real numbers"),
    "logits below 0 that wrap": (lambda: sigmoid_cross_entropy(np.ones((2, 3), np.uint8),
                                                               np.ones((2, 3))), "z of type uint8"),
    "sparsity of nothing": (lambda: sparsity(np.ones((0, 3)), 0.1), "expected one image at least"),
    "targets in a column": (lambda: softmax_cross_entropy(np.ones((2, 3)), np.ones((2, 1), int)),
                            "targets of type int64 and shape (2, 1)"),
    "targets in a list": (lambda: margin(np.ones((2, 3)), [0, 1]), "targets of type list"),
    "pixels of another shape": (lambda: sigmoid_cross_entropy(np.ones((2, 3)), np.ones((2, 1))),
                                "x of shape (2, 1); expected (2, 3)"),
    "always active": (lambda: sparsity(np.ones((2, 3)), 1), "rho = 1; expected a number"),
    # layers and nets
    "Dropout of 2": (lambda: Dropout(2), "Dropout: p = 2; expected a number, 0 or more, below 1"),
    "Reshape of text": (lambda: Reshape("row"), "Reshape: shape 'row'; expected such as (C, H, W)"),
    "Reshape to the rest": (lambda: Reshape((-1, 2)), "Reshape: length = -1; expected an integer"),
    "a seed for a generator": (lambda: lenet(0), "rng = 0; expected a generator"),
    "Dense of 0": (lambda: Dense(0, 3, RNG), "Dense: D = 0; expected an integer, at least 1"),
    "Conv of half": (lambda: Conv(1, 2, 2.5, RNG), "Conv: k = 2.5; expected an integer"),
    "groups of 0": (lambda: Conv(1, 2, 3, RNG, groups=0), "Conv: groups = 0"),
    "padding below 0": (lambda: Conv(1, 2, 3, RNG, 1, -1), "Conv: padding = -1"),
    "MaxPool of text": (lambda: MaxPool("2", 2), "MaxPool: size = '2'"),
    "ChannelNorm's k of 0": (lambda: ChannelNorm(5, 0, 1, 1), "ChannelNorm: k = 0"),
    "std of 0": (lambda: Preprocess(1, RGB, (0, 0, 0), (1, 0, 1)), "std above 0"),
    "L2Pool of 0": (lambda: L2Pool(0, 1), "L2Pool: size = 0"),
    "ContrastNorm of -1": (lambda: ContrastNorm(-1), "ContrastNorm: size = -1"),
    "Local of a matrix": (lambda: Local(np.ones((2, 3))), "expected 6 axes"),
    "filters not square": (lambda: draw_filters((2, 2, 1, 1, 3, 4), RNG), "(h, w, M, C, k, k)"),
    "a class for a layer": (lambda: Net([Sigmoid]), "expected objects with params, forward"),
    "a net of one size": (lambda: fc((784,), RNG), "expected the pixels and the labels at least"),
    "AlexNet of width 0": (lambda: alexnet.bvlc(RNG, 0), "AlexNet: width = 0"),
    "QuocNet by its name": (lambda: quocnet.quocnet("S", RNG), "expected a Size, such as"),
    "features of floats": (lambda: features.compute_features(NET, X), "expected uint8, 0 to 255"),
    # norms and training
    "gradients of NaN": (lambda: check_gradients(NET, X * np.nan, T), "x holds NaN or infinity"),
    "gradients of nothing": (lambda: check_gradients(NET, X[:0], T[:0]), "x holds no image"),
    "shapes of a function": (lambda: norms.lipschitz_bound(fc, (3,)), "function has no layers"),
    "a vector for a matrix": (lambda: norms.dense_norm(np.ones(3)), "expected (..., D, H)"),
    "a filter without channels": (lambda: norms.conv_norm(np.ones((2, 3, 3))), "expected 4 axes"),
    "the norm of no weights": (lambda: norms.operator_norm(Sigmoid(), (3,)), "has no weights"),
    "a pool of vectors": (lambda: norms.layer_bound(MaxPool(2, 2), (5,)), "expected (C, H, W)"),
    "an image of another net": (
        lambda: norms.lipschitz_bound(NET, (3, 3)), "this net takes images (N, ...) of 20 numbers"),
    "no such reading": (lambda: costs.decay(NET, (1, 1), "double"), "choose one of half, whole"),
    "one lambda for two": (lambda: optimisers.Adam(NET.params, [1]), "1 lambdas for 4 parameters"),
    "NaN in a filter": (
        lambda: norms.conv_norm(to_device(np.full((1, 1, 3, 3), np.nan))), "expected finite"),
    "a rate below 0": (lambda: loop.make_rates("linear", -1, 1, 10, 5), "rate = -1"),
    "a batch of 0": (lambda: loop.make_rates("linear", 1, 1, 10, 0), "batch = 0"),
    "a layer of two weights": (lambda: penalty.add_penalty(None, Net([TwoWeights()]), 1, (2,), RNG),
                               "more or less than one array of weights"),
    # what experiments share
    "a pool without labels": (lambda: pools.Pool(X, T[:2], 0, 0.1, 10, 1, None), "Pool: labels"),
    "a pool in per cent": (lambda: pools.Pool(X, T, 0, 0.1, 10, 50, None), "share = 50"),
    "an empty pool": (lambda: pools.Pool(X, T, 0, 0.1, 10, 1, None).draw(NET, 2, RNG),
                      "call renew first"),
    "noise below 0": (lambda: noise.add_noise(X, -1, False, 0), "stddev = -1"),
    "purity of one-hot": (lambda: measures.purity(np.ones((2, 3, 5), int)), "integers (M, n)"),
    "activations of images": (lambda: measures.pick_images(X, 2, 2, 0), "expected 2 axes"),
    "a class of eleven": (lambda: samples.sample_images(T + 9, 2, 0), "labels 0 to 9"),
    "samples of a column": (lambda: samples.sample_images(T[:, None], 2, 0), "shape (6, 1)"),
}


class TwoWeights(Sigmoid):
    """y = x, with two arrays of weights that do nothing."""
    params, decays = [to_device(np.ones(2)), to_device(np.ones(2))], [True, True]


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_an_error_that_says_what_was_expected(slip):
    call, says = SLIPS[slip]
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=re.escape(says)) as raised:
        call()
    assert len(str(raised.value).splitlines()) == 1


def test_a_label_that_the_net_does_not_have_costs_infinity_and_no_label_hides_another():
    logits, target = to_device(np.zeros((3, 4))), to_device(np.array([-1, 4, 3]))
    assert to_host(softmax_cross_entropy(logits, target)[0]).tolist() == [np.inf, np.inf, np.log(4)]
    assert to_host(margin(logits, target)[0]).tolist() == [-np.inf, -np.inf, 0]
    value, _, _ = objective(NET, *map(to_device, (X, np.r_[-1, 5, T[2:]], np.ones(6), 0 * X)))
    assert np.isinf(to_host(value)).tolist() == [True, True, False, False, False, False]


def test_an_array_of_another_library_is_read_by_NumPy():
    class Tensor:                           # as torch's: its dtype has no kind
        dtype = "torch.float32"

        def __array__(self, dtype=None, copy=None):
            return X.astype(dtype or X.dtype)

    assert (phi(NET, Tensor(), 0) == X.reshape(6, -1)).all()


def test_lists_are_matrices_too():
    assert norms.dense_norm([[3, 0], [0, 4]]) == pytest.approx(4)
    assert norms.conv_norm([[[[2.0]]]]) == pytest.approx(2)
    assert Local([[[[[[1.0]]]]]]).params[0].shape == (1,) * 6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_amplify_leaves_x_where_D_does_whatever_x_is_rounded_to(dtype):
    x = (X.astype(float) + 0.1) / 1.3       # no float32 numbers
    unmoved = D(NET, x, NET.predict(x)).astype(dtype)
    assert (unmoved != x).any() and (amplify(x, unmoved, 0.1) == x).all()
    moved = amplify(x, np.where(np.arange(6)[:, None, None, None] == 3, 1 - unmoved, unmoved), 0.1)
    assert distortion(x, moved).round(6).tolist() == [0, 0, 0, 0.1, 0, 0]
