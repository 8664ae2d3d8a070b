"""One script per table or figure, `python -m experiments.table1`; all that is quick together:
`python -m experiments`."""
import sys

try:
    import nets.backend  # noqa: F401  the first thing that may fail: a GPU that is not there
except (RuntimeError, ValueError) as error:
    if sys.argv[0] != "-m":                 # imported, not run by python -m
        raise
    sys.exit(f"experiments: {error}")
