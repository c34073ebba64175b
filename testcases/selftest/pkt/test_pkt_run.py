"""Scripts on the command line: run, show, explain, coverage, cases as scripts, and what is refused."""

import os
import re
import shlex
from pathlib import Path

import pytest

from harness import cli
from harness.pkt import grammar, needs
from harness.pkt.run import Version
from harness.pkt.support import Traits
from harness.targets.protocol import Capability
from testcases.selftest.playing import SERVER

GOOD = "// A listener that is there.\n" + SERVER
BAD_LINE = GOOD + "+0 > R. 1:1(0) ack 1\n"
ENTRY = """[[deviation]]
case = "pkt/bsd/close/one"
observed = "silent"
reason = "It does not reset."
source = "nowhere"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "good.pkt").write_text(GOOD)
    (tmp_path / "more" / "wrong.pkt").write_text(BAD_LINE)
    (tmp_path / "more" / "six.pkt").write_text("--ip_version=ipv6\n" + GOOD)
    (tmp_path / "broken.pkt").write_text("0 close(3)\n")
    return tmp_path


def run(*arguments: str) -> int:
    return cli.main(["run", "--target", "reference", *arguments])


def test_scripts_and_folders_run_with_verdict_story_and_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("good.pkt", "more") == 1
    out = capsys.readouterr().out
    assert "pkt           2         1" in out
    assert "not as the script says: `> R. 1:1(0) ack 1`" in out
    assert f"wrong.pkt:{BAD_LINE.count(chr(10))}" in out
    (again,) = (line.split("again: tcpspec ")[1] for line in out.splitlines() if "again:" in line)
    assert f"{folder}/more/wrong.pkt --case pkt/more/wrong" in again


def test_a_script_runs_on_the_version_that_it_asks_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("more/six.pkt", "-v") == 0
    assert run("more/six.pkt", "--ip", "4") == 5
    assert run("good.pkt", "--ip", "6") == 0


def test_a_script_that_can_not_be_read_is_refused_or_an_error_among_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("broken.pkt") == 4
    assert "broken.pkt:1:11: expected '=', found the end of the file" in capsys.readouterr().err
    assert run(".") == 1
    out = capsys.readouterr().out
    assert "broken.pkt:1:11: expected '=', found the end of the file" in out
    assert "pkt           2         1      1" in out


def test_scripts_of_one_name_are_told_apart_by_their_folders(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suites for two systems have the same names in the folders of both; no worker is lost for it either."""
    for way, text in {"linux/close": GOOD, "bsd/close": BAD_LINE, "bsd/open": GOOD}.items():
        (folder / way).mkdir(parents=True)
        (folder / way / "one.pkt").write_text(text)
    assert run("linux", "bsd", "-n", "2", "--junitxml=tests.xml") == 1
    out = capsys.readouterr().out
    assert "pkt           2         1" in out
    assert "a worker is lost" not in out
    assert "pkt/bsd/close/one  one.pkt:" in out
    names = re.findall(r'<testcase classname="([^"]*)"', (folder / "tests.xml").read_text())
    assert len(set(names)) == 3
    (again,) = (line.split("again: tcpspec ")[1] for line in out.splitlines() if "again:" in line)
    assert again.endswith("bsd/close/one.pkt --case pkt/bsd/close/one")
    assert cli.main(shlex.split(again)) == 1
    (folder / "known.toml").write_text(ENTRY)
    assert run("bsd/close/one.pkt", "--expectations", "known.toml") == run("bsd", "--expectations", "known.toml") == 0


def test_strict_asserts_all_and_says_so_in_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "window.pkt").write_text(GOOD.replace("ack 1 <...>", "ack 1 win 1 <...>"))
    assert run("window.pkt") == 0
    assert run("window.pkt", "--pkt-match", "strict") == 1
    assert "--pkt-match=strict" in capsys.readouterr().out


def test_a_run_says_how_many_scripts_differ_only_where_packetdrill_does_not_look(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "challenged.pkt").write_text(SERVER + "+.1 < R 100:100(0) win 0\n")
    assert run("challenged.pkt", "more/wrong.pkt") == 1
    assert "\n1 of these only by what comes behind a script's last line: packetdrill" in capsys.readouterr().out
    assert run("more/wrong.pkt") == 1
    assert "of these only" not in capsys.readouterr().out
    assert run("challenged.pkt", "--pkt-match", "packetdrill") == 0


def test_show_prints_the_ladder_and_what_was_not_asserted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "window.pkt").write_text(GOOD.replace("ack 1 <...>", "ack 1 win 1 <...>"))
    assert cli.main(["show", "window.pkt", "--target", "reference"]) == 0
    out = capsys.readouterr().out
    assert "A listener that is there." in out
    assert "<SEQ=0><ACK=1><CTL=SYN,ACK>" in out
    assert "1 window not asserted" in out


def test_show_prints_no_blank_title(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "untitled.pkt").write_text(SERVER)
    assert cli.main(["show", "untitled.pkt", "--target", "reference"]) == 0
    head, blank, ladder, *_rest = capsys.readouterr().out.splitlines()
    assert head.endswith("untitled on reference, IPv4: conforms")
    assert not blank
    assert ladder.split() == ["target", "peer"]


def test_where_packetdrill_would_not_look_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A segment behind the last line is a difference here alone; one before a line that is left is one there too."""
    close = "+.1 close(4) = 0\n+.1 < . 1:1(0) ack 2 win 9\n"
    (folder / "last.pkt").write_text(GOOD + close)
    assert run("last.pkt") == 1
    assert re.search(r"✗.*CTL=FIN,ACK.*\(packetdrill does not look\)", capsys.readouterr().out)
    (folder / "between.pkt").write_text(GOOD + close + "+0 > . 2:2(0) ack 1\n")
    assert run("between.pkt") == 1
    assert "does not look" not in capsys.readouterr().out


def test_explain_prints_the_script_as_it_was_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "good.pkt"]) == 0
    out = capsys.readouterr().out
    assert "expects   S. 0(0) ack 1 any options" in out
    assert "injects   S 0(0) win 65535 <mss 1460>" in out
    assert cli.main(["explain", "broken.pkt"]) == 4
    assert "broken.pkt:1:11: expected '='" in capsys.readouterr().err


def test_explain_reads_by_a_dialect_that_is_named_and_tells_what_is_no_assertion(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd.pkt").write_text(GOOD + "+0 %{ import os }%\n")
    for arguments in (["--pkt-dialect", "bsd", "odd.pkt"], ["odd.pkt", "--pkt-dialect=bsd"]):
        assert cli.main(["explain", *arguments]) == 0
        out = capsys.readouterr().out
        assert "ipv4, bsd dialect" in out
        assert "unplayed  import os ('import os': only `assert` is understood)" in out
    assert cli.main(["explain", "odd.pkt", "--pkt-dialect", "sun"]) == 4


def test_explain_tells_all_that_a_line_says_and_what_is_ignored_or_not_played(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (
        "+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0\n+0 foo(3) = 0\n+0...0.2 accept(3, ..., ...) = 5\n"
        "+0 < [ect0, ttl 3] 1111 > 8080 SU 5:5(0)! win 7 urg 3 <mss 1460,nop,wscale 7>\n"
        "+0 > . ...(0) ack 1 <sack 1:2 3:4>\n+0 < . 1:1(0) ack 1 win 5 sock(4)\n"
    )
    (folder / "all.pkt").write_text(GOOD + lines)
    assert cli.main(["explain", "all.pkt"]) == 0
    out = capsys.readouterr().out
    for line in (
        "ignores   setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0\n",
        "unplayed  foo(3) = 0 (the call foo())\n",
        "calls     accept(3, ..., ...) = 5 (blocks until 0.2)\n",
        "injects   1111 > 8080 [ecn 2, ttl 3] SU 5(0)! win 7 urg 3 <mss 1460,nop,wscale 7>\n",
        "expects   . any(0) ack 1 <sack 1:2 3:4>\n",
        "injects   . 1(0) ack 1 win 5 on the connection of 4\n",
    ):
        assert line in out


def test_what_was_not_asserted_is_counted_at_the_end_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wide.pkt").write_text(GOOD.replace("ack 1 <...>", "ack 1 win 5 <...>"))
    assert cli.main(["run", "wide.pkt", "--target", "reference", "--pkt", "out"]) == 0
    out = capsys.readouterr().out
    assert "1 conform with something not asserted (-v lists them" in out
    assert "--pkt: no script is written, since all is as expected; --no-expectations writes what is declared too" in out
    assert cli.main(["run", "wide.pkt", "--target", "reference", "-v"]) == 0
    assert "conforms:\n  pkt/" in (out := capsys.readouterr().out)
    assert "/wide: 1 window not asserted\n" in out


def test_coverage_tells_what_can_be_played(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "odd.pkt").write_text(GOOD + "+0 splice(4, 0, 3, 0, 1, 0) = 1\n")
    assert cli.main(["pkt", "coverage", ".", "--target", "reference"]) == 0
    out = capsys.readouterr().out
    assert "5 scripts, 4 can be read" in out
    assert "reference: 3 of 5 can be played" in out
    assert "1 × splice() from an offset" in out
    assert cli.main(["pkt", "coverage", "nowhere"]) == 4
    assert cli.main(["pkt", "coverage", str(folder / "more"), "--target", "reference"]) == 0
    (folder / "empty").mkdir()
    assert cli.main(["pkt", "coverage", "empty"]) == 5


@pytest.mark.parametrize("case", ["four-way-close", "syn-is-challenged", "grid/established/syn/inside/-/none"])
def test_a_case_becomes_a_script_that_says_the_same(
    case: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", case, "--pkt"]) == 0
    text = capsys.readouterr().out
    grammar.parse("case.pkt", text)
    (folder / "case.pkt").write_text(text)
    assert run("case.pkt") == 0


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("header/damaged-syn-ack*", "none can say that the peer sends <SEQ=0><ACK=1><CTL=SYN,ACK> (bad checksum)"),
        ("timers/data-is-given-up", "the reference stack is not as its line 26, `+65.88 read(4, ..., 65536) = -1"),
        ("passive-open/ecn-setup-syn-is-granted", "the reference stack is not as its line 12, `+0 > SE."),
    ],
)
def test_a_case_that_no_script_says_is_refused_with_a_sentence(
    case: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", case, "--pkt"]) == 4
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{case}: no script of it: {says}")
    assert not captured.out


def test_a_finding_becomes_a_script_that_fails_there_and_passes_on_a_sound_stack(folder: Path) -> None:
    defect = ["--target", "reference,defect=D01", "--ip", "4", "--case", "closed-and-listening/*"]
    assert cli.main(["run", *defect, "--pkt", "findings"]) == 1
    written = sorted((folder / "findings").glob("*.pkt"))
    assert written
    assert run("findings") == 0
    assert cli.main(["run", "--target", "reference,defect=D01", "findings"]) == 1


def test_what_is_no_file_is_refused_and_a_file_elsewhere_is_named_whole(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(folder / "pipe.pkt")
    assert cli.main(["explain", "pipe.pkt"]) == 4
    assert "pipe.pkt:1:1: can't be read: it is no ordinary file" in capsys.readouterr().err
    (folder / "folder.pkt").mkdir()
    for named in ("pipe.pkt", "folder.pkt"):
        assert cli.main(["show", named]) == run(named) == 4
        assert f"{named}:1:1: can't be read: it is no ordinary file" in capsys.readouterr().err
    (folder / "more" / "bad.pkt").write_text("0 close(3)\n")
    assert cli.main(["explain", "more/bad.pkt"]) == 4
    assert capsys.readouterr().err.startswith("more/bad.pkt:1:11: expected '='")
    monkeypatch.chdir("/")
    assert cli.main(["explain", str(folder / "more" / "bad.pkt")]) == 4
    assert f"{folder}/more/bad.pkt:1:11".lstrip("/") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("+7200 close(3) = 0", "7200 s where time is real (line 10)"),
        ("+0...9000 accept(3, ..., ...) = 5", "9000 s where time is real (line 10)"),
        ("+0 `sleep 99999999999`\n+0 close(4) = 0", "86400 s where time is real (line 10)"),
        ("+0 `sleep 99999999999; sockstat | grep -c TIME_WAIT | grep 0`", "86400 s where time is real (line 10)"),
        ("+0 `sleep 99999999999`", ""),  # somebody looks at the state
        ("+0~+5000 > . 1:1(0) ack 1", "5000 s where time is real (line 10)"),
        ("+2000 read(4, ..., 1) = 0\n+2000 close(4) = 0", "4000 s where time is real (line 11)"),
        ("+3500 close(3) = 0", ""),
    ],
)
def test_nobody_waits_for_hours_where_time_is_real(lines: str, says: str) -> None:
    script, real = grammar.parse("x.pkt", f"{GOOD}{lines}\n"), Traits("Linux", frozenset())
    found = [str(need) for need in needs.unmet(script, Version(4), real)]
    assert [need for need in found if "time is real" in need] == ([f"{says}"] if says else [])
    simulated = Traits("reference", frozenset({Capability.VIRTUAL_TIME}))
    assert not any("time is real" in str(need) for need in needs.unmet(script, Version(4), simulated))
