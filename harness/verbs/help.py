"""The verb `help`: a page of the manual."""

import sys

from harness.verbs import USAGE_ERROR

HELP = "print a page of the manual: tcpspec help TASK"
USAGE = "tcpspec help TASK"


def main(arguments: list[str]) -> int:
    """Print a page of the manual."""
    from harness.manual import pages

    if len(arguments) != 1 or arguments[0] not in pages.PAGES:
        unknown = f"there is no page {' '.join(arguments)!r}; " if arguments else ""
        print(f"{unknown}usage: {USAGE}\n\ntasks:\n{pages.listing()}", file=sys.stderr if unknown else None)
        return USAGE_ERROR if unknown else 0
    print(pages.PAGES[arguments[0]].path.read_text(encoding="utf-8"), end="")
    return 0
