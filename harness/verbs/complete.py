"""What the completions of the shells call: nobody types it."""

from pathlib import Path


def main(arguments: list[str]) -> int:
    """Print what may stand at the end of a command line: for the completions."""
    import testcases
    from harness.cli import VERBS
    from harness.manual.completion import candidates, case_names

    folders = [Path(folder) for folder in testcases.__path__]
    for word in candidates(arguments[0] if arguments else "", VERBS, lambda: case_names(folders)):
        print(word)
    return 0
