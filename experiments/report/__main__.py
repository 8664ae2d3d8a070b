"""Write all results on one page, beside the paper's, and the headline numbers into the README.

    python -m experiments.report
    python -m experiments.report --out experiments/results --readme README.md

The script reads the json files that the other scripts wrote into the folder `out`.  It writes the
whole README.md of that folder: every table and figure, whether the paper's claim holds, and the
command that made it.  It writes account.md beside it: every printed number with its verdict.  And
it writes the headline numbers into the file `readme`, between two comments; the rest of that file
stays as it is.  It computes nothing anew.  A test (tests/experiments/test_report.py) fails if one
of these texts differs from what this script writes.
"""
import json
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from experiments.report import account, digits, headlines, photographs, speed
from experiments.shared import cli, page
from nets.disk import open_regular, write_whole

MADE_BY_CODE_OF = "4e423de"                 # the last commit of whose code some records are


class Record(NamedTuple):
    """The json file that a script saved beside its page, see page.save."""
    command: str
    flags: dict
    data: str
    numbers: dict


class Section(NamedTuple):
    """A section of the page."""
    title: str
    stems: tuple                            # of the records that it shows
    write: object                           # {stem: Record} -> Markdown


RECORDS = {  # {stem: its command without --out}, for the error where a record is missing
    "attack": "attack --image experiments/results/digit.png --target 7 --train lbfgs",
    "table1": "table1 --count 60000 --train lbfgs",
    "table1-seeds": "table1 --seeds 5 --count 4096 --train lbfgs",
    "table2": "table2 --count 60000 --train lbfgs",
    "table2-seeds": "table2 --seeds 5 --count 4096 --train lbfgs",
    "table3_4": "table3_4 --count 10000 --train lbfgs",
    "table3_4-seeds": "table3_4 --seeds 5 --count 4096 --train lbfgs",
    "figure1_2": "figure1_2 --train lbfgs",
    "figure1_2-seeds": "figure1_2 --seeds 5 --train lbfgs",
    "figure7": "figure7 --count 60000 --train lbfgs",
    "figure7-seeds": "figure7 --seeds 5 --count 4096 --train lbfgs",
    "fidelity": "fidelity --count 1024 --train lbfgs --seeds 5",
    "adversarial_training": "adversarial_training --count 1024 --epochs 100 --seeds 3",
    "train_alexnet": "train_alexnet",
    "figure3_4": "figure3_4",
    "figure5": "figure5 --count 64 --target bird",
    "train_quocnet": "train_quocnet --below nothing",
    "train_quocnet-M": "train_quocnet --size M --below nothing --epochs 3 "
                       "--weights runs/quocnet-M.npz",
    "figure6": "figure6",
    "figure6-M": "figure6 --weights runs/quocnet-M.npz",
    "cars": "cars --seeds 3",
    "table5": "table5",
    "stability": "stability --count 128 --train lbfgs --weights runs/alexnet.npz",
    "lipschitz_training": "lipschitz_training --count 1024 --seeds 3",
    "lipschitz_training-LeNet": "lipschitz_training --net LeNet --count 256",
    "gradients": "gradients --train lbfgs",
    "benchmark": "benchmark --train lbfgs --weights runs/alexnet.npz",
    "benchmark-alexnet": "benchmark --which alexnet --weights runs/alexnet.npz",
    "benchmark-quocnet": "benchmark --which quocnet",
}
ACCOUNT_TITLE = "Every printed number"
PARTS = {  # of the page: the account, the paper's sections, then what the paper does not have
    "Ours and the paper's": [
        Section(ACCOUNT_TITLE, ("fidelity",), account.write_section),
    ],
    "Units and directions (section 3)": [
        Section("Figures 1 and 2: units and random directions", ("figure1_2-seeds", "figure1_2"),
                digits.write_figures_1_2),
        Section("Figures 3 and 4: the same with photographs", ("figure3_4",),
                photographs.write_figures_3_4),
    ],
    "Images that nets get wrong (section 4)": [
        Section("One image", ("attack",), digits.write_attack),
        Section("Table 1: how little is enough", ("table1-seeds", "table1"), digits.write_table_1),
        Section("Table 2: other nets get them wrong too", ("table2-seeds", "table2"),
                digits.write_table_2),
        Section("Tables 3 and 4: other training images", ("table3_4-seeds", "table3_4"),
                digits.write_tables_3_4),
        Section("Figure 5: photographs", ("figure5",), photographs.write_figure_5),
        Section("Figure 6: a net trained without labels", ("figure6", "figure6-M"),
                photographs.write_figure_6),
        Section("Figure 7: not like noise", ("figure7-seeds", "figure7"), digits.write_figure_7),
        Section("Adversarial training", ("adversarial_training",),
                digits.write_adversarial_training),
    ],
    "Bounds (section 4.3)": [
        Section("Table 5: the norms of AlexNet's layers", ("table5",),
                photographs.write_table_5),
        Section("How loose the bound is", ("stability",), photographs.write_stability),
        Section("The penalty that the paper suggests",
                ("lipschitz_training", "lipschitz_training-LeNet"), digits.write_penalty),
    ],
    "What stands behind these": [
        Section("Gradients by hand and by numbers", ("gradients",),
                digits.write_gradients),
        Section("The stand-in for AlexNet", ("train_alexnet",),
                photographs.write_training),
        Section("QuocNet's training", ("train_quocnet", "train_quocnet-M"),
                photographs.write_quocnet_training),
        Section("What QuocNet's features are worth", ("cars",), photographs.write_cars),
    ],
    "Speed": [
        Section("The search", ("benchmark",), speed.write_search),
        Section("Training and convolutions", ("benchmark",), speed.write_training),
        Section("AlexNet, layer by layer", ("benchmark-alexnet",), speed.write_alexnet),
        Section("QuocNet, up to a billion weights", ("benchmark-quocnet",),
                speed.write_quocnet),
    ],
}
BVLC = "BVLC's weights (243 MB) and Imagenette (342 MB), both downloaded; requirements-onnx.txt"
NOT_RUN = (  # what; command; what it needs; a function of the records: whether they lack it
    ("Figures 3 and 4 on the paper's net",
     "python -m experiments.figure3_4 --weights bvlc --data imagenette", BVLC,
     lambda records: records["figure3_4"].flags["weights"].endswith(".npz")),
    ("Figure 5 on the paper's net",
     "python -m experiments.figure5 --weights bvlc --data imagenette --count 64", BVLC,
     lambda records: records["figure5"].flags["weights"].endswith(".npz")),
    ("Table 5 of a trained net", "python -m experiments.table5 --weights bvlc",
     "BVLC's weights (243 MB), downloaded; requirements-onnx.txt",
     lambda records: records["table5"].numbers["random"]),
    ("Figure 6 on a net as large as the paper's",
     "python -m experiments.train_quocnet --size full --data FOLDER",
     "ten million frames of video; for memory and days see above, under speed",
     lambda records: True),
)


def main(out="experiments/results", readme="README.md"):
    records = {stem: read_record(Path(out), stem) for stem in RECORDS}
    before = Path(readme).read_text()
    page_text = write_page(records)
    table = write_part("Headline numbers", headlines.write_headlines, records)
    texts = {Path(out) / "README.md": page_text,
             Path(out) / "account.md": write_part(ACCOUNT_TITLE, account.write_page, records),
             Path(readme): headlines.insert_headlines(before, table, readme)}
    for path, text in texts.items():
        write_whole(path, lambda file, text=text: file.write(text.encode()))
        print(f"Written: {path}")
    for path in sorted(Path(out).glob("*.json")):
        if path.stem not in RECORDS:
            print(f"Not shown: {path}")


def read_record(folder, stem):
    """The Record that a script saved in a folder.

    Raises:
        ValueError: there is none, or it is broken; the error names the command that makes it.
    """
    path = folder / f"{stem}.json"
    mend = f"make it by `python -m experiments.{RECORDS[stem]} --out {folder}`"
    try:
        with open_regular(path) as file:
            fields = json.load(file)
        json.dumps(fields, ensure_ascii=False).encode()     # half a character is no text
        record = Record(*(fields[name] for name in Record._fields))
        for name, kind in Record.__annotations__.items():
            if not isinstance(getattr(record, name), kind):
                raise TypeError(f"{name} is no {kind.__name__}")
        return record
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file; {mend}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: not a record of experiments ({error!r}); {mend}") from None


# ---- The page --------------------------------------------------------------------------------


def write_page(records):
    """The results page, as Markdown.  records: {stem: Record}, all of RECORDS."""
    contents, body = [], []
    for part, sections in PARTS.items():
        contents.append(f"- {format_link(part)}")
        body.append(f"## {part}")
        for section in sections:
            contents.append(f"  - {format_link(section.title)}")
            ends = "  \n".join(describe_making(stem, records[stem]) for stem in section.stems)
            shown = write_part(section.title, section.write, records)
            body += [f"### {section.title}", shown, ends]
    contents.append(f"- {format_link('Not run here')}")
    return "\n\n".join([f"""\
# Results, beside the paper's

*Intriguing properties of neural networks* (Szegedy et al., 2014): every table and figure, ours \
beside the paper's.  A cell holds our number and, in brackets, the paper's; a cell without \
brackets has no counterpart in print.  Numbers with ± are mean and standard deviation over seeds.  \
Distortions are root mean squares over pixels, which go from 0 to 1.  Each section ends with the \
page that defines its numbers and the command that made them.

`python -m experiments.report` writes this page from the json files beside it: do not edit it.  \
The records of photographs, and that of stability, were made by the code up to commit \
{MADE_BY_CODE_OF}: before the search was written anew, and before random streams had names.  The \
others are newer.""",
                      "\n".join(contents), *body, "## Not run here",
                      write_part("Not run here", list_not_run, records)]) + "\n"


def write_part(title, write, records):
    """write(records), Markdown; ValueError if a record lacks what is shown."""
    records = Reading(records)
    try:
        with warnings.catch_warnings():     # of means of nothing
            warnings.simplefilter("error")
            return write(records)
    except Exception as error:              # wrong numbers can raise anything in the code
        names = " or ".join(f"{stem}.json" for stem in records.read)
        commands = " or ".join(f"`python -m experiments.{RECORDS[stem]}`" for stem in records.read)
        raise ValueError(f"{title}: {names} does not hold what is shown here ({error!r}); make it "
                         f"anew by {commands} and the same --out") from error


class Reading(dict):
    """Records, and in `read` the stems of those that were asked for."""

    def __init__(self, records):
        super().__init__(records)
        self.read = {}

    def __getitem__(self, stem):
        self.read[stem] = True
        return super().__getitem__(stem)


def format_link(title):
    """A link to a heading of this page, by the name that GitHub gives it."""
    return f"[{title}](#{re.sub('[^a-z0-9 -]', '', title.lower()).replace(' ', '-')})"


def describe_making(stem, record):
    """The last line of a section: the script's own page, the data, the command."""
    data = "" if record.data == "none" else f"  Data: {page.describe_data(record.data)}."
    return (f"More: [{stem}.md]({stem}.md).{data}  Made by `{record.command}`."
            f"{page.describe_replacement(record.command)}")


def list_not_run(records):
    """The parts of the paper that the records lack, in Markdown."""
    rows = [[what, f"`{command}`", needs] for what, command, needs, lacks in NOT_RUN
            if lacks(records)]
    if not rows:
        return "Everything was run."
    return page.format_table(["what", "command", "needs"], rows)


if __name__ == "__main__":
    cli.run(main)
