"""The pytest plugin (entry point `pytest11`)."""

import pytest

from harness.plugin import habits, hooks, options, tap
from harness.plugin.choosing import Choosing
from harness.plugin.collection import Collection
from harness.plugin.one_reason import OneReason
from harness.plugin.relay import Receiver
from harness.plugin.session import CasePlugin
from harness.plugin.tally import Tally, Worker


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the options of the harness."""
    options.declare(parser)
    tap.declare(parser)
    habits.declare(parser, cached=not pluginmanager.is_blocked("cacheprovider"))


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our own hooks to other plugins."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Set the session's plugins up: one runs, one collects, one counts."""
    session = CasePlugin(config)
    collection = Collection(session)
    count = session.settler.scripts.count if session.settler.scripts is not None else None
    made = (collection, count)
    tally = Worker(config, *made) if session.is_worker else Tally(config, session.options, *made)
    choosing = Choosing(config, collection)
    parts: dict[str, object] = {"session": session, "collection": collection, "choosing": choosing, "tally": tally}
    parts["looping"] = session.looping
    if not session.is_worker:
        parts["relay"] = Receiver(config)
    if (form := config.getoption("tcpspec_tap")) and not session.is_worker:
        parts["tap"] = tap.Tap(form, str(session.options.level))
    if not session.is_worker and not config.getoption("keep_going"):
        parts["one-reason"] = OneReason(config)
    for name, part in parts.items():
        config.pluginmanager.register(part, f"tcpspec-{name}")
