"""Loss × state: each segment that the target sends is lost once, and once twice in a row; what was lost comes again."""

from collections.abc import Iterator

from harness.explore.kinds import bases
from harness.explore.plan import Move, Plan, Special
from harness.explore.run import Generated
from harness.fuzz.steps import Call, Probe

#: How many segments are lost: one; a pair, or one and its repetition; more, so that repetitions add up.
DEPTHS = (1, 2, 4)
#: Calls that make a target send nothing.
_MUTE = frozenset({"listen", "accept", "recv", "unlisten"})


def generate() -> Iterator[Generated]:
    """Yield each base with a loss at each of its moves, and with one at each move of all."""
    for name, plan in bases.whole().items():
        for at, move in enumerate(plan):
            if isinstance(move.step, Call) and move.step.name in _MUTE:
                continue
            for depth in DEPTHS:
                yield Generated("loss", f"{name}.{at + 1}x{depth}", losing(plan, at, depth), slow=True)
        yield Generated("loss", f"{name}.all", _losing_all(plan), slow=True)


def losing(plan: Plan, at: int, depth: int) -> Plan:
    """Return the plan with what the target sends because of one move lost, and made good before the next one."""
    link = plan[at].link
    lose, recover = Move(Special("lose", depth), link), Move(Special("recover"), link)
    return (*plan[:at], lose, plan[at], recover, *plan[at + 1 :])


def _losing_all(plan: Plan) -> Plan:
    found: list[Move] = []
    for move in plan:
        speaks = isinstance(move.step, Probe) or (isinstance(move.step, Call) and move.step.name not in _MUTE)
        if speaks:
            found += [Move(Special("lose", 1), move.link), move, Move(Special("recover"), move.link)]
        else:
            found.append(move)
    return tuple(found)
