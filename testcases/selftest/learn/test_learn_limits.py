"""The time for a machine is kept, whatever stands in its way, and what is known by then is told as that."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness import cli
from harness.learn import alphabet, difference, judging, learner, partial, record, search
from harness.learn.learner import Plan
from harness.learn.limit import GRACE_S, Limit
from harness.learn.machine import UNASKED, Machine
from harness.learn.oracle import Effort
from harness.learn.subject import _bounded
from harness.learn.tree import Tree
from harness.targets.registry import parse

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "harness/learn/golden/reference-server.json"
HANGS = f"exec:{sys.executable} {ROOT / 'testcases/selftest/odd_adapter.py'} hangs-at-a-fin"
#: A busy machine takes longer to start and end things.
BUSY_S = 8.0


def quiet(_text: str) -> None:
    """Tell nobody."""


def learn_in(seconds: float, out: Path, *arguments: str) -> float:
    """Learn within a time; return how long it took."""
    begin = time.monotonic()
    cli.main(["learn", "--anew", "--for", f"{seconds:g}s", "-o", str(out), *arguments])
    return time.monotonic() - begin


def test_an_adapter_that_hangs_is_not_waited_for_beyond_the_time(tmp_path: Path) -> None:
    assert learn_in(3, tmp_path, "--target", HANGS, "--role", "closes") < 3 + GRACE_S + BUSY_S
    (file,) = tmp_path.glob("*.json")
    found = record.read(file)
    assert found.stopped["cut"] == 3.0
    assert found.stopped["unasked"] > 0
    assert found.unjudged > 0
    assert not found.machine.whole
    page = file.with_suffix(".html").read_text()
    assert "cut off after 3 s, while states were found: " in page
    assert f"{found.unjudged} were not judged" in page
    assert "not known" in page


class Thinking:
    """A learner that finds states without end, and asks nothing."""

    def __init__(self, *_arguments: Any) -> None:
        self.basis: list[Any] = []

    def build_hypothesis(self) -> None:
        """Think."""
        while True:
            self.basis = list(range(1000))[:0]


def test_a_learner_that_asks_nothing_any_more_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(parse("reference"), few(tmp_path), effort=Effort(seconds=0.5), kept=False)
    with learner.started(plan) as subject:
        known = learner.learn(subject, Plan(plan.spec, plan.alphabet, kept=False), quiet)[1]
        monkeypatch.setattr(search, "ObservationTree", Thinking)
        monkeypatch.setattr(learner, "_tree", lambda _subject, _plan: known.tree)
        begin = time.monotonic()
        found = learner.learn(subject, plan, quiet)[0]
        assert time.monotonic() - begin < 0.5 + GRACE_S + BUSY_S
        assert found.stopped["cut"] == 0.5
        assert found.machine.size > 1
        judgement = judging.judge(subject, plan, found.machine, Limit(0.0))
    assert not judgement.found
    assert judgement.unjudged == found.machine.size * len(plan.alphabet.letters) - found.stopped["unasked"]


def few(tmp_path: Path) -> alphabet.Alphabet:
    """Return an alphabet of few letters."""
    (tmp_path / "few.txt").write_text("listen S@i A@n,n close")
    return alphabet.load(tmp_path / "few.txt", "server")


def test_a_machine_ends_at_a_number_of_states_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["learn", "--target", "reference", "--anew", "-o", str(tmp_path)]
    assert cli.main([*arguments, "--max-states", "6"]) == 0
    assert "cut off after " in capsys.readouterr().out
    file = tmp_path / "reference-server.json"
    found = record.read(file)
    assert 6 < found.machine.size <= 9
    assert all(len(names) <= 1 for names in record.rfc_states(found.machine))
    # It is none that another run can be held against, but one that can be compared as far as it goes.
    assert cli.main(["learn", "--against", str(file), "-o", str(tmp_path)]) == 4
    assert "was cut off before each of its transitions was asked" in capsys.readouterr().err
    cli.main(["learn", "--diff", str(file), str(GOLDEN), "-o", str(tmp_path)])
    told = capsys.readouterr().out
    assert "reference (A) was cut off after " in told
    assert UNASKED not in told
    assert cli.main(["learn", "--tests", str(file), "-o", str(tmp_path)]) == 0
    assert UNASKED not in "".join(suite.read_text() for suite in tmp_path.glob("test_*.py"))


def test_a_tree_is_folded_into_the_states_that_it_tells_apart() -> None:
    tree = Tree(("a", "b"), None, {})
    off, on = tree.number("off"), tree.number("on")
    tree.add((0, 0, 0), (off, on, off))
    tree.add((0, 1), (off, off))
    found = partial.folded(tree, [])
    # Behind `a` it answers `a` otherwise; `b` was asked there alone, and where it leads is not known.
    assert found.machine.answers == (("off", UNASKED), ("on", "off"), (UNASKED, UNASKED))
    assert found.machine.following == ((1, 2), (0, 2), (2, 2))
    assert (found.unasked, found.open) == (1, 1)


def test_what_was_not_asked_is_no_difference() -> None:
    one = Machine(("a", "b"), (("off", UNASKED), (UNASKED, UNASKED)), ((0, 1), (1, 1)))
    other = Machine(("a", "b"), (("off", "on"),), ((0, 0),))
    assert difference.partings(one, other) == []
    assert not one.whole
    assert other.whole


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("RA@n,n-1964775998", "RA@n,other"),
        ("R@n+71234", "R@other"),
        ("A@n-8,n+4/4", "A@u,n+4/+"),
        ("A@n,n+12%0", "A@n,other%0"),
        ("SA@iss,seg.end~mss", "SA@iss,seg.end~mss"),
    ],
)
def test_a_number_that_is_none_of_the_connection_is_one_letter(reply: str, told: str) -> None:
    assert _bounded(reply, -8, alphabet.bundled("client", "small").reach) == told


def test_how_far_letters_reach_is_bounded_by_their_octets() -> None:
    assert alphabet.bundled("client", "small").reach == 6
    assert alphabet.bundled("client", "full").reach == 22
