"""The verb `run`: the cases, on one or several targets."""

from harness.manual import examples
from harness.verbs import starting

HELP = "run the cases (default target: this machine's kernel); takes pytest's options too"

#: Options of pytest that a run of cases is used with.
_OF_PYTEST = """pytest's options work too, among them:
  -n 4 | --tx ssh=host//python=python3 --dist load   workers here, or on other machines
  -k EXPRESSION, -m EXPRESSION, --deselect ID        choose by name
  -x, --maxfail N, --durations N, --co, -v, -p       stop early, what was slow, collect only, more words, plugins
  --junitxml=FILE, --tb=no                           JUnit's XML; no ladders"""
#: Where results go that nobody has named a place for.
DEFAULT_RESULTS = "results"


def main(arguments: list[str]) -> int:
    """Run the cases."""
    if any(argument in ("-h", "--help") for argument in arguments):
        return _help_run()
    named = any(argument.split("=")[0] == "--results" for argument in arguments)
    results = [] if named else [f"--results={DEFAULT_RESULTS}"]
    from harness.plugin import again

    return again.run(starting.start, [*starting.QUIET, *results, *arguments])


def _help_run() -> int:
    import pytest

    from harness.plugin import habits, options, tap

    parser = pytest.Parser(_ispytest=True)
    options.declare(parser)
    tap.declare(parser)
    habits.declare(parser, cached=False)
    print("tcpspec run [options of tcpspec] [options of pytest, such as -n 4, -x, -k, --junitxml]\n")
    for group in parser._groups:
        for option in group.options:
            attributes = option.attrs()
            value = attributes.get("metavar") or "|".join(str(choice) for choice in attributes.get("choices") or ())
            print(f"  {' '.join(option.names())} {value}\n      {attributes.get('help', '')}")
    print(f"\n{_OF_PYTEST}\n\n{examples.EXIT_CODES.rstrip()}")
    return 0
