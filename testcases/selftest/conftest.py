"""What the selftests want of pytest besides the plugin, which comes with the package."""

import os
import signal
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

#: Modules that take long, which `tcpspec test` runs with --all only: what they try are processes, containers, kernels.
SLOW = frozenset(
    {
        "test_adapter_check",
        "test_adapter_kit",
        "test_bad_paths",
        "test_bisect",
        "test_built_releases",
        "test_campaign",
        "test_circumstances",
        "test_compare_command",
        "test_deaths",
        "test_declare",
        "test_direct",
        "test_docker",
        "test_docker_adapter",
        "test_docker_leftovers",
        "test_docker_refused",
        "test_docker_runtime",
        "test_explain",
        "test_explore_stacks",
        "test_explore_verb",
        "test_failing_capture",
        "test_findings",
        "test_fuzz",
        "test_github",
        "test_grid_power",
        "test_habits",
        "test_identical_runs",
        "test_images",
        "test_in_a_container",
        "test_kernel",
        "test_killed_run",
        "test_learn_golden",
        "test_learn_interrupted",
        "test_learn_sides",
        "test_learned",
        "test_leftovers",
        "test_linux_examples",
        "test_machine_in_a_browser",
        "test_machines",
        "test_libslirp",
        "test_manual",
        "test_mixtures",
        "test_mutate",
        "test_narrowing",
        "test_netstack",
        "test_ns3",
        "test_odd_adapters",
        "test_own_cases",
        "test_pictures",
        "test_pkt_own",
        "test_pkt_writer",
        "test_progress",
        "test_pytcp",
        "test_readme",
        "test_report_browser",
        "test_saboteur",
        "test_skips",
        "test_smoltcp",
        "test_source",
        "test_spec_every_edge",
        "test_stack_kernel",
        "test_stack_random",
        "test_storms",
        "test_tap",
        "test_variants",
        "test_wired",
        "test_wired_dhcp",
        "test_wired_lines",
        "test_wired_network",
        "test_wired_odd",
        "test_wired_pair",
    }
)

#: Of these, what takes longest begins, so that nobody waits for it at the end.
LONGEST = (
    "test_docker_leftovers",
    "test_docker",
    "test_learn_golden",
    "test_wired_timers",
    "test_wired_weather",
    "test_report_browser",
)

#: Set where everything is installed, as in this project's own CI: a test that is skipped there has failed.
MUST_RUN = "TCPSPEC_ALL_MUST_RUN"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's job in the background; tests interrupt runs of theirs
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a skip, where nothing may be skipped."""
    report = yield
    if os.environ.get(MUST_RUN) and report.skipped and not hasattr(report, "wasxfail"):
        why: Any = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"{MUST_RUN} is set, and this did not run. {why}"
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of what takes long."""
    config.addinivalue_line("markers", "slow: takes long; `tcpspec test` runs it with --all only")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long, and put it behind everything else, the longest first, what waits between what computes."""
    for item in items:
        if item.path.stem in SLOW and Path(__file__).parent in item.path.parents:
            item.add_marker("slow")
    ranks = {item: _rank(item) for item in items}
    places = _places(item.path for item in items if ranks[item] == 2)
    items.sort(key=lambda item: (ranks[item], places[item.path] if ranks[item] == 2 else 0.0))


def _places(paths: Iterable[Path]) -> dict[Path, float]:
    """Return where each module of slow tests goes, from 0 to 1: those that wait for real targets among the others."""
    modules = list(dict.fromkeys(paths))
    waiting = [module for module in modules if module.parent.name in ("targets", "selftest")]
    computing = [module for module in modules if module not in waiting]
    return {module: at / len(group) for group in (waiting, computing) for at, module in enumerate(group)}


def _rank(item: pytest.Item) -> int:
    if item.get_closest_marker("slow") is None:
        return 0
    return 1 if item.path.stem in LONGEST else 2
