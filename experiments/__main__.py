"""The paper's tables and figures on MNIST, beside its numbers: quick by default.

    python -m experiments
    python -m experiments --count 60000 --train lbfgs

Trains the nets, or loads them from runs/cache, finds D(x, l) for `count` images and each net,
prints Tables 1 to 4, and draws Figures 1, 2 and 7 into the folder `out`.  Rows of Table 1 come as
soon as their nets are trained, and each table as soon as it is ready.  Table 4 takes test images,
of which there are 10,000.
"""
import inspect
from typing import NamedTuple

from experiments import figure1_2, figure7, table1, table2, table3_4
from experiments.shared import attacked_set, cache, cli, page, samples
from experiments.shared.models import BEYOND


class Stage(NamedTuple):
    """What is trained together, and what can then be shown."""
    names: list                             # of the nets, the longest training first
    scripts: tuple                          # whose nets are trained now


SECOND = ["AE400-10", "FC200-200-10", "FC100-100-10", "FC100-100-10 again", *table3_4.NETS]
THIRD = [name for name in dict.fromkeys(["LeNet", *BEYOND, *table1.list_readings()])
         if name not in (*table1.LINEAR, *SECOND)]
STAGES = (                                  # each keeps two cores busy to its end
    Stage(table1.LINEAR, ()),
    Stage(SECOND, (figure7, table3_4)),
    Stage(THIRD, (table1, table2, figure1_2)),
)
OTHER_COMMANDS = (  # command, minutes on two cores, what it needs
    ("python -m experiments --count 60000 --train lbfgs", "60", "nothing: the long run"),
    ("python -m experiments --seeds 5 --count 4096 --train lbfgs", "150", "nothing: means and "
     "deviations over nets, images and labels"),
    ("python -m experiments.attack --image experiments/results/digit.png --target 7", "1",
     "a picture of a digit"),
    ("python -m experiments.lesson", "1", "a browser: gradients and the search, to click through"),
    ("python -m experiments.exercises", "0.1", "nothing: ten exercises, and their checks"),
    ("python -m experiments.fidelity --count 1024 --train lbfgs --seeds 5", "45",
     "nothing: why some numbers differ from the print"),
    ("python -m experiments.gradients", "1", "nothing: the chain rule of one image, checked"),
    ("python -m experiments.benchmark", "8", "2 GB of memory: the time, the distortion and the "
     "cost of the search"),
    ("python -m experiments.benchmark --which alexnet", "1", "1 GB of memory: AlexNet, by layer"),
    ("python -m experiments.table5", "1", "1.4 GB of memory: norms of AlexNet's layers, random; "
     "--weights bvlc for real ones"),
    ("python -m experiments.stability", "1", "nothing: how loose the bound of section 4.3 is"),
    ("python -m experiments.lipschitz_training", "3", "nothing: the penalty of section 4.3"),
    ("python -m experiments.adversarial_training", "2", "nothing: a pool of adversarial examples "
     "for each layer; --epochs 100 --seeds 3 takes an hour"),
    ("python -m experiments.train_alexnet --data cifar10", "75",
     "CIFAR-10, downloaded (170 MB); or any folder of photographs, a folder a class"),
    ("python -m experiments.figure3_4 --data cifar10", "2", "those weights"),
    ("python -m experiments.figure5 --data cifar10 --target bird", "2", "those weights"),
    ("python -m experiments.train_quocnet --below nothing", "8",
     "CIFAR-10, downloaded (170 MB); or --data stl10 (2.6 GB); or any folder of images"),
    ("python -m experiments.figure6", "2", "those weights"),
    ("python -m experiments.cars --seeds 3", "90", "CIFAR-10"),
    ("python -m experiments.benchmark --which quocnet", "2", "6 GB of memory for the full net"),
    ("python -m experiments.report", "0.1", "the results' json files: all results on one page"),
    ("python -m experiments.figure5 --weights bvlc --data imagenette --count 64", "10",
     "BVLC's weights (243 MB) and Imagenette (342 MB), both downloaded"),
)


def main(data="auto", count=256, seed=0, seeds=1, targets="random", train="adam", solver="auto",
         workers=0, out="runs", quiet=False):
    flags, _ = cli.start(locals())
    data, (_, t), (_, t_test) = samples.load(data, quiet)   # once: "auto" may try to download
    samples.sample_images(t, count, seed)   # refuses a bad count before hours of training
    for stage in STAGES:
        for s in range(seed, seed + seeds):
            cache.load_or_train(stage.names, data, s, train, workers, quiet)
            if table1 not in stage.scripts:     # else the whole table comes now
                print_rows(stage.names, data, count, s, targets, train, solver, workers, quiet)
        for script in stage.scripts:
            names = inspect.signature(script.main).parameters
            arguments = {name: flags[name] for name in names} | {"data": data}
            if script is table3_4:          # it attacks the test images, which are fewer
                arguments["count"] = min(count, len(t_test))
            script.main(**arguments)
    table = page.format_table(["command", "minutes", "needs"], OTHER_COMMANDS)
    print(f"What else can be run:\n\n{table}")


def print_rows(names, data, count, seed, targets, method, solver, workers, quiet):
    """Print the rows of Table 1 that these nets give."""
    rows = [name for name in names if name in (*table1.PAPER, *BEYOND)]
    job = attacked_set.prepare(rows, data, count, seed, targets, method, solver, workers, quiet)
    print(f"\nRows of Table 1, seed {seed}, ours (the paper's):\n\n"
          f"{table1.format_models(table1.measure_models(job))}\n", flush=True)


if __name__ == "__main__":
    cli.run(main)
