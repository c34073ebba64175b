"""What a seeded defect is, and the decorator that declares one on the class that has it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from harness.stack.connection import Connection
from harness.stack.ip import IpInput
from harness.stack.listener import Listener
from harness.stack.sockets import Socket
from harness.stack.stack import Stack

#: A part of the stack, with one small method replaced.
Part = type[Connection] | type[IpInput] | type[Listener] | type[Socket] | type[Stack]
AnyPart = TypeVar("AnyPart", bound=type[Connection | IpInput | Listener | Socket | Stack])


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that a stack does wrong.

    `title` says in one sentence what that is, `sections` what it breaks, `source` where it is known from: a class of
    defect that real stacks have had, a stack, or "own". `stack_class` is the reference stack with this defect. `kind`
    is the kind of interaction for a defect that shows only where two ordinary things meet, "" for any other.
    """

    name: str
    title: str
    sections: tuple[str, ...]
    source: str
    stack_class: type[Stack]
    kind: str = ""


#: Where a stack names the class of each part.
PLACES: dict[type, str] = {
    Connection: "connection_class",
    IpInput: "ip_class",
    Listener: "listener_class",
    Socket: "socket_class",
}
#: Every defect declared so far, by name.
DECLARED: dict[str, Defect] = {}


def defect(name: str, title: str, *sections: str, source: str = "own", kind: str = "") -> Callable[[AnyPart], AnyPart]:
    """Declare the class below as a defect; a part of the stack is put into a stack that is sound otherwise."""

    def declare(part: AnyPart) -> AnyPart:
        if name in DECLARED:
            raise ValueError(f"{name} is declared twice: {part.__name__} and {DECLARED[name].stack_class.__name__}")
        DECLARED[name] = Defect(name, title, sections, source, stack_with(part), kind)
        return part

    return declare


def of_kind(kind: str) -> Callable[..., Callable[[AnyPart], AnyPart]]:
    """Return the decorator for the defects of one kind of interaction."""
    return partial(defect, kind=kind)


def stack_with(part: Part) -> type[Stack]:
    """Return a stack in which `part` takes the place of its base."""
    if issubclass(part, Stack):
        return part
    place = next(place for base, place in PLACES.items() if issubclass(part, base))
    return type(part.__name__, (Stack,), {place: part, "__doc__": part.__doc__, "__module__": part.__module__})
