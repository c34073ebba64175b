"""``tcpspec learn``: the machine of a stack, the same however it is asked, and what is refused."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness import cli
from harness.learn import alphabet, comparing, drawing, judging, learner, page, record, recording, suite
from harness.learn.alphabet import BadAlphabet
from harness.learn.learner import Learned, Plan
from harness.learn.machine import Machine
from harness.learn.oracle import Effort
from harness.learn.subject import Subject
from harness.learn.system import Nondeterminism, System
from harness.learn.tree import Tree
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import parse

FEW = "listen S@i A@n,n FA@n,n close"


def few(tmp_path: Path, letters: str = FEW) -> alphabet.Alphabet:
    """Return an alphabet of a few letters."""
    file = tmp_path / "few.txt"
    file.write_text(f"# a few\n{letters}\n")
    return alphabet.load(file, "server")


def learned(plan: Plan) -> Learned:
    """Learn what a plan asks for."""
    with learner.started(plan) as subject:
        return learner.learn(subject, plan, lambda _text: None)[0]


def test_two_seeds_learn_the_same_machine(tmp_path: Path) -> None:
    machines = [
        learned(Plan(parse("reference"), few(tmp_path), effort=Effort(seed=seed), kept=False)).machine
        for seed in (1, 2)
    ]
    assert machines[0] == machines[1]
    answers, _state = machines[0].run([0, 1, 2, 3, 4])
    assert answers == [
        "nothing → LISTEN",
        "SA@iss,seg.end~mss → SYN-RECEIVED",
        "nothing → ESTABLISHED",
        "A@n,n+1 → CLOSE-WAIT",
        "FA@n,n → LAST-ACK",
    ]


def test_words_that_identify_a_state_tell_it_from_all_others(tmp_path: Path) -> None:
    machine = learned(Plan(parse("reference"), few(tmp_path), kept=False)).machine
    for state in range(machine.size):
        due = [machine.run(word, state)[0] for word in machine.identifiers[state]]
        others = set(range(machine.size)) - {state}
        assert all([machine.run(word, other)[0] for word in machine.identifiers[state]] != due for other in others)
        assert machine.run(machine.access[state])[1] == state


def test_the_least_effort_finds_more_than_the_first_state() -> None:
    plan = Plan(parse("reference"), alphabet.bundled("server", "small"), effort=Effort(k=0, random=0), kept=False)
    found = learned(plan).machine
    assert {"LISTEN", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-1"} <= {
        state for states in record.rfc_states(found) for state in states
    }


def test_without_visible_states_the_machine_is_learned_from_answers_alone(tmp_path: Path) -> None:
    found = learned(Plan(parse("reference"), few(tmp_path), states=False, kept=False)).machine
    assert all(answer.endswith("→ ?") for _state, _letter, answer, _after in found.transitions)
    assert found.size >= 5


def test_what_was_asked_is_kept_and_another_run_asks_only_the_transitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plan = Plan(parse("reference"), few(tmp_path))
    first, second = learned(plan), learned(plan)
    assert second.machine == first.machine
    assert (second.figures.queries, second.figures.from_disk) == (
        1,  # what told a hypothesis wrong is asked once more
        first.figures.queries + len(learner.transitions(first.machine)),
    )


def test_answers_of_another_stack_are_found_out_and_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plan = Plan(parse("reference"), few(tmp_path))
    right = learned(plan)
    (kept,) = (tmp_path / "tcpspec" / "learn").iterdir()
    kept.write_text(kept.read_text().replace("A@n,n+1 → CLOSE-WAIT", "A@n,n+1 → CLOSING"))
    assert learned(plan).machine == right.machine


def test_half_a_line_at_the_end_costs_that_query_only(tmp_path: Path) -> None:
    file = tmp_path / "tree"
    tree = Tree(("a", "b"), file, {})
    tree.add([0, 1], [tree.number("x"), tree.number("y")])
    tree.close()
    with file.open("a") as stream:
        stream.write("[[0,0],[")
    again = Tree(("a", "b"), file, {})
    assert (again.loaded, again.root) == (1, tree.root)
    again.add([1], [again.number("z")])
    again.close()
    assert Tree(("a", "b"), file, {}).loaded == 2
    assert Tree(("a",), file, {}).loaded == 0


class Fickle:
    """A subject that answers each question otherwise."""

    def __init__(self, letters: alphabet.Alphabet) -> None:
        self.alphabet = letters
        self._count = 0

    def begin(self) -> None:
        """Nothing to begin."""

    def ask(self, letter: alphabet.Letter) -> str:
        """Return another answer each time."""
        self._count += 1
        return f"{letter} {self._count}"

    def disturbed(self) -> bool:
        """No timer speaks."""
        return False


def test_two_answers_to_one_question_are_reported_with_both_traces(tmp_path: Path) -> None:
    letters = few(tmp_path)
    system = System(Fickle(letters), Tree(letters.texts, None, {}))  # type: ignore[arg-type]
    assert system.query((0, 1)) == ["listen 1", "S@i 2"]
    with pytest.raises(Nondeterminism, match="listen S@i is answered in two ways") as found:
        system.query((0, 1, 2))
    before, now = found.value.traces
    assert before == ["listen 1", "S@i 2"]
    assert list(now) != before


def test_the_verb_writes_the_machine_in_all_its_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few(tmp_path)
    out = tmp_path / "out"
    arguments = [
        "learn",
        "--target",
        "reference",
        "--alphabet",
        str(tmp_path / "few.txt"),
        "--anew",
        "--random",
        "0",
        "-o",
        str(out),
    ]
    assert cli.main(arguments) == 0
    told = capsys.readouterr().out
    assert "every Wp test with k=1 passes" in told
    read = record.read(out / "reference-server-few.json")
    assert isinstance(read.machine, Machine)
    assert json.loads((out / "reference-server-few.json").read_text()) == read.as_dict()
    assert "subgraph" in (out / "reference-server-few.dot").read_text()
    assert "stateDiagram-v2" in (out / "reference-server-few.mmd").read_text()


@pytest.mark.parametrize("stack", ["reference", "lwip"])
def test_giving_up_is_a_transition(stack: str, tmp_path: Path) -> None:
    letters = few(tmp_path, "listen S@i A@n,n shutdown R2")
    try:
        machine = learned(Plan(parse(stack), letters, kept=False)).machine
    except UnusableTarget as error:
        pytest.skip(f"{stack} can't be had here: {error.message}")
    answers, _state = machine.run(range(5))
    assert answers[-1] == "FA@u,n → LISTEN"
    assert machine.run((0, 1, 4))[0][-1] == "SA@iss,n~mss → LISTEN"


def test_time_is_a_letter_in_virtual_time(tmp_path: Path) -> None:
    letters = few(tmp_path, "listen S@i A@n,n shutdown FA@n,n 2MSL")
    machine = learned(Plan(parse("reference"), letters, kept=False)).machine
    answers, _state = machine.run(range(6))
    assert [answer.rpartition(" ")[2] for answer in answers[4:]] == ["TIME-WAIT", "LISTEN"]


@pytest.mark.parametrize("text", ["S@p", "sin", "", "close close", "2msl", "send"])
def test_a_letter_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadAlphabet):
        few(tmp_path, text)


def test_what_the_rules_do_not_allow_is_found_in_a_transition(tmp_path: Path) -> None:
    letters = few(tmp_path, "listen S@i A@n,n close FA@n,u")
    right, wrong = (judged(Plan(parse(text), letters, kept=False)) for text in ("reference", "reference,defect=D54"))
    assert right == []
    assert [(each.verdict, each.word) for each in wrong][:1] == [("violates", (0, 1, 2, 3, 4))]
    assert "CLOSING" in wrong[0].due


def test_a_call_that_waits_is_no_deviation_and_hides_nothing_behind_it(tmp_path: Path) -> None:
    file = tmp_path / "few.txt"
    file.write_text("connect S@i shutdown A@n,n A@n,u FA@n,u RTO\n")
    assert judged(Plan(parse("reference"), alphabet.load(file, "client"), kept=False)) == []


@pytest.mark.slow
def test_what_comes_behind_a_deviation_from_a_should_is_no_violation(tmp_path: Path) -> None:
    """lwIP 2.1 sends no reset where CLOSE in FIN-WAIT-2 loses text; how it counts that text then is not judged."""
    letters = few(tmp_path, "listen S@i A@n,n shutdown A@n,n/4 close R@n 2MSL")
    try:
        found = judged(Plan(parse("lwip"), letters, kept=False))
    except UnusableTarget as error:
        pytest.skip(f"lwip can't be had here: {error.message}")
    shown = {each.verdict: " ".join(letters.texts[letter] for letter in each.word) for each in reversed(found)}
    assert shown["deviates"] == "listen S@i A@n,n shutdown A@n,n/4 close"
    assert shown["behind"] == "listen S@i A@n,n shutdown A@n,n/4 close S@i"
    assert "violates" not in shown


def judged(plan: Plan) -> list[judging.Judged]:
    """Learn what a plan asks for, and judge it."""
    with learner.started(plan) as subject:
        machine = learner.learn(subject, plan, lambda _text: None)[0].machine
        return judging.judge(subject, plan, machine).found


def test_a_conversation_of_explore_accepts_at_once(tmp_path: Path) -> None:
    letters = few(tmp_path)
    assert judging.conversation(letters, (0, 1, 2, 4)) == "listen S@i A@n,n accept close"


def machine_file(tmp_path: Path, target: str, name: str) -> Path:
    """Learn a few letters of a target and return the file."""
    letters = few(tmp_path, "listen S@i A@n,n close FA@n,u")
    plan = Plan(parse(target), letters, kept=False)
    with learner.started(plan) as subject:
        found = learner.learn(subject, plan, lambda _text: None)[0]
        kept = recording.record_of(plan, subject, found)
    kept.write(tmp_path / name)
    return tmp_path / name


def test_two_machines_are_told_apart_by_shortest_letters_and_the_rules_say_who_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = machine_file(tmp_path, "reference", "right.json")
    wrong = machine_file(tmp_path, "reference,defect=D54", "wrong.json")
    out = tmp_path / "out"
    assert cli.main(["learn", "--diff", str(right), str(wrong), "-o", str(out)]) == 1
    told = capsys.readouterr().out
    assert "\nlisten S@i A@n,n close FA@n,u   in FIN-WAIT-1" in told
    assert "  reference,defect=D54 violates\n" in told
    case = (out / "test_difference_01.py").read_text()
    assert "target.must_be(CLOSING)" in case
    assert not (out / "difference-01.pkt").exists()  # only the state differs, which no script shows
    run = ["run", str(out), "--ip", "4", "--results", str(tmp_path / "results"), "-p", "no:cacheprovider"]
    assert cli.main([*run, "--target", "reference"]) == 0
    assert cli.main([*run, "--target", "reference,defect=D54"]) == 1
    capsys.readouterr()
    assert cli.main(["learn", "--diff", str(right), str(right), "-o", str(out)]) == 0
    assert "the two are bisimilar" in capsys.readouterr().out


def test_it_is_said_how_many_differences_nobody_has_held_against_the_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "MOST_SHOWN", 0)
    right = machine_file(tmp_path, "reference", "right.json")
    wrong = machine_file(tmp_path, "reference,defect=D54", "wrong.json")
    assert cli.main(["learn", "--diff", str(right), str(wrong), "-o", str(tmp_path / "out")]) == 1
    assert "\n1 of 1 are not held against the rules: so many are too many\n" in capsys.readouterr().out


def test_a_target_is_held_against_its_golden_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = machine_file(tmp_path, "reference", "golden.json")
    arguments = ["learn", "--against", str(golden), "-o", str(tmp_path / "out")]
    assert cli.main(arguments) == 0
    assert "is the machine of" in capsys.readouterr().out
    assert cli.main([*arguments, "--target", "reference,defect=D54"]) == 1
    assert "is another machine" in capsys.readouterr().out


def test_a_target_is_asked_what_the_machine_in_a_file_was_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = machine_file(tmp_path, "reference", "right.json")
    out = tmp_path / "out"
    assert cli.main(["learn", "--diff", str(right), "reference,defect=D54", "-o", str(out)]) == 1
    assert "\nlisten S@i A@n,n close FA@n,u   in FIN-WAIT-1" in capsys.readouterr().out


def test_with_time_among_the_letters_each_side_is_judged_as_a_conversation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "time.txt"
    file.write_text("setup: listen S@i A@n,n\nFA@n,n close 2MSL\n")
    out = tmp_path / "out"
    arguments = ["learn", "--alphabet", str(file), "--random", "0", "--anew", "-o", str(out)]
    assert cli.main([*arguments, "--diff", "reference", "reference,defect=D59"]) == 1
    told = capsys.readouterr().out
    assert "\n  reference,defect=D59 violates\n" in told
    assert "reference,defect=D59: wrong-state, CLOSED; due state TIME-WAIT" in told
    assert "target.must_be(TIME_WAIT)" in (out / "test_difference_01.py").read_text()


def test_machines_over_other_letters_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = machine_file(tmp_path, "reference", "one.json")
    data = json.loads(one.read_text())
    data["role"] = "client"
    (tmp_path / "other.json").write_text(json.dumps(data))
    assert cli.main(["learn", "--diff", str(one), str(tmp_path / "other.json"), "-o", str(tmp_path)]) == 4
    assert "learn both with the same --role and --alphabet" in capsys.readouterr().err


def test_a_page_says_what_happens_on_a_letter_in_a_state(tmp_path: Path) -> None:
    read = record.read(machine_file(tmp_path, "reference", "one.json"))
    text = page.render(read)
    (row,) = [
        line for line in text.splitlines() if "FIN-WAIT-1 (4)" in line and "FIN,ACK SEQ=RCV.NXT ACK=SND.UNA" in line
    ]
    assert "A@n,n+1" in row
    assert "CLOSING" in row
    assert "<svg" in text
    drawn = drawing.draw(read, standalone=True)
    assert "FIN-WAIT-1 to CLOSING\nFA@n,u / A@n,n+1" in drawn
    ElementTree.fromstring(drawn)


def test_suites_of_a_machine_pass_on_its_own_stack_and_find_a_wrong_next_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = machine_file(tmp_path, "reference", "machine.json")
    out = tmp_path / "suites"
    assert cli.main(["learn", "--tests", str(machine), "-o", str(out)]) == 0
    files = [f"test_reference_server_few_{kind}.py" for kind in ("t", "tw")]
    assert sorted(path.name for path in out.iterdir()) == files
    run = ["run", str(out), "--ip", "4", "--results", str(tmp_path / "results"), "-p", "no:cacheprovider"]
    assert cli.main([*run, "--target", "reference"]) == 0
    assert cli.main([*run, "--target", "reference,defect=D54"]) == 1
    capsys.readouterr()


def test_a_suite_passes_on_its_own_stack_where_connections_are_refused_and_opened_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "few.txt"
    file.write_text("connect S@i SA@i,n RA@i,n close\n")
    plan = Plan(parse("reference"), alphabet.load(file, "client"), kept=False)
    with learner.started(plan) as subject:
        kept = recording.record_of(plan, subject, learner.learn(subject, plan, lambda _text: None)[0])
    written = suite.write(kept, tmp_path / "suites")
    assert all(count.cases > 20 for count in written.values())
    run = [
        "run",
        str(tmp_path / "suites"),
        "--ip",
        "4",
        "--results",
        str(tmp_path / "results"),
        "--target",
        "reference",
    ]
    assert cli.main([*run, "-p", "no:cacheprovider"]) == 0
    capsys.readouterr()


def test_without_visible_states_the_letters_behind_a_transition_tell_where_it_has_led(tmp_path: Path) -> None:
    letters = few(tmp_path, "listen S@i A@n,n close FA@n,u")
    right = learned(Plan(parse("reference"), letters, states=False, kept=False)).machine
    plan = Plan(parse("reference,defect=D54"), letters, states=False, kept=False)
    transition = tuple(range(5))
    with learner.started(plan) as subject:
        assert answers(subject, transition) == right.run(transition)[0]
        told = [word for word in suite.words(right, suite.TW) if word[:5] == transition]
        assert any(answers(subject, word) != right.run(word)[0] for word in told)


def answers(subject: Subject, word: tuple[int, ...]) -> list[str]:
    """Return what a target answers to a word."""
    subject.begin()
    return [subject.ask(subject.alphabet.letters[letter]) for letter in word]
