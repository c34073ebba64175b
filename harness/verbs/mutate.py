"""The verb `mutate`: the cases on stacks with one known defect each."""

from harness.verbs import starting

HELP = "run the cases on stacks with one known defect each: does the suite notice?"


def main(arguments: list[str]) -> int:
    """Run the cases on stacks with one known defect each."""
    from harness.mutate import command

    return command.main(arguments, starting.scripts)
