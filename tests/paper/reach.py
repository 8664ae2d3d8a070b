"""Does D find whatever plain descent of the loss reaches?  On small AlexNets, whose kinks are many.

    python -m tests.paper.reach

Two nets of 67 pixels are trained on coloured digits for a minute each, one has random weights.  For
each image one wrong label is searched for, and 100 steps of Adam at 0.01 on the loss, clipped to
the box, look for it too.  Not a test of the suite: it takes some minutes.
"""
import time

import numpy as np
from PIL import Image

import data as datasets
from intriguing import D, distortion
from nets.models import alexnet
from nets.training import costs, loop
from tests.toys import descend

SIZE, DIGIT = 67, 56                        # pixels of a photograph, and of the digit in it


def paint(digits, rng):
    """Digits (N, 1, 28, 28) in random colours, at random places: (N, 3, SIZE, SIZE) float32."""
    dark, bright = rng.random((2, len(digits), 3, 1, 1)) / 2 + [[[[[0.0]]]], [[[[0.5]]]]]
    ink = np.zeros((len(digits), 1, SIZE, SIZE))
    for place, digit in zip(ink, digits, strict=True):
        row, column = rng.integers(0, SIZE - DIGIT + 1, 2)
        large = Image.fromarray(np.uint8(255 * digit[0])).resize((DIGIT, DIGIT))
        place[0, row:row + DIGIT, column:column + DIGIT] = np.asarray(large) / 255
    noise = rng.normal(0, 0.03, (len(digits), 3, SIZE, SIZE))
    return (dark + (bright - dark) * ink + noise).clip(0, 1).astype(np.float32)


def main():
    """Print one line a net."""
    _, (digits, labels), _ = datasets.load("auto", quiet=True)
    for name, seed, N in (("trained", 0, 60), ("trained", 1, 60), ("random", 2, 40)):
        rng = np.random.default_rng(seed)
        net = alexnet.krizhevsky2012(rng, 0.1, SIZE, 10).astype("float32")
        rows = rng.permutation(len(digits))[:3000 + N]
        x = paint(digits[rows], rng)
        if name == "trained":
            loop.fit_adam(net.params, costs.cross_entropy(net), x[N:], labels[rows[N:]], 12, 1e-3,
                          rng)
        else:                               # weights at which more than one label can be reached
            for p in net.params[::2]:
                p *= 3
            net.params[-1] -= net.forward(x[:N])[0].mean(0)
        x = x[:N]
        target = (net.predict(x) + 1 + np.arange(N) % 9) % 10
        reached, begin = descend(net, x, target), time.perf_counter()
        found, details = D(net, x, target, details=True)
        seconds, lost = time.perf_counter() - begin, np.isnan(distortion(x, found))
        print(f"{name}, seed {seed}: {N} images; descent reaches {reached.sum()}, D finds "
              f"{N - lost.sum()}, misses {(reached & lost).sum()} of descent's; distortion "
              f"{np.nanmean(details.distortion):.4f}, {details.evaluations.mean():.0f} evaluations "
              f"and {1000 * seconds / N:.0f} ms an image", flush=True)


if __name__ == "__main__":
    main()
