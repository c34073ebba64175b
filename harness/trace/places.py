"""Whether something can be written to a place, told before hours are spent on what is to be written there."""

import errno
import os
from pathlib import Path


def refusal(path: Path, *, folder: bool) -> str:
    """Return why a file (or a folder, with the files in it) can't be written, "" if it can; nothing is made for it."""
    place = path.expanduser().absolute()
    there = next(each for each in (place, *place.parents) if os.path.exists(each))
    if there.is_dir() != (folder or there != place):
        return os.strerror(errno.EISDIR if there.is_dir() else errno.ENOTDIR)
    return "" if os.access(there, os.W_OK) else os.strerror(errno.EACCES)
