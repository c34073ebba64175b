"""What `tcpspec list` and `explain` print, and on what."""

import inspect
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from harness.case.selection import Case
    from harness.trace.events import Event

#: The columns of a line in a file: more than any text has.
FILE_WIDTH = 1 << 16


def wide_console() -> "Console":
    """Return a console as wide as the terminal; where the output goes into a file, nothing is cut or wrapped."""
    from rich.console import Console

    width = max(shutil.get_terminal_size().columns, 80) if sys.stdout.isatty() else FILE_WIDTH
    return Console(highlight=False, width=width)


def print_tree(cases: "Sequence[Case]") -> None:
    """Print the cases by topic, with their sections; the grid's cells are counted by state."""
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    rows: dict[str, list[Case]] = {}
    for case in cases:
        rows.setdefault(_listed(case), []).append(case)
    tree = Tree(f"{len(rows)} cases, {len(cases)} rows, each on IPv4 and IPv6 unless it makes no sense")
    branches: dict[str, Tree] = {}
    for name in sorted(rows):
        case = rows[name][0]
        branch = branches.get(case.group)
        if branch is None:
            branch = branches[case.group] = tree.add(Text(case.group, style="bold"))
        count = f" ×{len(rows[name])}" if len(rows[name]) > 1 else ""
        timer = f" ({case.meta.timer_s:g} s)" if case.meta.timer_s is not None else ""
        line = Text(name.partition("/")[2] + count)
        line.append(timer, style="yellow")
        line.append("  " + ", ".join(case.meta.cites), style="dim")
        branch.add(line)
    Console(highlight=False, soft_wrap=True).print(tree)


def _listed(case: "Case") -> str:
    """Return the name under which `list` counts a case: without its row, and the grid's cells by their state."""
    if case.group == "grid":
        return "/".join(case.case_id.split("/")[:2])
    return case.case_id.partition("[")[0]


def print_explanation(items: "Sequence[tuple[Case, Any]]") -> None:
    """Print what cases are about, and the exchange as it should be; of several rows the first has the rule."""
    from harness.case.record import short_origin
    from harness.expectations.deviations import all_bundled

    declared = all_bundled()
    explained = ""
    for case, item in items:
        if not hasattr(item, "obj"):
            continue  # a generated conversation: nobody has written what is due in it
        if explained:
            print()
        print(case.case_id)
        if _listed(case) != explained:
            _print_rule(case, item)
        explained = _listed(case)
        print(f"  source: {case.origin}")
        for known in declared:
            if known.names(case.case_id):
                print(f"  known deviation ({short_origin(known.origin)}): {known.reason}")
        _print_rehearsal(case, item)
        print(f"\n  run it: {case.reproduce()}")


def _print_rule(case: "Case", item: Any) -> None:
    from harness.spec import requirements

    print(f"  {inspect.getdoc(item.obj) or ''}")
    for citation in case.meta.citations():
        text = f": {requirements.by_id(citation.requirement).text}" if citation.requirement else ""
        print(f"  {citation}{text}")


def drawn_explanation(case: "Case", item: Any) -> str:
    """Return the exchange as it should be, as an SVG file; the steps have no times."""
    from harness.report import ladder_svg, rungs

    events, _problem = _rehearsed(case, item)
    ladder = rungs.of_events(events, 0)
    timeless = rungs.Ladder(ladder.rungs, (None,) * len(ladder.rungs))
    return ladder_svg.draw(timeless, title=f"{case.case_id}: {case.summary}", standalone=True)


def scripted_explanation(case: "Case", item: Any) -> str:
    """Return the exchange as it should be, as a script of packetdrill."""
    from harness.pkt import writer

    events, _problem = _rehearsed(case, item)
    return writer.write(events, title=case.case_id, about=(case.summary,))


def _rehearsed(case: "Case", item: Any) -> "tuple[list[Event], str]":
    from harness.case.rehearsal import rehearse

    parameters = {name: value for name, value in item.callspec.params.items() if name != "conversation"}
    return rehearse(case.binding.route, lambda target, peer: item.obj(target=target, peer=peer, **parameters))


def _print_rehearsal(case: "Case", item: Any) -> None:
    from harness.trace import ladder

    events, problem = _rehearsed(case, item)
    print("\n" + ladder.render(events, peer_states=True))
    if problem:
        print(f"\n  (the case goes on by what it sees: `tcpspec show '{case.case_id}'` runs it)")
