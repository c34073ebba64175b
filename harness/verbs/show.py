"""The verb `show`: one case and its ladder."""

import sys

from harness.verbs import NOTHING_RAN, USAGE_ERROR, keeping, starting
from harness.verbs.starting import is_script

HELP = "run one case and print its ladder, also when it conforms (-v: every header field)"
USAGE = "tcpspec show CASE|SCRIPT.pkt [-v] [options of run]    (default: on IPv4)"


def main(arguments: list[str]) -> int:
    """Run one case and print its ladder."""
    names = [argument for argument in arguments[:1] if not argument.startswith("-")]
    if not names:
        print(f"usage: {USAGE}", file=sys.stderr)
        return USAGE_ERROR
    rest = [argument for argument in arguments[1:] if argument not in ("-v", "--verbose")]
    named = any(argument.split("=")[0] == "--ip" for argument in rest)
    ip = [] if named or is_script(names[0]) else ["--ip", "4"]
    which = [names[0]] if is_script(names[0]) else ["--case", names[0]]
    shower = keeping.Shower(verbose=len(rest) < len(arguments) - 1)
    code = starting.start(["-p", "no:terminal", "--timers", "1e9", *which, *ip, *rest], shower)
    for problem in shower.problems:
        print(problem, file=sys.stderr)
    print("\n".join(shower.texts))
    return starting.no_such_case(names[0]) if code == NOTHING_RAN and not is_script(names[0]) else code
