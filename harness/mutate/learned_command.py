"""``tcpspec mutate --by learn``: which defects learning the reference stack again tells apart."""

import argparse
import importlib.util
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from harness.mutate.workers import Died, in_order
from harness.stack.defects import Defect

if TYPE_CHECKING:
    from harness.mutate.learned import Told

#: In place of cases.
LEARN = "learn"
MISSING = (
    "--by learn needs AALpy: pip install 'tcpspec[learn]' brings it, in a clone .venv/bin/pip install -e '.[learn]'"
)
OK, NOT_AS_EXPECTED, INTERRUPTED, HARNESS_FAILURE, USAGE_ERROR = range(5)


def problem() -> str:
    """Return why nothing can be learned here, "" if it can."""
    return "" if importlib.util.find_spec("aalpy") else MISSING


def main(options: argparse.Namespace, console: Console, chosen: Mapping[str, Defect]) -> int:
    """Ask each defect the words of the golden machines; return the exit code."""
    from harness.mutate import learned

    machines = learned.goldens()
    sound = learned.examine("reference", "", machines)
    if sound.letters or sound.trouble:
        _print_told(console, sound, "the sound stack is not its golden machine")
        return NOT_AS_EXPECTED

    def examine(defect: Defect) -> "Told":
        return learned.examine(f"reference,defect={defect.name}", defect.name, machines)

    found: list[Told] = []
    try:
        for defect, told in in_order(options.n, examine, list(chosen.values())):
            found.append(learned.Told(defect.name, trouble=str(told)) if isinstance(told, Died) else told)
            _print_told(console, found[-1], defect.title)
    except KeyboardInterrupt:
        return INTERRUPTED
    for line in summary(found, chosen):
        console.print(Text(line))
    if options.json:
        options.json.write_text(json.dumps(_as_data(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if any(told.trouble for told in found):
        return HARNESS_FAILURE
    return OK if all(told.letters for told in found) else NOT_AS_EXPECTED


def _print_told(console: Console, told: "Told", title: str) -> None:
    console.print(Text.assemble((f"{told.name:<5}", "bold"), title))
    if told.trouble:
        console.print(Text(f"     HARNESS FAILURE {told.trouble}", style="bold red"))
    elif not told.letters:
        console.print(
            Text(f"     as the sound stack in {told.steps:,} steps, {told.cpu_s:.1f} CPU s", style="bold red")
        )
    else:
        console.print(Text(f"     {told.machine}, {told.steps:,} steps, {told.cpu_s:.2f} CPU s: {told.letters}"))
        console.print(Text(f"       due {told.due}, seen {told.seen}", style="dim"))
        if told.by_state:
            shown = f"the wire tells it too: {told.unseen}" if told.unseen else "the wire does not tell it"
            console.print(Text(f"       without visible states {shown}", style="dim"))


def summary(found: Sequence["Told"], chosen: Mapping[str, Defect]) -> list[str]:
    """Return how many are told apart: of all, by machine and by kind, and how fast."""
    apart = [told for told in found if told.letters]
    lines = [f"{len(apart)} of {len(found)} defects are told apart, in {sum(t.cpu_s for t in found):.0f} CPU s"]
    if apart:
        seconds = sorted(told.cpu_s for told in apart)
        lines[0] += f"; each in {statistics.median(seconds):.2f} CPU s (median), {seconds[-1]:.1f} at most"
    lines += [f"  {count:>4}  {name}" for name, count in sorted(Counter(told.machine for told in apart).items())]
    by_state = [told for told in apart if told.by_state]
    if by_state:
        unseen = sum(bool(told.unseen) for told in by_state)
        lines.append(
            f"  {len(by_state):>4}  by a wrong next state behind a right answer: {unseen} without visible states"
        )
    kinds: dict[str, list[bool]] = {}
    for told in found:
        kinds.setdefault(chosen[told.name].kind, []).append(bool(told.letters))
    if len(kinds) > 1:
        lines += [f"  {sum(each):>4} of {len(each):>3}  {kind}" for kind, each in sorted(kinds.items())]
    return lines


def _as_data(found: Sequence["Told"]) -> list[dict[str, Any]]:
    return [{**asdict(told), "cpu_s": round(told.cpu_s, 3)} for told in found]
