"""Runs as the renderings see them: read from ``results.jsonl``, checked, with typed access to what a case recorded.

    runs = load([Path("a"), Path("b/results.jsonl")])      # raises BrokenResults; IncompleteRun unless partial
    for column in columns(runs):                           # a target of a run: one column of a table
        for key, case in column.cases.items(): ...         # key is (id, IP version): the same in every run

Nothing here is written by hand into a file that a person reads: texts come from the run, so escape them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from harness.spec import citations, requirements
from harness.spec.citations import Citation
from harness.trace import results
from harness.trace.results import BrokenResults
from harness.trace.schema import UNEXPECTED

__all__ = ["BrokenResults", "Case", "Column", "IncompleteRun", "Key", "Run", "columns", "load"]

_LEVELS = ("MUST", "SHOULD", "MAY")  # from the strongest on


class IncompleteRun(BrokenResults):
    """A run without footer, where whole ones are needed; the message names the file and the switch."""


class Key(NamedTuple):
    """What a case is called in every run: its id and the IP version."""

    id: str
    ip: int

    def __str__(self) -> str:
        return f"{self.id} IPv{self.ip}"


@dataclass(frozen=True)
class Case:
    """What came of one case on one target. `record` is the line of the file, `folder` where its captures are."""

    record: Mapping[str, Any]
    folder: Path = field(compare=False)

    @property
    def key(self) -> Key:
        """Id and IP version."""
        return Key(self.record["id"], self.record["ip"])

    @property
    def target(self) -> str:
        """The target as on the command line, such as ``docker:linux``."""
        return str(self.record["target"])

    @property
    def verdict(self) -> str:
        """One of `harness.trace.schema.VERDICTS`."""
        return str(self.record["verdict"])

    @property
    def group(self) -> str:
        """The topic, such as ``passive-open``; ``grid`` for cells."""
        return self.key.id.partition("/")[0]

    @property
    def title(self) -> str:
        """The rule in one sentence."""
        return str(self.record.get("title", ""))

    @property
    def at(self) -> str:
        """File and line of the case's source: ``testcases/passive_open/test_options.py:12``."""
        return str(self.record.get("at", ""))

    @property
    def reason(self) -> str:
        """What a person should know: why not applicable, what was due and what came, why a deviation is known."""
        return str(self.record.get("reason", ""))

    @property
    def source(self) -> str:
        """Where one can read why a declared deviation is so."""
        return str(self.record.get("source", ""))

    @property
    def declared(self) -> str:
        """File and line of the declaration of a deviation."""
        return str(self.record.get("declared", ""))

    @property
    def issue(self) -> str:
        """A link to where a declared deviation is tracked."""
        return str(self.record.get("issue", ""))

    @property
    def reproduce(self) -> str:
        """The command that runs just this."""
        return str(self.record.get("reproduce", ""))

    @property
    def findings(self) -> Sequence[Mapping[str, Any]]:
        """All differences, in their order: code, level, expected, observed, state, cites, step."""
        return self.record.get("findings", [])  # type: ignore[no-any-return]

    @property
    def code(self) -> str:
        """The violation code of the finding that decides, "" where nothing was found."""
        return str(self.finding["code"]) if self.finding else ""

    @property
    def finding(self) -> Mapping[str, Any] | None:
        """The finding that decides: the one that the record names, else the first MUST, else the first."""
        decides = self.record.get("decides", -1)
        if 0 <= decides < len(self.findings):
            return dict(self.findings[decides])
        return next((found for found in self.findings if found["level"] == "MUST"), next(iter(self.findings), None))

    @property
    def ladder(self) -> Sequence[Mapping[str, Any]]:
        """The events with times; empty for a case that simply conforms and has no timers: it has a `trace` only."""
        return self.record.get("ladder", [])  # type: ignore[no-any-return]

    @property
    def trace(self) -> Sequence[str]:
        """All events in short, ``received <SEQ=0><CTL=SYN>``: from the ladder where there is one."""
        if self.ladder:
            return [f"{event['kind']} {event['text']}" + _which(event) for event in self.ladder]
        return self.record.get("trace", [])  # type: ignore[no-any-return]

    @property
    def set_up(self) -> int:
        """How many events at the beginning of the trace only walk to the state that the case begins in."""
        if self.ladder:
            return sum(event.get("step") == "set-up" for event in self.ladder)
        return int(self.record.get("set_up", 0))

    @property
    def timer_s(self) -> float | None:
        """How long a timer case may take, in seconds of the target's clock; None for all other cases."""
        return self.record.get("timer_s")

    @property
    def ss(self) -> Sequence[str]:
        """What the target's `ss` printed, per connection."""
        return self.record.get("ss", [])  # type: ignore[no-any-return]

    @property
    def pcap(self) -> Path | None:
        """The capture, if the run wrote one below its own folder (it may not have come along)."""
        name = self.record.get("pcap", "")
        path = self.folder / name
        return path if name and path.resolve().is_relative_to(self.folder.resolve()) else None

    @cached_property
    def citations(self) -> tuple[Citation, ...]:
        """What the case cites, as far as this version knows the places."""
        found = []
        for text in self.record["cites"]:
            try:
                found.append(Citation.parse(text))
            except (citations.BadCitation, requirements.UnknownRequirement):
                continue
        return tuple(found)

    @property
    def sections(self) -> tuple[str, ...]:
        """The cited places, ``RFC 9293 §3.6``, each once."""
        return tuple(dict.fromkeys(f"RFC {item.rfc} §{item.section}" for item in self.citations if item.section))

    @property
    def requirements(self) -> tuple[str, ...]:
        """The ids of the cited requirements, each once."""
        return tuple(dict.fromkeys(item.requirement for item in self.citations if item.requirement))

    @property
    def level(self) -> str:
        """The level of the finding that decides, else the strongest of the cited requirements, else ""."""
        if self.finding:
            return str(self.finding["level"])
        levels = {requirements.by_id(name).level for name in self.requirements}
        return next((level for level in _LEVELS if level in levels), "")

    def as_expected(self, level: str) -> bool:
        """Tell whether a run at this level ("MUST" or "SHOULD") may pass with it."""
        return self.verdict not in UNEXPECTED and not (self.verdict == "deviates" and level == "SHOULD")


def _which(event: Mapping[str, Any]) -> str:
    return f" #{event['connection'] + 1}" if event.get("connection") else ""


@dataclass(frozen=True)
class Run:
    """One file. `targets` are the facts by name: implementation, version, details, sysctls, capabilities."""

    path: Path
    header: Mapping[str, Any]
    targets: Mapping[str, Mapping[str, Any]]
    cases: Sequence[Case]
    footer: Mapping[str, Any] | None

    @property
    def partial(self) -> bool:
        """Whether the run did not come to its end: it has no footer. Say so wherever its cases are shown."""
        return self.footer is None

    @property
    def level(self) -> str:
        """The level at which the run fails: MUST, or SHOULD."""
        return str(self.header["level"])

    @property
    def command(self) -> Sequence[str]:
        """The command line, as words."""
        return self.header["command"]  # type: ignore[no-any-return]

    @property
    def started(self) -> str:
        """When it began: ISO 8601, UTC."""
        return str(self.header["started"])

    @property
    def seconds(self) -> float | None:
        """How long it took, None if it did not come to its end."""
        return self.footer["seconds"] if self.footer else None

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many cases the command line did not choose, by reason."""
        return (self.footer or {}).get("left_out", {})  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """A short name of the file: ``a.jsonl``, or its folder where the file has the usual name."""
        usual = self.path.name == results.FILE_NAME and self.path.parent.name
        return results.printable(self.path.parent.name if usual else self.path.name)

    @property
    def place(self) -> str:
        """The path as a text to be shown."""
        return results.printable(str(self.path))


@dataclass(frozen=True)
class Column:
    """A target of a run. `label` tells it from all other columns in a few words."""

    run: Run
    target: str
    label: str

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of the target; empty if the run was killed before it wrote any."""
        return self.run.targets.get(self.target, {})

    @property
    def partial(self) -> bool:
        """Whether the run is incomplete."""
        return self.run.partial

    @cached_property
    def cases(self) -> Mapping[Key, Case]:
        """The cases on this target, in the order of the file."""
        return {case.key: case for case in self.run.cases if case.target == self.target}


def load(paths: Sequence[Path], *, partial: bool = False) -> list[Run]:
    """Read runs from files, or from folders with a ``results.jsonl``.

    Raises BrokenResults for a file that can't be believed, and IncompleteRun for a run without footer unless `partial`.
    """
    runs = [_run(results.read(path)) for path in paths]
    for run in runs:
        if run.partial and not partial:
            count = f"{len(run.cases)} cases and no footer"
            raise IncompleteRun(f"{run.path}: an incomplete run ({count}); --partial takes it as far as it came")
    return runs


def _run(read: results.Results) -> Run:
    folder = read.path.parent
    targets = {facts["name"]: facts for facts in read.targets}
    return Run(read.path, read.header, targets, [Case(record, folder) for record in read.cases], read.footer)


def columns(runs: Sequence[Run]) -> list[Column]:
    """Return the targets of all runs, in the order of the runs, each with a label of its own.

    A label is the target's name, with the release in place of a kernel's path; where several runs have it, with the
    first of version, name of the file, and number of the run that tells them apart.
    """
    found = [(run, name, shown_name(run.targets.get(name, {}), name)) for run in runs for name in _names(run)]
    labels: list[str] = []
    for run, name, shown in found:
        same = [(other, theirs) for other, theirs, called in found if called == shown]
        if len({id(other) for other, _theirs in same}) < len(same):  # two targets of one run: by their paths
            labels.append(name)
        else:
            labels.append(shown if len(same) == 1 else f"{shown} ({_distinction(run, name, same, runs.index(run))})")
    return [Column(run, name, label) for (run, name, _shown), label in zip(found, labels, strict=True)]


def shown_name(facts: Mapping[str, Any], name: str) -> str:
    """Return what a person calls a target: a kernel that was named by its path by its release."""
    by_path = name.startswith("kernel:") and "/" in name
    return f"kernel:{facts['version']}" if by_path and facts else name


def _names(run: Run) -> list[str]:
    return list(dict.fromkeys([*run.targets, *(case.target for case in run.cases)]))


def _distinction(run: Run, name: str, same: Sequence[tuple[Run, str]], at: int) -> str:
    versions = [str(other.targets.get(theirs, {}).get("version", "")) for other, theirs in same]
    if len(set(versions)) == len(same) and all(versions):
        return str(run.targets[name]["version"])
    if len({other.name for other, _theirs in same}) == len(same):
        return run.name
    return f"run {at + 1}"
