"""What `tcpspec learn` refuses, each in a sentence and with exit code 4, before anything is asked or written."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness import cli
from harness.learn import record
from harness.learn.tree import Tree

GOLDEN = Path(record.__file__).with_name("golden")
SERVER, CLIENT = GOLDEN / "reference-server.json", GOLDEN / "reference-client.json"
#: An adapter that claims nothing: no states either.
DEAF = f"exec:{shlex.join([sys.executable, str(Path(__file__).parents[1] / 'deaf_adapter.py')])}"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--alphabet", "nothing.txt"], "alphabets are small, usual, full, or a file"),
        (["--alphabet", "/"], "Is a directory"),
        (["--target", "nothing"], "there is no target 'nothing'"),
        (["--target", "linux", "--time", "2MSL"], "on linux time is real"),
        (["--target", DEAF, "--states"], "does not show its states"),
        (["--target", "linux", "--diff", "linux", "linux"], "--target goes with --against, or alone"),
        (["--target", "linux", "--tests", str(SERVER)], "--target goes with --against, or alone"),
        (["--diff", str(SERVER), "nothing.json"], "nothing.json: No such file or directory"),
        (["--diff", str(SERVER), str(CLIENT)], "learn both with the same --role and --alphabet"),
        (["--diff", str(SERVER), "linux", "--ip", "6"], "--ip asks for something else than reference"),
        (["--against", str(SERVER), "--role", "client"], "--role asks for something else than reference"),
        (["--against", str(SERVER), "--alphabet", "usual"], "--alphabet asks for something else than reference"),
        (["--against", str(SERVER), "--time", "2MSL"], "--time asks for something else than reference"),
        (["--against", str(SERVER), "--no-states"], "--states asks for something else than reference"),
        (["--against", str(SERVER), "--tests", str(SERVER)], "not allowed with argument"),
        (["--time", "3MSL"], "invalid choice: '3MSL'"),
        (["--random", "-1"], "'-1' is no number from 0 on"),
        (["--seed", "x"], "'x' is no number from 0 on"),
        (["--k", "99"], "99 is too much: 4 letters in the middle are the most"),
        (["--diff", "linux"], "expected 2 arguments"),
        (["--for", "soon"], "'soon' is no length of time: 90s, 10m, 2h"),
        (["--for", "0s"], "'0s' is no length of time"),
        (["--for", "1m", "--against", str(SERVER)], "--for goes with a machine that is learned, alone"),
        (["--for", "1m", "--diff", "linux", "lwip"], "--for goes with a machine that is learned, alone"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["learn", "-o", str(tmp_path / "out"), *arguments]) == 4
    told = capsys.readouterr()
    assert sentence in told.err
    assert told.out == ""
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize("arguments", [[], ["--against", str(SERVER)], ["--diff", str(SERVER), str(SERVER)]])
@pytest.mark.parametrize("name", ["/dev/null", "/dev/null/x"])
def test_a_folder_that_cannot_be_is_refused_before_anything_is_asked(
    arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["learn", *arguments, "-o", name]) == 4
    told = capsys.readouterr()
    assert told.err == f"tcpspec learn: -o {name} is no folder, and can't be made one; name another\n"
    assert told.out == ""


def changed(**values: Any) -> str:
    """Return a machine's file with other values."""
    return json.dumps(json.loads(SERVER.read_text()) | values)


def with_rows(change: str) -> str:
    """Return a machine's file with other states."""
    data = json.loads(SERVER.read_text())
    rows = data["machine"]
    if change == "unreachable":
        rows.append(rows[0])
    elif change == "twice":
        rows.append({**rows[1]})
        rows[0]["on"]["close"] = [rows[0]["on"]["close"][0], len(rows) - 1]
    elif change == "nowhere":
        rows[0]["on"]["close"][1] = -1
    else:
        del rows[3]["on"]["close"]
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no machine"),
        ("{", "is no machine"),
        (SERVER.read_text()[:4000], "is no machine, or not all of one"),
        ("[]", "it has no schema"),
        ('{"schema": "tcpspec-machine/0"}', "its schema is 'tcpspec-machine/0'"),
        ('{"schema": "tcpspec-machine/1"}', "is damaged"),
        (changed(letters=["listen", "sin"]), "'sin' is no step"),
        (changed(letters=[]), "has no letter"),
        (changed(letters="listen"), "is no step"),
        (changed(ip=5), "is damaged"),
        (changed(states="yes"), "is damaged"),
        (changed(machine=[]), "is damaged"),
        (changed(judged=[{}]), "is damaged"),
        *((with_rows(change), "is damaged") for change in ("unreachable", "twice", "nowhere", "letterless")),
    ],
)
def test_a_file_that_is_no_machine_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    file.write_text(text)
    with pytest.raises(record.BadMachine, match=sentence):
        record.read(file)


def test_another_run_leaves_the_answers_of_the_first_alone(tmp_path: Path) -> None:
    file = tmp_path / "tree"
    first = Tree(("a", "b"), file, {})
    second = Tree(("a", "b"), file, {})
    assert (first.taken, second.taken) == (False, True)
    second.add([1], [second.number("z")])
    first.add([0, 1], [first.number("x"), first.number("y")])
    second.close()
    first.close()
    assert Tree(("a", "b"), file, {}).root == first.root
