"""What a run prints of the cases that are not as expected: a list of their kinds, and the ladder of the first each."""

from collections.abc import Iterator, Mapping, Sequence

from harness.report import story
from harness.report.kinds import Kind, counted
from harness.report.runs import Case

#: Kinds that are listed, and told with a ladder, unless all are asked for.
SHOWN = 20
WIDE = 1 << 16
#: Differences stand in a column of at most so many characters.
COLUMN = 110
_UNSEEN = "packetdrill does not look there, nor does --pkt-match packetdrill"


def listing(kinds: Sequence[Kind], *, width: int = WIDE, every: bool = False) -> Iterator[str]:
    """Yield the list: a line per kind, cut at `width`; `every`: all kinds."""
    if not kinds:
        return
    counts = ", ".join(
        f"{count} {verdict}" for verdict, count in counted([case for kind in kinds for case in kind.cases]).items()
    )
    shown = kinds if every else kinds[:SHOWN]
    how_many = "1 kind" if len(kinds) == 1 else f"{len(kinds)} kinds, the shortest ladder first"
    yield f"not as expected: {counts}; {how_many}"
    several = len({kind.difference.target for kind in kinds}) > 1
    rows = [_row(number, kind, several=several) for number, kind in enumerate(shown, 1)]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    # What is cut is the rule and the name of the case: the ladder has them. One long difference is not all others' gap.
    widths[2] = min(widths[2], max(40, min(width - 50, COLUMN)))
    for number, count, words, rest in rows:
        yield cut(f"  {number:>{widths[0]}} {count:>{widths[1]}} {words:<{widths[2]}}  {rest}", width)
    if len(shown) < len(kinds):
        cases = sum(len(kind.cases) for kind in kinds[len(shown) :])
        yield f"  and {len(kinds) - len(shown)} more kinds, {cases} cases (--failures all, or tcpspec report)"
    if unseen := sum(1 for kind in kinds for case in kind.cases if _is_unseen(case)):
        yield f"{unseen} of these only by what comes behind a script's last line: {_UNSEEN}"


def _is_unseen(case: Case) -> bool:
    """Tell whether a script is as it says to its last line, and something came behind it."""
    return case.key.id.startswith(story.SCRIPTS) and (case.finding or {}).get("code") == "extra"


def _row(number: int, kind: Kind, *, several: bool) -> tuple[str, str, str, str]:
    rules = "".join(kind.rules[:1]) + (f" +{len(kind.rules) - 1}" if len(kind.rules) > 1 else "")
    where = f"{kind.difference.target}: " if several else ""
    return f"#{number}", f"{len(kind.cases)} ×", f"{where}{kind.difference}", f"{kind.first.key.id}  {rules}"


def ladders(
    kinds: Sequence[Kind], facts: Mapping[str, str], *, width: int = WIDE, every: bool = False
) -> Iterator[str]:
    """Yield, for each kind, its heading, the story of its first case, and the patterns of the others.

    `facts` says of each target what it is. With `every`, all stories of all kinds.
    """
    for number, kind in enumerate(kinds if every else kinds[:SHOWN], 1):
        heading = f"#{number}: {kind.difference}, {_cases(kind.cases)}"
        yield cut(f"--- {heading} {'-' * max(0, min(width, 100) - len(heading) - 5)}", width)
        yield f"  {kind.first.key.id} on {kind.first.target}, IPv{kind.first.key.ip}: {kind.first.title}".rstrip(": ")
        yield ""
        yield from story.tell(kind.first, facts.get(kind.first.target, kind.first.target)).splitlines()
        if others := kind.others():
            yield cut(f"  {others}", width)
        yield ""
        for case in kind.cases if every else ():
            if case is not kind.first:
                yield f"  {case.key.id} on {case.target}, IPv{case.key.ip}"
                yield from story.tell(case, facts.get(case.target, case.target)).splitlines()
                yield ""


def _cases(cases: Sequence[Case]) -> str:
    return "1 case" if len(cases) == 1 else f"{len(cases)} cases"


def cut(line: str, width: int) -> str:
    """Return the line, cut where a terminal ends."""
    return line if len(line) <= width else line[: width - 1] + "…"
