"""The verb `docs`: the README's pictures, drawn from a live run."""

from harness.verbs import starting

HELP = "draw the README's pictures from a live run"


def main(arguments: list[str]) -> int:
    """Draw the README's pictures from a live run."""
    from harness.report import pictures

    return pictures.main(arguments, starting.start)
