"""The account: each printed number once, and a verdict that follows from the numbers."""
import copy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from experiments import fidelity
from experiments.report import __main__ as report
from experiments.report import account
from experiments.report.account import Cell, Comparison
from experiments.shared import printed

RESULTS = Path(__file__).parents[2] / "experiments" / "results"


@pytest.fixture(scope="module")
def records():
    return {stem: report.read_record(RESULTS, stem) for stem in report.RECORDS}


def test_every_printed_number_has_its_line(records):
    cells = account.list_cells(records)
    assert Counter(cell.table for cell in cells) == {
        "Table 1": 18, "Table 2": 56, "Table 3": 12, "Table 4": 32, "Table 5": 8, "Figure 5": 1,
        "Figure 7": 6}
    for table, rows in (("Table 1", printed.TABLE_1), ("Table 2", printed.TABLE_2),
                        ("Table 3", printed.TABLE_3), ("Table 4", printed.TABLE_4)):
        assert [cell.printed for cell in cells if cell.table == table] == [
            number for row in rows.values() for number in row]
    assert len({(cell.table, cell.row, cell.column) for cell in cells}) == len(cells)
    page = account.write_page(records)
    assert page.count("\n| ") == len(cells) + 1
    assert sum(cell.given for cell in cells) == 9 + 7 + 3       # 100 %, sizes of noise, Figure 7
    places = [cell.printed for cell in cells if cell.repeated]  # distortions: Tables 2 and 4
    assert places == [0.062, 0.1, 0.14, 0.058, 0.065, 0.086, 0.062, 0.059, 0.058, 0.06, 0.063]


def compare(printed_number, ours):
    return Comparison(printed_number, ours, 1.0, 0.0)


def make(number, ours, tried):
    """A Cell of which two deviations are 2."""
    return Cell("Table 1", "row", "column", number, None if ours is None else compare(number, ours),
                {("subject", how): compare(number, moved) for how, moved in tried.items()},
                command="mend it")


@pytest.mark.parametrize(("ours", "tried", "verdict", "why"), [
    (8.1, {}, "agrees", ""),
    (7.9, {}, "open", ""),
    (2.0, {"a": 7.0, "b": 8.5, "c": 9.0}, "explained", "subject: b"),
    (2.0, {"a": 13.0, "b": 5.0}, "open", "subject: a"),
    (7.0, {"a": 8.4}, "open", "subject: a"),       # it agrees, but at more than half the distance
    (10.0, {"b": 9.0}, "agrees", ""),
    (None, {}, "not comparable", "`mend it`"),
])
def test_a_number_is_explained_by_what_comes_near_enough(ours, tried, verdict, why):
    cells = [make(10.0, ours, tried)]
    judged = account.judge(cells[0], account.choose_hypotheses(cells))
    assert (judged.verdict, judged.why) == (verdict, why)
    assert judged.under_it == (tried[why[-1]] if "subject" in why else None)
    assert account.count_verdicts([judged])[verdict] == 1


def test_of_the_chosen_hypotheses_of_two_subjects_the_nearest_explains():
    cell = make(10.0, 5.0, {"a": 8.5})
    cell.tried["other", "b"] = compare(10.0, 9.0)
    chosen = account.choose_hypotheses([cell])
    assert chosen == {"subject": "a", "other": "b"}
    assert account.judge(cell, chosen).why == "other: b"


def test_a_hypothesis_must_mend_more_than_it_spoils_and_repeated_numbers_do_not_count():
    far = make(10.0, 5.0, {"a": 10.0, "b": 10.0})
    spoiled, kept = make(10.0, 10.0, {"a": 5.0, "b": 10.0}), make(10.0, 5.0, {"a": 5.0, "b": 10.0})
    assert account.choose_hypotheses([far]) == {"subject": "a"}
    assert account.choose_hypotheses([far, spoiled]) == {"subject": "b"}
    lost = make(10.0, 10.0, {"a": 5.0, "b": 5.0})
    assert account.count_effects([far, lost]) == {("subject", "a"): (1, 1),
                                                  ("subject", "b"): (1, 1)}
    again = far._replace(repeated=True)
    chosen = account.choose_hypotheses([far, lost, again])
    assert chosen == {} and account.judge(far, chosen).verdict == "open"
    assert account.choose_hypotheses([far, spoiled, kept]) == {"subject": "b"}
    assert account.count_effects([far, kept, again])["subject", "b"] == (2, 0)


def test_a_comparison_has_the_deviations_of_our_seeds_and_of_the_prints_sample():
    cell = account.make_cell(
        ("Table 2", "row", "column"), 30.0, 0.05, [20.0, 22.0, 24.0], printed.find_rate_deviation,
        {("row", "more"): 6.0, ("row", "too much"): 99.0}, {("row", "misprint"): 23.0})
    assert cell.comparison.ours == 22 and cell.ours == [20.0, 22.0, 24.0]
    assert cell.comparison.deviation == pytest.approx(np.sqrt(4 + 22 * 78 / 256))
    more, too_much, misprint = cell.tried.values()
    assert more.ours == 28 and more.agrees and more.printed == 30
    assert too_much.ours == 100 and too_much.deviation == 0
    assert misprint.ours == 22 and misprint.printed == 23 and misprint.agrees


def test_a_move_of_each_seed_brings_its_own_spread():
    cell = account.make_cell(("Table 1", "row", "column"), 30.0, 0.05, [20.0, 22.0, 24.0],
                             account.ignore_sample, {("net", "stopped"): [9.0, 8.0, 4.0]})
    [stopped] = cell.tried.values()
    assert stopped.ours == pytest.approx(29) and stopped.deviation == pytest.approx(1)
    assert cell.comparison.deviation == pytest.approx(2)


@pytest.fixture
def as_printed(records):
    """The records with the printed numbers in their places, the same for five seeds."""
    other = {stem: record._replace(numbers=copy.deepcopy(record.numbers))
             for stem, record in records.items()}
    models = other["table1-seeds"].numbers["models"]
    for name, row in printed.TABLE_1.items():
        for column, number in zip(("train error %", "test error %", "av. min. distortion"), row,
                                  strict=True):
            models[name][column] = [number] * 5
    three, four = (other["table3_4-seeds"].numbers[f"table {i}"] for i in (3, 4))
    for name, row in printed.TABLE_3.items():
        for column, number in zip(("error on P1 %", "error on P2 %", "error on test %",
                                   "av. min. distortion"), row, strict=True):
            three[name][column] = [number] * 5
    for numbers, papers in ((other["table2-seeds"].numbers, printed.TABLE_2),
                            (four, printed.TABLE_4)):
        for name, row in papers.items():
            of_row = numbers[name if name in numbers else f"{name}, not clipped"]
            for net, number in zip(of_row["error %"], row[:-1], strict=False):
                of_row["error %"][net] = [number] * 5
            of_row["av. distortion"] = [row[-1]] * 5
    panels = other["figure7-seeds"].numbers
    for panel, row in printed.FIGURE_7.items():
        panels[panel] |= {key: [number] * 5 for key, number in row.items()}
    panels["accuracy % on noise of stddev 1"]["not clipped"]["AE400-10"] = [51.0] * 5
    return other


def test_each_printed_number_meets_its_own_record(as_printed):
    cells = account.list_cells(as_printed)
    assert account.count_verdicts(account.judge_all(as_printed)) == {
        "agrees": 124, "explained": 0, "open": 0, "not comparable": 9}
    assert all(cell.comparison.ours == pytest.approx(cell.printed, rel=1e-12)
               for cell in cells if cell.comparison)


@pytest.mark.parametrize(("stem", "keys", "place"), [
    ("table1-seeds", ("models", "AE400-10", "test error %"),
     ("Table 1", "AE400-10", "test error %")),
    ("table2-seeds", ("FC10(1)", "error %", "AE400-10"), ("Table 2", "FC10(1)", "fed to AE400-10")),
    ("table3_4-seeds", ("table 3", "FC123-456-10", "error on P2 %"),
     ("Table 3", "FC123-456-10", "error on P2 %")),
    ("table3_4-seeds", ("table 4", "Gaussian noise, stddev 0.1, not clipped", "error %",
                        "FC123-456-10"), ("Table 4", "Gaussian noise, stddev 0.1",
                                          "fed to FC123-456-10")),
    ("figure7-seeds", ("b", "stddev"), ("Figure 7", "(b) FC200-200-10", "distortion")),
])
def test_one_number_that_moves_is_the_one_that_disagrees(as_printed, stem, keys, place):
    numbers = as_printed[stem].numbers
    for key in keys[:-1]:
        numbers = numbers[key]
    numbers[keys[-1]] = [numbers[keys[-1]][0] + 40] * 5
    apart = [cell[:3] for cell in account.list_cells(as_printed)
             if cell.comparison and not cell.comparison.agrees]
    assert apart == [place]


def test_a_hypothesis_moves_a_number_by_what_it_changes_for_one_seed():
    ours, *others = fidelity.list_hypotheses()

    def row(rate, size):
        return {"error %": {"FC10(1)": rate, "AE400-10": rate}, "av. distortion": size}
    searches = {how: row(10.0, 0.1) for how in others} | {ours: row(7.0, 0.04)}
    tried = {"searches": {"table 2": {"FC10(1)": searches, "AE400-10": searches}},
             "training": {how: {"table 2": {"FC10(1)": row(rate, 0.0), "AE400-10": row(rate, 0.5)}}
                          for how, rate in (("as here", 3.0), ("by Adam", 1.0))},
             "stopped": {"FC10(1)": {"8": {"column": 5.0, "row": row(9.0, 0.02)},
                                     "10": {"column": 6.5, "row": row(8.0, 0.03)},
                                     fidelity.NOT_STOPPED: {"column": 6.0, "row": row(7.0, 0.04)}}}}

    def stops(eight, ten):
        return {("FC10(1)", "training stopped after 8 iterations"): pytest.approx(eight),
                ("FC10(1)", "training stopped after 10 iterations"): pytest.approx(ten)}
    by_search = account.list_search_moves(tried, "table 2", "FC10(1)",
                                          lambda row: row["error %"]["FC10(1)"])
    assert len(by_search) == 19 and set(by_search.values()) == {3.0}
    subject, how = list(by_search)[0]
    assert subject == "images for FC10(1) in Table 2" and how == "factor 1.35"
    changes = [how.count(",") for _, how in by_search]
    assert changes == sorted(changes) and changes[-1] == 2
    moves = account.list_row_moves(tried, "table 2", "FC10(1)", "FC10(1)")
    assert moves == by_search | stops(2.0, 1.0)
    by_adam = {("row of FC10(1) in Table 2", "sigmoid nets trained by Adam"): -2.0}
    assert account.list_row_moves(tried, "table 2", "FC10(1)", "AE400-10") == moves | by_adam
    sizes = account.list_row_moves(tried, "table 2", "FC10(1)")
    assert sizes == dict.fromkeys(by_search, pytest.approx(0.06)) | stops(-0.02, -0.01)
    sizes = account.list_row_moves(tried, "table 2", "AE400-10")
    assert len(sizes) == 20
    assert sizes["row of AE400-10 in Table 2", "sigmoid nets trained by Adam"] == 0
    assert account.list_net_moves(tried, "table 2", "FC10(1)",
                                  lambda of: of["column"]) == stops(-1.0, 0.5)
    assert account.list_net_moves(tried, "table 2", "AE400-10",
                                  lambda of: of["error %"]["AE400-10"]) == {
        ("row of AE400-10 in Table 2", "sigmoid nets trained by Adam"): -2.0}


@pytest.mark.parametrize(("weights", "verdict"), [
    ("", "not comparable"), ("runs/alexnet.npz", "not comparable"), ("bvlc", "open")])
def test_photographs_are_compared_only_with_the_papers_net(records, weights, verdict):
    other = {stem: records[stem]._replace(flags=records[stem].flags | {"weights": weights})
             for stem in ("table5", "figure5")}
    cells = account.list_table_5(other) + account.list_figure_5(other)
    assert len(cells) == 9 and {account.judge(cell, {}).verdict for cell in cells[:2]} == {
        verdict}
    if weights == "bvlc":
        same = {"figure5": other["figure5"]._replace(
            numbers=other["figure5"].numbers | {"av. distortion": 0.006508})}
        assert account.judge(account.list_figure_5(same)[0], {}).verdict == "agrees"


@pytest.mark.parametrize(("list_table", "of_row", "change", "column"), [
    (account.list_table_1, "FC10(1)", ("stopped", "FC10(1)", "8", "train error %"),
     "train error %"),
    (account.list_table_1, "FC10(1)", ("stopped", "FC10(1)", "8", "row", "av. distortion"),
     "distortion"),
    (account.list_table_1, "AE400-10", ("training", "by Adam", "table 2", "AE400-10",
                                        "test error %"), "test error %"),
    (account.list_table_2, "FC200-200-10", ("stopped", "FC10(1)", "8", "column", "FC200-200-10"),
     "fed to FC10(1)"),
    (account.list_table_2, "FC10(1)", ("stopped", "FC10(1)", "8", "row", "error %", "AE400-10"),
     "fed to AE400-10"),
    (account.list_table_3, "FC123-456-10", ("training", "by Adam", "table 4", "FC123-456-10",
                                            "error on P2 %"), "error on P2 %"),
    (account.list_table_4, "FC123-456-10", ("searches", "table 4", "FC123-456-10",
                                            "all images, random label, D", "error %",
                                            "FC100-100-10'"), "fed to FC100-100-10'"),
])
def test_what_a_hypothesis_changes_moves_one_number(as_printed, list_table, of_row, change, column):
    before = list_table(as_printed)
    numbers = as_printed["fidelity"].numbers
    for key in change[:-1]:
        numbers = numbers[key]
    numbers[change[-1]] = np.add(numbers[change[-1]], 3).tolist()
    moved = {cell[1:3] for cell, same in zip(list_table(as_printed), before, strict=True)
             if cell.tried != same.tried}
    assert moved == {(of_row, column)}


def test_one_factor_and_the_misprint_belong_to_table_4(as_printed):
    rates = as_printed["fidelity"].numbers["one factor"]["FC123-456-10"]
    rates["one factor"]["FC100-100-10'"], rates["0.1 each"]["FC100-100-10'"] = 12.0, 7.0
    cells = {cell[1:3]: cell for cell in account.list_table_4(as_printed)}
    moved = cells["FC123-456-10, amplified to 0.1", "fed to FC100-100-10'"]
    assert [of.ours for of in moved.tried.values()] == [pytest.approx(22 + 5)]
    misprint = cells["FC123-456-10", "fed to FC100-100-10"].tried["6.25", "a misprint of 26.25"]
    assert misprint.printed == 26.25 and misprint.ours == 6.25
