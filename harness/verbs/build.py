"""The verb `build`: drivers, images and kernels."""

import argparse
import sys

from harness.verbs import USAGE_ERROR

HELP = "build a driver or an image that comes with the tool: tcpspec build linux"
_USAGE = (
    "tcpspec build DRIVER[:RELEASE]…    or: tcpspec build IMAGE… [--image] [--base IMAGE]"
    "    or: tcpspec build kernel VERSION… | --source DIR"
)


def main(arguments: list[str]) -> int:
    """Build what comes with the tool."""
    from harness.targets.protocol import UnusableTarget

    try:
        return _build(arguments)
    except UnusableTarget as error:
        print(f"tcpspec build: {error}", file=sys.stderr)
        return USAGE_ERROR


def _build(arguments: list[str]) -> int:
    """Build the named drivers, or the named images, and print where they are."""
    from harness.targets.building import drivers, images
    from harness.targets.kernel import build as kernels

    if arguments[:1] == ["kernel"]:
        return kernels.main(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="tcpspec build",
        description="Builds what comes with the tool.",
        usage=_USAGE,
        epilog="`tcpspec build kernel --help` is about kernels.",
    )
    known = sorted({*drivers.DRIVERS, *images.IMAGES})
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"{', '.join(known)}; or a release, as smoltcp:0.13")
    parser.add_argument("--image", action="store_true", help="a container image instead of a program (linux: always)")
    parser.add_argument("--base", metavar="IMAGE", help="build the image on this one, not on the Dockerfile's default")
    try:
        options = parser.parse_args(arguments)
        for name in options.names:
            driver, colon, _release = name.partition(":")
            if driver not in (drivers.DRIVERS if colon else known):
                parser.error(f"there is no {name!r} to build; there are {', '.join(known)}")
            if colon and (options.image or options.base):
                parser.error(f"{name}: an image has the usual release; leave --image and --base away")
            if name not in images.IMAGES and (options.image or options.base):
                parser.error(f"there is no image of {name}")
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    for name in options.names:
        driver, _colon, release = name.partition(":")
        if release:
            print(drivers.build(driver, release), flush=True)
            continue
        as_image = options.image or options.base or name not in drivers.DRIVERS
        print(images.build(name, base=options.base) if as_image else drivers.build(name), flush=True)
    return 0
