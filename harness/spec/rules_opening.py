"""RFC 9293 §3.10.7.1 to §3.10.7.3: a segment arrives in CLOSED, LISTEN or SYN-SENT.

Security and compartment (third checks) are not exercised: no segment here carries them, so all of them match.
"""

from dataclasses import replace

from harness.spec.conditions import ACK_IS_NEW, ACK_ON, ALWAYS, FIN_ON, HAS_TEXT, RST_ON, SYN_ON, ZERO_WINDOW
from harness.spec.reaction import Level, Reply, Signal
from harness.spec.rule import GO_ON, IGNORE, Branch, Effect, Rule, Step, Then
from harness.spec.states import CLOSED, ESTABLISHED, LISTEN, SYN_RECEIVED, SYN_SENT

_IN_CLOSED = frozenset({CLOSED})
_IN_LISTEN = frozenset({LISTEN})
_IN_SYN_SENT = frozenset({SYN_SENT})
_SYN_ACK = Branch(Reply.SYN_ACK, SYN_RECEIVED, effect=Effect.SYNCHRONIZE)
#: Who has queued the text of a SYN may say so: only to deliver it before ESTABLISHED is forbidden (§3.5).
_SYN_ACK_FOR_TEXT = replace(_SYN_ACK, effect=Effect.SYNCHRONIZE_AND_TAKE_TEXT, level=Level.MAY)

CLOSED_RULES = (
    Rule(
        "closed/rst",
        Step.FIRST,
        _IN_CLOSED,
        RST_ON,
        (IGNORE,),
        ("RFC 9293 §3.10.7.1", "RFC 9293 §3.5.2 group 1"),
        "A reset that finds no connection has nothing to do, and answering it could go on for ever.",
    ),
    Rule(
        "closed/ack",
        Step.FIRST,
        _IN_CLOSED,
        ACK_ON,
        (Branch(Reply.RST_SEG_ACK),),
        ("RFC 9293 §3.10.7.1", "RFC 9293 §3.5.2 group 1"),
        "The reset takes the number that the sender awaits next, so the sender believes it.",
    ),
    Rule(
        "closed/other",
        Step.FIRST,
        _IN_CLOSED,
        ALWAYS,
        (Branch(Reply.RST_ACK_ZERO),),
        ("RFC 9293 §3.10.7.1", "RFC 9293 §3.5.2 group 1"),
        "Without an acknowledgment to borrow from, the reset proves its good faith by acknowledging the whole segment.",
    ),
)

LISTEN_RULES = (
    Rule(
        "listen/first/rst",
        Step.FIRST,
        _IN_LISTEN,
        RST_ON,
        (IGNORE,),
        ("RFC 9293 §3.10.7.2 first",),
        "Nothing has been sent yet that a reset could be about.",
    ),
    Rule(
        "listen/second/ack",
        Step.SECOND,
        _IN_LISTEN,
        ACK_ON,
        (Branch(Reply.RST_SEG_ACK),),
        ("RFC 9293 §3.10.7.2 second", "RFC 9293 §3.5.2 group 2"),
        "Nothing has been sent yet that could be acknowledged.",
    ),
    Rule(
        "listen/third/syn",
        Step.THIRD,
        _IN_LISTEN,
        SYN_ON,
        (_SYN_ACK, _SYN_ACK_FOR_TEXT),
        ("RFC 9293 §3.10.7.2 third",),
        "A SYN opens the connection; text or FIN that it brings wait until the handshake is complete.",
        ("listen-syn-fin",),
    ),
    Rule(
        "listen/fourth/other",
        Step.FOURTH,
        _IN_LISTEN,
        ALWAYS,
        (IGNORE,),
        ("RFC 9293 §3.10.7.2 fourth",),
        "A segment with neither RST, ACK nor SYN belongs to no connection and starts none.",
    ),
)

SYN_SENT_RULES = (
    Rule(
        "syn-sent/first/bad-ack-rst",
        Step.FIRST,
        _IN_SYN_SENT,
        ACK_ON & ~ACK_IS_NEW & RST_ON,
        (IGNORE,),
        ("RFC 9293 §3.10.7.3 first", "RFC 5961 §3.2"),
        "A reset counts in SYN-SENT only if it acknowledges our SYN, and a reset is never answered by another.",
    ),
    Rule(
        "syn-sent/first/bad-ack",
        Step.FIRST,
        _IN_SYN_SENT,
        ACK_ON & ~ACK_IS_NEW,
        (Branch(Reply.RST_SEG_ACK),),
        ("RFC 9293 §3.10.7.3 first", "RFC 9293 §3.5.2 group 2", "RFC 9293 §3.5"),
        "An acknowledgment of something else than our SYN shows a half-open or an old connection at the other end.",
    ),
    Rule(
        "syn-sent/second/rst-acked",
        Step.SECOND,
        _IN_SYN_SENT,
        RST_ON & ACK_ON,
        (Branch(next=CLOSED, signals=(Signal.RESET,)),),
        ("RFC 9293 §3.10.7.3 second", "RFC 9293 §3.5.3"),
        "A reset that acknowledges our SYN is the answer to it, whatever its sequence number.",
        ("syn-sent-rst",),
    ),
    Rule(
        "syn-sent/second/rst",
        Step.SECOND,
        _IN_SYN_SENT,
        RST_ON,
        (IGNORE,),
        ("RFC 9293 §3.10.7.3 second", "RFC 9293 §3.5.3"),
        "A reset without ACK can't be tied to our SYN.",
    ),
    Rule(
        "syn-sent/fourth/text-refused",
        Step.FOURTH,
        _IN_SYN_SENT,
        SYN_ON & ACK_ON & HAS_TEXT,
        (Branch(Reply.ACK, ESTABLISHED, effect=Effect.SYNCHRONIZE, level=Level.MAY, hears_ack=True), GO_ON),
        ("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.10.7.3 first"),
        "A peer need not take the text on a SYN: what stays unacknowledged is sent again.",
        ("syn-sent-text",),
    ),
    Rule(
        "syn-sent/fourth/established-more",
        Step.FOURTH,
        _IN_SYN_SENT,
        SYN_ON & ACK_ON & (HAS_TEXT | FIN_ON) & ~ZERO_WINDOW,
        (
            Branch(next=ESTABLISHED, effect=Effect.SYNCHRONIZE, then=Then.SIXTH),
            Branch(Reply.ACK, ESTABLISHED, effect=Effect.SYNCHRONIZE, then=Then.SIXTH, at_once=True),
        ),
        ("RFC 9293 §3.10.7.3 fourth",),
        "Text and FIN behind the SYN are processed at once; one acknowledgment may do for all, or the SYN has its own.",
        ("syn-sent-text",),
    ),
    Rule(
        "syn-sent/fourth/established",
        Step.FOURTH,
        _IN_SYN_SENT,
        SYN_ON & ACK_ON,
        (Branch(Reply.ACK, ESTABLISHED, effect=Effect.SYNCHRONIZE, then=Then.SIXTH),),
        ("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.5"),
        "Both SYNs are now known to both ends, and the peer must hear so.",
    ),
    Rule(
        "syn-sent/fourth/syn-received",
        Step.FOURTH,
        _IN_SYN_SENT,
        SYN_ON,
        (_SYN_ACK, _SYN_ACK_FOR_TEXT),
        ("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.5", "MUST-10"),
        "The SYNs have crossed: a simultaneous open; text or FIN wait until ours is acknowledged.",
        ("listen-syn-fin",),
    ),
    Rule(
        "syn-sent/fifth/neither",
        Step.FIFTH,
        _IN_SYN_SENT,
        ALWAYS,
        (IGNORE,),
        ("RFC 9293 §3.10.7.3 fifth",),
        "Without SYN or RST nothing can be checked, not even a good acknowledgment's sequence number.",
    ),
)
