"""The page of the rules is true: its example runs, and the row that it reads is the one in the table."""

import doctest
import re
from pathlib import Path

from harness.spec import arrivals

PAGE = Path(arrivals.__file__).with_name("SPEC.md")
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_example_shows_what_it_says() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert (failed, tried) == (0, 6)


def test_the_row_is_the_one_in_the_table() -> None:
    source = PAGE.with_name("rules_processing.py").read_text(encoding="utf-8")
    shown = re.search(r"^    Rule\(\n(.+?)^    \)", TEXT, re.MULTILINE | re.DOTALL)
    assert shown is not None
    lines = [line.partition("  #")[0].strip() for line in shown[1].splitlines()]
    assert "\n".join(f"        {line}" for line in lines) in source


def test_the_files_that_it_names_exist() -> None:
    named = re.findall(r"`(\w+\.(?:py|toml))`", TEXT)
    assert [name for name in named if not PAGE.with_name(name).is_file()] == []
