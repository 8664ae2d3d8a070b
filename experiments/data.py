"""As experiments.py, for the scripts that import data first."""
import experiments  # noqa: F401
