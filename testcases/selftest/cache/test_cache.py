"""What is kept between runs: made once, never stale, and missed by nobody where the folder can't be used."""

from pathlib import Path
from typing import Any

import pytest

from harness import cache
from harness.cache import kept
from harness.grid import accept
from harness.wire import codec, icmp


class Maker:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Any:
        self.asked += 1
        return {"made": self.asked}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def the_file(home: Path) -> Path:
    [file] = (home / "cache" / "tcpspec" / "kept").iterdir()
    return file


def test_what_was_made_of_the_same_sources_is_not_made_again(home: Path) -> None:
    make, source = Maker(), home / "source"
    source.write_text("one")
    assert [kept("thing", [source, "1.0"], make) for _ in range(2)] == [{"made": 1}] * 2


@pytest.mark.parametrize("changed", ["contents", "version", "name"])
def test_whatever_it_is_made_of_has_changed_it_is_made_anew(home: Path, changed: str) -> None:
    make, source = Maker(), home / "source"
    source.write_text("one")
    kept("thing", [source, "1.0"], make)
    source.write_text("two" if changed == "contents" else "one")
    name, version = ("other" if changed == "name" else "thing"), ("1.1" if changed == "version" else "1.0")
    assert kept(name, [source, version], make) == {"made": 2}


@pytest.mark.parametrize("content", [b"", b'{"value": {"ma', b"[]", b"{}", b"\xff\xfe", b"7"])
def test_a_file_that_is_broken_or_foreign_is_made_anew(home: Path, content: bytes) -> None:
    make = Maker()
    kept("thing", ["1.0"], make)
    the_file(home).write_bytes(content)
    assert kept("thing", ["1.0"], make) == {"made": 2}
    assert kept("thing", ["1.0"], make) == {"made": 2}, "and what was made replaces the broken file"


def test_a_folder_that_cannot_be_written_costs_time_only(home: Path) -> None:
    make = Maker()
    (home / "cache").write_text("a file where the folder should be")
    assert [kept("thing", ["1.0"], make) for _ in range(2)] == [{"made": 1}, {"made": 2}]


def test_a_user_without_a_home_loses_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Maker()

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache, "folder", homeless)
    assert kept("thing", ["1.0"], make) == {"made": 1}


def test_only_a_few_versions_are_kept(home: Path) -> None:
    for number in range(cache.KEPT_VERSIONS + 3):
        kept("thing", [str(number)], Maker())
    assert len(list((home / "cache" / "tcpspec" / "kept").iterdir())) == cache.KEPT_VERSIONS


def test_the_kept_shapes_are_what_scapy_crafts() -> None:
    assert codec.craft_shapes() == codec._shapes()
    assert icmp.craft_headers() == icmp._headers()


def test_the_kept_survey_of_the_grid_is_what_the_rules_say() -> None:
    found = accept.survey()
    cells = accept.segment_cells()
    assert [list(accept.cites_of(cell)) for cell in cells] == [list(found["cites"][at]) for at in found["cites_of"]]
    assert accept.core() == {cell.id for cell, taken in zip(cells, found["core"], strict=True) if taken}
