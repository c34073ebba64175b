"""What may be pending on a connection, and what may come upon it: the rows of which `armed` has each two meet.

Everything is a table of its own, and a conversation takes a row of each; what meets is not written down anywhere.
States have the short names of `kinds/things.py`.
"""

from dataclasses import dataclass

from harness.explore.kinds.random_walks import FATAL, ODD, ORDERLY


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its name, the words it consists of, and the states in which it makes sense ("" for all).

    `rest` are words that carry it to its end; `likes` what the connection is like from the beginning.
    """

    name: str
    words: str = ""
    states: str = ""
    rest: str = ""
    likes: str = ""

    def fits(self, state: str) -> bool:
        """Tell whether it makes sense in a state."""
        return not self.states or state in self.states.split()

    @property
    def slow(self) -> bool:
        """Tell whether time passes in it."""
        return any(word.startswith(("wait:", "await", "recover")) for word in (self.words + " " + self.rest).split())


#: How a connection comes to be established; `*` stands for what is beside it. Those with `listen` leave a listener.
OPENED = (
    Row("passive", "listen * S@i A@p,r accept"),
    Row("passive-small", "listen:1 S@i A@p,r accept *"),
    Row("passive-text", "listen * S@i A@p,r/4 accept recv:100"),
    Row("passive-lost", "listen * lose:1 S@i await A@p,r accept"),
    Row("active", "connect SA@i,r *"),
    Row("active-late", "lose:1 connect await SA@i,r *"),
    Row("active-waits", "begin-connect SA@i,r *"),
    Row("crossing", "connect S@i SA@i,r *"),
    Row("crossing-ack", "connect S@i A@p,r *"),
    Row("crossing-lost", "connect lose:1 S@i await A@p,r *"),
)
UNACCEPTED = (
    Row("unaccepted", "listen * S@i A@p,r"),
    Row("unaccepted-small", "listen:1 S@i A@p,r *"),
    Row("unaccepted-lost", "listen * lose:1 S@i await A@p,r"),
    Row("unaccepted-awaited", "listen * begin-accept S@i A@p,r"),
)
#: And not yet established, or not any more.
OPENING = {
    "SS": (Row("syn", "connect *"), Row("syn-twice", "connect await *"), Row("syn-waits", "begin-connect *")),
    "SR": (Row("syn-ack", "listen * S@i"), Row("syn-ack-twice", "listen * S@i await")),
    "CR": (Row("crossed", "connect S@i *"), Row("crossed-twice", "connect S@i await *")),
}
#: Ways on to a state; `u` acknowledges nothing new, so that what is under way stays so.
WAYS = {
    "E": ("",),
    "Q": ("",),
    "QC": ("FA@p,u", "FA@p,u/10"),
    "F1": ("shutdown", "close"),
    "F2": ("shutdown A@p,r", "close A@p,r"),
    "CW": ("FA@p,u", "FA@p,u/10 recv:100"),
    "LA": ("FA@p,u shutdown", "FA@p,u close"),
    "CL": ("shutdown FA@p,u", "close FA@p,u"),
    "TW": ("shutdown A@p,r FA@p,r", "close FA@p,u A@p,r", "close FA@p,r"),
}
#: What is under way, or waits to be, and what the peer does in the end. It is sent before the way to a state goes on,
#: or (in CLOSE-WAIT and LAST-ACK) behind the peer's FIN.
_SENDING = "E F1 CL CW LA"
OUTGOING = (
    Row("nothing"),
    Row("flight", "send:100", _SENDING, "A@p,r"),
    Row("much", "send:5000", _SENDING, "A@p,r A@p,r A@p,r"),
    Row("flight-narrow", "A@p,u%300 send:100", _SENDING, "A@p,r"),
    Row("repeated-narrow", "A@p,u%300 send:100 await", _SENDING, "A@p,r"),
    Row("repeated", "send:100 await", _SENDING, "A@p,r"),
    Row("lost", "lose:2 send:100 await", _SENDING, "A@p,r recover A@p,r"),
    Row("part", "send:100 A@p,r-60", _SENDING, "A@p,r"),
    Row("pieces", "send:1 send:1 send:1", _SENDING, "A@p,r A@p,r"),
    Row("shut", "A@p,u%0 send:100", _SENDING, "A@p,r A@p,r"),
    Row("probed", "A@p,u%0 send:100 await A@p,u%0", _SENDING, "A@p,r A@p,r"),
    Row("shut-over", "send:100 A@p,u%0", _SENDING, "A@p,r A@p,r"),
    Row("small", "A@p,u%40 send:100", _SENDING, "A@p,r A@p,r"),
    Row("field", "A@p,u%2 send:300", _SENDING, "A@p,r A@p,r A@p,r"),
    Row("full-buffer", "buffer:8000 send:30000 send:30000", _SENDING, "A@p,r A@p,r A@p,r A@p,r"),
    Row("urgent", "urgent:10", _SENDING, "A@p,r"),
    Row("block", "lose:1 send:6000 A@p,u~b", _SENDING, "A@p,r recover A@p,r", "offer=s.t"),
    Row("duplicates", "lose:1 send:9000 A@p,u A@p,u A@p,u", _SENDING, "A@p,r recover A@p,r"),
    Row("acknowledged", "send:100 A@p,r", _SENDING),
)
#: What has come and waits: for the application, for a gap to be filled, for its acknowledgment.
_TAKING = "E F1 F2 Q"
INCOMING = (
    Row("nothing"),
    Row("unread", "A@p,u/10", _TAKING, "recv:100"),
    Row("read-in-part", "A@p,u/10 recv:4", "E F1 F2", "recv:100"),
    Row("gap", "A@p+10,u/10", _TAKING, "A@p,u/10"),
    Row("gaps", "A@p+10,u/5 A@p+30,u/5", _TAKING, "A@p,u/10 A@p,u/20"),
    Row("gap-permitted", "A@p+10,u/10", _TAKING, "A@p,u/10", "offer=s.w3.t"),
    Row("fin-above-a-gap", "FA@p+10,u/5", _TAKING, "A@p,u/10"),
    Row("urgent", "UA@p,u/10", _TAKING, "recv:100"),
    Row("delayed", "A@p,u/10", _TAKING, "recv:100", "delay=200"),
    Row("delayed-read", "A@p,u/10 recv:100", "E F1 F2", "", "delay=400"),
    Row("filled", "fill", "E Q F2", "recv:1000000 recv:1000000"),
)
#: What the application has asked for, and waits for.
WAITING = (
    *(Row("nothing"),) * 2,
    Row("reader", "begin-recv:100", "E F1 F2"),
    Row("writer", "buffer:8000 begin-send:60000", "E CW", "A@p,r A@p,r A@p,r A@p,r A@p,r"),
    Row("edges", "edges", "E F1 F2 CW LA CL SS CR"),
    Row("kept-alive", "keep-alive:20", "E F1 F2 CW"),
    Row("kept-alive-probed", "keep-alive:9 wait:10000", "E F2 CW"),
    Row("patient", "timeout:60000", "E F1 CW"),
    Row("deaf", "shut-rd", "E F1 F2 CW"),
    Row("asked", "poll error", "E F1 F2 CW LA CL"),
    Row("lost-next", "lose:1"),
)
#: Another connection at the same port, in a state of its own, from ``T``: another port of the peer, its second address.
NEIGHBOURS = (
    *(Row("nobody"),) * 3,
    Row("opening", "90{T}:S@i"),
    Row("unaccepted", "90{T}:S@i 90:A@p,r"),
    Row("unaccepted-text", "90{T}:S@i 90:A@p,r/10"),
    Row("idle", "90{T}:S@i 90:A@p,r accept"),
    Row("unread", "90{T}:S@i 90:A@p,r/10 accept"),
    Row("flight", "90{T}:S@i 90:A@p,r accept 90:send:100"),
    Row("shut", "90{T}:S@i 90:A@p,r%0 accept 90:send:100"),
    Row("close-wait", "90{T}:S@i 90:A@p,r accept 90:FA@p,r"),
    Row("fin-wait-2", "90{T}:S@i 90:A@p,r accept 90:close 90:A@p,r"),
    Row("time-wait", "90{T}:S@i 90:A@p,r accept 90:close 90:FA@p,r"),
    Row("reset", "90{T}:S@i 90:A@p,r accept 90:R@p"),
)
THERE = ("same-port", "same-port", "same-port,peer")
#: What becomes of the listener behind the opening.
LISTENER = (
    *(Row("stays"),) * 3,
    Row("closed", "unlisten"),
    Row("opened-again", "unlisten listen"),
    Row("smaller", "unlisten listen:1"),
)
#: What was on the same pair before. Behind each the pair begins anew.
BEFORE = (
    *(Row("nothing"),) * 6,
    Row("closed", "listen S@i A@p,r accept send:10 A@p,r FA@p,r close A@p,r"),
    Row("waits", "listen S@i~w7.s.t+0 A@p,r accept close FA@p,r"),
    Row("waited", "listen S@i~w7.s.t+0 A@p,r accept close FA@p,r wait:300000"),
    Row("reset", "listen S@i A@p,r accept send:100 A@p,u/10 R@p"),
    Row("reset-late", "listen S@i A@p,r accept send:100 await await R@p"),
    Row("reset-shut", "listen S@i A@p,r%0 accept send:100 await R@p"),
    Row("reset-gap", "listen S@i~s.t+0 A@p,r accept A@p+10,r/10 R@p"),
    Row("reset-closing", "listen S@i A@p,r accept send:100 shutdown FA@p,u R@p"),
    Row("reset-opening", "listen S@i~w7.t+0 wait:3000 R@p"),
    Row("reset-kept-alive", "listen S@i A@p,r accept keep-alive:9 timeout:9000 A@p,r/10 R@p"),
    Row("aborted", "listen S@i A@p,r accept urgent:10 A@p,r/10 abort"),
    Row("given-up", "listen S@i A@p,r accept send:100 wait:4000000"),
    Row("refused", "connect RA@i,r"),
    Row("refused-late", "connect wait:100000 RA@i,r"),
    Row("refused-crossing", "connect S@i R@p"),
    Row("active", "connect SA@i,r~w7.t+0 send:100 RA@p,r"),
    Row("expired", "connect wait:4000000"),
)
#: What a connection is like; what is armed may ask for more.
LIKE = (
    *("", "", "", "offer=s.w3.t", "offer=t", "offer=w7", "offer=s.t", "offer=w7", "offer=m536.w1.t", "offer=s"),
    *("delay=200", "window=1000", "window=200", "address"),
    *("form=padded", "form=fragments", "form=changing-class", "form=fragments-reversed", "form=destination-header"),
)
NUMBERS = (
    "",
    "",
    "",
    "iss=-1",
    "iss=-2",
    "iss=-11",
    "iss=-12",
    "iss=-22",
    "own-iss=-1",
    "own-iss=-101",
    "own-iss=-102",
)
STAMPS = ("", "", "tsval=-1", "tsval=-2", "tsval=-3", "tsval=-4", "tsval=-6", "own-tsval=-1", "own-tsval=-200")

# --- a segment of the peer -------------------------------------------------------------------------------------------

#: Its flags, and how often it is so.
FLAGS = ("A", "A", "A", "A", "FA", "FA", "RA", "R", "S", "SA", "F", "UA", "FUA", "-", "PA")
#: Where it begins, relative to every edge that there is; where nothing has been received only two make sense.
SEQ = (
    "p",
    "p",
    "p",
    "n",
    "n-1",
    "n-5",
    "p+10",
    "n+20",
    "e-1",
    "e",
    "e+1",
    "e-5",
    "n-70000",
    "n+1073741824",
    "i",
    "n-2",
)
#: Likewise what it acknowledges.
ACK = ("r", "r", "u", "u", "u-1", "u+1", "r-1", "n", "n+1", "n+1000", "u-70000", "u-2", "i", "u+50")
#: Beyond what the peer has sent only a window counts that is large: what the peer says later, and below, says
#: nothing of the window any more (RFC 9293 §3.10.7.4 fifth, SND.WL1).
BEYOND, LARGE = ("p+10", "n+20", "e-1", "e-5"), ("", "", "%300", "%2000", "%64000")
#: How much of a segment there is old. Text that begins there reaches no further once the peer has sent its FIN:
#: none can come behind it. Where SYN or RST reach into the window with text is left open.
OLD = {"n-1": 1, "n-2": 2, "n-5": 5, "i": 1, "n-70000": 70_000}
#: What text and FIN acknowledge: stacks may refuse older numbers by a bound of their own (RFC 5961 §5.2).
NEW = ("r", "r", "u", "u", "n", "u+1", "u+50", "n+1", "n+1000")
#: Of a SYN while SYNs cross: there the peer has no other number.
FIRST = ("i", "i", "p")
WINDOW = ("", "", "", "%0", "%1", "%2", "%10", "%40", "%300", "%2000", "%64000")
OCTETS = ("", "", "", "/1", "/5", "/10", "/11", "/20", "/1400")
STAMPED = ("", "", "", "", "~t-100", "~t+0", "~t-20", "~t+100", "~b", "~f")
#: Where no time passes real stacks play, too: they get no more than the segments of random walks, in each context.
PLAIN = tuple(word for _weight, word in (*ORDERLY, *ODD, *FATAL[:2]))
#: Those that must change nothing in a synchronized state, whatever is pending (RFC 9293 §3.10.7.4 first to fifth). What
#: lies beyond the window is far: as long as only a SYN has told it, it may be larger by its scale.
QUIET = (
    *("R@n-1", "R@e+1", "R@n+10", "RA@n+10,n", "RA@n-1,n", "R@e-1", "R@n+10/5", "RA@e+1,u", "R@n+1", "RA@n+1,u-1"),
    *("A@n,n+1000", "A@n,n+1", "FA@n,n+1", "A@n,n+1/10", "A@n,u-70000", "A@n,u-1000000", "FA@n,n+1000/5"),
    *("A@n-1,n", "A@n-4,n/4", "A@n-70000,n", "A@n-70000,u/10", "FA@n-70000,n", "A@n-1,u-1", "UA@n-4,n/4"),
    *("A@n+1073741824,n/4", "FA@n+1073741824,n", "FA@n+1073741824,n/4", "A@n+1073741824,n", "A@n+1073741824,u%0"),
    *("F@n", "-@n", "-@n/10", "F@n/5", "-@e+5", "U@n/5", "P@n/10"),
)
#: Likewise while it is set up or where it is about to end, by state.
QUIET_IN = {
    "SS": ("A@i+5,n+10", "R@i", "RA@i,n+10", "F@i", "-@i", "SA@i,n+10", "A@i,i", "RA@i,i", "R@i/5", "A@i,u/10"),
    "SR": ("A@p,n+5", "R@e+5", "A@p,i", "A@p,n+5/10", "FA@p,n+5", "-@n", "F@n", "A@n+1073741824,n"),
    "CR": ("A@p,n+5", "R@e+5", "A@p,i", "A@p,n+5/10", "FA@p,n+5", "-@n", "F@n", "A@n+1073741824,n"),
    "E": ("S@n+10", "S@i", "SA@i,n", "SA@n+10,n", "S@e+10"),
    "Q": ("S@n+10", "S@i", "SA@i,n"),
    "F2": ("S@n+10", "SA@i,n"),
    "CW": ("S@n+10", "S@i", "SA@i,n"),
    "QC": ("S@n+10", "S@i", "SA@i,n"),
}
#: With text under way or a shut window: acknowledgments of nothing new, with any window, and text of the peer, restart
#: no timer (RFC 6298 §5.3).
UNDER_WAY = ("A@n,u", "A@n,u-1", "A@n,u%300", "A@n,u%2000", "A@n,u%40000", "A@n,u-1%0", "A@n,u%64000")
#: How far apart they come, in milliseconds: on no step of a back-off.
PACES = (130, 730, 950, 1170, 4570, 9130)

# --- what else may come ----------------------------------------------------------------------------------------------

CALLS = (
    *("send:100", "send:1", "send:3000", "recv:100", "recv:4", "peek:4", "shutdown", "close", "poll", "edges", "error"),
    *("shut-rd", "begin-recv:100", "urgent:10", "unlisten", "listen", "accept", "abort", "keep-alive:9", "poll edges"),
)
MOMENTS = (
    "wait:130",
    "wait:730",
    "wait:2300",
    "wait:20000",
    "await",
    "await",
    "lose:1",
    "lose:2",
    "again",
    "wait:100000",
)
ERRORS = ("soft@u", "soft@n", "hard@u-1", "hard@n+1000", "quench@u", "hard@u")
#: What comes of the neighbour at number 90, and of others; T as above.
BESIDE = (
    *(
        "90:R@p",
        "90:FA@p,r",
        "90:A@p,r/10",
        "90:A@p,r",
        "90:S@n+10",
        "90:A@n,n+1000",
        "90:send:10",
        "90:close",
        "90:recv:9",
    ),
    *(
        "90:soft@u",
        "90:hard@u",
        "90:abort",
        "90:RA@p,r",
        "90:again",
        "90:A@n-1,n",
        "accept",
        "90:shutdown",
        "90:A@p,u%0",
    ),
    *("91{T}:S@i", "91{T}:S@i 91:A@p,r", "91{T}:S@i 91:R@p", "91{T}:A@p,n+5", "91{T}:S@i 91:A@p,r accept 91:R@p"),
    *("91{T}:S@i 91:A@p,r accept 91:close 91:FA@p,r", "91{T}:S@i 91:A@p,r/10 accept 91:recv:9"),
    "repeat:12 *{same-port}:S@i *:A@p,r accept *:R@p end",
    "repeat:5 *{same-port}:S@i *:A@p,r accept *:FA@p,r *:close *:A@p,r end",
)
#: How often an event happens that leaves all as it is.
TIMES = (*(1,) * 9, 3, 12)
#: What the application asks behind each event.
ASKED = ("", "", "", "edges", "poll", "poll edges error")
#: What is looked at behind it all: ordinary things, which a connection that is whole does.
WORK = (
    Row("none"),
    Row("both", "send:300 wait:4000 A@p,r A@p,r/10 recv:100", "E"),
    Row("out", "send:3000 A@p,r wait:700 A@p,r", "E CW"),
    Row("in", "A@p,r/10 recv:4 recv:100 A@p,r/1 recv:9", "E F1 F2"),
    Row("lost", "lose:1 send:100 recover A@p,r", "E CW"),
    Row("lost-twice", "lose:2 send:100 wait:9000 A@p,r recover A@p,r", "E CW"),
    Row("asked", "poll error edges send:1 A@p,r recv:1 poll"),
    Row("in-and-out", "A@p,r/1 recv:1 send:1 A@p,r/1 recv:1 send:1 A@p,r", "E"),
)
#: How time passes: in silence, or with a peer that answers, acknowledges, talks, or keeps its window shut meanwhile.
SILENCE = (
    Row("none"),
    *(Row(f"{each}-ms", f"wait:{each}") for each in (1170, 12_000, 40_000, 200_000, 700_000)),
    Row("acknowledging-nothing", "await A@p,u " * 8),
    Row("acknowledging", "await A@p,r " * 6),
    Row("keeping-shut", "wait:5000 A@p,u%0 " * 12),
    Row("kept-shut-for-long", "A@p,u%0 wait:40000 " * 12),
    Row("talking", "wait:9130 A@p,u/1 " * 9, "E F1 F2 Q"),
    Row("acknowledging-bit-by-bit", "wait:700 A@p,u+1 " * 9),
    Row("asking", "wait:9130 poll edges error " * 4),
    Row("sending", "wait:9130 send:1 " * 9, "E CW"),
    Row("reading", "wait:9130 A@p,u/3 recv:2 " * 6, "E F1 F2"),
)
ENDS = (
    *(Row("none"),) * 2,
    Row("peer", "FA@p,r recv:100 close A@p,r"),
    Row("target", "close A@p,r FA@p,r"),
    Row("crossing", "shutdown FA@p,u A@p,r recv:100"),
    Row("lost", "lose:1 shutdown recover A@p,r FA@p,r"),
    Row("last-lost", "FA@p,r lose:2 send:10 close recover A@p,r"),
    Row("fin-again", "shutdown A@p,r lose:1 FA@p,r again again"),
    Row("reset", "R@p recv:9 recv:9"),
    Row("reset-and-ack", "RA@p,r error poll"),
    Row("aborted", "abort"),
)
#: Behind it nothing is left, accepted or not.
ANEW = "R@p R@n accept accept abort close fresh"
#: And the next connection on the pair; `wait` is a silence in which the deadlines of the last one pass.
NEXT = (
    *(Row("none"),) * 3,
    Row("passive", f"{ANEW} listen S@i A@p,r accept send:100 A@p,r wait:200000"),
    Row("passive-small", f"{ANEW} listen S@i~m0 A@p,r%20 accept send:100 wait:4000 A@p,r"),
    Row(
        "passive-lost",
        f"{ANEW} listen lose:2 S@i wait:9000 A@p,r accept lose:1 send:10 wait:3000 A@p,r",
    ),
    Row(
        "passive-scaled",
        f"{ANEW} listen S@i~s.w7.t+0 A@p,r/10 accept recv:100 A@p,r%2 send:200 wait:4000",
    ),
    Row("active", f"{ANEW} unlisten connect SA@i,r send:100 A@p,r wait:200000"),
    Row("active-lost", f"{ANEW} unlisten lose:2 connect wait:9000 SA@i,r%20 send:100 wait:4000"),
    Row("refused", f"{ANEW} unlisten connect RA@i,r error"),
    Row("passive-at-once", f"{ANEW} listen S@i A@p,r accept A@p,r/10 recv:100 send:100 A@p,r"),
    Row("active-at-once", f"{ANEW} unlisten connect SA@i,r A@p,r/10 recv:100 send:100 A@p,r"),
    Row("unaccepted", f"{ANEW} listen S@i A@p,r A@p,r/10 accept recv:100 close A@p,r FA@p,r"),
)
#: Timers to watch where nothing more is done, in milliseconds, and in TIME-WAIT, to end in its midst or behind it.
WATCHED = (12_000, 60_000, 200_000)
WATCHED_TIME_WAIT = (25_000, 50_000, 100_000, 200_000)
