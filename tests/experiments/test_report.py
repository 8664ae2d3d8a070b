"""The results page and the README's headline numbers are what the json files give, whole."""
import copy
import json
import re
from pathlib import Path

import pytest

from experiments import fidelity
from experiments.report import __main__ as report
from experiments.report import account, headlines
from experiments.shared import page

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"


@pytest.fixture(scope="module")
def records():
    return {stem: report.read_record(RESULTS, stem) for stem in report.RECORDS}


def test_all_texts_are_what_the_report_writes(records):
    """Whole: a changed cell, a false row, another percentage fails, here and in the README."""
    mend = "run python -m experiments.report"
    assert (RESULTS / "README.md").read_text() == report.write_page(records), mend
    readme = (ROOT / "README.md").read_text()
    assert (RESULTS / "account.md").read_text() == account.write_page(records), mend
    assert readme == headlines.insert_headlines(
        readme, headlines.write_headlines(records), "README.md"), mend


@pytest.mark.parametrize("stem", report.RECORDS)
def test_the_page_shows_every_record_and_follows_its_numbers(records, stem):
    text = report.write_page(records)
    assert records[stem].command in text and f"({stem}.md)" in text
    changed = copy.deepcopy(records[stem].numbers)
    halve(changed)
    other = {**records, stem: records[stem]._replace(numbers=changed)}
    assert report.write_page(other) != text


def halve(numbers):
    """Make every float of nested lists and dicts half as large, in place."""
    for key, value in numbers.items() if isinstance(numbers, dict) else enumerate(numbers):
        if isinstance(value, (dict, list)):
            halve(value)
        elif isinstance(value, float):
            numbers[key] = value / 2


def test_every_picture_and_every_record_of_the_results_is_shown_and_every_link_leads_somewhere():
    text = (RESULTS / "README.md").read_text()
    shown = set(re.findall(r"\]\(([\w./-]+)\)", text))
    assert all((RESULTS / name).exists() for name in shown)
    pictures = {path.name for path in RESULTS.iterdir() if path.suffix in (".png", ".svg")}
    assert pictures - shown <= {"attack-adversarial.png", "digit.png"}      # parts of attack.png
    assert {path.stem for path in RESULTS.glob("*.json")} == set(report.RECORDS)
    headings = {report.format_link(title) for title in re.findall(r"^##+ (.*)", text, re.M)}
    assert {f"[{t}](#{a})" for t, a in re.findall(r"\[([^]]*)\]\(#([\w-]+)\)", text)} <= headings


def test_the_page_of_fidelity_is_what_its_code_writes(records):
    record = records["fidelity"]
    text = fidelity.format_page(
        record.numbers, *(record.flags[flag] for flag in ("count", "seed", "seeds")))
    assert (RESULTS / "fidelity.md").read_text().startswith(f"{text}\n\nData: MNIST.")


@pytest.mark.parametrize("stem", report.RECORDS)
def test_every_page_names_a_command_that_a_reader_can_run(records, stem):
    note = page.describe_replacement(records[stem].command)
    assert ("data/raw" in records[stem].command) == bool(note)
    assert "data/raw" not in note.partition("`")[2]
    assert note in (RESULTS / f"{stem}.md").read_text()
    assert note.strip() == json.loads((RESULTS / f"{stem}.json").read_text()).get("note", "")


def change(path, field, value):
    """Give a field of a record another value."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))


@pytest.fixture
def copied(tmp_path):
    """A folder with the json files, and a README without numbers."""
    for path in RESULTS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    readme = tmp_path / "top.md"
    readme.write_text(f"before\n{headlines.BEGIN}\nold\n{headlines.END}\nafter\n")
    return tmp_path, readme


def test_the_script_writes_both_and_leaves_the_rest_of_the_readme(copied):
    folder, readme = copied
    report.main(str(folder), str(readme))
    assert (folder / "README.md").read_text() == (RESULTS / "README.md").read_text()
    lines = readme.read_text().splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and "old" not in lines
    assert sum(line.startswith("| ") for line in lines) == 11


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda folder, _: (folder / "table5.json").unlink(),
     ("table5.json: there is no such file", "python -m experiments.table5 --out")),
    (lambda folder, _: (folder / "figure6-M.json").write_text('{"command": '),
     ("figure6-M.json: not a record", "python -m experiments.figure6 --weights")),
    (lambda folder, _: (folder / "cars.json").write_text("[]"),
     ("cars.json: not a record", "python -m experiments.cars --seeds 3")),
    (lambda folder, _: (folder / "table2.json").write_text(json.dumps(
        {"command": "", "flags": {}, "numbers": {}, "data": "mnist"})),
     ("Table 2", "table2.json does not hold", "python -m experiments.table2")),
    (lambda folder, _: (folder / "cars.json").write_text("[" * 100_000),
     ("cars.json: not a record", "python -m experiments.cars")),
    (lambda folder, _: change(folder / "cars.json", "command", None),
     ("cars.json: not a record", "command is no str")),
    (lambda folder, _: change(folder / "cars.json", "data", "\ud800"),
     ("cars.json: not a record", "python -m experiments.cars")),
    (lambda folder, _: change(folder / "train_alexnet.json", "numbers", {}),
     ("train_alexnet.json does not hold", "python -m experiments.train_alexnet")),
    (lambda folder, _: change(folder / "figure5.json", "flags", {}),
     ("figure5.json does not hold", "python -m experiments.figure5")),
    (lambda _, readme: readme.write_text(headlines.BEGIN),
     ("top.md: expected the line", headlines.END)),
    (lambda _, readme: readme.write_text(f"{headlines.END}\n{headlines.BEGIN}"),
     ("top.md: expected the line", "after it")),
    (lambda _, readme: readme.unlink(), ("top.md",)),
])
def test_what_is_missing_or_broken_is_said_in_one_line_and_nothing_is_written(copied, spoil, words):
    spoil(*copied)
    with pytest.raises((ValueError, OSError)) as raised:        # cli.run makes a line of it
        report.main(*map(str, copied))
    message = str(raised.value)
    assert "\n" not in message and all(word in message for word in words), message
    assert not (copied[0] / "README.md").exists()
