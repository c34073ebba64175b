"""Findings as scripts: each that is written tells its target from a sound stack, and the others have a sentence."""

import re
from pathlib import Path

import pytest

from harness import cli
from harness.case.rig import Rig
from harness.case.violation import Code, Finding, Level
from harness.pkt import playback, writer, writer_states
from harness.pkt.playback import Word
from harness.pkt.writing import Side
from harness.spec.states import State
from harness.targets.reference.target import ReferenceTarget
from testcases.selftest.playing import SERVER


def scripts_of(defect: str, case: str, folder: Path, *options: str) -> list[str]:
    """Return the scripts of what a defect shows in some cases, having played them on both stacks."""
    target = f"reference,defect={defect}"
    case_options = ["--ip", "4", "--no-expectations", "--grid", "core", "--case", case]
    assert cli.main(["run", "--target", target, *case_options, "--pkt", "made", *options]) == 1
    made = sorted((folder / "made").glob("*.pkt"))
    assert cli.main(["run", "--target", "reference", "made"]) == 0
    assert cli.main(["run", "--target", target, "--results", "there", "made"]) == 1
    verdicts = re.findall(r'"verdict":"(\w+)"', (folder / "there" / "results.jsonl").read_text())
    assert verdicts == ["violates"] * len(made)
    return [path.read_text() for path in made]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_state_is_asked_for_by_the_socket_or_by_ss(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = scripts_of("D54", "active-close/*", folder)
    assert len(made) > 20
    assert any("%{ assert tcpi_state == TCP_FIN_WAIT1 }%" in text for text in made)
    assert any("| grep -q FIN-WAIT-1`" in text for text in made)
    said = f"--pkt: {len(made)} scripts, each violated by its target and not by the reference stack"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("defect", "case"),
    [
        ("D54", "grid/fin-wait-1/*"),  # a cell says what is due in words, and no segment
        ("D65", "grid/time-wait/ack/*"),  # an answer behind the last line, where none is due
        ("D40", "resets/*"),  # the application is told something else
        ("D86", "closed-and-listening/*"),
    ],
)
def test_what_is_due_is_taken_from_the_reference_stack(defect: str, case: str, folder: Path) -> None:
    assert scripts_of(defect, case, folder)


def test_findings_without_a_script_are_counted_with_the_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--target", "reference,defect=D54", "--ip", "4", "--case", "explore/conditions/*"]
    counts = set()
    for workers in ("0", "2"):
        assert cli.main(["run", *arguments, "-n", workers, "--pkt", f"made-{workers}"]) == 1
        out = capsys.readouterr().out
        (told,) = re.findall(r"--pkt: no script of (\d+): what happens there is nothing that a script can say", out)
        assert ": none can say that " in out
        counts.add((told, len([*(folder / f"made-{workers}").glob("*.pkt")])))
    assert len(counts) == 1


def test_a_second_look_writes_no_scripts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--target", "reference,defect=D86", "--ip", "4", "--grid", "off", "--reruns", "1", "--pkt", "made"]
    assert cli.main(["run", *arguments, "--case", "closed-and-listening/*"]) == 1
    assert capsys.readouterr().out.count("--pkt: ") == 1


def test_a_script_is_cut_behind_the_line_that_tells() -> None:
    text = "0 a\n+0 %{ assert tcpi_state == TCP_CLOSE }%\n+0 `ss -tan 'x' | grep -q ESTAB`\n+0 b\n+0 c\n"
    assert writer.cut(text, 4) == "0 a\n+0 b\n"
    assert writer.cut(text, 2) == "0 a\n+0 %{ assert tcpi_state == TCP_CLOSE }%\n"


@pytest.mark.parametrize(
    ("due", "seen", "open_", "line"),
    [
        ((State.CLOSING,), None, True, "%{ assert tcpi_state == TCP_CLOSING }%"),
        ((State.CLOSING, State.CLOSED), None, True, "%{ assert tcpi_state in (TCP_CLOSING, TCP_CLOSE) }%"),
        ((State.TIME_WAIT,), None, True, "grep -q TIME-WAIT`"),  # a kernel's socket is in CLOSED by then
        ((State.SYN_RECEIVED,), None, False, "grep -q SYN-RECV`"),
        ((State.CLOSED,), State.TIME_WAIT, False, "grep -c TIME-WAIT | grep -x 0`"),
        ((State.CLOSED,), None, False, None),
    ],
)
def test_the_line_of_a_state(due: tuple[State, ...], seen: State | None, open_: bool, line: str | None) -> None:
    side = Side(app=4 * open_, closed=False)
    written = writer_states.demand(side, due, seen)
    assert (line or "") in (written or "")
    assert (written is None) == (line is None)
    assert written is None or writer_states.is_demand(f"+0 {written}")


def test_the_states_of_a_finding() -> None:
    finding = Finding(Code.WRONG_STATE, Level.MUST, "state LISTEN or CLOSED", "SYN-RECEIVED")
    assert writer_states.wrong(finding) == ((State.LISTEN, State.CLOSED), State.SYN_RECEIVED)
    assert writer_states.wrong(Finding(Code.SILENT, Level.MUST, "ACK", "")) == ((), None)
    assert writer_states.wrong(None) == ((), None)


def test_scripts_are_played_back() -> None:
    rig = Rig(ReferenceTarget(), guarded=False)
    asks = f"{SERVER}+0 %{{ assert tcpi_state == TCP_{{}} }}%\n"
    texts = [asks.replace("{}", "ESTABLISHED"), asks.replace("{}", "CLOSE"), SERVER + "+0 %{ assert tcpi_rto == 1 }%\n"]
    told = playback.play(lambda: rig, texts, rig.close)
    assert [each.word for each in told] == [Word.CONFORMS, Word.VIOLATES, Word.UNPLAYED]
    assert told[1].line == len(asks.splitlines())
    assert told[2].why == f"tcpi_rto of TCP_INFO, which the target has not (line {len(asks.splitlines())})"
