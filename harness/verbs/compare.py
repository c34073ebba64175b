"""The verb `compare`: what differs between runs."""

from harness.verbs import printing, starting

HELP = "print what differs between runs, or run several targets and compare them"


def main(arguments: list[str]) -> int:
    """Print what differs between runs; with --target, run the cases on these first."""
    from harness.report.compare import command

    options = command.parse(arguments)
    if isinstance(options, int):
        return options
    if options.target:
        targets = [f"--target={name}" for name in options.target]
        code = starting.start([*starting.QUIET, f"--results={options.results}", *targets, *options.rest])
        if code not in (0, 1):
            return code
        options.files = [options.results]
    return command.report(options, printing.wide_console())
