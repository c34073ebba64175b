"""The seeded defects: named in order, complete, one method each, and no stack with one of them breaks by itself."""

import inspect
import re

import pytest

from harness.spec import citations
from harness.spec.states import CLOSED, ESTABLISHED
from harness.stack import Config, Endpoint, Stack
from harness.stack.config import NS
from harness.stack.defects import ALLOWED, DEFECTS, INTERACTIONS, NOT_IMPLEMENTED, Defect, UnknownDefect, defective
from harness.stack.defects.defect import PLACES
from harness.stack.variants import varied
from harness.targets import registry
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import Settings

#: Classes of defects of real stacks, numbered before any was implemented.
CATALOGUE = [f"D{number:02}" for number in range(1, 83)]
ENOUGH = 125
HERE, THERE = Endpoint("192.0.2.1", 80), Endpoint("192.0.2.2", 1024)

EVERY = {**DEFECTS, **INTERACTIONS}
every_defect = pytest.mark.parametrize("defect", EVERY.values(), ids=EVERY.keys())


def test_there_are_enough() -> None:
    assert len(DEFECTS) > ENOUGH


def test_every_number_of_the_catalogue_is_implemented_or_has_a_reason() -> None:
    assert [name for name in CATALOGUE if name not in DEFECTS] == list(NOT_IMPLEMENTED)
    assert all(len(reason) > 20 for reason in NOT_IMPLEMENTED.values())


def test_numbers_are_in_order_and_without_gaps() -> None:
    numbers = [int(name.removeprefix("D")) for name in sorted({*DEFECTS, *NOT_IMPLEMENTED}, key=lambda n: int(n[1:]))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [defect.name for defect in DEFECTS.values()] == list(DEFECTS)


def test_titles_differ_and_are_sentences() -> None:
    titles = [defect.title for defect in DEFECTS.values()]
    assert len(set(titles)) == len(titles)
    assert [title for title in titles if not re.fullmatch(r"[A-Z2].*\.", title)] == []


@every_defect
def test_sections_exist(defect: Defect) -> None:
    assert defect.sections
    assert len(citations.parse_all(defect.sections)) == len(defect.sections)
    assert defect.source


@every_defect
def test_a_part_of_the_stack_differs_in_a_method(defect: Defect) -> None:
    """A defect replaces what the sound stack has: a method that nothing calls would be no defect."""
    parts = [(defect.stack_class, Stack)]
    parts += [(getattr(defect.stack_class, place), base) for base, place in PLACES.items()]
    changed = [(part, base) for part, base in parts if _own_methods(part, base)]
    assert changed
    for part, base in changed:
        replaced = [name for name in _own_methods(part, base) if hasattr(base, name)]
        assert replaced, f"{part.__name__} replaces nothing"


def _own_methods(part: type, base: type) -> list[str]:
    between = part.__mro__[: part.__mro__.index(base)]
    named = [name for each in between for name in vars(each) if not name.startswith("__") or name == "__init__"]
    return [name for name in named if name not in PLACES.values() and _is_code(inspect.getattr_static(part, name))]


def _is_code(value: object) -> bool:
    return inspect.isfunction(value) or isinstance(value, property)


@every_defect
@pytest.mark.parametrize("side", ["client", "server"])
def test_one_connection_with_a_defect_raises_nothing(defect: Defect, side: str) -> None:
    """A stack with a defect carries an ordinary connection, or fails in its own way: never by an exception."""
    classes = {"client": Stack, "server": Stack} | {side: defect.stack_class}
    client = classes["client"]([THERE.address], config=Config(), key=b"client")
    server = classes["server"]([HERE.address], config=Config(), key=b"server")
    stacks = [client, server]
    listener = server.socket()
    listener.listen(HERE)
    caller = client.socket()
    caller.connect(HERE, THERE)
    _let_pass(stacks, 10)
    accepted = None
    for sock in (listener,):
        try:
            accepted = sock.accept()
        except OSError:
            continue
    for sock in filter(None, (caller, accepted)):
        _try(lambda sock=sock: sock.send(b"x" * 5000))
    _let_pass(stacks, 10)
    for sock in filter(None, (caller, accepted)):
        _try(lambda sock=sock: sock.recv(10_000))
        _try(lambda sock=sock: sock.shutdown())
        _let_pass(stacks, 10)
    for sock in filter(None, (caller, accepted)):
        _try(lambda sock=sock: sock.recv(10_000))
        _try(lambda sock=sock: sock.close())
    _let_pass(stacks, 900)
    listener.close()
    assert all(connection.state is not CLOSED for stack in stacks for connection in stack.connections.values())


def _try(call: object) -> None:
    """Make a call that the defect may have refused."""
    try:
        call()  # type: ignore[operator]
    except OSError:
        return


def _let_pass(stacks: list[Stack], seconds: float, steps: int = 2000) -> None:
    """Carry segments to and fro for so long; a war of segments without end ends with the steps."""
    until = stacks[0].now + int(seconds * NS)
    for _ in range(steps):
        for stack in stacks:
            for datagram in stack.poll():
                for other in stacks:
                    if other is not stack:
                        other.arrive(datagram)
        timers = [timer for stack in stacks if (timer := stack.next_timer()) is not None]
        busy = any(stack._sent for stack in stacks)
        now = stacks[0].now if busy else min([*timers, until])
        if not busy and stacks[0].now >= until:
            return
        for stack in stacks:
            stack.advance(max(now, stack.now))


def test_the_sound_stack_carries_what_the_defects_are_tried_with() -> None:
    client, server = Stack([THERE.address], key=b"client"), Stack([HERE.address], key=b"server")
    listener, caller = server.socket(), client.socket()
    listener.listen(HERE)
    caller.connect(HERE, THERE)
    _let_pass([client, server], 1)
    accepted = listener.accept()
    assert accepted.status() is ESTABLISHED
    caller.send(b"x" * 5000)
    _let_pass([client, server], 1)
    assert accepted.recv(10_000) == b"x" * 5000


# --- by name ---------------------------------------------------------------------------------------------------------


def test_a_defect_is_found_by_its_name() -> None:
    assert defective("D42") is defective("d42") is DEFECTS["D42"]


def test_an_unknown_defect_names_its_neighbours() -> None:
    with pytest.raises(UnknownDefect, match="there is no defect 'D4x'") as caught:
        defective("D4x")
    assert caught.value.near
    assert set(caught.value.near) <= set(DEFECTS)


def test_what_turned_out_to_be_allowed_is_no_defect_any_more_and_the_message_says_which_variant_it_is() -> None:
    assert set(ALLOWED).isdisjoint({*DEFECTS, *INTERACTIONS})
    for name, variant in ALLOWED.items():
        assert varied(variant).title
        with pytest.raises(UnknownDefect) as caught:
            defective(name)
        assert str(caught.value) == f"there is no defect {name!r}: it is allowed, and the variant {variant!r} does it"


def test_the_target_has_the_defect_and_says_so() -> None:
    target = registry.open_target(registry.parse("reference,defect=D42"), Settings())
    assert target.facts.details["defect"] == f"D42: {DEFECTS['D42'].title}"
    assert target.facts.name == "reference,defect=D42"


def test_an_unknown_defect_makes_no_target() -> None:
    with pytest.raises(UnusableTarget, match="no defect 'D999'") as caught:
        registry.open_target(registry.parse("reference,defect=D999"), Settings())
    assert "nearest: D" in caught.value.hint
