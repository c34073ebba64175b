"""The verb `kernels`: which kernels are built, and which can be."""

import sys

from harness.verbs import USAGE_ERROR
from harness.verbs.printing import wide_console

HELP = "list the kernels that are built, and those that can be"


def main(arguments: list[str]) -> int:
    """List kernels."""
    from harness.targets.kernel import listing
    from harness.targets.protocol import UnusableTarget

    try:
        return listing.main(arguments, wide_console())
    except UnusableTarget as error:
        print(f"tcpspec kernels: {error}", file=sys.stderr)
        return USAGE_ERROR
