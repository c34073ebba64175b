"""What a collected case is called, and which cases a command line selects. No pytest in here."""

import difflib
import fnmatch
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.case.marks import CaseMeta
from harness.case.walks import Walk
from harness.expectations.deviations import Deviation
from harness.spec.citations import Selector
from harness.targets.protocol import Capability
from harness.targets.registry import TargetSpec

#: Why a case is left out that the command line says nothing of.
NOT_NAMED = "not named (--case, --rfc, --requirement)"
#: How the reasons end why a timer case is not to run: one that was named too, which is worth a word.
BY_TIMERS = "(--timers)"


@dataclass(frozen=True, slots=True)
class Binding:
    """A case bound to a target, an IP version and one of its rows."""

    spec: TargetSpec
    version: int
    row: str
    route: Walk

    @property
    def suffix(self) -> str:
        """What this binding adds to the end of a pytest id."""
        return f"{self.spec.text}-ipv{self.version}"


@dataclass(frozen=True, slots=True)
class Case:
    """A collected case. `case_id` does not depend on target, IP version or working directory."""

    case_id: str
    binding: Binding
    meta: CaseMeta
    summary: str = ""
    origin: str = ""

    @property
    def group(self) -> str:
        """The folder of the case: its topic."""
        return self.case_id.partition("/")[0]

    def missing(self, capabilities: frozenset[Capability]) -> str:
        """Return why the case is not applicable to a target that claims these, "" if it is: IPv6 is one of them."""
        needs = [Capability.IPV6] * (self.binding.version == 6) + self.meta.requires
        missing = [need for need in needs if need not in capabilities]
        return f"the target does not claim {', '.join(missing)}" if missing else ""

    def reproduce(self, *options: str) -> str:
        """Return the command that runs exactly this; `options` are those of the run that matter."""
        timers = ("--timers", f"{self.meta.timer_s:g}") if self.meta.timer_s is not None else ()
        where = ("--target", self.binding.spec.text, "--ip", str(self.binding.version))
        return shlex.join(["tcpspec", "run", *where, *timers, *options, "--case", self.case_id])


def case_id(path: Path, function: str, row: str) -> str:
    """Return ``group/name[row]`` for a test function in a file; the group is the file's folder."""
    name = function.removeprefix("test_").replace("_", "-")
    return f"{path.parent.name.replace('_', '-')}/{name}" + (f"[{row}]" if row else "")


@dataclass(frozen=True, slots=True)
class Selection:
    """What the options select. `cases` are ids or patterns, empty for all; `timers_s` the longest timer case to run."""

    cases: tuple[str, ...] = ()
    sections: tuple[Selector, ...] = ()
    requirements: tuple[str, ...] = ()
    versions: tuple[int, ...] = (4, 6)
    timers_s: float = 0.0

    def takes(self, case: Case | None) -> bool:
        """Tell whether the case is to run. None stands for a test that is no case: it runs unless cases are named."""
        return not self.left_out_because(case)

    def left_out_because(self, case: Case | None) -> str:
        """Return why a case is not to run, "" if it is."""
        if case is None:
            return NOT_NAMED if self.cases or self.sections or self.requirements else ""
        if case.binding.version not in self.versions:
            return "on the other IP version (--ip)"
        if self.cases and not any(matches(pattern, case.case_id) for pattern in self.cases):
            return NOT_NAMED
        if (self.sections or self.requirements) and not self._cited_by(case):
            return NOT_NAMED
        if case.meta.timer_s is not None and case.meta.timer_s > self.timers_s:
            return (
                f"timer cases of more than {self.timers_s:g} s {BY_TIMERS}"
                if self.timers_s
                else f"timer cases {BY_TIMERS}"
            )
        return ""

    def _cited_by(self, case: Case) -> bool:
        citations = case.meta.citations()
        cited = any(citation.within(*selector) for selector in self.sections for citation in citations)
        return cited or any(citation.requirement in self.requirements for citation in citations)

    def unknown(self, cases: Iterable[Case]) -> str:
        """Return what to say about a pattern that no case has, "" if each has one."""
        ids = sorted({case.case_id for case in cases})
        for pattern in self.cases:
            if not any(matches(pattern, known) for known in ids):
                names = [known.partition("/")[2] for known in ids]
                near = difflib.get_close_matches(pattern.partition("/")[2] or pattern, names, 3, 0.5)
                hint = "; did you mean " + ", ".join(near) + "?" if near else "; `tcpspec list` prints them"
                return f"there is no case {pattern!r}{hint}"
        return ""


def matches(pattern: str, known: str) -> bool:
    """Tell whether a pattern names a case: its id, its name without the group or without the row, or with ``*``."""
    plain = known.partition("[")[0]
    if pattern in (known, plain, plain.partition("/")[2], known.partition("/")[2]):
        return True
    return fnmatch.fnmatchcase(known, pattern.replace("[", "[[]")) or known.startswith(pattern.rstrip("/") + "/")


def idle_deviations(deviations: Sequence[Deviation], cases: Sequence[Case]) -> list[Deviation]:
    """Return the entries whose pattern matches no case of the whole collection: leftovers or typing errors."""
    ids = {case.case_id for case in cases}
    unmet = [deviation for deviation in deviations if deviation.case not in ids]
    return [deviation for deviation in unmet if not any(deviation.names(known) for known in ids)]


def in_order(cases: Sequence[Case | None]) -> list[int]:
    """Return the indices of a collection in running order: sanity first, and sanity last."""
    return sorted(range(len(cases)), key=lambda at: case.meta.order if (case := cases[at]) else 0)
