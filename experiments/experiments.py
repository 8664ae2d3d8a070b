"""Python takes this file for the package where a script runs as a file: it says the right command.

`python experiments/table1.py` looks for what the script imports beside it, in this folder.
"""
import sys
from pathlib import Path

script = Path(sys.argv[0]).resolve()
root = Path(__file__).parent.parent
name = ".".join(script.relative_to(root).with_suffix("").parts).removesuffix(".__main__")
sys.exit(f"{sys.argv[0]}: a module, not a file to run; in {root}: python -m {name}")
