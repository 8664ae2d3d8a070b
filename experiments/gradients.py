"""Backpropagation, layer by layer: every gradient beside its numeric derivative.

    python -m experiments.gradients
    python -m experiments.gradients --net LeNet

One image goes forward through the net, and the gradient of its loss comes back.  For each layer the
page shows the shapes, the equations (from the layer's docstrings), and d loss / d x and d loss / d
parameter at the largest entry and at random ones: analytic, from the layer's code, beside numeric.
The numeric derivative moves one number up and down and runs forward only.  The script fails if a
relative error exceeds BOUND.
gradients.png: -d loss / d x towards each of the ten labels, and below it r and D(x, l).
"""
import inspect
import textwrap

import numpy as np

from experiments.shared import cache, cli, models, page, pictures, samples
from intriguing import D, distortion, objective
from nets.backend import to_device, to_host
from nets.gradcheck import STEP, slope
from nets.losses import softmax_cross_entropy
from nets.net import Net

BOUND = 1e-5                                # of a relative error; right code has 1e-8 or less
NOISE = 0.1                                 # moves the image away from kinks
RANDOM_PLACES = 3                           # places of each array, besides the largest entry's
C = 1.0                                     # of the objective that is checked
NAMES = ("W", "b")                          # of a layer's parameters
SCALE = 4                                   # of the pictures


def main(net="FC100-100-10", data="auto", seed=0, train="adam", solver="auto",
         workers=0, out="runs", quiet=False):
    models.parse_name(net)                  # before any folder is made
    flags, started = cli.start(locals())
    data, _, (images, labels) = samples.load(data, quiet)
    f = cache.load_or_train([net], data, seed, train, workers, quiet)[net]
    x, label, which = find_first_right(f, images, labels)
    target = (label + 1) % 10
    found = D(f, np.repeat(x, 10, 0), np.arange(10), solver=solver)
    rng = np.random.default_rng(seed)
    near = x + rng.uniform(-NOISE, NOISE, x.shape)
    chain, errors = explain_net(f, near, target, rng)
    search, errors["objective"] = explain_objective(f, near, target, rng)
    text = f"""\
# {net}: the gradients by hand and by numbers

x: test image {which}, which the net labels {label}, which is right.  Up to {NOISE} is added to each
pixel at random, because on black paper ReLU and max pooling have kinks, where there is no gradient.
The loss is the one towards l = {target}; that towards {label} is almost 0, as are its gradients.
Relative errors are relative to the largest entry of the gradient, in float64, step {STEP:g}.

```
{chain}

{search}
```

![-d loss / d x, r and D(x, l) for each label l](gradients.png)"""
    check_errors(errors, text)
    who = f"{net} trained on {page.describe_data(data)}"
    page.save("gradients", main, flags, data, started, text,
              {"image": which, "label": label, "l": target, "relative errors": errors},
              {"gradients.png": draw_columns(f, x, label, found, who)})
    return errors


def find_first_right(net, images, labels):
    """The first of images (N, ...) that the net labels right: x (1, ...), its label, its index."""
    for i in range(len(images)):
        x = images[i:i + 1].astype(float)
        if net.predict(x)[0] == labels[i]:
            return x, int(labels[i]), i
    raise RuntimeError("the net has no image of the test set right; train it longer")


def check_errors(errors, text):
    """Print the text and raise RuntimeError if a gradient is wrong.

    errors: {layer: {array: relative error}}; the first one that is too large is named.
    """
    for where, of_arrays in errors.items():
        for name, error in of_arrays.items():
            if not error <= BOUND:          # NaN is wrong too
                print(f"\n{text}\n")
                raise RuntimeError(f"{where}: d loss / d {name} is wrong, by {error:.1e} of its "
                                   f"largest entry ({BOUND:g} is allowed), or the loss has a kink "
                                   "there: try another --seed; nothing is saved")


# ---- Layer by layer --------------------------------------------------------------------------


def explain_net(net, x, target, rng):
    """Run the net forward and backward, and write down what happens.

    Args:
        net: a Net in float64.
        x: one image (1, ...), float64, on the host.
        target: the label of the loss.
        rng: chooses the places that are compared.

    Returns:
        The text; the worst relative errors {layer: {array: error}}.
    """
    wanted = to_device(np.array([target]))
    inputs, caches = [to_device(x.copy())], []
    lines = ["FORWARD", *format_row("", "x", inputs[0], "the image")]
    for i, layer in enumerate(net.layers):
        y, cache = layer.forward(inputs[i])
        inputs.append(y)
        caches.append(cache)
        lines += format_row(name_layer(net, i), "y", y, read_equation(layer.forward))
    loss, dlogits = softmax_cross_entropy(inputs[-1], wanted)
    lines += format_row("loss", f"{float(loss[0]):.4f}", loss, read_equation(softmax_cross_entropy))

    def loss_from(i):
        """The loss from the input of layer i on, as this array is now."""
        logits = Net(net.layers[i:]).forward(inputs[i])[0]
        return float(softmax_cross_entropy(logits, wanted)[0][0])

    back, errors = explain_backward(net, inputs, caches, dlogits, loss_from, rng)
    return "\n".join([*lines, "", *back]), errors


def explain_backward(net, inputs, caches, dy, loss_from, rng):
    """Lines and errors, from the loss back to x.  inputs: of each layer, then the logits."""
    last = len(net.layers)
    rows, errors = compare_gradients(lambda: loss_from(last), {"logits": (inputs[last], dy)}, rng)
    lines = ["BACKWARD: dy means d loss / d y; a layer's dx is the dy of the layer before it", "",
             f"loss: dlogits {format_shape(dy)}", *rows]
    errors = {"loss": errors}
    for i in reversed(range(last)):
        layer = net.layers[i]
        dx, grads = layer.backward(dy, caches[i]), layer.gradients(dy, caches[i])
        lines += ["", f"{name_layer(net, i)}: dy {format_shape(dy)} -> dx {format_shape(dx)}",
                  *indent(read_equation(layer.backward)), *indent(read_equation(layer.gradients))]
        arrays = {"x": (inputs[i], dx)}
        for name, p, dp in zip(NAMES[:len(grads)], layer.params, grads, strict=True):
            arrays[name] = p, dp
        rows, errors[name_layer(net, i)] = compare_gradients(lambda i=i: loss_from(i), arrays, rng)
        lines += rows
        dy = dx
    return lines, errors


def explain_objective(net, x, target, rng):
    """Text and errors of the objective's gradient in r, at x (1, C, H, W): the search uses it."""
    r = to_device(rng.uniform(-0.1, 0.1, x.shape))
    at = net, to_device(x), to_device(np.array([target])), to_device(np.array([C])), r
    arrays = {"r": (r, objective(*at)[1])}
    rows, errors = compare_gradients(lambda: float(objective(*at)[0][0]), arrays, rng)
    return "\n".join([f"THE SEARCH'S OBJECTIVE, l = {target}, c = {C:g}, at a random r",
                      *indent(read_equation(objective)), *rows]), errors


def name_layer(net, i):
    """A layer's number and class: "2 Dense"."""
    return f"{i + 1} {type(net.layers[i]).__name__}"


def read_equation(function):
    """The first paragraph of a function's docstring, on one line."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split("\n"))


def format_shape(a):
    """An array's shape as text, with brackets."""
    return "(" + ", ".join(map(str, a.shape)) + ")"


def format_row(name, what, a, text):
    """The lines of one row of the forward pass; a long text takes several."""
    return textwrap.wrap(text, 99, initial_indent=f"  {name:<12}{what:<8}{format_shape(a):<18}",
                         subsequent_indent=" " * 40)


def indent(text):
    """The lines of a text, indented below its heading."""
    return textwrap.wrap(text, 99, initial_indent="    ", subsequent_indent="      ")


# ---- Analytic beside numeric -----------------------------------------------------------------


def compare_gradients(loss, arrays, rng):
    """Compare gradients with numeric derivatives, at the largest entry and at random places.

    Args:
        loss: a function without arguments that reads the arrays and returns a number.
        arrays: {name: (a, d loss / d a)}.
        rng: chooses the places.

    Returns:
        The lines, and {name: worst relative error}.
    """
    lines, errors = [f"      {'d loss / d':<24}{'analytic':>16}{'numeric':>18}"], {}
    for name, (a, da) in arrays.items():
        da = to_host(da)
        indices = [abs(da).argmax(),
                   *rng.choice(da.size, min(da.size, RANDOM_PLACES + 1), replace=False)]
        places = [np.unravel_index(i, a.shape) for i in dict.fromkeys(indices)][:RANDOM_PLACES + 1]
        slopes = np.array([slope(loss, a, place) for place in places])
        ours = np.array([da[place] for place in places])
        scale = max(abs(da).max(), abs(slopes).max(), 1e-300)
        errors[name] = float(abs(ours - slopes).max() / scale)
        lines += [f"      {name + '[' + ', '.join(map(str, place)) + ']':<24}"
                  f"{analytic:>+z16.9f}{numeric:>+z18.9f}"
                  for place, analytic, numeric in zip(places, ours, slopes, strict=True)]
        lines[-1] += f"    worst relative error {errors[name]:.0e}"
    return lines, errors


def format_errors(errors):
    """The worst relative errors in Markdown.  errors: {layer: {array: error}}."""
    arrays = list(dict.fromkeys(name for of in errors.values() for name in of))
    rows = [[where, *(f"{of[name]:.0e}" if name in of else "-" for name in arrays)]
            for where, of in errors.items()]
    return page.format_table(["layer", *(f"d loss / d {name}" for name in arrays)], rows)


# ---- The picture -----------------------------------------------------------------------------


def draw_columns(net, x, label, found, who):
    """Draw a column for each label l: -d loss / d x, r and D(x, l) below each other.

    Args:
        net: the Net.
        x: the image (1, 1, 28, 28).
        label: its label.
        found: (10, 1, 28, 28), D(x, l) for each l.
        who: the net in words, for the title.
    """
    logits, caches = net.forward(to_device(np.repeat(x, 10, 0)))
    descent = -to_host(net.backward(softmax_cross_entropy(logits, to_device(np.arange(10)))[1],
                                    caches))
    r = np.nan_to_num(found - x)
    steepest, largest = (abs(a).max() or 1 for a in (descent, r))
    size = distortion(np.repeat(x, len(found), 0), found)
    parts = []
    for l in range(10):  # noqa: E741
        column = np.concatenate([pictures.magnify(descent[l:l + 1], 0.5 / steepest),
                                 pictures.magnify(r[l:l + 1], 0.5 / largest), (x + r)[l:l + 1]])
        result = "its own label: r = 0" if l == label else \
            "none found" if np.isnan(size[l]) else f"distortion {size[l]:.3f}"
        parts.append((pictures.draw_grid(column, 1, SCALE), f"l = {l}, {result}"))
    return pictures.draw_panels(parts, (
        f"From a {label} to each label l, for {who}.  Top row: -d loss / d x; the loss towards l "
        f"falls if bright pixels get brighter and dark ones darker (white {steepest:.2g}, grey 0, "
        f"black -{steepest:.2g}).  Middle row: r, the least change found (white +{largest:.2g}, "
        f"grey 0, black -{largest:.2g}).  Bottom row: D(x, l) = x + r."), columns=10)


if __name__ == "__main__":
    cli.run(main)
