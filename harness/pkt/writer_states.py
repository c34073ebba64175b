"""States as lines of a script: what TCP_INFO tells of an open socket, and what `ss` prints where there is none."""

import re
from collections.abc import Sequence

from harness.case.violation import Code, Finding
from harness.pkt.symbols import LINUX_STATES
from harness.pkt.writing import Side, Writing
from harness.spec import seqno
from harness.spec.states import CLOSED, LISTEN, SYN_RECEIVED, SYNCHRONIZED, TIME_WAIT, State

_BY_INFO = {state: name for name, (_number, state) in reversed(LINUX_STATES.items())}
#: Two names that `ss` has of its own; all others are the RFC's.
_BY_SS = {SYN_RECEIVED: "SYN-RECV", State.ESTABLISHED: "ESTAB"}
#: In these a socket that is open tells nothing: a kernel has none for them, or the one of the listener.
_WITHOUT_A_SOCKET = frozenset({TIME_WAIT, LISTEN, SYN_RECEIVED})
_PRINTED = "ss -tan 'sport = :8080 or dport = :8080'"
#: What `demand` writes.
_DEMANDS = re.compile(r"%\{ assert tcpi_state |`ss -tan ")
#: States in which each number from outside of the window is answered, by an acknowledgment or a reset.
_PROBED = SYNCHRONIZED | {SYN_RECEIVED, CLOSED, LISTEN}
#: How long after all else that is asked: an answer that is due once in a while only is due again. Where something is
#: not acknowledged it is before that may be repeated.
LATER_NS, SOON_NS = 1_000_000_000, 150_000_000
WINDOW = 65535
_DUE = re.compile(r"state ([A-Z0-9-]+(?: or [A-Z0-9-]+)*)")


def demand(side: Side, due: Sequence[State], seen: State | None = None) -> str | None:
    """Return a line that holds where the target is in one of the states that are due; None: no script can say that.

    `seen` is the state that it was in instead: where nothing is told of those that are due, it must not be in that.
    """
    if side.app and not side.closed and not _WITHOUT_A_SOCKET & set(due):
        names = [_BY_INFO[state] for state in due]
        shown = f"== {names[0]}" if len(names) == 1 else f"in ({', '.join(names)})"
        return f"%{{ assert tcpi_state {shown} }}%"
    if len(due) == 1 and due[0] not in (CLOSED, LISTEN):
        return f"`{_PRINTED} | grep -q {_printed(due[0])}`"
    if seen is not None and seen not in (CLOSED, LISTEN):
        return f"`{_PRINTED} | grep -c {_printed(seen)} | grep -x 0`"
    return None


def is_demand(line: str) -> bool:
    """Tell whether a line of a script is what `demand` writes."""
    return _DEMANDS.search(line) is not None


def wrong(finding: Finding | None) -> tuple[tuple[State, ...], State | None]:
    """Return the states that were due by a finding, and the one that was seen; none where it is not about states."""
    found = _DUE.fullmatch(finding.expected) if finding is not None and finding.code is Code.WRONG_STATE else None
    if finding is None or found is None:
        return (), None
    return tuple(map(State, found[1].split(" or "))), State(finding.observed) if finding.observed else None


def probe(writing: Writing) -> None:
    """Write a segment that the target must answer as its state has it, so that what came unasked before is seen."""
    for side in writing.sides.values() if not writing.several else ():
        if side.due is None or side.stamps or side.state not in _PROBED:
            continue
        there = f"{side.next}:{side.next}(0)"
        over = side.state in (CLOSED, LISTEN)
        later_ns = LATER_NS if over or side.acknowledged == side.next else SOON_NS
        before = (side.due - 1) & seqno.MASK
        writing.say("a number from outside of the window: whatever came before it is seen here")
        writing.add(f"< . {before}:{before}(0) ack {side.next} win {WINDOW}", (writing.before_ns or 0) + later_ns)
        writing.add(f"> R {there}" if over else f"> . {there} ack {side.due} <...>", writing.before_ns or 0)


def _printed(state: State) -> str:
    return _BY_SS.get(state, str(state))


def follow(writing: Writing, side: Side, time_ns: int) -> None:
    """Demand the state that a connection is in, where that is to be written and was not."""
    if not writing.each_state or writing.several or not side.state or not side.moved:
        return
    side.moved = False
    line = demand(side, (State(side.state),))
    if line is not None:
        writing.add(line, time_ns)
