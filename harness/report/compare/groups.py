"""Differences that read the same, put together: a person sees each once, with the cases that show it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.report.compare.differences import Change, Comparison, Difference

#: What a line about a count says: "3 newly violate".
PLURALS = {
    Change.WORSE: "newly violate",
    Change.BETTER: "newly conform",
    Change.DIFFERENT: "behave differently",
    Change.INCOMPARABLE: "are not comparable",
}


@dataclass(slots=True)
class Group:
    """Cases that went from the same to the same. `regression`: whether that got worse."""

    before: str
    after: str
    regression: bool
    members: list[Difference] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The ids of the cases, each once; with the IP version where only one of both differs."""
        versions: dict[str, list[int]] = {}
        for member in self.members:
            versions.setdefault(member.key.id, []).append(member.key.ip)
        return [name if len(found) > 1 else f"{name} (IPv{found[0]})" for name, found in versions.items()]

    @property
    def title(self) -> str:
        """The first name, and how many others there are."""
        names = self.names
        return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")

    @property
    def cites(self) -> list[str]:
        """The rules that all of the cases together are about, each once."""
        return list(dict.fromkeys(rule for member in self.members for rule in member.cites))


def grouped(differences: Iterable[Difference]) -> list[Group]:
    """Return the groups, in the order of their first case; last, as one group each, what only one of both has run.

    What got worse is told apart by the rules too.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], Group] = {}
    only_base, only_other = [], []
    for entry in differences:
        if entry.other is None:
            only_base.append(entry)
        elif entry.base is None:
            only_other.append(entry)
        else:
            worse = entry.is_regression
            key = (entry.before, entry.after, entry.cites if worse else ())
            groups.setdefault(key, Group(entry.before, entry.after, worse)).members.append(entry)
    alone = [
        Group(_verdicts(only_base), "not run", regression=False, members=only_base),
        Group("not run", _verdicts(only_other), regression=False, members=only_other),
    ]
    return [*groups.values(), *(group for group in alone if group.members)]


def _verdicts(differences: Iterable[Difference]) -> str:
    """Return how many of the cases that only one has came to which verdict; of one case, just that."""
    cases = [case for entry in differences if (case := entry.base or entry.other)]
    counted = Counter(case.verdict for case in cases).most_common()
    return cases[0].verdict if len(cases) == 1 else ", ".join(f"{count} {verdict}" for verdict, count in counted)


def conclusion(comparison: Comparison) -> str:
    """Return the last line: how many cases are the same, and how many are not."""
    counts = [f"{len(comparison.of(change))} {PLURALS[change]}" for change in Change if comparison.of(change)]
    same = f"{comparison.same} cases are the same"
    worse = f"; {len(comparison.regressions)} got worse" if comparison.regressions else ""
    return "; ".join([same, ", ".join(counts) or "none differs"]) + worse
