"""A connection as the rules see it: the variables of RFC 9293 §3.3.1 that decide about an arriving segment."""

from dataclasses import dataclass
from enum import StrEnum

from harness.spec.states import State


class Origin(StrEnum):
    """How a connection came about; SYN-RECEIVED must remember it (RFC 9293 §3.5, MUST-11)."""

    PASSIVE = "passive"
    ACTIVE = "active"


@dataclass(frozen=True)
class Connection:
    """The transmission control block of the tested end. Sequence numbers are absolute, windows in octets after scaling.

    In CLOSED and LISTEN the numbers have no meaning; a LISTEN socket has not chosen its ISS yet.
    """

    state: State
    origin: Origin = Origin.PASSIVE
    iss: int = 0
    snd_una: int = 0
    snd_nxt: int = 0
    snd_wnd: int = 65535
    #: The largest window the peer has ever offered (RFC 5961 §5.2).
    max_snd_wnd: int = 65535
    #: The largest window that window scaling permits, which a stack may use in place of `max_snd_wnd` (RFC 5961 §5.2).
    permissible_snd_wnd: int = 65535
    rcv_nxt: int = 0
    rcv_wnd: int = 65535
    #: So many octets of text came with the peer's SYN and were acknowledged with it.
    syn_text: int = 0
    #: Our FIN is on the wire; it is then the last number before `snd_nxt`.
    fin_sent: bool = False
    #: The application has closed both directions and can read no more (BSD `close()`, not `shutdown(SHUT_WR)`).
    reader_gone: bool = False
    #: Somebody still listens on the local port.
    listener_open: bool = False
    #: The last TSval that the peer sent, None if the connection does not use timestamps (RFC 6191 §2).
    last_tsval: int | None = None
    #: A new connection that asks for timestamps gets them (RFC 6191 §2).
    offers_timestamps: bool = True
