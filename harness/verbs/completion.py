"""The verb `completion`: what makes a shell complete verbs, cases and targets."""

import sys

from harness.verbs import USAGE_ERROR

HELP = "print what makes bash, zsh or fish complete verbs, cases and targets"
USAGE = "tcpspec completion bash|zsh|fish"


def main(arguments: list[str]) -> int:
    """Print the completion of a shell."""
    from harness.manual.completion import SCRIPTS

    if len(arguments) != 1 or arguments[0] not in SCRIPTS:
        print(f"usage: {USAGE}", file=sys.stderr)
        return USAGE_ERROR
    print(SCRIPTS[arguments[0]], end="")
    return 0
