"""The sections on MNIST: Tables 1 to 4, Figures 1, 2 and 7, and what the paper does not have.

Each `write_` function takes the records, {stem: Record}, and returns a section's Markdown.
"""
import numpy as np

from experiments import (
    adversarial_training,
    attack,
    figure1_2,
    figure7,
    gradients,
    lipschitz_training,
    table1,
    table2,
    table3_4,
)
from experiments.shared import attacked_set, coherence, page
from experiments.shared.models import TABLE_1

UNDISTORTED = "undistorted"                 # Table 2's last row
FC100, FC200, AGAIN, LENET = "FC100-100-10", "FC200-200-10", "FC100-100-10 again", "LeNet"


def write_attack(records):
    n = records["attack"].numbers
    images = {name: n[name] for name in ("x", "D(x, l)", "8-bit")}
    return f"""\
One image with the search's answer.  Left: a digit, x, which the net {n["net"]} labels \
{n["x"]["label"]}.  Middle: the least change r that was found, magnified {n["magnified"]} times.  \
Right: x + r, which the net labels {n["D(x, l)"]["label"]}.  The two digits look alike: this is \
the paper's finding.

![a digit, the change magnified, and the digit that the net labels otherwise](attack.png)

{attack.format_results(n["net"], n["target"], images)}"""


def write_table_1(records):
    flags, whole = records["table1-seeds"].flags, records["table1"]
    models, readings = (records["table1-seeds"].numbers[part] for part in ("models", "decay"))
    searched, failed = (sum(sum(row[column]) for row in models.values())
                        for column in ("searched", "not found"))
    share = [100 * page.average(models[name]["av. min. distortion"]) / paper[2]
             for name, paper in table1.PAPER.items()]
    apart = max(abs(page.average(models[name]["test error %"]) - paper[1])
                for name, paper in table1.PAPER.items())
    return f"""\
The paper's six nets and two more.  For each image that a net labels right, the search looks for \
the nearest image with a wrong label ({flags["count"]:,} training images, \
{attacked_set.TARGETS[flags["targets"]]}).  The distortion is the root mean square of the pixels' \
changes, where black is 0 and white is 1.  *{AGAIN}* starts from other weights, LeNet is a \
convolutional net; the paper has neither.  {describe_seeds(flags)}

{table1.format_models(models)}

- Does the search take every accuracy to 0?  {page.format_answer(failed == 0)}: of \
{searched:,} searches {failed:,} failed.
- The average distortions are {format_range(share)} % of the printed ones.
- The test errors differ from the printed ones by {page.format_cell(apart)} points at most.

{describe_whole(whole)}

{table1.format_models(whole.numbers["models"])}

The paper leaves open how it counts the weight decay.  The errors of the linear nets under three \
readings, training set and test set, in %; k is a layer's number of units.  The nets above have \
{table1.READINGS["half"]}.  On average the nearest to the paper is {find_nearest_reading(readings)}.

{table1.format_readings(readings)}

What the 400 units of AE400-10 look for: each tile shows the weights of one unit of its code.

![400 tiles: the weights of each unit of the code](table1-filters.png)"""


def describe_seeds(flags):
    """What a cell of many seeds is, in a sentence.  flags: of the record."""
    return (f"Mean ± standard deviation over {flags['seeds']} seeds: nets, images and wanted "
            "labels anew for each.")


def describe_whole(record):
    """What the table of one seed and more images is, in a sentence."""
    return f"The same with {record.flags['count']:,} images, for seed {record.flags['seed']} alone:"


def find_nearest_reading(readings):
    """The reading of the weight decay whose errors are nearest to the paper's, on average."""
    def difference(reading):
        return np.mean([abs(page.average(ours) - paper) for name in table1.LINEAR
                        for ours, paper in zip(readings[reading][name].values(),
                                               table1.PAPER[name], strict=False)])
    return table1.READINGS[min(readings, key=difference)]


def write_table_2(records):
    numbers, flags = records["table2-seeds"].numbers, records["table2-seeds"].flags
    rate = average_rates(numbers)
    nets = [name for name in numbers if name in rate[UNDISTORTED]]
    pairs = [(a, b) for a in nets for b in nets if a != b]
    above = sum(rate[a][b] > rate[UNDISTORTED][b] for a, b in pairs)
    sigmoid = [FC100, FC200, "AE400-10", AGAIN]
    noise = {name: rate["Gaussian noise, stddev 0.1, not clipped"][name] for name in nets}
    rounded = [page.average(numbers[name]["still wrong in 8 bits %"]) for name in nets]
    return f"""\
Do images that are made for one net fool another one?  A row: the images made for its net.  A \
column: how many % of them its net gets wrong.  The last row has no distortion: what is above it \
is transfer.  The noise rows show the effect of a random distortion.  The last column: how many % \
are still wrong for the row's net after rounding to 8 bits a pixel.  {describe_seeds(flags)}

![images are made for one net and shown to all nets](table2.svg)

{table2.format_table(numbers)}

- Off the diagonal, the error is above that of the undistorted images in {above} of {len(pairs)} \
cases.
- Images made for {FC100} are wrong for the same net from another start at \
{page.format_cell(rate[FC100][AGAIN])} %, for {FC200} at {page.format_cell(rate[FC100][FC200])} \
%.  The paper claims transfer across initial weights and shows no number.
- From fully connected nets to a convolutional one: LeNet has \
{format_range(rate[a][LENET] for a in sigmoid)} % wrong of the images made for the sigmoid nets, \
and {page.format_cell(noise[LENET])} % of those with noise of stddev 0.1, not clipped.
- In the other direction: the sigmoid nets have {format_range(rate[LENET][b] for b in sigmoid)} % \
wrong of the images made for LeNet, and {format_range(noise[b] for b in sigmoid)} % of those with \
that noise.
- Was the paper's noise clipped to [0, 1]?  The paper does not say.  On average its noise rows \
differ from ours by {compare_noise(rate, "not clipped"):.1f} points without clipping, and by \
{compare_noise(rate, "clipped"):.1f} with it.
- Rounded to 8 bits, {format_range(rounded)} % of the images are still wrong.

{describe_whole(records["table2"])}

{table2.format_table(records["table2"].numbers)}"""


def average_rates(numbers):
    """{row: {net: error %}}, the means over seeds.  numbers: {row: {"error %": ...}}."""
    return {row: {net: page.average(rate) for net, rate in of["error %"].items()}
            for row, of in numbers.items()}


def format_range(values):
    """The smallest and the largest of the values: "0.1 to 2"."""
    values = list(values)
    return f"{page.format_cell(min(values))} to {page.format_cell(max(values))}"


def compare_noise(rate, how):
    """The mean difference of Table 2's noise rows from the paper's, in points.

    how: a key of CLIPPING.
    """
    return np.mean([abs(rate[f"{row}, {how}"][net] - paper)
                    for row, of in table2.PAPER.items() if row.startswith("Gaussian noise")
                    for net, paper in zip(TABLE_1, of, strict=False)])


def write_tables_3_4(records):
    numbers, flags = records["table3_4-seeds"].numbers, records["table3_4-seeds"].flags
    whole = records["table3_4"]
    return f"""\
Do the images fool a net that was trained on other images?  P1 and P2 are disjoint halves of the \
training set.  {describe_seeds(flags)}  Table 3: the nets and their errors.

{table3_4.format_table_3(numbers["table 3"])}

Table 4: the test images are distorted for the row's net; a column says how many % its net gets \
wrong.  *Amplified*: the same changes, scaled to a root mean square of 0.1, clipped to [0, 1] \
or not.  Where an image was farther than 0.1, the formula brings it nearer, so that it may get its \
right label back: the diagonal can then fall below 100.

{table3_4.format_table_4(numbers["table 4"])}

{table3_4.format_claims(average_rates(numbers["table 4"]))}

{describe_whole(whole)}

{table3_4.format_table_3(whole.numbers["table 3"])}

{table3_4.format_table_4(whole.numbers["table 4"])}"""


def write_figure_7(records):
    numbers, flags = records["figure7-seeds"].numbers, records["figure7-seeds"].flags
    whole = records["figure7"]
    cells = {panel: page.format_cell(numbers[panel]["accuracy %"]) for panel in figure7.PAPER}
    return f"""\
Pairs of an image and the same image distorted.  In (a) and (b) the search distorted it, and a \
person can read the digit.  In (c) Gaussian noise of stddev 1 covers it, and a person can hardly \
read it.  For the nets it is the other way round: they label {cells["a"]} and {cells["b"]} % of \
the images in (a) and (b) right, and {cells["c"]} % of those in (c).

![pairs of an image and the same image distorted](figure7.png)

{describe_seeds(flags)}

{figure7.format_panels(numbers)}

The paper does not say whether its noise was clipped to [0, 1], nor whose accuracy it gives.  \
Panel (c) shows the case nearest to the paper's number.  Accuracy % of each net \
on noise of stddev 1:

{figure7.format_accuracies(numbers["accuracy % on noise of stddev 1"])}

{describe_whole(whole)}

{figure7.format_panels(whole.numbers)}

{figure7.format_accuracies(whole.numbers["accuracy % on noise of stddev 1"])}"""


def write_figures_1_2(records):
    nets = records["figure1_2-seeds"]
    study = coherence.read_record(records["figure1_2"].numbers, [*figure1_2.LAYERS],
                                  figure1_2.IMAGES)
    return f"""\
Figure 1: the test images with the largest activation of single units.  Figure 2: those farthest \
along random directions of the same layer.  The paper sees no distinction, and concludes that a \
single unit means no more than any other direction.  It shows no numbers and no controls; here are \
both.

![four units, and the ten test images with the largest activation of each](figure1.png)

![four random directions, and the ten test images farthest along each](figure2.png)

Kinds of directions: *natural*, single units; *random*, Gaussian; *non-negative*, the same with \
every entry made positive.  Measures of a direction's images: *purity*, the share of the most \
frequent digit; *entropy* of the digits' shares; *correlation*, pixel by pixel.  Controls: the \
untrained nets, raw pixels, and images at random.

{coherence.format_findings(study)}

![histograms of purity, entropy and correlation for every kind of direction](\
figure1_2-histograms.png)

{demote_headings(coherence.format_tables(study))}

#### Does it hold for other nets?

The same for the nets of {nets.flags["seeds"]} seeds:

{coherence.format_findings_over_nets(nets.numbers, [*figure1_2.LAYERS])}

{demote_headings(coherence.format_differences(nets.numbers))}"""


def demote_headings(text):
    """Markdown with its headings two levels lower, below those of a section."""
    return text.replace("## ", "#### ")


def write_adversarial_training(records):
    by_arm = page.group_by_seed(records["adversarial_training"].numbers)
    return f"""\
{adversarial_training.NAME}, trained on adversarial examples that are renewed during training: for \
the pixels, for the outputs of the two hidden layers (h1, h2), or for all of these.  To compare: \
weight decay alone, dropout, noise of like size, and examples made by steps up the gradient \
instead of the search.  The paper has examples by the search only.  An example of layer k is \
phi_k(x) + r: r stays as it was found until it is renewed, and phi_k(x) is that of the net as it \
is.  *Transfer*: the error on the images made for the net with weight decay alone.  The settings \
were chosen on validation images ([what was tried](adversarial_training-tuning.md)).

{adversarial_training.format_table(by_arm)}

![test error after each epoch](adversarial_training-curves.png)

![examples of the pixels and of both layers of units](adversarial_training.png)

{adversarial_training.format_claims(by_arm)}"""


def write_penalty(records):
    tables = []
    for stem in ("lipschitz_training", "lipschitz_training-LeNet"):
        by_mu = lipschitz_training.group_by_mu(records[stem].numbers)
        tables += [f"{records[stem].flags['net']}:", lipschitz_training.format_table(by_mu),
                   lipschitz_training.format_claims(by_mu)]
    return """\
The paper suggests to penalise the bound of each layer while training, and does not try it.  Here \
mu log L is added to the cost, L the product of the layers' norms; mu = 0 is the net without it.  \
*Transfer*: the error on the images made for a net of another seed and the same mu.

""" + "\n\n".join(tables)


def write_gradients(records):
    n = records["gradients"].numbers
    worst = max(error for of in n["relative errors"].values() for error in of.values())
    return f"""\
The gradients are written by hand, so each is compared with a numeric derivative, for one image \
of a {n["label"]} and the target {n["l"]}.  A number is the difference, as a share of the largest \
entry of that gradient; the worst is {worst:.0e}.

{gradients.format_errors(n["relative errors"])}

The picture, for each label l: -d loss / d x, which shows how to change the pixels so that the \
loss towards l falls; the least change r that was found; and the image x + r.

![the gradient of the loss, r and x + r for each label l](gradients.png)"""
