"""What `tcpspec run` does behind a run that failed: what failed runs again, and so does what one segment hides.

Each is a run of its own, with its own results beside the first: nothing that was found is ever taken back by it.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.plugin.tally import Tally
from harness.report import causes, merge
from harness.report.kinds import counted
from harness.report.runs import Case
from harness.trace.results import FILE_NAME, read

FAILED, LOST = 1, 3
UNSTABLE = "unstable"
_TAP = frozenset({"--tap", "--ktap"})
#: Options that are the first run's alone: a file that it has written, how long it lasts, and scripts of what it found.
_ONCE = ("--junitxml", "--junit-xml", "--for", "--pkt")

Start = Callable[..., int]


@dataclass(eq=False)
class Ending:
    """Notes what a session has come to."""

    tally: Tally | None = None
    reruns: int = 0
    looks: bool = True

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Keep the tally."""
        self.tally = config.pluginmanager.get_plugin("tcpspec-tally")
        self.reruns = config.getoption("reruns", default=0)
        self.looks = not config.getoption("no_second_look", default=False)


def run(start: Start, arguments: Sequence[str]) -> int:
    """Run the cases; `start` runs pytest on arguments and plugins. Return the exit code of the first run."""
    end = Ending()
    code = start(arguments, end)
    if not _TAP & set(arguments):
        return _follow_up(start, arguments, end, code)
    with contextlib.redirect_stdout(sys.stderr):  # the only TAP on standard output is that of the run itself
        return _follow_up(start, [text for text in arguments if text not in _TAP], end, code)


def _follow_up(start: Start, arguments: Sequence[str], end: Ending, code: int) -> int:
    tally = end.tally
    if code == LOST and tally is not None and tally.lost > 0 and tally.options.results is not None:
        return _give_to_another(start, arguments, tally, tally.options.results)
    if code != FAILED or tally is None or tally.options.results is None:
        return code
    results = tally.options.results
    if end.reruns:
        changed = _run_again(start, arguments, tally, results, end.reruns)
        _note_unstable(results / FILE_NAME, changed)
        _tell_unstable(tally, changed, end.reruns)
    cause = causes.common(tally.unexpected) if end.looks and not tally.options.settings.aside else None
    if cause is not None:
        _look_behind(start, arguments, cause, results)
    return code


def _override(arguments: Sequence[str], results: Path, among: Path | None = None) -> list[str]:
    """Return the arguments of a run of what failed: the last of an option counts."""
    once = _ONCE if among else _ONCE[:-2]
    kept: list[str] = []
    skip = False
    for text in arguments:
        if not skip and text.partition("=")[0] not in once:
            kept.append(text)
        skip = text in once
    which = [f"--among={among}", "--shard=1/1"] if among else []
    return [*kept, f"--results={results}", *which, "--reruns=0", "--no-second-look"]


# --- a worker, or a whole machine, that is lost ----------------------------------------------------------------------


def _give_to_another(start: Start, arguments: Sequence[str], tally: Tally, results: Path) -> int:
    """Run what a lost worker had taken with it, and put both results together; return the exit code of the whole."""
    print(f"\n{tally.lost} cases have no verdict: a worker is lost. They are given to another:")
    end = Ending()
    aside = results / "lost"
    code = start([*_override(arguments, aside), f"--without={results}"], end)
    if code > FAILED or end.tally is None or end.tally.lost:
        return LOST
    first, second = read(results), read(aside)
    unexpected = merge.write([first, second], results, command=first.header["command"], shard=first.header.get("shard"))
    return FAILED if unexpected else 0


# --- reruns ----------------------------------------------------------------------------------------------------------


@dataclass
class Changed:
    """A case that has come to other verdicts: all of them, in their order."""

    case: Case
    verdicts: list[str] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """What the results say of it."""
        return ", then ".join(self.verdicts)


def _run_again(start: Start, arguments: Sequence[str], tally: Tally, results: Path, times: int) -> list[Changed]:
    found = {(case.key, case.target): Changed(case, [case.verdict]) for case in tally.unexpected}
    for number in range(1, times + 1):
        end = Ending()
        print(f"\nagain, {number} of {times}: the {len(found)} cases that are not as expected")
        start([*_override(arguments, results / f"rerun-{number}", results), "--tb=no"], end)
        if end.tally is None:
            break
        verdicts = {(case.key, case.target): case.verdict for case in end.tally.unexpected}
        for key, changed in found.items():
            changed.verdicts.append(verdicts.get(key, "as expected"))
    return [changed for changed in found.values() if len(set(changed.verdicts)) > 1]


def _note_unstable(path: Path, changed: Sequence[Changed]) -> None:
    """Write into the results which verdicts did not last."""
    unstable = {(entry.case.key.id, entry.case.target, entry.case.key.ip): entry for entry in changed}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(_noted(lines, unstable)), encoding="utf-8")


def _noted(lines: Sequence[str], unstable: dict[tuple[str, str, int], Changed]) -> Iterator[str]:
    for line in lines:
        data = json.loads(line)
        entry = unstable.get((data.get("id"), data.get("target"), data.get("ip")))
        if entry is not None:
            data |= {"verdict": UNSTABLE, "reason": entry.reason}
            line = json.dumps(data, separators=(",", ":")) + "\n"
        yield line


def _tell_unstable(tally: Tally, changed: Sequence[Changed], times: int) -> None:
    same = len(tally.unexpected) - len(changed)
    print(
        f"{same} of {len(tally.unexpected)} cases came to the same verdict {times + 1} times; {len(changed)} unstable"
    )
    for entry in changed:
        print(f"  unstable: {entry.case.key} on {entry.case.target}: {entry.reason}")


# --- one segment that hides others -----------------------------------------------------------------------------------


def _look_behind(start: Start, arguments: Sequence[str], cause: causes.Cause, results: Path) -> None:
    folder = results / "set-aside"
    print(f"\ncommon cause: {cause}. They are judged again with it set aside:")
    end = Ending()
    start([*_override(arguments, folder, results), f"--set-aside={cause.segment}"], end)
    if end.tally is None:
        return
    known = {(case.key, case.target) for case in cause.cases}
    left = [case for case in end.tally.unexpected if (case.key, case.target) in known]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in counted(left).items())
    behind = f"{len(left)} are not as expected all the same: {counts}" if left else "nothing else is behind it"
    print(
        f"common cause: {cause}; judged again with it set aside, {len(known) - len(left)} have no other fault; {behind}"
    )
    sys.stdout.flush()
