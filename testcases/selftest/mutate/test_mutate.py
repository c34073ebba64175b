"""`tcpspec mutate`: defects are killed with the right code, and the command says and writes what it found."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness import cli
from harness.case.verdict import Verdict
from harness.mutate import command, reasons
from harness.mutate.script import Script, play
from harness.stack import Stack
from harness.stack.defects import DEFECTS, INTERACTIONS
from testcases.selftest.scripts import FEW, collect_few, every_script, scripts


@pytest.mark.parametrize(
    ("name", "case_id", "code"),
    [
        ("D01", "closed-and-listening/reset-counts-across-the-wrap[syn]", "wrong-ack"),
        ("D03", "isolation/strays-beside-a-synchronized-connection[established]", "wrong-seq"),
        ("D04", "isolation/strays-beside-an-active-open", "extra"),
        ("D06", "resets/syn-ack-to-a-listener", "silent"),
        ("D10", "passive-open/three-way-handshake", "wrong-flags"),
        ("D54", "active-close/fin-wait-1-needs-the-ack-of-its-fin[by-shutdown]", "wrong-state"),
        ("D43", "resets/too-old-ack[bare-half-way]", "silent"),
    ],
)
def test_a_defect_is_killed_with_this_code(name: str, case_id: str, code: str) -> None:
    (script,) = scripts(case_id)
    assert play(script).verdict is Verdict.CONFORMS
    shown = play(script, DEFECTS[name].stack_class)
    assert (shown.verdict, shown.code, shown.level) == (Verdict.VIOLATES, code, "MUST")


def test_cells_and_timer_cases_are_played_too() -> None:
    cell, timer = scripts("grid/listen/ack/-/-/none"), scripts("timers/syn-is-repeated")
    cell_of_a_timer = scripts("grid/syn-sent/timer-retransmission-timeout")
    assert [play(script).verdict for script in (*cell, *timer, *cell_of_a_timer)] == [Verdict.CONFORMS] * 3
    assert play(cell[0], DEFECTS["D06"].stack_class).code == "silent"
    silent = type("Mute", (Stack,), {"poll": lambda _self: []})
    assert play(timer[0], silent).verdict is Verdict.INCONCLUSIVE


def test_a_case_that_needs_what_the_stack_lacks_is_not_applicable() -> None:
    shown = play(scripts("passive-open/ecn-setup-syn-is-granted")[0])
    assert shown.verdict is Verdict.NOT_APPLICABLE
    assert "does not claim" in shown.text


def test_ipv6_is_played_against_what_ipv4_does_not_kill(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mutate", "D87", "D01", "--case", "closed-and-listening/closed-port-answers"]) == 0
    commands = [line for line in capsys.readouterr().out.splitlines() if "tcpspec show" in line]
    assert [line.endswith("--ip 6") for line in commands] == [True, False]


def test_a_whole_run_holds_the_reasons_against_what_it_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = scripts("closed-and-listening/own-address*", "sanity/open-and-close-first", "passive-open/ecn-setup*")
    pages = tmp_path / "defects.json", tmp_path / "defects.md"
    options = ["--full", "--json", str(pages[0]), "--markdown", str(pages[1])]
    assert command.main(options, lambda _options, _patterns: (0, list(chosen))) == command.NOT_AS_EXPECTED
    printed = capsys.readouterr().out
    assert "1 of 3 cases kill a defect" in printed
    assert "own-address-in-a-broadcast-frame: The reference stack knows no link layer" in printed
    assert "ecn-setup-syn-is-granted: not applicable: the target does not claim" in printed
    idle = {entry["case"] for entry in json.loads(pages[0].read_text(encoding="utf-8"))["kill nothing"]}
    assert idle == {"closed-and-listening/own-address-in-a-broadcast-frame", "passive-open/ecn-setup-syn-is-granted"}
    assert "## Cases that kill nothing" in pages[1].read_text(encoding="utf-8")


def test_everything_is_written_as_json_and_as_a_page(tmp_path: Path) -> None:
    files = tmp_path / "defects.json", tmp_path / "defects.md"
    options = ["D01", "d10", "--full", "-n", "2", "--json", str(files[0]), "--markdown", str(files[1])]
    assert command.main(options, collect_few) == 0
    data = json.loads(files[0].read_text(encoding="utf-8"))
    assert [entry["name"] for entry in data["defects"]] == ["D01", "D10"]
    assert {kill["code"] for kill in data["defects"][0]["kills"]} <= {"wrong-ack", "wrong-seq"}
    assert data["sound"] == {"conforms": len(scripts(*FEW))}
    page = files[1].read_text(encoding="utf-8")
    assert "| D01 | The reset that answers a SYN" in page
    assert "2 of 2 defects are killed" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["D9999"], "there is no defect 'D9999'"),
        (["-n", "0"], "no number of processes"),
        (["--ip", "5"], "invalid choice"),
        (["D01", "--json", "/nowhere/there.json"], "/nowhere/there.json: No such file"),
    ],
)
def test_bad_input_gets_one_clear_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments, collect_few) == command.USAGE_ERROR
    assert message in capsys.readouterr().err


def test_an_unknown_case_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mutate", "D01", "--case", "resets/nonsense"]) == command.USAGE_ERROR
    assert "there is no case 'resets/nonsense'" in capsys.readouterr().err


def test_the_printed_command_shows_the_kill(capsys: pytest.CaptureFixture[str]) -> None:
    case_id = "closed-and-listening/reset-counts-across-the-wrap[syn]"
    assert cli.main(["show", case_id, "--target", "reference,defect=D01"]) == command.NOT_AS_EXPECTED
    printed = capsys.readouterr().out
    assert "violates" in printed
    assert "[wrong-ack]" in printed


def test_the_page_has_every_defect() -> None:
    page = Path(command.__file__).with_name("DEFECTS.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (D\d+) \| (.+?) \| .* \| `", page, re.MULTILINE))
    assert rows == {name: each.title for name, each in DEFECTS.items()}, "tcpspec mutate --markdown writes it anew"


def test_the_list_names_every_defect(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"], collect_few) == 0
    printed = capsys.readouterr().out
    assert [name for name in DEFECTS if f"{name} " not in printed] == []


def test_kinds_choose_the_defects_where_two_things_meet(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["D01", "--kind", "many", "--kind", "residue", "--list"], collect_few) == 0
    printed = capsys.readouterr().out
    chosen = {"D01", *(name for name, defect in INTERACTIONS.items() if defect.kind in ("many", "residue"))}
    assert {name for name in {**DEFECTS, **INTERACTIONS} if f"{name} " in printed} == chosen
    assert command.main(["--kind", "no-such-kind"], collect_few) == command.USAGE_ERROR
    assert "stray-timer" in capsys.readouterr().err


def test_a_table_tells_how_many_of_each_kind_are_killed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["D440", "D441"], collect_few) == command.NOT_AS_EXPECTED
    assert re.search(r"many +2 +0 *\n", capsys.readouterr().out)


# --- reasons ---------------------------------------------------------------------------------------------------------


def problems(given: dict[str, str], idle: list[str]) -> Iterator[str]:
    return reasons.problems(given, idle, {"a/kills", "a/idle", "a/other"})


def test_a_case_that_kills_nothing_needs_a_reason() -> None:
    assert list(problems({"a/idle": "why"}, ["a/idle"])) == []
    (problem,) = problems({}, ["a/idle"])
    assert problem.startswith("a/idle kills no defect")


def test_a_reason_that_no_longer_holds_is_an_error() -> None:
    (problem,) = problems({"a/kills": "why"}, [])
    assert "a/kills does kill a defect" in problem
    (problem,) = problems({"a/gone": "why"}, [])
    assert "there is no case a/gone" in problem


def test_the_reasons_are_about_cases_that_exist() -> None:
    known = {script.function for script in every_script() if script.cell is None}
    assert len(known) > 500
    assert list(reasons.unknown(reasons.load(), known)) == []


@pytest.mark.parametrize(
    "text",
    [
        '[[idle]]\ncases = ["a"]\n',
        '[[idle]]\ncases = []\nreason = "x"\n',
        "[[idle",
        '[[idle]]\ncases = ["a", "a"]\nreason = "x"\n',
    ],
    ids=["no reason", "no case", "no TOML", "twice"],
)
def test_a_broken_table_of_reasons_is_one_message(text: str, tmp_path: Path) -> None:
    file = tmp_path / "reasons.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(reasons.BrokenReasons, match=r"reasons\.toml: "):
        reasons.load(file)


def test_a_kill_of_a_script_does_not_depend_on_the_ones_before() -> None:
    case = scripts("passive-open/three-way-handshake")[0]
    alone = play(case, DEFECTS["D10"].stack_class)
    for script in scripts(*FEW):
        play(script, DEFECTS["D10"].stack_class)
    assert play(replace(case), DEFECTS["D10"].stack_class) == alone


OWN = '''
from harness.case import ACK, ESTABLISHED, FIN, SYN, Peer, Target, cites, in_state, timer
from harness.case.timers import Stopwatch, Waits

DAYS_S = 25 * 86_400


@cites("RFC 9293 §3.6")
@in_state(ESTABLISHED)
def test_the_fin_follows(target: Target, peer: Peer) -> None:
    """A FIN has the next number."""
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=1)


@timer(seconds=DAYS_S)
@cites("RFC 9293 §3.6.1")
@in_state(ESTABLISHED)
def test_patience(target: Target, peer: Peer) -> Waits:
    """A connection outlasts the 24 days after which TS.Recent counts no more."""
    yield from Stopwatch(target).must_stay_silent(DAYS_S)
    target.must_be(ESTABLISHED)
'''


def mutate(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command_line = [sys.executable, "-m", "harness", "mutate", *arguments]
    return subprocess.run(command_line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_cases_of_ones_own_are_played_against_the_defects(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "test_own.py").write_text(OWN)
    done = mutate("mine", "D54", "D68", "-n", "1", "--json", "found.json", cwd=tmp_path)
    assert "of 2 defects are killed" in done.stdout, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["cases"] == 4, "two cases on two IP versions, and none of the suite's"
    assert done.returncode in (command.OK, command.NOT_AS_EXPECTED)


def test_a_path_that_leads_nowhere_is_one_sentence(tmp_path: Path) -> None:
    done = mutate("mine/test_own.py", cwd=tmp_path)
    assert done.returncode == command.USAGE_ERROR
    assert done.stderr == "tcpspec mutate: there is no mine/test_own.py: name a file or a folder of cases\n"


def test_weeks_of_virtual_time_are_no_hang(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(OWN)
    done = mutate("test_own.py", "D01", "-n", "1", "--ip", "4", cwd=tmp_path)
    assert done.returncode == command.NOT_AS_EXPECTED, done.stdout + done.stderr
    assert "SURVIVES" in done.stdout
    assert "did not end" not in done.stdout


def test_the_grid_is_an_option() -> None:
    asked: list[list[str]] = []

    def collect(options: Sequence[str], _patterns: Sequence[str]) -> tuple[int, list[Script]]:
        asked.append(list(options))
        return 0, []

    for arguments in (["--grid", "full"], ["--grid", "off"], []):
        assert command.main(arguments, collect) == command.NOTHING_RAN
    assert [options[-2:] for options in asked] == [["--grid", "full"], ["--grid", "off"], ["--target", "reference"]]
