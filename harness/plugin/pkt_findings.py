"""What is not as expected in a run, as scripts of packetdrill that tell: each is violated by its target, and the
reference stack conforms to it, which both have shown by being played before it is kept.

The first draft is what the target did, up to what was due. Where that does not tell the two apart, the second one is
the same case as the reference stack plays it, up to the line that the target is not as.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.case.conversation import Conversation
from harness.case.engine import Engine
from harness.case.runner import CaseRun, Ending, Outcome
from harness.case.selection import Case
from harness.case.timer_batch import TimerCase, run_together
from harness.case.verdict import Judgement
from harness.case.violation import Code, Finding
from harness.pkt import playback, writer
from harness.pkt.playback import Told, Word
from harness.plugin.culprit import play_again
from harness.plugin.items import CASE, OwnItem, timer_body
from harness.targets import registry
from harness.targets.protocol import Target, UnusableTarget

SOUND = registry.parse("reference")

UNSAID = "what happens there is nothing that a script can say"
UNPLAYED = "no script of it can be played on the target"
ELSEWHERE = "the reference stack does not play the case"
UNSEEN = "what is wrong there is nothing that a line of a script sees"
UNSTEADY = "the script did not tell when it was played again"


@dataclass
class Count:
    """How many scripts were written, and why others were not: by reason how often, and of which case first."""

    written: int = 0
    unwritten: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, written: int, unwritten: dict[str, int], first: dict[str, str]) -> None:
        """Add what another process has counted."""
        self.written += written
        self.unwritten.update(unwritten)
        self.first = {**first, **self.first}

    def sentences(self) -> list[str]:
        """Return what is to be said at the end of a run."""
        lines = [f"{self.written} scripts, each violated by its target and not by the reference stack"] * bool(
            self.written
        )
        found = self.unwritten.most_common()
        return lines + [f"no script of {count}: {reason} (first {self.first[reason]})" for reason, count in found]


@dataclass(slots=True)
class _Draft:
    """A case that is not as expected, as a script; why that does not tell, and what shows it."""

    item: pytest.Item
    about: tuple[str, ...]
    text: str
    reason: str = ""
    detail: str = ""

    @property
    def case(self) -> Case:
        return self.item.stash[CASE]

    def refuse(self, reason: str, detail: str = "") -> None:
        """Note why there is no script."""
        self.reason, self.detail = reason, detail

    def write(self, conversation: Conversation, finding: Finding | None = None, *, each_state: bool = False) -> None:
        """Write what happened in a conversation."""
        late = finding is not None and finding.code is Code.LATE
        self.text = writer.write(
            conversation.events if late else writer.own_events(conversation),
            title=self.case.case_id,
            about=self.about,
            version=self.case.binding.version,
            between=conversation.addresses,
            finding=finding,
            each_state=each_state,
        )


class FindingScripts:
    """Keeps what is not as expected until the end of a session, when scripts of it are played and written."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.count = Count()
        self._folder = folder
        self._engine = engine
        self._sound = Engine([SOUND], registry.Settings())
        self._drafts: dict[str, list[_Draft]] = {}

    def note(self, item: pytest.Item, judgement: Judgement, outcome: Outcome, target: Target) -> None:
        """Keep a case that is not as expected, unless it is a script itself."""
        conversation, case = outcome.conversation, item.stash[CASE]
        if conversation is None or (isinstance(item, OwnItem) and item.as_found):
            return
        about = (f"{judgement.verdict} on {target.facts.name} {target.facts.version}: {judgement.reason}", case.summary)
        draft = _Draft(item, about, "")
        draft.write(conversation, judgement.finding)
        self._drafts.setdefault(case.binding.spec.text, []).append(draft)

    def write(self) -> None:
        """Play the scripts of what was kept, and write those that tell; raises UsageError where that can't be done."""
        try:
            for drafts in self._drafts.values():
                self._write(drafts[0].case.binding.spec, drafts)
        finally:
            self._sound.close()
            self._drafts.clear()

    def _write(self, spec: registry.TargetSpec, drafts: Sequence[_Draft]) -> None:
        left = self._keep(spec, drafts)
        again = [draft for draft in left if self._draft_again(draft)]
        for draft, told in zip(again, self._play(self._engine, spec, again), strict=True):
            draft.text = writer.cut(draft.text, told.line) if told.word is Word.VIOLATES else draft.text
        self._keep(spec, again)
        for draft in left:
            if draft.reason:
                self.count.unwritten[draft.reason] += 1
                self.count.first.setdefault(draft.reason, f"{draft.case.case_id}{draft.detail}")

    def _keep(self, spec: registry.TargetSpec, drafts: Sequence[_Draft]) -> list[_Draft]:
        """Write the scripts that tell, and return the others."""
        violated = []
        for draft, there in zip(drafts, self._play(self._engine, spec, drafts), strict=True):
            if there.word is Word.VIOLATES:
                violated.append(draft)
            elif there.word is Word.UNPLAYED:
                draft.refuse(UNPLAYED, f": {there.why}")
            elif (unsaid := writer.unsaid(draft.text)) is not None:
                draft.refuse(UNSAID, f": {unsaid}")
            else:
                draft.refuse(UNSEEN)
        for draft, sound in zip(violated, self._play(self._sound, SOUND, violated), strict=True):
            if sound.word is Word.CONFORMS:
                self._save(draft)
            else:
                draft.refuse(UNSTEADY)
        return [draft for draft in drafts if draft.reason]

    def _play(self, engine: Engine, spec: registry.TargetSpec, drafts: Sequence[_Draft]) -> list[Told]:
        texts = [draft.text for draft in drafts]
        try:
            return playback.play(lambda: engine.rig(spec, as_found=True), texts, engine.close)
        except UnusableTarget as error:
            return [Told(Word.UNPLAYED, why=str(error))] * len(texts)

    def _draft_again(self, draft: _Draft) -> bool:
        """Write the case as the reference stack plays it; tell whether it does, and no script is written yet."""
        before = draft.reason
        if before == UNPLAYED:
            return False
        outcome = self._outcome_on_the_reference(draft.item)
        if outcome is None or outcome.conversation is None or outcome.ending is not Ending.COMPLETED:
            draft.refuse(ELSEWHERE, f": {outcome.message}" if outcome is not None and outcome.message else "")
            return False
        draft.refuse("")
        draft.write(outcome.conversation, each_state=True)
        return True

    def _outcome_on_the_reference(self, item: pytest.Item) -> Outcome | None:
        case = item.stash[CASE]
        timed = case.meta.timer_s is not None
        rig = self._sound.rig(SOUND, timers=timed)
        if case.missing(rig.target.capabilities):
            return None
        try:
            if not timed:
                return play_again(rig, item)
            conversation = rig.begin(case.binding.version, name=case.case_id)
            run = TimerCase(CaseRun(conversation, case.binding.route), timer_body(item))
            run_together(rig, [run])
            return Outcome(
                Ending.COMPLETED if run.error is None else Ending.VIOLATION, str(run.error or ""), conversation
            )
        except (AssertionError, pytest.skip.Exception):
            return None
        finally:
            rig.discard()

    def _save(self, draft: _Draft) -> None:
        draft.refuse("")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = writer.path_in(self._folder, draft.case.case_id, draft.case.binding.suffix)
            path.write_text(draft.text, encoding="utf-8")
        except OSError as error:
            raise pytest.UsageError(f"--pkt {self._folder}: can't be written: {error.strerror}") from None
        self.count.written += 1
