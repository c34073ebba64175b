"""What a seeded defect is, and the decorator that declares one on the class that has it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from harness.stack.connection import Connection
from harness.stack.listener import Listener
from harness.stack.sockets import Socket
from harness.stack.stack import Stack

#: A part of the stack, with one small method replaced.
Part = type[Connection] | type[Listener] | type[Socket] | type[Stack]
AnyPart = TypeVar("AnyPart", bound=type[Connection | Listener | Socket | Stack])


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that a stack does wrong.

    `title` says in one sentence what that is, `sections` what it breaks, `source` where it is known from: a class of
    defect that real stacks have had, a stack, or "own". `stack_class` is the reference stack with this defect.
    """

    name: str
    title: str
    sections: tuple[str, ...]
    source: str
    stack_class: type[Stack]


#: Every defect declared so far, by name.
DECLARED: dict[str, Defect] = {}


def defect(name: str, title: str, *sections: str, source: str = "own") -> Callable[[AnyPart], AnyPart]:
    """Declare the class below as a defect; a part of the stack is put into a stack that is sound otherwise."""

    def declare(part: AnyPart) -> AnyPart:
        if name in DECLARED:
            raise ValueError(f"{name} is declared twice: {part.__name__} and {DECLARED[name].stack_class.__name__}")
        DECLARED[name] = Defect(name, title, sections, source, stack_with(part))
        return part

    return declare


def stack_with(part: Part) -> type[Stack]:
    """Return a stack in which `part` takes the place of its base."""
    if issubclass(part, Stack):
        return part
    kinds = {Connection: "connection_class", Listener: "listener_class", Socket: "socket_class"}
    place = next(place for base, place in kinds.items() if issubclass(part, base))
    return type(part.__name__, (Stack,), {place: part, "__doc__": part.__doc__, "__module__": part.__module__})
