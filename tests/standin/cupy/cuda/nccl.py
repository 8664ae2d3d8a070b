"""Of the stand-in: no NCCL."""
available = False
