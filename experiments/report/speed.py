"""The sections on speed: the search, training, AlexNet and QuocNet.

Each `write_` function takes the records, {stem: Record}, and returns a section's Markdown.
"""
from experiments.benchmark import alexnet, quocnet, search, training
from experiments.benchmark.timing import describe_machine
from experiments.shared import page

SEARCHES = {  # {name: description}
    search.TOGETHER: "D as it is, many searches together",
    search.IMAGE_BY_IMAGE: "the same search by SciPy's public function, image by image",
    search.ONTO_BOUNDARY: "D with a last step onto the boundary, which is not in the paper",
    search.BY_HAND: "D by hand, the net in float32",
    search.DDN: "DDN, the attack that other libraries use for small distortions, in float32",
}


def write_search(records):
    n = records["benchmark"].numbers
    searches = "; ".join(f"{name[:3]} {text}" for name, text in SEARCHES.items())
    return f"""\
Milliseconds and evaluations (of the objective and its gradient) an image, on \
{describe_machine(n)}.  Times differ from machine to machine: compare ratios.  {searches}.

{search.format_searches(n["search"])}

{compare_with_boundary(n["search"])}

The cost of (a):

{search.format_costs(n["search"])}

AlexNet at its full size, 227 pixels: {page.format_cell(n["AlexNet"]["net"])} ms an evaluation, \
and {page.format_cell(n["AlexNet"]["solver"])} ms of the solver.  The parts of (a)'s time, in %:

{search.format_shares(n["time"])}

Milliseconds an image by the number of searches together, and in brackets the MB that they take:

{search.format_batches(n["batches"])}

![milliseconds an image by the number of searches together](benchmark.png)

By the number of processes:

{search.format_workers(n["workers"])}"""


def compare_with_boundary(searches):
    """How much smaller the distortion of (c) is than that of (a), a line for each net."""
    lines = []
    for name, of_net in searches.items():
        if search.ONTO_BOUNDARY in of_net:
            a, c = (of_net[how]["distortion"] for how in (search.TOGETHER, search.ONTO_BOUNDARY))
            lines.append(f"- {name}: the last step onto the boundary lowers the distortion from "
                         f"{page.format_cell(a)} to {page.format_cell(c)}, "
                         f"by {100 * (1 - c / a):.1f} %.")
    return "\n".join(lines)


def write_training(records):
    n = records["benchmark"].numbers
    return training.format_training(n["epochs"], n["convolutions"], n["GFLOP/s"])


def write_alexnet(records):
    n = records["benchmark-alexnet"].numbers
    text = f"""\
AlexNet of 2012 at 227 pixels in float32: value and input gradient of the objective, on \
{describe_machine(n)}.

{alexnet.format_batches(n["batches"], n["GFLOP/s"])}

Each layer, in a batch of 16, per image:

{alexnet.format_layers(n["layers"])}"""
    if "precisions" in n:
        text += f"""

The search in float32 and in float64, on photographs; *moved*: the pixels are moved by about 1e-7, \
as rounding moves them:

{alexnet.format_precisions(n["precisions"])}"""
    return text


def write_quocnet(records):
    n = records["benchmark-quocnet"].numbers
    estimate = n["training"]
    return f"""\
QuocNet at every size, one image at a time, on {describe_machine(n)}.  \
Size *full* is that of Le et al., whose net the paper attacks.  D: with a random classifier of two \
labels.

{quocnet.format_images(n["images"])}{quocnet.format_left_out(n["images"])}

A step of training on {quocnet.BATCH} images:

{quocnet.format_steps(n["steps"], n["GFLOP/s"])}

To train the full net on {quocnet.FRAMES:,} images, each once, takes \
{estimate["PFLOP"]:.0f} x 10^15 operations: {estimate["days here"]:.0f} days of such a thread, and \
{estimate["GB"]:.1f} GB for weights, gradients and Adam's means.  This is a calculation, not \
measured.  Le et al. had {quocnet.CORES:,} cores for {quocnet.DAYS} days."""
