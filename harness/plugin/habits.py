"""Options of a run that have nothing to do with TCP: what failed before, a part of all cases, a limit of time."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.report.runs import BrokenResults, load
from harness.trace.results import FILE_NAME

#: A case in any run: id, target, IP version.
CaseKey = tuple[str, str, int]

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_STEPWISE = "cases are judged in batches, so there is no first failure to go on from; use -x, then --lf"


def declare(parser: pytest.Parser, *, cached: bool) -> None:
    """Declare the options; with pytest's own cache (`cached`) those that it has are pytest's."""
    add = parser.getgroup("tcpspec", "tcpspec: TCP conformance").addoption
    if not cached:
        add("--lf", "--last-failed", action="store_true", help="run what was not as expected in the results before")
        add("--ff", "--failed-first", action="store_true", help="run all, what was not as expected before first")
        add("--sw", "--stepwise", action="store_true", help="not possible: cases are judged in batches; see --lf")
    add("--among", metavar="RESULTS", help="run only the cases that were not as expected in these results")
    add("--without", metavar="RESULTS", help="run only the cases that have no verdict in these results")
    add("--shard", metavar="I/N", help="run the I-th of N parts; tcpspec merge puts their results together")
    add("--for", dest="tcpspec_for", metavar="60s", help="run for so long (s, m, h), what tells most first")
    add("--max-failures", type=int, metavar="N", help="stop behind N cases that are not as expected")
    add("--keep-going", action="store_true", help="go on where case upon case can't be judged, for one reason")
    add("--reruns", type=int, default=0, metavar="N", help="run what failed N times more; what changes is unstable")
    add("--set-aside", action="append", default=[], metavar="SEGMENT", help=_ASIDE_HELP)
    add("--no-second-look", action="store_true", help="don't judge again what fails by one extra segment")


_ASIDE_HELP = "let no case fail by this extra segment, such as ACK or 'PSH,ACK with text'"


@dataclass(slots=True)
class Habits:
    """The parsed options: the only cases to run (None: all), those to run first, and those to leave out."""

    among: frozenset[CaseKey] | None
    first: frozenset[CaseKey]
    without: frozenset[CaseKey]
    shard: tuple[int, int]
    seconds: float

    @classmethod
    def of(cls, config: pytest.Config) -> "Habits":
        """Read the options; raises pytest.UsageError with one clear message."""
        get = config.getoption
        ours = not config.pluginmanager.has_plugin("cacheprovider")
        if ours and get("sw"):
            raise pytest.UsageError(f"--sw: {_STEPWISE}")
        if (limit := get("max_failures")) is not None:
            if limit < 1:
                raise pytest.UsageError("--max-failures: 1 or more")
            config.option.maxfail = limit
        if get("reruns") < 0:
            raise pytest.UsageError("--reruns: 0 or more")
        among = get("among")
        again, first = (bool(ours and not among and get(name)) for name in ("lf", "ff"))
        before = _before(config, "--lf" if again else "--ff") if again or first else frozenset()
        return cls(
            _cases_in(Path(among)) if among else before if again else None,
            before if first else frozenset(),
            _cases_in(Path(get("without")), every=True) if get("without") else frozenset(),
            _shard(get("shard")),
            _duration(get("tcpspec_for")),
        )


def _before(config: pytest.Config, option: str) -> frozenset[CaseKey]:
    folder = config.getoption("results")
    if not folder or not (Path(folder) / FILE_NAME).exists():
        raise pytest.UsageError(f"{option}: there are no results of a run before in {folder or 'any folder'}")
    failed = _cases_in(Path(folder))
    if not failed and option == "--lf":
        raise pytest.UsageError(f"--lf: everything was as expected in {folder}; run without --lf")
    return failed


def _cases_in(path: Path, *, every: bool = False) -> frozenset[CaseKey]:
    """Return the cases of a run that were not as expected, or all; raises pytest.UsageError."""
    try:
        (run,) = load([path], partial=True)
    except BrokenResults as error:
        raise pytest.UsageError(str(error)) from None
    bad = (case for case in run.cases if every or not case.as_expected(run.level))
    return frozenset((case.key.id, case.target, case.key.ip) for case in bad)


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise pytest.UsageError(f"--shard {text}: write I/N with I from 1 to N, such as --shard 3/8")
    return int(match[1]), int(match[2])


def _duration(text: str | None) -> float:
    if text is None:
        return 0.0
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or not float(match[1]):
        raise pytest.UsageError(f"--for {text}: write a time such as 60s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]
