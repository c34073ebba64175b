"""The pytest plugin (entry point `pytest11`)."""

import pytest

from harness import hooks
from harness.plugin import options
from harness.plugin.session import CasePlugin


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the harness."""
    options.declare(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our own hooks to other plugins."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Set the session's plugin up."""
    config.pluginmanager.register(CasePlugin(config), "tcpspec-session")
