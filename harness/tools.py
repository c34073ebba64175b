"""The verbs that start no pytest: they look at the machine, read what runs have left, or play without cases."""

import argparse
import contextlib
import sys
from pathlib import Path

from harness.looking import wide_console

USAGE_ERROR = 4
DOCTOR_USAGE = "tcpspec doctor [--clean]"


def doctor(arguments: list[str]) -> int:
    """Check the machine."""
    from rich.console import Console
    from rich.text import Text

    from harness.targets.doctor import Mark, examine

    if arguments == ["--clean"]:
        return _sweep_containers()
    if arguments:
        print(f"usage: {DOCTOR_USAGE}", file=sys.stderr)
        return USAGE_ERROR
    console = Console(highlight=False, soft_wrap=True)
    styles = {Mark.OK: "green", Mark.NOTE: "yellow", Mark.BAD: "bold red"}
    bad = False
    for check in examine():
        bad = bad or check.mark is Mark.BAD
        console.print(Text.assemble((f"{check.mark:<5}", styles[check.mark]), f"{check.title:<16} {check.found}"))
        if check.hint and check.mark is not Mark.OK:
            console.print(f"      {'':<16} {check.hint}")
    return USAGE_ERROR if bad else 0


def _sweep_containers() -> int:
    from harness.targets.container.sweep import sweep
    from harness.targets.protocol import UnusableTarget

    try:
        removed = list(sweep())
    except UnusableTarget as error:
        print(f"tcpspec doctor --clean: {error}", file=sys.stderr)
        return USAGE_ERROR
    print("\n".join(removed) or "no container is left that nobody needs")
    return 0


def report(arguments: list[str]) -> int:
    """Write the HTML report."""
    from harness.report import command

    return command.main(arguments)


def matrix(arguments: list[str]) -> int:
    """Print one table over runs."""
    from harness.report import overview

    return overview.main(arguments, wide_console())


def merge(arguments: list[str]) -> int:
    """Put the shards of a run together."""
    from harness.report import merge as merging

    return merging.main(arguments)


def grid(arguments: list[str]) -> int:
    """Export the grid, or its documentation; or show what it can find."""
    from harness.grid import docs, export

    parser = argparse.ArgumentParser(prog="tcpspec grid", description="Writes the grid for other tools, or its page.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every cell with all allowed reactions")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="how to read a cell, open questions, deviations")
    parser.add_argument("--power", action="store_true", help="what it finds: wrong rules, targets that have not moved")
    if not arguments:
        arguments = ["--help"]
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    try:
        if options.json:
            print(f"{options.json}: {export.export(options.json)} cells")
        if options.markdown:
            docs.write(options.markdown)
    except OSError as error:
        print(f"tcpspec grid: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    return _grid_power() if options.power else 0


def _grid_power() -> int:
    from harness.case.rig import Rig
    from harness.grid import power
    from harness.targets.namespace.target import LinuxTarget
    from harness.targets.protocol import UnusableTarget

    try:
        rig = Rig(LinuxTarget())
    except UnusableTarget as error:
        print(f"tcpspec grid: {error}", file=sys.stderr)
        return USAGE_ERROR
    with contextlib.closing(rig):
        print(power.prove(rig))
    return 0


def bench(arguments: list[str]) -> int:
    """Measure the engine, or the stability of its verdicts."""
    from harness.bench import speed, stability

    if arguments[:1] == ["stability"]:
        return stability.main(arguments[1:])
    return speed.main(arguments)


def explore(arguments: list[str]) -> int:
    """Play generated conversations, judged by the rules."""
    from harness.explore import main as explorer

    return explorer.main(arguments)


def pkt(arguments: list[str]) -> int:
    """Tell which of other people's scripts can be played."""
    from harness.pkt import command

    return command.main(arguments)


def fuzz(arguments: list[str]) -> int:
    """Play the same random sequences on two targets."""
    from harness.fuzz import main as fuzzer

    return fuzzer.main(arguments)


def learn(arguments: list[str]) -> int:
    """Learn what a stack really does, as a machine."""
    import importlib.util

    from harness.learn import options

    if importlib.util.find_spec("aalpy") is None:
        if {"-h", "--help"} & set(arguments):
            options.parser().print_help()
            return 0
        print("tcpspec learn: AALpy is not installed; pip install 'tcpspec[learn]' brings it", file=sys.stderr)
        return USAGE_ERROR
    from harness.learn import main as learner

    return learner.main(arguments)


def adapter(arguments: list[str]) -> int:
    """Test an adapter itself."""
    from harness.targets.adapter import check as adapter_check

    return adapter_check.main(arguments)


def declare(arguments: list[str]) -> int:
    """Draft an expectations file."""
    from harness.declare import command

    return command.main(arguments)


def kernels(arguments: list[str]) -> int:
    """List kernels."""
    from harness.targets.kernel import listing
    from harness.targets.protocol import UnusableTarget

    try:
        return listing.main(arguments, wide_console())
    except UnusableTarget as error:
        print(f"tcpspec kernels: {error}", file=sys.stderr)
        return USAGE_ERROR


def build(arguments: list[str]) -> int:
    """Build the drivers and images that come with the tool."""
    from harness.targets.building import drivers
    from harness.targets.protocol import UnusableTarget

    try:
        return drivers.main(arguments)
    except UnusableTarget as error:
        print(f"tcpspec build: {error}", file=sys.stderr)
        return USAGE_ERROR
