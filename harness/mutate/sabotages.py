"""The table of sabotages: one wrong behaviour a line. Every one breaks a rule, so the suite must notice every one."""

from harness.mutate.saboteur import Sabotage
from harness.mutate.tampering import (
    LATE_S,
    ack_of,
    ack_of_data,
    added,
    again_later,
    always,
    anything,
    backwards,
    bad_checksum,
    bad_ip_checksum,
    bare_ack,
    carrying,
    data,
    drop,
    each,
    exactly,
    flags,
    followed_by,
    instead,
    late,
    moved,
    other_identification,
    put,
    speak,
    spoilt,
    stuck,
    synchronized,
    twice,
    without,
)
from harness.spec.options import KIND_MSS, KIND_TIMESTAMPS, SACK_PERMITTED, mss, timestamps, window_scale
from harness.spec.segment import ACK, ECE, FIN, PSH, RST, SYN, URG
from harness.spec.states import State

#: Makes a port that no connection of a run has: they count up from 1024, or down from 60001.
UNUSED = 0x4000

_SYN_ACK = exactly(SYN | ACK)
_SYN = exactly(SYN)
_FIN = carrying(FIN)
_RST = carrying(RST)

_FLAGS = (
    Sabotage("FIN bit missing", each(_FIN, put(flags=flags(off=FIN)))),
    Sabotage("FIN without ACK", each(_FIN, put(flags=flags(off=ACK)))),
    Sabotage("RST instead of FIN", each(_FIN, put(flags=always(RST | ACK)))),
    Sabotage("FIN on every ACK", each(bare_ack, put(flags=flags(on=FIN)))),
    Sabotage("SYN,ACK without ACK", each(_SYN_ACK, put(flags=flags(off=ACK)))),
    Sabotage("SYN,ACK without SYN", each(_SYN_ACK, put(flags=flags(off=SYN)))),
    Sabotage("RST instead of SYN,ACK", each(_SYN_ACK, put(flags=always(RST | ACK)))),
    Sabotage("SYN with ACK", each(_SYN, put(flags=flags(on=ACK)))),
    Sabotage("RST instead of a challenge ACK", each(ack_of(SYN | RST), put(flags=always(RST)))),
    Sabotage("RST with ACK where it has none", each(exactly(RST), put(flags=flags(on=ACK)))),
    Sabotage("RST without ACK where it has one", each(exactly(RST | ACK), put(flags=flags(off=ACK)))),
    Sabotage("URG on an ACK", each(bare_ack, put(flags=flags(on=URG)))),
    Sabotage("ECE on a SYN,ACK", each(_SYN_ACK, put(flags=flags(on=ECE)))),
    Sabotage("data without ACK", each(data, put(flags=flags(off=ACK)))),
)

_NUMBERS = (
    Sabotage("SYN,ACK acknowledges too little", each(_SYN_ACK, put(ack=moved("ack", -1)))),
    Sabotage("SYN,ACK acknowledges too much", each(_SYN_ACK, put(ack=moved("ack", 1)))),
    Sabotage("SYN,ACK one sequence number on", each(_SYN_ACK, put(seq=moved("seq", 1)))),
    Sabotage("FIN one sequence number on", each(_FIN, put(seq=moved("seq", 1)))),
    Sabotage("FIN one sequence number back", each(_FIN, put(seq=moved("seq", -1)))),
    Sabotage("ACK one sequence number on", each(bare_ack, put(seq=moved("seq", 1)))),
    Sabotage("ACK one sequence number back", each(bare_ack, put(seq=moved("seq", -1)))),
    Sabotage("data one sequence number on", each(data, put(seq=moved("seq", 1)))),
    Sabotage("FIN is not acknowledged", each(ack_of(FIN), put(ack=moved("ack", -1)))),
    Sabotage("data is acknowledged but for its last octet", each(ack_of_data, put(ack=moved("ack", -1)))),
    Sabotage("ACK for an octet that never came", each(bare_ack, put(ack=moved("ack", 1)))),
    Sabotage("FIN acknowledges too little", each(_FIN, put(ack=moved("ack", -1)))),
    Sabotage("RST with sequence number 0", each(exactly(RST), put(seq=always(0)))),
    Sabotage("RST from CLOSED not with sequence number 0", each(exactly(RST | ACK), put(seq=moved("seq", 1)))),
    Sabotage("RST acknowledges too little", each(exactly(RST | ACK), put(ack=moved("ack", -1)))),
)

_HEADERS = (
    Sabotage("wrong checksum on SYN,ACK", each(_SYN_ACK, bad_checksum)),
    Sabotage("wrong checksum on FIN", each(_FIN, bad_checksum)),
    Sabotage("wrong checksum on ACK", each(bare_ack, bad_checksum)),
    Sabotage("wrong checksum on RST", each(_RST, bad_checksum)),
    Sabotage("wrong checksum in the IPv4 header", each(synchronized, bad_ip_checksum)),
    Sabotage(
        "ports swapped",
        each(
            anything,
            put(source_port=lambda s: s.destination_port, destination_port=lambda s: s.source_port),
        ),
    ),
    Sabotage("SYN,ACK from another port", each(_SYN_ACK, put(source_port=lambda s: s.source_port ^ UNUSED))),
    Sabotage("FIN to another port", each(_FIN, put(destination_port=lambda s: s.destination_port ^ UNUSED))),
    Sabotage("RST from another port", each(_RST, put(source_port=lambda s: s.source_port ^ UNUSED))),
    Sabotage("reserved bits set", each(synchronized, put(reserved=always(0b0100)))),
    Sabotage("data offset beyond the segment", each(bare_ack, put(data_offset=always(15)))),
    Sabotage("data offset too small", each(_SYN_ACK, put(data_offset=always(4)))),
    Sabotage("window 0 in every segment", each(synchronized, put(window=always(0)))),
)

_OPTIONS = (
    Sabotage("no MSS in SYN,ACK", each(_SYN_ACK, put(options=without(KIND_MSS)))),
    Sabotage("no MSS in SYN", each(_SYN, put(options=without(KIND_MSS)))),
    Sabotage("MSS in an ACK", each(bare_ack, put(options=added(mss(1460))))),
    Sabotage("MSS in a FIN", each(_FIN, put(options=added(mss(1460))))),
    Sabotage("an option of length 0", each(_SYN_ACK, put(options=added(b"\x02\x00")))),
    Sabotage("an option longer than the field", each(bare_ack, put(options=added(b"\xfe\x09\x00\x00")))),
    Sabotage("window scale without being asked", each(_SYN_ACK, put(options=added(window_scale(7))))),
    Sabotage("SACK permitted without being asked", each(_SYN_ACK, put(options=added(SACK_PERMITTED)))),
    Sabotage("timestamps without being asked", each(_SYN_ACK, put(options=added(timestamps(1))))),
    Sabotage("timestamps missing in SYN,ACK", each(_SYN_ACK, put(options=without(KIND_TIMESTAMPS)))),
    Sabotage("timestamps missing later", each(synchronized, put(options=without(KIND_TIMESTAMPS)))),
)

_PAYLOADS = (
    Sabotage("an octet of the payload changed", each(data, put(payload=spoilt))),
    Sabotage("payload cut short", each(data, put(payload=lambda s: s.payload[:-1]))),
    Sabotage("payload longer than what was sent", each(data, put(payload=lambda s: s.payload + b"!"))),
    Sabotage("FIN carries an octet", each(exactly(FIN | ACK), put(payload=lambda s: s.payload + b"!"))),
    Sabotage("an octet in a bare ACK", each(bare_ack, put(payload=always(b"!")))),
    Sabotage("an octet in a SYN,ACK", each(_SYN_ACK, put(payload=always(b"!")))),
)

_SILENCES = (
    Sabotage("no SYN", each(_SYN, drop)),
    Sabotage("no SYN,ACK", each(_SYN_ACK, drop)),
    Sabotage("no FIN", each(_FIN, drop)),
    Sabotage("no RST", each(_RST, drop)),
    Sabotage("no data", each(data, drop)),
    Sabotage("no ACK of data", each(ack_of_data, drop)),
    Sabotage("no ACK of a FIN", each(ack_of(FIN), drop)),
    Sabotage("no challenge ACK on a SYN", each(ack_of(SYN), drop)),
    Sabotage("no challenge ACK on a RST", each(ack_of(RST), drop)),
)

_TALK = (
    Sabotage("SYN,ACK twice", each(_SYN_ACK, twice)),
    Sabotage("ACK twice", each(bare_ack, twice)),
    Sabotage("FIN twice", each(_FIN, twice)),
    Sabotage("RST twice", each(_RST, twice)),
    Sabotage("an ACK behind SYN,ACK", each(_SYN_ACK, followed_by(flags=always(ACK), seq=moved("seq", 1)))),
    Sabotage("a RST behind FIN", each(_FIN, followed_by(flags=always(RST), seq=moved("seq", 1)))),
    Sabotage("a RST behind an ACK", each(bare_ack, followed_by(flags=always(RST)))),
    Sabotage("a RST is answered by a RST", speak(lambda heard: bool(heard.flags & RST), RST)),
    Sabotage("a RST is answered by an ACK", speak(lambda heard: bool(heard.flags & RST), ACK)),
    Sabotage("an ACK is answered by an ACK", speak(lambda heard: heard.flags == ACK and not heard.payload, ACK)),
    Sabotage("an ACK is answered by a RST", speak(lambda heard: heard.flags == ACK and not heard.payload, RST)),
)

_TIMES = (
    Sabotage("SYN,ACK comes late", each(_SYN_ACK, late)),
    Sabotage("ACK of a FIN comes late", each(ack_of(FIN), late)),
    Sabotage("FIN comes late", each(_FIN, late)),
    Sabotage("RST comes late", each(_RST, late)),
    Sabotage("FIN is repeated too early", each(_FIN, again_later)),
    Sabotage("SYN,ACK is repeated too early", each(_SYN_ACK, again_later)),
    Sabotage("ACK of a FIN is repeated by itself", each(ack_of(FIN), again_later)),
    Sabotage("an ACK is answered by an ACK, late", speak(lambda heard: heard.flags == ACK, ACK, LATE_S)),
    Sabotage("a RST is answered by a RST, late", speak(lambda heard: bool(heard.flags & RST), RST, LATE_S)),
    Sabotage("the segments of a step in the wrong order", backwards),
)

_STATES = (
    Sabotage("every state is shown one step late", show=stuck),
    Sabotage("SYN-RECEIVED shown as ESTABLISHED", show=instead(State.SYN_RECEIVED, State.ESTABLISHED)),
    Sabotage("CLOSE-WAIT shown as ESTABLISHED", show=instead(State.CLOSE_WAIT, State.ESTABLISHED)),
    Sabotage("FIN-WAIT-2 shown as FIN-WAIT-1", show=instead(State.FIN_WAIT_2, State.FIN_WAIT_1)),
    Sabotage("CLOSING shown as LAST-ACK", show=instead(State.CLOSING, State.LAST_ACK)),
    Sabotage("LAST-ACK shown as CLOSED", show=instead(State.LAST_ACK, State.CLOSED)),
    Sabotage("TIME-WAIT shown as CLOSED", show=instead(State.TIME_WAIT, State.CLOSED)),
    Sabotage("CLOSED shown as TIME-WAIT", show=instead(State.CLOSED, State.TIME_WAIT)),
)

#: What every TCP is free to do: a suite that notices it asks for too much.
HARMLESS = (
    Sabotage("PSH on all data", each(data, put(flags=flags(on=PSH)))),
    Sabotage("another IP identification", each(anything, other_identification)),
)

#: By what they do. Names are unique over all groups.
GROUPS: dict[str, tuple[Sabotage, ...]] = {
    "flags": _FLAGS,
    "numbers": _NUMBERS,
    "headers": _HEADERS,
    "options": _OPTIONS,
    "payloads": _PAYLOADS,
    "silences": _SILENCES,
    "talk": _TALK,
    "times": _TIMES,
    "states": _STATES,
}
SABOTAGES: tuple[Sabotage, ...] = tuple(sabotage for group in GROUPS.values() for sabotage in group)
