"""The penalty that the paper suggests in section 4.3 and never tried: small norms by training.

    python -m experiments.lipschitz_training
    python -m experiments.lipschitz_training --count 1024 --seeds 3
    python -m experiments.lipschitz_training --net LeNet

mu log L is added to the cost of a net, where L is the product of its layers' norms, for several mu.
Everything else is as for Table 1; mu = 0 is Table 1's net.  For each net the script gives
errors;
L: a proven bound of |logits(x) - logits(x + r)| / |r|;
distortion: the average that takes the accuracy to 0, on `count` training images, each with a
target drawn from the nine wrong labels;
transfer: the error on the images made for the net of another seed and the same mu.
Numbers are means and standard deviations over the seeds.  Nets and images are saved as soon as
they are there: an interrupted run goes on.
"""
import numpy as np

import data as datasets
from experiments.shared import attacked_set, cache, cli, models, page, samples
from experiments.shared.fingerprint import fingerprint
from experiments.shared.processes import tick
from intriguing import transfer
from nets.backend import to_device
from nets.models import MODELS, fc, lenet
from nets.norms import lipschitz_bound
from nets.training import costs, loop, penalty
from nets.training.penalty import add_penalty

MU = {"FC100-100-10": (0, 0.003, 0.01, 0.03, 0.1, 0.3), "LeNet": (0, 0.01, 0.1)}
EPOCHS = {"FC100-100-10": fc.EPOCHS, "LeNet": lenet.QUICK["epochs"]}
RATES = {"FC100-100-10": fc.RATE, "LeNet": lenet.QUICK["rate"]}     # as in Table 1's quick run
COLUMNS = ("train error %", "test error %", "L", "av. min. distortion", "not found", "transfer %")
HELP = {"net": "FC100-100-10 or LeNet"}


def main(net="FC100-100-10", data="auto", count=64, seed=0, seeds=1, solver="auto", workers=0,
         out="runs", quiet=False):
    flags, started = cli.start(locals())
    if net not in MU:
        raise ValueError(f"--net {net}: choose {' or '.join(MU)}")
    data, training, test = samples.load(data, quiet)
    rows, targets = samples.sample_images(training[1], count, seed)
    arms = [(mu, s) for mu in MU[net] for s in range(seed, seed + seeds)]
    nets = load_or_train(net, arms, data, workers, quiet)
    x, t = training[0][rows], training[1][rows]
    images = cache.load_or_search(nets, x, t, targets, data, solver, workers, quiet)
    results = {arm: measure_net(nets[arm], images[arm], x, t, training, test) for arm in arms}
    for mu in MU[net]:
        same_mu = [(mu, s) for s in range(seed, seed + seeds)]
        for arm, error in measure_transfer(same_mu, nets, images, t).items():
            results[arm]["transfer %"] = error
    stem = "lipschitz_training" + ("" if net == "FC100-100-10" else f"-{net}")
    numbers = {f"mu {mu:g}, seed {s}": row for (mu, s), row in results.items()}
    by_mu = group_by_mu(numbers)
    page.save(stem, main, flags, data, started, f"""\
# {net} trained with mu log L added to its cost

{format_table(by_mu)}

{seeds} seed{"s: mean ± standard deviation" if seeds > 1 else ""}.  Distortion: of {count:,} \
training images, each with a target drawn from the nine wrong labels; an image that the net has \
wrong already is left out.  L: the product of the layers' norms and of the largest slopes of what \
is between them, a proven bound of |logits(x) - logits(x + r)| / |r|.  Trained by Adam, \
{EPOCHS[net]} epochs from rate {RATES[net]}.

{format_claims(by_mu)}""", numbers)
    return numbers


def load_or_train(name, arms, data, workers, quiet):
    """{(mu, seed): net}, in float64, from the cache or trained.  arms: [(mu, seed)]."""
    nets = {arm: models.build(name, arm[1]) for arm in arms}
    code, paths = [penalty, costs, loop, train_arm, samples.random_stream], {}
    for mu, s in arms:
        mark = fingerprint(nets[mu, s], MODELS[name].lams, code=code, apart=cache.SEARCH)
        paths[mu, s] = cache.CACHE / data / (f"{name}, seed {s}, adam {EPOCHS[name]} x "
                                             f"{RATES[name]}, mu {mu:g}, {mark[:8]}.npz")
    jobs = {arm: (name, data, *arm) for arm in arms}
    return cache.train_missing(nets, paths, train_arm, jobs, workers, quiet,
                               small=() if name == "LeNet" else nets)


def train_arm(name, data, mu, seed):
    """In a worker: train the named net with the penalty mu log L, from this seed."""
    _, (x, t), _ = datasets.load(data, quiet=True)
    net = models.build(name, seed)
    cost = costs.classification(net, MODELS[name].lams)
    if mu:
        cost = add_penalty(cost, net, mu, x.shape[1:],
                           samples.random_stream(seed, "power iteration"))
    epochs = EPOCHS[name]
    loop.fit_adam(net.params, cost, to_device(x), to_device(t), epochs, RATES[name],
                  samples.random_stream(seed, "batches"), tick=lambda _: tick(100 / epochs))
    return net


def measure_net(net, images, x, t, training, test):
    """The row of one net, {column: number}, but for transfer.

    Arguments as for attacked_set.measure_net.
    """
    return attacked_set.measure_net(net, x, t, images, training, test) | {
        "L": lipschitz_bound(net, x.shape[1:])[1]}


def measure_transfer(arms, nets, images, t):
    """{arm: its mean error % on the images made for the other arms; None if there is no other}."""
    errors = 100 * transfer([nets[arm] for arm in arms], [images[arm] for arm in arms], t)
    own = np.eye(len(arms), dtype=bool)
    return {arm: page.mean(errors[~own[:, k], k]) for k, arm in enumerate(arms)}


def group_by_mu(numbers):
    """{mu: [row of each seed]} of a record's numbers {"mu 0.1, seed 0": row}."""
    return {float(name.removeprefix("mu ")): rows
            for name, rows in page.group_by_seed(numbers).items()}


def format_table(by_mu):
    """A row for each mu, in Markdown.  by_mu: {mu: [row of each seed]}."""
    rows = [[f"{mu:g}", *(page.format_spread([row[column] for row in of]) for column in COLUMNS)]
            for mu, of in by_mu.items()]
    return page.format_table(["mu", *COLUMNS], rows)


def format_claims(by_mu):
    """The effects of the penalty: a list.  by_mu: {mu: [row of each seed]}."""
    def mean(column, mu):
        return page.average_column(by_mu[mu], column)
    mus = list(by_mu)
    best = min(mus, key=lambda mu: mean("test error %", mu))
    far = max(mus, key=lambda mu: np.nan_to_num(mean("av. min. distortion", mu)))
    falls = all(mean("L", b) < mean("L", a) for a, b in zip(mus, mus[1:], strict=False))
    return f"""\
- Does L fall as mu grows?  {page.format_answer(falls)}: from \
{page.format_cell(mean("L", mus[0]))} to {page.format_cell(mean("L", mus[-1]))}.
- Does it generalise better?  The least test error, {page.format_cell(mean("test error %", best))} \
%, is that of mu = {best:g}; without the penalty it is {page.format_cell(mean("test error %", 0))} \
%.
- Does it resist more?  The largest average distortion, \
{page.format_cell(mean("av. min. distortion", far))}, is that of mu = {far:g}, at \
{page.format_cell(mean("test error %", far))} % test error; without the penalty it is \
{page.format_cell(mean("av. min. distortion", 0))}."""


if __name__ == "__main__":
    cli.run(main)
