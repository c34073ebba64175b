"""packetdrill's scripts as items: one per target and IP version that the script asks for."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.case.conversation import Conversation
from harness.case.marks import CaseMeta
from harness.case.rig import Rig
from harness.case.runner import CaseRun, Outcome, capture
from harness.case.selection import Binding, Case
from harness.case.timer_batch import TimerCase
from harness.case.violation import Unjudgeable, Violation
from harness.case.walks import Walk
from harness.pkt import needs, run
from harness.pkt.scanner import BadScript
from harness.pkt.support import Unsupported, traits_of
from harness.pkt.tree import Script
from harness.plugin.host import Host
from harness.plugin.items import CASE, RUN, TIMED, OwnItem
from harness.spec.states import CLOSED
from harness.targets.protocol import Capability
from harness.targets.registry import TargetSpec

TOPIC = "pkt"
#: So often a script is played alone at most for which the peer was too late.
ALONE = 3
#: So many scripts in simulated time share a sweep.
IN_A_ROW = 25


def case_id(path: Path) -> str:
    """Return the id of a script: its name, and its folder's unless that is the topic's."""
    folder = path.parent.name
    return f"{TOPIC}/{path.stem}" if folder in (TOPIC, "") else f"{TOPIC}/{folder}/{path.stem}"


def name_apart(items: Iterable[pytest.Item], asked: Iterable[str]) -> None:
    """Give scripts of one name and folder as many of their folders as tell them apart, or as are `asked` for."""
    scripts = [item for item in items if isinstance(item, PktItem)]
    alike: dict[str, set[Path]] = defaultdict(set)
    for item in scripts:
        alike[item.stash[CASE].case_id].add(item.path)
    wanted = [name for name in asked if name.startswith(f"{TOPIC}/") and name.count("/") > 2]
    for item in scripts:
        case = item.stash[CASE]
        others = {path.with_suffix("").parts for path in alike[case.case_id]}
        parts = item.path.with_suffix("").parts
        long = next((name for name in wanted if parts[-name.count("/") :] == tuple(name.split("/")[1:])), None)
        if long is None and len(others) > 1:
            enough = next(n for n in range(2, len(parts) + 1) if sum(other[-n:] == parts[-n:] for other in others) == 1)
            long = "/".join((TOPIC, *(part for part in parts[-enough:] if part != item.path.anchor)))
        if long is not None:
            item.stash[CASE] = replace(case, case_id=long)


class PktFile(pytest.File):
    """A script. One that can't be read, and was named itself, is a `bad` argument of the command line."""

    def __init__(self, *, plugin: Host, bad: list[str], **rest: Any) -> None:
        super().__init__(**rest)
        self.plugin = plugin
        self.bad = bad

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each target and IP version."""
        options = self.plugin.options
        chosen = self.config.getoption("ip")
        broken: BadScript | None = None
        script: Script | None = None
        versions: tuple[run.Version, ...] = (run.Version(4),)
        try:
            script = run.load(self.path)
            versions = run.versions(script, chosen)
        except BadScript as error:
            broken = error
            if self._is_named():
                self.bad.append(str(error))
                return
        for spec in options.specs:
            for version in versions:
                yield PktItem.from_parent(
                    self,
                    name=f"{self.path.stem}-{spec.text}-{version}",
                    plugin=self.plugin,
                    script=script,
                    version=version,
                    spec=spec,
                    broken=broken,
                )

    def _is_named(self) -> bool:
        named = [Path(str(argument).partition("::")[0]) for argument in self.config.args]
        return any(path.suffix == ".pkt" and path.resolve() == self.path.resolve() for path in named)


def _difference(violation: Violation) -> tuple[object, ...]:
    finding = violation.finding
    return (finding.code, finding.expected, finding.observed, finding.cites)


class PktItem(OwnItem):
    """A script on one target and IP version; a `broken` one is an error."""

    as_found = True

    def __init__(
        self,
        *,
        plugin: Host,
        script: Script | None,
        version: run.Version,
        spec: TargetSpec,
        broken: BadScript | None,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.plugin = plugin
        self.script = script
        self.version = version
        self.broken = broken
        self.outcome: run.Outcome | None = None
        #: What was not as expected when it was played before.
        self._before: tuple[object, ...] | None = None
        binding = Binding(spec, version.ip, "", Walk(CLOSED))
        summary = script.summary if script is not None else ""
        self.stash[CASE] = Case(case_id(self.path), binding, CaseMeta(), summary, f"{self.path.name}:1")

    def setup(self) -> None:
        """Begin the script; where time is real, play it beside all others that set nothing for themselves."""
        if self.broken is not None or self.script is None:
            raise Unjudgeable(str(self.broken))
        spec = self.stash[CASE].binding.spec
        if self.plugin.soiled:
            self.plugin.soiled = False
            self.plugin.flush()
            self.plugin.engine.close()
        rig = self.plugin.engine.rig(spec, as_found=True)
        executes = self.plugin.options.pkt.pod_for(rig.target) is not None
        need = next(needs.unmet(self.script, self.version, traits_of(rig.target), executes=executes), None)
        if need is not None:
            pytest.skip(f"not applicable: {need}")
        if Capability.VIRTUAL_TIME in rig.target.capabilities:
            # Minutes may pass in a script, in which those before it only cost time: nobody listens to them any more.
            if rig.batch_size >= IN_A_ROW or any(not isinstance(held.item, PktItem) for held in self.plugin.held):
                self.plugin.flush()
        else:
            self.plugin.run_scripts(self.session)
        if TIMED not in self.stash:
            self.plugin.soiled = executes or self.script.leaves_a_path_mtu
            self.stash[RUN] = CaseRun(self.conversation(), Walk(CLOSED))

    def conversation(self) -> Conversation:
        """Return a fresh conversation for the script."""
        case = self.stash[CASE]
        rig = self.plugin.engine.rig(case.binding.spec, as_found=True)
        return rig.begin(case.binding.version, name=case.case_id)

    def begin(self, conversation: Conversation, *, made_before: bool = False) -> run.Outcome:
        """Return the script as it is about to be played in a conversation."""
        assert self.script is not None
        profile = self.plugin.options.pkt
        self.outcome = run.begin(
            conversation, self.script, self.version, profile, made_before=made_before, folder=self.path.parent
        )
        return self.outcome

    def timed(self) -> TimerCase:
        """Return the script as something that waits beside others."""
        self._before = self._found()
        self.stash[RUN] = case_run = CaseRun(self.conversation(), Walk(CLOSED))
        body = lambda _target, _peer: self.begin(case_run.conversation, made_before=True).waits()  # noqa: E731
        self.stash[TIMED] = timed = TimerCase(case_run, body)
        return timed

    @property
    def came_late(self) -> bool:
        """Whether it was not as expected beside others, and the peer was so late that a timer may have spoken.

        Twice the same in two such plays is no timer's doing, unless it was very late.
        """
        found = self._found()
        if found is None or self.outcome is None or not self.outcome.was_late:
            return False
        return found != self._before or self.outcome.was_very_late

    def _found(self) -> tuple[object, ...] | None:
        error = self.stash[TIMED].error if TIMED in self.stash else None
        return _difference(error) if isinstance(error, Violation) else None

    def runtest(self) -> None:
        """Play it, or tell how it went."""
        __tracebackhide__ = True
        try:
            error = self.stash[TIMED].error if TIMED in self.stash else None
            if self.came_late:
                # Beside others the peer was too late for this: it is judged by a run of its own.
                self._play_in_time()
            elif error is not None:
                raise error
            elif TIMED not in self.stash:
                run.play_alone(self.begin(self.stash[RUN].conversation))
        except Unsupported as reason:
            pytest.skip(f"not applicable: {reason}")

    def _play_in_time(self) -> None:
        """Play it alone, again where it was late once more and something else came of it."""
        __tracebackhide__ = True
        before = self._found()
        for left in reversed(range(ALONE)):
            self.stash[RUN] = CaseRun(self.conversation(), Walk(CLOSED))
            try:
                run.play_alone(self.begin(self.stash[RUN].conversation))
                return
            except Violation as violation:
                found, late = _difference(violation), self.outcome is not None and self.outcome.was_late
                if not left or not late or found == before:
                    raise
                before = found

    def play_again(self, rig: Rig) -> Outcome:
        """Play the script once more, alone."""
        case = self.stash[CASE]
        conversation = rig.begin(case.binding.version, name=case.case_id)
        return capture(conversation, lambda: run.play_alone(self.begin(conversation)), evidence=False)

    def notes(self) -> str:
        """Return what the script says and was not asserted."""
        return self.outcome.notes() if self.outcome is not None else ""

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the item comes from."""
        return self.path, None, self.name
