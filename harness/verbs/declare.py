"""The verb `declare`: expectations as a draft."""

HELP = "draft an expectations file from a run, or bring one up to date"


def main(arguments: list[str]) -> int:
    """Draft an expectations file."""
    from harness.declare import command

    return command.main(arguments)
