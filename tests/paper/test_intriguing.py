"""The search D(x, l): its objective's gradient and its promises; distortion and transfer."""
import numpy as np
import pytest
from toys import attack, images, length, on_numpy

import intriguing
from experiments.benchmark.search import one_by_one
from intriguing import D, distortion, objective, transfer
from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, numeric_gradient, relative_error
from nets.losses import margin
from nets.models.fc import fc
from nets.search.rounds import make_engine
from nets.search.scipy_lbfgsb import solve

# ---- Section 4.1: the objective --------------------------------------------------------------


def test_the_objectives_gradient_which_public_libraries_get_wrong_is_its_slope(sigmoid):
    rng = np.random.default_rng(0)
    x = to_device(images(5, 3)[0].astype(float))
    target, c = to_device(np.array([4, 0, 2])), to_device(np.array([0.1, 1.0, 20.0]))
    r = to_device(rng.normal(0, 0.1, x.shape))
    dr = objective(sigmoid, x, target, c, r)[1]
    slopes = numeric_gradient(lambda: objective(sigmoid, x, target, c, r)[0].sum(), r)
    for ours, slope in zip(dr, slopes, strict=True):    # image by image: c is each one's own
        assert relative_error(ours, slope) < BOUND


def test_the_objective_is_c_r_squared_plus_the_loss_of_x_plus_r(sigmoid):
    x = to_device(images(5, 2)[0].astype(float))
    r = to_device(np.full(x.shape, 0.1))
    c, target = np.array([3.0, 5.0]), np.array([1, 2])
    value, _, logits = objective(sigmoid, x, to_device(target), to_device(c), r)
    z = to_host(sigmoid.forward(x + r)[0])
    loss = np.log(np.exp(z).sum(1)) - z[[0, 1], target]
    assert to_host(value) == pytest.approx(c * 20 * 0.1 ** 2 + loss)
    assert (to_host(logits) == z).all()


def test_the_margin_is_the_labels_lead_over_the_best_other_label():
    logits, target = to_device(np.array([[1.0, 5, 3], [2, 2, 9]])), to_device(np.array([1, 0]))
    m, other = margin(logits, target)
    assert m.tolist() == [2, -7]
    assert other.tolist() == [2, 2]


# ---- what D promises -------------------------------------------------------------------------


@pytest.mark.parametrize("onto_boundary", [False, True])
def test_every_image_found_is_float32_in_the_box_and_has_its_label_in_float64(
        sigmoid, onto_boundary):
    x, target = attack(sigmoid, 5)
    found = D(sigmoid, x, target, onto_boundary=onto_boundary)
    assert type(found) is np.ndarray
    assert found.dtype == np.float32
    assert found.shape == x.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert (to_host(sigmoid.forward(to_device(found.astype(float)))[0]).argmax(1) == target).all()


class AtLeast:
    """A net of one pixel that labels an image 1 where it reaches a threshold, else 0."""

    def __init__(self, threshold):
        self.threshold = threshold

    def forward(self, x):
        return x * np.array([0.0, 1]) - np.array([0, self.threshold]), None

    def backward(self, dlogits, caches):
        return dlogits[:, 1:]

    def predict(self, x):
        return (x[:, 0] >= self.threshold).astype(int)


@on_numpy
def test_the_label_is_checked_on_the_float32_values_and_what_rounding_costs_is_mended():
    assert float(np.float32(0.7)) < 0.7                 # so the nearest pixel's label is lost
    [[found]] = D(AtLeast(0.7), np.array([[0.1]]), 1)
    assert found.dtype == np.float32 and 0.7 <= float(found) < 0.7 + 3e-3
    [[nearer]] = D(AtLeast(0.7), np.array([[0.7 - 1e-7]]), 1)
    assert 0.7 <= float(nearer) < 0.7 + 2e-7            # float32's neighbours are 6e-8 apart


@on_numpy
def test_an_image_whose_label_the_net_takes_back_is_never_handed_out():
    class Denies(AtLeast):
        def predict(self, x):
            return np.zeros(len(x), int)
    assert np.isnan(D(Denies(0.7), np.array([[0.1]]), 1)).all()


@pytest.mark.parametrize("onto_boundary", [False, True])
def test_D_of_x_and_its_own_label_is_x_and_not_f_of_x_as_printed(sigmoid, onto_boundary):
    x = images(5)[0]
    assert (D(sigmoid, x, sigmoid.predict(x), onto_boundary=onto_boundary) == x).all()


def test_one_label_for_all_is_that_label_for_each(sigmoid):
    x = images(5, 6)[0]
    assert (D(sigmoid, x, 3) == D(sigmoid, x, np.full(6, 3))).all()


def test_images_may_lie_flat_in_float64_on_the_device_or_in_a_list(sigmoid):
    x, target = images(5, 6)[0], np.arange(6) % 5
    found = D(sigmoid, x, target).reshape(6, 20)
    flat = x.reshape(6, 20).astype(float)
    assert (D(sigmoid, flat, target) == found).all()
    assert (D(sigmoid, to_device(flat), to_device(target)) == found).all()
    assert (D(sigmoid, flat.tolist(), target.tolist()) == found).all()


def test_x_is_not_written_to(sigmoid):
    x = images(5)[0].astype(float)
    before = x.copy()
    D(sigmoid, x, 0, onto_boundary=True)
    assert (x == before).all()


def test_a_label_that_cannot_be_had_gives_NaN_in_every_pixel_and_spares_the_others(sigmoid):
    net = sigmoid.astype("float64")
    net.params[-1][...] = to_device(np.array([0, 0, 0, 0, -1e3]))
    x = images(5, 6)[0]
    found = D(net, x, np.array([4, 0, 4, 1, 4, 2]))
    assert np.isnan(found[::2]).all()
    assert not np.isnan(found[1::2]).any()


@pytest.mark.parametrize("onto_boundary", [False, True])
def test_a_net_that_gives_every_image_one_label_has_no_other(onto_boundary):
    net = fc((20, 3), np.random.default_rng(0))
    net.params[0][...] = 0
    net.params[1][...] = to_device(np.array([2.0, 0, 0]))
    x = images(3, 2)[0]
    assert np.isnan(D(net, x, 1, onto_boundary=onto_boundary)).all()
    assert (D(net, x, 0) == x).all()


def test_what_is_found_for_an_image_does_not_depend_on_the_others(sigmoid):
    x, target = attack(sigmoid, 5)
    together = length(x, D(sigmoid, x, target))
    alone = np.concatenate([length(x[i:i + 1], D(sigmoid, x[i:i + 1], target[i:i + 1]))
                            for i in range(len(x))])
    assert together == pytest.approx(alone, rel=1e-6)


def test_in_float32_the_search_comes_as_near_as_in_float64(sigmoid):
    x, target = attack(sigmoid, 5)
    single = sigmoid.astype("float32")
    for onto_boundary in (False, True):
        found = D(single, x, target, onto_boundary=onto_boundary)
        assert (single.predict(found) == target).all()
        assert length(x, found) == pytest.approx(
            length(x, D(sigmoid, x, target, onto_boundary=onto_boundary)), rel=0.01)


def test_more_images_than_a_block_are_searched_block_by_block(sigmoid, monkeypatch):
    x, target = attack(sigmoid, 5)
    monkeypatch.setattr(intriguing, "PIXELS_AT_ONCE", 8 * 20)
    found = D(sigmoid, x, target)
    parts = [D(sigmoid, x[i:i + 8], target[i:i + 8]) for i in range(0, len(x), 8)]
    assert len(parts) > 2
    assert length(x, found) == pytest.approx(length(x, np.concatenate(parts)), rel=1e-6)


def test_no_images_are_no_images(sigmoid):
    assert D(sigmoid, np.zeros((0, 1, 4, 5)), np.zeros(0, int)).shape == (0, 1, 4, 5)
    assert D(sigmoid, np.zeros((0, 20)), 3).dtype == np.float32


def test_the_engine_is_handed_the_loss_of_each_row_and_its_slopes(sigmoid):
    x, target = attack(sigmoid, 5, 6)
    checked = []

    def checking(searches, evaluate, lower, upper, *rest):
        r = to_device(0.01 * np.random.default_rng(0).normal(size=lower.shape))
        rows = np.arange(len(r))
        loss, dr, margins, has_label = evaluate(r, rows)
        slopes = numeric_gradient(lambda: evaluate(r, rows)[0].sum(), r)
        checked.extend(relative_error(*pair) for pair in zip(dr, slopes, strict=True))
        values = objective(sigmoid, to_device(x), to_device(target), to_device(np.ones(len(x))),
                           r.reshape(x.shape))[0]
        assert to_host(loss) == pytest.approx(to_host(values - (r * r).sum(1)))
        return solve(searches, evaluate, lower, upper, *rest)

    D(sigmoid, x, target, solver=checking)
    assert max(checked) < BOUND


def test_many_at_once_and_scipy_row_by_row_find_the_same_images(sigmoid):
    x, target = attack(sigmoid, 5, N=8)
    assert length(x, D(sigmoid, x, target, solver="scipy")) == pytest.approx(
        length(x, D(sigmoid, x, target, solver=make_engine(one_by_one))), rel=2e-3)


def test_on_a_hidden_layer_D_finds_the_nearest_activations_with_the_label(sigmoid):
    x, target = attack(sigmoid, 5)
    phi_1, above = to_host(sigmoid.activations(to_device(x))[1]), sigmoid.above(1)
    found = D(above, phi_1, target)
    assert found.shape == phi_1.shape == (len(x), 12)
    assert (above.predict(found.astype(float)) == target).all()
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize(("x", "target", "says"), [
    (np.full((2, 20), 1.5), [0, 1], "image 0 has pixels from 1.5 to 1.5; expected all within"),
    (np.full((2, 20), -0.1), [0, 1], "pixels from -0.1"),
    (np.full((2, 20), np.nan), [0, 1], "pixels from nan"),
    (np.full((2, 20), 0.5), [0, 5], "target 5 of image 1; the net has labels 0 to 4"),
    (np.full((2, 20), 0.5), [0, 1, 2], "target"),
])
def test_bad_pixels_and_labels_are_named(sigmoid, x, target, says):
    with pytest.raises(ValueError, match=says):
        D(sigmoid, x, np.array(target))


def test_a_net_that_gives_NaN_is_named(sigmoid):
    net = sigmoid.astype("float64")
    net.params[0][3, 2] = np.nan
    says = "logits of image 0 hold NaN or infinity; are its weights finite"
    with pytest.raises(ValueError, match=says):
        D(net, images(5, 2)[0], 1)


@on_numpy
def test_any_net_with_forward_backward_and_predict_can_be_attacked(linear):
    W, b = linear.params

    class Own:
        def forward(self, x):
            return x.reshape(len(x), 20) @ W + b, x.shape

        def backward(self, dlogits, shape):
            return (dlogits @ W.T).reshape(shape)

        def predict(self, x):
            return self.forward(x)[0].argmax(1)

    x, target = attack(linear, 10)
    for onto_boundary in (False, True):
        assert (D(Own(), x, target, onto_boundary=onto_boundary) ==
                D(linear, x, target, onto_boundary=onto_boundary)).all()


# ---- Section 4.2 -----------------------------------------------------------------------------


def test_distortion_is_the_root_mean_square_over_an_images_pixels():
    x = np.zeros((2, 1, 2, 2), np.float32)
    x_prime = np.array([[0.3, 0.3, 0.3, 0.3], [1, 0, 0, 0]], np.float32).reshape(x.shape)
    assert distortion(x, x_prime) == pytest.approx([0.3, 0.5])
    assert distortion(x, x).tolist() == [0, 0]
    assert distortion(x[:0], x[:0]).shape == (0,)


class Says:
    """A net whose label of an image is its first pixel, plus a constant."""

    def __init__(self, shift):
        self.shift = shift

    def predict(self, x):
        return x[:, 0].astype(int) + self.shift


def test_transfer_is_the_error_of_each_net_on_each_nets_images_without_those_not_found():
    t = np.array([0, 1, 2, 3])
    right = np.array([[0.0], [1], [2], [3]], np.float32)
    half = np.array([[0.0], [1], [9], [np.nan]], np.float32)    # one wrong of three found
    shares = transfer([Says(0), Says(1)], [right, half], t)
    assert shares == pytest.approx(np.array([[0, 1], [1 / 3, 1]]))


def test_transfer_of_images_of_which_none_was_found_is_NaN(sigmoid):
    none = np.full((3, 20), np.nan, np.float32)
    assert np.isnan(transfer([sigmoid], [none], np.zeros(3, int))).all()
