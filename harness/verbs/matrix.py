"""The verb `matrix`: one table over runs."""

from harness.verbs.printing import wide_console

HELP = "print one table over runs: groups of cases and targets"


def main(arguments: list[str]) -> int:
    """Print one table over runs."""
    from harness.report import overview

    return overview.main(arguments, wide_console())
