"""Starts pytest on the cases with the tool's own settings, and tells what it has collected."""

import gc
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from harness.verbs import NOTHING_RAN, USAGE_ERROR, keeping

if TYPE_CHECKING:
    from harness.mutate.script import Script

#: What pytest need not print: the matrix names what is not as expected, by case.
QUIET = ("-q", "--no-header", "-rN", "-p", "harness.plugin.progress")
#: Short options of pytest that take a value.
_WITH_VALUE = frozenset({"-k", "-m", "-n", "-p", "-c", "-o", "-r", "-W"})


def folder() -> Path:
    """Return the folder of the cases."""
    import testcases

    return Path(testcases.__path__[0])


def start(arguments: Sequence[str], *plugins: object) -> int:
    """Start pytest on the cases with the tool's own settings."""
    gc.set_threshold(50_000)  # imports and collecting make nothing that could be freed
    import pytest

    from harness.plugin import machines

    if machines.are_named(arguments) and not names_paths(arguments):
        return int(pytest.main(machines.command_line(arguments), plugins=list(plugins)))
    cases = folder()
    own = ["-c", str(Path(__file__).with_name("run.ini")), "--rootdir", str(cases.parent), "-p", "no:cacheprovider"]
    own += ["-p", "no:hypothesispytest"]  # it imports hypothesis, which no case uses
    if lost := missing_path(arguments):
        print(f"ERROR: file or directory not found: {lost}", file=sys.stderr)
        return USAGE_ERROR
    paths = [] if names_paths(arguments) else [str(cases), "--ignore", str(cases / "selftest")]
    return int(pytest.main([*own, *paths, *arguments], plugins=list(plugins)))


def names_paths(arguments: Sequence[str]) -> bool:
    """Tell whether any argument is a path of tests, and not an option or the value of one."""
    return any(Path(path).exists() for path in _paths(arguments))


def missing_path(arguments: Sequence[str]) -> str:
    """Return the first path that leads nowhere, "" if all do: with workers pytest says nothing of it.

    What stands behind an option may be its value: ``--target 'exec:python3 adapter.py'``.
    """
    behind_options = {text for before, text in pairwise(arguments) if before.startswith("-") and "=" not in before}
    lost = (path for path in _paths(arguments) if not Path(path).exists())
    return next((path for path in lost if path not in behind_options), "")


def _paths(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments that are neither an option nor the value of one."""
    for before, text in zip(["", *arguments], arguments, strict=False):
        path = text.partition("::")[0]
        value = before in _WITH_VALUE or (before.startswith("--") and "=" not in before and not path.endswith(".py"))
        if not value and not text.startswith("-"):
            yield path


def collect(arguments: Sequence[str]) -> tuple[int, keeping.Collector]:
    """Collect the cases that somebody wrote; generated conversations where the arguments ask for them."""
    collector = keeping.Collector()
    every = ["--collect-only", "-p", "no:terminal", "--timers", "1e9", "--explore", "off"]
    code = start([*every, *arguments], collector)
    for problem in collector.problems:
        print(problem, file=sys.stderr)
    return (code if code != NOTHING_RAN else 0), collector


def is_script(name: str) -> bool:
    """Tell whether a name is that of a packetdrill script, which need not be there."""
    return name.endswith(".pkt")


def no_such_case(pattern: str) -> int:
    """Say why no case was taken; return the exit code."""
    from harness.case.selection import Selection

    _code, everything = collect(["--ip", "4"])
    problem = Selection((pattern,)).unknown(case for case, _item in everything.items)
    print(problem or f"the options leave out all cases of {pattern!r}", file=sys.stderr)
    return USAGE_ERROR if problem else NOTHING_RAN


def scripts(options: Sequence[str], patterns: Sequence[str]) -> tuple[int, "list[Script]"]:
    """Collect cases that can be played in this process; an exit code that is not 0 has said why."""
    from harness.case.selection import Selection

    code, collector = collect([*options, *(f"--case={pattern}" for pattern in patterns)])
    taken = [case for case, _item in collector.items]
    lost = [pattern for pattern in patterns if Selection((pattern,)).unknown(taken)]
    return (no_such_case(lost[0]) if lost and not code else code), collector.scripts()
