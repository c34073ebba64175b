"""`tcpspec explore`: what it plays, how it judges, shrinks and prints; bad input, interruption, memory, determinism."""

import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.case.violation import Code, Finding, Level
from harness.expectations.entries import BrokenExpectations
from harness.explore import declared, main, notation, shrinking
from harness.explore.choice import Choice
from harness.explore.findings import Tally, sort_of
from harness.explore.kinds import KINDS
from harness.explore.levels import Conversations
from harness.explore.playing import Player, Stage
from harness.explore.run import Generated
from harness.fuzz.steps import BadSequence
from harness.plugin.talk_items import versions_of
from harness.report import runs
from harness.targets.protocol import Capability
from harness.targets.registry import parse
from harness.trace import results

ROOT = Path(__file__).resolve().parents[3]
EVERY = frozenset(Capability)
#: In FIN-WAIT-1 any acknowledgment counts as that of the FIN.
DEFECT = "reference,defect=D54"
SHOWS_IT = "listen S@i A@p,r accept send:10 A@p,r recv:10 shutdown FA@p,u A@p,r"


def explore(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "harness", "explore", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def verdicts(folder: Path) -> dict[str, str]:
    return {case["id"]: case["verdict"] for case in results.read(folder).cases}


def test_the_sound_stack_is_clean_and_the_results_are_those_of_a_run(tmp_path: Path) -> None:
    done = explore("--target", "reference", "--count", "26", "-n", "2", "--results", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = runs.load([tmp_path / "out"])
    (column,) = runs.columns([run])
    assert len(column.cases) == 26
    assert {case.verdict for case in column.cases.values()} == {"conforms"}
    assert {key.id.split("/")[1] for key in column.cases} == set(KINDS)


@pytest.mark.slow
def test_a_seed_gives_the_same_verdicts_with_one_process_and_with_three(tmp_path: Path) -> None:
    for name, workers in (("one", "1"), ("again", "1"), ("three", "3")):
        explore("--target", DEFECT, "--kind", "unsent", "--count", "40", "-n", workers, "--results", name, cwd=tmp_path)
    one, again, three = (verdicts(tmp_path / name) for name in ("one", "again", "three"))
    assert one == again == three
    assert len(one) == 40


@pytest.mark.slow
def test_another_seed_plays_another_choice() -> None:
    first, second = (
        [each.id for each in itertools.islice(Choice.of((), seed).for_target("x", EVERY, demand=False), 40)]
        for seed in (1, 2)
    )
    assert first != second
    assert {name.split("/")[1] for name in first} == set(KINDS)


def test_a_finding_is_shrunk_and_its_pasted_case_fails_there_and_passes_on_the_sound_stack(tmp_path: Path) -> None:
    done = explore("--target", DEFECT, "--replay", SHOWS_IT, "--results", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert "RFC 9293" in done.stdout
    source = done.stdout.partition("as a case, to paste into testcases/:\n\n")[2]
    path = tmp_path / "mine" / "test_pasted.py"
    path.parent.mkdir()
    path.write_text("\n".join(line[4:] for line in source.splitlines()))
    for target, code in ((DEFECT, 1), ("reference", 0)):
        command = [sys.executable, "-m", "harness", "run", str(path), "--target", target, "--ip", "4"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == code, f"{path.read_text()}\n{ran.stdout}{ran.stderr}"


def test_the_shortest_conversation_shows_the_same_finding() -> None:
    player = Player(Stage(parse(DEFECT)))
    long = notation.generated_from(SHOWS_IT)
    (record,) = player.play([long])
    sort = sort_of(record)
    short = shrinking.shortest(player, long, sort, 1)
    assert short is not None
    assert len(short.plan) < len(long.plan)
    assert sort.is_shown_by(player.findings(short, late=False)[1])
    player.close()


def test_the_printed_command_shows_the_finding_again(tmp_path: Path) -> None:
    done = explore("--target", DEFECT, "--kind", "unsent", "--count", "40", cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    again = re.search(r"again: tcpspec explore (.*)", done.stdout)
    assert again is not None
    repeated = explore(*shlex.split(again.group(1)), cwd=tmp_path)
    assert repeated.returncode == 1
    assert "[wrong-state]" in repeated.stdout


@pytest.mark.parametrize("text", ["connect wait:50 [R@i] wait:40000", "listen S@i 2{same-port}:S@i 2:A@p,r accept"])
def test_a_conversation_reads_as_it_is_written(text: str) -> None:
    read = notation.generated_from(text)
    assert notation.text_of(read) == text
    assert (read.twin is not None) == ("[" in text)


@pytest.mark.parametrize("kind", KINDS)
def test_conversations_of_each_kind_read_as_they_are_written(kind: str) -> None:
    for made in itertools.islice(KINDS[kind].generate(), 0, 400, 20):
        read = notation.generated_from(notation.text_of(made))
        assert (read.plan, read.twin) == (made.plan, made.twin)


@pytest.mark.parametrize("text", ["", "[connect", "[connect]", "nonsense", "0:connect"])
def test_what_is_no_conversation_is_refused(text: str) -> None:
    with pytest.raises(BadSequence):
        notation.generated_from(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "los"], "did you mean loss?"),
        (["--count", "0"], "'0' is not a number"),
        (["--for", "soon"], "write 60s, 5m or 1h"),
        (["--seed", "x"], "invalid int value"),
        (["-n", "0"], "'0' is not a number"),
        (["--replay", "listen S@@"], "'S@@' is no step"),
        (["--replay", "listen gargabe"], "did you mean garbage?"),
        (["--replay", "listen begin-acept"], "did you mean begin-accept"),
        (["--replay", "listen recovr:1"], "did you mean recover?"),
        (["--target", "nix"], "there is no target 'nix'"),
        (["--expectations", "nowhere.toml", "--count", "1"], "nowhere.toml: can't be read"),
        (["--results", "/proc/nowhere", "--count", "1"], "/proc/nowhere: "),
        (["--count", "1", "--for", "1s"], "not allowed with"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main(["--target", "reference", *arguments]) == main.USAGE
    printed = capsys.readouterr().err
    assert words in printed
    assert "Traceback" not in printed


def test_a_kind_of_which_a_target_can_play_nothing_is_refused() -> None:
    choice = Choice.of(["loss"])
    with pytest.raises(Exception, match="linux can play no conversation of the kind loss: minutes pass"):
        next(choice.for_target("linux", EVERY - {Capability.VIRTUAL_TIME}, demand=True))


def test_an_interrupted_run_keeps_what_it_has(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "explore", "--target", "reference", "--for", "200s", "-n", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    path = tmp_path / main.DEFAULT_RESULTS / results.FILE_NAME
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not path.exists() or path.read_bytes().count(b'"case"') < 20):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == main.INTERRUPTED
    run = results.read(path)
    assert not run.complete
    assert len(run.cases) >= 20


@pytest.mark.slow
def test_the_tally_of_a_hundred_thousand_conversations_stays_small() -> None:
    finding = Finding(Code.SILENT, Level.MUST, "<SEQ=1><CTL=ACK>", "", "LISTEN", ("RFC 9293 §3.4",)).as_dict()
    tally = Tally("MUST")
    tracemalloc.start()
    for number in range(100_000):
        finding = {**finding, "expected": f"<SEQ={number}><CTL=ACK>"}
        record = {"id": f"explore/loss/{number}", "target": "x", "ip": 4, "verdict": "violates", "cites": []}
        tally.add({**record, "title": f"wait:{number + 1}", "findings": [finding]})
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(tally.found), next(iter(tally.found.values())).count) == (1, 100_000)
    assert peak < 1 << 20


ENTRY = """
[[explore]]
observed = "wrong-state: TIME-WAIT"
due = "state CLOSING"
reason = "Any acknowledgment counts."
source = "fin.py"
example = "{example}"
"""


def declare(folder: Path, example: str = SHOWS_IT, further: str = "") -> str:
    path = folder / "mine.toml"
    path.write_text(ENTRY.format(example=example) + further)
    return str(path)


def test_a_declared_finding_is_known_wherever_it_comes_up(tmp_path: Path) -> None:
    options = ("--target", DEFECT, "--expectations", declare(tmp_path), "--results", "out")
    done = explore(*options, "--kind", "unsent", "--count", "40", cwd=tmp_path)
    shown = json.dumps(verdicts(tmp_path / "out"))
    assert "known deviation" in shown
    assert "by 1 entry, each as declared (-v lists them)" in done.stdout
    assert "Any acknowledgment counts." not in done.stdout
    done = explore(*options, "--kind", "unsent", "--count", "40", "-v", cwd=tmp_path)
    assert "Any acknowledgment counts." in done.stdout


@pytest.mark.parametrize(("behind", "known"), [("<SEQ=N><ACK=N><CTL=FIN,ACK>", True), ("<SEQ=N><CTL=*>", False)])
def test_an_entry_may_say_what_the_finding_stands_behind(behind: str, known: bool, tmp_path: Path) -> None:
    entries = declare(tmp_path, further=f'behind = "{behind}"\n')
    options = ("--target", DEFECT, "--expectations", entries, "--results", "out")
    done = explore(*options, "--replay", SHOWS_IT, cwd=tmp_path)
    assert (done.returncode == 0) is known, done.stdout


def test_an_entry_whose_example_shows_nothing_is_gone(tmp_path: Path) -> None:
    options = ("--target", "reference", "--expectations", declare(tmp_path), "--count", "5", "--results", "out")
    done = explore(*options, cwd=tmp_path)
    assert done.returncode == 1
    assert "gone deviation" in verdicts(tmp_path / "out").values()


def test_an_entry_with_an_example_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenExpectations, match=r"mine.toml:2: example: 'nonsense' is no step"):
        declared.load(Path(declare(tmp_path, "nonsense")))


def test_the_page_names_each_kind_and_each_word() -> None:
    page = (ROOT / "harness" / "explore" / "EXPLORE.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []
    for example in re.findall(r"--replay '([^']+)'", page):
        assert notation.text_of(notation.generated_from(example)) == example


def test_a_run_of_cases_takes_a_fixed_dozen_of_each_kind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", "--target", "reference", "--ip", "4", "--explore", "core"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    path = str(ROOT / "testcases" / "explore")
    done = subprocess.run(
        [*command, path, "--results", "out"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = verdicts(tmp_path / "out")
    quick = [kind for kind in KINDS if any(not made.slow for made in KINDS[kind].generate())]
    assert {name.split("/")[1] for name in shown} == set(quick)
    assert set(shown.values()) == {"conforms"}


def test_a_conversation_that_nobody_named_is_played_on_the_first_ip_version_and_a_quarter_on_all() -> None:
    made = Conversations().chosen("core", ())
    versions = [versions_of(each, (4, 6), named=False) for each in made]
    assert set(versions) == {(4,), (4, 6)}
    assert len(made) // 6 < versions.count((4, 6)) < len(made) // 3
    assert {versions_of(each, (6,), named=False) for each in made} == {(6,)}
    assert {versions_of(each, (4, 6), named=True) for each in made} == {(4, 6)}
    asking = notation.generated_from("1{ip=6}:listen S@n", "asking", "pairs")
    assert versions_of(asking, (4, 6), named=False) == versions_of(asking, (4, 6), named=True) == (6,)


def test_the_small_choice_of_a_run_is_read_as_it_was_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = Conversations().chosen("core", ())
    assert list((tmp_path / "tcpspec" / "kept").glob("conversations-*.json"))
    assert Conversations().chosen("core", ()) == made
    all_of_them = {kind: list(itertools.islice(KINDS[kind].generate(), KINDS[kind].core_of)) for kind in KINDS}
    assert all(each in all_of_them[each.kind] for each in made)
    assert {each.kind for each in made} == {kind for kind in KINDS if any(not one.slow for one in all_of_them[kind])}


def test_a_conversation_that_is_named_costs_no_other_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    few = Conversations().chosen("core", ())
    (named,) = Conversations().chosen("off", ("explore/random/1.3",))
    assert named == next(itertools.islice(KINDS["random"].generate(), 3, None))

    def nobody() -> Iterator[Generated]:
        raise AssertionError("made for nothing")

    for kind in set(KINDS) - {"wraps"}:
        monkeypatch.setitem(KINDS, kind, replace(KINDS[kind], generate=nobody))
    assert Conversations().chosen("core", (few[0].id, few[-1].id)) == [few[0], few[-1]]
    made = list(KINDS["wraps"].generate())
    assert Conversations().chosen("core", (made[-1].id,)) == made[-1:]
    assert Conversations().chosen("core", ("explore/w*/*",)) == made
    assert Conversations().chosen("core", ("explore/wraps",)) == made
    assert Conversations().chosen("core", ("explore/wraps/nothing",)) == made, "for whoever says what there is"
    assert Conversations().chosen("core", ("*", "explore/wraps/nothing"))[: len(made)] == made
    assert Conversations().chosen("off", ("*",)) == []
    assert Conversations().chosen("core", ("*",)) == few, "what is about all takes no more than a run does"
