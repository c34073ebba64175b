"""Scripts of one run that wait side by side: where time is real, those that ask for the same settings."""

import pytest

from harness.case.rig import Rig
from harness.case.timer_batch import run_together
from harness.pkt import needs
from harness.pkt.settings import Settings, initial
from harness.pkt.shell import Setting
from harness.pkt.support import traits_of
from harness.plugin.host import Host
from harness.plugin.items import CASE
from harness.plugin.pkt_items import PktItem
from harness.targets.protocol import Capability

#: So many scripts share a pod at a time: more would keep the processor from answering in time.
TOGETHER = 100
#: By so many at a time is played once more where the peer was too late: alone only what is late among these too.
FEWER = 8

Group = tuple[str, tuple[Setting, ...]]


def side_by_side(plugin: Host, session: pytest.Session) -> None:
    """Play the scripts of a session in groups; one that sets something on its way is played alone, later."""
    groups: dict[Group, list[PktItem]] = {}
    for item in session.items:
        if not isinstance(item, PktItem) or item.script is None:
            continue
        spec = item.stash[CASE].binding.spec
        target = plugin.engine.rig(spec, as_found=True).target
        traits = traits_of(target)
        if Capability.VIRTUAL_TIME in target.capabilities:
            continue
        executes = plugin.options.pkt.pod_for(target) is not None
        if next(needs.unmet(item.script, item.version, traits, executes=executes), None) is not None:
            continue
        settings = initial(item.script, traits, executes=executes)
        if settings is not None:
            groups.setdefault((spec.text, settings), []).append(item)
    for (_target, settings), items in groups.items():
        rig = plugin.engine.rig(items[0].stash[CASE].binding.spec, as_found=True)
        for at in range(0, len(items), TOGETHER):
            _play(rig, items[at : at + TOGETHER], settings)


def _play(rig: Rig, items: list[PktItem], settings: tuple[Setting, ...]) -> None:
    made = Settings(rig.target, traits_of(rig.target))
    try:
        made.make(settings)
        if made.lacking:
            return  # each of them goes without by itself
        run_together(rig, [item.timed() for item in items])
        late = [item for item in items if item.came_late]
        for at in range(0, len(late), FEWER):
            run_together(rig, [item.timed() for item in late[at : at + FEWER]])
    finally:
        made.undo()
