"""The page of a machine in a real browser: what happens on a FIN in SYN-RECEIVED?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness.learn import page, record
from testcases.selftest.browser import chromium

GOLDEN = Path(record.__file__).with_name("golden") / "linux-server.json"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page of Linux's machine, and what the browser complained of."""
    file = tmp_path_factory.mktemp("page") / "machine.html"
    file.write_text(page.render(record.read(GOLDEN)), encoding="utf-8")
    with chromium() as browser:
        shown = browser.new_page()
        shown.complaints = []
        shown.on("pageerror", lambda error: shown.complaints.append(str(error)))
        shown.on("console", lambda message: shown.complaints.append(message.text))
        shown.goto(file.as_uri())
        yield shown


def rows(shown: Any) -> list[str]:
    """Return the texts of the lines that can be seen."""
    return [row.inner_text() for row in shown.locator("tbody tr:visible").all()]


@pytest.mark.parametrize(
    ("words", "count", "first"),
    [
        ("FIN SYN-RECEIVED", 4, "CLOSE-WAIT"),
        ("fin syn-rec", 4, "CLOSE-WAIT"),
        ("R@n TIME-WAIT", 2, "LISTEN"),
        ("nobody", 0, ""),
        ("", 230, "listen"),
    ],
)
def test_a_search_shows_the_transitions_that_have_all_words(opened: Any, words: str, count: int, first: str) -> None:
    opened.locator("#search").fill(words)
    seen = rows(opened)
    assert opened.locator("#count").inner_text() == str(count) == str(len(seen))
    assert not seen or first in seen[0]


def test_a_flag_in_the_reason_of_a_deviation_is_no_flag_of_a_segment() -> None:
    text = page.render(record.read(GOLDEN.with_name("lwip-server.json")))
    said = [line for line in text.splitlines() if "Every reset carries ACK" in line and ">A@n,u" in line]
    assert said
    assert not any("fin" in line.partition('data-words="')[2].partition('"')[0] for line in said)


def test_the_drawing_stands_above_and_the_browser_has_nothing_to_complain_of(opened: Any) -> None:
    box = opened.locator("svg").bounding_box()
    assert box["width"] > 400
    assert box["y"] + box["height"] < opened.locator("#search").bounding_box()["y"]
    assert opened.locator("svg text", has_text="SYN-RECEIVED").is_visible()
    assert opened.complaints == []
