"""The verb `doctor`: checks of this machine."""

import sys

from harness.verbs import USAGE_ERROR

HELP = "check this machine, with hints (--clean: remove containers that a crash has left)"
USAGE = "tcpspec doctor [--clean]"


def main(arguments: list[str]) -> int:
    """Check the machine."""
    from rich.console import Console
    from rich.text import Text

    from harness.targets.doctor import Mark, examine

    if arguments == ["--clean"]:
        return _sweep_containers()
    if arguments:
        print(f"usage: {USAGE}", file=sys.stderr)
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
