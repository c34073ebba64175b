"""The verb `coverage`: requirement, cases and verdict."""

from harness.verbs import printing, starting

HELP = "print requirement, cases and verdict, and why the others have no case"


def main(arguments: list[str]) -> int:
    """Print requirement, cases and verdict; exit code 1 if an observable requirement in scope has no case.

    With --lines: which lines of lwIP's TCP the suite executes.
    """
    if "--lines" in arguments:
        from harness.bench import lines
        from harness.verbs import run

        return lines.main([argument for argument in arguments if argument != "--lines"], run.main)
    from harness.report import coverage_command

    def collect() -> tuple[int, coverage_command.Cited]:
        code, collector = starting.collect(["--ip", "4", "--grid", "full"])
        return code, {case.case_id: case.meta.citations() for case, _item in collector.items}

    return coverage_command.main(arguments, printing.wide_console(), collect)
