"""Changes of behaviour: which a release has, what is expected where that is open, and what a run then says."""

import json
from pathlib import Path

import pytest

from harness.case.verdict import Verdict, judge_release
from harness.expectations import changes
from harness.expectations.changes import BrokenExpectations, Scope, history
from harness.expectations.deviations import Deviation, all_bundled
from harness.explore import declared as conversations
from harness.fuzz import declared as fuzz
from harness.grid import known
from harness.report.changes import in_words, seen
from testcases.selftest.case.test_own_cases import tcpspec
from testcases.selftest.case.test_verdicts import EXTRA, SILENT, outcome

FILE = """\
[[change]]
name = "fix"
was = "It is silent."
now = "It answers."
source = "tcp.c answer()"
reached = [
    { first = "7.2", last_without = "7.0", established = "read" },
    { first = "6.12.100", last_without = "6.12.95", established = "measured" },
]

[[measured]]
release = "6.1.192"

[[measured]]
release = "6.12.117"

[[measured]]
release = "7.3.0-rc7"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "changes.toml"


@pytest.mark.parametrize(
    ("release", "has"),
    [
        ("6.12.100", True),
        ("6.12.101", True),
        ("6.12.100+deb13-amd64", True),
        ("6.12.100+deb12+1-cloud-amd64", True),
        ("6.12.95", False),
        ("6.12.8", False),
        ("6.12.97", None),  # between the two that were looked at
        ("7.2", True),
        ("7.2.1", True),
        ("9.0", True),
        ("7.3.0-rc7", True),  # measured as it is
        ("7.0.1", None),  # a branch on which nobody looked
        ("7.1.5", None),
        ("6.1.100", False),
        ("6.1.193", None),  # what comes next on a branch may have it
        ("6.6.30", None),
        ("6.8.0-45-generic", None),
        ("6.1.0-47-amd64", None),
        ("7.4.0-rc1", None),
        ("6.12.100-acme", None),
        ("6.12.100-00017-g1a2b3c4-dirty", None),
        ("next-20261128", None),
        ("6.12.100-rpi+", None),
        ("٦.١٢.١٠٠", None),
        ("", None),
    ],
)
def test_a_release_has_a_change_or_lacks_it_or_that_is_open(path: Path, release: str, has: bool | None) -> None:
    path.write_text(FILE)
    assert changes.load(path).standing(release) == ({} if has is None else {"fix": has})


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('name = "fix"', 'name = ""', "'name' is not right"),
        ('was = "It is silent."', "was = 7", "'was' is not right"),
        ('now = "It answers."', 'now = "It answers."\nthen = 1', "keys are name, was"),
        ('"read"', '"guessed"', "'established' is one of measured, read"),
        (
            'last_without = "6.12.95"',
            'last_without = "6.12.200"',
            "6.12.200 can't lack what 6.12.100 was the first with",
        ),
        ('last_without = "6.12.95"', 'last_without = "6.11.95"', "6.11.95 is not on the branch of 6.12.100"),
        ('first = "7.2"', 'first = "soon"', "an arrival has 'first'"),
        ('first = "7.2", ', "", "an arrival has 'first'"),
        ('"6.12.100", last_without = "6.12.95"', '"7.3", last_without = "7.1"', "names a branch twice"),
        ('release = "6.1.192"', "release = 6.1", "'release' is the kernel's own name"),
        ("[[measured]]\nrelease", '[[change]]\nname = "x"\n[[measured]]\nrelease', "is not right"),
    ],
)
def test_a_broken_file_is_told_with_file_and_line(path: Path, before: str, after: str, complaint: str) -> None:
    assert before in FILE
    path.write_text(FILE.replace(before, after, 1))
    with pytest.raises(BrokenExpectations, match=rf"{path}:\d+: ") as refusal:
        changes.load(path)
    assert complaint in str(refusal.value)


def deviation(*observed: str, since: str = "", before: str = "") -> Deviation:
    return Deviation("topic/case", observed, "It is so.", "tcp.c", Scope(since=since, before=before))


BEFORE = deviation("silent", before="fix")
AFTER = deviation("extra: <SEQ=1><CTL=RST>", since="fix")


@pytest.mark.parametrize(
    ("declared", "came", "having", "verdict", "told"),
    [
        # A release of which it is known: one expectation, and what was seen all the same.
        ([BEFORE], outcome(SILENT), {"fix": False}, Verdict.KNOWN, {"fix": False}),
        ([BEFORE], outcome(), {"fix": False}, Verdict.GONE, {"fix": True}),
        ([BEFORE], outcome(), {"fix": True}, Verdict.CONFORMS, {"fix": True}),
        ([BEFORE], outcome(SILENT), {"fix": True}, Verdict.VIOLATES, {"fix": False}),
        # Open: as before or as after, and nothing else.
        ([BEFORE], outcome(SILENT), {}, Verdict.KNOWN, {"fix": False}),
        ([BEFORE], outcome(), {}, Verdict.CONFORMS, {"fix": True}),
        ([BEFORE], outcome(EXTRA), {}, Verdict.VIOLATES, {}),
        ([BEFORE], outcome(SILENT, EXTRA), {}, Verdict.VIOLATES, {}),
        ([AFTER], outcome(EXTRA), {}, Verdict.KNOWN, {"fix": True}),
        ([BEFORE, AFTER], outcome(SILENT), {}, Verdict.KNOWN, {"fix": False}),
        ([BEFORE, AFTER], outcome(EXTRA), {}, Verdict.KNOWN, {"fix": True}),
        # The rule itself is what no release follows: news, and worth a look.
        ([BEFORE, AFTER], outcome(), {}, Verdict.GONE, {}),
        ([BEFORE, AFTER], outcome(SILENT, EXTRA), {}, Verdict.VIOLATES, {}),
        # Two changes, of which a case tells one.
        (
            [BEFORE, deviation("reset: x", since="fix", before="next")],
            outcome(SILENT),
            {},
            Verdict.KNOWN,
            {"fix": False},
        ),
        ([deviation("silent")], outcome(SILENT), {}, Verdict.KNOWN, {}),
        # One change undoes another: what conforms has both or none, and which of the two, only the release tells.
        ([deviation("silent", since="fix", before="next")], outcome(), {}, Verdict.CONFORMS, {}),
        (
            [deviation("silent", since="fix", before="next")],
            outcome(),
            {"fix": True, "next": True},
            Verdict.CONFORMS,
            {"next": True},
        ),
    ],
)
def test_where_a_change_is_open_one_of_two_behaviours_must_be_seen(
    declared: list[Deviation], came: object, having: dict[str, bool], verdict: Verdict, told: dict[str, bool]
) -> None:
    judgement = judge_release(came, declared, having)  # type: ignore[arg-type]
    assert (judgement.verdict, judgement.changes) == (verdict, told)


def test_changes_of_linux_are_all_referred_to_and_ranges_are_not_used_beside_them() -> None:
    entries = [*all_bundled(), *known.bundled("Linux"), *fuzz.bundled("Linux"), *conversations.bundled("Linux")]
    assert {name for entry in entries for name in entry.scope.changes} == set(history("Linux").changes)
    of_linux = [entry for entry in entries if "/linux/" in entry.origin or entry.origin.startswith("linux.toml")]
    assert len(of_linux) > 100
    assert not [entry.origin for entry in of_linux if str(entry.scope.when)]


def test_what_was_measured_is_told_apart_by_every_change() -> None:
    linux = history("Linux")
    for release in linux.measured:
        assert linux.standing(release).keys() == linux.changes.keys(), release


def test_a_run_says_which_changes_its_target_has() -> None:
    facts = {
        "changes": [{"name": name, "was": "a", "now": "b", "expected": "open"} for name in ("one", "two", "three")]
    }
    told = [{"changes": {"one": "has", "two": "lacks"}}, {"changes": {"one": "has"}}, {}]
    found = seen(facts, told)
    assert [(change.name, change.word, change.having, change.lacking) for change in found] == [
        ("one", "has", 2, 0),
        ("two", "lacks", 0, 1),
        ("three", "not seen", 0, 0),
    ]
    assert in_words(found) == "has 1 of 2 known changes that these cases show, of 3; lacks two"
    assert in_words(seen(facts, [{"changes": {"one": "has"}}, {"changes": {"one": "lacks"}}])) == (
        "has 0 of 1 known changes that these cases show, of 3; in part one"
    )
    assert in_words(seen(facts, [])) == in_words(seen({}, told)) == ""


@pytest.mark.slow
def test_linux_under_the_name_of_an_unknown_vendor_is_as_expected_and_names_its_changes(tmp_path: Path) -> None:
    cases = ("resets/*", "passive-close/*", "active-close/*")
    chosen = [word for name in cases for word in ("--case", name)]
    target = "linux,release=5.10.104-acme"
    done = tcpspec("run", "--target", target, "--ip", "4", *chosen, "--results", "r", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "known changes that these cases show" in done.stdout
    lines = [json.loads(line) for line in (tmp_path / "r" / "results.jsonl").read_text().splitlines()]
    (facts,) = [line for line in lines if line["kind"] == "target"]
    assert facts["version"] == "5.10.104-acme"
    assert {change["expected"] for change in facts["changes"]} == {"open"}
    assert any(line.get("changes") for line in lines if line["kind"] == "case")
