"""One script per table or figure: `python -m experiments.table1`; all of them but the long ones:
`python -m experiments`."""
