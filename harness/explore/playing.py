"""Plays conversations on one target and judges them: batches, late segments, records for the results.

What is declared is about findings here, not about conversations (`harness.explore.declared`).
"""

import gc
import resource
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.case import runner
from harness.case.limits import find_limit, is_unknown
from harness.case.marks import CaseMeta
from harness.case.record import case_record
from harness.case.rig import Rig
from harness.case.runner import Ending
from harness.case.selection import Binding, Case
from harness.case.verdict import Judgement, Verdict, judge
from harness.case.violation import Finding, Level, Unjudgeable
from harness.case.walks import Walk
from harness.expectations import changes
from harness.expectations.deviations import Deviation
from harness.explore import declared, notation, run
from harness.explore.declared import Declared
from harness.explore.plan import ip_of
from harness.explore.run import Generated, Outcome
from harness.spec.states import State
from harness.targets.registry import Settings, TargetSpec, open_target
from harness.trace.capture import write_capture
from harness.trace.results import CAPTURES

#: How many conversations share a sweep for late segments: in real time it takes a third of a second, in simulated time
#: nothing, and a connection more makes each look at the target dearer.
BATCH, VIRTUAL_BATCH = 200, 1
DESCRIPTORS = 4096
#: Why a conversation was not judged to its end.
CUT = "it would have to wait for the target's timers, in real time"
LOST = "there are more ways to explain it than can be followed"
#: A sound stack, to hold a finding against.
REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where conversations are played, and how they are judged: all that a process needs to know."""

    spec: TargetSpec
    ip: int = 4
    level: Level = Level.MUST
    settings: Settings = field(default_factory=Settings)
    results: Path | None = None
    again: tuple[str, ...] = ()
    #: The user's own expectations, and whether those that come with the tool count.
    expectations: tuple[str, ...] = ()
    bundled: bool = True
    drafts: bool = False
    #: Conversations choose their IP version, and `ip` is that of those that do not.
    both: bool = False

    def case_of(self, generated: Generated) -> Case:
        """Return a conversation as a case of the results."""
        binding = Binding(self.spec, ip_of(generated.plan) or self.ip, "", Walk(State.CLOSED))
        return Case(generated.id, binding, CaseMeta(), notation.text_of(generated), "")

    def command(self, generated: Generated) -> str:
        """Return the command that plays one conversation again."""
        words = ["tcpspec", "explore", "--target", self.spec.text, *(("--ip", "6") if self.ip == 6 else ())]
        return shlex.join([*words, *self.again, "--replay", notation.text_of(generated)])

    def declared(self, implementation: str, version: str) -> Declared:
        """Return the known deviations that hold for such a target; raises BrokenExpectations."""
        own = [entry for name in self.expectations for entry in declared.load(Path(name), drafts=self.drafts)]
        known = declared.bundled(implementation) if self.bundled else ()
        having = changes.history(implementation).standing(version)
        return Declared((*own, *known), self.ip, version, having, both=self.both)


class Player:
    """Plays on one target, which it starts when it is needed, and anew where it came to its end."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._rig: Rig | None = None
        self._declared: Declared | None = None
        _make_room()

    @property
    def rig(self) -> Rig:
        """The rig of the target; raises UnusableTarget."""
        if self._rig is None:
            self._rig = self._fresh()
            if is_unknown(self._rig):  # found out on another life of the target: this one's clock has not moved yet
                asked = self._fresh()
                find_limit(asked)
                asked.close()
                facts, found = self._rig.target.facts, asked.target.facts
                facts.throttle_told, facts.throttle_s = True, found.throttle_s
                facts.throttles_host, facts.details = found.throttles_host, found.details
        return self._rig

    def _fresh(self) -> Rig:
        return Rig(open_target(self.stage.spec, self.stage.settings), guarded=False)

    def close(self) -> None:
        """End the target."""
        rig, self._rig = self._rig, None
        if rig is not None:
            rig.close()

    @property
    def facts(self) -> dict[str, Any]:
        """What the target is, as the results have it."""
        target = self.rig.target
        return {**target.facts.as_dict(), "capabilities": sorted(target.capabilities)}

    @property
    def declared(self) -> Declared:
        """The known deviations that hold for the target; raises BrokenExpectations."""
        if self._declared is None:
            facts = self.rig.target.facts
            self._declared = self.stage.declared(facts.implementation, facts.version)
        return self._declared

    def play(self, batch: Sequence[Generated]) -> list[dict[str, Any]]:
        """Play conversations and return their records, in order."""
        found: list[dict[str, Any]] = []
        size = VIRTUAL_BATCH if run.in_virtual_time(self.rig.target) else BATCH
        for at in range(0, len(batch), size):
            found += self._swept(batch[at : at + size])
        return found

    def findings(self, generated: Generated, *, late: bool) -> tuple[Outcome, list[Finding]]:
        """Play one conversation and return what was found; only `late` waits for segments that come late."""
        _generated, outcome, ended = self.perform(generated)
        if late or run.in_virtual_time(self.rig.target):
            self.rig.sweep()
        else:
            self.rig.discard()
        _let_go(outcome)
        if ended.died:
            self.close()
        return outcome, outcome.conversation.findings

    def undeclared(self, generated: Generated, *, late: bool) -> list[Finding]:
        """Play one conversation and return what was found and is not known of this target."""
        found = self.findings(generated, late=late)[1]
        return [each for each in found if not self.declared.about([each], generated)]

    def _swept(self, batch: Sequence[Generated]) -> list[dict[str, Any]]:
        played = [self.perform(generated) for generated in batch]
        try:
            self.rig.sweep()
        except Unjudgeable as error:
            for _generated, _outcome, ended in played:
                ended.ending, ended.message = Ending.HARNESS_ERROR, str(error)
        records = [self._record(generated, outcome, ended) for generated, outcome, ended in played]
        for _generated, outcome, _ended in played:
            _let_go(outcome)
        if any(ended.died or ended.ending is Ending.HARNESS_ERROR for _generated, _outcome, ended in played):
            self.close()
        return records

    def perform(self, generated: Generated) -> tuple[Generated, Outcome, runner.Outcome]:
        """Play one conversation; it waits for the sweep then."""
        return (generated, *perform(self.rig, generated, self.stage.ip))

    def _record(self, generated: Generated, outcome: Outcome, ended: runner.Outcome) -> dict[str, Any]:
        judgement = self.judge(outcome, ended)
        case = self.stage.case_of(generated)
        record = case_record(case, judgement, ended, self.stage.command(generated))
        stage = self.stage
        if stage.results is not None and not judgement.as_expected(stage.level):
            facts = self.rig.target.facts.as_dict()
            path = write_capture(stage.results / CAPTURES, record, outcome.conversation.events, facts)
            record["pcap"] = str(path.relative_to(stage.results))
        return record

    def judge(self, outcome: Outcome, ended: runner.Outcome) -> Judgement:
        """Return the verdict of a conversation."""
        known = self.declared
        entry = known.example_of(outcome.generated)
        deviations = known.about(ended.findings, outcome.generated)
        if entry is not None and entry.origin not in {each.origin for each in deviations} and _is_played(ended):
            seen = ended.findings[0].signature if ended.findings else "nothing"
            reason = f"declared at {entry.name}, but its example shows {seen}"
            gone = Deviation("*", (), reason, entry.source, entry.scope, origin=entry.origin)
            return Judgement(Verdict.GONE, reason, deviation=gone)
        judgement = judge(ended, deviations)
        if judgement.verdict is Verdict.CONFORMS and (outcome.lost or outcome.cut):
            return Judgement(Verdict.UNOBSERVED, CUT if outcome.cut else LOST)
        return judgement


def perform(rig: Rig, generated: Generated, ip: int, *, evidence: bool = True) -> tuple[Outcome, runner.Outcome]:
    """Play one conversation and return what came of it, as a generated one and as a case; no sweep stands behind it."""
    outcome = run.begin(rig, generated, ip)

    def action() -> None:
        run.perform(outcome)
        if outcome.violation is not None:
            raise outcome.violation

    return outcome, runner.capture(outcome.conversation, action, evidence=evidence)


def _is_played(ended: runner.Outcome) -> bool:
    return ended.ending in (Ending.COMPLETED, Ending.VIOLATION)


def _let_go(outcome: Outcome) -> None:
    """Close what the application still holds: a talk that a violation has ended has not done so."""
    talk = outcome.talk
    for link in talk.all_links.values():
        if link.app is not None:
            link.app.close()
            link.app = None
    for remains in talk.remains:
        remains.sock.close()
    for listener in talk.application.listeners.values():
        listener.close()
    talk.application.listeners.clear()


def _make_room() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    # A conversation is freed with its batch, as a whole; until then every look at it is in vain.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
