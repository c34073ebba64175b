"""The verb `learn`: what a stack really does, as a machine."""

import sys

from harness.verbs import USAGE_ERROR

HELP = "learn what a stack really does, as a machine: a picture, a difference, a test"


def main(arguments: list[str]) -> int:
    """Learn what a stack really does, as a machine."""
    import importlib.util

    from harness.learn import options

    if importlib.util.find_spec("aalpy") is None:
        if {"-h", "--help"} & set(arguments):
            options.parser().print_help()
            return 0
        how = "pip install 'tcpspec[learn]' brings it, in a clone .venv/bin/pip install -e '.[learn]'"
        print(f"tcpspec learn: AALpy is not installed; {how}", file=sys.stderr)
        return USAGE_ERROR
    from harness.learn import main as learner

    return learner.main(arguments)
