"""`tcpspec report`: one file that asks nobody for anything, tells all without its script, and runs nothing foreign."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import made_runs as made
import pytest

from harness.report import html_matrix, rungs, runs
from harness.report.html_data import Shapes
from harness.report.sources import source_of
from testcases.selftest.report.made_page import CASES, Page, rendered


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
