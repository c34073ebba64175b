"""The verb `fuzz`: the same random sequences on two targets."""

HELP = "play the same random sequences on two targets, and explain or report every difference"


def main(arguments: list[str]) -> int:
    """Play the same random sequences on two targets."""
    from harness.fuzz import main as fuzzer

    return fuzzer.main(arguments)
