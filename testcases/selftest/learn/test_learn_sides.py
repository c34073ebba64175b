"""Two machines of one target: what is not here any more is held against the rules as it was learned."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness import cli
from harness.learn import alphabet, drawing, graphs, judging, learner, page, record, recording, sides, suite
from harness.learn.learner import Plan
from harness.learn.main import USAGE
from harness.learn.record import Record
from harness.pkt.writer import UNSAID
from harness.targets.registry import parse

LETTERS = "listen S@i A@n,n close FA@n,u"
#: It goes to TIME-WAIT where CLOSING is due.
WRONG = "reference,defect=D54"


def learned(tmp_path: Path, target: str, version: str) -> Record:
    """Return the machine of a target as that of a release of the reference stack."""
    (tmp_path / "few.txt").write_text(LETTERS)
    plan = Plan(parse(target), alphabet.load(tmp_path / "few.txt", "server"), kept=False)
    with learner.started(plan) as subject:
        found = learner.learn(subject, plan, lambda _text: None)[0]
        judged = judging.judge(subject, plan, found.machine)
        read = recording.record_of(plan, subject, found, judged)
    return replace(read, target={**read.target, "name": "reference", "version": version})


def test_a_release_that_is_not_here_any_more_violates_as_it_did_when_it_was_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned(tmp_path, WRONG, "0.0.9").write(tmp_path / "golden.json")
    out = tmp_path / "out"
    assert cli.main(["learn", "--against", str(tmp_path / "golden.json"), "-o", str(out)]) == 1
    told = capsys.readouterr().out
    assert "\n  reference (0.0.9) violates\n" in told
    assert "  reference (0.0.9), as it was learned: no target here does so\n" in told
    assert "      FA@n,u  A@n,n+1 → TIME-WAIT\n" in told
    assert "reference (0.0.9): A@n,n+1 → TIME-WAIT; due ack-new → CLOSING" in told
    assert "target.must_be(CLOSING)" in (out / "test_difference_01.py").read_text()


def test_where_neither_release_is_here_no_case_is_written_and_those_of_before_are_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = learned(tmp_path, "reference", "0.0.8")
    for name, read in (("right", right), ("wrong", learned(tmp_path, WRONG, "0.0.9"))):
        gone = replace(read, target={**read.target, "name": "reference,defect=D1234567"})
        gone.write(tmp_path / f"{name}.json")
    out = tmp_path / "out"
    out.mkdir()
    (out / "test_difference_07.py").write_text("")
    assert cli.main(
        ["learn", "--diff", *(str(tmp_path / f"{name}.json") for name in ("right", "wrong")), "-o", str(out)]
    )
    told = capsys.readouterr().out
    assert "D1234567 (0.0.8) can't be asked here: " in told
    assert "\n  reference,defect=D1234567 (0.0.9) violates\n" in told
    assert "reference,defect=D1234567 (0.0.8): nothing was found in it then" in told
    assert "\n0 cases that one of the two passes and the other does not, 0 scripts" in told
    assert list(out.iterdir()) == []


def test_names_tell_two_machines_apart() -> None:
    folder = Path(record.__file__).with_name("golden")
    one, other = (record.read(folder / f"{name}-server.json") for name in ("linux", "reference"))
    assert sides.labels((one, other)) == ("linux", "reference")
    later = replace(one, target={**one.target, "version": "7.0"})
    assert sides.labels((one, later)) == (f"linux ({one.target['version']})", "linux (7.0)")
    assert sides.labels((one, one)) == ("linux (A)", "linux (B)")


def test_machines_of_one_target_that_were_asked_otherwise_have_files_of_their_own() -> None:
    plain = record.read(Path(record.__file__).with_name("golden") / "linux-server.json")
    usual = replace(plain, alphabet=alphabet.bundled("server", "usual", ("R2",)))
    assert recording.stem_of(plain) == "linux-server"
    assert recording.stem_of(usual) == "linux-server-usual+R2"
    assert recording.stem_of(replace(plain, ip=6, states=False)) == "linux-server-ipv6-no-states"
    command = replace(plain, target={**plain.target, "name": f"exec:/a/my stack --port '{'7' * 300}'"})
    assert recording.stem_of(command).startswith("exec-a-my-stack---port-777")
    assert len(recording.stem_of(command)) <= recording.LONGEST_NAME


def test_the_title_of_a_mermaid_diagram_is_quoted_since_its_head_is_yaml() -> None:
    plain = record.read(Path(record.__file__).with_name("golden") / "linux-server.json")
    title = graphs.mermaid(plain).splitlines()[1].removeprefix("title: ")
    assert json.loads(title) == f"{plain.name}, server, small alphabet: 23 states"


def test_graphviz_draws_a_machine_whose_boxes_lead_back_and_forth() -> None:
    golden = record.read(Path(record.__file__).with_name("golden") / "lwip-closes.json")
    text = graphs.dot(golden)
    assert "newrank=true" in text
    if not (dot := shutil.which("dot")):
        pytest.skip("Graphviz is not here")
    drawn = subprocess.run([dot, "-Tsvg"], input=text, capture_output=True, text=True, timeout=120, check=False)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.count("<title>s") >= golden.machine.size


def test_a_machine_without_visible_states_is_drawn_with_all_its_edges() -> None:
    golden = record.read(Path(record.__file__).with_name("golden") / "linux-server.json")
    blind = golden.machine.answering(lambda answer: f"{answer.rpartition(' → ')[0]} → ?")
    drawn = drawing.draw(replace(golden, machine=blind, states=False, judged=()))
    assert drawn.count('<rect class="box"') == drawn.count('<circle class="box"') == blind.size
    assert drawn.count('class="edge') == len(graphs.edges(blind, loops=False))
    page_ = page.render(replace(golden, machine=blind, states=False, judged=()))
    assert '<td title="listen">? (1)</td>' in page_


def test_a_script_is_of_the_side_that_speaks_and_none_is_written_of_what_it_cannot_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = Path(record.__file__).with_name("golden")
    names = [str(golden / f"{name}-client.json") for name in ("reference", "linux")]
    assert cli.main(["learn", "--diff", *names, "-o", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "\n32 kinds have none: windows and options are demanded by neither\n" in told
    scripts = [file.read_text() for file in sorted(tmp_path.glob("*.pkt"))]
    assert len(scripts) == len(list(tmp_path.glob("*.py"))) == 22
    assert not any("this was due" in text or "%less" in text.partition(",")[0] for text in scripts)
    assert not [text for text in scripts if "answers nothing →" in text.partition("\n")[0]]


def test_a_suite_with_time_is_of_a_stack_that_acknowledges_in_its_own_time(tmp_path: Path) -> None:
    golden = record.read(Path(record.__file__).with_name("golden") / "reference-client-time.json")
    files = suite.write(golden, tmp_path)
    assert [path.name for path in files] == [
        f"test_reference_client_small_2MSL_RTO_R2_{kind}.py" for kind in ("t", "tw")
    ]
    command = ["run", str(next(iter(files))), "--target", "reference", "--ip", "4", "--timers", "9999", "-q"]
    assert cli.main([*command, "--no-expectations", "--results", str(tmp_path / "results")]) == 0


def test_it_is_counted_what_a_suite_cannot_say(tmp_path: Path) -> None:
    golden = record.read(Path(record.__file__).with_name("golden") / "reference-server.json")
    written = {path.stem[-2:]: count for path, count in suite.write(golden, tmp_path).items()}
    assert written == {"_t": suite.Count(188, 2), "tw": suite.Count(231, 0)}


def test_no_script_is_written_that_ends_before_the_letter_that_tells_two_stacks_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No script can say that connect() goes to a pair that is still in use: lwIP and the reference refuse otherwise."""
    file = tmp_path / "few.txt"
    file.write_text("connect SA@i,n close")
    command = ["learn", "--role", "client", "--alphabet", str(file), "--anew", "--random", "0"]
    code = cli.main([*command, "--diff", "reference", "lwip", "-o", str(tmp_path / "out")])
    told, refused = capsys.readouterr()
    if code == USAGE:
        pytest.skip(refused)
    assert code == 0
    assert "\nconnect SA@i,n close connect   in FIN-WAIT-1" in told
    scripts = [file.read_text() for file in (tmp_path / "out").glob("*.pkt")]
    assert scripts
    assert not [text for text in scripts if UNSAID in text]


def _explained(names: tuple[str, str], role: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is told of the differences of two golden machines, all of which must be explained."""
    golden = Path(record.__file__).with_name("golden")
    files = [str(golden / f"{name}-{role}.json") for name in names]
    explained = cli.main(["learn", "--diff", *files, "-o", str(folder / "out")]) == 0
    told = capsys.readouterr().out
    if "can't be asked here" in told:
        pytest.skip(told.splitlines()[2])
    assert explained
    return told


def test_a_known_deviation_beside_another_answer_that_is_allowed_is_declared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """smoltcp's challenge in LAST-ACK is declared, and lwIP may send its FIN again at the third duplicate there."""
    told = _explained(("lwip", "smoltcp"), "server", tmp_path, capsys)
    at = told.index("\nlisten S@i FA@n,n shutdown A@n,u A@n,u A@n,u   in LAST-ACK")
    assert told[at:].splitlines()[4] == "  declared"
    assert "  smoltcp: declared: In LAST-ACK an acknowledgment that does not cover our FIN" in told[at:]


def test_what_comes_behind_a_known_deviation_is_explained_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """smoltcp loses the FIN of a CLOSE in SYN-RECEIVED; nobody can judge what it does with a SYN behind that."""
    told = _explained(("reference", "smoltcp"), "client", tmp_path, capsys)
    at = told.index("\nconnect S@i shutdown A@n,n S@i   in FIN-WAIT-2")
    assert told[at:].splitlines()[4] == "  behind what is declared"
    assert (
        "  smoltcp has parted from the rules before, as is declared: CLOSE in SYN-RECEIVED loses the FIN" in told[at:]
    )
