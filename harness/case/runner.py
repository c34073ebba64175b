"""Runs one case on a rig: walk, body, replays; what comes out is an `Outcome`, not yet a verdict."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness.case.conversation import Conversation
from harness.case.other_course import OtherCourse
from harness.case.peer_side import PeerSide
from harness.case.repeats import MAX_REPLAYS
from harness.case.target_side import TargetSide
from harness.case.violation import Code, Finding, Inconclusive, Level, Replay, Unjudgeable, Violation
from harness.case.walks import Walk, walk
from harness.expectations.deviations import Deviation
from harness.targets.protocol import (
    TRIED_TWICE,
    NotOffered,
    TargetDied,
    TargetError,
    TargetGone,
    TargetHung,
    TargetStorms,
)
from harness.trace.events import Kind

#: So many lines of what a target wrote before it died are in the ladder.
KEPT_LAST_WORDS = 20


class Ending(StrEnum):
    """How the run of a case ended."""

    COMPLETED = "completed"
    VIOLATION = "violation"
    INCONCLUSIVE = "inconclusive"
    HARNESS_ERROR = "harness error"
    NOT_APPLICABLE = "not applicable"


@dataclass(slots=True)
class Outcome:
    """What came of a case. Findings may still be added by the late sweep."""

    ending: Ending
    message: str = ""
    conversation: Conversation | None = None
    evidence: list[str] = field(default_factory=list)
    #: The target itself has ended, which is a finding of this case. The next one needs another.
    died: bool = False

    @property
    def findings(self) -> list[Finding]:
        """All differences that were found, SHOULD and MUST."""
        return self.conversation.findings if self.conversation else []


class CaseRun:
    """One case on its way: `prepare` walks to the state, `perform` runs the body.

    Both replay where a timer spoke. Where the target did not answer, or ended content, they replay once, on a fresh
    one: that tells a target that hangs from a machine that is slow, and one that fails from one that has served enough.
    `alone` is whether that may be done without asking other cases.
    """

    def __init__(
        self,
        conversation: Conversation,
        route: Walk,
        *,
        asks_rules: bool = False,
        declared: Callable[[], Sequence[Deviation]] = tuple,
    ) -> None:
        self.conversation = conversation
        conversation.asks_rules = conversation.acks_by_rule = asks_rules
        conversation.declared = declared
        self.route = route
        self.alone = True
        self._hung = False
        self.target = TargetSide(conversation.main)
        self.peer = PeerSide(conversation.main)

    def prepare(self) -> None:
        """Walk to the state of the case; raises Inconclusive or Unjudgeable.

        Another course that the rules allow may lead elsewhere: there is nothing to perform then.
        """
        while True:
            try:
                walk(self.target, self.peer, self.route)
            except OtherCourse:
                self.conversation.unobserved += 1
                return
            except Replay as reason:
                self._replay(reason)
            except (Unjudgeable, TargetError) as trouble:
                if not self._may_try_again(trouble):
                    raise
            else:
                return

    def perform(self, body: Callable[[], Any]) -> None:
        """Run the body and demand quiet at its end; raises Violation, Inconclusive or Unjudgeable."""
        __tracebackhide__ = True
        while not self.conversation.other_course:
            try:
                body()
                self.conversation.finish()
            except OtherCourse:
                return
            except Replay as reason:
                self._replay(reason)
                self.prepare()
            except (Unjudgeable, TargetError) as trouble:
                if not self._may_try_again(trouble):
                    raise
                self.prepare()
            else:
                return

    def restart(self) -> None:
        """Begin the case anew, on fresh ports."""
        self.conversation.restart()
        self.target.rebind(self.conversation.main)
        self.peer.rebind(self.conversation.main)

    def _replay(self, reason: Replay) -> None:
        self.conversation.replays += 1
        if self.conversation.replays > MAX_REPLAYS:
            raise Unjudgeable(f"a timer of the target disturbed all of {MAX_REPLAYS + 1} runs, the last: {reason}")
        self.restart()

    def _may_try_again(self, trouble: Exception) -> bool:
        """Begin anew on a fresh target if the other one did not answer for the first time."""
        if not self.alone or self._hung or not isinstance(death_in(trouble), TRIED_TWICE):
            return False
        self._hung = True
        self.conversation.rig.target.forget_connections()
        self.conversation.replays += 1
        self.restart()
        return True


def take_evidence(conversation: Conversation) -> list[str]:
    """Return the target's own text (`ss`) about each connection of the conversation."""
    if conversation.evidence is not None:
        return conversation.evidence
    texts = [conversation.rig.target.evidence(connection.tuple4) for connection in conversation.connections]
    return [text for text in texts if text is not None]


def run(conversation: Conversation, route: Walk, body: Callable[[TargetSide, PeerSide], Any]) -> Outcome:
    """Run a whole case and return what came of it; exceptions of the body other than its own pass through."""
    case = CaseRun(conversation, route)

    def both() -> None:
        case.prepare()
        case.perform(lambda: body(case.target, case.peer))

    return capture(conversation, both)


def death_in(error: BaseException | None) -> TargetDied | None:
    """Return what an error says of the end of the target itself, None if it is about something else."""
    return next((cause for cause in (error, getattr(error, "__cause__", None)) if isinstance(cause, TargetDied)), None)


def gone_in(error: BaseException | None) -> TargetGone | None:
    """Return what an error says of a target that is out of order for all cases, None if it is about something else."""
    return next((cause for cause in (error, getattr(error, "__cause__", None)) if isinstance(cause, TargetGone)), None)


#: What was due where a target came to its end instead.
_DUE = {Code.HUNG: "an answer", Code.STORM: "an end of what it sends", Code.DIED: "no crash"}


def code_of(death: TargetDied) -> Code:
    """Return the code of a target's end."""
    if isinstance(death, TargetHung):
        return Code.HUNG
    return Code.STORM if isinstance(death, TargetStorms) else Code.DIED


def died(conversation: Conversation, death: TargetDied) -> Outcome:
    """Return the outcome of a case in which the target came to its end: a MUST is broken, whatever it is about.

    One that sends without end is made to forget what it sends about.
    """
    for line in death.last_words.splitlines()[:KEPT_LAST_WORDS]:
        conversation.note(Kind.NOTE, line.strip())
    code, due = code_of(death), _DUE[code_of(death)]
    if code is Code.STORM:
        with contextlib.suppress(TargetError):
            conversation.rig.calm()
        # What has come late of it is no finding beside it.
        conversation.findings[:] = [finding for finding in conversation.findings if finding.code is not Code.LATE]
    state = conversation.main.state
    finding = Finding(code, Level.MUST, due, death.cause, state, conversation.cites, conversation.step_name)
    conversation.findings.append(finding)
    return Outcome(Ending.VIOLATION, f"{due}, but {death}", conversation, died=True)


def capture(conversation: Conversation, action: Callable[[], Any], *, evidence: bool = True) -> Outcome:
    """Do `action` and return how it ended; `evidence` is taken (in milliseconds) where the end is not as expected."""
    outcome = Outcome(Ending.COMPLETED, conversation=conversation)
    try:
        action()
    except Violation as violation:
        outcome.ending, outcome.message = Ending.VIOLATION, str(violation)
    except Inconclusive as reason:
        outcome.ending, outcome.message = Ending.INCONCLUSIVE, str(reason)
    except NotOffered as reason:
        outcome.ending, outcome.message = Ending.NOT_APPLICABLE, str(reason)
    except (Unjudgeable, TargetError) as reason:
        death = death_in(reason)
        if death is not None:
            return died(conversation, death)
        outcome.ending, outcome.message = Ending.HARNESS_ERROR, str(reason)
    take_warnings(conversation, outcome)
    if evidence and outcome.ending in (Ending.VIOLATION, Ending.INCONCLUSIVE):
        try:
            outcome.evidence = take_evidence(conversation)
        except TargetError as reason:
            outcome.ending, outcome.message = Ending.HARNESS_ERROR, str(reason)
    return outcome


def take_warnings(conversation: Conversation, outcome: Outcome) -> None:
    """Make findings of what the target said of itself meanwhile: a MUST is broken, whatever the case is about."""
    if conversation.rig.outspoken is None:
        return
    for text in conversation.rig.outspoken.warnings():
        cause, *rest = text.splitlines()
        for line in rest[:KEPT_LAST_WORDS]:
            conversation.note(Kind.NOTE, line.strip())
        finding = Finding(
            Code.WARNED,
            Level.MUST,
            "no warning",
            cause,
            conversation.main.state,
            conversation.cites,
            conversation.step_name,
        )
        conversation.findings.append(finding)
        if outcome.ending in (Ending.COMPLETED, Ending.INCONCLUSIVE):
            outcome.ending, outcome.message = Ending.VIOLATION, f"no warning, but {cause}"
