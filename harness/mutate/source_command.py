"""``tcpspec mutate --source``: a sample of the mutants of the reference stack's source, judged by every case."""

import argparse
import itertools
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from harness.explore.choice import Choice
from harness.explore.playing import Stage
from harness.mutate import source_campaign
from harness.mutate.script import Script
from harness.mutate.source import Mutant, mutants, sample
from harness.mutate.source_campaign import NEVER, SURVIVES, Fate, SourceCampaign
from harness.targets.protocol import Capability
from harness.targets.registry import parse

OK, INTERRUPTED, USAGE_ERROR, NOTHING_RAN = 0, 2, 4, 5
#: So many mutants, unless it is said otherwise; and so many conversations for what the cases leave alive.
COUNT = 100
CONVERSATIONS = 1000


def main(options: argparse.Namespace, console: Console, collect: Callable[..., tuple[int, list[Script]]]) -> int:
    """Run the command on options that are parsed; `collect` lists the cases."""
    try:
        found = mutants("|".join(options.what))
    except re.error as error:
        return _refuse(f"{error.pattern!r} is no pattern of mutants: {error}")
    if not found:
        return _refuse(f"no mutant matches {' '.join(options.what)!r}: a title has file, line, function and change")
    chosen = sample(found, options.count or COUNT, options.seed)
    if options.list:
        for mutant in chosen:
            _print(console, mutant)
        return OK
    quick = ["--timers", "0"] if options.no_timers else []
    grid = ["--grid", options.grid] if options.grid else []
    code, scripts = collect(["--target", "reference", "--ip", str(options.ip or 4), *quick, *grid], options.case)
    if code or not scripts:
        return code or NOTHING_RAN
    campaign = SourceCampaign([*scripts, *conversations(options.ip or 4, options.seed, CONVERSATIONS)], options.n)
    try:
        return _run(console, campaign, chosen, options)
    except KeyboardInterrupt:
        return INTERRUPTED


def conversations(ip: int, seed: int, count: int) -> list[Script]:
    """Return the conversations that `tcpspec explore` chooses first."""
    stage = Stage(parse("reference"), ip)
    chosen = Choice.of([], seed).for_target("reference", frozenset(Capability), demand=True, ip=ip)
    return [Script(stage.case_of(each), generated=each) for each in itertools.islice(chosen, count)]


def _run(console: Console, campaign: SourceCampaign, chosen: Sequence[Mutant], options: argparse.Namespace) -> int:
    campaign.play_sound()
    for noticed in campaign.unsound:
        console.print(
            Text(f"left out: the sound stack fails {noticed.case_id}: {noticed.shown.text}", style="bold red")
        )
    campaign.leave_out_unsound()
    fates = []
    told = []
    for mutant, fate in campaign.play_mutants(chosen):
        fates.append(fate)
        told.append(_as_json(mutant, fate))
        if fate.what in (SURVIVES, NEVER):
            _print(console, mutant, _survival(fate))
    totals = Table("what became of them", Column("mutants", justify="right"), box=SIMPLE_HEAD)
    for what, number in source_campaign.table(fates):
        totals.add_row(what, str(number))
    totals.add_row("all", str(len(fates)))
    console.print(totals)
    if options.json:
        options.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return OK


def _survival(fate: Fate) -> str:
    if fate.what is NEVER:
        return "no case executes it"
    should = f", {fate.should.case_id} notices it at level SHOULD" if fate.should is not None else ""
    told = "answers as before in all of them"
    if fate.seen is not None:
        again = f" ({fate.seen.replay})" if fate.seen.replay else ""
        told = f"answers otherwise in {fate.otherwise} and breaks no MUST, first in {fate.seen.case_id}{again}"
    return f"survives {fate.played} cases that execute it{should}; it {told}"


def _print(console: Console, mutant: Mutant, text: str = "") -> None:
    before, after = mutant.change
    console.print(Text(mutant.title, style="bold"))
    console.print(Text(f"   - {before}\n   + {after}", style="dim"))
    if text:
        console.print(Text(f"     {text}", style="yellow"))


def _as_json(mutant: Mutant, fate: Fate) -> Mapping[str, object]:
    before, after = mutant.change
    noticed = fate.kill or fate.should
    return {
        "mutant": mutant.name,
        "title": mutant.title,
        "before": before,
        "after": after,
        "what": fate.what,
        "played": fate.played,
        "by": noticed.case_id if noticed is not None else "",
        "code": noticed.code if noticed is not None else "",
        "text": noticed.shown.text if noticed is not None else "",
        "otherwise": fate.otherwise,
        "seen": (fate.seen.replay or fate.seen.case_id) if fate.seen is not None else "",
    }


def _refuse(message: str) -> int:
    print(f"tcpspec mutate: {message}", file=sys.stderr)
    return USAGE_ERROR
