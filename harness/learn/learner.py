"""From a target to a machine: L# of AALpy, or its adaptive form where an older machine is at hand."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness import __version__
from harness.cache import source_digest
from harness.case.rig import Rig
from harness.learn.alphabet import Alphabet, BadAlphabet
from harness.learn.limit import Cut, Limit
from harness.learn.machine import UNASKED, Machine
from harness.learn.oracle import Effort, Tests
from harness.learn.search import searched
from harness.learn.subject import Subject, in_virtual_time
from harness.learn.system import StaleAnswers, System
from harness.learn.tree import Tree, place
from harness.targets.protocol import Capability, UnusableTarget
from harness.targets.registry import Settings, TargetSpec, open_target

#: Where the code lies that an answer depends on, besides the target.
_SOURCES = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to learn. `states` None: visible where the target shows them. `kept`: answers are kept on disk."""

    spec: TargetSpec
    alphabet: Alphabet
    ip: int = 4
    states: bool | None = None
    effort: Effort = field(default_factory=Effort)
    settings: Settings = field(default_factory=Settings)
    kept: bool = True


@dataclass(slots=True)
class Figures:
    """What it took. Queries and steps are those that the target was asked; seconds are of this run."""

    queries: int = 0
    steps: int = 0
    rounds: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    settled: int = 0
    disturbed: int = 0
    from_disk: int = 0
    restarted: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass(slots=True)
class Learned:
    """A machine, what the last tests prove, and what it took."""

    machine: Machine
    stopped: dict[str, Any]
    figures: Figures


@contextmanager
def started(plan: Plan) -> Iterator[Subject]:
    """Start the target and end it; raises UnusableTarget and BadAlphabet where the two do not fit."""
    timed = bool(plan.alphabet.times)

    def rig() -> Rig:
        target = open_target(plan.spec, plan.settings, timers=timed)
        return Rig(target, guarded=Capability.VIRTUAL_TIME not in target.capabilities)

    opened = rig()
    try:
        capabilities = opened.target.capabilities
        shows = Capability.STATES in capabilities
        if plan.states and not shows:
            raise UnusableTarget(f"{plan.spec.text} does not show its states", "leave --states out")
        if plan.ip == 6 and Capability.IPV6 not in capabilities:
            raise UnusableTarget(f"{plan.spec.text} has no IPv6", "leave --ip out")
        if timed and not in_virtual_time(opened):
            letters = " and ".join(plan.alphabet.times)
            raise BadAlphabet(
                f"{letters}: on {plan.spec.text} time is real; minutes pass at once on kernel:, reference and adapters"
            )
        ready = [opened]
        states = shows if plan.states is None else plan.states
        subject = Subject(lambda: ready.pop() if ready else rig(), plan.ip, plan.alphabet, states=states)
    except BaseException:
        opened.close()
        raise
    try:
        yield subject
    finally:
        subject.close()


def learn(
    subject: Subject,
    plan: Plan,
    tell: Callable[[str], None],
    reference: Machine | None = None,
    limit: Limit | None = None,
) -> tuple[Learned, System]:
    """Learn the machine of a target that has been started; with a `reference` in the hope that it is still that.

    A `limit` is given where others have to look at it, too; else it is that of the plan. What was asked is kept on disk
    however it ends. Raises Nondeterminism, Unjudgeable.
    """
    limit = limit or Limit(plan.effort.seconds, plan.effort.states)
    for _attempt in range(2):
        tree = _tree(subject, plan)
        if tree.taken:
            tell("another run keeps these answers: this one asks for itself, and keeps none")
        if tree.loaded:
            tell(f"going on with {tree.loaded:,} queries of an earlier run")
        system = System(subject, tree, limit)
        try:
            found = _learned(system, plan, tell, reference)
            _again(system, found.machine)
            return found, system
        except StaleAnswers:
            tell("the target answers otherwise than in the earlier run: beginning anew")
            tree.forget()
        finally:
            tree.close()
    raise AssertionError("an empty tree can't be stale")


def transitions(machine: Machine) -> list[tuple[int, ...]]:
    """Return a shortest word for each transition that was asked, without those that are the beginning of another."""
    words = [
        (*machine.access[state], letter) for state, letter, answer, _after in machine.transitions if answer != UNASKED
    ]
    beginnings = {word[:-1] for word in words}
    return [word for word in words if word not in beginnings]


def _learned(system: System, plan: Plan, tell: Callable[[str], None], reference: Machine | None) -> Learned:
    wall, cpu = time.monotonic(), time.process_time()
    tests = Tests(system, plan.effort, tell)
    found = searched(system, tests, tell, reference)
    subject = system.subject
    figures = Figures(
        subject.queries,
        subject.steps,
        tests.rounds,
        time.process_time() - cpu,
        time.monotonic() - wall,
        system.settled,
        system.disturbed,
        system.tree.loaded,
        system.restarted,
    )
    return Learned(found.machine, found.stopped, figures)


def _again(system: System, machine: Machine) -> None:
    """Ask each transition once more, as long as there is time; raises Nondeterminism."""
    try:
        with system.limit.held(judging=True):
            for word in transitions(machine):
                system.fresh(word)
    except Cut as cut:
        system.subject.doubted = not cut.clean


def _tree(subject: Subject, plan: Plan) -> Tree:
    facts = subject.rig.target.facts
    made_from = {
        "target": plan.spec.text,
        "implementation": f"{facts.implementation} {facts.version}",
        "settings": facts.sysctls,
        "ip": plan.ip,
        "setup": [str(step) for step in plan.alphabet.setup],
        "states": subject.states,
        "code": f"{__version__} {source_digest(_SOURCES)}",
    }
    return Tree(plan.alphabet.texts, place(_key(plan, made_from)) if plan.kept else None, made_from)


def _key(plan: Plan, made_from: dict[str, Any]) -> str:
    digest = sha256(repr(sorted(made_from.items())).encode()).hexdigest()[:16]
    return f"{plan.alphabet.role}-{plan.alphabet.digest}-{digest}"
