"""Badges: one line about runs, inert and never better than the run."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness.report import badge
from harness.report.runs import Column, columns, load
from testcases.selftest.made_runs import LAX, SILENT, case, facts, write


def badge_of(tmp_path: Path, *cases: dict[str, object], complete: bool = True, name: str = "linux") -> list[Column]:
    write(tmp_path, [{**entry, "target": name} for entry in cases], facts(name), complete=complete)
    return columns(load([tmp_path], partial=True))


def test_it_counts_what_conforms_and_what_is_known(tmp_path: Path) -> None:
    found = badge_of(tmp_path, case("a/1"), case("a/2", "known deviation", SILENT), case("a/3", "deviates", LAX))
    assert badge.message(found) == ("1 conform, 1 known deviations, 1 deviate from a SHOULD", "brightgreen")


@pytest.mark.parametrize("verdict", ["violates", "gone deviation", "inconclusive", "harness error"])
def test_it_is_red_as_soon_as_something_is_not_as_expected(tmp_path: Path, verdict: str) -> None:
    assert badge.message(badge_of(tmp_path, case("a/1"), case("a/2", verdict))) == ("1 of 2 not as expected", "red")


def test_an_incomplete_or_empty_run_is_never_green(tmp_path: Path) -> None:
    assert badge.message(badge_of(tmp_path / "cut", case(), complete=False)) == ("incomplete run", "lightgrey")
    assert badge.message(badge_of(tmp_path / "empty")) == ("incomplete run", "lightgrey")


def test_the_picture_is_xml_that_says_it_in_words_too(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script>'
    path = tmp_path / "badge.svg"
    badge.write(path, badge_of(tmp_path, case(), name=hostile))
    root = ET.parse(path).getroot()
    assert [element.tag.rpartition("}")[2] for element in root.iter() if "script" in element.tag] == []
    assert root.get("aria-label") == f"tcpspec {hostile}: 1 conform"


def test_shields_get_their_json(tmp_path: Path) -> None:
    path = tmp_path / "badge.json"
    badge.write(path, badge_of(tmp_path, case()))
    expected = {"schemaVersion": 1, "label": "tcpspec linux", "message": "1 conform", "color": "brightgreen"}
    assert json.loads(path.read_text()) == expected


def test_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(badge.UnknownBadge, match=r"a badge is written as \.svg or \.json"):
        badge.write(tmp_path / "badge.png", badge_of(tmp_path, case()))
