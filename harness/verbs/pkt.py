"""The verb `pkt`: packetdrill's scripts."""

HELP = "pkt coverage DIR: which packetdrill scripts can be played, and what they want most"


def main(arguments: list[str]) -> int:
    """Tell which of other people's scripts can be played."""
    from harness.pkt import command

    return command.main(arguments)
