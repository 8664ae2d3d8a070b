"""The paper's MNIST part, quick by default: its tables and figures, beside its numbers.

    python -m experiments
    python -m experiments --count 60000 --train lbfgs

Trains the nets (once: they are kept in runs/cache), finds D(x, l) for `count` images for each
net (of the 10,000 test images at most those in Table 4), prints Tables 1 to 4 and draws Figures
1, 2 and 7 into `out`.
"""
import inspect

from experiments import figure1_2, figure7, table1, table2, table3_4
from experiments.shared import cache, cli, page, samples
from experiments.shared.models import BEYOND

SCRIPTS = (table1, table2, figure7, table3_4, figure1_2)
ELSE = (  # command, minutes on two cores, what it needs
    ("python -m experiments --count 60000 --train lbfgs", "60", "nothing: the long run"),
    ("python -m experiments.attack --image digit.png --target 3", "1", "a picture of a digit"),
    ("python -m experiments.gradients", "1", "nothing: the chain rule of one image, checked"),
    ("python -m experiments.benchmark", "8", "2 GB of memory: how fast the search is, how near "
     "it comes, and what it costs"),
    ("python -m experiments.benchmark --which alexnet", "1", "1 GB of memory: AlexNet, by layer"),
    ("python -m experiments.table5", "1", "1.4 GB of memory: norms of AlexNet's layers, random; "
     "--weights bvlc for real ones"),
    ("python -m experiments.stability", "1", "nothing: how loose the bound of section 4.3 is"),
    ("python -m experiments.lipschitz_training", "3", "nothing: the penalty that it suggests"),
    ("python -m experiments.adversarial_training", "2", "nothing: a pool of adversarial examples "
     "for each layer; --epochs 100 --seeds 3 takes an hour"),
    ("python -m experiments.train_alexnet --data cifar10", "50",
     "CIFAR-10, downloaded (170 MB); or any folder of photographs, a folder a class"),
    ("python -m experiments.figure3_4 --data cifar10", "2", "those weights"),
    ("python -m experiments.figure5 --data cifar10 --target bird", "2", "those weights"),
    ("python -m experiments.train_quocnet --below nothing", "8",
     "CIFAR-10, downloaded (170 MB); or --data stl10 (2.6 GB); or any folder of images"),
    ("python -m experiments.figure6", "2", "those weights"),
    ("python -m experiments.cars --seeds 3", "90", "CIFAR-10"),
    ("python -m experiments.benchmark --which quocnet", "2", "6 GB of memory for the full net"),
    ("python -m experiments.report", "1", "the results' json files: all results on one page"),
    ("python -m experiments.figure5 --weights bvlc --data imagenette --count 64", "10",
     "BVLC's weights (243 MB) and Imagenette (342 MB), both downloaded"),
)


def main(data="auto", count=256, seed=0, targets="random", train="adam", solver="auto",
         workers=0, out="runs", quiet=False):
    flags, _ = cli.start(locals())
    data, (_, t), (_, t_test) = samples.load(data, quiet)   # asked for once: it may be downloaded
    samples.sample(t, count, seed)          # a bad count is refused before hours of training
    nets = dict.fromkeys(["LeNet", *table3_4.NETS, *table1.PAPER, *BEYOND])
    # All at once, so that no core waits.
    cache.load_or_train(list(nets), data, seed, train, workers, quiet)
    for script in SCRIPTS:
        wanted = inspect.signature(script.main).parameters
        given = {name: flags[name] for name in wanted} | {"data": data}
        if script is table3_4:              # it attacks the test images, which are fewer
            given["count"] = min(count, len(t_test))
        script.main(**given)
    print("What else can be run:\n\n" + page.table(["command", "minutes", "needs"], ELSE))


if __name__ == "__main__":
    cli.run(main)
