"""The verb `docs`: the README's pictures, drawn from a live run."""

import sys

from harness.verbs import USAGE_ERROR, starting

HELP = "draw the README's pictures from a live run (--layers: the page of architecture's, from the imports)"


def main(arguments: list[str]) -> int:
    """Draw the README's pictures from a live run."""
    if arguments == ["--layers"]:
        return _draw_layers()
    from harness.report import pictures

    return pictures.main(arguments, starting.start)


def _draw_layers() -> int:
    from harness.manual import imports

    try:
        imports.PAGE.write_text(imports.drawn(imports.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    except OSError as error:
        print(f"tcpspec docs: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    return 0
