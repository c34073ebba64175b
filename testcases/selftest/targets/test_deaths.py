"""A target that dies or hangs: that is a verdict of the case that did it, and of no other."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.case import SYN
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import CaseRun, Ending, Outcome, death_in, run
from harness.case.target_side import TargetSide
from harness.case.timer_batch import TimerCase, run_together
from harness.case.timers import Stopwatch, Waits
from harness.case.violation import Code
from harness.case.walks import Walk
from harness.report.compare.differences import Change, compare
from harness.report.runs import columns, load
from harness.spec.states import CLOSED
from harness.targets.adapter import line as adapter_line
from harness.targets.adapter.line import AdapterFailure, AdapterLine, Answer, Patience
from harness.targets.adapter.process import Command
from harness.targets.adapter.target import AdapterTarget, read_greeting
from harness.targets.last_words import SHOWN, telling
from harness.targets.protocol import TargetHung
from testcases.selftest import made_runs

TOLD = Path(__file__).parents[1] / "told_adapter.py"
ROOT = Path(__file__).resolve().parents[3]
HANG = "time.sleep(60)"
#: How programs come to their end by their own fault, and what is seen of that.
DEATHS = {
    "last_words('panic: runtime error: index out of range [3]', 2)": "the adapter ended with exit code 2",
    "last_words('thread main panicked at src/tcp.rs:1', 101)": "the adapter ended with exit code 101",
    "last_words('assert failed', 255)": "the adapter ended with exit code 255",
    "last_words('assert failed', 3)": "the adapter ended with exit code 3",
    "last_words('so long', 0)": "the adapter ended with exit code 0",
    "os.abort()": "the adapter died of SIGABRT",
    "os.kill(os.getpid(), signal.SIGSEGV)": "the adapter died of SIGSEGV",
    "os.kill(os.getpid(), signal.SIGTRAP)": "the adapter died of SIGTRAP",
    "os.kill(os.getpid(), signal.SIGFPE)": "the adapter died of SIGFPE",
    "last_words('a shell tells it so', 139)": "the adapter died of SIGSEGV",
    "raise ValueError('no such option')": "the adapter ended with exit code 1",
}
#: Ends that are somebody else's doing.
ENDED = ("os.kill(os.getpid(), signal.SIGTERM)", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(127)")


@pytest.fixture(params=["virtual"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    command = Command([sys.executable, str(TOLD), *([request.param] if request.param == "real" else [])])
    rig = Rig(AdapterTarget(command, name="told", timers=True, limit_s=2), guarded=False)
    yield rig
    rig.close()


def told(rig: Rig, text: str, name: str = "") -> Outcome:
    def body(target: TargetSide, peer: PeerSide) -> None:
        target.listen()
        peer.send(SYN, text.encode())
        target.must_not_send()

    outcome = run(rig.begin(4, name=name or text), Walk(CLOSED), body)
    rig.sweep()
    return outcome


@pytest.mark.parametrize("how", DEATHS)
def test_a_death_is_a_violation_with_its_last_words(rig: Rig, how: str) -> None:
    outcome = told(rig, how)
    assert outcome.ending is Ending.VIOLATION, outcome.message
    assert [(each.code, each.observed) for each in outcome.findings] == [(Code.DIED, DEATHS[how])]
    said = re.search(r"'(.*)'", how) if "last_words" in how else None
    assert outcome.conversation is not None
    assert said is None or any(said[1] in event.text for event in outcome.conversation.events)
    assert told(rig, "").ending is Ending.COMPLETED


@pytest.mark.parametrize("how", ENDED)
def test_an_end_from_outside_is_no_verdict(rig: Rig, how: str) -> None:
    assert told(rig, how).ending is Ending.HARNESS_ERROR


def test_a_hang_is_a_violation_when_a_second_try_hangs_too(rig: Rig) -> None:
    outcome = told(rig, HANG)
    assert [(each.code, each.observed) for each in outcome.findings] == [(Code.HUNG, "no answer to 'in' in time")]
    assert "within 2 s" in outcome.message
    assert told(rig, "").ending is Ending.COMPLETED


def test_a_machine_that_is_slow_once_is_no_hang(rig: Rig, tmp_path: Path) -> None:
    once = tmp_path / "once"
    outcome = told(rig, f"os.path.exists({str(once)!r}) or (open({str(once)!r}, 'w'), {HANG})")
    assert (outcome.ending, outcome.findings) == (Ending.COMPLETED, []), outcome.message
    assert once.exists()


def test_after_three_hangs_at_a_command_nobody_waits_that_long_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter_line, "USUAL_TIMES", 0)  # however slow the machine is just now
    monkeypatch.setattr(adapter_line, "SECOND_LIMIT_S", 1)
    messages = [told(rig, HANG, name=str(number)).message for number in range(4)]
    assert ["within 2 s" in message for message in messages] == [True, True, True, False]
    assert told(rig, "").ending is Ending.COMPLETED


def test_a_hang_is_one_that_was_waited_for_twice_and_once_of_these_for_longer() -> None:
    """A quarter of a second is what a machine may stand still for."""
    patience = Patience()
    for _ in range(adapter_line.PATIENCE):
        patience.hung("in")
    seen = []
    for _ in range(4):
        seen.append(patience.limit("in"))
        patience.hung("in")
    assert seen == [adapter_line.SHORTEST_LIMIT_S, adapter_line.SECOND_LIMIT_S] * 2
    assert patience.limit("recv") == adapter_line.ANSWER_LIMIT_S


class Stopped:
    """An adapter that answers in time, while who asks stands still for longer than the limit."""

    def __init__(self) -> None:
        self._asked = False

    def write(self, octets: memoryview) -> int:
        time.sleep(0.1)
        self._asked = True
        return len(octets)

    def read(self) -> bytes:
        return b"ok\n"

    def wait(self, seconds: float, *, writing: bool = False) -> bool:
        return self._asked


def test_who_was_stopped_itself_finds_the_answer_that_has_come_meanwhile() -> None:
    assert AdapterLine(Stopped(), Patience(0.05)).ask("reset").error == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "limit_s"), [("10", 10), ("120", 120), ("", 0), ("5", 0), ("1e3", 0), ("601", 0)])
def test_a_target_may_ask_for_a_longer_limit(text: str, limit_s: float) -> None:
    words = ["tcpspec-adapter", "1", "name=mine", "version=1", "time=virtual", f"limit={text}"]
    if limit_s:
        assert read_greeting(Answer([], "", words)).limit_s == limit_s
    else:
        with pytest.raises(AdapterFailure, match="it takes whole seconds from 10 to 600"):
            read_greeting(Answer([], "", words))


# --- timer cases, which share one adapter ----------------------------------------------------------------------------


def _batch(rig: Rig, texts: list[str], seconds: float) -> list[TimerCase]:
    def body(text: str) -> Callable[[TargetSide, PeerSide], Waits]:
        def told(side: TargetSide, peer: PeerSide) -> Waits:
            peer.send(SYN, text.encode())
            yield from Stopwatch(side).must_stay_silent(seconds)

        return told

    cases = [TimerCase(CaseRun(rig.begin(4, name=f"{at}"), Walk(CLOSED)), body(text)) for at, text in enumerate(texts)]
    run_together(rig, cases)
    return cases


def _brought_down(cases: list[TimerCase]) -> list[int]:
    return [at for at, case in enumerate(cases) if death_in(case.error) is not None]


@pytest.mark.parametrize("rig", ["virtual", "real"], indirect=True)
@pytest.mark.parametrize("when", ["", "@300 "], ids=["at once", "while time passes"])
def test_who_brings_down_a_batch_has_that_verdict_and_the_others_theirs(rig: Rig, when: str) -> None:
    texts = [""] * 9
    texts[2] = texts[6] = f"{when}os.abort()"
    cases = _batch(rig, texts, 0.5)
    assert _brought_down(cases) == [2, 6]
    assert [case.error for at, case in enumerate(cases) if at not in (2, 6)] == [None] * 7
    assert all(case.ended for case in cases)


def test_who_hangs_in_a_batch_has_that_verdict_and_the_others_theirs(rig: Rig) -> None:
    cases = _batch(rig, ["", HANG, "", f"@100 {HANG}", ""], 0.5)
    assert _brought_down(cases) == [1, 3]
    assert [type(death_in(cases[at].error)) for at in (1, 3)] != []
    assert all(isinstance(death_in(cases[at].error), TargetHung) for at in (1, 3))
    assert [cases[at].error for at in (0, 2, 4)] == [None] * 3


def test_a_death_that_nobody_brings_about_alone_is_not_lost(rig: Rig) -> None:
    together = "@300 waiting > 1 and os.abort()"
    cases = _batch(rig, [together] + ["@5000 0"] * 3, 1)
    assert len(_brought_down(cases)) == 1


def test_a_batch_remembers_nothing_of_what_it_began_twice(rig: Rig) -> None:
    cases = _batch(rig, ["", "os.abort()", ""], 0.5)
    assert [len(case.run.conversation.connections) for case in cases] == [1, 1, 1]


# --- a whole run -----------------------------------------------------------------------------------------------------

CASES = """
import pytest
from harness.case import SYN, Peer, Target


@pytest.mark.parametrize("number", range(8))
def test_quiet(target: Target, peer: Peer, number: int) -> None:
    peer.send(SYN)


def test_dies_behind_the_case(target: Target, peer: Peer) -> None:
    peer.send(SYN, b"@100 os.abort()")


@pytest.mark.parametrize("number", range(5))
def test_dies(target: Target, peer: Peer, number: int) -> None:
    peer.send(SYN, b"os.kill(os.getpid(), signal.SIGSEGV)")
"""


def test_a_run_tells_who_dies_behind_its_case_and_who_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "test_told.py").write_text(CASES)
    words = ["run", "mine", "--case", "mine/*", "--ip", "4", "--target", f"exec:{sys.executable} {TOLD}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "harness", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    (column,) = columns(load([tmp_path / "results"]))
    codes = {case.key.id: case.code for case in column.cases.values() if case.verdict != "conforms"}
    assert codes.pop("mine/dies-behind-the-case") == "died", done.stdout
    assert codes == {f"mine/dies[{number}]": "died" for number in range(5)}


# --- what is made of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["died", "hung"])
def test_compare_finds_a_death(tmp_path: Path, code: str) -> None:
    end = {**made_runs.SILENT, "code": code, "observed": "the adapter died of SIGSEGV"}
    old = made_runs.write(tmp_path / "old", [made_runs.case()])
    new = made_runs.write(tmp_path / "new", [made_runs.case("closing/fin", "violates", end)])
    (difference,) = compare(*columns(load([old, new]))).differences
    assert (difference.change, difference.is_regression) == (Change.WORSE, True)
    assert code in difference.after


def test_of_a_long_farewell_the_reason_is_shown() -> None:
    trace = "\n".join(f"goroutine {number} [running]" for number in range(400))
    assert telling(f"listening\npanic: index out of range\n\n{trace}").startswith("panic: index out of range\n")
    assert len(telling(trace)) <= SHOWN
    assert telling(trace).endswith("goroutine 399 [running]")
