"""One script per table or figure: `python -m experiments.table1`.

`python -m experiments` runs the quick ones together.
"""
import sys

try:
    import nets.backend  # noqa: F401  fails where a GPU is wanted and there is none
except (RuntimeError, ValueError) as error:
    if sys.argv[0] != "-m":                 # imported, not run by python -m
        raise
    sys.exit(f"experiments: {error}")
