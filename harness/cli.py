"""The command `tcpspec`: a table of verbs. Exit codes are pytest's."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from harness import __version__
from harness.manual import examples
from harness.verbs import INTERRUPTED, USAGE_ERROR

#: A file each in `harness/verbs`, in the order of the help.
VERBS = (
    "run",
    "list",
    "explain",
    "show",
    "report",
    "compare",
    "matrix",
    "merge",
    "docs",
    "coverage",
    "grid",
    "mutate",
    "variants",
    "explore",
    "pkt",
    "fuzz",
    "learn",
    "doctor",
    "bench",
    "adapter",
    "declare",
    "build",
    "kernels",
    "test",
    "help",
    "completion",
)
#: What people do not type.
_UNLISTED = ("complete",)

_EXAMPLES = """examples:
  tcpspec run
  tcpspec run --rfc 9293/3.6 --ip 4
  tcpspec run --case 'time-wait/*' --timers 70
  tcpspec show four-way-close

"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    asks_for_all = arguments[:1] in ([], ["-h"], ["--help"])
    parser = argparse.ArgumentParser(
        prog="tcpspec",
        description="Tests whether a TCP implementation opens and closes connections as RFC 9293 says.",
        epilog=_listing() + examples.EXIT_CODES if asks_for_all else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tcpspec {__version__}")
    parser.add_argument("verb", choices=sorted({*VERBS, *_UNLISTED}), metavar="VERB")
    if not arguments:
        parser.print_help()
        return USAGE_ERROR
    try:
        verb = parser.parse_args(arguments[:1]).verb
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    asks = bool({"-h", "--help"} & {*arguments[1:]})
    try:
        module = _verb(verb)
        if asks and hasattr(module, "USAGE"):
            print(f"usage: {module.USAGE}")
            code = 0
        else:
            code = module.main(arguments[1:])
        if asks and verb in examples.EXAMPLES:
            print(f"\n{examples.of(verb)}")
        sys.stdout.flush()
    except BrokenPipeError:  # `tcpspec list | head`: nobody reads on, and the interpreter flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:  # before the verb itself could know what was begun
        print(f"tcpspec {verb}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


def _verb(name: str) -> Any:
    """Return the module of a verb; each is imported when it is needed, for a command line needs one."""
    return importlib.import_module(f"harness.verbs.{name}")


def _listing() -> str:
    lines = (f"  {name:<10} {_verb(name).HELP}" for name in VERBS)
    return "\n".join(["verbs:", *lines, "", _EXAMPLES])
