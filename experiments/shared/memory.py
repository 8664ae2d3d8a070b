"""The memory of this process and of this machine."""
import math
import re
import resource
import sys
from pathlib import Path


def read_peak_memory():
    """The most memory that this process has had so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024      # macOS counts bytes, others KB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def read_free_memory():
    """Bytes of free memory; infinite on a system other than Linux, which does not tell."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return math.inf
    return 1024 * int(re.search(r"MemAvailable: +(\d+)", text)[1])
