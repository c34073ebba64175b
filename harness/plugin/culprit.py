"""What a target's end leaves open for the other cases of its batch, which are run once more.

If it ends in the late sweep (by a delayed ACK, a timer of an early connection), who brought it down is found by halves,
each with a sweep of its own; where time costs nothing each case has one. If a case ends it, those before it have not
been swept yet.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import Ending, Outcome, died, gone_in, run
from harness.case.target_side import TargetSide
from harness.case.violation import Code, Unjudgeable
from harness.plugin.items import CASE, OUTCOME, OwnItem
from harness.plugin.reports import Held
from harness.targets.protocol import TRIED_TWICE, Capability, TargetDied
from harness.trace.events import Kind

#: What a case may ask for and still be run outside of pytest.
_OWN_FIXTURES = {"conversation", "target", "peer"}


def blame(rig: Rig, held: Sequence[Held]) -> None:
    """Give the case that brought `rig`'s target down in its last sweep that verdict; if none does alone, the last."""
    end = rig.fallen
    alone = len(held) == 1 and _is_on(held[0].item, rig)
    if alone and isinstance(end, TargetDied) and not isinstance(end, TRIED_TWICE):
        _it_was(held[0].item, end)
        return
    suspects = [each.item for each in held if _is_on(each.item, rig) and not each.timers and _can_run(each.item)]
    found = [*_culprits(rig, suspects)]
    for item, outcome in found:
        item.stash[OUTCOME] = outcome
    if found or not isinstance(end, TargetDied) or isinstance(end, TRIED_TWICE):
        return
    # Nobody does it alone, but it was done: that is not to be lost.
    for each in reversed(held):
        before = each.item.stash.get(OUTCOME, None)
        if before is not None and before.conversation is not None and before.conversation.rig is rig:
            before.conversation.note(Kind.NOTE, "behind the case, while others of its batch were waiting too")
            _it_was(each.item, end)
            return


def _it_was(item: pytest.Item, end: TargetDied) -> None:
    conversation = item.stash[OUTCOME].conversation
    assert conversation is not None
    item.stash[OUTCOME] = died(conversation, end)


def sweep_survivors(rig: Rig, held: Sequence[Held]) -> None:
    """Run those cases again, with a sweep, that were waiting for theirs when a later one ended `rig`'s target."""
    deaths = [at for at, each in enumerate(held) if _is_on(each.item, rig) and each.item.stash[OUTCOME].died]
    before = held[: deaths[-1]] if deaths else []
    survivors = [each.item for each in before if _is_on(each.item, rig) and not each.timers and _can_run(each.item)]
    survivors = [item for item in survivors if item.stash[OUTCOME].ending is Ending.COMPLETED]
    if not survivors:
        return
    outcomes = [(item, play_again(rig, item)) for item in survivors]
    rig.sweep()
    if rig.fallen is not None:
        blame(rig, [each for each in before if each.item in survivors])
        return
    for item, outcome in outcomes:
        if any(finding.code is Code.LATE for finding in outcome.findings):
            item.stash[OUTCOME] = outcome


def _culprits(rig: Rig, suspects: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, Outcome]]:
    if len(suspects) > 1 and Capability.VIRTUAL_TIME in rig.target.capabilities:
        for item in suspects:
            yield from _culprits(rig, [item])
        return
    outcomes = [(item, play_again(rig, item)) for item in suspects]
    try:
        rig.sweep()
    except Unjudgeable:
        return
    if rig.fallen is None:
        return
    if len(suspects) > 1:
        middle = len(suspects) // 2
        yield from _culprits(rig, suspects[:middle])
        yield from _culprits(rig, suspects[middle:])
    for item, outcome in outcomes[:1] if len(suspects) == 1 else ():
        death = gone_in(rig.fallen)
        if isinstance(death, TargetDied) and outcome.conversation is not None:
            yield item, died(outcome.conversation, death)


def play_again(rig: Rig, item: pytest.Item) -> Outcome:
    """Run a case once more, on a rig, outside of pytest's protocol."""
    case = item.stash[CASE]
    if isinstance(item, OwnItem):
        return item.play_again(rig)
    conversation = rig.begin(case.binding.version, name=case.case_id, cites=tuple(case.meta.cites))
    function = cast("pytest.Function", item)
    names = function._fixtureinfo.argnames

    def body(target: TargetSide, peer: PeerSide) -> None:
        given = {**function.callspec.params, "conversation": conversation, "target": target, "peer": peer}
        function.obj(**{name: given[name] for name in names})

    return run(conversation, case.binding.route, body)


def _is_on(item: pytest.Item, rig: Rig) -> bool:
    outcome = item.stash.get(OUTCOME, None)
    return outcome is not None and outcome.conversation is not None and outcome.conversation.rig is rig


def _can_run(item: pytest.Item) -> bool:
    if isinstance(item, OwnItem):
        return True
    function = cast("pytest.Function", item)
    return set(function._fixtureinfo.argnames) <= _OWN_FIXTURES | set(function.callspec.params)
