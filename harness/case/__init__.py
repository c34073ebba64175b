"""The vocabulary that case authors import."""

from harness.case.expect import Absolute, segment, silence
from harness.case.marks import cites, in_state, only_ip, requires, sanity, timer
from harness.case.peer_side import PeerSide as Peer
from harness.case.target_side import TargetSide as Target
from harness.case.user_calls import EOF
from harness.case.violation import Inconclusive, Violation
from harness.case.walks import ACTIVE, CLOSE, PASSIVE, SHUTDOWN, SIMULTANEOUS, Walk
from harness.spec.segment import ACK, CWR, ECE, FIN, NO_FLAGS, PSH, RST, SYN, URG, Segment
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
from harness.targets.protocol import Capability

__all__ = [
    "ACK", "ACTIVE", "CLOSE", "CLOSED", "CLOSE_WAIT", "CLOSING", "CWR", "ECE", "EOF", "ESTABLISHED", "FIN",
    "FIN_WAIT_1", "FIN_WAIT_2", "LAST_ACK", "LISTEN", "NO_FLAGS", "PASSIVE", "PSH", "RST", "SHUTDOWN",
    "SIMULTANEOUS", "SYN", "SYN_RECEIVED", "SYN_SENT", "TIME_WAIT", "URG", "Absolute", "Capability", "Inconclusive",
    "Peer", "Segment", "State", "Target", "Violation", "Walk", "cites", "in_state", "only_ip", "requires", "sanity",
    "segment", "silence", "timer",
]  # fmt: skip
