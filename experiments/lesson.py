"""The lesson: gradients and the search, to see and to play, in one page that opens offline.

    python -m experiments.lesson
    python -m experiments.lesson --image experiments/results/digit.png
    python -m experiments.lesson --net LeNet

Writes lesson.html, for a projector, a laptop or a printer.  It shows real arrays of a trained net:

forward: ten digits, layer by layer, beside the source of each layer; the sum of each unit.
backward: the gradient of the loss towards a label, back to the pixels, analytic beside numeric.
search: every evaluation of D for one digit and its nine other labels; for the other digits, where
each c ends.
units: ten images of a unit, ten of a random direction (section 3), to guess which is which.
slips: a demonstration of each of the paper's slips.
exercises: ten, which python -m experiments.exercises checks.

The one digit is that of --image, or the first test image that the net labels right.  A net with
feature maps, such as LeNet, has more arrays, so its page has three digits and explains one unit
of each map.
"""
import html
import time

import numpy as np
from threadpoolctl import threadpool_limits

from data.pictures import escape
from experiments.shared import cache, cli, exercises, models, own_digit, page, samples
from experiments.shared.lesson import chain, document, slips, trace, units
from experiments.shared.lesson.encode import encode_json, encode_png, encode_source
from intriguing import phi, search_one, try_each
from nets.disk import write_whole
from nets.layers.basic import Flatten
from nets.losses import softmax_cross_entropy
from nets.search.line_search import line_search

NAME, MEGABYTES = "lesson.html", 3          # the file, and its size at most
LABELS = range(10)
ALL, SOME = 1000, 100   # of arrays up to this size every unit's sum is shown
LARGE = 5000            # numbers in all arrays; a net with more has a smaller page: so many
DIGITS, LABELS_BACK = 3, 3                  # digits, and labels of the way back
SMALLER = ("This net has feature maps, so its page is smaller: three digits, and for one of them "
           "three labels in full.  In large arrays, the units with a frame show their sums.")
HELP = {"image": "a picture of a digit of your own (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM or PGM); "
                 "it becomes the digit whose search is shown whole"}


def main(image="", net="FC100-100-10", data="auto", seed=0, train="adam", workers=0, out="runs",
         quiet=False):
    models.parse_name(net)                  # before any folder is made
    flags, started = cli.start(locals())
    own = own_digit.read_picture(image)[0] if image else None
    data, _, (images, labels) = samples.load(data, quiet)
    f = cache.load_or_train([net], data, seed, train, workers, quiet)[net]
    trained = time.time()
    hidden = units.last_hidden_layer(f)
    activations = phi(f, images, hidden)    # (N, H): they give the labels too
    right = f.above(hidden).predict(activations) == labels
    picked, first = pick_digits(images, labels, right, own, image)
    sets = units.pick_sets(activations, images, labels, seed) | {"layer": hidden}
    path = page.choose_folder(out, data) / NAME
    with threadpool_limits(1, "blas"):      # one image at a time: more threads only wait
        text = write_page(f, picked, first, sets, f"{net}, trained on {page.describe_data(data)}",
                          page.format_command("lesson", main, flags), path)
    size = len(text.encode()) / 1e6
    if size > MEGABYTES:
        raise RuntimeError(f"the page would have {size:.2f} MB, more than {MEGABYTES}: this net is "
                           "too large, or its searches take too many steps; nothing is written, "
                           "try another --net or --image")
    write_whole(path, lambda file: file.write(text.encode()))
    print(f"Saved as {escape(path)}: {size:.1f} MB, {time.time() - trained:.0f} s after training, "
          f"{time.time() - started:.0f} s in all.  Open it in a browser.", flush=True)
    return path


def pick_digits(images, labels, right, own, name):
    """The images of the page, and which of them is shown whole.

    Args:
        images, labels: the test set, (N, 1, H, W) and (N,).
        right: which of them the net labels right (N,).
        own, name: the reader's own image (1, 1, H, W) and its file, or None.

    Returns:
        [(x (1, 1, H, W) float32, its name)]: of each label the first test image that the net labels
        right, and the reader's own before them; the place of the one that is shown whole.
    """
    rows = [int(np.argmax(right & (labels == label))) for label in LABELS
            if (right & (labels == label)).any()]
    if not rows:
        raise RuntimeError("the net has no image of the test set right; train it longer")
    picked = [(images[i:i + 1], f"test image {i}, a {labels[i]}") for i in rows]
    return (picked, rows.index(min(rows))) if own is None else ([(own, escape(name)), *picked], 0)


def write_page(net, picked, first, sets, who, command, path):
    """The whole page as text.

    Args:
        net: the Net, in float64.
        picked, first: the digits, see `pick_digits`.
        sets: see `units.pick_sets`.
        who: the net and its data, in words.
        command: the command that makes this page.
        path: where the page will stand, for its link to the results.
    """
    sizes = [a.size for a in chain.pass_forward(net, picked[first][0], 0).arrays]
    is_large = sum(sizes) > LARGE
    if is_large:
        picked, first = [picked[first], *picked[:first], *picked[first + 1:]][:DIGITS], 0
    digits = [describe_digit(net, x, name, i == first, is_large)
              for i, (x, name) in enumerate(picked)]
    x, search = picked[first][0], digits[first]["search"]
    labels_found = [label for label in digits[first]["backward"] if label in search
                    and search[label]["found"]]
    if not labels_found:
        raise RuntimeError(f"found no image near {picked[first][1]} with another label; nothing is "
                           "written, try another --net or --image")
    label = max(labels_found, key=lambda label: len(search[label]["ends"]))
    _, found, log_c = trace.record_search(net, x, label)
    passed = chain.pass_forward(net, x, 0)
    lesson = {"layers": chain.describe_layers(passed), "digits": digits, "first": first,
              "label": label, "units": sets, "rows": x.shape[2], "columns": x.shape[3],
              "images": int(isinstance(net.layers[0], Flatten))}
    shown = slips.show_slips(net, x.astype(float), found.astype(float), digits[first]["label"],
                             label, log_c)
    hero = document.draw_hero(x[0], found[0], digits[first]["label"], label)
    return document.fill_page(
        net=html.escape(who), command=html.escape(command), lesson=encode_json(lesson),
        results=document.link_results(path), versions=document.format_versions(),
        hero=hero, digits=document.write_digits(digits), labels=document.write_labels(),
        sampling=SMALLER if is_large else "", loss_source=encode_source(softmax_cross_entropy),
        search_source=encode_source(search_one, try_each), line_source=encode_source(line_search),
        forward=document.write_layers(passed, "forward"),
        backward=document.write_layers(passed, "backward"),
        units_layer=sets["layer"], units_count=len(sets["unit"]["sets"]),
        unit_purity=sets["unit"]["average"], direction_purity=sets["direction"]["average"],
        slips=document.write_slips(shown),
        exercises=document.write_exercises(exercises.read_all()))


def describe_digit(net, x, name, is_whole, is_large):
    """One digit as the page has it.

    The digit that is shown whole has the way back towards every label, or of a large net towards
    LABELS_BACK of them, and every evaluation of the searches for these labels.  The others have the
    way back towards their second likeliest label, and where each c ends.
    """
    passed = chain.pass_forward(net, x, ALL if is_whole and not is_large else SOME)
    likeliest = np.argsort(-passed.arrays[-1][0]).tolist()
    count = 1 if not is_whole else LABELS_BACK if is_large else len(LABELS)
    targets = sorted((likeliest[1:] + likeliest[:1])[:count])       # its own label is the last one
    searches = {label: trace.encode_search(net, x, label, is_whole and label in targets)
                for label in LABELS if label != likeliest[0]}
    return {"name": name, "label": likeliest[0], "picture": encode_png(x[0]),
            "forward": chain.encode_forward(passed),
            "backward": {label: chain.encode_backward(passed, label) for label in targets},
            "search": searches}


if __name__ == "__main__":
    cli.run(main)
