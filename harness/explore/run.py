"""One generated conversation on one rig: the plan, then the epilogue; where it has a twin, both, and their times."""

from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

from harness.case.conversation import Conversation
from harness.case.policies import policies_in_force
from harness.case.rig import Rig
from harness.case.throttling import longest_s
from harness.case.timers import COARSENESS, Wait, Waits
from harness.case.violation import Code, Violation
from harness.explore import twins
from harness.explore.alone import play
from harness.explore.epilogue import epilogue
from harness.explore.plan import Plan, ip_of, moves
from harness.explore.talk import Talk
from harness.spec.history.world import Traits
from harness.spec.states import TIME_WAIT
from harness.targets.protocol import Capability, Target, UnusableTarget

#: So long a conversation may wait in real time in which no minutes pass, in seconds: none has to wait at all.
PATIENCE_S = 1.0
#: The name that all conversations have: the peer's ISS comes of it, and a plan that is played again has the same.
NAME = "explore"
#: What a fresh connection has to send again: a SYN, a SYN,ACK, text, and a probe of a shut window; and for how many
#: seconds that is waited for.
FRESH = ("connect", "listen S@i", "connect SA@i,r send:100", "connect SA@i,r%0 send:100")
LONGEST_FIRST_S = 130.0


@dataclass(frozen=True, slots=True)
class Generated:
    """A conversation that a generator has made. `name` is stable: kind, what it is made of, and a number.

    `twin` is the same conversation without what must change nothing: the target's timers go as in it.
    `slow`: minutes pass in it, or a thousand connections, so that it is for virtual time only.
    `needs` are capabilities. `strung`: many things happen in it, one behind the other, so that it comes early.
    """

    kind: str
    name: str
    plan: Plan
    twin: Plan | None = None
    slow: bool = False
    needs: frozenset[Capability] = frozenset()
    strung: bool = field(default=False, compare=False)

    @property
    def id(self) -> str:
        """The name under which it is reported."""
        return f"explore/{self.kind}/{self.name}"


@dataclass(slots=True)
class Outcome:
    """What came of it. `lost`: there were too many histories to follow, so that nothing more was judged."""

    generated: Generated
    talk: Talk
    violation: Violation | None = None
    #: It was broken off: it came to wait for longer than it may in real time.
    cut: bool = False

    @property
    def conversation(self) -> Conversation:
        """Its events and findings."""
        return self.talk.conversation

    @property
    def lost(self) -> bool:
        """Tell whether one of the histories was given up."""
        return not self.conversation.findings and any(link.history.lost for link in self.talk.all_links.values())


def in_virtual_time(target: Target) -> bool:
    """Tell whether minutes cost nothing."""
    return Capability.VIRTUAL_TIME in target.capabilities


#: So many twins are asked before a difference counts; in virtual time each begins so much later in a tick of 500 ms.
TWINS, TWINS_APART_S = 4, 0.125
#: What has been measured of targets in virtual time, so that it is done once.
_MEASURED: WeakKeyDictionary[Rig, Traits] = WeakKeyDictionary()
#: TIME-WAIT is looked at so often at first, then in steps of that part of what has passed, and for so long, in seconds.
LOOK_S, LOOK_PART, LONGEST_TIME_WAIT_S = 0.5, 1 / 16, 270.0


def traits_of(rig: Rig) -> Traits:
    """Return what is known of a target's own choices, where the RFCs leave one; in virtual time 2 MSL is measured."""
    known = _MEASURED.get(rig)
    if known is None:
        limit_s, shared = longest_s(rig.target), rig.target.facts.throttles_host
        known = _MEASURED[rig] = Traits(throttle_s=limit_s, throttles_host=shared)
        if not in_virtual_time(rig.target):
            return known
        if two_msl_s := _time_wait_s(rig):
            # From below only: an adapter may have to move its clock forward so that nothing is throttled.
            bounds = (two_msl_s * (1 - COARSENESS) - 1, known.two_msl_s[1])
            known = replace(known, two_msl_s=bounds)
        known = _MEASURED[rig] = replace(known, first_s=_first_s(rig))
    return known


def _time_wait_s(rig: Rig) -> float:
    """Return how long TIME-WAIT lasts at least on a target in virtual time that shows states, 0 if it is not told."""
    if Capability.STATES not in rig.target.capabilities:
        return 0.0
    talk = _talk(rig, moves("connect SA@i,r shutdown A@p,r FA@p,r"), 4)
    clock, found, passed = rig.target.clock, 0.0, 0.0
    if play(talk, talk.run()) is None and talk.states == (str(TIME_WAIT),):
        begin = clock.now_ns()
        while passed < LONGEST_TIME_WAIT_S and talk.link(1).state is TIME_WAIT:
            found = passed
            clock.wait(max(LOOK_S, passed * LOOK_PART))
            talk.conversation.step()
            passed = (clock.now_ns() - begin) / 1e9
    clear(rig)
    return found if passed < LONGEST_TIME_WAIT_S else 0.0


def _first_s(rig: Rig) -> float:
    """Return how long a target in virtual time waits before it repeats, at most; 0 if it is not told."""
    clock, longest = rig.target.clock, 0.0
    for plan in FRESH:
        talk = _talk(rig, moves(plan), 4)
        problem = play(talk, talk.run())
        begin, heard = clock.now_ns(), len(talk.link(1).connection.received)
        while problem is None and len(talk.link(1).connection.received) == heard:
            left_s = LONGEST_FIRST_S - (clock.now_ns() - begin) / 1e9
            if left_s <= 0:
                break
            clock.wait(left_s)
            talk.conversation.step()
        found = (clock.now_ns() - begin) / 1e9
        clear(rig)
        if problem is not None or found >= LONGEST_FIRST_S:
            return 0.0
        longest = max(longest, found)
    return longest


def play_generated(rig: Rig, generated: Generated, version: int = 4) -> Outcome:
    """Play a conversation to its end in the target's time; raises Unjudgeable."""
    outcome = begin(rig, generated, version)
    perform(outcome)
    clear(rig)
    return outcome


def begin(rig: Rig, generated: Generated, version: int = 4) -> Outcome:
    """Return the outcome of a conversation of which nothing has been played yet; raises UnusableTarget.

    `version` is the IP version where its plan asks for none.
    """
    if rig.target.facts.one_port:
        hint = "`tcpspec run` plays what a server does by itself"
        raise UnusableTarget(f"{rig.target.name}: no server does what a conversation asks for", hint)
    return Outcome(generated, _talk(rig, generated.plan, ip_of(generated.plan) or version))


def perform(outcome: Outcome) -> None:
    """Play what has begun to its end in the target's time, and its twin; raises Unjudgeable."""
    talk, generated = outcome.talk, outcome.generated
    hurry = not generated.slow and not in_virtual_time(talk.rig.target)
    outcome.violation = play(talk, _hurried(outcome) if hurry else whole(talk))
    if generated.twin is not None and outcome.violation is None:
        outcome.violation = _against_twins(talk, generated.twin)


def _against_twins(talk: Talk, plan: Plan) -> Violation | None:
    """Return what no twin does alike: where a clock ticks coarsely, each begins at another moment of its tick."""
    problem = None
    for attempt in range(TWINS):
        clear(talk.rig)
        if attempt and in_virtual_time(talk.rig.target):
            talk.rig.target.clock.wait(TWINS_APART_S)
        twin = _talk(talk.rig, plan, talk.version)
        if play(twin, whole(twin)) is not None:
            return None
        problem = twins.difference(talk, twin)
        if problem is None:
            return None
    return _late(talk, problem) if problem is not None else None


def clear(rig: Rig) -> None:
    """Let a target in virtual time forget everything; elsewhere many conversations share a sweep."""
    if in_virtual_time(rig.target):
        rig.sweep()


def whole(talk: Talk) -> Waits:
    """Return the plan and the epilogue of a talk."""
    with talk.chosen:
        yield from talk.run()
        yield from epilogue(talk, patient=in_virtual_time(talk.rig.target))
    talk.conversation.finished = True
    talk.conversation.told = len(talk.conversation.events)


def _hurried(outcome: Outcome) -> Waits:
    """Break off what waits for long: a target that misses an answer would be waited for until its timers speak."""
    clock, left_ns = outcome.talk.rig.target.clock, int(PATIENCE_S * 1e9)
    for wait in whole(outcome.talk):
        if left_ns <= 0:
            outcome.cut = True
            return
        before = clock.now_ns()
        yield Wait(min(wait.until_ns, before + left_ns), wait.connection)
        left_ns -= clock.now_ns() - before


def _talk(rig: Rig, plan: Plan, version: int) -> Talk:
    return Talk(rig, version, plan, name=NAME, policies=policies_in_force(rig.target), traits=traits_of(rig))


def _late(talk: Talk, found: twins.Difference) -> Violation | None:
    try:
        talk.conversation.fail(Code.LATE, found.due, found.seen, level=found.level, cites=found.cites)
    except Violation as violation:
        return violation
    return None
