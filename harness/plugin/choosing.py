"""What of the selected cases runs, and in which order: what failed before, a shard, what tells most first."""

import time
from collections import Counter
from typing import Any

import pytest

from harness.case.selection import Case
from harness.plugin.collection import Collection
from harness.plugin.habits import CaseKey, Habits
from harness.plugin.items import stashed
from harness.report.merge import JUDGED, OTHER_SHARD

#: Where the controller of xdist leaves for its workers what it has read of the results before.
_KNOWN = "tcpspec_known"

NOT_FAILED = "as expected in the results before (--lf, --among)"
NOT_REACHED = "not reached in time (--for)"


class Choosing:
    """Chooses among what is collected. Under xdist all workers choose the same."""

    def __init__(self, config: pytest.Config, collection: Collection) -> None:
        self._collection = collection
        known = getattr(config, "workerinput", {}).get(_KNOWN)
        self.habits = Habits.of(config) if known is None else _received(known)
        self._end = 0.0

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker what was read: by the time that it begins, the file is written anew."""
        habits = self.habits
        among = None if habits.among is None else sorted(map(list, habits.among))
        keys = [sorted(map(list, keys)) for keys in (habits.first, habits.without)]
        node.workerinput[_KNOWN] = [among, *keys, list(habits.shard), habits.seconds]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what is not asked for, and put first what is asked for first."""
        habits = self.habits
        if habits.among is not None:
            self._keep(items, [key_of(item) in habits.among for item in items], NOT_FAILED)
        index, shards = habits.shard
        if shards > 1:
            # One by one, so that each shard gets cases of all topics, also where a topic is slow.
            self._keep(items, [at % shards == index - 1 for at in range(len(items))], OTHER_SHARD)
        if habits.without:
            self._keep(items, [key_of(item) not in habits.without for item in items], JUDGED)
        if habits.seconds:
            items[:] = by_what_they_tell(items)
        if habits.first:
            items.sort(key=lambda item: key_of(item) not in habits.first)

    def _keep(self, items: list[pytest.Item], kept: list[bool], reason: str) -> None:
        dropped = [item for item, keep in zip(items, kept, strict=True) if not keep]
        items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]
        self._collection.leave_out(dropped, reason)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Let a case go that the time does not suffice for."""
        if not self.habits.seconds:
            return None
        self._end = self._end or time.monotonic() + self.habits.seconds  # the first case begins
        if time.monotonic() < self._end:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


def _received(known: list[Any]) -> Habits:
    among, first, without, shard, seconds = known
    sets = [None if keys is None else frozenset(map(tuple, keys)) for keys in (among, first, without)]
    return Habits(sets[0], sets[1] or frozenset(), sets[2] or frozenset(), (shard[0], shard[1]), seconds)


def key_of(item: pytest.Item) -> CaseKey | None:
    """Return id, target and IP version of an item's case; None for other tests."""
    case = stashed(item)
    return None if case is None else (case.case_id, case.binding.spec.text, case.binding.version)


def by_what_they_tell(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the items so that each beginning of the list covers as much as it can.

    One row of each scenario first, then their other rows and as many cells of the grid; IPv6 repeats what IPv4 showed.
    """
    seen: Counter[tuple[str, int]] = Counter()
    keys: dict[pytest.Item, tuple[bool, int, int]] = {}
    for item in items:
        case = stashed(item)
        keys[item] = (True, 0, 0) if case is None else _rank(case, seen)
    return sorted(items, key=keys.__getitem__)


def _rank(case: Case, seen: Counter[tuple[str, int]]) -> tuple[bool, int, int]:
    name = case.case_id.partition("[")[0] if case.group != "grid" else "/".join(case.case_id.split("/")[:3])
    group = (f"{name} {case.binding.spec.text}", case.binding.version)
    seen[group] += 1
    return False, seen[group] + (case.group == "grid"), case.binding.version
