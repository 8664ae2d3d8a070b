"""The paper's networks, their layers and gradients, each written by hand."""
import sys

if sys.version_info < (3, 11, 4):
    raise RuntimeError(f"Python {sys.version.split()[0]}: expected 3.11.4 or newer; make .venv "
                       "with a newer python3")
