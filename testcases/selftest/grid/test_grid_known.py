"""Declared deviations of the grid: what a selector takes, what is refused, and that those of Linux are sound."""

from pathlib import Path

import pytest

from harness.case.policies import policies_of
from harness.expectations.entries import BrokenExpectations
from harness.grid import known
from harness.grid.accept import reactions
from harness.grid.cells import by_id, segment_cells
from harness.grid.judge import judge
from harness.grid.known import GridRule
from harness.grid.observed import Observation
from harness.targets.protocol import Capability

GOOD = """
[[grid]]
state = ["CLOSE-WAIT", "LAST-ACK"]
flags = "RST,*"
seq = "left1"
any_of = [{ payload = "none" }, { payload = "data", flags = "FIN,RST" }]
observed = { reply = "none", next = "CLOSED" }
reason = "because"
source = "there"
looks_like = "by design"
"""


def rules_of(text: str, tmp_path: Path) -> tuple[GridRule, ...]:
    path = tmp_path / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return known.load(path)


@pytest.mark.parametrize(
    ("cell", "taken"),
    [
        ("grid/close-wait/rst/left1/-/none", True),
        ("grid/last-ack/syn-fin-rst-ack/left1/-/none", True),
        ("grid/last-ack/fin-rst/left1/-/data", True),
        ("grid/last-ack/rst/left1/-/data", False),
        ("grid/close-wait/rst/exact/-/none", False),
        ("grid/closing/rst/left1/-/none", False),
        ("grid/close-wait/fin/left1/-/none", False),
    ],
)
def test_a_selector_takes_what_it_names(cell: str, taken: bool, tmp_path: Path) -> None:
    (rule,) = rules_of(GOOD, tmp_path)
    assert rule.takes(by_id()[cell]) is taken


def test_flags_are_exact_unless_they_end_in_a_star(tmp_path: Path) -> None:
    (exact,) = rules_of(GOOD.replace('"RST,*"', '["FIN,RST", "none"]').replace("any_of", "#"), tmp_path)
    assert exact.takes(by_id()["grid/close-wait/fin-rst/left1/-/none"])
    assert exact.takes(by_id()["grid/close-wait/none/left1/-/none"])
    assert not exact.takes(by_id()["grid/close-wait/fin-rst-ack/left1/-/none"])


def test_a_dash_stands_for_what_plays_no_part(tmp_path: Path) -> None:
    (rule,) = rules_of(GOOD.replace('seq = "left1"', 'ack = "-"').replace("any_of", "#"), tmp_path)
    assert rule.takes(by_id()["grid/close-wait/rst/far/-/none"])
    assert not any(rule.takes(cell) for cell in segment_cells() if cell.ack)


def test_a_rule_pins_reply_and_state_and_holds_for_some_releases(tmp_path: Path) -> None:
    text = GOOD.replace("CLOSED", "same") + 'when = ">=6.17"\nip = 4\n'
    (rule,) = rules_of(text, tmp_path)
    cell = by_id()["grid/close-wait/rst/left1/-/none"]
    assert rule.pinned(cell) == Observation("none", "CLOSE-WAIT")
    assert rule.origin.endswith("grid.toml:2")
    assert known.covering([rule], cell, 4, "6.17.0-1-amd64") == [rule]
    assert known.covering([rule], cell, 6, "6.17.0") == known.covering([rule], cell, 4, "6.12.9") == []


def test_a_state_may_be_another_one_than_it_seems_or_unknown(tmp_path: Path) -> None:
    cell = by_id()["grid/close-wait/rst/left1/-/none"]
    (another,) = rules_of(GOOD.replace("CLOSED", "not same"), tmp_path)
    assert another.pinned(cell) == Observation("none", "not CLOSE-WAIT")
    (unknown,) = rules_of(GOOD.replace("CLOSED", "?"), tmp_path)
    assert unknown.pinned(cell) == Observation("none", "?")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('state = ["CLOSE-WAIT", "LAST-ACK"]', 'state = "CLOSEWAIT"', ":2: state is 'CLOSEWAIT'; possible are LISTEN"),
        ('seq = "left1"', 'seq = "left2"', ":2: seq is 'left2'"),
        ('seq = "left1"', "seq = []", ":2: seq is an empty list"),
        ('"RST,*"', '"RTS"', ":2: flags are written"),
        ('"RST,*"', "3", ":2: flags are written"),
        ("seq =", "sequence =", ":2: unknown key 'sequence'"),
        ('payload = "none"', 'payloads = "none"', ":2: unknown field 'payloads'"),
        ('next = "CLOSED"', 'next = "GONE"', ":2: 'next' is a state"),
        ('reply = "none", ', "", ":2: 'observed' pins both"),
        ('reason = "because"', "", ":2: 'reason' is missing"),
        ('"by design"', '"fine"', ":2: 'looks_like' is one of"),
        ("seq =", 'when = "new"\nseq =', ":2: 'when' is a version range"),
        ("seq =", "ip = 5\nseq =", ":2: 'ip' is 4 or 6"),
        ("seq =", "seq", ":5: not TOML"),
        ("[[grid]]", "[grid]", ":1: write each entry"),
    ],
)
def test_a_broken_file_has_one_clear_message(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenExpectations) as caught:
        rules_of(GOOD.replace(old, new), tmp_path)
    assert message in str(caught.value)


def test_an_entry_that_speaks_of_everything_is_refused(tmp_path: Path) -> None:
    text = "\n".join(
        line for line in GOOD.splitlines() if line.partition(" ")[0] not in ("state", "flags", "seq", "any_of")
    )
    with pytest.raises(BrokenExpectations, match="selects every cell"):
        rules_of(text, tmp_path)


def test_an_idle_entry_and_a_cell_with_two_entries_are_found(tmp_path: Path) -> None:
    idle = GOOD.replace('"left1"', '"-"')
    assert [text.partition(": ")[2][:25] for text in known.problems(rules_of(idle, tmp_path))] == [
        "no cell of the grid is li"
    ]
    twice = list(known.problems(rules_of(GOOD + GOOD, tmp_path)))
    assert len(twice) == len(known.cells_of(rules_of(GOOD, tmp_path)[0]))
    assert "is declared at" in twice[0]


def test_those_of_linux_are_sound() -> None:
    rules = known.bundled("Linux")
    assert list(known.problems(rules)) == []
    policies = policies_of(frozenset(Capability))
    for rule in rules:
        for cell in known.cells_of(rule):
            # What conforms needs no excuse.
            assert judge(cell, rule.pinned(cell), reactions(cell), policies) is not None, (rule.origin, cell.id)
