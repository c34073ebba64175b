"""What `tcpspec mutate` prints and writes: the same text in every run."""

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from harness import __version__
from harness.case.verdict import Verdict
from harness.mutate.campaign import Campaign, Noticed, Trial
from harness.stack.defects import Defect

SCHEMA = 1
#: So many killers and troubles of a defect are named.
FEW = 3
GRID = "grid/"


def show_command(kill: Noticed, defect: str) -> str:
    """Return the command that shows one case on one defect."""
    target = ["--target", f"reference,defect={defect}", *(["--ip", str(kill.ip)] if kill.ip != 4 else [])]
    if kill.replay:
        return shlex.join(["tcpspec", "explore", *target, "--replay", kill.replay])
    return shlex.join(["tcpspec", "show", kill.case_id, *target])


def print_list(console: Console, defects: Mapping[str, Defect]) -> None:
    """Print what there is."""
    for defect in defects.values():
        console.print(Text.assemble((f"{defect.name:<5}", "bold"), defect.title))
        console.print(Text(f"     {', '.join(defect.sections)} · {defect.source}", style="dim"))


def print_trial(console: Console, defect: Defect, trial: Trial, *, full: bool) -> None:
    """Print one defect: by how many cases it was killed, with which codes, and how to see the first of them."""
    console.print(Text.assemble((f"{defect.name:<5}", "bold"), defect.title))
    if trial.kills:
        first = trial.kills[0]
        if full:
            console.print(Text(f"     killed by {_killers(trial)}"))
        console.print(Text.assemble(f"     {first.code}  ", (show_command(first, defect.name), "dim")))
    else:
        undecided = f", {len(trial.inconclusive)} inconclusive" if trial.inconclusive else ""
        same = "" if trial.otherwise else ", with the sound stack's answers in all of them"
        console.print(Text(f"     SURVIVES {trial.played} cases{undecided}{same}", style="bold red"))
        if trial.otherwise:
            told = f"     answers otherwise in {len(trial.otherwise)} of them, and breaks no rule  "
            console.print(Text.assemble(told, (show_command(trial.otherwise[0], defect.name), "dim")))
    if trial.troubles:
        console.print(Text(f"     HARNESS FAILURE in {len(trial.troubles)} cases", style="bold red"))
        for trouble in trial.troubles[:FEW]:
            console.print(Text(f"       {trouble.case_id}: {trouble.shown.text}"))


def _killers(trial: Trial) -> str:
    named = [f"{kill.case_id} ({kill.code})" for kill in trial.kills[:FEW]]
    codes = ", ".join(f"{code} ×{count}" for code, count in trial.codes.most_common())
    return f"{len(trial.kills)} cases [{codes}]: {', '.join(named)}{', …' if len(trial.kills) > FEW else ''}"


def print_unsound(console: Console, campaign: Campaign) -> None:
    """Print what the stack without defects does not pass."""
    console.print(Text("the stack without defects is not clean; nothing can be said about defects:", style="bold red"))
    for noticed in campaign.unsound:
        console.print(Text(f"  {noticed.case_id}: {noticed.shown.verdict}: {noticed.shown.text}"))


def print_summary(console: Console, campaign: Campaign) -> None:
    """Print the sums."""
    trials = campaign.trials
    killed = len(trials) - len(campaign.survivors)
    should = [name for name, trial in trials.items() if trial.kills and not _breaks_must(trial)]
    console.print(Text(f"{killed} of {len(trials)} defects are killed", style="bold" if killed else "bold red"))
    for title, names, style in (
        ("by a SHOULD only" + ("" if campaign.full else ", among the likeliest cases"), should, "yellow"),
        ("survivors", campaign.survivors, "bold red"),
        ("harness failures under", campaign.troubled, "bold red"),
    ):
        if names:
            console.print(Text(f"  {title}: {', '.join(names)}", style=style))


def print_kinds(console: Console, campaign: Campaign, defects: Mapping[str, Defect]) -> None:
    """Print, of the defects where two things meet, how many of each kind are killed."""
    tried = Counter(defects[name].kind for name in campaign.trials if defects[name].kind)
    killed = Counter(defects[name].kind for name, trial in campaign.trials.items() if trial.kills)
    if tried:
        table = Table("kind", Column("defects", justify="right"), Column("killed", justify="right"), box=SIMPLE_HEAD)
        for kind, number in tried.items():
            table.add_row(kind, str(number), str(killed[kind]))
        table.add_row("all", str(tried.total()), str(sum(killed[kind] for kind in tried)))
        console.print(table)


def print_killers(console: Console, campaign: Campaign) -> None:
    """Print which kind of generated conversations killed how many defects first."""
    played = Counter(script.generated.kind for script in campaign.scripts if script.generated is not None)
    first = Counter(trial.kills[0].case_id.split("/")[1] for trial in campaign.trials.values() if trial.kills)
    if played:
        columns = [Column(title, justify="right") for title in ("played", "killed first")]
        table = Table("conversations", *columns, box=SIMPLE_HEAD)
        for kind, number in sorted(played.items(), key=lambda item: (-first[item[0]], item[0])):
            table.add_row(kind, str(number), str(first[kind]))
        table.add_row("all", str(played.total()), str(first.total()))
        console.print(table)


def print_idle(console: Console, campaign: Campaign, idle: Mapping[str, str]) -> None:
    """Print how many cases kill a defect, and which don't, with the reasons."""
    cells = {script.name for script in campaign.scripts if script.cell is not None}
    scenarios = {script.function for script in campaign.scripts if script.cell is None}
    console.print(f"{len(scenarios - set(idle))} of {len(scenarios)} cases kill a defect")
    for name in sorted(scenarios & set(idle)):
        console.print(Text(f"  {name}: {idle[name] or 'NO REASON GIVEN'}", style="" if idle[name] else "bold red"))
    console.print(f"{len(cells - set(idle))} of {len(cells)} cells of the grid kill a defect")


def _breaks_must(trial: Trial) -> bool:
    return any(kill.shown.verdict is not Verdict.DEVIATES for kill in trial.kills)


def as_json(campaign: Campaign, defects: Mapping[str, Defect], idle: Mapping[str, str] | None) -> str:
    """Return everything, for other tools."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": f"tcpspec {__version__}",
        "full": campaign.full,
        "cases": len(campaign.scripts),
        "sound": dict(Counter(str(shown.verdict) for shown in campaign.sound.values())),
        "defects": [_defect_as_json(defects[name], trial) for name, trial in campaign.trials.items()],
    }
    if idle is not None:
        data["kill nothing"] = [{"case": name, "reason": reason} for name, reason in idle.items()]
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _defect_as_json(defect: Defect, trial: Trial) -> dict[str, Any]:
    return {
        "name": defect.name,
        "title": defect.title,
        "sections": list(defect.sections),
        "source": defect.source,
        "kind": defect.kind,
        "played": trial.played,
        "kills": [_noticed_as_json(kill) for kill in trial.kills],
        "inconclusive": list(trial.inconclusive),
        "otherwise": len(trial.otherwise),
        "first otherwise": show_command(trial.otherwise[0], trial.name) if trial.otherwise else "",
        "harness failures": [_noticed_as_json(trouble) for trouble in trial.troubles],
    }


def _noticed_as_json(noticed: Noticed) -> dict[str, Any]:
    shown = noticed.shown
    return {
        "case": noticed.case_id,
        "ip": noticed.ip,
        "verdict": str(shown.verdict),
        "code": shown.code,
        "text": shown.text,
    }


_HEAD = """# Seeded defects

Can the suite fail? The reference stack is made wrong in one way at a time, and the cases are run. Each defect below is
one small class in `harness/stack/defects/`; a case *kills* it that violates with it and conforms without it.
`tcpspec mutate` does it all again, until a case kills each; `--markdown harness/mutate/DEFECTS.md` writes this page,
and with `--full` it counts all killers.

To see a kill: `tcpspec show CASE --target reference,defect=D01`. Small changes of the stack's own source, drawn at
random, are asked beside these: [mutants of the source](SOURCE.md).

"""


def as_markdown(campaign: Campaign, defects: Mapping[str, Defect], idle: Mapping[str, str] | None) -> str:
    """Return the page about all defects."""
    trials, names = campaign.trials, {script.name for script in campaign.scripts}
    killed = len(trials) - len(campaign.survivors)
    parts = [_HEAD, f"{killed} of {len(trials)} defects are killed, by {len(names)} cases and cells.\n\n"]
    parts += ["| defect | what is wrong | breaks | first case that kills it |\n", "|---|---|---|---|\n"]
    for name, trial in trials.items():
        defect = defects[name]
        first = f"`{trial.kills[0].case_id}` ({trial.kills[0].code})" if trial.kills else "**survives**"
        more = f" and {len(trial.kills) - 1} more" if len(trial.kills) > 1 and campaign.full else ""
        parts.append(f"| {name} | {defect.title} | {', '.join(defect.sections)} | {first}{more} |\n")
    return "".join([*parts, *(_idle_as_markdown(idle) if idle is not None else ())])


def _idle_as_markdown(idle: Mapping[str, str]) -> Iterator[str]:
    yield "\n## Cases that kill nothing\n\n"
    cases: dict[str, list[str]] = {}
    for name, reason in idle.items():
        if not name.startswith(GRID):
            cases.setdefault(reason, []).append(f"`{name}`")
    for reason, names in cases.items():
        yield f"* {', '.join(names)}: {reason}\n"
    if not cases:
        yield "There are none.\n"
