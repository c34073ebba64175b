"""``tcpspec variants``: arguments, run, exit code."""

import argparse
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from harness.mutate.campaign import Noticed
from harness.mutate.command import NOT_AS_EXPECTED, NOTHING_RAN, OK, USAGE_ERROR, Collect, positive, watched
from harness.mutate.script import Script
from harness.mutate.source_command import conversations
from harness.mutate.variants import Played, play_variants, smallest
from harness.stack.variants import AND, VARIANTS, Contradiction, UnknownVariant, Variant, mixtures, varied

#: So many rows with the same finding are named one by one.
NAMED = 3


def main(arguments: Sequence[str], collect: Collect) -> int:
    """Run the command; `collect` lists the cases."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        chosen = _chosen(options)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else OK
    except UnknownVariant as error:
        near = f"; did you mean {', '.join(error.near)}?" if error.near else ""
        print(f"tcpspec variants: {error}{near} (tcpspec variants --list prints them)", file=sys.stderr)
        return USAGE_ERROR
    except Contradiction as error:
        print(f"tcpspec variants: {error}: leave one of them out", file=sys.stderr)
        return USAGE_ERROR
    console = Console(highlight=False, soft_wrap=True)
    if options.list:
        _print_list(console, chosen)
        return OK
    quick = ["--timers", "0"] if options.no_timers else []
    grid = ["--grid", options.grid] if options.grid else []
    scripts: list[Script] = []
    if options.case or not options.explore:
        code, scripts = collect(["--target", "reference", "--ip", str(options.ip), *grid, *quick], options.case)
        if code or not scripts:
            return code or NOTHING_RAN
    scripts += conversations(options.ip, options.seed, options.explore)
    failed = 0
    try:
        for played in watched(play_variants(scripts, chosen, options.n), "variants", len(chosen)):
            _print_played(console, played, scripts)
            failed += bool(played.failed)
    except KeyboardInterrupt:
        return 2
    clean = len(chosen) - failed
    console.print(f"{len(scripts)} cases break no MUST on {clean} of {len(chosen)} variants")
    return NOT_AS_EXPECTED if failed else OK


def _chosen(options: argparse.Namespace) -> list[Variant]:
    """Return the stacks that are asked for: variants, or mixtures of them. Raises UnknownVariant, Contradiction."""
    named = [varied(name) for name in options.variants] or list(VARIANTS.values())
    return mixtures(named, options.mixtures, options.size, options.seed) if options.mixtures else named


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tcpspec variants", description="Runs the cases on stacks that are correct, but different."
    )
    add = parser.add_argument
    add("variants", nargs="*", metavar="VARIANT", help="which variants (default: all; --list prints them); A+B is one")
    add("--list", action="store_true", help="print the variants, with the sentence that allows each, and end")
    add("--case", action="append", default=[], metavar="PATTERN", help="only these cases (repeatable)")
    add("--ip", type=int, choices=(4, 6), default=4, help="on this IP version (default: 4)")
    add("--grid", choices=("off", "core", "full"), help="how much of the grid (default: core)")
    add("--no-timers", action="store_true", help="without timer cases")
    add("--mixtures", type=_count, metavar="N", help="N stacks that differ in several ways at once, in their place")
    add("--size", type=_count, default=10, metavar="N", help="in so many ways (default: 10)")
    add("--seed", type=int, default=1, metavar="N", help="of the mixtures, and of conversations (default: 1)")
    add("--explore", type=_count, default=0, metavar="N", help="N conversations in place of cases")
    cores = len(os.sched_getaffinity(0))
    add("-n", type=positive, default=cores, metavar="N", help="processes (default: one per core)")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number: 1 or more")
    return int(text)


def _print_list(console: Console, variants: Sequence[Variant]) -> None:
    for variant in variants:
        console.print(f"{variant.name}: {variant.title}")
        console.print(f"    {variant.allows} ({', '.join(variant.sections)})", style="dim")


def _print_played(console: Console, played: Played, scripts: Sequence[Script]) -> None:
    counts = [f"{len(played.failed)} fail"] if played.failed else []
    counts += [f"{len(played.noted)} notice it at level SHOULD"] if played.noted else []
    counts += [f"{played.not_applicable} not applicable"] if played.not_applicable else []
    console.print(f"{played.name}  {', '.join(counts) or 'clean'}")
    alike: dict[tuple[str, str, str], list[Noticed]] = {}
    for each in played.failed:
        alike.setdefault((str(each.shown.verdict), each.shown.code, each.shown.text), []).append(each)
    for (verdict, code, text), same in sorted(alike.items(), key=lambda item: -len(item[1])):
        console.print(f"    {verdict} {code}: {text}" + (f" ({len(same)} cases)" if len(same) > 1 else ""))
        name = _name_of(played, same[0], scripts)
        for each in same[:NAMED]:
            console.print(f"      {_command(each, name)}", style="dim")


def _name_of(played: Played, noticed: Noticed, scripts: Sequence[Script]) -> str:
    """Return the name of the variant, of a mixture that of the part which matters."""
    if AND not in played.name:
        return played.name
    script = next(each for each in scripts if (each.name, each.ip) == (noticed.case_id, noticed.ip))
    return smallest(script, varied(played.name)).name


def _command(noticed: Noticed, variant: str) -> str:
    if noticed.replay:
        return f"tcpspec explore --target reference,variant={variant} --replay '{noticed.replay}'"
    return f"tcpspec show '{noticed.case_id}' --target reference,variant={variant}"
