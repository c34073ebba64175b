"""Which modules of the package can hold the cases that a command line names: the others need not be imported."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from harness.grid.session import PREFIX

#: The topic of packetdrill's scripts.
SCRIPTS = "pkt/"
_NAME = re.compile(r"^def test_(\w+)\(", re.MULTILINE)
#: What may be a name, perhaps with its row, or a folder: anything else is a pattern.
_PLAIN = re.compile(r"[\w/.-]+(\[[^*?]*\])?")
_ALL_OF_A_FOLDER = re.compile(r"([\w-]+)(/\*?)?")


def files_of(names: Sequence[str]) -> frozenset[Path] | None:
    """Return the files that hold the named cases, None for all: without names, and where one is a pattern or unknown.

    A module that makes its tests in another way than by ``def`` is found only if everything is collected.
    """
    if not names:
        return None
    found: set[Path] = set()
    for name in names:
        holding = set(_holding(name))
        if not holding:
            return None
        found |= holding
    return frozenset(found)


def names_scripts(arguments: Sequence[str], cases: Sequence[str]) -> bool:
    """Tell whether a command line names scripts of the package: others are not asked for by a run of all cases."""
    import testcases

    folders = [Path(folder, SCRIPTS).resolve() for folder in testcases.__path__]
    paths = [Path(str(argument).partition("::")[0]).resolve() for argument in arguments]
    inside = any(path.is_relative_to(folder) for path in paths for folder in folders)
    return inside or any(case.startswith(SCRIPTS.rstrip("/")) for case in cases)


def _holding(name: str) -> Iterator[Path]:
    if name.startswith(SCRIPTS):
        yield from _scripts()
        return
    group, _slash, rest = name.partition("[")[0].rpartition("/")
    if name.startswith(PREFIX):
        yield from _modules(PREFIX.rstrip("/"))
    elif whole := _ALL_OF_A_FOLDER.fullmatch(name):
        yield from _modules(whole[1])
    if _PLAIN.fullmatch(name) and rest:
        wanted = rest.replace("-", "_")
        for path in _modules(group):
            if wanted in _NAME.findall(path.read_text(encoding="utf-8")):
                yield path


@cache
def _scripts() -> tuple[Path, ...]:
    import testcases

    return tuple(path for folder in testcases.__path__ for path in sorted(Path(folder, "pkt").rglob("*.pkt")))


@cache
def _modules(group: str) -> tuple[Path, ...]:
    """Return the modules of a folder of cases, "" for those of all."""
    import testcases

    pattern = f"{group.replace('-', '_') or '*'}/test_*.py"
    folders = (Path(folder) for folder in testcases.__path__)
    return tuple(
        path for folder in folders for path in sorted(folder.glob(pattern)) if folder / "selftest" != path.parent
    )
