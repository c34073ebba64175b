"""ICMP errors in every state: soft and forged ones change nothing, hard ones end what they are about."""

from collections.abc import Iterator

from harness.explore.kinds import bases
from harness.explore.kinds.needs import needs_of
from harness.explore.notation import generated_from
from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: Errors that change nothing: soft, of a kind that is ignored, or about what is not under way.
HARMLESS = ("soft@u", "soft@n", "quench@u", "hard@u-1", "hard@n+1", "hard@n+1000000")
#: Errors that should end the connection.
FATAL = ("hard@u", "hard@n")
#: What goes on behind an error when no time passes.
BEHIND = {
    "text": "A@p,r/10 recv:100 send:10 A@p,r",
    "fin": "FA@p,r recv:100 close A@p,r",
    "again": "again",
    "reset": "R@p",
    "orderly": "A@p,r FA@p,r recv:100 shutdown A@p,r recv:1 recv:1",
    "orderly-first": "shutdown A@p,r FA@p,r wait:300000 recv:100 recv:1",
}
#: How many errors come, and how long after the state was reached each of them does, in milliseconds.
TIMES = ((50,), (700, 1500), (300, 300, 300, 4000))
#: How long after one another all of them come, likewise.
PACES = (130, 730)
#: Long enough for some repetitions, and too short for anything to be given up.
REST_MS = 12_000
#: Errors that meet something else.
ODD = {
    "before-accept": "listen S@i A@p,r {0} accept A@p,r/10 recv:100 close A@p,r FA@p,r",
    "before-accept-text": "listen S@i A@p,r/10 {0} accept recv:100 send:10 A@p,r FA@p,r close A@p,r",
    "neighbour": "listen S@i A@p,r accept 2{{same-port}}:S@i 2:A@p,r accept {0} 2:A@p,r/10 2:recv:100 2:send:10",
    "neighbour-opening": "listen S@i A@p,r accept 2{{same-port}}:S@i {0} 2:A@p,r accept 2:A@p,r/10 2:recv:100",
    "twice-opening": "connect {0} {0} SA@i,r A@p,r/10 recv:100",
    "between": "listen S@i A@p,r accept send:100 {0} A@p,r send:100 {0} A@p,r FA@p,r close A@p,r",
    "unread": "listen S@i A@p,r accept A@p,r/10 {0} A@p,r/10 recv:100 close A@p,r FA@p,r",
    "gap": "listen S@i A@p,r accept A@p+10,r/10 {0} A@p,r/10 recv:100",
    "closed-listener": "listen S@i A@p,r accept unlisten {0} A@p,r/10 recv:100 close A@p,r FA@p,r",
    "lost": "listen S@i A@p,r accept lose:2 send:100 {0} recover A@p,r close A@p,r FA@p,r",
    "lost-syn": "lose:2 connect {0} recover SA@i,r send:10 A@p,r close A@p,r FA@p,r",
    "given-up": "listen S@i A@p,r accept send:100 {0} wait:4000000",
    "given-up-fin": "listen S@i A@p,r accept close {0} wait:4000000",
    "kept-alive": "listen S@i A@p,r accept keep-alive:20 {0} wait:21000 A@p,r {0} wait:21000 A@p,r",
    "shut": "listen S@i A@p,r%0 accept send:100 {0} await {0} A@p,r%0 await A@p,r",
    "shut-closed": "listen S@i A@p,r%0 accept send:100 shutdown {0} await {0} A@p,u%0 {0} A@p,r FA@p,r",
    "small-closed": "connect SA@i,r%40 send:100 close {0} A@p,r%40 {0} await FA@p,r {0} A@p,r",
    "close-wait-shut": "listen S@i A@p,r%0 accept FA@p,r%0 send:100 {0} close {0} await {0} A@p,r",
    "queued-late": "listen lose:1 S@i {0} await A@p,r {0} A@p,r/10 accept recv:100 {0} FA@p,r close A@p,r",
    "reopened": "listen S@i A@p,r accept shutdown A@p,r FA@p,r {0} fresh S@i A@p,r accept {0} A@p,r/10 recv:100",
}


def generate() -> Iterator[Generated]:
    """Yield each state with each error, and what comes next."""
    needs = frozenset({Capability.ICMP})
    for state, text in bases.STATES.items():
        if state == "listen":
            continue
        for error in (*HARMLESS, *FATAL):
            for name, after in BEHIND.items():
                if state != "syn-sent":
                    plan = moves(f"{text} {error} {after}")
                    yield Generated("icmp", f"{state}.{error}.{name}", plan, slow="wait" in after, needs=needs)
            yield Generated("icmp", f"{state}.{error}.opens", moves(f"{text} {error} SA@i,r A@p,r"), needs=needs)
        for error in HARMLESS:
            for number, times in enumerate(TIMES):
                words = " ".join(f"wait:{time} [{error}]" for time in times)
                made = generated_from(f"{text} {words} wait:{REST_MS}", f"{state}.{error}.timers-{number + 1}", "icmp")
                yield Generated("icmp", made.name, made.plan, made.twin, True, needs)
        for pace in PACES:
            words = " ".join(f"wait:{pace} [{error}]" for error in (*HARMLESS, *HARMLESS))
            made = generated_from(f"{text} {words} wait:{REST_MS}", f"{state}.all.{pace}", "icmp")
            yield Generated("icmp", made.name, made.plan, made.twin, True, needs, strung=True)
    for name, text in ODD.items():
        slow = any(word in text for word in ("wait", "recover"))
        for error in (*HARMLESS, *FATAL):
            needed = needs | needs_of(text)
            yield Generated("icmp", f"{name}.{error}", moves(text.format(error)), slow=slow, needs=needed)
