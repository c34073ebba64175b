"""The verb `build`: drivers, images and kernels."""

import sys

from harness.verbs import USAGE_ERROR

HELP = "build a driver or an image that comes with the tool: tcpspec build linux"


def main(arguments: list[str]) -> int:
    """Build the drivers and images that come with the tool."""
    from harness.targets.building import drivers
    from harness.targets.protocol import UnusableTarget

    try:
        return drivers.main(arguments)
    except UnusableTarget as error:
        print(f"tcpspec build: {error}", file=sys.stderr)
        return USAGE_ERROR
