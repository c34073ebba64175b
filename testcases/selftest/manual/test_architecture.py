"""The page of architecture is current: its picture is that of the imports, and each package is in its table."""

import re

import pytest

from harness.manual import imports

TEXT = imports.PAGE.read_text(encoding="utf-8")


def test_the_picture_is_that_of_the_imports() -> None:
    assert imports.drawn(TEXT) == TEXT, "tcpspec docs --layers draws it anew"


def test_every_package_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.+?) \|", TEXT, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert imports.packages().keys() - told - {"cli"} == set()


def test_the_page_is_short_and_the_files_that_it_names_exist() -> None:
    assert len(TEXT.splitlines()) <= 100
    named = re.findall(r"`((?:\w+/)+\w+\.py)", TEXT)
    assert named
    assert [name for name in named if not (imports.HARNESS / name).is_file()] == []


def test_each_package_stands_above_what_it_imports() -> None:
    below = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}}
    assert imports.picture(below) == "\n".join(
        (" 3  a            on b", " 2  b            on c", " 2  d            on c", " 1  c")
    )


def test_a_circle_is_no_picture() -> None:
    with pytest.raises(ValueError, match="import each other: a, b"):
        imports.picture({"a": {"b"}, "b": {"a"}, "c": set()})
