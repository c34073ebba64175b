"""Many: one connection after the other and side by side, ended in each way; the last one works as the first did."""

from collections.abc import Iterator

from harness.explore.kinds.needs import needs_of
from harness.explore.plan import moves
from harness.explore.run import Generated

#: How one of many lives and ends; * is its number.
LIVES = {
    "closed-by-peer": "*:S@i *:A@p,r accept *:FA@p,r *:close *:A@p,r",
    "closed-by-target": "*:S@i *:A@p,r accept *:close *:A@p,r *:FA@p,r",
    "closed-by-both": "*:S@i *:A@p,r accept *:close *:FA@p,u *:A@p,r",
    "reset": "*:S@i *:A@p,r accept *:R@p *:close",
    "reset-in-the-queue": "*:S@i *:A@p,r *:R@p accept *:close",
    "reset-opening": "*:S@i *:R@p",
    "reset-closing": "*:S@i *:A@p,r accept *:send:10 *:close *:RA@p,r",
    "aborted": "*:S@i *:A@p,r accept *:abort",
    "aborted-late": "*:S@i *:A@p,r accept *:FA@p,r *:send:10 *:abort",
    "left-open": "*:S@i *:A@p,r accept *:A@p,r/10",
    "unread": "*:S@i *:A@p,r/10 accept *:close *:FA@p,r",
    "text": "*:S@i *:A@p,r/10 accept *:recv:100 *:send:10 *:A@p,r *:FA@p,r *:close *:A@p,r",
    "gap": "*:S@i *:A@p,r accept *:A@p+10,r/10 *:R@p *:close",
}
ACTIVE = {
    "connected": "*:connect *:SA@i,r *:FA@p,r *:close *:A@p,r",
    "connected-first": "*:connect *:SA@i,r *:close *:A@p,r *:FA@p,r",
    "refused": "*:connect *:RA@i,r *:close",
    "aborted": "*:connect *:SA@i,r *:abort",
    "closed-opening": "*:connect *:close",
    "reset": "*:connect *:SA@i,r *:send:10 *:R@p *:close",
}
#: Those that only a timer ends, all at once: it is given up, or 2 MSL are over.
TIMED = {
    "given-up-opening": "*:S@i",
    "given-up": "*:S@i *:A@p,r accept *:send:10",
    "given-up-closing": "*:S@i *:A@p,r accept *:close",
    "time-wait": "*:S@i *:A@p,r accept *:close *:A@p,r *:FA@p,r",
    "given-up-connecting": "*:connect",
}
COUNTS = (3, 20, 80)
#: As many as fill a table that is not given back, one behind the other on one pair; and more of the short ones.
HUNDREDS, THOUSAND = 270, 1100
#: Words of a life that is short.
SHORT = 4
#: One listener with so small a backlog must still serve many that come one by one.
BACKLOGS = (1, 2, 128)
#: So many ports are there to choose from.
PORTS = 4


def generate(count: int = 0) -> Iterator[Generated]:
    """Yield rows of connections that end alike, rows that end in turn, and some that live side by side."""
    for many in (count,) if count else COUNTS:
        for name, life in LIVES.items():
            for backlog in BACKLOGS if many <= COUNTS[1] else BACKLOGS[-1:]:
                if name == "left-open" and many > 100:
                    continue
                yield _made(f"{name}.{many}.{backlog}", f"listen:{backlog} {_row(life, many)}")
        for name, life in ACTIVE.items():
            yield _made(f"{name}.{many}", _row(life, many, like=""))
        lives = " ".join(_row(life, 1) for life in LIVES.values())
        yield _made(f"in-turn.{many}", f"listen {lives} {_row(LIVES['text'], many)} {lives}")
        for name, life in TIMED.items():
            like = "" if "connect" in life else "same-port"
            rest = "listen:128 S@i A@p,r accept send:10 A@p,r" if like else "connect SA@i,r send:10 A@p,r"
            begun = "listen:128" if like else ""
            yield _made(f"{name}.{many}", f"{begun} {_row(life, many, like=like)} wait:4000000 {rest}", slow=True)
    if not count:
        for name, life in LIVES.items():
            if name != "left-open":
                rounds = THOUSAND if len(life.split()) <= SHORT else HUNDREDS
                yield _made(f"{name}.again.{rounds}", f"listen {_again(life, rounds)} S@i A@p,r accept send:10 A@p,r")
        for name, life in ACTIVE.items():
            rounds = THOUSAND if len(life.split()) <= SHORT else HUNDREDS
            yield _made(f"active-{name}.again.{rounds}", f"{_again(life, rounds)} connect SA@i,r send:10 A@p,r")
    yield from _side_by_side()
    yield from _ports()


def _made(name: str, text: str, *, slow: bool = False) -> Generated:
    long = slow or "await" in text or f"repeat:{THOUSAND}" in text
    return Generated("many", name, moves(text), slow=long, needs=needs_of(text))


def _row(life: str, many: int, *, like: str = "same-port") -> str:
    traits = f"*{{{like}}}:" if like else "*:"
    return f"repeat:{many} {life.replace('*:', traits, 1)} end"


def _again(life: str, rounds: int) -> str:
    """Return many on one pair, one behind the other: the pair is free for the next, or its TIME-WAIT reopened."""
    return f"repeat:{rounds} {life.replace('*:', '')} fresh end"


#: The second of two connections: on the same port of the target from another port or another peer, on the target's
#: other address, from a port that is the same modulo 256, and with the two ports exchanged.
NEIGHBOURS = {
    "same-port": "same-port",
    "peer": "peer",
    "address": "same-port,address",
    "apart-256": "apart=256",
    "apart-1024": "apart=1024",
    "address-and-peer": "peer,address",
}
ENDS = {
    "orderly": "FA@p,r 2:FA@p,r 2:close close A@p,r 2:A@p,r",
    "one-reset": "2:R@p A@p,r/10 recv:100 2:recv:1",
    "other-reset": "R@p 2:A@p,r/10 2:recv:100 recv:1",
    "one-aborted": "2:abort A@p,r/10 recv:100 send:10 A@p,r",
    "both-close": "close 2:close 2:A@p,r A@p,r FA@p,r 2:FA@p,r",
    "time-wait-beside": "2:close 2:A@p,r 2:FA@p,r A@p,r/10 recv:10 send:10 A@p,r 2:again FA@p,r close A@p,r",
    "time-wait-outlives": "2:close 2:A@p,r 2:FA@p,r FA@p,r close A@p,r 2:again wait:1000 2:again",
    "time-wait-outlives-a-reset": "2:close 2:A@p,r 2:FA@p,r R@p 2:again wait:1000 2:again",
    "one-silent": "send:10 2:send:10 await 2:A@p,r A@p,r",
    "both-silent": "send:10 2:send:10 wait:20000 2:A@p,r A@p,r send:10 2:send:10 wait:5000 2:A@p,r A@p,r",
}
#: The same two ports on both IP versions, each with a listener of its own; and what else may end there.
BOTH_IPS = "listen 2{same-port,peer,other-ip}:listen S@i 2:S@i A@p,r 2:A@p,r accept 2:accept"
ENDS_OF_BOTH = ENDS | {
    "unlistened": "unlisten A@p,r/10 2:A@p,r/10 recv:100 2:recv:100 3{same-port,other-ip}:S@i 3:A@p,r",
    "other-unlistened": "2:unlisten A@p,r/10 2:A@p,r/10 recv:100 2:recv:100 3{same-port}:S@i 3:A@p,r",
    "hard-error": "send:10 2:send:10 hard@u 2:A@p,r 2:A@p,r/10 2:recv:10",
    "other-is-in-time-wait": "2:close 2:A@p,r 2:FA@p,r FA@p,r close A@p,r fresh S@i A@p,r accept send:10",
}
#: What hangs on a listener that ends, from whose port an active OPEN has come too.
LISTENERS_ENDS = {"nothing": "", "opening": "S@i", "queued": "S@i A@p,r", "accepted": "S@i A@p,r accept"}


def _side_by_side() -> Iterator[Generated]:
    """Two or three at once that share a port or an address, their segments interleaved."""
    opened = "1{any-address}:listen S@i 2{%s}:S@i 2:A@p,r A@p,r accept accept"
    talk = "A@p,r/10 2:A@p,r/7 recv:100 2:recv:100 send:20 2:send:30 2:A@p,r A@p,r"
    for neighbour, like in NEIGHBOURS.items():
        for name, end in ENDS.items():
            yield _made(f"side-by-side.{neighbour}.{name}", f"{opened % like} {talk} {end}", slow="wait:" in end)
    for name, end in ENDS_OF_BOTH.items():
        yield _made(f"both-ips.{name}", f"{BOTH_IPS} {talk} {end}", slow="wait:" in end)
    ways = "2{turned}:listen 2:S@i 2:A@p,r listen S@i A@p,r accept 2:accept A@p,r/10 2:A@p,r/7 recv:100 2:recv:100"
    for name, end in ENDS.items():
        yield _made(f"turned.{name}", f"1{{turned}}:A@i,n {ways} {end}", slow="wait:" in end)
    both = "connect 2:connect 3:connect 2:SA@i,r SA@i,r 3:SA@i,r send:10 2:send:10 2:A@p,r A@p,r"
    yield _made("two-active", both)
    yield _made("three-repeat", "connect 2:connect 3:connect wait:8000 2:SA@i,r SA@i,r 3:SA@i,r 2:send:10", slow=True)
    yield _made("active-and-passive", "listen 2:connect S@i 2:SA@i,r A@p,r accept 2:send:5 2:A@p,r")
    for like in ("same-port", "peer"):
        beside = f"listen 2{{{like}}}:connect S@i 2:SA@i,r A@p,r accept 2:send:5 2:A@p,r A@p,r/10 recv:10 send:7 A@p,r"
        yield _made(f"one-port-both-ways.{like}", beside)
        turns = f"connect SA@i,r listen 2{{{like}}}:S@i 2:A@p,r accept send:5 A@p,r 2:A@p,r/10 2:recv:100"
        yield _made(f"one-port-both-ways.{like}.connected", turns)
        for name, life in LISTENERS_ENDS.items():
            text = f"listen 2{{{like}}}:connect 2:SA@i,r {life} unlisten 2:A@p,r/10 2:recv:100 2:send:10 2:A@p,r"
            yield _made(f"one-port-both-ways.{like}.unlisten.{name}", text)
    yield _made(
        "two-backlogs", "listen:1 3:listen:1 S@i 2{same-port}:S@i 3:S@i 3:A@p,r 3:A@p,r/10 3:accept 3:recv:10 A@p,r"
    )


#: How one of those ends that have their port from the target.
CHOSEN = {
    "refused": "RA@i,r close",
    "closed": "SA@i,r FA@p,r close A@p,r",
    "aborted": "SA@i,r abort",
    "reset": "SA@i,r R@p close",
    "time-wait": "SA@i,r close A@p,r FA@p,r",
    "fin-wait-2": "SA@i,r shutdown A@p,r",
    "fin-wait-2-closed": "SA@i,r close A@p,r",
    "open": "SA@i,r",
    "opening": "",
}


def _ports() -> Iterator[Generated]:
    """The target chooses among few ports: what is in use is not chosen, what is not comes back, an end is told."""
    for name, life in CHOSEN.items():
        words = " ".join(f"*:{word}" for word in f"connect {life}".split())
        one = words.replace("*:", "*{any-port}:", 1)
        for rounds in (PORTS - 2, PORTS + 1, 3 * PORTS):
            for other in ("refused", "closed", "open"):
                back = " ".join(f"*:{word}" for word in f"connect {CHOSEN[other]}".split())
                more = f"repeat:{PORTS} {back.replace('*:', '*{any-port}:', 1)} end"
                first = f"1{{any-port,ports={PORTS}}}:connect RA@i,r close"
                text = f"{first} repeat:{rounds} {one} end {more}"
                yield _made(f"ports.{name}.{rounds}.{other}", text)
        row = f"repeat:{PORTS} {one} end"
        text = f"1{{any-port,ports={PORTS}}}:connect SA@i,r {row} wait:300000 {row}"
        yield _made(f"ports.{name}.later", text, slow=True)
