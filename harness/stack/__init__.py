"""The reference stack: a small TCP written from RFC 9293, sans-IO. Segments in, segments and events out, time told.

`Stack` is the door: `advance` tells it the time, `arrive` hands it a datagram, `poll` gives what it sends, `next_timer`
says when it wants to be woken. Applications hold a `Socket`.

A connection is built in layers, each a module that can be read by itself and knows only those above it:

    tcb             the variables of RFC 9293 §3.3.1, and the timers
    output          what is sent and when: segmentation, Nagle, silly windows, acknowledgments, resets
    retransmission  what the timers do: RFC 6298, window probes, keep-alive, user timeout, 2 MSL
    arrivals        SEGMENT ARRIVES, in the order of RFC 9293 §3.10.7
    calls           the user calls of RFC 9293 §3.10.1 to §3.10.6

and so is a socket:

    plain_socket    the calls of POSIX, none of which blocks
    polled_socket   what poll(2) tells of it: conditions (level) and what has newly come about (edge)
    sockets         calls that wait (`Socket.start`), close with linger time among them

`Stack.receive` is IP's part: packets with options, padding, fragments and extension headers (`ip`, `fragments`).

`harness.spec` has another reading of the same RFC, as a table. The two never look at each other.
"""

from harness.stack.config import Config
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.sockets import Socket
from harness.stack.stack import Stack

__all__ = ["Config", "Connection", "Datagram", "Endpoint", "Pair", "Socket", "Stack"]
