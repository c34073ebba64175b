"""The loopback of the namespace in which the applications' sockets are, and the proof that it has nothing on its way.

What one socket sends there the other has as a rule when the call returns. Not always: a kernel that has handled packets
for two ticks, as the clock of a machine shows it that gets no processor for so long, leaves the rest to a thread
(kernel/softirq.c handle_softirqs(), net/core/dev.c net_rx_action()). What is asked then has "nothing", too soon.

The packets of one processor stand in one queue. So a datagram to oneself that has come shows that all that stood before
it has been handled; what that has drawn stands behind it, and is handled before the next datagram.
"""

import os
import socket

from harness.agent.rtnetlink import RouteSocket

#: The longest chain of packets that one call draws: SYN, its answer, and the acknowledgment of that.
LONGEST_CHAIN = 3
#: A datagram takes microseconds. Where it takes so long, something is wrong with the machine.
LIMIT_S = 8.0


class Loopback:
    """Switches the loopback on; from then on this process stays on one processor, whose queue is the only one."""

    def __init__(self) -> None:
        with RouteSocket() as route:
            route.up(socket.if_nametoindex("lo"))
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {usable[os.getpid() % len(usable)]})  # not the same one for all workers
        self._itself = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._itself.bind(("127.0.0.1", 0))
        self._itself.connect(self._itself.getsockname())
        self._itself.settimeout(LIMIT_S)

    def settle(self) -> None:
        """Wait until all that the sockets have sent has been handled, with what it has drawn; raises TimeoutError."""
        for _link in range(LONGEST_CHAIN):
            self._itself.send(b".")
            self._itself.recv(1)
