"""Collecting: cases and cells become items, and those that the command line chose stay."""

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.case.marks import CaseMeta, meta_of
from harness.case.selection import Binding, Case, idle_deviations, in_order
from harness.explore.levels import Conversations
from harness.grid import session as grid
from harness.plugin.items import CellItem, OwnItem, case_of, demand_unique, is_bundled, is_whole, stashed
from harness.plugin.narrowing import files_of, names_scripts
from harness.plugin.session import CasePlugin

OUTSIDE_THE_CORE = "cells outside the core of the grid (--grid full)"
BY_PYTEST = "not chosen by pytest's options (-k, -m, --deselect)"


class Collection:
    """What a session collects. `left_out` counts the cases that were not chosen, by reason."""

    def __init__(self, plugin: CasePlugin) -> None:
        self.plugin = plugin
        self.config = plugin.config
        self.options = plugin.options
        self.left_out: Counter[str] = Counter()
        self.unmatched = ""
        self._choosing = False
        #: The only files of the package that can hold what is asked for, None for all; whether the user's own
        #: expectations are about cases that exist is told by all cases.
        self._names_scripts = names_scripts(self.config.args, self.options.selection.cases)
        self._has_scripts = False
        #: Scripts that can't be read and were named themselves.
        self._bad: list[str] = []
        self._files = None if self.options.extra else files_of(self.options.selection.cases)

    def pytest_collection(self) -> None:
        """Refuse what was named as a script and is no file, of which pytest would take nothing."""
        for path in (Path(str(argument).partition("::")[0]) for argument in self.config.args):
            if path.suffix == ".pkt" and path.exists() and not path.is_file():
                raise pytest.UsageError(f"{path}:1:1: can't be read: it is no ordinary file")

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out the modules of the package that hold nothing of what was named."""
        if collection_path.suffix == ".pkt" and is_bundled(collection_path):
            return None if self._names_scripts else True
        if self._files is None or collection_path.suffix != ".py" or not is_bundled(collection_path):
            return None
        return True if collection_path.name.startswith("test_") and collection_path not in self._files else None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Take packetdrill's scripts."""
        if file_path.suffix != ".pkt":
            return None
        from harness.plugin.pkt_items import PktFile

        self._has_scripts = True
        known: dict[str, Any] = {"path": file_path, "plugin": self.plugin, "bad": self._bad}
        if not file_path.is_relative_to(parent.config.rootpath):
            known["nodeid"] = file_path.as_posix()  # else it would be the last part of the way, which others may have
        return PktFile.from_parent(parent, **known)

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Bind each case to every target, IP version and row."""
        if "target" not in metafunc.fixturenames:
            return
        meta = meta_of(metafunc.function) or CaseMeta()
        bindings = [
            Binding(spec, version, row, route)
            for spec in self.options.specs
            for version in meta.versions
            for row, route in meta.rows
        ]
        ids = ["-".join(filter(None, (binding.row, binding.suffix))) for binding in bindings]
        metafunc.parametrize("conversation", bindings, ids=ids, indirect=True)

    def pytest_pycollect_makeitem(self, collector: pytest.Module, name: str, obj: object) -> list[pytest.Item] | None:
        """Make an item of each cell that the run takes of a module's `CELLS`, on every target and IP version."""
        if name == "CONVERSATIONS" and isinstance(obj, Conversations):
            return list(self._talks(collector, obj))
        if name != "CELLS" or not isinstance(obj, grid.CellGroup):
            return None
        cells = obj.cells(self.options.grid, self.options.selection.cases)
        bindings = len(self.options.specs) * len(self.options.selection.versions)
        if missing := (len(obj.every()) - len(cells)) * bindings:
            self.left_out[OUTSIDE_THE_CORE] += missing
        return [
            CellItem.from_parent(
                collector,
                name=f"{cell.id}-{spec.text}-ipv{version}",
                plugin=self.plugin,
                cell=cell,
                spec=spec,
                version=version,
            )
            for spec in self.options.specs
            for version in self.options.selection.versions
            for cell in cells
        ]

    def _talks(self, collector: pytest.Module, conversations: Conversations) -> Iterator[pytest.Item]:
        chosen = conversations.chosen(self.options.explore, self.options.selection.cases)
        if not chosen:
            return
        from harness.plugin.talk_items import TalkItem, versions_of

        wanted = self.options.selection
        for spec in self.options.specs:
            for generated in chosen:
                for version in versions_of(generated, wanted.versions, named=bool(wanted.cases)):
                    name = f"{generated.id}-{spec.text}-ipv{version}"
                    yield TalkItem.from_parent(
                        collector, name=name, plugin=self.plugin, generated=generated, spec=spec, version=version
                    )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Name the cases, select, and put the sanity cases where they belong."""
        if self._bad:
            raise pytest.UsageError("\n".join(self._bad))
        if self._has_scripts:
            from harness.plugin.pkt_items import name_apart

            name_apart(items, [*self.options.selection.cases, *(entry.case for entry in self.options.extra)])
        cases = [case_of(item) for item in items]
        found = [case for case in cases if case is not None]
        demand_unique(found)
        if found and (is_whole(session) or self.options.selection.cases):
            self.unmatched = self.options.selection.unknown(found)
        if found and is_whole(session):
            self._demand_no_idle_deviations(found)
        order = in_order(cases)
        reasons = [self.options.selection.left_out_because(cases[at]) for at in order]
        self.left_out.update(reason for at, reason in zip(order, reasons, strict=True) if reason and cases[at])
        dropped = [items[at] for at, reason in zip(order, reasons, strict=True) if reason]
        items[:] = [items[at] for at, reason in zip(order, reasons, strict=True) if not reason]
        self._let_go(dropped)
        if items and any(stashed(item) for item in items) and not self.config.option.collectonly:
            self.plugin.preflight(as_found=all(isinstance(item, OwnItem) and item.as_found for item in items))

    def leave_out(self, dropped: list[pytest.Item], reason: str) -> None:
        """Count cases that another plugin of ours does not choose."""
        self.left_out[reason] += sum(stashed(item) is not None for item in dropped)
        self._let_go(dropped)

    def _let_go(self, dropped: list[pytest.Item]) -> None:
        if dropped:
            self._choosing = True
            self.config.hook.pytest_deselected(items=dropped)
            self._choosing = False

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count what pytest's own options leave out."""
        dropped = sum(stashed(item) is not None for item in items)
        if dropped and not self._choosing:
            self.left_out[BY_PYTEST] += dropped

    def pytest_collection_finish(self) -> None:
        """Keep the garbage collector off the items, which live to the end, and let it come rarely.

        A batch is freed as a whole, nearly all of it without the collector; until then every look at it is in vain.
        """
        gc.freeze()
        gc.set_threshold(1_000_000, 10, 100)

    def _demand_no_idle_deviations(self, found: list[Case]) -> None:
        """Demand of the user's own entries that each is about a case; a selftest does of those that come with us."""
        declared = self.options.extra
        if self.options.grid == grid.OFF:
            declared = tuple(entry for entry in declared if not entry.case.startswith(grid.PREFIX))
        for entry in idle_deviations(declared, found):
            raise pytest.UsageError(f"{entry.origin}: no case is called {entry.case!r}; remove or correct the entry")
