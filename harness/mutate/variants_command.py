"""``tcpspec variants``: arguments, run, exit code."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from harness.mutate.command import NOT_AS_EXPECTED, NOTHING_RAN, OK, USAGE_ERROR, Collect, positive, watched
from harness.mutate.variants import Played, play_variants
from harness.stack.variants import VARIANTS, UnknownVariant, Variant, varied

#: So many rows with the same finding are named one by one.
NAMED = 3


def main(arguments: Sequence[str], collect: Collect) -> int:
    """Run the command; `collect` lists the cases."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        chosen = [varied(name) for name in options.variants] or list(VARIANTS.values())
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else OK
    except UnknownVariant as error:
        near = f"; did you mean {', '.join(error.near)}?" if error.near else ""
        print(f"tcpspec variants: {error}{near} (tcpspec variants --list prints them)", file=sys.stderr)
        return USAGE_ERROR
    console = Console(highlight=False, soft_wrap=True)
    if options.list:
        _print_list(console, chosen)
        return OK
    quick = ["--timers", "0"] if options.no_timers else []
    grid = ["--grid", options.grid] if options.grid else []
    code, scripts = collect(["--target", "reference", "--ip", str(options.ip), *grid, *quick], options.case)
    if code or not scripts:
        return code or NOTHING_RAN
    failed = 0
    try:
        for played in watched(play_variants(scripts, chosen, options.n), "variants", len(chosen)):
            _print_played(console, played)
            failed += bool(played.failed)
    except KeyboardInterrupt:
        return 2
    clean = len(chosen) - failed
    console.print(f"{len(scripts)} cases break no MUST on {clean} of {len(chosen)} variants")
    return NOT_AS_EXPECTED if failed else OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tcpspec variants", description="Runs the cases on stacks that are correct, but different."
    )
    add = parser.add_argument
    add("variants", nargs="*", metavar="VARIANT", help="which variants (default: all; --list prints them)")
    add("--list", action="store_true", help="print the variants, with the sentence that allows each, and end")
    add("--case", action="append", default=[], metavar="PATTERN", help="only these cases (repeatable)")
    add("--ip", type=int, choices=(4, 6), default=4, help="on this IP version (default: 4)")
    add("--grid", choices=("off", "core", "full"), help="how much of the grid (default: core)")
    add("--no-timers", action="store_true", help="without timer cases")
    cores = len(os.sched_getaffinity(0))
    add("-n", type=positive, default=cores, metavar="N", help="processes (default: one per core)")
    return parser


def _print_list(console: Console, variants: Sequence[Variant]) -> None:
    for variant in variants:
        console.print(f"{variant.name}: {variant.title}")
        console.print(f"    {variant.allows} ({', '.join(variant.sections)})", style="dim")


def _print_played(console: Console, played: Played) -> None:
    counts = [f"{len(played.failed)} fail"] if played.failed else []
    counts += [f"{len(played.noted)} notice it at level SHOULD"] if played.noted else []
    counts += [f"{played.not_applicable} not applicable"] if played.not_applicable else []
    console.print(f"{played.name}  {', '.join(counts) or 'clean'}")
    alike = Counter((str(each.shown.verdict), each.shown.code, each.shown.text) for each in played.failed)
    for (verdict, code, text), times in alike.most_common():
        same = [
            each
            for each in played.failed
            if (str(each.shown.verdict), each.shown.code, each.shown.text) == (verdict, code, text)
        ]
        console.print(f"    {verdict} {code}: {text}" + (f" ({times} cases)" if times > 1 else ""))
        for each in same[:NAMED]:
            console.print(f"      tcpspec show '{each.case_id}' --target reference,variant={played.name}", style="dim")
