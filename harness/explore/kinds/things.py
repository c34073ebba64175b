"""Ordinary things that happen on a connection, as data: what they are made of, where they can happen, what they leave.

States have short names here, since a thing names those in which it can happen and, behind ``>``, where it leads:

    SS SYN-SENT   SR SYN-RECEIVED   CR SYN-RECEIVED behind crossing SYNs   Q ESTABLISHED, not accepted   E ESTABLISHED
    F1 FIN-WAIT-1   F2 FIN-WAIT-2   QC CLOSE-WAIT, not accepted   CW CLOSE-WAIT   LA LAST-ACK   CL CLOSING
    TW TIME-WAIT   X nothing is left of the connection

That is where a sound stack in an ordinary case is then: a guide for what comes next, and no demand.
"""

from dataclasses import dataclass
from functools import cached_property

#: Groups of states by what can be done there.
SYNCHRONIZED = "Q E F1 F2 QC CW LA CL TW"
#: The peer's text is taken; one that acknowledges everything acknowledges a FIN.
TAKING = "Q E F1 F2"
TAKING_AND_ACKNOWLEDGED = "Q E F1>F2 F2"
#: Likewise where it can be read at once.
READABLE = "E F1>F2 F2"
SENDING = "E CW"
#: Behind an acknowledgment of everything.
ACKNOWLEDGED = "Q E F1>F2 F2 QC CW LA>X CL>TW TW"
#: Behind the peer's FIN.
ENDED_BY_PEER = "Q>QC E>CW F1>TW F2>TW"
CLOSED_BY_TARGET = "E>F1 CW>LA"
READING = "E F1 F2 CW"
ALIVE = "Q E F1 F2 QC CW LA CL"
BESIDE = "E F1 F2 CW LA CL TW"
EVERYWHERE = f"SS SR CR {SYNCHRONIZED} X"
#: A field of the window that is little as it stands, and enough where windows are scaled.
SMALL_FIELD = "%10"


@dataclass(frozen=True)
class Thing:
    """One thing: the words that begin it and those that end it (another one may come between), and where it happens.

    `quiet`: it must change nothing, so that a twin does without it. `listener`: it needs one on the port. A ``*`` is
    another connection, on the same port of the target, and with a slash behind it on another port.
    """

    name: str
    states: str
    words: str
    rest: str = ""
    #: Where the words that end it lead; all other states stay.
    later: str = ""
    quiet: bool = False
    listener: bool = False

    @cached_property
    def leads(self) -> dict[str, str]:
        """The states in which it can happen, and the one behind its first words."""
        return _leads(self.states)

    @cached_property
    def leads_later(self) -> dict[str, str]:
        """Where its last words lead."""
        return _leads(self.later)


def _leads(states: str) -> dict[str, str]:
    found = {}
    for word in states.split():
        state, _arrow, then = word.partition(">")
        found[state] = then or state
    return found


#: Text of the peer.
_TEXT = (
    Thing("text", TAKING_AND_ACKNOWLEDGED, "A@p,r/10"),
    Thing("text-that-acknowledges-nothing", TAKING, "A@p,u/10"),
    Thing("much-text", TAKING_AND_ACKNOWLEDGED, "A@p,r/1400 A@p,r/1400 A@p,r/1400"),
    Thing("text-again", TAKING_AND_ACKNOWLEDGED, "A@p,r/10", "A@n-10,r/10"),
    Thing("text-partly-old", TAKING_AND_ACKNOWLEDGED, "A@p,r/10", "A@n-5,r/15"),
    Thing("text-behind-all-options", TAKING_AND_ACKNOWLEDGED, "A@p,r/10~f"),
    Thing("gap", TAKING_AND_ACKNOWLEDGED, "A@p+10,r/10", "A@p,r/10"),
    Thing("gap-overlapped", TAKING, "A@p+10,u/10", "A@p,u/25"),
    Thing("two-gaps", TAKING_AND_ACKNOWLEDGED, "A@p+10,r/10 A@p+30,r/10", "A@p,r/10 A@p,r/10"),
    Thing("many-gaps", TAKING_AND_ACKNOWLEDGED, "A@p+10,r/5 A@p+30,r/5 A@p+50,r/5 A@p+70,r/5 A@p+90,r/5", "A@p,r/100"),
    Thing("text-beyond-the-window", TAKING, "A@e-5,u/10"),
    Thing("fin-beyond-the-window", TAKING, "FA@e-5,u/10", "fill recv:1000000 recv:1000000"),
    Thing("small-talk", TAKING_AND_ACKNOWLEDGED, f"{'A@p,r/1 wait:130 ' * 5}"),
    Thing("text-read-at-once", READABLE, "A@p,r/10 recv:100"),
    Thing("text-read-bit-by-bit", READABLE, "A@p,r/10 recv:4", "A@p,r/10 recv:100"),
    Thing("text-tells-a-small-window", TAKING_AND_ACKNOWLEDGED, f"A@p,r/10{SMALL_FIELD}", "A@p,r"),
    Thing("urgent-text", TAKING_AND_ACKNOWLEDGED, "UA@p,r/10"),
    Thing("full", TAKING_AND_ACKNOWLEDGED, "fill", "recv:1000000 recv:1000000"),
    Thing("full-and-read-in-part", "E F2", "fill recv:10 fill", "recv:1000000 recv:1000000"),
    Thing("full-and-probed", "Q E F2", "fill A@n,u/1", "recv:1000000 recv:1000000 A@n,r/1"),
)
#: Text of the target.
_SENT = (
    Thing("sent", SENDING, "send:100", "A@p,r", "F1>F2 LA>X CL>TW"),
    Thing("several-lost", SENDING, "lose:4 send:9000", "recover A@p,r A@p,r", "F1>F2 LA>X CL>TW"),
    Thing("much-sent", SENDING, "send:9000", "A@p,r A@p,r A@p,r", "F1>F2 LA>X CL>TW"),
    Thing("small-pieces-sent", SENDING, "send:1 send:1 send:1", "A@p,r A@p,r"),
    Thing("lost", SENDING, "lose:1 send:100", "A@p,r recover A@p,r"),
    Thing("lost-twice", SENDING, "lose:1 send:100 lose:1 await", "A@p,r recover A@p,r"),
    Thing("lost-again-and-again", SENDING, "lose:4 send:100 await await await await", "A@p,r recover A@p,r"),
    Thing("first-of-many-lost", SENDING, "lose:1 send:6000", "A@p,r recover A@p,r A@p,r"),
    Thing("three-duplicates", SENDING, "lose:1 send:9000 A@p,r A@p,r A@p,r", "A@p,r recover A@p,r A@p,r"),
    Thing("acknowledged-in-part", SENDING, "send:100 A@p,r-60", "A@p,r"),
    Thing("rest-comes-again", SENDING, "send:100 A@p,r-60 await", "A@p,r"),
    Thing("duplicate", ALIVE, "A@p,u"),
    Thing("fifth-duplicate", SENDING, "send:9000 A@p,u A@p,u A@p,u A@p,u A@p,u", "A@p,r recover A@p,r"),
    Thing(
        "third-loss",
        SENDING,
        "lose:1 send:100 recover A@p,r lose:1 send:100 recover A@p,r lose:1 send:100",
        "recover A@p,r",
    ),
    Thing("urgent-sent", SENDING, "urgent:10", "A@p,r"),
    Thing("urgent-lost", SENDING, "lose:1 urgent:10", "A@p,r recover A@p,r"),
)
#: SACK blocks of the peer, which may tell of what it then lets go again: nothing is forgotten before it is acknowledged
#: (RFC 2018 §8).
_BLOCKS = (
    Thing("block-behind-a-loss", SENDING, "lose:1 send:6000 A@p,u~b A@p,u~b A@p,u~b", "A@p,r recover A@p,r"),
    Thing("block-taken-back", SENDING, "lose:1 send:4000 A@p,u~b lose:2 await await", "recover A@p,r"),
    Thing("block-with-text", "E", "send:100 A@p,u/10~b", "A@p,r"),
    Thing("block-shuts-the-window", SENDING, "send:100 A@p,u%0~b", "A@p,r%0 A@p,r A@p,r"),
    Thing("block-and-fin", "E>CW", "send:100 FA@p,u~b", "A@p,r"),
    Thing("fin-told-in-a-block", CLOSED_BY_TARGET, "send:100 close A@p,u~b", "recover A@p,r", "F1>F2 LA>X CL>TW"),
)
#: The peer's window.
_WINDOW = (
    Thing("shut", SENDING, "A@p,r%0 send:100", "A@p,r A@p,r"),
    Thing("shut-and-probed", SENDING, "A@p,r%0 send:100 await A@p,u%0 await", "A@p,r A@p,r"),
    Thing("shut-over-text-under-way", SENDING, "send:100 A@p,u%0", "A@p,r%0 A@p,r A@p,r"),
    Thing("shut-for-a-moment", SENDING, "send:100 A@p,u%0 A@p,u", "wait:200000 A@p,r"),
    Thing("small-field", ACKNOWLEDGED, f"A@p,r{SMALL_FIELD}", "A@p,r"),
    Thing("shut-and-opened-by-text", "E", "A@p,r%0 send:100", "A@p,r/10 A@p,r"),
    Thing(
        "kept-shut", SENDING, "A@p,r%0 send:100 wait:5000 A@p,u%0", "wait:9000 A@p,u%0 wait:9000 A@p,u%0 A@p,r A@p,r"
    ),
    Thing("opened-behind-a-probe", SENDING, "A@p,r%0 send:100 await A@p,u%0 await lose:3 A@p,r", "A@p,r recover A@p,r"),
    Thing("opened-and-lost", SENDING, "A@p,r%0 send:100 await lose:2 A@p,r", "A@p,r recover A@p,r"),
    Thing("opened-a-little", SENDING, "A@p,r%0 send:100 A@p,r%30", "await A@p,r A@p,r"),
    Thing("small-window", SENDING, "A@p,r%40 send:100", "A@p,r A@p,r"),
    Thing("shrunk", SENDING, "A@p,r%200 send:100 A@p,u%40", "A@p,r A@p,r"),
    Thing("larger-window", "E CW F2", "A@p,r%2000", "A@p,r"),
    Thing(
        "window-grows",
        SENDING,
        "A@p,r%2000 send:100 wait:130 [A@p,u%3000] wait:130 [A@p,u%4000]",
        "wait:500 [A@p,u%5000] wait:500 [A@p,u%6000] wait:9000 A@p,r",
        "F1>F2 LA>X CL>TW",
    ),
    Thing("shut-and-nothing-to-send", ACKNOWLEDGED, "A@p,r%0", "A@p,r"),
)
#: Segments that must change nothing (RFC 9293 §3.10.7.4, RFC 5961 §3 to §5), whatever timers run.
_STRAYS = (
    Thing("challenged-reset", f"{ALIVE} TW", "R@n+10", quiet=True),
    Thing("challenged-reset-at-a-block", f"{ALIVE} TW", "R@n+20", quiet=True),
    Thing("challenged-reset-with-ack", f"{ALIVE} TW", "RA@n+10,n", quiet=True),
    Thing("reset-left-of-the-window", f"{ALIVE} TW", "R@n-1", quiet=True),
    Thing("reset-right-of-the-window", f"{ALIVE} TW", "R@e+1", quiet=True),
    Thing("challenged-syn", "Q E F2 QC CW", "S@n+10", quiet=True),
    Thing("challenged-syn-late", "F1 LA CL", "S@n+10"),
    Thing("old-syn", "Q E F2 QC CW", "S@i", quiet=True),
    Thing("old-syn-late", "F1 LA CL TW X", "S@i"),
    Thing("old-stamp", f"{ALIVE} TW", "A@n,u~t-100"),
    Thing("old-stamp-with-text", f"{ALIVE} TW", "A@n,u/5~t-100"),
    Thing("old-stamp-that-acknowledges", f"{ALIVE} TW", "A@n,n~t-100"),
    Thing("old-syn-with-ack", ALIVE, "SA@i,n", quiet=True),
    Thing("too-old-acknowledgment", ALIVE, "A@n,u-1000000", quiet=True),
    Thing("acknowledgment-of-the-unsent", f"{ALIVE} TW", "A@n,n+1000000", quiet=True),
    Thing("probe-of-the-peer", f"{ALIVE} TW", "A@n-1,n", quiet=True),
    Thing("probe-with-garbage", f"{ALIVE} TW", "garbage", quiet=True),
    Thing("old-text", f"{ALIVE} TW", "A@n-4,n/4", quiet=True),
    Thing("far-text", f"{ALIVE} TW", "A@e+1000,n/10", quiet=True),
    Thing("text-without-ack", ALIVE, "F@n", quiet=True),
    Thing("wrong-third-segment", "SR CR", "A@p,n+5", quiet=True),
    Thing("reset-elsewhere-while-opening", "SR CR", "R@e+5", quiet=True),
    Thing("wrong-acknowledgment-while-opening", "SS", "A@i+5,n+10", quiet=True),
    Thing("wrong-refusal", "SS", "RA@i,n+10", quiet=True),
    Thing("bare-reset-while-opening", "SS", "R@i", quiet=True),
    Thing("soft-error", f"SS SR CR {ALIVE}", "soft@u", quiet=True),
    Thing("forged-error", f"SS SR CR {ALIVE}", "hard@n+1000", quiet=True),
)
#: The handshake.
_OPENING = (
    Thing("third-segment", "SR>Q CR>E", "A@p,r"),
    Thing("third-segment-with-text", "SR>Q CR>E", "A@p,r/10"),
    Thing("third-segment-with-fin", "SR>QC CR>CW", "FA@p,r/5"),
    Thing("third-segment-shut", "SR>Q CR>E", "A@p,r%0"),
    Thing("third-segment-lost", "SR>Q CR>E", "A@p+10,r/10", "A@p,r/10"),
    Thing("syn-again", "SR CR", "S@i"),
    Thing("syn-ack-repeated", "SR CR", "await"),
    Thing("syn-ack-lost", "SR CR", "lose:2 S@i await", "recover"),
    Thing("crossing-syn", "SS>CR", "S@i"),
    Thing("syn-ack", "SS>E CR>E", "SA@i,r"),
    Thing("syn-ack-shut", "SS>E CR>E", "SA@i,r%0"),
    Thing("syn-ack-with-text", "SS>E", "SA@i,r/10"),
    Thing("syn-repeated", "SS", "await"),
    Thing("syn-lost-twice", "SS", "lose:1 await", "await"),
    Thing("refused", "SS>X", "RA@i,r"),
    Thing("reset-while-opening", "SR>X CR>X", "R@p"),
    Thing("syn-ack-of-crossing-lost", "SS>CR", "lose:1 S@i", "await A@p,r", "CR>E"),
    Thing("closed-and-lost-while-opening", "CR>F1", "lose:1 shutdown", "await A@p,r"),
    Thing("sent-while-opening", "SS CR", "send:100"),
    Thing("closed-while-opening", "CR>F1", "shutdown"),
)
#: The end, from both sides.
_CLOSING = (
    Thing("fin", ENDED_BY_PEER, "FA@p,r"),
    Thing("crossing-fin", "Q>QC E>CW F1>CL F2>TW", "FA@p,u"),
    Thing("fin-with-text", ENDED_BY_PEER, "FA@p,r/10"),
    Thing("fin-behind-a-gap", "Q E F1>F2 F2", "FA@p+10,r/5", "A@p,r/10", "Q>QC E>CW F1>TW F2>TW"),
    Thing("fin-again", ENDED_BY_PEER, "FA@p,r", "FA@n-1,r"),
    Thing("fin-shuts-the-window", ENDED_BY_PEER, "FA@p,r%0", "A@p,r"),
    Thing("fin-tells-what-fits", "Q>QC E>CW", f"FA@p,r{SMALL_FIELD} send:100", "wait:4000 A@p,r"),
    Thing("fin-tells-a-small-window", ENDED_BY_PEER, f"FA@p,r{SMALL_FIELD}", "A@p,r"),
    Thing("old-fin-with-text", "QC CW LA CL TW", "FA@n-5,u/4"),
    Thing("old-fin", "QC CW LA CL TW", "FA@n-1,u"),
    Thing("urgent-fin", ENDED_BY_PEER, "FUA@p,r/10"),
    Thing("shutdown", CLOSED_BY_TARGET, "shutdown"),
    Thing("close", CLOSED_BY_TARGET, "close"),
    Thing("closed-twice", CLOSED_BY_TARGET, "shutdown", "close"),
    Thing("closed-and-lost", CLOSED_BY_TARGET, "lose:1 shutdown", "A@p,r recover A@p,r", "F1>F2 LA>X CL>TW"),
    Thing(
        "closed-and-lost-twice",
        CLOSED_BY_TARGET,
        "lose:1 close lose:1 await",
        "A@p,r recover A@p,r",
        "F1>F2 LA>X CL>TW",
    ),
    Thing("fin-meets-a-shut-window", CLOSED_BY_TARGET, "lose:1 shutdown A@p,u%0", "await A@p,r", "F1>F2 LA>X CL>TW"),
    Thing("last-words", CLOSED_BY_TARGET, "send:100 shutdown", "A@p,r", "F1>F2 LA>X CL>TW"),
    Thing("last-words-lost", CLOSED_BY_TARGET, "lose:2 send:100 close", "A@p,r recover A@p,r", "F1>F2 LA>X CL>TW"),
    Thing(
        "fin-lost-behind-text",
        CLOSED_BY_TARGET,
        "send:100 lose:1 shutdown A@p,r",
        "A@p,r recover A@p,r",
        "F1>F2 LA>X CL>TW",
    ),
    Thing("closed-behind-a-shut-window", CLOSED_BY_TARGET, "A@p,r%0 send:100 close", "A@p,r A@p,r", "F1>F2 LA>X CL>TW"),
    Thing("closed-at-a-shut-window", CLOSED_BY_TARGET, "A@p,r%0 shutdown", "A@p,r A@p,r", "F1>F2 LA>X CL>TW"),
    Thing(
        "closed-and-probed-with-the-fin",
        CLOSED_BY_TARGET,
        "A@p,r%0 shutdown await",
        "A@p,r%0 A@p,r A@p,r",
        "F1>F2 LA>X CL>TW",
    ),
    Thing(
        "closed-in-a-recovery",
        CLOSED_BY_TARGET,
        "lose:9 send:6000 shutdown A@p,u A@p,u A@p,u",
        "A@p,u+6000 recover A@p,r",
        "F1>F2 LA>X CL>TW",
    ),
    Thing("closed-behind-small-pieces", CLOSED_BY_TARGET, "send:1 send:1 close", "A@p,r A@p,r", "F1>F2 LA>X CL>TW"),
    Thing("closed-behind-much", CLOSED_BY_TARGET, "send:40000 close", "A@p,r A@p,r A@p,r", ""),
    Thing("closed-unread", "E>X CW>X", "A@p,r/10 close"),
    Thing("acknowledged", ACKNOWLEDGED, "A@p,r"),
    Thing("window-update", ALIVE, "A@p,u%3000"),
    Thing("deaf", "E F1 F2 CW", "shut-rd"),
    Thing("reset", "Q>X E>X F1>X F2>X QC>X CW>X LA>X CL>X TW", "R@p"),
    Thing("reset-and-ack", "Q>X E>X F1>X F2>X QC>X CW>X LA>X CL>X TW", "RA@p,r"),
    Thing("reset-and-old-ack", "Q>X E>X F1>X F2>X QC>X CW>X LA>X CL>X TW", "RA@p,u"),
    Thing("reset-and-ack-of-nothing", "Q>X E>X F1>X F2>X QC>X CW>X LA>X CL>X TW", "RA@p,i"),
    Thing("reset-and-ack-of-a-part", "E>X CW>X", "send:9000 RA@p,u+1460"),
    Thing("reset-with-text", "Q>X E>X F1>X F2>X QC>X CW>X LA>X CL>X TW", "R@p/5"),
    Thing("abort", "SS>X CR>X E>X F1>X F2>X CW>X CL>X", "abort"),
    Thing("hard-error", "SS>X SR>X CR>X Q>X E>X F1>X F2>X QC>X CW>X LA>X CL>X", "hard@u"),
)
#: Time, and the application.
_CALLS = (
    # Neither on the steps of a back-off from a second nor from 200 ms: what restarts a timer there shows.
    Thing("moment", f"SS SR CR {SYNCHRONIZED}", "wait:130"),
    Thing("silence", f"SR CR {SYNCHRONIZED} X", "wait:2300"),
    Thing("pieces-that-stay-alone", "Q E F2 QC CW", "piece wait:200000"),
    Thing("minutes-of-silence", "Q E F2 QC CW", "wait:700000"),
    Thing("kept-alive", "E F1 F2 CW", "keep-alive:9 wait:10000", "A@p,r", "F1>F2"),
    Thing("kept-alive-later", "E F1 F2 CW", "keep-alive:9", "wait:70000 A@p,r", "F1>F2"),
    Thing("kept-alive-and-patient", "E F2 CW", "timeout:20000 keep-alive:60 wait:61000", "A@p,r"),
    Thing("kept-alive-unaccepted", "SR", "keep-alive:9 A@p,r wait:10000", "A@p,r", "SR>Q", listener=True),
    Thing("kept-alive-for-long", "E F2 CW", f"keep-alive:9 {'await A@p,r ' * 11}"),
    Thing("kept-alive-unanswered", "E F2 CW", "keep-alive:9 lose:1 await", "A@p,r"),
    Thing("patient", "E CW", "timeout:60000"),
    Thing("given-up", "E>X CW>X", "send:100 wait:4000000"),
    Thing("given-up-as-chosen", "E>X CW>X", "timeout:20000 send:100 wait:90000"),
    Thing("given-up-as-chosen-closing", "E>X CW>X", "timeout:20000 send:10 shutdown wait:90000"),
    Thing("minutes-pass", f"SS SR CR {ALIVE}", "wait:100000"),
    Thing("accept", "Q>E QC>CW", "accept"),
    Thing("read", READING, "recv:100000"),
    Thing("read-in-part", READING, "recv:3"),
    Thing("peeked", READING, "peek:4"),
    Thing("asked", READING, "poll error", "poll edges"),
    Thing("read-while-under-way", "E", "A@p,u/10 send:100 wait:130 [recv:3]", "wait:9000 recv:100 A@p,r"),
    Thing("accept-waits", "SR", "begin-accept"),
    Thing("receive-waits", "E F1 F2", "begin-recv:100"),
    Thing("send-waits", SENDING, "buffer:8000 begin-send:60000", "A@p,r A@p,r A@p,r A@p,r A@p,r A@p,r"),
    Thing("close-waits", CLOSED_BY_TARGET, "begin-close:9000"),
    Thing(
        "close-waits-in-vain", CLOSED_BY_TARGET, "lose:1 begin-close:500 wait:700", "recover A@p,r", "F1>F2 LA>X CL>TW"
    ),
    Thing("small-buffer", SENDING, "buffer:8000 send:30000 send:30000", "A@p,r A@p,r A@p,r poll"),
)
#: What shares the port or the host, and what begins anew.
_BESIDE = (
    Thing("listener-closed", "SR>X Q>X E F1 F2 QC>X CW LA CL TW X", "unlisten", listener=True),
    Thing("listener-opened-again", "E F1 F2 CW LA CL TW X", "unlisten", "listen", listener=True),
    Thing("smaller-listener", "E F1 F2 CW LA CL TW X", "unlisten listen:1", listener=True),
    Thing("another-opens", EVERYWHERE, "*:S@i", "*:R@p", quiet=True, listener=True),
    Thing(
        "another-lives",
        BESIDE,
        "*:S@i *:A@p,r accept",
        "*:A@p,r/10 *:recv:100 *:FA@p,r *:close *:A@p,r",
        quiet=True,
        listener=True,
    ),
    Thing("another-ends-first", BESIDE, "*:S@i *:A@p,r accept *:close *:A@p,r", "*:FA@p,r", quiet=True, listener=True),
    Thing("another-is-reset", BESIDE, "*:S@i *:A@p,r accept *:send:10", "*:R@p", quiet=True, listener=True),
    Thing("another-is-reset-unaccepted", BESIDE, "*:S@i *:A@p,r *:A@p,r/10 *:R@p accept", quiet=True, listener=True),
    Thing("another-waits", "SR Q E F1 F2 QC CW LA CL TW", "*:S@i *:A@p,r/10", listener=True),
    Thing("another-waits-in-silence", "SR Q E F1 F2 QC CW LA CL TW", "*:S@i *:A@p,r", listener=True),
    Thing("another-errs", BESIDE, "*:S@i *:A@p,r accept *:send:10", "*:hard@u", quiet=True, listener=True),
    Thing("another-listener", "SR Q E F1 F2 CW LA", "*/:listen *:S@i", "*:unlisten", quiet=True),
    Thing("twenty-others", BESIDE, "repeat:20 *{same-port}:S@i *:A@p,r accept *:R@p end", listener=True),
    Thing("another-talks", BESIDE, "*:S@i *:A@p,r accept A@n,u/5 *:A@p,r/10", "wait:700 *:R@p", listener=True),
    Thing("others-wait", BESIDE, "repeat:20 *{same-port}:S@i *:A@p,r accept *:close *:FA@p,r end", listener=True),
    Thing("stray-beside", EVERYWHERE, "*:A@p,n+5", quiet=True, listener=True),
    Thing("reopened", "TW>E", "close fresh S@i A@p,r accept", listener=True),
    Thing("reopened-with-text", "TW>E", "close fresh S@i A@p,r/10 accept recv:100", listener=True),
    Thing("reopened-and-lost", "TW>Q", "close fresh lose:1 S@i await A@p,r", listener=True),
    Thing(
        "reopened-beside-the-old", "TW>E", "close fresh S@i FA@n+1000000,n A@n-70000,n/4 A@p,r accept", listener=True
    ),
    Thing("reopened-unread", "TW>E", "fresh S@i A@p,r accept", listener=True),
    Thing("reopening-is-reset", "TW", "close fresh S@i R@p FA@n-1,n", listener=True),
    Thing("reopened-unaccepted", "TW>Q", "close fresh S@i A@p,r", listener=True),
    Thing("old-duplicate-reopens", "TW", "close S@n R@n", listener=True),
    Thing("wait-is-over", "TW>X", "wait:300000"),
    Thing("old-fin-late", "X", "FA@n-1,n", "A@n,n"),
    Thing("old-fin-behind-the-wait", "TW>X", "wait:300000 FA@n-1,n"),
    Thing("late-segments", "X", "A@p,n A@p,n/10", "FA@p,n R@p"),
    Thing("again-passive", "X>E", "R@p R@n close fresh listen S@i A@p,r accept"),
    Thing("again-with-options", "X>E", "R@p R@n close fresh listen S@i~s.w3.t+0 A@p,r accept"),
    Thing("again-unaccepted", "X>Q", "R@p R@n close fresh listen S@i A@p,r"),
    Thing("again-and-lost", "X>SR", "R@p R@n close fresh listen lose:1 S@i", "await A@p,r", "SR>Q"),
    Thing("again-active-and-lost", "X>SS", "R@p R@n close unlisten fresh lose:1 connect", "await SA@i,r", "SS>E"),
    Thing("again-active", "X>E", "R@p R@n close unlisten fresh connect SA@i,r"),
    Thing("again-refused", "X", "R@p R@n close unlisten fresh connect RA@i,r"),
    Thing("again-crossing", "X>E", "R@p R@n close unlisten fresh connect S@i SA@i,r"),
)
_ALL = (*_TEXT, *_SENT, *_BLOCKS, *_WINDOW, *_STRAYS, *_OPENING, *_CLOSING, *_CALLS, *_BESIDE)
THINGS = {thing.name: thing for thing in _ALL}
