"""The paper's MNIST part, quick by default: Tables 1 and 2 and Figure 7, beside its numbers.

    python -m experiments
    python -m experiments --count 60000 --train lbfgs

Trains the nets (once: they are kept in runs/cache), finds D(x, l) for `count` training images
for each net, prints the tables and draws the figure into `out`.
"""
from experiments import common, figure7, table1, table2

ELSE = (  # command, minutes on two cores, what it needs
    ("python -m experiments --count 60000 --train lbfgs", "25", "nothing: the run in the README"),
    ("python -m experiments.attack --image digit.png --target 3", "1", "a picture of a digit"),
    ("python -m experiments.gradients", "1", "nothing: the chain rule of one image, checked"),
    ("python -m experiments.benchmark", "1", "nothing: how fast the search is, and how near"),
)


def main(data="auto", count=256, seed=0, targets="random", train="adam", workers=0, out="runs",
         quiet=False):
    flags = dict(locals())
    flags["data"] = common.load(data, quiet)[0]     # asked for once: it may take a download
    for script in (table1, table2, figure7):
        script.main(**flags)
    print("What else can be run:\n\n" + common.table(["command", "minutes", "needs"], ELSE))


if __name__ == "__main__":
    common.run(main)
