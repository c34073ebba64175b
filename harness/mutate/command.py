"""``tcpspec mutate``: arguments, run, exit code."""

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from harness.explore.choice import Choice, UnknownKind
from harness.explore.playing import Stage
from harness.mutate import learned_command, reasons, source_command, table
from harness.mutate.campaign import Campaign
from harness.mutate.script import Script
from harness.stack.defects import DEFECTS, INTERACTIONS, KINDS, Defect, UnknownDefect, defective
from harness.targets.protocol import Capability
from harness.targets.registry import parse

#: Every kind of interaction.
ALL = "all"
OK, NOT_AS_EXPECTED, INTERRUPTED, HARNESS_FAILURE, USAGE_ERROR, NOTHING_RAN = range(6)

#: From options of `tcpspec run`, and patterns of cases, to the cases; where the exit code is not 0 it has said why.
Collect = Callable[[Sequence[str], Sequence[str]], tuple[int, list[Script]]]
_T = TypeVar("_T")


def main(arguments: Sequence[str], collect: Collect, defects: Mapping[str, Defect] = DEFECTS) -> int:
    """Run the command; `collect` lists the cases."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else OK
    console = Console(highlight=False, soft_wrap=True)
    if options.source:
        return _unwritable_or(options, lambda: source_command.main(options, console, collect))
    options.count = options.count or CONVERSATIONS
    try:
        chosen = _chosen(options, defects)
        given = reasons.load()
    except UnknownDefect as error:
        near = f"; did you mean {', '.join(error.near)}?" if error.near else ""
        return _refuse(f"{error}{near} (tcpspec mutate --list prints them)")
    except reasons.BrokenReasons as error:
        return _refuse(str(error))
    if options.list:
        table.print_list(console, chosen)
        return OK
    paths = [word for word in options.what if _is_path(word)]
    if problem := _unwritable(options) or _missing(paths):
        return _refuse(problem)
    if learned_command.LEARN in options.by:
        if problem := _unlearnable(options):
            return _refuse(problem)
        return learned_command.main(options, console, chosen)
    if options.by:
        return _by_conversations(console, options, chosen, given)
    quick = ["--timers", "0"] if options.no_timers else []
    versions = ["--ip", str(options.ip)] if options.ip else []
    grid = ["--grid", options.grid] if options.grid else []
    code, scripts = collect(["--target", "reference", *versions, *quick, *grid, *paths], options.case)
    if code or not scripts:
        return code or NOTHING_RAN
    campaign = Campaign(scripts, full=options.full, workers=options.n)
    try:
        code, idle = _run(console, campaign, chosen, given, whole=_is_whole(options, defects))
    except KeyboardInterrupt:
        return INTERRUPTED
    if campaign.trials:
        _write(options, campaign, chosen, idle)
    return code


#: In place of cases.
EXPLORE = "explore"
CONVERSATIONS = 3000
_BY_HELP = "play generated conversations, of this kind, in place of cases (repeatable), or learn the stack again"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tcpspec mutate",
        description="Runs the cases on stacks with one defect each.",
        epilog="Files of your own are played in place of the suite: tcpspec mutate my/cases/test_close.py",
    )
    add = parser.add_argument
    add(
        "what",
        nargs="*",
        metavar="DEFECT|PATH",
        help="which defects (default: all; --list prints them), and files or folders of cases (default: the suite)",
    )
    add(
        "--kind",
        action="append",
        default=[],
        choices=(*KINDS, ALL),
        metavar="KIND",
        help=f"defects where two things meet, of one kind (repeatable): {', '.join(KINDS)}, or {ALL}",
    )
    add("--list", action="store_true", help="print the defects and end")
    add("--full", action="store_true", help="run all cases against each defect, not only until one kills it")
    add("--json", type=Path, metavar="FILE", help="write everything that was found")
    add("--markdown", type=Path, metavar="FILE", help="write the page about the defects")
    add(
        "-n",
        type=positive,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="processes (default: one per core)",
    )
    add("--case", action="append", default=[], metavar="PATTERN", help="only these cases (repeatable)")
    add("--ip", type=int, choices=(4, 6), help="on this IP version only (default: IPv6 for survivors)")
    add("--grid", choices=("off", "core", "full"), help="how much of the grid (default: core; none of files by name)")
    add("--by", action="append", default=[], type=_by, metavar="explore[:KIND]|learn", help=_BY_HELP)
    add(
        "--count",
        type=_conversations,
        metavar="N",
        help=f"conversations (default: {CONVERSATIONS}), or mutants of the source (default: {source_command.COUNT})",
    )
    add("--seed", type=int, default=1, metavar="N", help="of their order, or of the sample (default: 1)")
    add(
        "--source",
        action="store_true",
        help="a sample of the small changes of the stack's source in place of defects; words are patterns of them",
    )
    add("--no-timers", action="store_true", help="without timer cases")
    return parser


def _by_conversations(
    console: Console, options: argparse.Namespace, chosen: Mapping[str, Defect], given: Mapping[str, str]
) -> int:
    """Play generated conversations in place of cases."""
    names = [kind for kind in (word.removeprefix(EXPLORE).removeprefix(":") for word in options.by) if kind]
    try:
        choice = Choice.of(names, options.seed)
    except UnknownKind as error:
        return _refuse(str(error))
    stage = Stage(parse("reference"), options.ip or 4)
    every = frozenset(Capability)
    scripts = [
        Script(stage.case_of(generated), generated=generated)
        for generated in itertools.islice(
            choice.for_target("reference", every, demand=True, ip=options.ip or 0), options.count
        )
    ]
    campaign = Campaign(scripts, full=options.full, workers=options.n)
    try:
        code, idle = _run(console, campaign, chosen, given, whole=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    table.print_killers(console, campaign)
    if campaign.trials:
        _write(options, campaign, chosen, idle)
    return code


def _unlearnable(options: argparse.Namespace) -> str:
    """Return why the stacks can't be learned again as it is asked, "" if they can."""
    given = {
        "other words for --by": len(options.by) > 1,
        "--case": options.case,
        "--full": options.full,
        "--grid": options.grid,
        "--ip": options.ip,
        "--markdown": options.markdown,
        "files of cases": any(_is_path(word) for word in options.what),
    }
    for name, value in given.items():
        if value:
            return f"--by learn goes without {name}: each machine says what is asked"
    return learned_command.problem()


def _conversations(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of conversations: 1 or more")
    return int(text)


def _by(text: str) -> str:
    if text.partition(":")[0] != EXPLORE and text != learned_command.LEARN:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {EXPLORE}, {EXPLORE}:KIND and {learned_command.LEARN}")
    return text


def positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes: 1 or more")
    return int(text)


def _unwritable(options: argparse.Namespace) -> str:
    """Return why a file can't be written, "" if all can: not to find out in the end."""
    try:
        for file in filter(None, (options.json, options.markdown)):
            file.open("a").close()
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""


def _unwritable_or(options: argparse.Namespace, run: Callable[[], int]) -> int:
    problem = _unwritable(options)
    return _refuse(problem) if problem else run()


def _chosen(options: argparse.Namespace, defects: Mapping[str, Defect]) -> Mapping[str, Defect]:
    """Return the defects that are named, and those of the kinds; without either all that have no kind."""
    chosen = {defect.name: defect for defect in (_defect(name, defects) for name in options.what if not _is_path(name))}
    chosen |= {
        name: defect for name, defect in INTERACTIONS.items() if defect.kind in options.kind or ALL in options.kind
    }
    return chosen or defects


def _is_path(word: str) -> bool:
    """Tell a file or a folder of cases from the name of a defect."""
    return "/" in word or word.endswith(".py") or Path(word).exists()


def _missing(paths: Sequence[str]) -> str:
    """Return that a path leads nowhere, "" if all do."""
    return next((f"there is no {path}: name a file or a folder of cases" for path in paths if not _there(path)), "")


def _there(path: str) -> bool:
    return Path(path.partition("::")[0]).exists()


def _defect(name: str, defects: Mapping[str, Defect]) -> Defect:
    return defects[name] if name in defects else defective(name)


def _is_whole(options: argparse.Namespace, defects: Mapping[str, Defect]) -> bool:
    """Whether the run can tell of every case whether it kills nothing."""
    narrowed = options.what or options.kind or options.case or options.no_timers or options.ip or options.grid
    return options.full and not narrowed and defects is DEFECTS


def _run(
    console: Console,
    campaign: Campaign,
    defects: Mapping[str, Defect],
    given: Mapping[str, str],
    *,
    whole: bool,
) -> tuple[int, dict[str, str] | None]:
    """Play everything and print it; return the exit code, and of a whole run the cases that kill nothing."""
    for _script in watched(campaign.play_sound(), "the sound stack", len(campaign.scripts)):
        pass
    if campaign.unsound:
        table.print_unsound(console, campaign)
        return NOT_AS_EXPECTED, None
    for trial in watched(campaign.play_defects(defects), "defects", len(defects)):
        table.print_trial(console, defects[trial.name], trial, full=campaign.full)
    table.print_summary(console, campaign)
    table.print_kinds(console, campaign, defects)
    idle: dict[str, str] | None = None
    problems: list[str] = []
    if whole:
        found = campaign.idle()
        idle = {name: given.get(name, waived) for name, waived in found.items()}
        table.print_idle(console, campaign, idle)
        known = {script.function for script in campaign.scripts if script.cell is None}
        problems = list(reasons.problems(given, [name for name in known & set(found) if not found[name]], known))
    for problem in problems:
        print(problem, file=sys.stderr)
    if campaign.troubled:
        return HARNESS_FAILURE, idle
    return (NOT_AS_EXPECTED if campaign.survivors or problems else OK), idle


def watched(steps: Iterable[_T], title: str, total: int) -> Iterator[_T]:
    """Pass the steps on, with a bar on the terminal while it lasts."""
    bar = Console(stderr=True)
    yield from track(steps, title, total, console=bar, transient=True, disable=not bar.is_terminal)


def _write(
    options: argparse.Namespace, campaign: Campaign, defects: Mapping[str, Defect], idle: Mapping[str, str] | None
) -> None:
    if options.json:
        options.json.write_text(table.as_json(campaign, defects, idle), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(table.as_markdown(campaign, defects, idle), encoding="utf-8")


def _refuse(message: str) -> int:
    print(f"tcpspec mutate: {message}", file=sys.stderr)
    return USAGE_ERROR
