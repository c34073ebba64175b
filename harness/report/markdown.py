"""Bits of Markdown. Texts of a run stand in code spans, where GitHub and GitLab render nothing."""

from collections.abc import Iterable, Iterator, Sequence


def code(text: str) -> str:
    """Return the text as a code span that may stand in a table."""
    plain = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`" if plain else ""


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = False) -> Iterator[str]:
    """Yield the lines of a table; with `right`, all columns but the first are aligned to the right."""
    yield f"| {' | '.join(titles)} |"
    yield "|---|" + ("---:|" if right else "---|") * (len(titles) - 1)
    for row in rows:
        yield f"| {' | '.join(row)} |"
