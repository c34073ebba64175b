"""The verb `variants`: the cases on stacks that are correct, but different."""

from harness.verbs import starting

HELP = "run the cases on stacks that are correct, but different: none may fail"


def main(arguments: list[str]) -> int:
    """Run the cases on stacks that are correct, but different."""
    from harness.mutate import variants_command

    return variants_command.main(arguments, starting.scripts)
