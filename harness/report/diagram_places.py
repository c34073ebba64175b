"""Where figure 5 of RFC 9293 is drawn: states and edges in pixels, placed by hand. CLOSED stands at both ends.

What the edges are comes from `harness.spec.machine`; a test holds the names here against it.
"""

from typing import NamedTuple

from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    State,
)

WIDTH, HEIGHT = 880, 736
BOX_WIDTH, BOX_HEIGHT = 128, 30
LEGEND = (24, 34)

#: The middle of each box.
BOXES: tuple[tuple[State, int, int], ...] = (
    (CLOSED, 450, 40),
    (LISTEN, 450, 170),
    (SYN_RECEIVED, 160, 270),
    (SYN_SENT, 740, 270),
    (ESTABLISHED, 450, 370),
    (FIN_WAIT_1, 160, 470),
    (CLOSE_WAIT, 740, 470),
    (FIN_WAIT_2, 160, 600),
    (CLOSING, 450, 600),
    (LAST_ACK, 740, 600),
    (TIME_WAIT, 450, 700),
    (CLOSED, 740, 700),
)


class Line(NamedTuple):
    """The corners of an edge, and where its label stands: above and below a horizontal line (``m``), or beside one."""

    corners: tuple[tuple[int, int], ...]
    label: tuple[int, int]
    anchor: str = "m"


LINES: dict[str, Line] = {
    "closed.passive-open.listen": Line(((434, 55), (434, 155)), (426, 102), "end"),
    "listen.close.closed": Line(((466, 155), (466, 55)), (474, 122), "start"),
    "closed.active-open.syn-sent": Line(((514, 40), (776, 40), (776, 255)), (645, 40)),
    "syn-sent.close.closed": Line(((716, 255), (716, 85), (500, 85), (500, 55)), (608, 85)),
    "listen.send.syn-sent": Line(((514, 170), (692, 170), (692, 255)), (603, 170)),
    "listen.rcv-syn.syn-received": Line(((386, 164), (136, 164), (136, 255)), (260, 164)),
    "syn-received.rcv-rst.listen": Line(((184, 255), (184, 213), (434, 213), (434, 185)), (300, 213)),
    "syn-sent.rcv-syn.syn-received": Line(((676, 270), (224, 270)), (450, 270)),
    "syn-received.rcv-ack-of-syn.established": Line(((184, 285), (184, 370), (386, 370)), (285, 370)),
    "syn-sent.rcv-syn-ack.established": Line(((716, 285), (716, 370), (514, 370)), (615, 370)),
    "syn-received.close.fin-wait-1": Line(((136, 285), (136, 455)), (128, 366), "end"),
    "established.close.fin-wait-1": Line(((426, 385), (426, 470), (224, 470)), (325, 470)),
    "established.rcv-fin.close-wait": Line(((474, 385), (474, 470), (676, 470)), (575, 470)),
    "fin-wait-1.rcv-ack-of-fin.fin-wait-2": Line(((136, 485), (136, 585)), (128, 531), "end"),
    "fin-wait-1.rcv-fin.closing": Line(((184, 485), (184, 540), (450, 540), (450, 585)), (317, 540)),
    "close-wait.close.last-ack": Line(((740, 485), (740, 585)), (748, 531), "start"),
    "fin-wait-2.rcv-fin.time-wait": Line(((160, 615), (160, 700), (386, 700)), (273, 700)),
    "closing.rcv-ack-of-fin.time-wait": Line(((450, 615), (450, 685)), (458, 647), "start"),
    "last-ack.rcv-ack-of-fin.closed": Line(((740, 615), (740, 685)), (748, 647), "start"),
    "time-wait.time-wait-timeout.closed": Line(((514, 700), (676, 700)), (595, 700)),
}
