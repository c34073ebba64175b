"""``tcpspec kernels``: which kernels are built here, and of which the sources can be had."""

import argparse
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.targets.kernel import suites
from harness.targets.kernel.build import SOURCES, kernels_folder
from harness.targets.kernel.kernels import Built, all_built

USAGE_ERROR = 4


def main(arguments: list[str], console: Console) -> int:
    """Print the lists."""
    parser = argparse.ArgumentParser(
        prog="tcpspec kernels",
        description="Lists the kernels that are built here, and those that can be built from packages.",
        epilog="`tcpspec build kernel VERSION` builds one; --target kernel:VERSION runs it.",
    )
    parser.add_argument("--update", action="store_true", help="ask Debian's mirror now (else: what it said before)")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    _print_built(console)
    _print_available(console, suites.offers(refresh=options.update), options.update)
    return 0


def _print_built(console: Console) -> None:
    cache = kernels_folder()
    entries = [*all_built(cache), *all_built(cache, trees=True)]
    if not entries:
        console.print("no kernel is built here: tcpspec build kernel 6.12")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("built", "target", "sources"):
        table.add_column(title, no_wrap=True)
    for built, program in entries:
        table.add_row(built.name, Text(target_of(built, program.parent.name)), Text(built.source))
    console.print(table)


def target_of(built: Built, folder: str) -> str:
    """Return what names a kernel on the command line: its version, or the folder where a tree was built."""
    return f"kernel:{folder if folder.startswith('tree-') else built.name}"


def _print_available(console: Console, offers: Iterable[suites.Offer], asked: bool) -> None:
    packages = sorted(
        path.name.removeprefix("linux-source-").split(".tar")[0] for path in SOURCES.glob("linux-source-*.tar.*")
    )
    console.print(f"sources installed: {', '.join(packages) or 'none (apt-get install linux-source-VERSION)'}")
    branches: dict[str, list[str]] = {}
    for offer in offers:
        branches.setdefault(".".join(offer.release.split("-")[0].split(".")[:2]), []).append(offer.release)
    if not branches:
        console.print("sources in Debian's suites: not asked yet (--update)" if not asked else "no suite has any")
        return
    console.print("sources in Debian's suites (a mirror may have given some up):")
    for branch, releases in branches.items():
        console.print(Text(f"  {branch:<5} {', '.join(releases)}"))
