"""The account: every number that the paper prints in Tables 1 to 5 and Figures 5 and 7, and ours.

Each printed number gets one verdict.
agrees: within two standard deviations of our mean over seeds, see experiments/shared/printed.py.
explained: not so, but it agrees with our number under a hypothesis of experiments/fidelity.py:
our numbers, moved by what the hypothesis changes for each seed.  Searches, which are tried for one
seed, move all of them by the same.
open: neither.
not comparable: ours is of another net or other data.

A hypothesis speaks of many numbers: of a whole row, say.  It is chosen only if it mends more of
them than it spoils, and of hypotheses that exclude each other the best one is chosen.
"""
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from experiments import fidelity, figure5, figure7, table5
from experiments.shared import page, printed
from experiments.shared.models import TABLE_1
from experiments.shared.noise import CLIPPING

VERDICTS = ("agrees", "explained", "open", "not comparable")
NOT_CLIPPED = next(how for how, clip in CLIPPING.items() if not clip)
TEST_IMAGES = 10_000                        # all of MNIST's; Table 4's noise rows fit so many
PAPERS_NET = "bvlc"                         # --weights of the net nearest to the paper's


class Comparison(NamedTuple):
    """A printed number and ours."""
    printed: float
    ours: float                             # the mean over seeds
    deviation: float                        # of the printed number, if the paper's nets are as ours
    half_unit: float                        # of the printed number's last digit

    @property
    def agrees(self):
        """Whether the printed number agrees with ours."""
        return printed.agrees(self.printed, self.ours, self.deviation, self.half_unit)

    @property
    def difference(self):
        """How far the printed number is from ours."""
        return abs(self.printed - self.ours)


class Cell(NamedTuple):
    """A printed number in its place."""
    table: str
    row: str
    column: str
    printed: float
    comparison: Comparison                  # with ours as it is, or None if it is not comparable
    tried: dict                             # {(subject, hypothesis): Comparison}; the hypotheses of
                                            # one subject exclude each other
    ours: list = ()                         # the number of each seed
    command: str = ""                       # that gives a number to compare with
    given: bool = False                     # whether it agrees by construction
    repeated: bool = False                  # whether it stands in another table too


class Judged(NamedTuple):
    """A Cell with its verdict."""
    cell: Cell
    verdict: str                            # one of VERDICTS
    why: str = ""                           # the hypothesis, or the command
    under_it: float = None                  # our number under the hypothesis


# ---- Verdicts --------------------------------------------------------------------------------


def mends(cell, comparison):
    """Whether a number that does not agree does so under a hypothesis, at half the distance."""
    return (not cell.comparison.agrees and comparison.agrees
            and comparison.difference <= cell.comparison.difference / 2)


def spoils(cell, comparison):
    """Whether a number that agrees does not do so under a hypothesis."""
    return cell.comparison.agrees and not comparison.agrees


def count_effects(cells):
    """{(subject, hypothesis): (how many numbers it mends, how many it spoils)}, each once."""
    effects = {}
    for cell in cells:
        for key, comparison in cell.tried.items():
            mended, spoiled = effects.get(key, (0, 0))
            if not cell.repeated:
                mended += mends(cell, comparison)
                spoiled += spoils(cell, comparison)
            effects[key] = mended, spoiled
    return effects


def choose_hypotheses(cells):
    """{subject: hypothesis}, of each subject the one that mends most and spoils least.

    It must mend more than it spoils.  Of several equally good ones, the first.
    """
    chosen, best = {}, {}
    for (subject, how), (mended, spoiled) in count_effects(cells).items():
        if mended - spoiled > best.get(subject, 0):
            chosen[subject], best[subject] = how, mended - spoiled
    return chosen


def judge_all(records):
    """[Judged] of all printed numbers.  records: {stem: Record}."""
    cells = list_cells(records)
    chosen = choose_hypotheses(cells)
    return [judge(cell, chosen) for cell in cells]


def judge(cell, chosen):
    """The Judged of a Cell.  chosen: of `choose_hypotheses`.

    Explained: by the chosen hypothesis that comes nearest.  Open: the nearest one is named.
    """
    if cell.comparison is None:
        return Judged(cell, "not comparable", f"`{cell.command}`")
    if cell.comparison.agrees:
        return Judged(cell, "agrees")
    explaining = [key for key, comparison in cell.tried.items()
                  if chosen.get(key[0]) == key[1] and mends(cell, comparison)]
    verdict = "explained" if explaining else "open"
    key = min(explaining or cell.tried, key=lambda key: cell.tried[key].difference, default=None)
    if key is None:
        return Judged(cell, verdict)
    return Judged(cell, verdict, ": ".join(key), cell.tried[key].ours)


# ---- The printed numbers ---------------------------------------------------------------------


def list_cells(records):
    """The Cells of all printed numbers.  records: {stem: Record}."""
    return [*list_table_1(records), *list_table_2(records), *list_table_3(records),
            *list_table_4(records), *list_table_5(records), *list_figure_5(records),
            *list_figure_7(records)]


def make_cell(place, printed_number, half_unit, ours, find_sample_deviation, moves=None,
              corrected=None, given=False, repeated=False):
    """The Cell of a number that can be compared.

    Args:
        place: its table, row and column.
        printed_number, half_unit: see Comparison.
        ours: [number of each seed].
        find_sample_deviation: a function of our number: the deviation of the print's sample of it.
        moves: {(subject, hypothesis): by how much it moves our numbers: all, or [each]}.
        corrected: {(subject, hypothesis): the number that should be printed}.
        given, repeated: see Cell.
    """
    def make_comparison(printed_number, ours):
        mean = float(np.mean(ours))
        deviation = float(np.hypot(np.std(ours, ddof=1), find_sample_deviation(mean)))
        return Comparison(printed_number, mean, deviation, half_unit)
    tried = {key: make_comparison(printed_number, np.clip(np.add(ours, by), 0, 100))
             for key, by in (moves or {}).items()}              # a rate stays one
    tried |= {key: make_comparison(other, ours) for key, other in (corrected or {}).items()}
    return Cell(*place, printed_number, make_comparison(printed_number, ours), tried, ours,
                given=given, repeated=repeated)


def ignore_sample(_):
    """The sample's deviation where the print has all images: 0."""
    return 0.0


def find_test_deviation(rate):
    """The deviation of a rate that is measured on all test images."""
    return printed.find_rate_deviation(rate, TEST_IMAGES)


def make_size_deviation(of_net):
    """The deviation of an average distortion in the print, as a function for `make_cell`.

    of_net: the row of a net, with "std over images" of each seed.
    """
    deviation = page.average(of_net["std over images"]) / printed.SAMPLE ** 0.5
    return lambda _: deviation


def make_row(table, row, paper, columns):
    """The Cells of a printed row: rates, then a distortion.

    paper: the printed row.  columns: {column: keyword arguments of `make_cell`}, in its order.
    """
    half_units = printed.find_half_units(paper, distortions=1)
    return [make_cell((table, row, column), number, half, **arguments)
            for (column, arguments), number, half in zip(columns.items(), paper, half_units,
                                                         strict=True)]


def list_table_1(records):
    """The Cells of Table 1."""
    return list_errors("Table 1", "table 2", records["table1-seeds"].numbers["models"],
                       records["fidelity"].numbers)


def list_errors(table, images, nets, tried):
    """The Cells of Table 1 or 3: the errors of each net, and the distortion.

    Args:
        table: its name.
        images: a key of fidelity.ERRORS: whose images are made for these nets.
        nets: {net: {column: numbers}}, of the table's record.
        tried: the numbers of fidelity.
    """
    errors, papers = fidelity.ERRORS[images]
    cells = []
    for name, paper in papers.items():
        columns = {error: {"ours": nets[name][error], "find_sample_deviation": ignore_sample,
                           "moves": list_net_moves(tried, images, name, itemgetter(error))}
                   for error in errors}
        columns["distortion"] = {"ours": nets[name]["av. min. distortion"],
                                 "find_sample_deviation": make_size_deviation(nets[name]),
                                 "moves": list_row_moves(tried, images, name)}
        cells += make_row(table, name, paper, columns)
    return cells


def list_table_2(records):
    """The Cells of Table 2."""
    numbers, tried = records["table2-seeds"].numbers, records["fidelity"].numbers
    models = records["table1-seeds"].numbers["models"]
    cells = []
    for name, paper in printed.TABLE_2.items():
        is_noise = name not in models
        images, columns = f"{name}, {NOT_CLIPPED}" if is_noise else name, {}
        for net in TABLE_1:
            moves = {} if is_noise else list_row_moves(tried, "table 2", name, net)
            if net != name and net in fidelity.LINEAR:
                moves |= list_stop_moves(tried, net, lambda of, row=images: of["column"][row])
            columns[f"fed to {net}"] = {
                "ours": numbers[images]["error %"][net], "moves": moves,
                "find_sample_deviation": printed.find_rate_deviation, "given": net == name}
        columns["distortion"] = {
            "ours": numbers[images]["av. distortion"], "given": is_noise, "repeated": not is_noise,
            "find_sample_deviation": (ignore_sample if is_noise
                                      else make_size_deviation(models[name])),
            "moves": {} if is_noise else list_row_moves(tried, "table 2", name)}
        cells += make_row("Table 2", name, paper, columns)
    return cells


def list_table_3(records):
    """The Cells of Table 3."""
    return list_errors("Table 3", "table 4", records["table3_4-seeds"].numbers["table 3"],
                       records["fidelity"].numbers)


def list_table_4(records):
    """The Cells of Table 4."""
    numbers, tried = records["table3_4-seeds"].numbers, records["fidelity"].numbers
    nets = numbers["table 3"]
    made_for, fed_to, misprint, meant = fidelity.MISPRINT
    cells = []
    for name, paper in printed.TABLE_4.items():
        net_of_row, is_found = name.partition(", ")[0], name in nets
        of_row = numbers["table 4"][name if is_found else f"{name}, {NOT_CLIPPED}"]
        columns = {}
        for net in nets:
            moves, corrected = {}, {}
            if is_found:
                moves = list_row_moves(tried, "table 4", name, net)
            elif net_of_row in nets:
                rate = {how: of[net] for how, of in tried["one factor"][net_of_row].items()}
                moves = {("amplified", "by one factor for all images"):
                         np.subtract(rate["one factor"], rate["0.1 each"])}
            if (name, net) == (made_for, fed_to):
                corrected = {(f"{misprint:g}", f"a misprint of {meant:g}"): meant}
            columns[f"fed to {net}"] = {
                "ours": of_row["error %"][net], "moves": moves, "corrected": corrected,
                "find_sample_deviation": (printed.find_rate_deviation if net_of_row in nets
                                          else find_test_deviation), "given": net == name}
        columns["distortion"] = {
            "ours": of_row["av. distortion"], "given": not is_found, "repeated": is_found,
            "find_sample_deviation": make_size_deviation(nets[name]) if is_found else ignore_sample,
            "moves": list_row_moves(tried, "table 4", name) if is_found else {}}
        cells += make_row("Table 4", name, paper, columns)
    return cells


def list_table_5(records):
    """The Cells of Table 5."""
    record, command = records["table5"], f"python -m experiments.table5 --weights {PAPERS_NET}"
    cells = []
    for layer, number in table5.PAPER.items():
        [half] = printed.find_half_units((number,))
        ours = record.numbers["layers"][layer]["as printed"]
        comparison = Comparison(number, ours, 0.0, half)
        cells.append(Cell("Table 5", layer, "norm", number,
                          comparison if record.flags["weights"] == PAPERS_NET else None, {},
                          command=command))
    return cells


def list_figure_5(records):
    """The Cell of Figure 5."""
    record, number = records["figure5"], figure5.PAPER["av. distortion"]
    sizes = np.array([image["distortion"] for image in record.numbers["images"]], float)
    # Both have a sample: ours of these images, the print of 64.
    deviation = np.nanstd(sizes) * (1 / len(sizes) + 1 / figure5.PAPER["examples"]) ** 0.5
    [half] = printed.find_half_units((number,), 1)
    comparison = Comparison(number, record.numbers["av. distortion"], float(deviation), half)
    return [Cell("Figure 5", "all photographs", "distortion", number,
                 comparison if record.flags["weights"] == PAPERS_NET else None, {}, command=
                 f"python -m experiments.figure5 --weights {PAPERS_NET} --data imagenette "
                 "--count 64")]


def list_figure_7(records):
    """The Cells of Figure 7.  In (c), which the print gives for some net, our nearest net's."""
    numbers, tried = records["figure7-seeds"].numbers, records["fidelity"].numbers
    models = records["table1-seeds"].numbers["models"]
    cells = []
    for panel, of_panel in printed.FIGURE_7.items():
        [half_of_size] = printed.find_half_units((of_panel["stddev"],), 1)
        [half] = printed.find_half_units((of_panel["accuracy %"],))
        name, accuracy = figure7.PANELS.get(panel), numbers[panel]["accuracy %"]
        row = f"({panel}) {name}"
        if name is None:
            of_nets = numbers["accuracy % on noise of stddev 1"][NOT_CLIPPED]
            nearest = min(of_nets, key=lambda net: abs(page.average(of_nets[net])
                                                       - of_panel["accuracy %"]))
            row, accuracy = f"({panel}) noise, the nearest net, {nearest}", of_nets[nearest]
        cells += [
            make_cell(("Figure 7", row, "distortion"), of_panel["stddev"], half_of_size,
                      numbers[panel]["stddev"],
                      make_size_deviation(models[name]) if name else ignore_sample,
                      list_row_moves(tried, "table 2", name) if name else {},
                      given=not name, repeated=bool(name)),
            make_cell(("Figure 7", row, "accuracy %"), of_panel["accuracy %"], half, accuracy,
                      printed.find_rate_deviation, given=bool(name))]
    return cells


# ---- By how much the hypotheses move our numbers ---------------------------------------------


def list_net_moves(tried, table, name, read):
    """{(subject, hypothesis): by how much another training moves an error of the net}.

    Of a linear net: early stops; of a sigmoid net: Adam.  tried: the numbers of fidelity.  table:
    "table 2" or "table 4".  name: of the net.  read: a function of what fidelity measured of the
    net, which gives the error.
    """
    if name in fidelity.LINEAR:
        return list_stop_moves(tried, name, read)
    return list_adam_moves(tried, table, name, read)


def list_row_moves(tried, table, name, net=None):
    """{(subject, hypothesis): by how much it moves one number of the row made for `name`}.

    The number is the error % of `net`; if net is None, the distortion.  tried, table, name: as for
    `list_net_moves`.
    """
    def read(row):
        return row["error %"][net] if net else row["av. distortion"]
    moves = list_search_moves(tried, table, name, read)
    if name in fidelity.LINEAR:
        moves |= list_stop_moves(tried, name, lambda stop: read(stop["row"]))
    if name in fidelity.LINEAR and (net is None or net in fidelity.LINEAR):
        return moves                        # no sigmoid net takes part
    return moves | list_adam_moves(tried, table, name, read)


def list_search_moves(tried, table, name, read):
    """{(subject, hypothesis): by how much other images, labels or searches move a number}.

    Those with the fewest changes come first.  read: a function of a row of fidelity.measure_row,
    which gives the number.
    """
    of_net, (ours, *others) = tried["searches"][table][name], fidelity.list_hypotheses()
    others.sort(key=lambda how: name_changes(how).count(","))
    return {(f"images for {name} in {table.capitalize()}", name_changes(how)):
            read(of_net[how]) - read(of_net[ours]) for how in others}


def name_changes(how):
    """The choices in which a hypothesis differs from this project: "all images, factor 2"."""
    ours = fidelity.list_hypotheses()[0].split(", ")
    return ", ".join(word for word in how.split(", ") if word not in ours)


def list_adam_moves(tried, table, name, read):
    """{(subject, hypothesis): by how much a number moves if Adam trains the sigmoid nets}.

    read: a function of a row of fidelity.measure_nets.
    """
    here, by_adam = (read(tried["training"][how][table][name]) for how in ("as here", "by Adam"))
    return {(f"row of {name} in {table.capitalize()}", "sigmoid nets trained by Adam"):
            np.subtract(by_adam, here)}


def list_stop_moves(tried, net, read):
    """{(subject, hypothesis): by how much stopping a linear net's training early moves a number}.

    read: a function of what fidelity.try_early_stops gives for a stop.
    """
    stopped = dict(tried["stopped"][net])
    to_the_end = read(stopped.pop(fidelity.NOT_STOPPED))
    return {(net, f"training stopped after {iterations} iterations"):
            np.subtract(read(of), to_the_end) for iterations, of in stopped.items()}


# ---- In words and tables ---------------------------------------------------------------------


def count_verdicts(judged):
    """{verdict: how many of [Judged] have it}."""
    verdicts = [of.verdict for of in judged]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def write_sentence(judged):
    """The account in one sentence.  judged: of `judge_all`."""
    n, given = count_verdicts(judged), sum(of.cell.given for of in judged)
    return f"""\
Of the {len(judged)} numbers that the paper prints in Tables 1 to 5 and Figures 5 and 7, \
{n["agrees"]} agree with ours ({given} of them by construction), {n["explained"]} are explained by \
a hypothesis, {n["open"]} are open, and {n["not comparable"]} cannot be compared here."""


def write_section(records):
    """The account's counts, the hypotheses, and the numbers that do not agree, in Markdown."""
    judged, by_table = judge_all(records), {}
    for of in judged:
        by_table.setdefault(of.cell.table, []).append(of)
    counts = [[table, len(some), *count_verdicts(some).values()]
              for table, some in [*by_table.items(), ("all", judged)]]
    apart = [of for of in judged if of.verdict in ("explained", "open")]
    noise, seeds = records["table2-seeds"].numbers, records["table2-seeds"].flags["seeds"]
    sizes = [page.format_cell(page.average(
        noise[f"Gaussian noise, stddev 0.3, {how}"]["av. distortion"])) for how in CLIPPING]
    return f"""\
{write_sentence(judged)}

{page.format_table(["", "printed numbers", *VERDICTS], counts)}

- *Agrees*: the printed number differs from our mean by no more than the allowed difference.  This \
is {printed.DEVIATIONS} standard deviations and half a unit of the last printed digit.  The \
variance is the sum of two: that of our {seeds} seeds, and that of the print's sample of some \
{printed.SAMPLE} images (for a rate p, p (100 - p) / {printed.SAMPLE}; for a distortion, the \
variance over images / {printed.SAMPLE}; none for errors on whole sets; Table 4's noise has the \
{TEST_IMAGES:,} test images).  Where a row has decimals, a number without them counts as having \
one: 10 is 10.0.  By chance alone, about one number in twenty differs by more, and more of those \
without a sample, because a few seeds know their deviation only roughly.  *By construction*: the \
100 % of a row's own net, and the size of noise that was asked for.  Figure 7 (c) does not say \
which net it is: the nearest of six is taken.
- *Explained*: it agrees with our number under a hypothesis of [fidelity.md](fidelity.md), at half \
the distance or less.  Of hypotheses that exclude each other, such as line searches for one row, \
the one is chosen that mends the most numbers less those that it spoils.  Each number is \
explained by itself; no one setting gives all of them.
- *Open*: no chosen hypothesis explains it.  The nearest one is named.
- *Not comparable*: ours is of another net or other data.  The table names the command.

Our noise is not clipped to [0, 1] here: noise of stddev 0.3 then has a distortion of {sizes[0]}, \
the print's 0.3; clipped, it has {sizes[1]}.  The chosen hypotheses:

{format_chosen(judged)}

All numbers: [account.md](account.md).  Those that do not agree:

{format_judged(apart)}"""


def write_page(records):
    """The whole account, a page of its own, in Markdown."""
    judged = judge_all(records)
    return f"""\
# The account: every printed number, and ours

{write_sentence(judged)}

What the verdicts mean: [README.md](README.md#every-printed-number).  Written by \
`python -m experiments.report`.

{format_judged(judged)}
"""


def format_chosen(judged):
    """The chosen hypotheses in Markdown: what each mends and spoils, and how many are as good."""
    cells = [of.cell for of in judged]
    effects, rows = count_effects(cells), []
    for subject, how in choose_hypotheses(cells).items():
        mended, spoiled = effects[subject, how]
        as_good = sum(other == subject and m - n == mended - spoiled
                      for (other, _), (m, n) in effects.items()) - 1
        rows.append([subject, how, mended, spoiled, as_good])
    return page.format_table(["of", "hypothesis", "mends", "spoils", "others as good"], rows)


def format_judged(judged):
    """A row for each Judged in Markdown."""
    rows = []
    for cell, verdict, why, under_it in judged:
        ours = allowed = "-"
        if cell.comparison:
            ours = page.format_spread(cell.ours or [cell.comparison.ours])
            allowed = page.format_cell(printed.DEVIATIONS * cell.comparison.deviation
                                       + cell.comparison.half_unit, digits=2)
        rows.append([cell.table, cell.row, cell.column, f"{cell.printed:g}", ours, allowed,
                     verdict, page.format_cell(under_it), why])
    return page.format_table(["", "row", "column", "the paper's", "ours", "allowed difference",
                              "verdict", "ours under it", "hypothesis, or command"], rows)
