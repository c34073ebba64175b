"""What a call of a script has given."""

import errno
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Answer:
    """What a call has given: its value, or -1 and the name of an errno.

    `problem` is what the script says of a value that was handed back, and what it is.
    """

    value: int
    error: str = ""
    problem: tuple[str, str] | None = None
    shown: str = ""

    def __str__(self) -> str:
        return f"{self.value} {self.error}".rstrip() + (f" {self.shown}" if self.shown else "")


#: Tries a call once; None where it blocks.
Attempt = Callable[[], Answer | None]


def done() -> Answer:
    """Return the answer 0."""
    return Answer(0)


def refused(error: OSError) -> Answer:
    """Return the answer of a call that failed."""
    return Answer(-1, error_name(error.errno or errno.EIO))


def same_error(due: str, seen: str) -> bool:
    """Tell whether an error is the one that a script names, perhaps by another name: EWOULDBLOCK is EAGAIN."""
    return not due or due == seen or getattr(errno, due, None) == getattr(errno, seen, 0)


def error_name(code: int) -> str:
    """Return the name of an errno, "0" for none."""
    return errno.errorcode.get(code, str(code)) if code else "0"
