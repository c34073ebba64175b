"""One case played on the reference stack, or on one with a defect: in process, in virtual time, on a fresh target.

Each case gets a target of its own, so that what it shows depends on nothing but the case and the defect.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import CaseRun, Outcome, capture, died
from harness.case.selection import Case
from harness.case.target_side import TargetSide
from harness.case.timer_batch import TimerCase, run_together
from harness.case.verdict import Judgement, Verdict, judge
from harness.case.violation import Level
from harness.expectations import deviations
from harness.expectations.deviations import Deviation
from harness.explore.playing import perform as perform_generated
from harness.explore.run import Generated
from harness.grid.session import AnyCell, GridSession
from harness.mutate.tape import RecordedTarget, Tape
from harness.stack import Stack
from harness.stack.variants import Variant
from harness.targets.protocol import Target, TargetDied
from harness.targets.reference.target import BEGINNING_NS, ReferenceTarget

#: What a case may take of a processor, in seconds; the slowest takes a tenth of one. A busy machine takes longer on the
#: clock on the wall, which ends nothing but what sleeps: so many times as long.
CPU_S, BUSY = 20.0, 20
#: And in virtual time, beyond twice what a timer case says that it takes.
VIRTUAL_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Script:
    """A case and what it does: its body, its cell of the grid, or both for the cell of a timer; or a conversation."""

    case: Case
    body: Callable[[TargetSide, PeerSide], Any] | None = None
    cell: AnyCell | None = None
    generated: Generated | None = None

    @property
    def name(self) -> str:
        """The id of the case."""
        return self.case.case_id

    @property
    def ip(self) -> int:
        """The IP version that it is played on."""
        return self.case.binding.version

    @property
    def function(self) -> str:
        """The id without the row; for a cell of the grid that of its place, for a conversation that of its kind."""
        if self.generated is not None:
            return f"explore/{self.generated.kind}"
        return "/".join(self.name.split("/")[:2]) if self.cell is not None else self.name.partition("[")[0]


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of a case: the verdict, and the code, level and text of the finding that decides it."""

    verdict: Verdict
    code: str = ""
    level: str = ""
    text: str = ""


class TooLong(BaseException):
    """A case does not come to its end; no `except Exception` on the way may take it for something else."""


def play(
    script: Script, stack_class: type[Stack] = Stack, *, variant: Variant | None = None, cpu_s: float = CPU_S
) -> Shown:
    """Run a case on a fresh stack and judge it; whatever is no verdict about the stack is a harness error.

    The stack is that of a `variant`, or another `stack_class`.
    """
    timed = script.case.meta.timer_s is not None
    target = ReferenceTarget(timers=timed, stack_class=stack_class) if variant is None else _varied(variant, timed)
    return _play_on(target, script, cpu_s)


def record(script: Script, *, cpu_s: float = CPU_S) -> tuple[Shown, bytes]:
    """Run a case on the sound stack, as `play` does, and return what it was asked and has answered, too."""
    target = RecordedTarget(timers=script.case.meta.timer_s is not None)
    shown = _play_on(target, script, cpu_s)
    return shown, target.tape.packed()


def shows_a_difference(script: Script, tape: bytes, stack_class: type[Stack], *, cpu_s: float = CPU_S) -> bool:
    """Tell whether another stack answers otherwise than the one of a tape of this case; if not, it gets its verdict."""
    target = ReferenceTarget(timers=script.case.meta.timer_s is not None, stack_class=stack_class)
    try:
        with limited_to(cpu_s):
            return not Tape.unpacked(tape).fits(target)
    except TooLong:
        return True


def _play_on(target: ReferenceTarget, script: Script, cpu_s: float) -> Shown:
    if reason := _not_applicable(script, target):
        return Shown(Verdict.NOT_APPLICABLE, text=reason)
    rig = Rig(target, guarded=False)
    try:
        with limited_to(cpu_s):
            outcome = _perform(script, rig)
            rig.sweep()
            if isinstance(rig.fallen, TargetDied) and outcome.conversation is not None:
                outcome = died(outcome.conversation, rig.fallen)
    except TooLong:
        return Shown(Verdict.HARNESS_ERROR, text=f"{TOO_LONG} {cpu_s:g} s")
    except Exception as error:
        return Shown(Verdict.HARNESS_ERROR, text=f"{type(error).__name__}: {error}{_place(error)}")
    if script.generated is not None:  # some let weeks pass: their plans bound them
        return _shown(judge(outcome, ()))
    limit_s = VIRTUAL_S + 2 * (script.case.meta.timer_s or 0)
    if target.clock.now_ns() - BEGINNING_NS > limit_s * 1e9:
        return Shown(Verdict.HARNESS_ERROR, text=f"{TOO_LONG} {limit_s:g} s of virtual time")
    return _shown(judge(outcome, _declared(script, target)))


TOO_LONG = "it did not end within"


def _varied(variant: Variant, timed: bool) -> ReferenceTarget:
    return ReferenceTarget(timers=timed, stack_class=variant.stack_class, config=variant.config, lacks=variant.lacks)


def _not_applicable(script: Script, target: ReferenceTarget) -> str:
    if missing := script.case.missing(target.capabilities):
        return missing
    if script.generated is not None and (lacking := script.generated.needs - target.capabilities):
        return f"needs {', '.join(sorted(lacking))}"
    return GridSession().not_applicable(target, script.cell) if script.cell is not None else ""


def _perform(script: Script, rig: Rig) -> Outcome:
    case, body = script.case, script.body
    if script.generated is not None:
        return perform_generated(rig, script.generated, script.ip, evidence=False)[1]
    if body is None:
        assert script.cell is not None
        run = GridSession().start(rig, script.cell, script.ip)
        return capture(run.conversation, lambda: _in_turn(run.prepare, run.perform), evidence=False)
    conversation = rig.begin(script.ip, name=script.name, cites=tuple(case.meta.cites))
    declared = _declared(script, rig.target)
    walked = CaseRun(conversation, case.binding.route, asks_rules=True, declared=lambda: declared)
    if case.meta.timer_s is not None:
        timed = TimerCase(walked, body)
        run_together(rig, [timed])
        return capture(conversation, lambda: _raise(timed.error), evidence=False)

    def perform() -> None:
        walked.perform(lambda: body(walked.target, walked.peer))

    return capture(conversation, lambda: _in_turn(walked.prepare, perform), evidence=False)


def _in_turn(*actions: Callable[[], None]) -> None:
    for action in actions:
        action()


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error


def _declared(script: Script, target: Target) -> list[Deviation]:
    found = [entry for entry in _bundled() if entry.covers(script.name, script.ip, target.facts.version)]
    return found + (GridSession().declared(target, script.cell, script.ip) if script.cell is not None else [])


@lru_cache(maxsize=1)
def _bundled() -> tuple[Deviation, ...]:
    return deviations.bundled("reference")


def _shown(judgement: Judgement) -> Shown:
    finding = judgement.finding
    if finding is None:
        return Shown(judgement.verdict, text=judgement.reason)
    level = Level.MUST if judgement.verdict is Verdict.VIOLATES else finding.level
    return Shown(judgement.verdict, str(finding.code), str(level), judgement.reason)


def _place(error: BaseException) -> str:
    """Return where an exception comes from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    code = trace.tb_frame.f_code
    return f" ({'/'.join(code.co_filename.split('/')[-2:])}:{trace.tb_lineno}, {code.co_qualname})"


@contextlib.contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """Raise TooLong after `seconds` of a processor (see BUSY), and again and again where something swallows it."""

    def ring(_number: int, _frame: object) -> None:
        raise TooLong

    before = [(number, signal.signal(number, ring)) for number in (signal.SIGALRM, signal.SIGPROF)]
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    signal.setitimer(signal.ITIMER_REAL, BUSY * seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before:
            signal.signal(number, handler)
