"""The paper's slips: a small demonstration of each, computed here, for the reader to step through.

Each demonstration is a Slip: rows of a table, and for each row a sentence.  tests/paper/test_slips
and tests/nets/test_norms prove the same points.
"""
from typing import NamedTuple

import numpy as np

from intriguing import D, amplify, distortion, objective
from nets.backend import to_device, to_host
from nets.layers.conv import Conv, MaxPool
from nets.losses import square
from nets.models.fc import fc
from nets.norms import conv_norm, operator_norm, points_for
from nets.search.scipy_lbfgsb import minimize

C = 1.0                 # of slip 2
TOY = 20                # pixels of the toy images of slips 2 and 4
ROOM = 28               # pixels of a side in slip 6


class Slip(NamedTuple):
    """One demonstration."""
    title: str
    printed: str
    meant: str
    head: list              # of the table
    rows: list              # of cells, numbers already as text
    says: list              # a sentence for each row
    lesson: str             # what the rows show together


def show_slips(net, x, found, label, target, log_c):
    """All seven Slips.

    Args:
        net: the net.
        x, found: an image (1, 1, H, W) and D(x, target) for it, in float64.
        label, target: f(x) and the wanted label.
        log_c: of the minimisation that found it.
    """
    return [sweep_c(net, x, target, log_c), drop_square(), keep_label(net, x, label),
            add_classes(), measure_lengths(x, found), stride_convolutions(), overlap_windows()]


def sweep_c(net, x, target, log_c):
    """Slip 1: the largest c, not the smallest."""
    c = np.exp(log_c) * 4.0 ** np.arange(-4, 3)
    images, targets = x.repeat(len(c), 0).reshape(len(c), -1), np.full(len(c), target)

    def evaluate(r, i):
        value, dr, _ = objective(net, to_device(images[i].reshape(-1, *x.shape[1:])),
                                 to_device(targets[i]), to_device(c[i]),
                                 to_device(r.reshape(-1, *x.shape[1:])))
        return to_host(value), to_host(dr).reshape(len(r), -1)

    r = minimize(evaluate, np.zeros_like(images), -images, 1 - images, ftol=1e-9, gtol=1e-6,
                 maxiter=200).z
    labels = net.predict((images + r).reshape(-1, *x.shape[1:]))
    lengths, success = np.sqrt(square(r)), labels == target
    nearest = np.where(success, lengths, np.inf).argmin()
    says = [f"With c = {c[i]:.2g} the minimiser of c |r|² + loss lies {lengths[i]:.2f} from x.  "
            f"The net calls it {labels[i]}: " +
            ("success, and the nearest one in this table." if i == nearest else
             "success, but there is a nearer one." if success[i] else
             "failure.") for i in range(len(c))]
    rows = [[f"{c[i]:.3g}", f"{lengths[i]:.3f}", str(labels[i]),
             "success" if success[i] else "failure"] for i in range(len(c))]
    return Slip("The smallest c?", "find the minimum c for which the minimiser has f(x + r) = l",
                "the largest c that still succeeds", ["c", "|r|", "f(x + r)", "result"], rows, says,
                "A larger c makes r shorter.  A small c mostly succeeds, far away.  So the nearest "
                "image comes from the largest c that succeeds, and D looks for that one.")


def drop_square():
    """Slip 2: c |r| has no gradient at r = 0.  On a small net of sigmoids, which has no kinks."""
    rng = np.random.default_rng(0)
    net, x = fc((TOY, 12, 5), rng), rng.random((1, TOY))
    at = net, to_device(x), to_device(net.predict(x) + 1) % 5, to_device(np.zeros(1))
    at_0, slope, _ = objective(*at, to_device(np.zeros_like(x)))
    v = -to_host(slope) / np.linalg.norm(to_host(slope))            # downhill, of length 1
    rows, says = [], []
    for t in (1e-2, 1e-3, 1e-4, 1e-5):
        ahead, behind = (float(objective(*at, to_device(sign * t * v))[0][0]) - float(at_0[0])
                         for sign in (1, -1))
        printed = (ahead + C * t) / t, -(behind + C * t) / t
        squared = (ahead + C * t * t) / t, -(behind + C * t * t) / t
        rows.append([f"{t:g}", *(f"{s:+.4f}" for s in (*printed, *squared))])
        says.append(f"A step of {t:g} ahead and a step of {t:g} back: with c |r| the two slopes "
                    f"differ by {abs(printed[0] - printed[1]):.4f}, with c |r|² by "
                    f"{abs(squared[0] - squared[1]):.4f}.")
    return Slip("c |r|, or its square?", "minimise c |r| + loss", "minimise c |r|² + loss",
                ["step", "c |r|: ahead", "back", "c |r|²: ahead", "back"], rows, says,
                f"However short the step, the two slopes of c |r| + loss differ by 2c = {2 * C:g}: "
                "at r = 0, where the search starts, there is a kink and no gradient.  "
                "c |r|² + loss has a gradient there.  As c varies, it reaches every r that c |r| + "
                "loss reaches.")


def keep_label(net, x, label):
    """Slip 3: D(x, f(x)) is an image."""
    found = D(net, x, label)
    size = float(distortion(x.astype(np.float32), found)[0])
    rows = [["f(x)", str(label), "a label"], ["D(x, f(x)), printed", f"f(x) = {label}", "a label"],
            ["D(x, f(x)), meant", "x", f"an image, {size:g} away from x"]]
    says = [f"The net gives this image the label {label}.",
            "Now ask for the nearest image with the label that x has already.  The paper prints "
            "D(x, f(x)) = f(x), which is a number from 0 to 9.",
            f"D returns images.  Called here with the label {label}, it returned x itself: r = 0."]
    return Slip("An image, or a label?", "D(x, f(x)) = f(x)", "D(x, f(x)) = x",
                ["expression", "value", "what it is"], rows, says,
                "The nearest image with the label that x has is x.")


def add_classes():
    """Slip 4: a convex loss makes the search exact for two classes, and not for more."""
    rows, says = [], []
    x = np.random.default_rng(1).uniform(0.3, 0.7, (16, TOY)).astype(np.float32)
    for K, scale in ((2, 1), (3, 1), (10, 1), (10, 10)):
        net = fc((TOY, K), np.random.default_rng(3))
        net.params[0][...] *= scale
        net.params[1][...] -= net.forward(to_device(x).mean(0)[None])[0][0]  # pass amid the images
        target = (net.predict(x) + 1) % K
        length, exact = (distortion(x, D(net, x, target, onto_boundary=last))
                         for last in (False, True))
        more = 100 * (np.nanmean(length / exact) - 1)
        weights = "" if scale == 1 else f", weights times {scale:g}"
        rows.append([f"{K}{weights}", f"{np.nanmean(exact):.4f}", f"{np.nanmean(length):.4f}",
                     f"{more:.1f} %"])
        says.append(f"A linear net with {K} labels{weights}, {len(x)} images: the search ends "
                    f"{more:.1f} % farther away than the nearest image that has the label.")
    return Slip("Exact for every convex loss?", "for convex losses the search gives D exactly",
                "it is exact for two labels, not for ten",
                ["labels", "nearest image", "found by the search", "longer by"], rows, says,
                "With two labels the loss pulls straight at the boundary.  With ten, the "
                "cross-entropy also pushes the other eight labels away, which makes r longer.  "
                "Large weights make this smaller: for FC10(1e-4) on MNIST it is 2 %.")


def measure_lengths(x, found):
    """Slip 5: a root mean square, not a length."""
    r, n = found - x, x.size
    length, rms = np.sqrt(square(r))[0], distortion(x, found)[0]
    printed = 0.1 * r / length
    meant = amplify(x, found, 0.1) - x
    rows = [[name, f"{np.linalg.norm(a):.4f}", f"{np.sqrt((a * a).mean()):.4f}"]
            for name, a in (("x' - x", r), ("printed", printed), ("meant", meant))]
    says = [f"The r that D found: its length is {length:.3f}, the root mean square of its {n} "
            f"pixels {rms:.4f}.",
            "Amplified as printed, 0.1 (x' - x) / |x' - x|: now the length is 0.1.  The root mean "
            f"square is only {rows[1][2]}.",
            "Amplified as meant: the root mean square is 0.1, the stddev that the table's heading "
            "names."]
    return Slip("A length, or a root mean square?", "x + 0.1 (x' − x) / |x' − x|",
                "x + 0.1 √n (x' − x) / |x' − x|, n pixels", ["r", "length", "root mean square"],
                rows, says, f"The two differ by √{n} = {np.sqrt(n):.0f}: as printed, the images of "
                "Table 4 would hardly differ from the ones they were made of.")


def stride_convolutions():
    """Slip 6: a stride s gives 1 / s, not 1 / s^2."""
    rows, says = [], []
    for s in (1, 2, 3, 4):
        layer = Conv(1, 4, 5, np.random.default_rng(0), stride=s)
        shape = (1, ROOM, ROOM)
        points = points_for(layer, shape)
        gain, ours, printed = (operator_norm(layer, shape), *(
            conv_norm(layer.params[0], s, points=points, as_printed=p) for p in (False, True)))
        rows.append([str(s), f"{gain:.3f}", f"{ours:.3f}", f"{printed:.3f}"])
        says.append(f"Stride {s}: one image is stretched {gain:.3f} times.  With 1 / s the bound "
                    f"is {ours:.3f}, which holds.  With 1 / s² it is {printed:.3f}" +
                    (", the same." if s == 1 else ", below what was measured."))
    return Slip("The stride's factor", "|A(ξ)| / s² for a stride s", "|A(ξ)| / s",
                ["stride s", "measured gain", "with 1 / s", "with 1 / s²"], rows, says,
                "A bound must not lie below a gain that was measured.  With 1 / s² it does, from "
                "stride 2 on, and by more for a larger stride.")


def overlap_windows():
    """Slip 7: max pooling with overlapping windows stretches."""
    rows, says = [], []
    for size, stride in ((2, 2), (3, 2), (3, 1)):
        x = np.zeros((2, 1, 7, 7))
        x[1, 0, 2, 2] = 1                                           # the same, one pixel brighter
        y = to_host(MaxPool(size, stride).forward(to_device(x))[0])
        gain, count = np.linalg.norm(y[1] - y[0]), int((y[1] != y[0]).sum())
        windows = f"{size} × {size}, stride {stride}"
        rows.append([windows, "1", str(count), f"{gain:g}"])
        says.append(f"Windows of {windows}: one pixel changes by 1.  It is the largest of {count} "
                    f"window{'s' * (count > 1)}, so the output changes by √{count} = {gain:g}.")
    return Slip("Is max pooling contractive?", "max pooling is contractive",
                "it is where windows do not overlap", ["windows", "|x − x'|", "windows hit",
                                                       "|y − y'|"], rows, says,
                "AlexNet pools in windows of 3 × 3 with stride 2: a change can double there, and "
                "there are three such layers.")
