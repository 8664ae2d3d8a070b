"""Adversarial training (section 4): a pool of examples for each layer's output, on FC100-100-10.

    python -m experiments.adversarial_training
    python -m experiments.adversarial_training --epochs 100 --seeds 3 --count 1024
    python -m experiments.adversarial_training --epochs 100 --validation

The paper: with weight decay, no dropout, and examples for the output of every layer, below 1.2 %
test error; weight decay alone about 1.6 %, dropout about 1.3 %.  Here these three, and beside
them pools of one layer only, pools of Gaussian noise of like size, and pools of examples made by
two steps up the gradient of the loss instead of D.  Of each: errors; the
average distortion that takes the accuracy to 0, on `count` training images, each with a target
drawn from the nine wrong labels; and transfer, the error on the images made for the net of the
same seed that has weight decay alone.  --validation: the last sixth of the training images is
held out and stands in for the test images; all that is chosen here was chosen by it.
What is trained and found is kept, arm by arm: an interrupted run goes on.
"""
from typing import NamedTuple

import numpy as np

import data as datasets
from experiments.shared import (
    adversarial_pictures,
    cache,
    charts,
    cli,
    models,
    page,
    pictures,
    samples,
)
from experiments.shared.pools import ASCENT, STEPS, Pool, adversarial, ascended, noise, with_pools
from experiments.shared.processes import tick
from intriguing import distortion, transfer
from nets import store
from nets.backend import to_device
from nets.layers.basic import Dropout, Flatten, Sigmoid
from nets.net import Net
from nets.training import costs, loop, optimisers

NAME = "FC100-100-10"
PAPER = {"weight decay": "1.6", "dropout": "1.3", "all layers": "below 1.2"}        # test error %
# What is chosen below was chosen by --validation: results/adversarial_training-tuning.md.
RATE, BATCH = 0.005, 100    # of Adam, falling linearly to 0; a rate of 0.002 is no better
DECAY = (2e-4, 2e-5, 2e-6)  # of each layer with pools: almost all of it on the pixels' weights
# How far an example of each layer is moved, see `distortion`.  On pixels the net is wrong equally
# often, 8 %, on both.  Units: errors fell from 0.1 to 0.02, so less again; 0.01 was not tried.
BY_D = {0: 0.035, 1: 0.01, 2: 0.01}
BY_GRADIENT = {0: 0.043, 1: 0.01, 2: 0.01}
SHARE = 0.1                 # of a pool, renewed every epoch: in 100 epochs each is made ten times
                            # anew; 30 % costs three times as much for no fewer errors
EXAMPLES = {"D": adversarial, "gradient": ascended, "noise": noise}


class Arm(NamedTuple):
    """One way to train: weight decay of each layer, dropout of pixels and units, and pools.

    pools: {layer: how far its examples are moved}.  examples: a key of EXAMPLES.
    """
    lams: tuple
    pools: dict
    dropout: tuple = (0.0, 0.0)
    examples: str = "D"


ARMS = {
    "weight decay": Arm((1e-4, 1e-4, 1e-4), {}),
    "dropout": Arm((1e-4, 1e-5, 1e-6), {}, (0.1, 0.1)),
    "Gaussian noise": Arm(DECAY, BY_D, examples="noise"),
    "pixels": Arm(DECAY, {0: BY_D[0]}),
    "h1": Arm(DECAY, {1: BY_D[1]}),
    "h2": Arm(DECAY, {2: BY_D[2]}),
    "all layers": Arm(DECAY, BY_D),
    "pixels, by gradient": Arm(DECAY, {0: BY_GRADIENT[0]}, examples="gradient"),
    "all layers, by gradient": Arm(DECAY, BY_GRADIENT, examples="gradient"),
}
COLUMNS = ("train error %", "test error %", "av. min. distortion", "not found", "transfer %")


def main(data="auto", count=64, epochs=10, seed=0, seeds=1, validation=False, solver="auto",
         workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    for name in ("seeds", "epochs"):
        if flags[name] < 1:
            raise ValueError(f"--{name} {flags[name]}: expected 1 or more")
    data, *sets = samples.load(data, quiet)
    training, test = split(*sets, validation)
    rows, targets = samples.sample(training[1], count, seed)
    x, t = training[0][rows], training[1][rows]
    arms = [(name, s) for name in ARMS for s in range(seed, seed + seeds)]
    nets, curves = trained(arms, data, epochs, validation, workers, quiet)
    images = cache.load_or_search(nets, x, t, targets, data, solver, workers, quiet)
    found = {(name, s): measured(nets[name, s], images[name, s], images["weight decay", s], x, t,
                                 training, test) for name, s in arms}
    stem = "adversarial_training" + ("-validation" if validation else "")
    folder = page.folder(out, data)
    made_for = adversarial_pictures.examples(nets["all layers", seed], BY_D, *training)
    pictures.save(made_for, folder / f"{stem}.png")
    kind = "Validation" if validation else "Test"
    charts.save(adversarial_pictures.draw_curves(curves, kind), folder / f"{stem}-curves.png")
    numbers = {f"{name}, seed {s}": row | {"curve": [round(float(e), 3) for e in curves[name, s]]}
               for (name, s), row in found.items()}
    by_arm = page.group_by_seed(numbers)
    page.save(stem, main, flags, data, started, f"""\
# {NAME} trained on pools of adversarial examples

{format_table(by_arm)}

{caption(training, test, flags)}

{claims(by_arm)}

Of 10,000 images, an error of 1.2 % is known to 0.1 points; smaller differences are noise.""",
              numbers)
    return numbers


def split(training, test, validation):
    """(x, t) to train on and (x, t) to measure on: for validation, the last sixth is held out."""
    if not validation:
        return training, test
    n = len(training[0]) // 6
    return tuple(a[:-n] for a in training), tuple(a[-n:] for a in training)


# ---- Training --------------------------------------------------------------------------------


def trained(arms, data, epochs, validation, workers, quiet):
    """{(name, seed): net in float64} and {(name, seed): test error % after each epoch (epochs,)}.

    Trained, or from the cache, where each arm's curve lies beside its net.
    """
    jobs = {arm: (*arm, data, epochs, validation) for arm in arms}
    nets = {(name, s): models.build(NAME, s) for name, s in arms}
    paths = {arm: path(*job) for arm, job in jobs.items()}
    for one in paths.values():
        if not beside(one).exists():        # deleted, as it was damaged: the two are made together
            one.unlink(missing_ok=True)
    nets = cache.train_missing(nets, paths, train_arm, jobs, workers, quiet, small=nets)
    return nets, {arm: curve(beside(paths[arm]), epochs) for arm in arms}


def curve(path, epochs):
    """The curve (epochs,) kept at `path`, or ValueError."""
    arrays = store.load_arrays(path)
    if {name: a.shape for name, a in arrays.items()} != {"curve": (epochs,)}:
        raise ValueError(f"{path}: not a curve of {epochs} epochs; delete it and run again")
    return arrays["curve"]


def path(name, seed, data, epochs, validation):
    """Where an arm's net is kept; the name says all that it depends on."""
    words = [NAME, f"seed {seed}", f"adam {epochs} x {RATE} by {BATCH}", how(ARMS[name])]
    return cache.CACHE / data / (", ".join(words + ["a sixth held out"] * validation) + ".npz")


def how(arm):
    """How an arm is trained, in words."""
    words = ["decay " + " ".join(f"{lam:g}" for lam in arm.lams)]
    if any(arm.dropout):
        words.append("dropout {:g} {:g}".format(*arm.dropout))
    if arm.pools:
        steps = {"D": f" in {STEPS} steps", "gradient": f" in {ASCENT} steps"}
        words += [arm.examples + steps.get(arm.examples, ""),
                  *(f"layer {k} by {stddev:g}" for k, stddev in arm.pools.items()),
                  f"{SHARE:g} renewed"]
    return ", ".join(words)


def beside(path):
    """Where the curve of the net at `path` is kept."""
    return path.with_name(f"{path.stem}, curve.npz")


def train_arm(name, seed, data, epochs, validation):
    """In a worker: the net of an arm, trained; its curve is saved first, so that both are there."""
    _, *sets = datasets.load(data, quiet=True)
    training, test = split(*sets, validation)
    x, t = map(to_device, training)
    arm, net, rng = ARMS[name], models.build(NAME, seed), samples.stream(seed, "batches")
    cost = costs.classification(with_dropout(net, *arm.dropout), arm.lams)
    # As large as the training set: of 5,000 examples an epoch, as many new ones, small pools that
    # were all renewed did worse than a large one renewed in part.
    pools = [Pool(k, stddev, len(x), SHARE, EXAMPLES[arm.examples])
             for k, stddev in arm.pools.items()]
    cost = with_pools(net, cost, pools)
    adam, curve = optimisers.Adam(net.params), []
    for of_epoch in loop.rates("linear", RATE, epochs, len(x), BATCH):
        for pool in pools:
            pool.renew(net, x, t, rng)
        loop.one_epoch(adam, cost, x, t, of_epoch, rng, BATCH)
        curve.append(100 * loop.error(net, *test))
        tick(100 / epochs)
    store.save_arrays(beside(path(name, seed, data, epochs, validation)), curve=np.array(curve))
    return net


def with_dropout(net, pixels, units):
    """A net of the same layers and parameters, with dropout of pixels and of sigmoid units."""
    layers = []
    for layer in net.layers:
        layers.append(layer)
        p = {Flatten: pixels, Sigmoid: units}.get(type(layer), 0.0)
        layers += [Dropout(p)] if p else []
    return Net(layers)


# ---- What is found ---------------------------------------------------------------------------


def measured(net, images, undefended, x, t, training, test):
    """What one net gives, {column: number}.

    images: (N, ...) made for it from x (N, ...), labels t (N,).  undefended: those made for the
    net with weight decay alone.
    """
    size = distortion(x, images)[net.predict(x.astype(float)) == t]
    return {"train error %": 100 * loop.error(net, *training),
            "test error %": 100 * loop.error(net, *test),
            "av. min. distortion": page.mean(size), "not found": int(np.isnan(size).sum()),
            "transfer %": 100 * float(transfer([net], [undefended], t)[0, 0])}


def format_table(by_arm):
    """A row for each way to train, in Markdown.  by_arm: {name: [what each seed's net gives]}."""
    rows = [[name, PAPER.get(name, "-"), *(page.spread([row[column] for row in of])
                                           for column in COLUMNS)] for name, of in by_arm.items()]
    return page.table(["", "paper's test error %", *COLUMNS], rows)


def claims(by_arm):
    """What came of the paper's claims, from the numbers alone: a list.

    by_arm: {name: [what each seed's net gives]}.
    """
    def mean(column, name):
        return np.mean([np.nan if (v := row[column]) is None else v for row in by_arm[name]])

    def error(name):
        return mean("test error %", name)

    def said(*names):
        return ", ".join(f"{name} {page.spread([row['test error %'] for row in by_arm[name]])} %"
                         for name in names)
    paper = ("all layers", "dropout", "weight decay")
    single = sorted(("pixels", "h1", "h2"), key=error)
    far = max(by_arm, key=lambda name: np.nan_to_num(mean("av. min. distortion", name)))
    return f"""\
- Below 1.2 % with pools of all layers?  {yes(error("all layers") < 1.2)}: {said("all layers")}.
- Below it with examples by gradient?  With pools of all layers, \
{yes(error("all layers, by gradient") < 1.2).lower()}; of pixels alone, \
{yes(error("pixels, by gradient") < 1.2).lower()}: \
{said("all layers, by gradient", "pixels, by gradient")}.
- All layers < dropout < weight decay?  {yes(sorted(paper, key=error) == list(paper))}: \
{said(*paper)}.
- More than noise of like size?  {yes(error("all layers") < error("Gaussian noise"))}: \
{said("Gaussian noise")}.
- Are examples of higher layers more useful, alone?  {yes(single == ["h2", "h1", "pixels"])}: \
{said(*single)}; without any, {said("weight decay")}.
- Does it resist more?  The largest average distortion, \
{page.cell(mean("av. min. distortion", far))}, is that of {far}; with weight decay alone it is \
{page.cell(mean("av. min. distortion", "weight decay"))}.  On the images made for the nets with \
weight decay alone, those of all layers have \
{page.cell(mean("transfer %", "all layers"))} % wrong."""


def yes(true):
    """The answer, in a word."""
    return "Yes" if true else "No"


def caption(training, test, flags):
    """What was trained on what, and what the columns say."""
    seeds = flags["seeds"]
    measured_on = f"the {len(test[0]):,} test images"
    if flags["validation"]:
        measured_on = f"the last {len(test[0]):,} training images, held out"
    arms = "; ".join(f"{name}: {how(arm)}" for name, arm in ARMS.items())
    return f"""\
{seeds} seed{"s: mean ± standard deviation" if seeds > 1 else ""}; {len(training[0]):,} images to \
train on; Adam, {flags["epochs"]} epochs from rate {RATE}, batches of {BATCH}.  {arms}.  \
A batch takes as many examples of each of its pools as images, and lowers the sum of their costs: \
with three pools, four times as much is seen in a step.  A pool holds as many examples as there \
are images, {100 * SHARE:g} % of them renewed every epoch.  Those by D lie towards the likeliest \
wrong label, at the distance given for each layer, which is less than D's, so that the net gives \
most of them their true label; those by gradient go up the gradient of the loss.  What leaves the \
box is cut off: on pixels about a fourth of noise, and a seventh of a gradient.  \
The test error is that on {measured_on}.  Distortion: of {flags["count"]:,} training images, \
each with a target drawn from the nine wrong labels; those that the net has wrong already left \
out.  Transfer: the error on those made for the net with weight decay alone."""


if __name__ == "__main__":
    cli.run(main)
