"""Generated conversations as items."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.case.rig import Rig
from harness.case.runner import Outcome
from harness.expectations.deviations import Deviation
from harness.explore import playing
from harness.explore.choice import Choice
from harness.explore.plan import ip_of
from harness.explore.playing import Stage
from harness.explore.run import Generated, begin, in_virtual_time, perform
from harness.plugin.host import Host
from harness.plugin.items import CASE, OUTCOME, TALK_RUN, OwnItem, demand_capabilities, what_is_offered
from harness.targets import registry
from harness.targets.protocol import Target

#: Of so many conversations that leave it open one is played on every IP version, and the others on the first.
ON_EVERY_VERSION = 4


def versions_of(generated: Generated, versions: Sequence[int], *, named: bool) -> Sequence[int]:
    """Return on which of the run's IP versions a conversation is played.

    That is the one that it asks for; else all where it is asked for by name; else the first, and by turns the others.
    """
    asked = ip_of(generated.plan)
    if asked in versions:
        return (asked,)
    on_all = named or zlib.crc32(generated.id.encode()) % ON_EVERY_VERSION == 0
    return versions if on_all else versions[:1]


class TalkItem(OwnItem):
    """One generated conversation on one target and IP version."""

    def __init__(
        self, *, plugin: Host, generated: Generated, spec: registry.TargetSpec, version: int, **rest: Any
    ) -> None:
        super().__init__(**rest)
        self.plugin = plugin
        self.generated = generated
        self.stash[CASE] = Stage(spec, version).case_of(generated)

    def setup(self) -> None:
        """Begin the conversation; where time is simulated hours pass in it, which no other case should see."""
        binding = self.stash[CASE].binding
        rig = self.plugin.engine.rig(binding.spec)
        demand_capabilities(self.stash[CASE], rig.target.capabilities)
        if reason := Choice(()).unfit(self.generated, rig.target.capabilities):
            pytest.skip(f"not applicable: {reason}")
        if rig.target.facts.one_port:
            pytest.skip("not applicable: a server does what it does by itself, and not what a conversation asks for")
        if in_virtual_time(rig.target):
            rig = self.plugin.engine.rig(binding.spec, apart=True)
        self.stash[TALK_RUN] = begin(rig, self.generated, binding.version)

    def runtest(self) -> None:
        """Play it. No timing guard is needed: the judge explains what a timer repeats."""
        outcome = self.stash[TALK_RUN]
        rig = outcome.conversation.rig
        before = rig.guarded, rig.patient
        rig.guarded = rig.patient = False
        try:
            with what_is_offered():
                perform(outcome)
        finally:
            rig.guarded, rig.patient = before
        if outcome.violation is not None:
            raise outcome.violation

    def play_again(self, rig: Rig) -> Outcome:
        """Play the conversation once more."""
        return playing.perform(rig, self.generated, self.stash[CASE].binding.version, evidence=False)[1]

    def declared(self, target: Target) -> list[Deviation]:
        """Return what is declared of the findings that it has had."""
        outcome = self.stash.get(OUTCOME, None)
        if outcome is None:
            return []
        options, binding = self.plugin.options, self.stash[CASE].binding
        stage = Stage(binding.spec, binding.version, expectations=options.expectations, bundled=options.bundled)
        known = stage.declared(target.facts.implementation, target.facts.version)
        return known.about(outcome.findings, self.generated)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the item comes from."""
        return self.path, None, self.name
