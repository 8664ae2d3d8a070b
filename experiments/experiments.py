"""Python takes this file for the package where a script runs as a file: it says the right command.

`python experiments/table1.py` looks for what the script imports beside it, in this folder.
"""
import sys
from pathlib import Path

script = Path(sys.argv[0]).resolve()
root = Path(__file__).parent.parent
if script.suffix != ".py" or not script.is_relative_to(root):
    sys.exit(f"run from {root}, not from its folder experiments")
name = ".".join(script.relative_to(root).with_suffix("").parts).removesuffix(".__main__")
sys.exit(f"{sys.argv[0]}: a module, not a file to run; in {root}: python -m {name}")
