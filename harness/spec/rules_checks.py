"""RFC 9293 §3.10.7.4, second to fourth check: is the segment a reset, is it a SYN?

The third check (security and compartment) is not exercised: no segment here carries them, so all of them match.
"""

from dataclasses import replace

from harness.spec.conditions import (
    ACK_ON,
    AT_LEFT_EDGE,
    LISTENER_OPEN,
    PASSIVE,
    RCV_NXT,
    RST_IN_WINDOW,
    RST_ON,
    SEG_SEQ,
    SYN_ON,
)
from harness.spec.policy import Policy
from harness.spec.reaction import Level, Reply, Signal
from harness.spec.rule import GO_ON, IGNORE, SEND_ACK, Branch, Effect, Rule, Step, Then
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
    SYNCHRONIZED,
    TIME_WAIT,
)

_IN_SYN_RECEIVED = frozenset({SYN_RECEIVED})
_IN_TIME_WAIT = frozenset({TIME_WAIT})
_ALL = SYNCHRONIZED | _IN_SYN_RECEIVED

_FIRST = "RFC 9293 §3.10.7.4 first"
_SECOND = "RFC 9293 §3.10.7.4 second"
_FOURTH = "RFC 9293 §3.10.7.4 fourth"
_RESET = Branch(next=CLOSED, signals=(Signal.RESET,), policies=(Policy.RFC793_SYN,))

SECOND_RULES = (
    Rule(
        "other/second/rfc1337-challenge",
        Step.SECOND,
        _IN_TIME_WAIT,
        RST_ON & RST_IN_WINDOW & ~AT_LEFT_EDGE,
        (
            Branch(level=Level.SHOULD, policies=(Policy.RFC1337,)),
            replace(SEND_ACK, policies=(Policy.RFC1337, Policy.RFC5961_RST)),
            GO_ON,
        ),
        ("RFC 1337 §3 F1", "RFC 5961 §3.2"),
        "A reset that would only be challenged ends nothing: ignored or challenged, the wait is as long as it was.",
        ("time-wait-rst",),
    ),
    Rule(
        "other/second/rfc1337",
        Step.SECOND,
        _IN_TIME_WAIT,
        RST_ON & ~(RST_IN_WINDOW & ~AT_LEFT_EDGE),
        (Branch(level=Level.SHOULD, policies=(Policy.RFC1337,)), GO_ON),
        ("RFC 1337 §3 F1",),
        "A delayed reset must not cut short the wait for delayed segments.",
        ("time-wait-rst",),
    ),
    Rule(
        "other/second/overlapping",
        Step.SECOND,
        _ALL,
        RST_ON & ~RST_IN_WINDOW,
        (IGNORE, Branch(then=Then.GO_ON, policies=(Policy.RFC793_RST,))),
        (_SECOND, "RFC 9293 §3.5.3", "RFC 5961 §3.2"),
        "The number of a reset is what validates it, so text that reaches into the window does not help.",
        ("rst-overlap",),
    ),
    Rule(
        "other/second/challenge",
        Step.SECOND,
        _ALL,
        RST_ON & RST_IN_WINDOW & ~AT_LEFT_EDGE,
        (
            replace(SEND_ACK, policies=(Policy.RFC5961_RST,)),
            Branch(then=Then.GO_ON, policies=(Policy.RFC793_RST,)),
        ),
        (_SECOND, "RFC 5961 §3.2"),
        "Somebody who only guessed the window can't hear the challenge; the true peer answers it with an exact reset.",
        ("challenge-throttling",),
    ),
    Rule(
        "other/second/return-to-listen",
        Step.SECOND,
        _IN_SYN_RECEIVED,
        RST_ON & PASSIVE & LISTENER_OPEN,
        (Branch(next=LISTEN),),
        (_SECOND, "RFC 9293 §3.5.3", "RFC 9293 §3.5", "MUST-11"),
        "The listener never heard of the attempt and goes on waiting.",
        ("return-to-listen",),
    ),
    Rule(
        "other/second/listener-gone",
        Step.SECOND,
        _IN_SYN_RECEIVED,
        RST_ON & PASSIVE,
        (Branch(next=CLOSED),),
        (_SECOND, "RFC 9293 §3.5.3"),
        "The attempt ends, and there is no listener to return to.",
        ("return-to-listen",),
    ),
    Rule(
        "other/second/refused",
        Step.SECOND,
        _IN_SYN_RECEIVED,
        RST_ON,
        (Branch(next=CLOSED, signals=(Signal.REFUSED,)),),
        (_SECOND, "RFC 9293 §3.5.3", "RFC 9293 §3.5", "MUST-11"),
        "Whoever opened actively asked for this connection and is told that it was refused.",
    ),
    Rule(
        "other/second/reset",
        Step.SECOND,
        frozenset({ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT}),
        RST_ON,
        (Branch(next=CLOSED, signals=(Signal.RESET,)),),
        (_SECOND, "RFC 9293 §3.5.3", "RFC 9293 §3.6", "MUST-12"),
        "The peer has given up the connection, and the application must know that it was not closed in order.",
    ),
    Rule(
        "other/second/reset-closing",
        Step.SECOND,
        frozenset({CLOSING, LAST_ACK, TIME_WAIT}),
        RST_ON,
        (Branch(next=CLOSED),),
        (_SECOND,),
        "Both sides have said all they had to say; only the record of the connection is left to delete.",
        ("reset-signal", "time-wait-rst"),
    ),
)

FOURTH_RULES = (
    Rule(
        "other/fourth/trimmed-early",
        Step.FOURTH,
        _IN_SYN_RECEIVED,
        SYN_ON & PASSIVE & (SEG_SEQ < RCV_NXT),
        (Branch(effect=Effect.TRIM, then=Then.GO_ON), SEND_ACK),
        (_FIRST, _FOURTH),
        "Only the new part of a segment is processed, and this SYN is old: it is cut off, or the segment refused.",
        ("trimmed-syn",),
    ),
    Rule(
        "other/fourth/return-to-listen",
        Step.FOURTH,
        _IN_SYN_RECEIVED,
        SYN_ON & PASSIVE & LISTENER_OPEN,
        (Branch(next=LISTEN),),
        (_FOURTH,),
        "A second SYN in the window belongs to another attempt, and the listener is there to wait for its repetition.",
        ("return-to-listen",),
    ),
    Rule(
        "other/fourth/listener-gone",
        Step.FOURTH,
        _IN_SYN_RECEIVED,
        SYN_ON & PASSIVE,
        (Branch(next=CLOSED),),
        (_FOURTH,),
        "The attempt ends, and there is no listener to return to.",
        ("return-to-listen",),
    ),
    Rule(
        "other/fourth/trimmed",
        Step.FOURTH,
        _ALL,
        SYN_ON & (SEG_SEQ < RCV_NXT),
        (
            SEND_ACK,
            Branch(effect=Effect.TRIM, then=Then.GO_ON, policies=(Policy.RFC793_SYN,)),
        ),
        (_FIRST, _FOURTH, "RFC 5961 §4.2"),
        "Trimming would remove this SYN from left of the window, but RFC 5961 challenges a SYN wherever it lies.",
        ("trimmed-syn",),
    ),
    Rule(
        "other/fourth/challenge",
        Step.FOURTH,
        _ALL,
        SYN_ON,
        (
            replace(SEND_ACK, policies=(Policy.RFC5961_SYN,)),
            Branch(then=Then.GO_ON, policies=(Policy.RFC793_SYN,)),
        ),
        (_FOURTH, "RFC 5961 §4.2"),
        "A peer that really lost its memory answers the challenge with an exact reset; a forger can't.",
        ("challenge-throttling",),
    ),
    Rule(
        "other/fourth/reset-by-ack",
        Step.FOURTH,
        _ALL,
        SYN_ON & ACK_ON,
        (replace(_RESET, reply=Reply.RST_SEG_ACK), replace(_RESET, reply=Reply.RST)),
        (_FOURTH, "RFC 793 §3.9", "RFC 9293 §3.5.2"),
        "Without the challenge a SYN in the window is an error that ends the connection.",
        ("reset-form",),
    ),
    Rule(
        "other/fourth/reset",
        Step.FOURTH,
        _ALL,
        SYN_ON,
        (replace(_RESET, reply=Reply.RST_ACK_ZERO), replace(_RESET, reply=Reply.RST)),
        (_FOURTH, "RFC 793 §3.9", "RFC 9293 §3.5.2"),
        "Without the challenge a SYN in the window is an error that ends the connection.",
        ("reset-form",),
    ),
)
