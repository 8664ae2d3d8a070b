"""Of the stand-in: no GPUs to ask."""
