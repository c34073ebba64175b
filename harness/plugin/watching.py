"""Who else looks at what pytest does with an item: where nobody does, a case needs less of it."""

from collections.abc import Iterable

import pytest

#: Plugins that a case needs nothing of: pytest's own, xdist's (a worker is a text that execnet runs) and ours.
_KNOWN = ("_pytest.", "xdist.", "__channelexec__", "harness.", "_hypothesis_pytestplugin")
#: Hooks in which somebody may look at how an item runs.
RUNNING = (
    "pytest_runtest_setup",
    "pytest_runtest_call",
    "pytest_runtest_teardown",
    "pytest_runtest_makereport",
    "pytest_pyfunc_call",
    "pytest_fixture_setup",
    "pytest_fixture_post_finalizer",
    "pytest_exception_interact",
)
#: Hooks in which somebody may take the place of what runs them.
LOOPING = ("pytest_runtestloop", "pytest_runtest_protocol")
#: Hooks that tell what came of an item.
TELLING = (
    "pytest_runtest_logstart",
    "pytest_runtest_logreport",
    "pytest_runtest_logfinish",
    "pytest_report_to_serializable",
    "pytest_report_from_serializable",
)


def others(config: pytest.Config, hooks: Iterable[str]) -> bool:
    """Tell whether a plugin that is neither pytest's, nor xdist's, nor ours has one of these hooks."""
    callers = (caller for name in hooks if (caller := getattr(config.hook, name, None)) is not None)
    modules = (
        getattr(implementation.function, "__module__", "") or ""
        for caller in callers
        for implementation in caller.get_hookimpls()
    )
    return any(not module.startswith(_KNOWN) for module in modules)


def each_phase_counts(config: pytest.Config) -> bool:
    """Tell whether somebody wants to hear of a teardown in which nothing happened."""
    return bool(config.getoption("xmlpath", None)) or others(config, TELLING)
