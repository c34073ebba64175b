"""The end of a process: waited for, since every sign of it comes a moment earlier or later."""

import os
import select


def ends(pid: int, within_s: float = 60) -> bool:
    """Wait until a process, of whoever, has ended; tell whether it did. What nobody has reaped yet has ended too."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], within_s)[0])
    finally:
        os.close(process)
