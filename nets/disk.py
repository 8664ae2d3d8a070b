"""Files on disk: regular ones only are read, and each is written as a whole or not at all."""
import errno
import os
import re
import shutil
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def open_regular(path):
    """Open a regular file to read its bytes.

    Raises OSError, with the path, if there is none, or if it is a folder, or a pipe or a device,
    from which one could read for ever.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))    # a pipe would wait
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{path}: a folder, a pipe or a device; expected a regular file")
    return os.fdopen(file, "rb")


def write_whole(path, write_to):
    """Write a file as a whole or not at all: `write_to(file)` to a temporary one, then rename it.

    Raises OSError, with the path, if the file cannot be written.
    """
    write_together({path: write_to})


def write_together(files):
    """Write files {path: write_to} as `write_whole` does: none gets its name before all are whole.

    Raises OSError, with the path, if a file cannot be written.
    """
    temporary = {}
    try:
        for path, write_to in files.items():
            path = Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary[path] = tempfile.mkstemp(**name_unfinished(path.parent))
            with os.fdopen(handle, "wb") as file:
                write_to(file)
            os.chmod(temporary[path], 0o644)        # mkstemp keeps its files private
        for path in list(temporary):
            os.replace(temporary[path], path)
            del temporary[path]
    except OSError as error:                # a full disk, say
        reason = error.strerror or error    # Pillow's errors have neither number nor strerror
        raise OSError(error.errno or errno.EIO, f"not written ({reason}); make room or choose "
                      "another folder", str(path)) from error
    finally:                                # after Ctrl-C too: no half-written file remains
        for left in temporary.values():
            os.unlink(left)


def name_unfinished(folder):
    """The arguments of tempfile's functions for what is written in `folder` and then renamed.

    The name says which process of which machine writes it, for `clear_unfinished`.
    """
    return {"dir": folder, "prefix": f"unfinished@{socket.gethostname()}-{os.getpid()}-",
            "suffix": ".part"}


def clear_unfinished(folder):
    """Delete what processes of this machine left unfinished in a folder when they were killed."""
    for path in Path(folder).glob("unfinished@*.part"):
        owner = re.fullmatch(r"unfinished@(.*)-(\d+)-\w+\.part", path.name)
        if owner and owner[1] == socket.gethostname() and not is_running(int(owner[2])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):     # another process was faster
                    path.unlink()


def is_running(pid):
    """Whether a process of this number runs."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:                         # another user's
        pass
    return True
