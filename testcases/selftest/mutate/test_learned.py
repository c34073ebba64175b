"""`tcpspec mutate --by learn`: seeded defects are told apart by the golden machines of the reference stack."""

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness import cli
from harness.learn import suite
from harness.mutate import learned
from harness.mutate.learned import Golden, examine, without_state


@pytest.fixture(scope="module")
def server() -> Golden:
    """The reference stack's machine as a server."""
    return next(each for each in learned.goldens() if each.record.alphabet.role == "server")


def test_each_role_has_a_machine_in_which_time_passes() -> None:
    letters = {each.record.alphabet.role: each.record.alphabet.texts for each in learned.goldens()}
    assert list(letters) == ["server", "client", "closes"]
    assert all({"2MSL", "R2"} <= set(each) for each in letters.values())
    assert "send:4" in letters["server"]


def test_walks_make_every_transition_and_are_answered_by_the_sound_stack(server: Golden) -> None:
    machine = server.record.machine
    made = set()
    for walk in server.walks:
        state = 0
        for letter in walk:
            made.add((state, letter))
            state = machine.following[state][letter]
    assert made == {(state, letter) for state in range(machine.size) for letter in range(len(machine.letters))}
    assert max(map(len, server.walks)) < suite.LONGEST + machine.size
    assert examine("reference", "", [server]).letters == ""


def test_without_visible_states_a_machine_answers_the_same_but_for_them(server: Golden) -> None:
    draw = random.Random("words")
    for _ in range(200):
        word = [draw.randrange(len(server.unseen.letters)) for _ in range(20)]
        assert server.unseen.run(word)[0] == list(map(without_state, server.record.machine.run(word)[0]))
    assert server.unseen.minimal


def test_states_that_nothing_tells_apart_any_more_are_one(server: Golden) -> None:
    machine = server.record.machine
    assert machine.answering(lambda _answer: "").size == 1
    called = machine.answering(lambda answer: "listens already" if "listens already" in answer else "")
    assert called.size == 2


def test_a_wrong_next_state_behind_a_right_answer_is_found_by_the_wire_alone_too(server: Golden) -> None:
    told = examine("reference,defect=D54", "D54", [server])
    assert told.letters == "listen S@i A@n,n shutdown A@n,u"
    assert (told.due, told.seen) == ("nothing → FIN-WAIT-1", "nothing → FIN-WAIT-2")
    assert told.by_state
    assert told.unseen.startswith(f"{told.letters} ")


def test_the_command_says_which_letters_tell_a_defect_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "told.json"
    assert cli.main(["mutate", "--by", "learn", "D06", "D54", "D78", "-n", "1", "--json", str(file)]) == 1
    told = capsys.readouterr().out
    assert "listen A@n,n\n       due R@seg.ack → LISTEN, seen nothing → LISTEN" in told
    assert "without visible states the wire tells it too: listen S@i A@n,n shutdown A@n,u " in told
    assert "as the sound stack in" in told
    assert "2 of 3 defects are told apart" in told
    assert "1  by a wrong next state behind a right answer: 1 without visible states" in told
    assert [bool(each["letters"]) for each in json.loads(file.read_text())] == [True, True, False]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--by", "learn", "--case", "x"], "--by learn goes without --case"),
        (["--by", "learn", "--by", "explore"], "--by learn goes without other words for --by"),
        (["--by", "learn", "--ip", "6"], "--by learn goes without --ip"),
        (["--by", "learn", "harness/mutate"], "--by learn goes without files of cases"),
        (["--by", "learning"], "is none of explore, explore:KIND and learn"),
    ],
)
def test_what_the_machines_do_not_ask_is_refused(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["mutate", *arguments]) == 4
    assert sentence in capsys.readouterr().err
