"""One script per table or figure: `python -m experiments.table1`.

`python -m experiments` runs the quick ones together.
"""
import os
import signal
import sys

for number, name in enumerate(("stdin", "stdout", "stderr")):
    if getattr(sys, name) is None:          # closed (2>&-): the next open file would take its place
        setattr(sys, name, open(os.devnull, "w" if number else "r"))   # noqa: SIM115
        os.set_inheritable(number, True)    # for workers
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)    # while it imports, Ctrl-C leaves no traceback

try:
    import nets.backend  # noqa: F401  fails where a GPU is wanted and there is none
except (ImportError, RuntimeError, ValueError) as error:
    if sys.argv[0] != "-m":                 # imported, not run by python -m
        raise
    if isinstance(error, ImportError):      # of NumPy
        error = f"{error}; pip install -r requirements.txt"
    sys.exit(f"experiments: {error}")
