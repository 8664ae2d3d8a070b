"""Tables 3 and 4: do images that one net gets wrong fool a net trained on other images?

    python -m experiments.table3_4 --count 64 --seed 1

The training images are split, by seed, into disjoint halves P1 and P2: two nets are trained on
P1, a third on P2.  Of the test images `count` are distorted for each, as in Table 1.
Table 3: each net's error on P1, P2 and the whole test set; the av. min. distortion is the mean
over the attacked images that the net had right.
Table 4: the error of every net on the images distorted for each; on the same distortions
amplified to a root mean square of 0.1; on Gaussian noise.  Images that the row's net had wrong
anyway are fed as they are, in the amplified rows too; images that were not found are left out.
The paper does not say whether it clipped to [0, 1]: its numbers stand beside both.  Its formula
of the amplification divides by the L2 norm (slip 5 in the README) and does not clip.  What is
farther than 0.1 as found is brought nearer by it, and may get its right label back.
Beyond the print: the images undistorted, against which each column is to be read.
"""
import numpy as np

from experiments.shared import attacked_set, cli, models, page
from experiments.shared.noise import CLIPPED, noises
from intriguing import amplified, distortion, transfer
from nets.training.loop import error

NETS = {  # cache's names: the paper's.  Whether the third has another start is not stated
    "FC100-100-10 on P1": "FC100-100-10",
    "FC123-456-10 on P1": "FC123-456-10",
    "FC100-100-10 again on P2": "FC100-100-10'",
}
PAPER_3 = {  # error on P1 %, on P2 %, on test %, av. min. distortion
    "FC100-100-10": (0, 2.4, 2, 0.062),
    "FC123-456-10": (0, 2.5, 2.1, 0.059),
    "FC100-100-10'": (2.3, 0, 2.1, 0.058),
}
PAPER_4 = {  # error % of each of the three nets, and the average distortion
    "FC100-100-10": (100, 26.2, 5.9, 0.062),
    "FC123-456-10": (6.25, 100, 5.1, 0.059),
    "FC100-100-10'": (8.2, 8.2, 100, 0.058),
    "Gaussian noise, stddev 0.06": (2.2, 2.6, 2.4, 0.06),
    "FC100-100-10, amplified to 0.1": (100, 98, 43, 0.1),
    "FC123-456-10, amplified to 0.1": (96, 100, 22, 0.1),
    "FC100-100-10', amplified to 0.1": (27, 50, 100, 0.1),
    "Gaussian noise, stddev 0.1": (2.6, 2.8, 2.7, 0.1),
}
CLAIMS = (  # what is asked; the row that is to have the higher rate; the row to compare it with
    ("above that on noise of stddev 0.06, clipped or not",
     "{net}", "Gaussian noise, stddev 0.06, {how}"),
    ("amplified to 0.1, above that as found", "{net}, amplified to 0.1, {how}", "{net}"),
    ("amplified to 0.1, above that on noise of stddev 0.1",
     "{net}, amplified to 0.1, {how}", "Gaussian noise, stddev 0.1, {how}"),
)


def main(data="auto", count=256, seed=0, targets="random", train="adam", solver="auto",
         workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    job = attacked_set.prepare(list(NETS), data, count, seed, targets, train, solver, workers,
                               quiet, "test")
    job = job._replace(**{field: {NETS[name]: of for name, of in getattr(job, field).items()}
                          for field in ("nets", "images", "searched")})
    numbers = {"table 3": errors(job, seed), "table 4": transfers(job, seed)}
    nearer = ", ".join(f"{name} {(distortion(job.x, images) > 0.1).sum()}"
                       for name, images in job.images.items())
    page.save("table3_4", main, flags, job.data, started, f"""\
# Table 3: ours (the paper's)

{table_3(numbers["table 3"])}

P1, P2: disjoint halves of the {len(job.train[0]):,} training images, drawn by seed.  \
FC100-100-10' starts from the next seed; the paper does not say whether it had another start, \
nor the weight decay, which is Table 1's.

# Table 4: error % of each column's model on the images of each row, ours (the paper's)

{table_4(numbers["table 4"])}

{compared({row: of["error %"] for row, of in numbers["table 4"].items()})}

{attacked_set.describe(job)}  Images that are farther than 0.1 as found, which amplifying \
therefore brings nearer, so that some get their right label back and the diagonal falls below \
100: {nearer}.  Clipped: to [0, 1], after which a distortion measures less; the paper does not \
say whether it clipped.""", numbers)
    return numbers


def errors(job, seed):
    """{net: {column: number}} of Table 3; errors in the precision that the nets were trained in."""
    x, t = job.train
    one, two = (models.rows_of_part(len(x), part, seed) for part in ("P1", "P2"))
    sets = {"P1": (x[one], t[one]), "P2": (x[two], t[two]), "test": job.test}
    numbers = {}
    for full_name, name in NETS.items():
        net = job.nets[name].astype("float32")
        numbers[name] = {"trained on": models.parse_name(full_name).part,
                         **{f"error on {of} %": 100 * error(net, *sets[of]) for of in sets},
                         **attacked_set.summarise_search(job, name)}
    return numbers


def fed(job, seed):
    """{row: (N, ...)}: the images of each row of Table 4, NaN where none was found."""
    images = {**job.images, **dict(noises(job.x, 0.06, seed))}
    for how, clip in CLIPPED.items():
        for name, found in job.images.items():
            far = amplified(job.x, found, 0.1)
            images[f"{name}, amplified to 0.1, {how}"] = np.clip(far, 0, 1) if clip else far
    return {**images, **dict(noises(job.x, 0.1, seed)), "undistorted": job.x}


def transfers(job, seed):
    """{row: {"error %": {net: number}, "av. distortion": number}} of Table 4.

    The distortion is averaged over the images that were searched for the row's net and found.
    """
    images, numbers = fed(job, seed), {}
    rates = 100 * transfer(list(job.nets.values()), list(images.values()), job.t)
    for row, rate in zip(images, rates, strict=True):
        moved = job.searched.get(row.split(", ")[0], slice(None))       # noise moves all
        size = page.mean(distortion(job.x, images[row])[moved])
        numbers[row] = {"error %": dict(zip(job.nets, rate.tolist(), strict=True)),
                        "av. distortion": size}
    return numbers


def table_3(numbers):
    """Table 3 in Markdown; numbers as `errors` gives them."""
    rows = []
    for name, columns in numbers.items():
        half, *ours, searched, lost = columns.values()
        rows.append([name, half, *map(page.cell, ours, PAPER_3[name]), searched, lost])
    return page.table(["model", *columns], rows)


def table_4(numbers):
    """Table 4 in Markdown; numbers as `transfers` gives them."""
    rows = []
    for row, of in numbers.items():
        paper = PAPER_4.get(row.rsplit(", ", 1)[0], [None] * 4)         # for either clipping
        ours = [*of["error %"].values(), of["av. distortion"]]
        rows.append([row, *map(page.cell, ours, paper)])
    return page.table(["made for / fed to", *PAPER_3, "av. distortion"], rows)


def compared(rate):
    """Whether CLAIMS hold off the diagonal, in words.  rate: {row: {net: error %}}."""
    words = ["Off the diagonal, is every rate\n"]
    for claim, high, low in CLAIMS:
        cases = [(high.format(net=a, how=how), low.format(net=a, how=how), b)
                 for a in PAPER_3 for b in PAPER_3 if a != b for how in CLIPPED]
        not_so = [f"{b} on {above}: {rate[above][b]:.3g} against {rate[below][b]:.3g} on {below}"
                  for above, below, b in cases if not rate[above][b] > rate[below][b]]
        words.append(f"- {claim}?  {'No: ' + '; '.join(not_so) if not_so else 'Yes'}.")
    return "\n".join(words)


if __name__ == "__main__":
    cli.run(main)
