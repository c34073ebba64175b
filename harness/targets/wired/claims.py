"""An interface is one run's at a time: two would take each other's segments for the board's doing.

The claim is a socket's name in the network namespace that the interface is in (unix(7), abstract names), so that it
ends with its process, however that ends.
"""

import contextlib
import errno
import socket

from harness.targets.protocol import UnusableTarget

#: By number of the interface: the claim, and how many targets of this process have it.
_held: dict[int, tuple[socket.socket, int]] = {}


def take(index: int, device: str) -> None:
    """Claim an interface for this process; raises UnusableTarget where another one has it."""
    if index in _held:
        claim, users = _held[index]
        _held[index] = claim, users + 1
        return
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0tcpspec-net-{index}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        hint = "what two runs ask of one board at a time nobody can tell apart: wait for its end, or test over another"
        raise UnusableTarget(f"another run tests over {device}", hint) from None
    _held[index] = claim, 1


def give_back(index: int) -> None:
    """Let go of an interface, if nobody else in this process has it."""
    with contextlib.suppress(KeyError):
        claim, users = _held.pop(index)
        if users > 1:
            _held[index] = claim, users - 1
        else:
            claim.close()
