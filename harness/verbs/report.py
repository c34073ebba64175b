"""The verb `report`: one HTML file of runs."""

HELP = "write one HTML file of one or several runs: matrix, ladders, state diagrams, facts"


def main(arguments: list[str]) -> int:
    """Write the HTML report."""
    from harness.report import command

    return command.main(arguments)
