"""Operations on plans: what a conversation is made of happens again, beside or behind itself, or in another order.

None of them has a notion of what may follow on what: a judge follows any conversation. What a connection is like stands
with its first word again, whichever that is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from harness.explore.plan import EACH, Move, Plan, Special, moves
from harness.fuzz.steps import USUAL_WINDOW, Call, Probe
from harness.spec.segment import SYN

#: What connections are like, by their number.
Likes = Mapping[int, tuple[str, ...]]
#: Words about a listener, of which all connections at its port have one, and about nobody: they are not copied.
_OF_ALL = frozenset({"listen", "unlisten", "poll-listener", "wait", "clock", "mark", "repeat", "end"})
#: Those of a listener, of which each IP version has one of its own.
_OF_LISTENER = frozenset({"listen", "unlisten", "poll-listener"})
#: A second connection that the target opens needs a port of its own.
SAME_PORT = "same-port"
#: The same two ports, of the other IP version.
OTHER_IP = (SAME_PORT, "peer", "other-ip")


def name_of(move: Move) -> str:
    """Return the name of a call or a special word, "" of a segment."""
    return "" if isinstance(move.step, Probe) else move.step.name


def undressed(plan: Plan) -> tuple[Plan, Likes]:
    """Return the plan without what its connections are like, and that."""
    return tuple(replace(move, like=()) for move in plan), {move.link: move.like for move in plan if move.like}


def dressed(plan: Iterable[Move], likes: Likes) -> Plan:
    """Return the plan in which each connection is like that from its first word on."""
    left = dict(likes)
    return tuple(replace(move, like=left.pop(move.link, ())) for move in plan)


def is_alone(plan: Plan) -> bool:
    """Tell whether a plan is about its first connection only, and has no rounds."""
    return all(move.link == 1 and name_of(move) not in ("repeat", "mark") for move in plan)


def side_by_side(plan: Plan, likes: Sequence[Iterable[str]], lag: int, *, other_ip: bool = False) -> Plan:
    """Return the plan of one connection played by several, each `lag` words behind the one before.

    `likes` says for each further one what it is like besides; with `other_ip` it has the first one's two ports, on the
    other IP version.
    """
    words, (count, own) = undressed(plan)[0], (len(likes) + 1, undressed(plan)[1].get(1, ()))
    active = name_of(words[0]) == "connect"
    shared = OTHER_IP if other_ip else () if active else (SAME_PORT,)
    own_words = _OF_ALL - _OF_LISTENER if other_ip else _OF_ALL
    kept = tuple(each for each in own if each.partition("=")[0] != "offer")
    dresses = {1: own} | {
        number: (*shared, *({*kept} - {"address", *shared}), *more) for number, more in enumerate(likes, 2)
    }
    merged = []
    for at in range(len(words) + lag * (count - 1)):
        for number in range(1, count + 1):
            there = at - lag * (number - 1)
            if 0 <= there < len(words) and (number == 1 or active or name_of(words[there]) not in own_words):
                merged.append(replace(words[there], link=number))
    return dressed(merged, dresses)


def behind(first: Plan, between: str, then: Plan) -> Plan:
    """Return a plan in which the second is played on the first connection's pair, behind the first and some words."""
    (words, likes), (following, later) = undressed(first), undressed(then)
    above = max(move.link for move in first)
    moved = [replace(move, link=_above(move.link, above)) for move in following]
    others = {_above(number, above): like for number, like in later.items() if number != 1}
    return dressed(chain(words, moves(between), moved), {**others, **likes})


def _above(number: int, highest: int) -> int:
    return number if number in (1, EACH) else number + highest


def again(plan: Plan, begin: int, end: int, times: int, pause: int = 0, later: int = 0) -> Plan:
    """Return the plan with the words from `begin` to `end` `times` times, in milliseconds of `pause` between.

    `later`: they come again so many words behind themselves.
    """
    words, likes = undressed(plan)
    part = words[begin:end]
    more = ((Move(Special("wait", pause)), *part) if pause else part) * (times - 1)
    at = min(len(words), end + later)
    return dressed((*words[:at], *more, *words[at:]), likes)


def moved(plan: Plan, at: int, to: int) -> Plan:
    """Return the plan with one word at another place."""
    words, likes = undressed(plan)
    rest = words[:at] + words[at + 1 :]
    return dressed((*rest[:to], words[at], *rest[to:]), likes)


def inserted(plan: Plan, at: int, text: str) -> Plan:
    """Return the plan with more words in front of the word at a place."""
    words, likes = undressed(plan)
    more, others = undressed(moves(text))
    return dressed((*words[:at], *more, *words[at:]), {**others, **likes})


def each(plan: Plan, change: Callable[[Probe], Probe]) -> Plan:
    """Return the plan with each segment of the first connection changed."""
    return tuple(
        replace(move, step=change(move.step)) if move.link == 1 and isinstance(move.step, Probe) else move
        for move in plan
    )


def windowed(window: int) -> Callable[[Probe], Probe]:
    """Return what gives a segment that names no window this one."""
    return lambda probe: replace(probe, window=window) if probe.window == USUAL_WINDOW else probe


def offering(options: tuple[str, ...]) -> Callable[[Probe], Probe]:
    """Return what gives a SYN without options these."""
    return lambda probe: replace(probe, options=options) if probe.flags & SYN and not probe.options else probe


def backlogged(plan: Plan, backlog: int) -> Plan:
    """Return the plan with a backlog for listeners that have the usual one."""
    return tuple(replace(move, step=Call("listen", backlog)) if move.step == Call("listen") else move for move in plan)


def calls(plan: Plan) -> list[int]:
    """Return the places of the application's calls and of what is lost."""
    return [at for at, move in enumerate(plan) if isinstance(move.step, Call) or name_of(move) == "lose"]
