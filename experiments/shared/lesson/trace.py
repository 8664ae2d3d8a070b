"""Every evaluation of one search D(x, l), written down as it happens.

`intriguing.D` takes an engine of one's own.  This one hands everything on to SciPy's engine.  On
the way it writes down each c that `search_one` tries, and each r at which the net is evaluated.
"""
import math

import numpy as np

from experiments.shared.lesson.chain import softmax
from experiments.shared.lesson.encode import (
    encode_grey,
    encode_signed,
    round_number,
    round_numbers,
)
from intriguing import ENGINES, D
from nets.backend import to_device, to_host
from nets.losses import margin, softmax_cross_entropy


class Recorder:
    """An engine for D and one search: notes every evaluation, and where each c ends."""

    def __init__(self):
        self.evaluations, self.ends = [], []

    def solve(self, searches, evaluate, lower, upper, ftol, gtol, width, tick):
        """The engine's arguments and result, see nets.search.scipy_lbfgsb.solve."""
        def evaluate_and_note(r, rows):
            answers = evaluate(r, rows)
            self.evaluations.append({"log_c": self.log_c, "r": to_host(r)[0].copy(),
                                     "margin": float(answers[2][0])})
            return answers

        return ENGINES["scipy"]([self.watch(search) for search in searches], evaluate_and_note,
                                lower, upper, ftol, gtol, width, tick)

    def watch(self, search):
        """`search`, and a note of each c that it tries and of the minimum that it is sent."""
        question = next(search)
        while True:
            self.log_c = question[0]
            minimum = yield question
            self.ends.append({"log_c": self.log_c, "margin": float(minimum.margin),
                              "has_label": bool(minimum.has_label),
                              "at": self.find_evaluation(minimum.margin)})
            try:
                question = search.send(minimum)
            except StopIteration as end:
                return end.value

    def find_evaluation(self, margin):
        """Which evaluation, from 0 on, the minimum of this margin is: the last one that has it."""
        return next(i for i in reversed(range(len(self.evaluations)))
                    if self.evaluations[i]["margin"] == margin)


def record_search(net, x, target):
    """Search from one image x (1, ...) to a label: the Recorder, D(x, l) (1, ...), its log c."""
    recorder = Recorder()
    found, details = D(net, x, target, solver=recorder.solve, details=True)
    return recorder, found, float(np.log(details.c[0]))


def encode_search(net, x, target, every_evaluation):
    """One search as the page has it.

    Args:
        net: the net.
        x: one image (1, 1, H, W), float32.
        target: the wanted label.
        every_evaluation: whether to keep each evaluation, with pictures; else where each c ends.

    Returns:
        frames: the points r that are kept, and last D(x, l) as it is returned, float32.
        ends: where the minimisation for each c ended.
        found: whether D found an image.
        largest: the |pixel| of r that has the full colour.
    """
    recorder, found, found_log_c = record_search(net, x, target)
    points, ends = recorder.evaluations, recorder.ends
    if not every_evaluation:
        points = [points[end["at"]] for end in ends]
        ends = [{**end, "at": i} for i, end in enumerate(ends)]
    log_c = [point["log_c"] for point in points]
    images = x + np.reshape([point["r"] for point in points], (-1, *x.shape[1:]))
    is_found = not np.isnan(found).any()
    if is_found:
        log_c, images = [*log_c, found_log_c], np.concatenate([images, found])
    frames = describe_images(net, x, images, target)
    largest = abs(images[-1] - x).max()
    for i, frame in enumerate(frames):
        frame |= {"log_c": round_number(log_c[i], 6), "c": round_number(math.exp(log_c[i]))}
        if every_evaluation or i == len(frames) - 1:
            frame |= {"r": encode_signed(images[i] - x, largest), "x": encode_grey(images[i])}
    low, high = narrow(ends)
    return {"found": is_found, "largest": round_number(largest), "frames": frames,
            "ends": [{"at": end["at"], "log_c": round_number(end["log_c"], 6),
                      "margin": round_number(end["margin"]), "success": end["has_label"],
                      "low": a, "high": b} for end, a, b in zip(ends, low, high, strict=True)]}


def describe_images(net, x, images, target):
    """What the net makes of images x + r (N, ...): |r|, the loss, the margin, the softmax.

    The margin is a share of |margin(x)|: -1 at x, 0 on the boundary between two labels.
    """
    targets = to_device(np.full(len(images), target))
    logits = net.forward(to_device(images.astype(float)))[0]
    loss, _ = softmax_cross_entropy(logits, targets)
    at_x, _ = margin(net.forward(to_device(x.astype(float)))[0], targets[:1])
    margins, _ = margin(logits, targets)
    return [{"length": round_number(np.linalg.norm(image - x)), "loss": round_number(loss[i]),
             "margin": round_number(margins[i] / abs(at_x[0])), "label": int(logits[i].argmax()),
             "softmax": round_numbers(softmax(logits[i:i + 1]), 3)}
            for i, image in enumerate(images)]


def narrow(ends):
    """After each c: the largest log c with a success so far, and the smallest failure above it."""
    lows, highs = [], []
    for i in range(len(ends)):
        success = [end["log_c"] for end in ends[:i + 1] if end["has_label"]]
        low = max(success, default=None)
        failure = [end["log_c"] for end in ends[:i + 1]
                   if not end["has_label"] and (low is None or end["log_c"] > low)]
        lows.append(None if low is None else round_number(low, 6))
        highs.append(round_number(min(failure), 6) if failure else None)
    return lows, highs
