"""The pytest plugin (entry point `pytest11`)."""

import pytest

from harness import hooks
from harness.plugin import options
from harness.plugin.collection import Collection
from harness.plugin.session import CasePlugin
from harness.plugin.tally import Tally, Worker


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the harness."""
    options.declare(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our own hooks to other plugins."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Set the session's plugins up: one runs, one collects, one counts."""
    session = CasePlugin(config)
    collection = Collection(session)
    tally = Worker(collection, config) if session.is_worker else Tally(config, session.options, collection)
    for name, part in (("session", session), ("collection", collection), ("tally", tally)):
        config.pluginmanager.register(part, f"tcpspec-{name}")
