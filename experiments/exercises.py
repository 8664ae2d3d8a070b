"""Ten exercises on gradients and the search: writes their starts, and checks your answers.

    python -m experiments.exercises
    python -m experiments.exercises --number 3

The first run puts a file for each exercise into runs/exercises/.  Each has a task, a hint, a start
and, at its end, the check.  Change the file, and run the command again.  It never overwrites a file
of yours; delete it to begin anew.
With --number only that exercise is checked, and the command fails until it is solved.
"""
import traceback
from pathlib import Path

from experiments.shared import cli, exercises, page
from nets.disk import write_whole

HELP = {"number": "of one exercise, 1 to 10; 0: all",
        "out": "your files are in its folder exercises/"}


def main(number=0, out="runs"):
    cli.start(locals())
    if not 0 <= number <= len(exercises.STARTS):
        raise ValueError(f"--number {number}: choose 1 to {len(exercises.STARTS)}, or 0 for all")
    folder = Path(out) / "exercises"
    for start in exercises.STARTS:
        if not (folder / start.name).exists():
            write_whole(folder / start.name, lambda file, start=start: file.write(
                start.read_bytes()))
    if number:
        path = folder / exercises.STARTS[number - 1].name
        if problem := find_problem(exercises.STARTS[number - 1], path):
            raise RuntimeError(f"exercise {number}, {path}: {problem}")
        print(f"Exercise {number} is solved.")
        return {number: ""}
    problems = {i: find_problem(start, folder / start.name) for i, start in
                enumerate(exercises.STARTS, 1)}
    print(page.format_table(["", "exercise", "file", "solved"], [
        [i, exercises.read_text(start)[0], folder / start.name, page.format_answer(not problems[i])]
        for i, start in enumerate(exercises.STARTS, 1)]))
    first = next((i for i in problems if problems[i]), None)
    print(f"\nNext, exercise {first}: {problems[first]}" if first else "\nAll are solved.")
    return problems


def find_problem(start, path):
    """What the check of one exercise says, on one line; "" if it is solved.

    start: the project's file, whose check counts.  path: the reader's, with the answer.
    """
    try:
        exercises.check(start, path)
    except AssertionError as error:
        return str(error).split("\n")[0] or "the check fails"
    except (Exception, SystemExit) as error:        # a reader's code may raise anything
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
                 if frame.filename == str(path.resolve())]
        where = f"line {lines[-1]}: " if lines else ""
        return f"{where}{type(error).__name__}: {error}".split("\n")[0]
    return ""


if __name__ == "__main__":
    cli.run(main)
