"""Table 1: the nets' errors, and the small distortions that take their accuracy to 0.

    python -m experiments.table1 --count 64 --seed 1

av. min. distortion: D(x, l) is searched for `count` training images, the same for every net, each
with a label l drawn from the nine wrong ones (with --targets nearest: the nearest of the nine).
The distortion is sqrt(sum (x' - x)^2 / 784), pixels in [0, 1], averaged over the images that the
net labels right.  An image that it labels wrong needs no distortion and is left out.
Not in the paper: FC100-100-10 from another start, and LeNet, a convolutional net; the errors of
the linear nets under three readings of the weight decay; the filters of the autoencoder.
"""
import numpy as np

from experiments.shared import attacked_set, cache, cli, page, pictures
from experiments.shared.models import BEYOND, parse_name
from experiments.shared.printed import TABLE_1 as PAPER
from nets.backend import to_host
from nets.models import MODELS

COLUMNS = ("train error %", "test error %", "av. min. distortion")     # those of the paper
LINEAR = [name for name in PAPER if name.startswith("FC10(")]
READINGS = {                                # keys of costs.DECAYS
    "half": "lambda/2 sum w^2",             # of all the nets above
    "whole": "lambda sum w^2",
    "per unit": "lambda sum w^2 / k",
}


def main(data="auto", count=256, seed=0, seeds=1, targets="random", train="adam", solver="auto",
         workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    by_seed = []
    for job in attacked_set.prepare_seeds([*PAPER, *BEYOND], flags):
        by_seed.append({"models": measure_models(job),
                        "decay": measure_readings(job, train, workers, quiet)})
    numbers, picture, filters = page.join_seeds(by_seed), {}, ""
    if seeds == 1:
        name = "table1-filters.png"
        picture[name] = draw_filters(job.nets["AE400-10"], page.describe_data(job.data))
        filters = f"""

## What the 400 units of AE400-10 look for

![400 tiles: the weights of each unit of the code]({name})

Each tile shows a unit's weights, grey where they are 0, each scaled to its largest."""
    page.save(page.name_record("table1", seeds), main, flags, job.data, started, f"""\
# Table 1: ours (the paper's)

{format_models(numbers["models"])}

{attacked_set.describe(job, seeds)}

## The linear nets under three readings of the weight decay: train error %, test error %

{format_readings(numbers["decay"])}

The nets above are trained with {READINGS["half"]} a layer: nearest to the print. \
k is a layer's number of units.{filters}""", numbers, picture)
    return numbers["models"]


def measure_models(job):
    """{name: {column: number}} of an AttackedSet."""
    return {name: attacked_set.measure_errors(net, job) | attacked_set.summarise_search(job, name)
            for name, net in job.nets.items()}


def measure_readings(job, method, workers, quiet):
    """{reading: {name: {column: error %}}} of the linear nets."""
    nets = cache.load_or_train(list_readings(), job.data, job.seed, method, workers, quiet)
    return {reading: {name: attacked_set.measure_errors(nets[name_reading(name, reading)], job)
                      for name in LINEAR} for reading in READINGS}


def list_readings():
    """The names of the linear nets under all readings of the weight decay."""
    return [name_reading(name, reading) for reading in READINGS for name in LINEAR]


def name_reading(name, reading):
    """The name of a net whose weight decay is read so, see models.parse_name."""
    return name if reading == "half" else f"{name}, {reading} decay"


def format_models(models):
    """Table 1 in Markdown, ours (the paper's).  models: {name: {column: number}}."""
    rows = []
    for name, row in models.items():
        ours = [row[column] for column in COLUMNS]
        paper = PAPER.get(name, [None] * 3)
        rows.append([name, format_lams(name), *map(page.format_cell, ours, paper),
                     *map(page.format_cell, (row["searched"], row["not found"]))])
    return page.format_table(["model", "lambda", *COLUMNS, "searched", "not found"], rows)


def format_lams(name):
    """lambda of each layer of the named net: "1e-5, 1e-5, 1e-6"; "0" where no layer has one."""
    lams = MODELS[parse_name(name).base].lams
    words = [np.format_float_scientific(lam, trim="-", exp_digits=1) for lam in lams]
    return ", ".join(words).replace("e+0", "") if any(lams) else "0"


def format_readings(readings):
    """The errors under the three readings in Markdown, beside the paper's."""
    rows = [[name, *(", ".join(map(page.format_cell, readings[r][name].values()))
                     for r in READINGS),
             "{:g}, {:g}".format(*PAPER[name][:2])] for name in LINEAR]
    return page.format_table(["model", *READINGS.values(), "paper"], rows)


def draw_filters(net, data):
    """Draw the first layer's weights (D, H): a tile for each unit, each with its own scale."""
    W = to_host(net.params[0]).T.reshape(-1, 1, 28, 28)             # (H, 1, 28, 28)
    scale = abs(W).max((1, 2, 3), keepdims=True)
    return pictures.draw_panels([(pictures.draw_grid(pictures.magnify(W / scale, 0.5), 20, scale=1),
                                  f"The 400 units of AE400-10's code, trained on {data}.")])


if __name__ == "__main__":
    cli.run(main)
