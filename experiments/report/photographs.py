"""The sections on AlexNet and QuocNet: Figures 3 to 6, Table 5, and their training.

Each `write_` function takes the records, {stem: Record}, and returns a section's Markdown.
"""
from experiments import cars, figure3_4, figure5, figure6, stability, table5, train_quocnet
from experiments.report.digits import demote_headings
from experiments.shared import coherence, page

TRAINING = "train_alexnet"                  # the stem of our AlexNet's record


def describe_net(weights, records):
    """The net with these --weights, in words."""
    flags, n = records[TRAINING].flags, records[TRAINING].numbers
    if weights != flags["weights"]:
        return f"AlexNet with the weights {weights}"
    return (f"not the paper's net, but AlexNet at {flags['width']:g} of its width for "
            f"{flags['size']} pixels, trained here on {n['training photographs']:,} photographs "
            f"(it labels {n['test accuracy %']:.1f} % of {n['test photographs']:,} others right)")


def write_training(records):
    n, flags = records[TRAINING].numbers, records[TRAINING].flags
    return f"""\
AlexNet at {flags["width"]:g} of its width for photographs of {flags["size"]} pixels: \
{n["parameters"]:,} parameters, trained on {n["training photographs"]:,} photographs for \
{flags["epochs"]} epochs.  It labels {n["test accuracy %"]:.1f} % of {n["test photographs"]:,} \
test photographs right, and {n["test accuracy %, ten views"]:.1f} % by the mean of ten views \
each.  It takes the place of the paper's net in the sections that say so."""


def write_figures_3_4(records):
    record = records["figure3_4"]
    study = coherence.read_record(record.numbers, ["AlexNet"], figure3_4.IMAGES)
    return f"""\
As Figures 1 and 2, with photographs: those with the largest activation of single units, and \
those farthest along random directions.  The net: \
{describe_net(record.flags["weights"], records)}.  It was shown \
the {record.numbers["photographs"]:,} photographs of the set's test part.

![four units, and the five photographs with the largest activation of each](figure3.png)

![four random directions, and the five photographs farthest along each](figure4.png)

{coherence.format_findings(study)}

![histograms of the measures for every kind of direction](figure3_4-histograms.png)

{demote_headings(coherence.format_tables(study))}"""


def write_figure_5(records):
    record = records["figure5"]
    n = record.numbers
    return f"""\
Left: photographs that the net labels right.  Middle: the difference, {figure5.MAGNIFICATION} \
times.  Right: photographs that look the same and that the net labels *{n["target"]}*.  Of \
{n["searched"]} searches {n["not found"]} failed.  The net: \
{describe_net(record.flags["weights"], records)}.  The paper's number is that of the whole AlexNet \
on photographs of ImageNet.

![photographs, ten times the difference, and the photographs found](figure5.png)

{figure5.format_summary(n)}

The images lie on the boundary between two labels, so rounding to 8 bits can step back over it.  \
The first {min(figure5.TABLE_ROWS, len(n["images"]))}:

{figure5.format_photographs(n["images"])}"""


def write_figure_6(records):
    parts = []
    for stem in ("figure6", "figure6-M"):
        train = records[stem.replace("figure6", "train_quocnet")]
        shown = "\n\n".join(f"![cars, the same not recognised, and ten times the difference: "
                            f"{kind}]({figure6.name_picture(stem, kind)})"
                            for kind, row in records[stem].numbers.items()
                            if row["searched"] > row["not found"])
        parts += [f"Size {train.flags['size']}, {train.numbers['weights']:,} weights:",
                  figure6.format_table(records[stem].numbers), shown]
    return f"""\
A net that was trained without labels, QuocNet, and a classifier of cars on its features.  \
Pictures, from the top: cars that it recognises; the same cars after the search, not recognised; \
the difference, {figure6.MAGNIFICATION} times.  So the search succeeds on a net that learnt \
without labels, too.  The paper gives no number for this figure, and its net is far larger.  AUC: \
the area under the ROC curve, 1 at best, 0.5 by chance.

""" + "\n\n".join(parts)


def write_cars(records):
    numbers = records["cars"].numbers
    auc = {kind: sum(row["AUC"] for row in rows) / len(rows)
           for kind, rows in numbers["test"].items()}
    best = max((kind for kind in auc if ", trained " in kind), key=auc.get)
    control = max((kind for kind in auc if ", trained " not in kind), key=auc.get)
    order = "below" if auc[control] < auc[best] else "not below"
    return f"""\
How good are QuocNet's features, on the task of Figure 6, compared with raw pixels and with the \
same net before training?  *Pixels as they are*: from 0 to 1, not brought to mean 0, so that every \
code also tells how bright the image is.

{cars.format_features(numbers["test"])}

{cars.format_claims(numbers["test"])}
- The AUC of the best control, {control} ({page.format_cell(auc[control])}), is {order} that of \
the best trained features, {best} ({page.format_cell(auc[best])}).

lambda, the weight of the codes' sparsity, was chosen by the AUC on validation images:

{cars.format_lambdas(numbers)}"""


def write_quocnet_training(records):
    parts = []
    for stem in ("train_quocnet", "train_quocnet-M"):
        n, flags = records[stem].numbers, records[stem].flags
        parts += [f"Size {flags['size']}: {n['weights']:,} weights, {n['frames']:,} frames.",
                  train_quocnet.format_curve(n["curve"]),
                  f"![frames and what the first stage's codes make of them]({stem}-frames.png)",
                  f"![filters of the first stage, encoder and decoder]({stem}-filters.png)",
                  f"![what units of the last stage like]({stem}-units.png)"]
    return """\
QuocNet learns to reconstruct images from sparse codes, in three stages, without labels.  Error: \
the share of a stage's input that its codes do not reconstruct, on images that it is not trained \
on.  Sparsity: the sum of its pooled outputs, an image.  Epoch 0 is before training.  Pictures: \
images and their reconstruction by the first stage; filters of the first stage; the images that \
activate units of the last stage most, among the frames and among all possible images.

""" + "\n\n".join(parts)


def write_table_5(records):
    n = records["table5"].numbers
    random = (", before training: the weights are random, so the computation is the table's, but "
              "the numbers are not" if n["random"] else "")
    return f"""\
How much each layer of AlexNet can stretch a change of its input.  The product bounds the whole \
net: where it is small, no small change has a large effect.  The net: {n["net"]}{random}.  *As \
printed*: by the paper's formula; *corrected*: with the factor 1 / stride in place of its square, \
a bound; *true operator*: the norm of the layer as it is, a lower estimate.

{table5.format_layers(n["layers"], table5.PAPER, "torchvision" in n["net"])}

The products, each row with all factors above it.  The first row is what the paper means.  It \
leaves out max pooling, which is no contraction where windows overlap.

{table5.format_products(n["products"])}"""


def write_stability(records):
    n = records["stability"].numbers
    ratio = max(row["certificate / distortion, at most"] or 0 for row in n.values())
    loose = ", ".join(f"{page.format_cell(row['bound / searched'])} ({name})"
                      for name, row in n.items())
    return f"""\
The bound of section 4.3 beside the gains that were found; the paper has no such table.  Gains: \
|f(x + r) - f(x)| / |r| of the logits f.  Bound: it is proven that no gain is larger.  Searched: \
the largest gain that was found.  Certificate: it is proven that no image at a smaller distortion \
has another label; beside it stands the distortion that the search finds.

{stability.format_table(n)}

A ratio above 1 in the last column would disprove the bound or the search; the largest is \
{page.format_cell(ratio)}.  The bound is so many times the largest gain that was found: {loose}."""
