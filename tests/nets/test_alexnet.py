"""AlexNet: its new layers against loops, its sizes, its gradients, and its constants against a
reference that is written here number by number and shares no code with nets/."""
import tracemalloc

import numpy as np
import pytest
from toys import on_numpy

from intriguing import D, distortion
from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, check_gradients, numeric_gradient
from nets.layers.basic import BGR, RGB, Dense, Dropout, Preprocess
from nets.layers.conv import ChannelNorm, Conv
from nets.models import alexnet
from nets.training import costs, loop

NETS = ["krizhevsky2012", "bvlc", "torchvision"]


# ---- ChannelNorm -----------------------------------------------------------------------------

CHANNELS = [(7, 5), (8, 5), (4, 5), (2, 5), (1, 5), (5, 3), (3, 9), (4, 1)]     # C, n


@pytest.mark.parametrize(("C", "n"), CHANNELS)
def test_channel_norm_is_its_equation_number_by_number(C, n):
    x = np.random.default_rng(0).normal(size=(2, C, 2, 3))
    y = to_host(ChannelNorm(n, 2, 0.3, 0.75).forward(to_device(x))[0])
    for m, c, i, j in np.ndindex(x.shape):
        around = [x[m, e, i, j] ** 2 for e in range(C) if abs(e - c) <= n // 2]
        assert y[m, c, i, j] == pytest.approx(x[m, c, i, j] / (2 + 0.3 * sum(around)) ** 0.75)


@pytest.mark.parametrize(("C", "n"), CHANNELS)
def test_channel_norms_gradient_is_its_slope(C, n):
    x = np.random.default_rng(1).normal(size=(2, C, 1, 2))
    check_gradients(ChannelNorm(n, 1, 0.5, 0.75), x, places=100)


@pytest.mark.parametrize("n", [4, 0, -1])
def test_channel_norm_over_an_even_number_of_channels_is_an_error(n):
    with pytest.raises(ValueError, match=f"ChannelNorm: n = {n}.*; expected an"):
        ChannelNorm(n, 1, 1, 1)


# ---- Dropout ---------------------------------------------------------------------------------

ONES = np.ones((300, 400))


@pytest.mark.parametrize(("inverted", "kept"), [(True, 1 / 0.7), (False, 1)])
def test_dropout_zeroes_a_share_p_in_training_and_multiplies_the_others_by_its_constant(
        inverted, kept):
    y = to_host(Dropout(0.3, inverted).forward(to_device(ONES), np.random.default_rng(0))[0])
    assert np.unique(y) == pytest.approx([0, kept])
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.005)     # four standard deviations


@pytest.mark.parametrize(("inverted", "mean"), [(True, 1), (False, 0.7)])
def test_dropout_in_testing_gives_every_time_what_it_gives_on_average_in_training(inverted, mean):
    layer, rng, x = Dropout(0.3, inverted), np.random.default_rng(0), to_device(ONES)
    training, testing, again = (to_host(layer.forward(x, r)[0]) for r in (rng, None, None))
    assert testing == pytest.approx(np.full(ONES.shape, mean))
    assert (testing == again).all()
    assert training.mean() == pytest.approx(mean, abs=0.01)


@pytest.mark.parametrize("inverted", [True, False])
def test_dropouts_gradient_passes_through_the_mask_of_its_forward(inverted):
    rng = np.random.default_rng(1)
    layer, x, dy = Dropout(0.5, inverted), rng.normal(size=(20, 30)), rng.normal(size=(20, 30))
    y, cache = layer.forward(to_device(x), rng)
    layer.forward(to_device(x), rng)                            # another mask, in between
    assert to_host(layer.backward(to_device(dy), cache)) == pytest.approx(dy * (to_host(y) / x))
    assert 0.4 < (to_host(y) == 0).mean() < 0.6


def test_dropout_draws_anew_each_time_and_the_same_from_the_same_seed():
    a, b, c = (np.random.default_rng(seed) for seed in (0, 0, 1))
    masks = [to_host(Dropout(0.5).forward(to_device(ONES), r)[0]) for r in (a, b, c, a)]
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any()
    assert (masks[0] != masks[3]).any()


def test_dropout_in_training_gives_float32_for_float32():
    x = to_device(ONES.astype("float32"))
    y, cache = Dropout(0.3).forward(x, np.random.default_rng(0))
    assert y.dtype == Dropout(0.3).backward(x, cache).dtype == "float32"


# ---- Preprocess ------------------------------------------------------------------------------


def test_preprocess_reorders_scales_and_centres_the_channels_and_its_gradient_goes_back():
    pixel = np.array([0.0, 0.5, 1.0])[None, :, None, None]      # R, G, B
    dy = np.array([1.0, 2.0, 3.0])[None, :, None, None]
    for order, y_by_hand, dx_by_hand in (
            (RGB, [-0.2, (1 - 0.4) / 2, (2 - 0.6) / 4], [2, 2 * 2 / 2, 3 * 2 / 4]),
            (BGR, [2 - 0.2, (1 - 0.4) / 2, -0.6 / 4], [3 * 2 / 4, 2 * 2 / 2, 2])):
        layer = Preprocess(2, order, (0.2, 0.4, 0.6), (1.0, 2.0, 4.0))
        y, cache = layer.forward(to_device(pixel))
        assert to_host(y).ravel() == pytest.approx(y_by_hand)
        assert to_host(layer.backward(to_device(dy), cache)).ravel() == pytest.approx(dx_by_hand)


# ---- The constants, against a reference of its own -------------------------------------------

SMALL = {"width": 1 / 32, "size": 67, "classes": 7}
PIXELS = {"R": 122.67891, "G": 116.66877, "B": 104.00699}       # Caffe's mean
CONSTANTS = {
    "krizhevsky2012": {"order": [0, 1, 2], "scale": 255, "std": [1, 1, 1], "padding": 0,
                       "mean": [PIXELS[c] for c in "RGB"], "groups": 2, "k": 2, "alpha": 1e-4,
                       "testing": 0.5, "training": 1},
    "bvlc": {"order": [2, 1, 0], "scale": 255, "std": [1, 1, 1], "padding": 0,
             "mean": [PIXELS[c] for c in "BGR"], "groups": 2, "k": 1, "alpha": 1e-4 / 5,
             "testing": 1, "training": 2},
    "torchvision": {"order": [0, 1, 2], "scale": 1, "std": [0.229, 0.224, 0.225], "padding": 2,
                    "mean": [0.485, 0.456, 0.406], "groups": 1, "k": None, "alpha": None,
                    "testing": 1, "training": 2},
}


def small(name):
    """A small net of that name in float64, its weights such that every layer matters."""
    rng = np.random.default_rng(0)
    net = getattr(alexnet, name)(rng, **SMALL)
    for W, b in zip(net.params[::2], net.params[1::2], strict=True):
        W[...] = to_device(rng.normal(0, np.sqrt(2 * len(b) / W.size), W.shape))
        b[...] = to_device(rng.normal(0, 0.1, b.shape))
    return net


def noise(N, size=67):
    """Images (N, 3, size, size) in which no two pixels are alike: no ties."""
    return np.random.default_rng(1).uniform(0.1, 0.9, (N, 3, size, size))


def by_hand(x, params, c):
    """Logits (K,) of one image x (3, H, W), from the constants c, on the host."""
    W, b = [to_host(p) for p in params[::2]], [to_host(p) for p in params[1::2]]
    z = np.stack([(c["scale"] * x[i] - mean) / std
                  for i, mean, std in zip(c["order"], c["mean"], c["std"], strict=True)])
    g = c["groups"]
    for i, (stride, padding, groups, norm, pool) in enumerate([
            (4, c["padding"], 1, True, True), (1, 2, g, True, True), (1, 1, 1, False, False),
            (1, 1, g, False, False), (1, 1, g, False, True)]):
        z = np.maximum(convolved(z, W[i], b[i], stride, padding, groups), 0)
        if norm and c["k"] is not None:
            z = np.stack([z[d] / (c["k"] + c["alpha"] * sum(
                z[e] ** 2 for e in range(max(0, d - 2), min(len(z), d + 3)))) ** 0.75
                          for d in range(len(z))])
        if pool:
            side = (z.shape[1] - 3) // 2 + 1
            z = np.array([[[plane[2 * u:2 * u + 3, 2 * v:2 * v + 3].max() for v in range(side)]
                           for u in range(side)] for plane in z])
    z = z.ravel()
    for i in (5, 6):
        z = np.maximum(z @ W[i] + b[i], 0) * c["testing"]
    return z @ W[7] + b[7]


def convolved(x, W, b, stride, padding, groups):
    """One image (C, H, W) -> (D, h, w), each output a sum of its own."""
    x, k = np.pad(x, ((0, 0), (padding, padding), (padding, padding))), W.shape[2]
    side, part = (x.shape[1] - k) // stride + 1, W.shape[1]
    y = np.empty((len(W), side, side))
    for d, u, v in np.ndindex(y.shape):
        first = d * groups // len(W) * part
        rows, columns = (slice(stride * at, stride * at + k) for at in (u, v))
        y[d, u, v] = (W[d] * x[first:first + part, rows, columns]).sum() + b[d]
    return y


def off(ours, reference):
    """The largest difference, relative to the spread of the reference."""
    return abs(ours - reference).max() / np.ptp(reference)


@pytest.mark.parametrize("name", NETS)
def test_the_logits_are_those_of_a_reference_with_the_constants_of_these_weights(name):
    net, x = small(name), noise(2)
    logits = to_host(net.forward(to_device(x))[0])
    for image, ours in zip(x, logits, strict=True):
        assert off(ours, by_hand(image, net.params, CONSTANTS[name])) < 1e-12


@pytest.mark.parametrize("name", NETS)
def test_dropout_comes_at_both_large_layers_with_the_constant_of_the_net(name):
    dropouts = [layer for layer in small(name).layers if isinstance(layer, Dropout)]
    assert len(dropouts) == 2
    for layer in dropouts:
        y = to_host(layer.forward(to_device(ONES), np.random.default_rng(0))[0])
        assert np.unique(y).tolist() == [0, CONSTANTS[name]["training"]]
        assert (y == 0).mean() == pytest.approx(0.5, abs=0.01)


# ---- The sizes of 2012 -----------------------------------------------------------------------

PHI = {"krizhevsky2012": [(3, 227, 227), (96, 27, 27), (256, 13, 13), (384, 13, 13),
                          (384, 13, 13), (9216,), (4096,), (4096,), (1000,)],
       "torchvision": [(3, 224, 224), (64, 27, 27), (192, 13, 13), (384, 13, 13),
                       (256, 13, 13), (9216,), (4096,), (4096,), (1000,)]}
OUTPUTS = {"krizhevsky2012": [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13),
                              (256, 13, 13), (4096,), (4096,), (1000,)],
           "torchvision": [(64, 55, 55), (192, 27, 27), (384, 13, 13), (256, 13, 13),
                           (256, 13, 13), (4096,), (4096,), (1000,)]}
COUNT = {"krizhevsky2012": 60_965_224, "torchvision": 61_100_840}
MULTIPLICATIONS = {"krizhevsky2012": 724_406_816, "torchvision": 714_188_480}


@pytest.fixture(scope="module", params=PHI)
def full(request):
    """Name, net in float32 with all its parameters, bytes that it took to make at most."""
    tracemalloc.start()
    net = getattr(alexnet, request.param)(np.random.default_rng(0)).astype("float32")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return request.param, net, peak


def test_it_has_as_many_parameters_as_are_printed(full):
    name, net, _ = full
    assert sum(p.size for p in net.params) == COUNT[name]


def test_each_layer_and_phi_have_their_shapes_and_the_multiplications_are_as_counted(full):
    name, net, _ = full
    z, outputs, count = to_device(noise(1, PHI[name][0][1]).astype("float32")), [], 0
    phi = net.activations(z)
    for layer in net.layers:
        z = layer.forward(z)[0]
        if isinstance(layer, (Conv, Dense)):
            outputs.append(z.shape[1:])
            count += layer.params[0].size * int(np.prod(z.shape[2:]))
    assert [p.reshape(p.shape[1:]).shape for p in phi[:5]] == PHI[name][:5]
    assert [p[0].size for p in phi] == [int(np.prod(shape)) for shape in PHI[name]]
    assert outputs == OUTPUTS[name]
    assert count == MULTIPLICATIONS[name]
    assert z.dtype == "float32" and (to_host(z) == to_host(phi[-1])).all()


@on_numpy
def test_it_is_made_in_less_than_a_gigabyte(full):
    assert full[2] < 1e9


def test_it_begins_as_in_2012(full):
    name, net, _ = full
    for W, b, bias in zip(net.params[::2], net.params[1::2], (0, 1, 0, 1, 1, 1, 1, 0),
                          strict=True):
        std = 0.01 if name == "krizhevsky2012" else np.sqrt(len(b) / W.size)    # torchvision's
        assert float(W.std()) == pytest.approx(std, rel=0.02)
        assert (to_host(b) == (bias if name == "krizhevsky2012" else 0)).all()


@pytest.mark.parametrize("name", NETS)
def test_a_scaled_net_has_its_width_size_and_classes(name):
    net = getattr(alexnet, name)(np.random.default_rng(0), width=1 / 8, size=99, classes=10)
    a, d = (8, 32) if name == "torchvision" else (12, 48)
    b = 24 if name == "torchvision" else 32
    assert [p.shape[1:] for p in net.activations(to_device(noise(2, 99)))] == [
        (3, 99, 99), (a, 11, 11), (b, 5, 5), (48, 5, 5), (d, 5, 5),
        (128,), (512,), (512,), (10,)]


@pytest.mark.parametrize("name", NETS)
def test_of_a_narrow_net_too_no_layer_is_without_a_say(name):
    """Its parameters as they are drawn: two images' logits differ, and are not all that large."""
    net = getattr(alexnet, name)(np.random.default_rng(0), width=1 / 8, size=99, classes=10)
    for phi in net.activations(to_device(noise(2, 99)))[1:]:
        one, other = to_host(phi)
        assert 1e-3 * abs(one).max() < abs(one - other).max() < 1e3


def test_images_too_small_for_its_windows_are_an_error():
    with pytest.raises(ValueError, match="a window of 3 pixels does not fit into 2"):
        alexnet.bvlc(np.random.default_rng(0), size=66)


# ---- The gradients through the whole net -----------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_every_gradient_of_the_whole_net_is_its_slope(name):
    table = check_gradients(small(name), noise(2), [1, 4], places=20)
    assert table[-1].layer == "Net" and max(row.error for row in table) < BOUND


@pytest.mark.parametrize("name", NETS)
def test_training_moves_along_the_slope_of_every_parameter_with_one_mask(name):
    net, rng = small(name), np.random.default_rng(3)
    x, dy = to_device(noise(2)), to_device(rng.normal(size=(2, 7)))

    def logits():
        return net.forward(x, np.random.default_rng(4))         # the same mask each time

    for p, dp in zip(net.params, net.gradients(dy, logits()[1]), strict=True):
        places = [np.unravel_index(i, p.shape) for i in rng.integers(0, p.size, 8)]
        slopes = numeric_gradient(lambda: (logits()[0] * dy).sum(), p, places)
        ours = np.array([float(dp[place]) for place in places])
        assert abs(ours - slopes).max() < 1e-6 * abs(to_host(dp)).max()


@pytest.mark.parametrize("k", range(9))
def test_above_k_of_below_k_is_the_net_and_phi_0_is_the_image(k):
    net, x = small("bvlc"), to_device(noise(2))
    phi = net.below(k).forward(x)[0]
    assert (to_host(phi) == to_host(net.activations(x)[k])).all()
    assert (to_host(net.above(k).forward(phi)[0]) == to_host(net.forward(x)[0])).all()
    assert k > 0 or phi is x


def test_a_small_net_learns_two_colours_and_D_finds_images_nearby_that_it_confuses():
    rng = np.random.default_rng(5)
    t = np.arange(40) % 2
    x = (0.2 * rng.random((40, 3, 67, 67)) + 0.4).astype("float32")
    x[t == 1, 0] += 0.2                                         # reddish
    net = alexnet.bvlc(rng, **(SMALL | {"classes": 2}))
    loop.fit_adam(net.params, costs.classification(net, [0.0] * 8), to_device(x), to_device(t),
                  10, 1e-3, rng, 10)
    assert loop.error(net, x, t) == 0
    found = D(net, x[:2], 1 - t[:2])
    assert (net.predict(found.astype(float)) == 1 - t[:2]).all()
    assert found.min() >= 0 and found.max() <= 1
    assert (distortion(x[:2], found) < 0.2 / np.sqrt(3)).all()  # that of the colours


def test_restarted_each_sum_varies_as_its_inputs_do():
    net = alexnet.rescale_start(alexnet.bvlc(np.random.default_rng(0), **SMALL))
    for W, b in zip(net.params[::2], net.params[1::2], strict=True):
        assert float(W.var()) * W.size / b.size == pytest.approx(1)
    assert [round(float(b.max()), 9) for b in net.params[1::2]] == [
        0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0]
