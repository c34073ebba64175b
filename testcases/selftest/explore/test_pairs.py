"""The kind `pairs`: its table is of things that can happen, its chains hold many pairs, and it found faults of ours."""

import itertools
import re

import pytest

from harness.explore.kinds import KINDS, pairs
from harness.explore.kinds.beginnings import BEGINNINGS, CONDITIONS
from harness.explore.kinds.things import EVERYWHERE, THINGS
from harness.explore.notation import generated_from, text_of
from harness.explore.plan import moves
from harness.explore.playing import Player, Stage
from harness.targets.registry import parse

STATES = frozenset(EVERYWHERE.split())


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_is_of_words_and_happens_in_states(name: str) -> None:
    found = THINGS[name]
    words = f"{found.words} {found.rest}".replace("*/:", "2:").replace("*:", "2:")
    assert generated_from(words).plan
    assert set(found.leads) | set(found.leads.values()) <= STATES
    assert set(found.leads_later) | set(found.leads_later.values()) <= STATES


def test_every_thing_is_reached() -> None:
    reached = {name for made in itertools.islice(pairs.generate(), 1000) for name in made.name.split(".")[2:]}
    assert reached == set(THINGS)


def test_the_beginnings_and_conditions_are_read() -> None:
    assert all(state in STATES and moves(text) for state, text in BEGINNINGS)
    assert all(moves(f"1{{{condition}}}:connect") for condition in CONDITIONS)


def test_a_seed_gives_the_same_chains_and_each_is_read_as_it_was_made() -> None:
    first, again, other = (list(itertools.islice(pairs.generate(seed), 40)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    for made in first:
        read = generated_from(text_of(made))
        assert (read.plan, read.twin) == (made.plan, made.twin)


def test_what_ends_a_thing_may_lead_elsewhere_than_the_next_one_can_begin() -> None:
    assert sum(1 for _made in itertools.islice(KINDS["pairs"].made(17), 640)) == 640


def test_what_is_new_comes_first() -> None:
    """The first hundred chains hold more pairs of neighbours than another hundred behind them brings."""
    chains = [made.name.split(".")[2:] for made in itertools.islice(pairs.generate(), 1000)]
    first = {pair for chain in chains[:100] for pair in itertools.pairwise(chain)}
    last = {pair for chain in chains[900:] for pair in itertools.pairwise(chain)}
    before = {pair for chain in chains[:900] for pair in itertools.pairwise(chain)}
    assert len(first) > len(last - before)
    assert KINDS["pairs"].ordered


def test_no_stray_meets_a_connection_that_text_behind_close_has_ended() -> None:
    """A SYN that must change nothing opens a new one there."""
    text = re.compile(r"F?U?A@p,[ru](-\d+)?/\d+(%\d+)?")
    met = []
    for made in itertools.islice(pairs.generate(), 1000):
        closed = gone = False
        for word in text_of(made).partition(":")[2].split():
            closed = word == "close" or (closed and word != "fresh")
            gone = closed and (gone or bool(text.fullmatch(word)))
            if gone and word.startswith("[S@"):
                met.append(made.name)
    assert met == []


#: What it had found of the reference stack and of the judge.
MENDED = (
    "1{offer=w7}:connect S@i SA@i,r A@n,u-1000000",
    "listen S@i A@p,r accept begin-close:1000 A@n,n/1",
    "listen 3{same-port}:S@i unlisten 3:R@n listen 4{same-port}:S@i 4:A@p,r/1 4:R@p accept",
)


@pytest.mark.parametrize("text", MENDED)
def test_the_reference_stack_is_clean_where_it_was_not(text: str) -> None:
    player = Player(Stage(parse("reference"), 4))
    try:
        (record,) = player.play([generated_from(text)])
    finally:
        player.close()
    assert record["verdict"] == "conforms"
