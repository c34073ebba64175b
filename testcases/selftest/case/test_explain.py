"""`tcpspec explain`: every scenario can be told without a target, and a case that waits for one in vain ends."""

from pathlib import Path

from harness.case import ACK, CLOSED, ESTABLISHED, PASSIVE, Peer, Target
from harness.case.rehearsal import rehearse
from harness.case.walks import Walk
from testcases.selftest.plugin.test_bad_paths import NOTHING_RAN, USAGE, tcpspec

#: What a rehearsal can't go through: cases that first read from the target what they then hold it to.
GOES_ON = "the case goes on by what it sees"


def test_every_scenario_is_explained(tmp_path: Path) -> None:
    done = tcpspec("explain", "*", cwd=tmp_path)
    assert done.code == 0
    told = done.output.count("  run it: tcpspec run --target linux --ip 4 ")
    assert told > 1800
    assert done.output.count(GOES_ON) < told / 50
    assert str(Path(__file__).parents[3]) not in done.output, "places are named from the package on"


def test_cells_are_explained_one_by_one(tmp_path: Path) -> None:
    assert tcpspec("explain", "grid*", cwd=tmp_path).code == NOTHING_RAN
    done = tcpspec("explain", "grid/closed/call-*", cwd=tmp_path)
    assert done.code == USAGE
    assert "did you mean grid/closed/call-" in done.output


def test_a_rehearsal_that_goes_round_in_circles_ends() -> None:
    def endless(target: Target, peer: Peer) -> None:
        sent = 0
        while sent < 1000:
            sent += len(target.must_send(ACK, seq=1 + sent, data=None).payload)

    events, problem = rehearse(Walk(ESTABLISHED, PASSIVE), endless)
    assert "does not end without a target" in problem or problem.startswith("TargetStorms")
    assert any(event.text == ESTABLISHED for event in events)


def test_a_rehearsal_that_comes_to_its_end_has_no_problem() -> None:
    assert rehearse(Walk(CLOSED), lambda _target, _peer: None)[1] == ""
