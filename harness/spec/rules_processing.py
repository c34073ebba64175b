"""RFC 9293 §3.10.7.4, fifth to eighth check: acknowledgment, urgent pointer, text, FIN.

What comes here lies in the window and carries neither RST nor SYN. One segment may take several of these rules: the
acknowledgment of our FIN and the peer's FIN together lead from FIN-WAIT-1 to TIME-WAIT. The URG bit is looked at in the
states of `_RECEIVING` only, since after the peer's FIN nothing urgent can follow.
"""

from dataclasses import replace

from harness.spec.conditions import (
    ACK_IS_FAR_TOO_OLD,
    ACK_IS_NEW,
    ACK_IS_TOO_OLD,
    ACK_IS_UNSENT,
    ACK_ON,
    ACKS_OUR_FIN,
    ALWAYS,
    AT_LEFT_EDGE,
    FIN_ON,
    HAS_TEXT,
    OCCUPIES,
    RCV_NXT,
    READER_GONE,
    SEG_SEQ,
    SEG_UP,
    URG_ON,
)
from harness.spec.policy import Policy
from harness.spec.reaction import Level, Reply, Signal
from harness.spec.rule import GO_ON, HEAR_ACK, IGNORE, SEND_ACK, Branch, Effect, Rule, Step, Then
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
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
_RECEIVING = frozenset({ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2})
_AFTER_FIN = frozenset({CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT})

_FIFTH = "RFC 9293 §3.10.7.4 fifth"
_SIXTH = "RFC 9293 §3.10.7.4 sixth"
_SEVENTH = "RFC 9293 §3.10.7.4 seventh"
_EIGHTH = "RFC 9293 §3.10.7.4 eighth"
_TAKE_FIN = Branch(Reply.ACK_NEW, signals=(Signal.CLOSING,), effect=Effect.TAKE_FIN)
_REFUSE_TEXT = Branch(next=CLOSED, level=Level.SHOULD, policies=(Policy.HALF_DUPLEX_CLOSE,))

FIFTH_RULES = (
    Rule(
        "other/fifth/no-ack",
        Step.FIFTH,
        _ALL,
        ~ACK_ON,
        (IGNORE,),
        (_FIFTH,),
        "After the first SYN every honest segment acknowledges, so one without ACK is dropped whole.",
    ),
    Rule(
        "other/fifth/unsent",
        Step.FIFTH,
        SYNCHRONIZED,
        ACK_IS_UNSENT,
        (SEND_ACK,),
        (_FIFTH, "RFC 9293 §3.5.2 group 3", "RFC 5961 §5.2"),
        "An acknowledgment of what was never sent makes the whole segment unbelievable.",
    ),
    Rule(
        "other/fifth/perhaps-too-old",
        Step.FIFTH,
        SYNCHRONIZED,
        ACK_IS_TOO_OLD & ~ACK_IS_FAR_TOO_OLD,
        (
            replace(SEND_ACK, policies=(Policy.RFC5961_ACK,)),
            Branch(then=Then.GO_ON, policies=(Policy.RFC793_ACK,)),
            Branch(then=Then.GO_ON, policies=(Policy.HARD_CODED_WINDOW,)),
        ),
        (_FIFTH, "MAY-12", "RFC 5961 §5.2"),
        "A stack may hard-code the largest permissible window instead of remembering the largest that it was offered.",
        ("too-old-ack",),
    ),
    Rule(
        "other/fifth/too-old",
        Step.FIFTH,
        SYNCHRONIZED,
        ACK_IS_FAR_TOO_OLD,
        (
            replace(SEND_ACK, policies=(Policy.RFC5961_ACK,)),
            Branch(then=Then.GO_ON, policies=(Policy.RFC793_ACK,)),
        ),
        (_FIFTH, "MAY-12", "RFC 5961 §5.2"),
        "No live peer acknowledges more than a window behind, so RFC 5961 takes such a segment for forged.",
        ("too-old-ack",),
    ),
    Rule(
        "other/fifth/syn-received-range",
        Step.FIFTH,
        _IN_SYN_RECEIVED,
        ACK_IS_UNSENT | ACK_IS_TOO_OLD,
        (replace(SEND_ACK, level=Level.MAY, policies=(Policy.RFC5961_ACK,)), GO_ON),
        (_FIFTH, "MAY-12", "RFC 5961 §5.2"),
        "Literally the range check of RFC 5961 precedes what each state does, and answers with an ACK.",
        ("syn-received-ack-range",),
    ),
    Rule(
        "other/fifth/syn-received-ok",
        Step.FIFTH,
        _IN_SYN_RECEIVED,
        ACK_IS_NEW,
        (Branch(next=ESTABLISHED, then=Then.SIXTH),),
        (_FIFTH, "RFC 9293 §3.5"),
        "Our SYN is acknowledged: both ends know both sequence numbers.",
        ("syn-received-ack",),
    ),
    Rule(
        "other/fifth/syn-received-bad",
        Step.FIFTH,
        _IN_SYN_RECEIVED,
        ALWAYS,
        (Branch(Reply.RST_SEG_ACK),),
        (_FIFTH, "RFC 9293 §3.5.2 group 2"),
        "The sender speaks of another connection; the reset reaches it, while our attempt waits on.",
        ("syn-received-ack",),
    ),
    Rule(
        "other/fifth/fin-wait-1",
        Step.FIFTH,
        frozenset({FIN_WAIT_1}),
        ACKS_OUR_FIN,
        (Branch(next=FIN_WAIT_2, then=Then.SIXTH),),
        (_FIFTH, "RFC 9293 §3.6"),
        "Our direction is closed and acknowledged; the rest of the segment is processed in FIN-WAIT-2.",
    ),
    Rule(
        "other/fifth/closing",
        Step.FIFTH,
        frozenset({CLOSING}),
        ACKS_OUR_FIN,
        (Branch(next=TIME_WAIT, then=Then.SIXTH),),
        (_FIFTH, "RFC 9293 §3.6"),
        "Both directions are closed and ours is acknowledged; what is left is to wait.",
    ),
    Rule(
        "other/fifth/closing-second-fin",
        Step.FIFTH,
        frozenset({CLOSING}),
        FIN_ON,
        (HEAR_ACK, Branch(then=Then.SIXTH, level=Level.MAY)),
        (_FIFTH, _EIGHTH),
        "A second FIN without the acknowledgment of ours is ignored here, but the eighth check speaks of it.",
        ("closing-ignores",),
    ),
    Rule(
        "other/fifth/closing-ignore",
        Step.FIFTH,
        frozenset({CLOSING}),
        ALWAYS,
        (HEAR_ACK,),
        (_FIFTH,),
        "In CLOSING nothing counts but the acknowledgment of our FIN.",
        ("closing-ignores",),
    ),
    Rule(
        "other/fifth/last-ack",
        Step.FIFTH,
        frozenset({LAST_ACK}),
        ACKS_OUR_FIN,
        (Branch(next=CLOSED, hears_ack=True),),
        (_FIFTH, "RFC 9293 §3.6"),
        "The last acknowledgment is in and the connection is gone.",
    ),
    Rule(
        "other/fifth/time-wait",
        Step.FIFTH,
        _IN_TIME_WAIT,
        ~FIN_ON & OCCUPIES,
        (IGNORE, Branch(Reply.ACK, level=Level.MAY, restarts_time_wait=True)),
        (_FIFTH, _SEVENTH),
        "Only a FIN is expected in TIME-WAIT; text may be taken for a repetition that includes it.",
        ("time-wait-ack",),
    ),
    Rule(
        "other/fifth/time-wait-bare",
        Step.FIFTH,
        _IN_TIME_WAIT,
        ~FIN_ON,
        (IGNORE,),
        (_FIFTH, "RFC 9293 §3.5"),
        "A bare ACK is not the peer's FIN, and whoever answers ACKs will end up acknowledging acknowledgments.",
        ("time-wait-ack",),
    ),
)

SIXTH_RULES = (
    Rule(
        "other/sixth/urgent",
        Step.SIXTH,
        _RECEIVING,
        URG_ON & (RCV_NXT < SEG_UP),
        (Branch(signals=(Signal.URGENT,), then=Then.GO_ON),),
        (_SIXTH,),
        "The application hears of urgent data as soon as the pointer runs ahead of what it has read.",
    ),
)

SEVENTH_RULES = (
    Rule(
        "other/seventh/no-reader-in-sequence",
        Step.SEVENTH,
        frozenset({FIN_WAIT_1, FIN_WAIT_2}),
        HAS_TEXT & READER_GONE & ~(RCV_NXT < SEG_SEQ) & ~FIN_ON,
        (
            GO_ON,
            replace(_REFUSE_TEXT, reply=Reply.ACK_NEW_AND_RST, effect=Effect.TAKE_TEXT),
            replace(_REFUSE_TEXT, reply=Reply.ACK_NEW_AND_RST, effect=Effect.TAKE_TEXT, next=TIME_WAIT),
        ),
        ("RFC 9293 §3.6.1", "MAY-1", "SHLD-3", "RFC 9293 §3.10.7.4 seventh"),
        "Text may be acknowledged as any other, before the reset tells that it is lost.",
        ("half-duplex-close", "reset-form"),
    ),
    Rule(
        "other/seventh/no-reader-to-the-end",
        Step.SEVENTH,
        frozenset({FIN_WAIT_1, FIN_WAIT_2}),
        HAS_TEXT & READER_GONE & ~(RCV_NXT < SEG_SEQ) & FIN_ON,
        (
            GO_ON,
            replace(_REFUSE_TEXT, reply=Reply.ACK_NEW_AND_RST, effect=Effect.TAKE_FIN),
            replace(_REFUSE_TEXT, reply=Reply.ACK_NEW_AND_RST, effect=Effect.TAKE_FIN, next=TIME_WAIT),
        ),
        ("RFC 9293 §3.6.1", "MAY-1", "SHLD-3", "RFC 9293 §3.10.7.4 seventh"),
        "Text and FIN may be acknowledged as any others, before the reset tells that the text is lost.",
        ("half-duplex-close", "reset-form"),
    ),
    Rule(
        "other/seventh/no-reader",
        Step.SEVENTH,
        frozenset({FIN_WAIT_1, FIN_WAIT_2}),
        HAS_TEXT & READER_GONE,
        (
            replace(_REFUSE_TEXT, reply=Reply.RST_SEG_ACK),
            replace(_REFUSE_TEXT, reply=Reply.RST),
            replace(_REFUSE_TEXT, reply=Reply.RST_SEG_ACK, next=TIME_WAIT),
            replace(_REFUSE_TEXT, reply=Reply.RST, next=TIME_WAIT),
            GO_ON,
        ),
        ("RFC 9293 §3.6.1", "MAY-1", "SHLD-3", "RFC 1122 §4.2.2.13", "RFC 9293 §3.5.2"),
        "Nobody will ever read this text, and the reset tells the peer that it is lost.",
        ("half-duplex-close", "reset-form"),
    ),
    Rule(
        "other/seventh/gap",
        Step.SEVENTH,
        _RECEIVING,
        RCV_NXT < SEG_SEQ,
        (IGNORE, replace(SEND_ACK, level=Level.MAY)),
        (_SEVENTH, "MAY-13", "RFC 9293 §3.10.7.4 first", "SHLD-31"),
        "Text and FIN above a gap wait until it is filled; an ACK may name the gap.",
        ("above-the-gap",),
    ),
    Rule(
        "other/seventh/text",
        Step.SEVENTH,
        _RECEIVING,
        HAS_TEXT,
        (
            Branch(
                Reply.ACK_NEW,
                signals=(Signal.DATA,),
                effect=Effect.TAKE_TEXT,
                then=Then.GO_ON,
                deferrable=True,
            ),
        ),
        (_SEVENTH,),
        "Text at the left edge goes to the application and is acknowledged.",
    ),
    Rule(
        "other/seventh/text-after-fin",
        Step.SEVENTH,
        _AFTER_FIN,
        HAS_TEXT & ~FIN_ON,
        (IGNORE,),
        (_SEVENTH,),
        "The peer has said that no more would come; this text is not taken, nor acknowledged.",
        ("text-after-fin",),
    ),
)

EIGHTH_RULES = (
    Rule(
        "other/eighth/established",
        Step.EIGHTH,
        frozenset({ESTABLISHED}),
        FIN_ON,
        (replace(_TAKE_FIN, next=CLOSE_WAIT),),
        (_EIGHTH, "RFC 9293 §3.6"),
        "The peer has closed its direction; ours stays open until the application closes it.",
        ("fin-acknowledged-later",),
    ),
    Rule(
        "other/eighth/fin-wait-1",
        Step.EIGHTH,
        frozenset({FIN_WAIT_1}),
        FIN_ON,
        (replace(_TAKE_FIN, next=CLOSING),),
        (_EIGHTH, "RFC 9293 §3.6"),
        "The FINs have crossed: ours is still unacknowledged.",
        ("fin-acknowledged-later",),
    ),
    Rule(
        "other/eighth/fin-wait-2",
        Step.EIGHTH,
        frozenset({FIN_WAIT_2}),
        FIN_ON,
        (replace(_TAKE_FIN, next=TIME_WAIT),),
        (_EIGHTH, "RFC 9293 §3.6", "RFC 9293 §3.6.1", "MUST-13"),
        "Both directions are closed; the wait makes sure that the last ACK arrives and old segments die.",
        ("fin-acknowledged-later",),
    ),
    Rule(
        "other/eighth/second-fin-above-gap",
        Step.EIGHTH,
        _AFTER_FIN,
        FIN_ON & (HAS_TEXT | (RCV_NXT < SEG_SEQ)),
        (IGNORE, SEND_ACK),
        (_EIGHTH, _SEVENTH),
        "A second FIN behind ignored text or a gap is not in sequence, yet the letter has every FIN acknowledged.",
        ("second-fin",),
    ),
    Rule(
        "other/eighth/second-fin",
        Step.EIGHTH,
        frozenset({CLOSE_WAIT, CLOSING, LAST_ACK}),
        FIN_ON & AT_LEFT_EDGE,
        (_TAKE_FIN, SEND_ACK),
        (_EIGHTH,),
        "A second FIN changes no state, and it is acknowledged, whether or not it is given a number of its own.",
        ("second-fin",),
    ),
    Rule(
        "other/eighth/time-wait",
        Step.EIGHTH,
        _IN_TIME_WAIT,
        FIN_ON & AT_LEFT_EDGE,
        (replace(_TAKE_FIN, restarts_time_wait=True), replace(SEND_ACK, restarts_time_wait=True)),
        (_FIFTH, _EIGHTH),
        "Any FIN in TIME-WAIT shows that the peer still waits for our last ACK; it gets one, and the wait begins anew.",
        ("second-fin",),
    ),
    Rule(
        "other/end",
        Step.END,
        _ALL,
        ALWAYS,
        (IGNORE,),
        ("RFC 9293 §3.10.7.4",),
        "Nothing in the segment asks for anything more.",
    ),
)
