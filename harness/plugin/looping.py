"""The loop over the items, without what pytest does around each of them.

Items that are no cases, timer cases, and all of them where somebody may watch the loop, go pytest's way.
"""

import time
from collections.abc import Callable, Generator
from functools import cached_property
from typing import Any

import pytest

from harness.plugin import watching
from harness.plugin.items import stashed

#: Plays an item; the second is the one behind it.
Play = Callable[[pytest.Item, pytest.Item | None], None]
Takes = Callable[[pytest.Item | None], bool]


class Looping:
    """Runs the items of a session, as a plugin of it. `play` does so for one that `takes` says yes to."""

    def __init__(self, config: pytest.Config, takes: Takes, play: Play) -> None:
        self._config = config
        self._takes = takes
        self._play = play

    @cached_property
    def is_ours(self) -> bool:
        """Whether nobody wants anything between two items."""
        get = self._config.getoption
        bounded = get("tcpspec_for", None) or float(self._config.getini("faulthandler_timeout") or 0)
        return not bounded and not watching.others(self._config, watching.LOOPING)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Keep what is warned of, as pytest does around each item."""
        if not self.is_ours or not self._config.pluginmanager.has_plugin("warnings"):
            return (yield)
        from _pytest.warnings import catch_warnings_for_item

        with catch_warnings_for_item(self._config, self._config.hook, "runtest", item=None):
            return (yield)

    def run(self, session: pytest.Session) -> bool:
        """Do what pytest's own loop does."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            errors = f"{session.testsfailed} error{'s' if session.testsfailed != 1 else ''}"
            raise session.Interrupted(f"{errors} during collection")
        items: list[pytest.Item | None] = [*session.items, None]
        for at, item in enumerate(session.items):
            if self._is_plain(item):
                self._play(item, items[at + 1])
            else:
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=items[at + 1])
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
        return True

    def in_worker(self, interactor: Any) -> None:
        """Have xdist's plugin in a worker run its items so."""
        ordinary = interactor.run_one_test

        def run_one() -> None:
            item = interactor.session.items[interactor.nextitem_index]
            if not self._is_plain(item):
                ordinary()
                return
            interactor.item_index = interactor.nextitem_index
            interactor.nextitem_index = following = interactor.torun.get()
            began = time.perf_counter()
            self._play(item, interactor.session.items[following] if isinstance(following, int) else None)
            lasted = time.perf_counter() - began
            interactor.sendevent("runtest_protocol_complete", item_index=interactor.item_index, duration=lasted)

        interactor.run_one_test = run_one

    def _is_plain(self, item: pytest.Item) -> bool:
        case = stashed(item)
        return case is not None and case.meta.timer_s is None and self._takes(item)
