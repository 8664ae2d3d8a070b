"""check_gradients: right gradients pass, and each kind of wrong one is told in a sentence."""
import numpy as np
import pytest

from nets.backend import to_device, to_host, xp
from nets.gradcheck import check_gradients, numeric_gradient, relative_error, slope
from nets.layers.basic import Dense, Dropout, Flatten, ReLU, Sigmoid
from nets.layers.conv import Conv, MaxPool
from nets.models.lenet import lenet
from nets.net import Net


def rng():
    return np.random.default_rng(0)


def images(*shape):
    return np.random.default_rng(1).random(shape).astype(np.float32)


def net_of(*layers, hidden=8):
    """A net for images of 3 x 3 pixels, with `layers` in its middle."""
    return Net([Flatten(), Dense(9, hidden, rng()), *layers, Dense(hidden, 4, rng())])


class Foreign:
    """What D takes and no more: a small net of its own, in `dtype`, with dx times `factor`."""

    def __init__(self, dtype=float, factor=1.0, noise=0.0):
        self.W = to_device(rng().normal(size=(9, 4)).astype(dtype))
        self.factor, self.noise = factor, noise

    def forward(self, x):
        logits = xp.tanh(x.reshape(len(x), 9).astype(self.W.dtype) @ self.W)
        logits += (to_device(np.random.normal(size=logits.shape)) * self.noise).astype(logits.dtype)
        return logits, (logits, x.shape)

    def backward(self, dlogits, cache):
        logits, shape = cache
        return self.factor * ((dlogits * (1 - logits * logits)) @ self.W.T).reshape(shape)

    def predict(self, x):
        return to_host(self.forward(to_device(x))[0]).argmax(1)


# ---- What is right ---------------------------------------------------------------------------


def test_each_layer_of_a_net_has_its_rows_and_the_whole_net_comes_last():
    table = check_gradients(net_of(Sigmoid()), images(2, 1, 3, 3), 3)
    assert [(row.layer, row.array) for row in table] == [
        ("1 Flatten", "x"), ("2 Dense", "x"), ("2 Dense", "params[0]"), ("2 Dense", "params[1]"),
        ("3 Sigmoid", "x"), ("4 Dense", "x"), ("4 Dense", "params[0]"), ("4 Dense", "params[1]"),
        ("Net", "x"), ("Net", "x, all at once")]
    assert table.problem == "" and max(row.error for row in table) < 1e-8
    for row in table:
        assert row.analytic == pytest.approx(row.numeric, rel=1e-5) and row.analytic != 0


def test_the_table_is_text_with_a_line_for_each_array():
    table = check_gradients(net_of(), images(2, 9), [0, 1])
    head, *lines = str(table).splitlines()
    assert head.split() == ["layer", "d", "loss", "/", "d", "analytic", "numeric", "error"]
    assert len(lines) == len(table) and lines[1].startswith("2 Dense           x[")
    assert max(map(len, lines)) <= 100 and "WRONG" not in str(table)


def test_neither_the_net_nor_the_images_are_changed_and_float32_nets_are_checked_in_float64():
    net, x = net_of(Sigmoid()).astype("float32"), images(2, 3, 3)
    before = [x.copy(), *(to_host(p).copy() for p in net.params)]
    table = check_gradients(net, x, 3)
    assert max(row.error for row in table) < 1e-8
    for a, b in zip([x, *net.params], before, strict=True):
        assert (to_host(a) == b).all() and a.dtype == "float32"


@pytest.mark.parametrize("x", [np.zeros((1, 1, 28, 28)), np.ones((2, 1, 28, 28), np.uint8),
                               images(3, 1, 28, 28) > 0.7, images(9, 1, 28, 28)],
                         ids=["black", "white", "black and white", "grey"])
def test_kinks_of_relu_and_max_pooling_are_no_false_alarm(x):
    check_gradients(lenet(rng()), x, 3)


@pytest.mark.parametrize("share, right", [(1, True), (0.3, True), (-1, True), (1.2, False)])
def test_at_a_kink_any_slope_between_the_sides_is_right_and_no_other(share, right):
    class Kink(Sigmoid):
        """y = |x - the first x that it sees|"""
        first = None

        def forward(self, x, rng=None):
            self.first = x if self.first is None else self.first
            return abs(x - self.first), None

        def backward(self, dy, cache):
            return share * dy

        def gradients(self, dy, cache):
            return []

    assert (check_gradients(Kink(), images(3, 4), raises=False).problem == "") == right


@pytest.mark.parametrize("pool, size", [((2, 2), 18), ((3, 2), 8), ((3, 1), 32)])
def test_ties_are_no_false_alarm_where_a_layer_gives_the_same_number_everywhere(pool, size):
    same = Conv(1, 2, 3, rng())
    same.params[0][...] = 0
    net = Net([same, ReLU(), MaxPool(*pool), Flatten(), Dense(size, 5, rng())])
    check_gradients(net, images(3, 1, 8, 8), 1, places=50)


def test_a_layer_without_a_target_gets_a_loss_of_its_own():
    table = check_gradients(Conv(2, 3, 3, rng()), images(2, 2, 5, 6))
    assert [(row.layer, row.array) for row in table] == [
        ("Conv", "x"), ("Conv", "params[0]"), ("Conv", "params[1]")]


def test_a_layer_in_float32_is_checked_in_float64_too():
    layer = Dense(5, 4, rng())
    layer.params = [p.astype("float32") for p in layer.params]
    assert max(row.error for row in check_gradients(layer, images(2, 5))) < 1e-8
    assert layer.params[0].dtype == "float32"


def test_a_sure_net_has_gradients_too():
    net = net_of(Sigmoid())
    net.params[-1][...] = to_device(np.array([500.0, 0, 0, 0]))
    table = check_gradients(net, images(2, 9), 0)
    assert table[-1].error < 1e-6 and abs(table[-1].analytic) > 1e-3


@pytest.mark.parametrize("few", [1, 2, 5])
def test_places_says_how_many_entries_are_compared(few):
    class Edge(Dense):
        def gradients(self, dy, x):
            dW, db = super().gradients(dy, x)
            dW[abs(dW).argmin() // dW.shape[1], abs(dW).argmin() % dW.shape[1]] += 0.01
            return [dW, db]

    layer, x = Edge(40, 50, rng()), images(2, 40)
    assert check_gradients(layer, x, places=few).problem == ""
    assert "d params[0] wrong" in check_gradients(layer, x, places=2000, raises=False).problem


@pytest.mark.parametrize("dtype, error", [("float64", 1e-8), ("float32", 1e-2)])
def test_a_net_of_ones_own_is_checked_as_finely_as_it_computes(dtype, error):
    table = check_gradients(Foreign(dtype), images(2, 3, 3), [1, 3])
    assert [(row.layer, row.array) for row in table] == [("Foreign", "x"),
                                                         ("Foreign", "x, all at once")]
    assert max(row.error for row in table) < error
    wrong = check_gradients(Foreign(dtype, factor=1.1), images(2, 3, 3), 2, raises=False)
    assert "times too large" in wrong.problem or "dx wrong" in wrong.problem


@pytest.mark.parametrize("factor, sentence", [
    (1, ""), (-1, "Wide: backward gives dx with the wrong sign: -1 times it fits."),
    (0, "Wide: backward gives dx = 0, but the loss has slopes up to ")])
def test_all_pixels_at_once_tell_where_one_moves_the_logits_less_than_float32_rounds(
        factor, sentence):
    class Wide(Foreign):
        def forward(self, x):
            x = x.reshape(len(x), -1).astype("float32")
            return 100 + x.reshape(len(x), 100, 9).mean(1, dtype="float32") @ self.W, x.shape

        def backward(self, dlogits, shape):
            dx = to_host(dlogits) @ to_host(self.W).T / 100
            return to_device(self.factor * np.tile(dx, 100))

    problem = check_gradients(Wide("float32", factor), images(2, 900), 1, raises=False).problem
    assert problem.startswith(sentence) and bool(problem) == (factor != 1)


def test_float32_inside_is_noticed_even_if_the_logits_are_float64():
    class Inside(Foreign):
        def forward(self, x):
            logits, cache = super().forward(x)
            return logits.astype("float64"), cache

    assert check_gradients(Inside("float32"), images(2, 3, 3), 1)[0].error < 1e-2


def test_float32_inside_is_noticed_even_if_every_number_comes_through():
    class Rounded(Sigmoid):
        def forward(self, x, rng=None):
            return x.astype("float32").astype("float64"), None

        def backward(self, dy, cache):
            return dy

    check_gradients(Rounded(), np.random.default_rng(0).random((4, 900)))


# ---- What is wrong ---------------------------------------------------------------------------


def broken(base, **methods):
    """A class derived from a layer's, with methods that get what its own returns."""
    def wrap(name, change):
        def method(self, dy, cache):
            return change(getattr(base, name)(self, dy, cache))
        return method
    return type("Broken", (base,), {name: wrap(name, change) for name, change in methods.items()})


SENTENCES = {
    "sign": (broken(Dense, backward=lambda dx: -dx),
             "backward gives dx with the wrong sign: -1 times it fits"),
    "sign of dW": (broken(Dense, gradients=lambda g: [-g[0], g[1]]),
                   "gradients gives d params[0] with the wrong sign: -1 times it fits"),
    "factor": (broken(Dense, backward=lambda dx: 2 * dx), "backward gives dx 2 times too large"),
    "slight factor": (broken(Dense, backward=lambda dx: 1.0001 * dx),
                      "backward gives dx 1.0001 times too large"),
    "mean": (broken(Dense, gradients=lambda g: [g[0], g[1] / 3]),
             "gradients gives d params[1] 0.333333 times what it should be (there are 3 images: a "
             "mean over them belongs to the loss)"),
    "zero": (broken(Dense, backward=lambda dx: 0 * dx),
             "backward gives dx = 0, but the loss has slopes up to "),
    "nan": (broken(Dense, gradients=lambda g: [g[0] + np.nan, g[1]]),
            "gradients gives d params[0] with NaN or infinity in it"),
    "transposed": (broken(Dense, gradients=lambda g: [g[0].T, g[1]]),
                   "gradients gives d params[0] transposed"),
    "shape": (broken(Dense, backward=lambda dx: dx.T),
              "backward gives dx of shape (8, 3), but x has shape (3, 8); is it transposed?"),
    "one axis less": (broken(Dense, gradients=lambda g: [g[0], g[1].sum()]),
                      "gradients gives d params[1] of shape (), but params[1] has shape (8,)"),
    "too few": (broken(Dense, gradients=lambda g: g[:1]),
                "gradients gives 1 arrays for 2 parameters"),
    "shuffled": (broken(Dense, gradients=lambda g: [g[0][::-1], g[1]]),
                 "gradients gives d params[0] wrong: at params[0]["),
}


def layer_of(kind):
    return kind(8, 8, rng()) if issubclass(kind, Dense) else kind()


@pytest.mark.parametrize("name", SENTENCES)
def test_a_wrong_gradient_is_told_in_a_sentence_that_names_the_layer(name):
    kind, sentence = SENTENCES[name]
    layer, x = layer_of(kind), images(3, 3, 3)
    with pytest.raises(AssertionError) as error:
        check_gradients(net_of(Sigmoid(), layer), x, 2)
    first, _, table = str(error.value).partition("\n\n")
    assert first.startswith(f"4 Broken: {sentence}") and first.endswith(".")
    wrong = [line for line in table.splitlines() if line.endswith("WRONG")]
    assert wrong and wrong[0].startswith("4 Broken")
    alone = check_gradients(layer, images(3, 8), raises=False)
    assert alone.problem.startswith(f"Broken: {sentence}")
    assert [row.layer for row in check_gradients(net_of(Sigmoid(), layer), x, 2, raises=False)
            if row.problem][0] == "4 Broken"


class Drawing(Sigmoid):
    def forward(self, x, rng=None):
        return super().forward(x + to_device(np.random.normal(size=x.shape)))


class InPlace(Sigmoid):
    def forward(self, x, rng=None):
        x *= 2
        return super().forward(x)


class InPlaceBackward(Sigmoid):
    def backward(self, dy, y):
        dy *= y * (1 - y)
        return dy


class Consuming(Sigmoid):
    def backward(self, dy, y):
        dx = super().backward(dy, y)
        y *= 0
        return dx


class Infinite(Sigmoid):
    def forward(self, x, rng=None):
        y, cache = super().forward(x)
        return y / (y * 0), cache


class Deaf(Dense):
    def __init__(self, D, H, rng):
        super().__init__(D, H, rng)
        self.W, self.b = self.params

    def forward(self, x, rng=None):
        return x @ self.W + self.b, x


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("kind, sentence", [
    (Drawing, "forward gives two results for the same x.  Is it still training, with dropout"),
    (InPlace, "forward writes into x"),
    (InPlaceBackward, "backward or gradients writes into dy"),
    (Consuming, "backward gives two results for the same cache.  Does it write into it?"),
    (Infinite, "forward gives NaN or infinity"),
    (Deaf, "gradients gives d params[0] although the loss stays the same when params[0] changes: "
           "does forward read it from self.params?"),
], ids=lambda a: getattr(a, "__name__", ""))
def test_a_layer_that_breaks_its_contract_is_told_so(kind, sentence):
    with pytest.raises(AssertionError) as error:
        check_gradients(net_of(layer_of(kind)), images(3, 9), 1)
    assert str(error.value).startswith(f"3 {kind.__name__}: {sentence}")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("factor, sentence", [
    (-1, "backward gives dx with the wrong sign"), (2, "backward gives dx 2"),
    (0, "backward gives dx = 0"), (np.nan, "backward gives dx with NaN")])
def test_a_net_of_ones_own_is_told_what_is_wrong_too(dtype, factor, sentence):
    with pytest.raises(AssertionError, match=f"^Foreign: {sentence}"):
        check_gradients(Foreign(dtype, factor), images(2, 3, 3), 1)


def test_a_net_of_ones_own_that_draws_noise_is_told_so():
    with pytest.raises(AssertionError, match="^Foreign: forward gives two results"):
        check_gradients(Foreign(noise=0.1), images(2, 3, 3), 1)


def test_a_net_in_float16_is_told_that_it_cannot_be_checked():
    with pytest.raises(AssertionError, match="^Foreign: forward computes in float16; gradients"):
        check_gradients(Foreign("float16"), images(2, 3, 3), 1)


def test_a_backward_that_a_class_derived_from_net_has_itself_is_the_one_that_is_checked():
    class Own(Net):
        def backward(self, dy, caches):
            return 3 * super().backward(dy, caches)

    with pytest.raises(AssertionError, match="^Own: backward gives dx 3 times too large"):
        check_gradients(Own(net_of(Sigmoid()).layers), images(2, 9), 1)


def test_an_error_of_the_net_goes_through_or_becomes_the_problem():
    class Failing(Foreign):
        def backward(self, dlogits, cache):
            raise KeyError("no gradient here")

    with pytest.raises(KeyError):
        check_gradients(Failing(), images(2, 3, 3), 1)
    table = check_gradients(Failing(), images(2, 3, 3), 1, raises=False)
    assert table.problem == "Failing: KeyError: 'no gradient here'"


def test_what_follows_a_layer_that_gives_infinity_is_not_blamed():
    with np.errstate(divide="ignore"):
        table = check_gradients(net_of(Infinite()), images(2, 9), 1, raises=False)
    assert [row.layer for row in table if row.problem] == ["3 Infinite"] and table[-1].problem


def test_dropout_is_checked_as_it_is_in_use():
    check_gradients(net_of(Dropout(0.5)), images(2, 9), 1)


# ---- Any function ----------------------------------------------------------------------------


def test_a_slope_is_taken_at_one_place_which_is_put_back():
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert slope(lambda: (a ** 3).sum(), a, (1, 0)) == pytest.approx(27)
    assert a.tolist() == [[1, 2], [3, 4]]


def test_numeric_is_the_slope_at_all_places_or_at_some_and_wants_float64():
    a = to_device(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert numeric_gradient(lambda: (a ** 2).sum(), a) == pytest.approx(2 * to_host(a))
    assert numeric_gradient(lambda: (a ** 2).sum(), a, [(0, 1)]) == pytest.approx([4])
    with pytest.raises(ValueError, match="differences in float32 are mostly rounding"):
        numeric_gradient(None, a.astype("float32"))


def test_the_relative_error_is_relative_to_the_largest_slope():
    assert relative_error(np.array([1.0, 4.4]), np.array([1.0, 4.0])) == pytest.approx(0.1)
    with pytest.raises(AssertionError, match=r"gradient of shape \(2,\), not \(3,\)"):
        relative_error(np.zeros(2), np.zeros(3))
