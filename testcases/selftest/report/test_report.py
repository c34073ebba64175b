"""`tcpspec report`: one file that asks nobody for anything, tells all without its script, and runs nothing foreign."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import made_runs as made
import pytest

from harness import cli
from harness.report import html, html_matrix, rungs, runs
from harness.report.compare.differences import IncomparableRuns
from harness.report.html_data import Shapes
from harness.report.sources import source_of
from harness.verbs import USAGE_ERROR

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


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(rendered(tmp_path))


# --- a file of its own -----------------------------------------------------------------------------------------------


def test_the_page_names_nothing_from_elsewhere(page: Page) -> None:
    for tag, attributes in page.elements:
        assert (
            tag not in ("link", "img", "iframe", "object", "embed", "base", "form") or attributes.get("id") == "filter"
        )
        assert "src" not in attributes
        assert not re.match(r"\w+:|//", attributes.get("href", "")), attributes


def test_its_policy_allows_its_own_script_and_style_and_no_request(tmp_path: Path) -> None:
    text = rendered(tmp_path)
    (policy,) = (attributes["content"] for _tag, attributes in Page(text).elements if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; ")
    for element in ("script", "style"):
        body = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)[-1]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy


def test_no_element_has_a_style_or_a_handler_of_its_own(page: Page) -> None:
    """The policy would forbid them."""
    for _tag, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


# --- without its script ----------------------------------------------------------------------------------------------


def test_the_page_tells_its_verdicts_without_the_script(page: Page) -> None:
    assert "✗ violates" in page.text
    assert "<CTL=ACK>, but nothing came" in page.text
    assert "target: listen()" in page.text
    assert "Since 4.0." in page.text
    assert "6.18" in page.text


def test_a_case_that_violates_has_its_ladder_in_the_page(tmp_path: Path) -> None:
    text = rendered(tmp_path)
    story = text[text.index('class="story kind"') :]
    assert '<svg xmlns="http://www.w3.org/2000/svg" class="ladder"' in story[: story.index("</details>")]


def test_every_case_has_its_row_and_every_cell_its_field(page: Page) -> None:
    rows = [attributes["data-i"] for tag, attributes in page.elements if tag == "tr" and "data-i" in attributes]
    assert rows == ["0", "1", "2"]
    fields = [attributes["title"] for tag, attributes in page.elements if tag == "button" and "title" in attributes]
    assert fields == ["1 conform"]


def test_an_incomplete_run_is_called_so(tmp_path: Path) -> None:
    page = Page(rendered(tmp_path, complete=False))
    assert "Partial:" in page.text
    assert page.data["columns"][0]["label"] == "linux (partial)"
    assert "Partial:" not in Page(rendered(tmp_path)).text


def test_what_was_not_run_is_told_with_its_reason(tmp_path: Path) -> None:
    cases = [made.case("a/b", "not applicable", reason="it does not claim ecn")]
    page = Page(rendered(tmp_path, cases, left_out={"timers": 7}))
    assert "it does not claim ecn 1 cases" in page.text
    assert "left out: timers 7 cases" in page.text


# --- the two facts of a field ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "style"),
    [
        ("conforms", "c"),
        ("known deviation", "k"),
        ("deviates", "d"),
        ("violates", "v x"),
        ("gone deviation", "g x"),
        ("inconclusive", "i x"),
        ("harness error", "h x"),
    ],
)
def test_a_field_tells_whether_it_conforms_and_whether_that_is_expected(
    tmp_path: Path, verdict: str, style: str
) -> None:
    (run,) = runs.load([made.write(tmp_path, [made.case("a/b", verdict), made.case("a/b", verdict, ip=6)])])
    (column,) = runs.columns([run])
    mark = html_matrix.mark_of(column, "a/b")
    assert mark.style == style
    assert ("not as expected" in mark.words) == style.endswith("x")


def test_where_the_ip_versions_differ_both_are_shown(tmp_path: Path) -> None:
    cases = [made.case("a/b"), made.case("a/b", "violates", made.SILENT, ip=6)]
    (column,) = runs.columns(runs.load([made.write(tmp_path, cases)]))
    mark = html_matrix.mark_of(column, "a/b")
    assert mark.signs == "✓4 ✗6"
    assert mark.style == "v x"


def test_a_topic_tells_what_was_not_run_from_what_conforms(tmp_path: Path) -> None:
    found = [
        [made.case("a/x"), made.case("a/y")],
        [made.case("a/x"), made.case("a/y", "violates", made.SILENT)],
        [made.case("a/x", "not applicable", reason="no ecn")],
        [made.case("b/z")],
    ]
    columns = runs.columns(runs.load([made.write(tmp_path / str(at), cases) for at, cases in enumerate(found)]))
    (a, _b) = html_matrix.topics(columns, ["a/x", "a/y", "b/z"])
    assert a.counts == [[("c", "✓", "")], [("v x", "✗", 1)], [("n", "–", "")], []]


def test_a_case_that_a_run_does_not_have_is_an_empty_field(tmp_path: Path) -> None:
    (column,) = runs.columns(runs.load([made.write(tmp_path, [made.case("a/b")])]))
    assert html_matrix.mark_of(column, "a/c").words == "not run"
    assert html_matrix.mark_of(column, "a/c").style == "z"


# --- the data of the script ------------------------------------------------------------------------------------------


def test_the_data_hold_every_verdict_and_every_ladder(page: Page) -> None:
    data = page.data
    (column,) = data["columns"]
    assert column["4"]["v"] == "cvkc"
    assert column["6"]["v"] == "...."
    expected = [rungs.of_record(case).rungs for case in CASES]
    assert [_rungs_of(data, shape) for shape in column["4"]["s"]] == [list(shape) for shape in expected]
    assert column["4"]["d"]["1"]["times"] == [0, 250, 250]
    assert data["texts"][column["4"]["d"]["1"]["ss"][0]] == "ESTAB"
    assert column["4"]["d"]["1"]["queues"] == "receive queue 3"


def _rungs_of(data: dict[str, Any], shape: int) -> list[tuple[str, str, str, str]]:
    """Read a ladder as the page's script does."""
    nodes: list[tuple[int, int]] = []
    ends = []
    for parent, *own in data["shapes"]:
        for rung in own:
            nodes.append((parent, rung))
            parent = len(nodes) - 1
        ends.append(parent)
    found, node = [], ends[shape]
    while node >= 0:
        node, rung = nodes[node]
        kind, text, peer, mark = data["rungs"][rung]
        found.append(
            (("sent", "received", "missing", "call", "pause", "states")[kind], *_texts(data, text, peer), mark)
        )
    return found[::-1]


def _texts(data: dict[str, Any], *numbers: int) -> list[str]:
    return [data["texts"][number] for number in numbers]


def test_ladders_that_begin_alike_are_written_once() -> None:
    shapes = Shapes()
    numbers = [shapes.number(rungs) for rungs in ([1, 2, 3], [1, 2, 4], [1, 2], [1, 2, 3], [5])]
    assert numbers == [0, 1, 2, 0, 3]
    assert shapes.written == [[-1, 1, 2, 3], [1, 4], [1], [-1, 5]]


def test_the_ids_come_back_from_their_short_form(page: Page) -> None:
    name, names = "", []
    for shared, rest in page.data["ids"]:
        name = name[:shared] + rest
        names.append(name)
    assert names == [case["id"] for case in CASES]


# --- what comes from outside -----------------------------------------------------------------------------------------

EVIL = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "{{ 9871 * 9973 }}",
    "a\x00b\x1b[31mred\x07",
    "\u202egpj.exe",
    "\u2028\u2029",
    "]]><svg onload=alert(1)>",
]


@pytest.mark.parametrize("text", EVIL)
def test_texts_of_a_run_are_inert(tmp_path: Path, text: str) -> None:
    finding = {**made.SILENT, "expected": text, "observed": text, "state": text, "step": text, "cites": [text]}
    ladder = [
        {"ms": 0, "kind": "call", "text": text, "step": text},
        {"ms": 1, "kind": "state", "text": text, "snapshot": {"state": text}},
        {"ms": 2, "kind": "sent", "text": text, "peer_state": text, "mark": "unexpected"},
    ]
    texts = dict.fromkeys(("reason", "title", "at", "source", "declared", "reproduce"), text)
    cases = [
        made.case(f"closing/{text}", "violates", finding, target=text, cites=[text], ladder=ladder, ss=[text], **texts),
        made.case(f"grid/{text}/{text}/x", target=text, trace=[f"state {text}", f"call {text}"], **texts),
        made.case("closing/b", "not applicable", target=text, **texts),
    ]
    details = {"details": {text: text}, "sysctls": {text: text}, "implementation": text, "version": text}
    whole = rendered(tmp_path, cases, made.facts(text, **details | {"version": text}), left_out={text: 1})
    page = Page(whole)
    assert [tag for tag, _attributes in page.elements].count("script") == 2
    assert not [tag for tag, _attributes in page.elements if tag in ("img", "iframe")]
    for _tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "autofocus"]
        assert not attributes.get("href", "#").startswith("javascript:")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e]", whole)
    assert "98443483" not in whole
    assert page.data["columns"][0]["label"]


def test_a_capture_outside_the_runs_folder_is_not_linked(tmp_path: Path) -> None:
    cases = [
        made.case("a/b", "violates", made.SILENT, pcap="../../etc/passwd"),
        made.case("a/c", "violates", made.SILENT, pcap="pcap/a c.pcapng"),
    ]
    data = Page(rendered(tmp_path, cases)).data
    details = data["columns"][0]["4"]["d"]
    assert "pcap" not in details["0"]
    assert details["1"]["pcap"] == "pcap/a c.pcapng"
    assert data["captures"] == ["run/"]


# --- sources ---------------------------------------------------------------------------------------------------------


def test_the_source_of_a_case_is_its_function() -> None:
    file = Path(__file__).parents[2] / "simultaneous_close" / "test_figure_13.py"
    line = next(at for at, text in enumerate(file.read_text().splitlines(), 1) if text.startswith("def "))
    text = source_of(
        f"testcases/simultaneous_close/test_figure_13.py:{line}", "simultaneous-close/simultaneous-close[x]"
    )
    assert text.startswith("@cites")
    assert text.rstrip().endswith("target.must_be(TIME_WAIT)")


@pytest.mark.parametrize(
    ("at", "case_id"),
    [
        ("testcases/simultaneous_close/test_figure_13.py:12", "simultaneous-close/another-name"),
        ("testcases/simultaneous_close/test_figure_13.py:9999", "simultaneous-close/simultaneous-close"),
        ("testcases/../harness/cli.py:40", "x/main"),
        ("/etc/passwd:1", "x/root"),
        ("testcases/nothing.py:1", "x/y"),
        ("testcases/x.py:one", "x/y"),
        ("", ""),
    ],
)
def test_nothing_else_is_taken_for_the_source_of_a_case(at: str, case_id: str) -> None:
    assert source_of(at, case_id) == ""


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_writes_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.write(tmp_path / "run", CASES)
    assert cli.main(["report", str(path), str(path.parent), "-o", str(tmp_path / "r.html")]) == 0
    assert "8 verdicts" in capsys.readouterr().out
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("arguments", [["absent.jsonl"], ["{run}", "-o", "absent/r.html"], ["--wrong"]])
def test_a_command_that_can_not_be_done_is_told_in_a_line(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made.write(tmp_path / "run", CASES)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", *(argument.format(run=path) for argument in arguments)]) == USAGE_ERROR
    told = capsys.readouterr().err
    assert told.startswith(("tcpspec report: ", "usage: tcpspec report"))
    assert "Traceback" not in told


def test_without_a_run_it_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report"]) == USAGE_ERROR
    assert "`tcpspec run` writes one" in capsys.readouterr().err


def test_an_incomplete_run_is_refused_unless_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.write(tmp_path / "run", CASES, complete=False)
    report = str(tmp_path / "r.html")
    assert cli.main(["report", str(path), "-o", report]) == USAGE_ERROR
    assert "--partial" in capsys.readouterr().err
    assert cli.main(["report", str(path), "-o", report, "--partial"]) == 0


# --- the first page --------------------------------------------------------------------------------------------------


def first_page(tmp_path: Path, cases: list[dict[str, Any]], before: list[dict[str, Any]] | None = None) -> str:
    run = made.write(tmp_path / "now", cases)
    baseline = [made.write(tmp_path / "before", before)] if before is not None else []
    shown = html.render(runs.load([run]), folder=tmp_path, baseline=runs.load(baseline))
    return shown[shown.index('id="overview"') : shown.index('id="matrix"')]


def test_a_target_has_a_line_with_a_bar_whose_parts_are_its_verdicts(tmp_path: Path) -> None:
    cases = [made.case(f"a/b[{at}]") for at in range(90)]
    page = first_page(tmp_path, [*cases, *(made.case(f"a/c[{at}]", "violates", made.SILENT) for at in range(10))])
    widths = {
        letter: float(width) for letter, width in re.findall(r'class="part-(\w)" x="[\d.]+" width="([\d.]+)"', page)
    }
    assert widths["c"] == pytest.approx(9 * widths["v"], rel=0.01)
    assert "10 not as expected: 10 violates, 90 conforms" in page
    assert 'class="states small"' in page


def test_what_is_not_as_expected_stands_there_by_kind_with_the_ladder_of_the_first(tmp_path: Path) -> None:
    ladder = [{"ms": 0.1, "kind": "sent", "text": "<SEQ=0><CTL=SYN>"}]
    silent = [made.case(f"a/c[{at}]", "violates", made.SILENT, ladder=ladder) for at in range(10)]
    page = first_page(tmp_path, [*silent, made.case("a/d", "violates", made.RESET, ladder=ladder * 2)])
    kinds = re.findall(r'class="story kind".*?</summary>', page, re.DOTALL)
    assert len(kinds) == 2
    assert "<b>10 ×</b> ACK due, but nothing came [silent]" in kinds[0]
    assert page.count('class="ladder"') == 2
    assert "9 more: a/c[*] (9)" in page


def test_what_changed_since_a_baseline_is_said(tmp_path: Path) -> None:
    page = first_page(
        tmp_path, [made.case("a/b", "violates", made.SILENT), made.case("a/c")], [*map(made.case, ("a/b", "a/c"))]
    )
    assert "1 newly violate: a/b (IPv4)" in page
    assert "1 case is the same" in page


def test_a_baseline_without_the_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IncomparableRuns):
        html.render(
            runs.load([made.write(tmp_path / "a", [made.case(target="lwip")], made.facts("lwip"))]),
            baseline=runs.load([made.write(tmp_path / "b", [], made.facts("linux"), made.facts("reference"))]),
        )
