"""The verb `bench`: cases per CPU second, and the stability of verdicts."""

HELP = "measure cases per CPU second; bench stability: repeat runs and compare the verdicts"


def main(arguments: list[str]) -> int:
    """Measure the engine, or the stability of its verdicts."""
    from harness.bench import speed, stability

    if arguments[:1] == ["stability"]:
        return stability.main(arguments[1:])
    return speed.main(arguments)
