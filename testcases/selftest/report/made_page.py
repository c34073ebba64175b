"""A report of a made-up run, as a browser would read it."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import made_runs as made

from harness.report import html, runs

LADDER = [
    {"ms": 0.0, "kind": "call", "text": "listen()", "step": "a.py:1"},
    {"ms": 0.25, "kind": "state", "text": "LISTEN", "snapshot": {"state": "LISTEN", "receive_queue": 3}},
    {"ms": 0.5, "kind": "expected", "text": "<CTL=ACK>"},
]
TRACE = ["call listen()", "state LISTEN", "sent <SEQ=0><CTL=SYN>"]
CASES = [
    made.case(
        title="A FIN is acknowledged.", trace=TRACE, at="testcases/closing/test_fin.py:1", reproduce="tcpspec run x"
    ),
    made.case(
        "closing/rst", "violates", made.SILENT, reason="<CTL=ACK>, but nothing came", ladder=LADDER, ss=["ESTAB"]
    ),
    made.case("closing/old", "known deviation", made.SILENT, reason="Since 4.0.", source="tcp.c", ladder=LADDER),
    made.case("grid/established/syn/exact/-/none", trace=TRACE),
]


class Page(HTMLParser):
    """What a browser would make of a page: elements with their attributes, and the texts outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif not self._inside:
            self.words.append(data)

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rendered(tmp_path: Path, cases: list[dict[str, Any]] = CASES, *targets: dict[str, Any], **more: Any) -> str:
    path = made.write(tmp_path / "run", cases, *targets, **more)
    return html.render(runs.load([path], partial=True), folder=tmp_path)
