"""What of the selected cases runs, and in which order: what failed before, a shard, what tells most first."""

import itertools
import os
import time
from collections import Counter
from pathlib import Path
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
#: What runs in any case, and first: whether the target can be judged at all.
FIRST = "sanity"
#: Topics in which stacks err most, in front of others.
SOON = ("resets", "time-wait")
#: How many runs this process has begun: one behind another has its time for itself.
_RUNS = itertools.count()
#: How the names of cases begin that ask hundreds of questions in a row: who has a minute has no time for one.
SWEEP = "every-"


class Choosing:
    """Chooses among what is collected. Under xdist all workers choose the same."""

    def __init__(self, config: pytest.Config, collection: Collection) -> None:
        self._collection = collection
        known = getattr(config, "workerinput", {}).get(_KNOWN)
        self.habits = Habits.of(config) if known is None else _received(known)
        #: When the time is over, on the monotonic clock, counted from the command's start; and how late cases began.
        began_s = age_s() if known is None and not next(_RUNS) else 0.0
        self._end = time.monotonic() + self.habits.seconds - began_s
        self._late_s: float | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker what was read: by the time that it begins, the file is written anew."""
        habits = self.habits
        among = None if habits.among is None else sorted(map(list, habits.among))
        keys = [sorted(map(list, keys)) for keys in (habits.first, habits.without)]
        left_s = max(0.001, self._end - time.monotonic()) if habits.seconds else 0.0
        node.workerinput[_KNOWN] = [among, *keys, list(habits.shard), left_s]

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
        late_s = time.monotonic() - self._end
        self._late_s = late_s if self._late_s is None else self._late_s
        case = stashed(item)
        if late_s < 0 or (case is not None and case.group == FIRST):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say so where all the time was over before the first case."""
        if self._late_s is not None and self._late_s >= 0:
            whole_s = self.habits.seconds + self._late_s
            terminalreporter.write_line(
                f"--for {self.habits.seconds:g}s counts from the command's start, and the first case began after "
                f"{whole_s:.1f} s: only {FIRST} ran",
                yellow=True,
            )


def age_s() -> float:
    """Return for how many seconds this process has run (proc_pid_stat(5), starttime)."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


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

    Whether the target can be judged, and the RFC's figures; one row of each scenario, resets and TIME-WAIT in front;
    their other rows and as many cells of the grid. IPv6 repeats what IPv4 showed, and sweeps take long.
    """
    seen: Counter[tuple[str, int]] = Counter()
    keys: dict[pytest.Item, tuple[int, ...]] = {}
    for item in items:
        case = stashed(item)
        keys[item] = (2,) if case is None else _rank(case, seen)
    return sorted(items, key=keys.__getitem__)


def _rank(case: Case, seen: Counter[tuple[str, int]]) -> tuple[int, ...]:
    name = case.case_id.partition("[")[0] if case.group != "grid" else "/".join(case.case_id.split("/")[:3])
    group, version = f"{name} {case.binding.spec.text}", case.binding.version
    seen[group, version] += 1
    row = seen[group, version] + (case.group == "grid")
    if name.rpartition("/")[2].startswith(SWEEP):
        return 1, row, version
    if case.group == FIRST or case.meta.figure is not None:
        return 0, 0, case.group != FIRST, row, version
    return 0, row, version, case.group not in SOON
