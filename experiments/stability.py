"""How loose is the bound of section 4.3, and what does it certify?  Not in the paper.

    python -m experiments.stability --count 64
    python -m experiments.stability --weights runs/alexnet.npz --photographs cifar10

For every net and `count` of its training images (for AlexNet: photographs of the test part), the
page gives gains |f(x + r) - f(x)| / |r| of the logits f, in Euclidean norms, pixels in [0, 1]:
bound: L, the product of the layers' bounds, proven (nets/norms.py).
searched: the largest gain that L-BFGS-B finds from any image, with x + r in the box, starting
along random r; or the largest gain along D's r, if that is larger.
along D's r, along random r: the average over the images; random r are Gaussian, as long as D's.
certificate: min over j of (logit_f(x) - logit_j(x)) / (sqrt(2) L sqrt(n)), a distortion (root mean
square over n pixels).  No image at a smaller distortion has another label.  Beside it stands the
distortion that D finds, for the next label.
"""
import numpy as np

from experiments.shared import cache, cli, page, samples
from experiments.shared.processes import run_in_processes, tick
from experiments.shared.weights import load_net_and_photographs, pick_correct
from intriguing import D, distortion
from nets.backend import to_device, to_host
from nets.losses import column, square
from nets.net import chunk_size, evaluate_in_chunks
from nets.norms import lipschitz_bound
from nets.search.scipy_lbfgsb import minimize

NETS = ("FC100-100-10", "LeNet")
START_LENGTH = 1e-2                         # |r| at the start of the search for the largest gain
STEPS = 100                                 # of this search, at most
COLUMNS = ("images", "not found", "bound", "searched", "along D's r", "along random r",
           "bound / searched", "certificate", "distortion", "certificate / distortion, at most")
NOT_RUN = """
Not run here: AlexNet, which needs weights and photographs: `python -m experiments.stability \
--weights runs/alexnet.npz --photographs cifar10`.
"""


def main(data="auto", count=64, seed=0, train="adam", weights="", preprocess="auto",
         photographs="cifar10", solver="auto", workers=0, out="runs", strict=False,
         quiet=False):
    flags, started = cli.start(locals())
    shown = (load_net_and_photographs(weights, photographs, strict, quiet, preprocess)
             if weights else None)
    data, (x, t), _ = samples.load(data, quiet)
    rows, _ = samples.sample_images(t, count, seed)
    jobs = {name: (net, x[right := rows[net.predict(x[rows].astype(float)) == t[rows]]],
                   (t[right] + 1) % 10, seed, solver)
            for name, net in cache.load_or_train(NETS, data, seed, train, workers, quiet).items()}
    if shown:
        model, held, label, names = shown
        x, t, *_ = pick_correct(model.net, held, label, -1, count, seed)
        jobs[model.description] = (model.net, x, (t + 1) % len(names), seed, solver)
    if empty := [name for name, (_, x, *_) in jobs.items() if len(x) == 0]:
        raise ValueError(f"--count {count}: {empty[0]} has none of these images right; take more")
    numbers = dict.fromkeys(jobs)
    for i, row in run_in_processes(measure_net, list(jobs.values()), workers, 3 * len(jobs),
                                   "measuring", quiet):
        numbers[list(jobs)[i]] = row
    images = f"training images of {page.describe_data(data)}"
    if shown:
        images += f" (for {model.title}: {page.describe_data(photographs)}, of the test part)"
    page.save("stability", main, flags, data, started, f"""\
# Section 4.3: the bound, and what can be found

{format_table(numbers)}

Gains of the logits, |f(x + r) - f(x)| / |r|, pixels in [0, 1].  images: {images} that the net has \
right.  not found: the images that D did not find; the columns to the right of bound leave them \
out.  bound: proven for every x and r.  searched: the largest gain found from any image; no \
correct bound is smaller.  The other gains are averages.  certificate: the bound proves that no \
image at a smaller distortion has another label.  distortion: the one that D finds.  Both are \
averages.  The last column is the largest ratio of any image; above 1 it would disprove the bound \
or the search.
{"" if shown else NOT_RUN}""", numbers)
    return numbers


def format_table(numbers):
    """A row for each net, in Markdown.  numbers: {net: {column: number}}."""
    rows = [[name, *(page.format_cell(row[c]) for c in COLUMNS)] for name, row in numbers.items()]
    return page.format_table(["net", *COLUMNS], rows)


def measure_net(net, x, target, seed, solver):
    """In a worker: the row of COLUMNS for one net.

    x: images (N, ...) that it labels right.  target: (N,), of D.  seed: of random r.
    """
    (_, L), n = lipschitz_bound(net, x.shape[1:]), np.prod(x.shape[1:])
    tick()
    images = D(net, x, target, solver=solver)
    success = ~np.isnan(square(images))
    row = {"images": len(x), "not found": int((~success).sum()), "bound": L}
    if not success.any():
        return dict.fromkeys(COLUMNS) | row
    x, images = x[success].astype(float), images[success].astype(float)
    tick()
    noise = samples.random_stream(seed, "noise").normal(size=x.shape)
    noise *= column(np.sqrt(square(images - x) / square(noise)), noise)
    along = compute_gains(net, x, images - x)
    searched = max(search_largest_gains(net, x, noise).max(), along.max())
    tick()
    size, certified = distortion(x, images), compute_certificates(net, x, L) / np.sqrt(n)
    return row | {"searched": searched, "along D's r": along.mean(),
                  "along random r": compute_gains(net, x, noise).mean(),
                  "bound / searched": L / searched,
                  "certificate": certified.mean(), "distortion": size.mean(),
                  "certificate / distortion, at most": (certified / size).max()}


def compute_logits(net, x):
    """f(x) for images x (N, ...): (N, K) float64 on the host."""
    return evaluate_in_chunks(lambda part: net.forward(part)[0], x).astype(float)


def compute_gains(net, x, r):
    """|f(x + r) - f(x)| / |r|: images and perturbations (N, ...) -> (N,)."""
    return np.sqrt(square(compute_logits(net, x + r) - compute_logits(net, x)) / square(r))


def compute_certificates(net, x, L):
    """The largest |r| for which the bound proves that x + r has x's label: (N, ...) -> (N,).

    The gain of a difference of two logits is at most sqrt(2) L.
    """
    z = np.sort(compute_logits(net, x), 1)
    return (z[:, -1] - z[:, -2]) / (np.sqrt(2) * L)


def search_largest_gains(net, x, start):
    """The largest gain that L-BFGS-B finds from each image, x + r in [0, 1]: (N, ...) -> (N,).

    It minimises log |r| - log |d|, with d = f(x + r) - f(x).  The gradient in r is
    r / |r|^2 - J^T d / |d|^2; backward gives J^T d.  start: (N, ...), a direction for each image.
    """
    r = start * column(START_LENGTH / np.sqrt(square(start)), start)
    flat, of_x, best = x.reshape(len(x), -1), compute_logits(net, x), np.zeros(len(x))

    def evaluate(r, rows):
        r = r.reshape(-1, *x.shape[1:])
        z, caches = net.forward(to_device(x[rows] + r))
        d = to_host(z).astype(float) - of_x[rows]
        slope = to_host(net.backward(to_device(2 * d), caches)).astype(float)       # of |d|^2
        moved, length = square(d), square(r)
        best[rows] = np.maximum(best[rows], np.sqrt(moved / length))
        dr = r / column(length, r) - slope / column(2 * moved, slope)
        return (np.log(length) - np.log(moved)) / 2, dr.reshape(len(r), -1)

    for i in range(0, len(x), n := chunk_size(x, 128)):
        rows = slice(i, i + n)
        offset = np.arange(len(x))[rows]
        minimize(lambda z, k, offset=offset: evaluate(z, offset[k]),
                 r[rows].reshape(len(offset), -1), -flat[rows], 1 - flat[rows],
                 corrections=10, ftol=1e-6, gtol=0.0, maxiter=STEPS)
    return best


if __name__ == "__main__":
    cli.run(main)
