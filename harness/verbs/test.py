"""The verb `test`: the project's own tests."""

import contextlib
import sys

from harness.verbs import USAGE_ERROR, starting

HELP = "run the project's own tests (in a checkout): the quick ones, or --all, or those of a PATH"
USAGE = "tcpspec test [--all] [PATH…] [options of pytest]    (in workers, as many as there are processors)"

#: What is left out unless `--all` asks for it: the selftests' conftest.py says which these are.
QUICK_TESTS = ("-m", "not slow")
#: Workers get at most so many tests at once, so that none has a row of long ones to itself when the others are done.
SMALL_CHUNKS = ("--maxschedchunk", "10")


def main(arguments: list[str]) -> int:
    """Run the project's own tests: the quick selftests and all cases; with --all every selftest, and timers to 15 s."""
    folder = starting.folder()
    if not (folder / "selftest").is_dir():
        print("tcpspec test: the project's own tests are only in a checkout of its repository", file=sys.stderr)
        return USAGE_ERROR
    every = "--all" in arguments
    rest = [argument for argument in arguments if argument != "--all"]
    if starting.names_paths(rest):
        return starting.start([*rest, "-q", "--no-header"])
    own = ["-q", "--no-header", *SMALL_CHUNKS]
    if not any(argument.startswith(("-n", "--numprocesses", "--pdb", "--tx")) for argument in rest):
        own += ["-n", "auto"]
    if every:
        own += ["--timers", "15"]
    elif not any(argument in ("-m", "-k") for argument in rest):
        own += QUICK_TESTS
    with contextlib.chdir(folder.parent):
        code = starting.start([*own, str(folder), *rest])
    if not every and code == 0:
        print("these were the quick ones; tcpspec test --all runs them all")
    return code
