"""The verb `explore`: generated conversations."""

HELP = "play generated conversations, judged by the rules from end to end"


def main(arguments: list[str]) -> int:
    """Play generated conversations, judged by the rules."""
    from harness.explore import main as explorer

    return explorer.main(arguments)
