"""``tcpspec fuzz``: the same seed gives the same, what is found is shrunk, what is declared is explained."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.case.rig import Rig
from harness.expectations.entries import BrokenExpectations
from harness.fuzz import declared, main, session, steps
from harness.fuzz.declared import Table
from harness.fuzz.generate import sequence
from harness.fuzz.play import Player
from harness.fuzz.session import Plan, player_of
from harness.fuzz.shrink import shortest
from harness.fuzz.side import Side
from harness.fuzz.steps import SIMPLER, Call, Position, Probe, Step, parse, text_of
from harness.spec.segment import ACK, FIN, NO_FLAGS, PSH, RST, SYN
from harness.targets.reference.target import ReferenceTarget

PLAIN = Plan("reference", "reference")
#: In FIN-WAIT-1 any acknowledgment counts as that of the FIN; the shortest way to see it.
DEFECTIVE = Plan("reference,defect=D54", "reference")
SHORTEST = "connect SA@n,n close FA@n,u"

ENTRY = """
[[difference]]
step = "FA"
place = "fin-wait-1-close"
shows = "A@n,n+1 → TIME-WAIT"
others = "A@n,n+1 → CLOSING"
reason = "It was written so."
source = "harness/stack/defects"
example = "connect SA@n,n close FA@n,u"
"""

OFFSETS = st.integers(-(1 << 31) + 1, (1 << 31) - 1)
OPTIONS = st.one_of(
    st.just("s"), st.integers(0, 255).map(lambda shift: f"w{shift}"), OFFSETS.map(lambda octets: f"t{octets:+d}")
)


@st.composite
def any_step(draw: st.DrawFn) -> Step:
    """A step of any sort."""
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(steps.CALLS)))
        return Call(name, draw(st.integers(1, steps.LARGEST[name])) if steps.CALLS[name] else None)
    flags = NO_FLAGS
    for flag in draw(st.sets(st.sampled_from((SYN, FIN, RST, ACK, PSH)))):
        flags |= flag
    return Probe(
        flags,
        Position(draw(st.sampled_from("nei")), draw(OFFSETS)),
        Position(draw(st.sampled_from("nui")), draw(OFFSETS)) if flags & ACK else None,
        draw(st.integers(0, steps.LARGEST_PAYLOAD)),
        draw(st.integers(0, 65535)),
        tuple(draw(st.lists(OPTIONS, max_size=3))),
    )


@settings(database=None, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(any_step(), min_size=1))
def test_the_text_of_a_sequence_says_all_of_it(found: list[Step]) -> None:
    assert parse(text_of(found)) == tuple(found)


@pytest.mark.parametrize("text", ["", "syn", "A@n", "S@n,n", "send", "send:0", "close:1", "A@n,n~x", "A@n,n/1401"])
def test_what_is_no_sequence_is_refused(text: str) -> None:
    with pytest.raises(steps.BadSequence):
        parse(text)


def test_a_seed_gives_the_same_sequences_and_another_seed_others() -> None:
    first = [text_of(sequence(1, number, 24)) for number in range(50)]
    assert first == [text_of(sequence(1, number, 24)) for number in range(50)]
    assert len({*first, *(text_of(sequence(2, number, 24)) for number in range(50))}) > 90
    assert all(len(sequence(3, number, 5)) <= 5 for number in range(50))


def test_the_same_seed_gives_the_same_report(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--target", DEFECTIVE.target, "--against", DEFECTIVE.against, "--count", "8"]
    codes, reports = [], []
    for _ in range(2):
        codes.append(main.main(arguments))
        reports.append(capsys.readouterr().out)
    assert codes == [main.FAILED, main.FAILED]
    assert reports[0] == reports[1]
    assert "they do not allow what reference,defect=D54 did" in reports[0]
    assert f"again: tcpspec fuzz --target {DEFECTIVE.target} --against reference --replay" in reports[0]


def test_a_target_does_not_differ_from_itself() -> None:
    with player_of(PLAIN) as player:
        tally = session.tally_of(player, PLAIN, 100)
    assert tally.sequences == 100
    assert not tally.explained
    assert not tally.unexplained


@pytest.fixture(name="defective")
def fixture_defective() -> Iterator[Player]:
    with player_of(DEFECTIVE) as player:
        yield player


def test_a_difference_is_shrunk_to_the_shortest_sequence_that_shows_it(defective: Player) -> None:
    long = parse("S@n~s A@n,n/4 connect SA@i,n~w3 send:100 R@e+1 A@n,n A@n+100,n/4 close A@n,u FA@n,u%0 A@n,n")
    difference = defective.play(parse("connect SA@i,n close recv:5 FA@n,u A@n,n")).unexplained
    assert difference is not None

    def shows_it(candidate: steps.Sequence) -> bool:
        found = defective.play(candidate).unexplained
        return found is not None and found.sort == difference.sort

    assert defective.play(long).unexplained is not None
    assert text_of(session.shortest(defective, difference, seed=1)) == SHORTEST
    assert shortest(parse(SHORTEST), shows_it, 1, SIMPLER) == parse(SHORTEST)


def test_who_has_looked_long_enough_takes_the_shortest_that_was_seen() -> None:
    asked: list[steps.Sequence] = []

    def shows_it(candidate: steps.Sequence) -> bool:
        asked.append(candidate)
        time.sleep(0.02)
        return True

    long = parse("connect SA@i,n close recv:5 FA@n,u A@n,n")
    assert shortest(long, shows_it, 1, SIMPLER, limit_s=0) == long
    assert not asked
    assert len(shortest(long, shows_it, 1, SIMPLER, limit_s=0.03)) <= len(long)
    assert 1 <= len(asked) <= 2


def test_a_declared_difference_is_explained_and_only_that(defective: Player, tmp_path: Path) -> None:
    defective.tables = (Table(declared.load(written(tmp_path, ENTRY))), Table())
    (played,) = session.play_many(defective, [parse(SHORTEST)])
    assert [each.reason for each in played.differences[0].explanations] == ["It was written so."]
    assert played.unexplained is None
    assert session.idle_entries(defective) == []
    (other,) = session.play_many(defective, [parse("connect SA@n,n shutdown FA@n,u")])
    assert other.unexplained is not None


def test_an_entry_that_explains_nothing_is_idle(defective: Player, tmp_path: Path) -> None:
    idle = ENTRY.replace("fin-wait-1-close", "closing")
    defective.tables = (Table(declared.load(written(tmp_path, ENTRY + idle))), Table())
    assert [entry.origin for entry in session.idle_entries(defective)] == ["own.toml:10"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("reason =", "cause =", "unknown key 'cause'"),
        ('source = "harness/stack/defects"', "", "'source' is missing"),
        ("connect SA@n,n close FA@n,u", "connect quickly", "'quickly' is no step"),
        ("[[difference]]", "[difference]", "under a [[difference]] line of its own"),
        ('step = "FA"', "step = 1", "'step' is a text"),
    ],
)
def test_a_broken_table_is_named_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(BrokenExpectations, match=r"own.toml:\d+: ") as caught:
        declared.load(written(tmp_path, ENTRY.replace(old, new)))
    assert says in str(caught.value)


def written(folder: Path, text: str) -> Path:
    """Write a table of one's own."""
    path = folder / "own.toml"
    path.write_text(text.strip() + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--target", "solaris"], "there is no target 'solaris'"),
        (["--target", "reference,defect=D0"], "there is no defect"),
        (["--count", "0"], "'0' is not a number from 1"),
        (["--length", "many"], "'many' is not a number from 1"),
        (["--ip", "5"], "invalid choice"),
        (["--replay", "listen syn"], "'syn' is no step"),
        (["--replay", ""], "a sequence has one step at least"),
        (["--json", "/dev/null/figures"], "/dev/null/figures: Not a directory"),
        (["--fast"], "unrecognized arguments"),
    ],
)
def test_a_bad_option_gets_one_message(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--against", "reference", *arguments]) == main.USAGE
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.out == ""


def test_a_replay_shows_both_ladders(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--target", DEFECTIVE.target, "--against", DEFECTIVE.against, "--replay", SHORTEST]
    assert main.main(arguments) == main.FAILED
    shown = capsys.readouterr().out
    assert shown.count("◀─ <SEQ=1><ACK=1><CTL=FIN,ACK>") == 2
    assert "CLOSING" in shown
    assert main.main(["--against", "reference", "--replay", SHORTEST]) == main.AS_EXPECTED
    assert "no difference in 4 steps" in capsys.readouterr().out


@pytest.mark.parametrize("end", ["R@n", "unlisten"])
def test_numbers_count_from_the_older_syn_where_a_target_falls_back_to_time_wait(end: str) -> None:
    sequence = parse(f"listen S@i A@n,n accept shutdown FA@n,n S@n {end} A@n,n FA@n,n")
    side = Side(Rig(ReferenceTarget(), guarded=False), 4, sequence)
    (reply,) = [side.perform(step) for step in sequence][-1].received
    assert (reply.segment.seq, reply.segment.ack) == (2, 2)


def test_a_second_connection_knows_nothing_of_the_first_one_and_its_window() -> None:
    sequence = parse("connect SA@i,n A@n,n/4 R@n close connect")
    side = Side(Rig(ReferenceTarget(), guarded=False), 4, sequence)
    seen = [(side.view.rcv_nxt, side.view.edge) for step in sequence if side.perform(step)]
    assert seen[2][0] == 5
    assert seen[2][1] > 5
    assert seen[-1] == (0, 0)


def test_figures_are_written_as_json(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert main.main(["--against", "reference", "--count", "5", "--json", str(path)]) == main.AS_EXPECTED
    assert '"sequences": 5' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("version", [4, 6])
def test_every_declared_difference_of_linux_is_shown_by_its_example(version: int) -> None:
    """And 100 sequences differ in nothing else."""
    plan = Plan("reference", "linux", version, seed=100)
    with player_of(plan) as player:
        assert [entry.origin for entry in session.idle_entries(player)] == []
        tally = session.tally_of(player, plan, 100)
    assert not tally.unexplained
