"""Conditions: ordinary conversations under a covering array of conditions, pairwise: each two meet at least once.

Every condition is harmless; what is wrong only when two of them come together shows here. The IP version is the run's.
"""

from collections.abc import Iterator
from dataclasses import replace

from allpairspy import AllPairs

from harness.explore.kinds import bases
from harness.explore.plan import Plan, moves
from harness.explore.run import Generated

#: What there is to combine; the first of each is the usual one.
FACTORS: dict[str, tuple[str, ...]] = {
    "opened": tuple(bases.OPENINGS),
    "exchange": tuple(bases.EXCHANGES),
    "closing": tuple(bases.CLOSINGS),
    "offer": ("", "s.w3.t", "t", "w7", "w0.s"),
    "iss": ("", "-1", "-2", "-12", "-1010", "2147483640"),
    "window": ("", "1000", "200", "64000"),
    "form": ("", "padded", "fragments", "ip-options", "destination-header", "ttl-1", "dscp"),
    "neighbour": ("none", "idle", "closing", "opening", "waiting"),
    "before": ("none", "closed", "reset", "refused", "many"),
    "address": ("", "address"),
    "listener": ("open", "closed"),
    "lost": ("nothing", "first", "second", "last", "all"),
    "late": ("at-once", "a-second"),
}
NEIGHBOURS = {
    "none": "",
    "idle": "90{same-port}:S@i 90:A@p,r accept",
    "closing": "90{same-port}:S@i 90:A@p,r accept 90:close 90:A@p,r",
    "opening": "90{same-port}:S@i",
    "waiting": "90{same-port}:S@i 90:A@p,r/10",
}
BEFORE = {
    "none": "",
    "closed": "listen S@i A@p,r accept send:10 A@p,r FA@p,r close A@p,r fresh",
    "reset": "listen S@i~w7.t+0 A@p,r/10 accept send:10 R@p close fresh",
    "refused": "connect RA@i,r close fresh",
    "many": "listen " + " ".join(f"S@i A@p,r accept {end} close fresh" for end in ("R@p", "FA@p,r close A@p,r") * 2),
}


def generate(ways: int = 2) -> Iterator[Generated]:
    """Yield a conversation for each row of the array: any `ways` conditions meet in one of them."""
    for number, row in enumerate(AllPairs(list(FACTORS.values()), n=ways)):
        chosen = dict(zip(FACTORS, row, strict=True))
        plan = _plan(chosen)
        slow = any(str(move.step).partition(":")[0] in ("wait", "await", "recover") for move in plan)
        name = ".".join(value for factor, value in chosen.items() if value != FACTORS[factor][0])
        yield Generated("conditions", f"{number + 1}.{name or 'usual'}", plan, slow=slow)


def _plan(chosen: dict[str, str]) -> Plan:
    active = not chosen["opened"].startswith("passive")
    before = BEFORE[chosen["before"]]
    if active and "listen" in before:
        before += " unlisten"
    neighbour = "" if active else NEIGHBOURS[chosen["neighbour"]]
    opening = bases.OPENINGS[chosen["opened"]]
    if neighbour:
        opening = opening.replace("listen", f"listen {neighbour}", 1)
    closed = "unlisten" if chosen["listener"] == "closed" and not active else ""
    words = moves(
        f"{before} {opening} {closed} {'wait:1000' if chosen['late'] == 'a-second' else ''}"
        f" {bases.EXCHANGES[chosen['exchange']]} {bases.CLOSINGS[chosen['closing']]}"
    )
    like = tuple(f"{trait}={chosen[trait]}" for trait in ("offer", "iss", "window", "form") if chosen[trait])
    like += ("address",) if chosen["address"] else ()
    return _lossy((replace(words[0], like=like), *words[1:]), chosen["lost"])


def _lossy(plan: Plan, lost: str) -> Plan:
    """Return the plan with one segment of the target lost, or each of them."""
    speaking = [at for at, move in enumerate(plan) if move.link == 1 and "@" in str(move.step)]
    if lost == "nothing" or not speaking:
        return plan
    chosen = {"first": speaking[:1], "second": speaking[1:2], "last": speaking[-1:], "all": speaking}[lost]
    for at in reversed(chosen):
        first, *rest = moves("lose:1 recover")
        plan = (*plan[:at], replace(first, like=plan[at].like), replace(plan[at], like=()), *rest, *plan[at + 1 :])
    return plan
