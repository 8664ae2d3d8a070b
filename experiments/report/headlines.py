"""The headline numbers: one table, and its place in the README."""
import textwrap

from experiments import adversarial_training, figure1_2, figure5, table1, table2, table3_4
from experiments.benchmark.search import TOGETHER, format_searches_an_hour
from experiments.report import account
from experiments.shared import coherence, page

BEGIN = "<!-- headline numbers: written by python -m experiments.report -->"
END = "<!-- end of headline numbers -->"


def write_headlines(records):
    """The table of the README and the account's sum, in Markdown.  records: {stem: Record}."""
    models = records["table1-seeds"].numbers["models"]
    transfer = records["table2-seeds"].numbers["FC100-100-10"]["error %"]
    across_halves = records["table3_4-seeds"].numbers["table 4"]["FC100-100-10"]["error %"]
    arms = page.group_by_seed(records["adversarial_training"].numbers)
    error = page.format_spread([row["test error %"] for row in arms["all layers"]])
    search = records["benchmark"].numbers["search"]["FC100-100-10"][TOGETHER]   # D as it is
    rows = [[f"{name}: test error %, average distortion",
             *(", ".join(page.format_cell(value) for value in values) for values in (
                 (models[name]["test error %"], models[name]["av. min. distortion"]),
                 table1.PAPER[name][1:]))]
            for name in ("FC10(1e-4)", "FC100-100-10", "FC200-200-10", "AE400-10")]
    rows += [
        ["images made for FC100-100-10, % wrong for FC200-200-10",
         page.format_cell(transfer["FC200-200-10"]), table2.PAPER["FC100-100-10"][4]],
        ["test images made for FC100-100-10 on P1, % wrong for the one on P2",
         page.format_cell(across_halves["FC100-100-10'"]), table3_4.PAPER_4["FC100-100-10"][2]],
        ["Figure 5: average distortion of photographs" +
         (" (a smaller AlexNet)" if records["figure5"].flags["weights"].endswith(".npz") else ""),
         page.format_cell(records["figure5"].numbers["av. distortion"]),
         figure5.PAPER["av. distortion"]],
        ["adversarial training of FC100-100-10: test error %", error,
         adversarial_training.PAPER["all layers"]],
        ["searches an hour on one core, FC100-100-10",
         format_searches_an_hour(search), "-"],
        ["evaluations (value and gradient) a search, FC100-100-10",
         page.format_cell(search["evaluations"]), "-"],
    ]
    table = page.format_table(["what", "ours", "the paper's"], rows)
    flags = records["table1-seeds"].flags
    texts = [
        f"±: standard deviation over seeds.  Of the first six rows: {flags['seeds']} seeds, each "
        f"attacks {flags['count']:,} images; test errors are of whole sets.",
        f"{account.write_sentence(account.judge_all(records))}  "
        "[All of them](experiments/results/account.md), and "
        "[what this means](experiments/results/README.md#every-printed-number).",
        coherence.write_claim(records["figure1_2-seeds"].numbers, [*figure1_2.LAYERS])]
    return "\n\n".join([table, *(textwrap.fill(
        text, 100, break_long_words=False, break_on_hyphens=False) for text in texts)])


def insert_headlines(text, table, name):
    """Put the table of headline numbers between BEGIN and END in the text of a file called `name`.

    Raises:
        ValueError: the text has not each of the two comments once, in this order.
    """
    if [text.count(mark) for mark in (BEGIN, END)] != [1, 1] or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{name}: expected the line `{BEGIN}` once, and after it the line `{END}` "
                         "once; put them where the numbers are to stand")
    before, after = text[:text.index(BEGIN)], text[text.index(END):]
    return f"{before}{BEGIN}\n\n{table}\n\n{after}"
