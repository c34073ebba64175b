"""RFC 9293 §3.10.7.4, first check: does the segment lie in the window?

SYN-RECEIVED and the synchronized states share these rules. Exceptions stand before the rule that they except from.
"""

from dataclasses import replace

from harness.spec.conditions import (
    ACCEPTABLE,
    ACK_IS_NEW,
    ACK_IS_UNSENT,
    ACK_ON,
    ACKS_OUR_FIN,
    AT_LEFT_EDGE,
    FIN_ON,
    IRS,
    LISTENER_OPEN,
    OCCUPIES,
    PASSIVE,
    RCV_END,
    RCV_NXT,
    RCV_NXT_LESS_1,
    RFC6191_HONOURS,
    RST_IN_WINDOW,
    RST_ON,
    SEG_LAST,
    SEG_SEQ,
    SEG_UP,
    SPANS_WINDOW,
    SYN_ON,
    URG_ON,
    ZERO_WINDOW,
)
from harness.spec.policy import Policy
from harness.spec.reaction import Level, Reply, Signal
from harness.spec.rule import GO_ON, IGNORE, SEND_ACK, Branch, Effect, Rule, Step, Then
from harness.spec.states import (
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECEIVED,
    SYNCHRONIZED,
    TIME_WAIT,
)

_IN_SYN_RECEIVED = frozenset({SYN_RECEIVED})
_IN_TIME_WAIT = frozenset({TIME_WAIT})
_ALL = SYNCHRONIZED | _IN_SYN_RECEIVED

_PLAIN = ~RST_ON & ~SYN_ON
_REQUEST = SYN_ON & ~ACK_ON & ~RST_ON
_HELD = _PLAIN & ACK_ON & OCCUPIES & (RCV_NXT < SEG_SEQ) & ACK_IS_NEW
_FIRST = "RFC 9293 §3.10.7.4 first"
_REOPEN = Branch(Reply.SYN_ACK, SYN_RECEIVED, effect=Effect.SYNCHRONIZE)
#: Text on the SYN may be acknowledged, as in LISTEN.
_REOPENINGS = (_REOPEN, replace(_REOPEN, effect=Effect.SYNCHRONIZE_AND_TAKE_TEXT))
_ESTABLISH = Branch(next=ESTABLISHED, effect=Effect.TRIM, then=Then.SIXTH, policies=(Policy.FIGURE_7,))
_CLOSED_WINDOW = _PLAIN & ACK_ON & ZERO_WINDOW & OCCUPIES & AT_LEFT_EDGE
_ACK_ONLY = Branch(Reply.ACK, effect=Effect.DROP_TEXT, then=Then.FIFTH)

FIRST_RULES = (
    Rule(
        "other/first/crossing-syn-ack",
        Step.FIRST,
        _IN_SYN_RECEIVED,
        SYN_ON & ACK_ON & ~RST_ON & ~PASSIVE & SEG_SEQ.equals(IRS) & ACK_IS_NEW,
        (
            _ESTABLISH,
            replace(_ESTABLISH, reply=Reply.ACK, level=Level.MAY),
            Branch(then=Then.GO_ON, policies=(Policy.LITERAL_SEQUENCE,)),
        ),
        ("RFC 9293 §3.5", "MUST-10", "RFC 9293 §A.2"),
        "In a simultaneous open the peer's SYN+ACK repeats a SYN already counted, and its ACK must still be heard.",
        ("crossing-syn-ack",),
    ),
    Rule(
        "other/first/bad-ack-before-window",
        Step.FIRST,
        _IN_SYN_RECEIVED,
        ACK_ON & ~ACK_IS_NEW & ~RST_ON & (SYN_ON | ~ACCEPTABLE),
        (Branch(Reply.RST_SEG_ACK), GO_ON),
        ("RFC 9293 §3.5.2 group 2",),
        "Before synchronization an acknowledgment of something never sent draws a reset wherever the segment lies.",
        ("syn-received-order",),
    ),
    Rule(
        "other/first/repeated-syn",
        Step.FIRST,
        _IN_SYN_RECEIVED,
        SYN_ON & ~ACK_ON & ~RST_ON & SEG_SEQ.equals(IRS),
        (Branch(Reply.SYN_ACK, level=Level.MAY), GO_ON),
        (_FIRST, "RFC 9293 §3.10.8"),
        "The peer's repeated SYN shows that our SYN+ACK was lost; sending that again carries the same acknowledgment.",
        ("repeated-syn",),
    ),
    Rule(
        "other/first/rfc6191-new",
        Step.FIRST,
        _IN_TIME_WAIT,
        _REQUEST & LISTENER_OPEN & RFC6191_HONOURS,
        (*(replace(reopen, level=Level.SHOULD, policies=(Policy.RFC6191,)) for reopen in _REOPENINGS), GO_ON),
        ("RFC 6191 §2", "RFC 9293 §3.6.1", "SHLD-4"),
        "A timestamp or a sequence number proves the SYN younger than the old connection.",
        ("time-wait-syn", "time-wait-listener"),
    ),
    Rule(
        "other/first/rfc6191-old",
        Step.FIRST,
        _IN_TIME_WAIT,
        _REQUEST & ~RFC6191_HONOURS,
        (Branch(level=Level.SHOULD, policies=(Policy.RFC6191,)), GO_ON),
        ("RFC 6191 §2",),
        "A SYN that neither timestamp nor sequence number proves new may be an old duplicate.",
        ("time-wait-syn",),
    ),
    Rule(
        "other/first/may-2",
        Step.FIRST,
        _IN_TIME_WAIT,
        _REQUEST & LISTENER_OPEN,
        (*(replace(reopen, level=Level.MAY, policies=(Policy.MAY_2,)) for reopen in _REOPENINGS), GO_ON),
        (
            "RFC 9293 §3.6.1",
            "MAY-2",
        ),
        "A SYN may reopen the connection, given a larger ISS and a way back should the SYN turn out old.",
        ("time-wait-syn", "time-wait-listener"),
    ),
    Rule(
        "other/first/unacceptable-rst",
        Step.FIRST,
        _ALL,
        RST_ON & ~RST_IN_WINDOW & ~ACCEPTABLE,
        (IGNORE,),
        (_FIRST, "RFC 9293 §3.5.3", "RFC 5961 §3.2"),
        "A reset from outside the window is old or forged, and resets are not answered.",
        ("zero-window-rst",),
    ),
    Rule(
        "other/first/zero-window-last-ack",
        Step.FIRST,
        frozenset({LAST_ACK}),
        _CLOSED_WINDOW & ACKS_OUR_FIN,
        (_ACK_ONLY, replace(_ACK_ONLY, reply=None), GO_ON),
        (_FIRST, "RFC 9293 §3.4", "RFC 9293 §3.8.6.1"),
        "The ACK beside the refused text deletes the connection, and with it the need to answer.",
        ("zero-window-ack",),
    ),
    Rule(
        "other/first/zero-window-urgent",
        Step.FIRST,
        frozenset({ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2}),
        _CLOSED_WINDOW & URG_ON & (RCV_NXT < SEG_UP),
        (_ACK_ONLY, replace(SEND_ACK, signals=(Signal.URGENT,))),
        (_FIRST, "RFC 9293 §3.4", "MUST-66", "RFC 9293 §3.8.6.1"),
        "Whatever becomes of text and ACK, the urgent pointer counts even when the window is closed.",
        ("zero-window-ack",),
    ),
    Rule(
        "other/first/zero-window-ack",
        Step.FIRST,
        _ALL,
        _CLOSED_WINDOW,
        (_ACK_ONLY, GO_ON),
        (_FIRST, "RFC 9293 §3.4", "RFC 9293 §3.8.6.1"),
        "A closed window refuses text and FIN, but the ACK beside them still counts.",
        ("zero-window-ack",),
    ),
    Rule(
        "other/first/retransmitted-fin",
        Step.FIRST,
        _IN_TIME_WAIT,
        _PLAIN & ACK_ON & FIN_ON & SEG_LAST.equals(RCV_NXT_LESS_1) & ~ACK_IS_UNSENT,
        (Branch(Reply.ACK, restarts_time_wait=True),),
        (_FIRST, "RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth"),
        "The peer repeats its FIN because our last ACK was lost; TIME-WAIT exists to repeat that ACK.",
        ("time-wait-fin",),
    ),
    Rule(
        "other/first/crossing-fin",
        Step.FIRST,
        frozenset({CLOSING}),
        _PLAIN & ACK_ON & FIN_ON & SEG_LAST.equals(RCV_NXT_LESS_1) & ACKS_OUR_FIN,
        (SEND_ACK, Branch(Reply.ACK, TIME_WAIT, level=Level.MAY)),
        (_FIRST, "RFC 9293 §A.2", "RFC 9293 §3.5.2 group 3"),
        "In a simultaneous close the peer's repeated FIN may be what brings the acknowledgment of ours.",
        ("crossing-fin",),
    ),
    Rule(
        "other/first/spanning",
        Step.FIRST,
        _ALL,
        _PLAIN & SPANS_WINDOW,
        (Branch(effect=Effect.TRIM, then=Then.FIFTH, level=Level.MAY), GO_ON),
        (_FIRST, "RFC 9293 §3.4"),
        "A segment that begins before the window and ends behind it overlaps it, although table 6 does not see that.",
        ("spanning-segment",),
    ),
    Rule(
        "other/first/unacceptable",
        Step.FIRST,
        SYNCHRONIZED,
        ~RST_ON & ~ACCEPTABLE,
        (SEND_ACK,),
        (_FIRST, "RFC 9293 §3.5.2 group 3"),
        "The ACK tells a peer that lost its way, or its memory, what is awaited next.",
    ),
    Rule(
        "other/first/unacceptable-early",
        Step.FIRST,
        _IN_SYN_RECEIVED,
        ~RST_ON & ~ACCEPTABLE,
        (replace(SEND_ACK, level=Level.SHOULD),),
        (_FIRST,),
        "An old duplicate is answered with what is awaited next, and dropped.",
    ),
    Rule(
        "other/first/held-may-ack",
        Step.FIRST,
        frozenset({FIN_WAIT_1}),
        _HELD,
        (IGNORE, replace(SEND_ACK, level=Level.MAY), GO_ON),
        (_FIRST, "SHLD-31", "RFC 9293 §3.10.7.4 seventh", "MAY-13"),
        "A segment above a gap may wait as a whole, its ACK included, until the gap is filled.",
        ("gap-ack",),
    ),
    Rule(
        "other/first/held",
        Step.FIRST,
        _IN_SYN_RECEIVED,
        _HELD,
        (IGNORE, GO_ON),
        (_FIRST, "SHLD-31"),
        "A segment above a gap may wait as a whole; an ACK that names the gap presupposes an established connection.",
        ("gap-ack",),
    ),
    Rule(
        "other/first/trim",
        Step.FIRST,
        _ALL,
        _PLAIN & OCCUPIES & ((SEG_SEQ < RCV_NXT) | (RCV_END <= SEG_LAST)),
        (Branch(effect=Effect.TRIM, then=Then.GO_ON),),
        (_FIRST,),
        "Of a segment that straddles an edge of the window only the part inside is processed.",
    ),
)
