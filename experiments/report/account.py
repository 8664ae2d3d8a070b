"""The account: every number that the paper prints in Tables 1 to 5 and Figures 5 and 7, and ours.

Each printed number gets one verdict.
agrees: it lies within two standard deviations of our mean over seeds (experiments/shared/printed).
explained: it does not, but it agrees with our number under a hypothesis of experiments/fidelity:
our mean over seeds, moved by what the hypothesis changes for one seed.
open: it agrees with none of them.
not comparable: ours is of another net or other data.
"""
from typing import NamedTuple

import numpy as np

from experiments import fidelity, figure5, figure7, table5
from experiments.shared import page, printed
from experiments.shared.models import TABLE_1
from experiments.shared.noise import CLIPPING

VERDICTS = ("agrees", "explained", "open", "not comparable")
NOT_CLIPPED = next(how for how, clip in CLIPPING.items() if not clip)   # as the paper's noise


class Comparison(NamedTuple):
    """A printed number and ours."""
    printed: float
    ours: float                             # the mean over seeds
    deviation: float                        # of the print's number, if it is one of ours
    half_unit: float                        # of the printed number's last digit

    @property
    def agrees(self):
        """Whether the printed number agrees with ours."""
        return printed.agrees(self.printed, self.ours, self.deviation, self.half_unit)


class Cell(NamedTuple):
    """A printed number in its place."""
    table: str
    row: str
    column: str
    printed: float
    comparison: Comparison                  # with ours as it is, or None if it is not comparable
    tried: dict                             # {hypothesis: Comparison}
    command: str = ""                       # that gives a number to compare with
    deviation_of_seeds: float = 0.0


def judge(cell):
    """(one of VERDICTS, why) for a Cell."""
    if cell.comparison is None:
        return "not comparable", f"`{cell.command}`"
    if cell.comparison.agrees:
        return "agrees", ""
    why = next((how for how, comparison in cell.tried.items() if comparison.agrees), None)
    return ("open", "") if why is None else ("explained", why)


# ---- The printed numbers ---------------------------------------------------------------------


def list_cells(records):
    """The Cells of all printed numbers.  records: {stem: Record}."""
    return [*list_table_1(records), *list_table_2(records), *list_table_3(records),
            *list_table_4(records), *list_table_5(records), *list_figure_5(records),
            *list_figure_7(records)]


def compare(table, row, column, theirs, half_unit, ours, of_print, moved=None, meant=None):
    """The Cell of a number that is comparable.

    Args:
        theirs: the printed number.
        ours: [number of each seed].
        of_print: a function of a number of ours: the deviation of the print's sample of it.
        moved: {hypothesis: by how much it moves our number}.
        meant: {hypothesis: what the print should be}.
    """
    mean, spread = float(np.mean(ours)), float(np.std(ours, ddof=1))

    def against(theirs, ours):
        return Comparison(theirs, ours, float(np.hypot(spread, of_print(ours))), half_unit)
    tried = {how: against(theirs, min(max(mean + by, 0.0), 100.0))      # a rate stays one
             for how, by in (moved or {}).items()}
    tried |= {how: against(other, mean) for how, other in (meant or {}).items()}
    return Cell(table, row, column, theirs, against(theirs, mean), tried,
                deviation_of_seeds=spread)


def of_whole_set(_):
    """The deviation of the print's sample where it has no sample, but all images: 0."""
    return 0.0


def of_distortion(of_net):
    """The deviation of the print's average distortion: a function, see `compare`.

    of_net: the row of a net, with "std over images" of each seed.
    """
    deviation = float(np.mean(of_net["std over images"])) / printed.SAMPLE ** 0.5
    return lambda _: deviation


def list_table_1(records):
    """The Cells of Table 1."""
    models, tried = records["table1-seeds"].numbers["models"], records["fidelity"].numbers
    cells = []
    for name, row in printed.TABLE_1.items():
        halves = printed.find_half_units(row, distortions=1)
        of_net = models[name]
        for column, theirs, half in zip(("train error %", "test error %"), row, halves,
                                        strict=False):
            if name in fidelity.STOPPED:
                moved = move_by_stops(tried["stopped"], name, lambda of, column=column: of[column])
            else:
                moved = move_by_adam(tried["training"], "table 2", name,
                                     lambda of, column=column: of[column])
            cells.append(compare("Table 1", name, column, theirs, half, of_net[column],
                                 of_whole_set, moved))
        cells.append(compare("Table 1", name, "distortion", row[-1], halves[-1],
                             of_net["av. min. distortion"], of_distortion(of_net),
                             move_distortion(tried, "table 2", name)))
    return cells


def list_table_2(records):
    """The Cells of Table 2."""
    numbers, tried = records["table2-seeds"].numbers, records["fidelity"].numbers
    models = records["table1-seeds"].numbers["models"]
    cells = []
    for name, row in printed.TABLE_2.items():
        made_for_net = name in models       # else it is noise
        images = name if made_for_net else f"{name}, {NOT_CLIPPED}"
        of_row, halves = numbers[images], printed.find_half_units(row, distortions=1)
        for net, theirs, half in zip(TABLE_1, row, halves, strict=False):
            moved = move_rate(tried, "table 2", name, net) if made_for_net else {}
            if net in fidelity.STOPPED and net != name:
                moved |= move_by_stops(tried["stopped"], net,
                                       lambda of, images=images: of["column"][images])
            cells.append(compare("Table 2", name, f"fed to {net}", theirs, half,
                                 of_row["error %"][net], printed.find_rate_deviation, moved))
        cells.append(compare(
            "Table 2", name, "distortion", row[-1], halves[-1], of_row["av. distortion"],
            of_distortion(models[name]) if made_for_net else of_whole_set,
            move_distortion(tried, "table 2", name) if made_for_net else {}))
    return cells


def list_table_3(records):
    """The Cells of Table 3."""
    numbers, tried = records["table3_4-seeds"].numbers["table 3"], records["fidelity"].numbers
    cells = []
    for name, row in printed.TABLE_3.items():
        halves = printed.find_half_units(row, distortions=1)
        columns = [f"error on {part} %" for part in ("P1", "P2", "test")]
        for column, theirs, half in zip(columns, row, halves, strict=False):
            cells.append(compare("Table 3", name, column, theirs, half, numbers[name][column],
                                 of_whole_set))
        cells.append(compare("Table 3", name, "distortion", row[-1], halves[-1],
                             numbers[name]["av. min. distortion"], of_distortion(numbers[name]),
                             move_distortion(tried, "table 4", name)))
    return cells


def list_table_4(records):
    """The Cells of Table 4."""
    numbers, tried = records["table3_4-seeds"].numbers, records["fidelity"].numbers
    nets = numbers["table 3"]
    made_for, fed_to, misprinted, meant = fidelity.MISPRINT
    cells = []
    for name, row in printed.TABLE_4.items():
        of_row = numbers["table 4"][name if name in nets else f"{name}, {NOT_CLIPPED}"]
        net_of_row = name.partition(", ")[0]
        halves = printed.find_half_units(row, distortions=1)
        for net, theirs, half in zip(nets, row, halves, strict=False):
            moved, other = {}, {}
            if name in nets:
                moved = move_rate(tried, "table 4", name, net)
            elif net_of_row in nets:
                rates = tried["one factor"][net_of_row]
                moved = {"one factor for all images": rates["one factor"][net]
                         - rates["0.1 each"][net]}
            if (name, net) == (made_for, fed_to):
                other = {f"{misprinted:g} is a misprint of {meant:g}": meant}
            cells.append(compare("Table 4", name, f"fed to {net}", theirs, half,
                                 of_row["error %"][net], printed.find_rate_deviation, moved, other))
        cells.append(compare(
            "Table 4", name, "distortion", row[-1], halves[-1], of_row["av. distortion"],
            of_distortion(nets[name]) if name in nets else of_whole_set,
            move_distortion(tried, "table 4", name) if name in nets else {}))
    return cells


def list_table_5(records):
    """The Cells of Table 5."""
    numbers, command = records["table5"].numbers, "python -m experiments.table5 --weights bvlc"
    cells = []
    for layer, theirs in table5.PAPER.items():
        half = 0.5 * 10 ** -printed.count_decimals(theirs)
        ours = None if numbers["random"] else Comparison(
            theirs, numbers["layers"][layer]["as printed"], 0.0, half)
        cells.append(Cell("Table 5", layer, "norm", theirs, ours, {}, command))
    return cells


def list_figure_5(records):
    """The Cell of Figure 5."""
    record, theirs = records["figure5"], figure5.PAPER["av. distortion"]
    ours = None if record.flags["weights"].endswith(".npz") else Comparison(
        theirs, record.numbers["av. distortion"], 0.0, printed.find_half_units((theirs,), 1)[0])
    return [Cell("Figure 5", "all photographs", "distortion", theirs, ours, {},
                 "python -m experiments.figure5 --weights bvlc --data imagenette --count 64")]


def list_figure_7(records):
    """The Cells of Figure 7."""
    numbers, tried = records["figure7-seeds"].numbers, records["fidelity"].numbers
    models = records["table1-seeds"].numbers["models"]
    cells = []
    for panel, of_panel in printed.FIGURE_7.items():
        name = figure7.PANELS.get(panel)
        size, accuracy = of_panel["stddev"], of_panel["accuracy %"]
        [half_of_size] = printed.find_half_units((size,), 1)
        [half] = printed.find_half_units((accuracy,))
        row = f"({panel}) {numbers[panel]['net']}"
        cells += [
            compare("Figure 7", row, "distortion", size, half_of_size, numbers[panel]["stddev"],
                    of_distortion(models[name]) if name else of_whole_set,
                    move_distortion(tried, "table 2", name) if name else {}),
            compare("Figure 7", row, "accuracy %", accuracy, half, numbers[panel]["accuracy %"],
                    printed.find_rate_deviation)]
    return cells


# ---- What the hypotheses change --------------------------------------------------------------


def sort_hypotheses():
    """This project's own choice, and the other hypotheses, those with the fewest changes first."""
    ours, *others = fidelity.list_hypotheses()

    def count_changes(how):
        return sum(a != b for a, b in zip(how.split(", "), ours.split(", "), strict=True))
    return ours, sorted(others, key=count_changes)


def name_changes(how):
    """What a hypothesis has otherwise than this project: "all images, factor 2"."""
    ours = fidelity.list_hypotheses()[0].split(", ")
    return ", ".join(word for word in how.split(", ") if word not in ours)


def move_rate(tried, table, name, net):
    """{hypothesis: by how much it moves the error of `net` on a row's images, in points}.

    tried: the numbers of fidelity.  table: "table 2" or "table 4".  name: of the row.
    """
    return move(tried, table, name, lambda row: row["error %"][net])


def move_distortion(tried, table, name):
    """{hypothesis: by how much it moves the average distortion}.  Arguments: of `move_rate`."""
    return move(tried, table, name, lambda row: row["av. distortion"])


def move(tried, table, name, read):
    """{hypothesis: by how much it moves a number}.

    read: a function of a row of fidelity.measure_row, which gives the number.
    """
    of_net, (ours, others) = tried["searches"][table][name], sort_hypotheses()
    moved = {name_changes(how): read(of_net[how]) - read(of_net[ours]) for how in others}
    if name in fidelity.STOPPED:
        return moved
    return move_by_adam(tried["training"], table, name, read) | moved


def move_by_adam(training, table, name, read):
    """{"sigmoid nets trained by Adam": by how much that moves a number}.  See `move`."""
    here, by_adam = (read(training[how][table][name]) for how in ("as here", "by Adam"))
    return {"sigmoid nets trained by Adam": by_adam - here}


def move_by_stops(stopped, net, read):
    """{hypothesis: by how much stopping the training of `net` early moves a number}.

    stopped: of fidelity.  read: a function of what fidelity.try_early_stops gives for a stop.
    """
    to_the_end = read(stopped[net][fidelity.NOT_STOPPED])
    return {f"{net} stopped after {iterations} iterations": read(of) - to_the_end
            for iterations, of in stopped[net].items() if iterations != fidelity.NOT_STOPPED}


# ---- In words and tables ---------------------------------------------------------------------


def count_verdicts(cells):
    """{verdict: how many of the Cells have it}."""
    verdicts = [judge(cell)[0] for cell in cells]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def write_sum(records):
    """The account in one sentence."""
    cells = list_cells(records)
    n = count_verdicts(cells)
    return f"""\
Of the {len(cells)} numbers that the paper prints in Tables 1 to 5 and Figures 5 and 7, \
{n["agrees"]} agree with ours, {n["explained"]} are explained by a choice that the paper leaves \
open, {n["open"]} are open, and {n["not comparable"]} cannot be compared here."""


def write_account(records):
    """The account's summary in Markdown: counts, and the numbers that do not agree."""
    cells = list_cells(records)
    by_table = {}
    for cell in cells:
        by_table.setdefault(cell.table, []).append(cell)
    counts = [[table, len(some), *count_verdicts(some).values()]
              for table, some in [*by_table.items(), ("all", cells)]]
    apart = [cell for cell in cells if judge(cell)[0] in ("explained", "open")]
    return f"""\
{write_sum(records)}

{page.format_table(["", "printed numbers", *VERDICTS], counts)}

- *Agrees*: the printed number lies within {printed.DEVIATIONS} standard deviations of our mean.  \
The variance is the sum of two: that of our seeds, and that of the print's sample of some \
{printed.SAMPLE} images (for a rate p, p (100 - p) / {printed.SAMPLE}; for a distortion, the \
variance over images / {printed.SAMPLE}; none for errors on whole sets).  Half a unit of the last \
printed digit is added.  About one number in twenty lies farther out by chance.
- *Explained*: it agrees with our number under a hypothesis that \
[fidelity.md](fidelity.md) tried: the one with the fewest changes is given.
- *Open*: no hypothesis reaches it.
- *Not comparable*: ours is of another net or other data.

The noise of the print was not clipped to [0, 1], so ours is not either.  All numbers: \
[account.md](account.md).  Those that do not agree:

{format_cells(apart)}"""


def write_all(records):
    """The whole account, a page of its own, in Markdown."""
    return f"""\
# The account: every printed number, and ours

{write_sum(records)}

What the verdicts mean: [README.md](README.md#every-printed-number).  Written by \
`python -m experiments.report`.

{format_cells(list_cells(records))}
"""


def format_cells(cells):
    """A row for each Cell in Markdown."""
    rows = []
    for cell in cells:
        verdict, why = judge(cell)
        ours = deviation = "-"
        if cell.comparison:
            ours = page.format_cell(cell.comparison.ours)
            ours += f" ± {page.format_cell(cell.deviation_of_seeds, digits=2)}"
            deviation = page.format_cell(cell.comparison.deviation, digits=2)
        rows.append([cell.table, cell.row, cell.column, f"{cell.printed:g}", ours, deviation,
                     verdict, why])
    return page.format_table(["", "row", "column", "the paper's", "ours", "deviation", "verdict",
                              "by"], rows)
