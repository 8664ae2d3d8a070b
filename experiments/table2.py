"""Table 2: do images that one net gets wrong fool the others too?

    python -m experiments.table2 --count 64 --seed 1

A row: the error of every net on images that D made for the row's net.  All rows start from the
same training images.  An image that the row's net labels wrong already stays as it is.
The noise rows: the same images with Gaussian noise, clipped to [0, 1] and not clipped.  The paper
does not say whether it clipped, so its numbers stand beside both.
Not in the paper: FC100-100-10 trained again from another start (the paper claims transfer across
initial weights and shows none); LeNet, a convolutional net; a row of undistorted images, to compare
each column with; and the last column: of the images that D found for the row's net, the share that
it still labels wrong after they are rounded to 8 bits a pixel.
"""
import numpy as np

from experiments.shared import attacked_set, cli, page, pictures, samples
from experiments.shared.models import BEYOND, TABLE_1
from experiments.shared.noise import drop_clipping, make_noise_rows
from experiments.shared.printed import TABLE_2 as PAPER
from intriguing import distortion, transfer


def main(data="auto", count=256, seed=0, seeds=1, targets="random", train="adam", solver="auto",
         workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    by_seed = []
    for job in attacked_set.prepare_seeds([*TABLE_1, *BEYOND], flags):
        by_seed.append(measure_rows(job))
    numbers = page.join_seeds(by_seed)
    page.save(page.name_record("table2", seeds), main, flags, job.data, started, f"""\
# Table 2: error % of each column's model on the images of each row, ours (the paper's)

{format_table(numbers)}

{attacked_set.describe(job, seeds)}  Noise that is clipped to [0, 1] has a distortion below its \
stddev; the paper does not say whether it clipped.""", numbers)
    return numbers


def measure_rows(job):
    """{row: {column: number}} of an AttackedSet."""
    numbers = {}
    for name, images in make_rows(job):
        [error] = 100 * transfer(list(job.nets.values()), [images], job.t)
        size, eight = samples.apply_in_chunks(distortion, job.x, images), None
        if name in job.nets:
            success = job.searched[name] & ~np.isnan(size)
            size = size[success]
            eight = measure_8_bit_errors(job.nets[name], images[success], job.t[success])
        numbers[name] = {"error %": dict(zip(job.nets, error.tolist(), strict=True)),
                         "av. distortion": page.mean(size), "still wrong in 8 bits %": eight}
    return numbers


def format_table(numbers):
    """Table 2 in Markdown, ours (the paper's).  numbers: {row: {column: number}} as in JSON."""
    rows = []
    for name, row in numbers.items():
        *paper, paper_size = PAPER.get(drop_clipping(name), [None] * (len(TABLE_1) + 1))
        paper = dict(zip(TABLE_1, paper, strict=True))
        rows.append([name,
                     *(page.format_cell(e, paper.get(net)) for net, e in row["error %"].items()),
                     page.format_cell(row["av. distortion"], paper_size),
                     page.format_cell(row["still wrong in 8 bits %"])])
    nets = next(iter(numbers.values()))["error %"]
    return page.format_table(["made for / fed to", *nets, "av. distortion", "wrong in 8 bits %"],
                             rows)


def make_rows(job):
    """Yield each row's name and images (N, ...); only one row of noise is in memory at a time."""
    yield from job.images.items()
    yield from make_noise_rows(job.x, 0.1, job.seed)
    yield from make_noise_rows(job.x, 0.3, job.seed)
    yield "undistorted", job.x


def measure_8_bit_errors(net, images, t):
    """How many % of images (N, ...) float32, rounded to 8 bits, the net labels wrong.  t: (N,)."""
    def wrong(images, t):
        return net.predict(pictures.to_8_bits(images.astype(float)) / 255) != t
    return page.mean(100.0 * samples.apply_in_chunks(wrong, images, t))


if __name__ == "__main__":
    cli.run(main)
