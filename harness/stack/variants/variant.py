"""What a variant is: a stack that is correct, but different; and the decorator that declares one on its class."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.stack.defects.defect import AnyPart, stack_with
from harness.stack.stack import Stack


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that the specifications leave open, decided otherwise than the reference stack decides it.

    `name` says what varies, `title` in one sentence how. `allows` is the sentence that leaves it open, in our words,
    and `sections` where it stands. `config` are fields of `Config` with other values, in ordinary and timer cases
    alike. `lacks` are capabilities (by the names of `harness.targets.protocol`) that such a stack does not claim.
    """

    name: str
    title: str
    allows: str
    sections: tuple[str, ...]
    stack_class: type[Stack] = Stack
    config: Mapping[str, object] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()


#: Every variant declared so far, by name.
DECLARED: dict[str, Variant] = {}


def variant(
    name: str,
    title: str,
    *sections: str,
    allows: str,
    lacks: tuple[str, ...] = (),
    **config: object,
) -> Callable[[AnyPart], AnyPart]:
    """Declare the class below as a variant; a part of the stack is put into a stack that is the reference otherwise."""

    def declare(part: AnyPart) -> AnyPart:
        _add(Variant(name, title, allows, sections, stack_with(part), config, frozenset(lacks)))
        return part

    return declare


def settings_variant(
    name: str, title: str, *sections: str, allows: str, lacks: tuple[str, ...] = (), **config: object
) -> None:
    """Declare a variant that is the reference stack with other settings."""
    _add(Variant(name, title, allows, sections, Stack, config, frozenset(lacks)))


def _add(made: Variant) -> None:
    if made.name in DECLARED:
        raise ValueError(f"variant {made.name!r} is declared twice")
    DECLARED[made.name] = made
