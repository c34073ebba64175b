"""Before accept(): whatever happens to a connection that nobody has accepted yet; then `accept()` and what it gives."""

import itertools
from collections.abc import Iterator

from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: What may come over a connection that waits in the queue; %d is its number.
EVENTS = {
    "quiet": "",
    "text": "%d:A@p,r/10",
    "fin": "%d:FA@p,r",
    "text-and-fin": "%d:FA@p,r/10",
    "text-then-fin": "%d:A@p,r/10 %d:FA@p,r",
    "reset": "%d:R@p",
    "reset-and-ack": "%d:RA@p,r",
    "text-then-reset": "%d:A@p,r/10 %d:R@p",
    "fin-then-reset": "%d:FA@p,r %d:R@p",
    "gap": "%d:A@p+10,r/10",
    "challenged": "%d:R@p+10 %d:S@p",
    "shut": "%d:A@p,r%%0",
    "still-opening": None,
}
#: What the application does then with each that it gets.
USES = (
    "%d:recv:100 %d:send:10 %d:A@p,r %d:recv:100",
    "%d:send:100 %d:A@p,r %d:close %d:A@p,r %d:FA@p,r",
    "%d:A@p,r/10 %d:A@p,r/20 %d:recv:1000 %d:FA@p,r %d:recv:1",
)
#: So many connections in a row come over one listener.
SERVED = 20


def generate() -> Iterator[Generated]:
    """Yield one, two and three connections in a queue, with an event each."""
    for names in itertools.chain(((each,) for each in EVENTS), itertools.product(EVENTS, repeat=2)):
        for number, use in enumerate(USES):
            yield _queued("-".join(names) + f".{number + 1}", names, use)
    for names in itertools.product(("reset", "text", "fin", "text-then-reset"), repeat=3):
        yield _queued("-".join(names) + ".1", names, USES[0])
    yield from _late()
    yield from _listener_closed()
    yield from _backlogs()
    yield from _given_back()
    yield from _served()


def _queued(name: str, events: tuple[str, ...], use: str) -> Generated:
    words = ["listen"]
    for number, event in enumerate(events, 1):
        like = "{same-port}" if number > 1 else ""
        words.append(f"{number}{like}:S@i")
        text = EVENTS[event]
        if text is None:
            continue
        words += [f"{number}:A@p,r", _of(text, number)]
    words += ["accept"] * len(events)
    words += [_of(use, number) for number in range(1, len(events) + 1)]
    return Generated("queue", name, moves(" ".join(words)))


#: What may come behind the event before anybody accepts; the listener's own socket is still all that there is.
BEFORE = {"": "", "again": "%d:again", "text": "%d:A@p,r/20", "shut": "%d:A@p,r%%0", "wait": "%d:wait:3000"}


def _late() -> Iterator[Generated]:
    """Connections whose SYN,ACK was lost, once or more often, and the same events before accept()."""
    for (name, event), (more, behind), depth in itertools.product(EVENTS.items(), BEFORE.items(), (1, 2)):
        if event is None:
            continue
        for number, use in enumerate(USES):
            lost = f"listen lose:{depth} S@i {'await ' * depth} A@p,r"
            text = f"{lost} {_of(event, 1)} {_of(behind, 1)} accept 1:error {_of(use, 1)} 1:error"
            needs = frozenset({Capability.READINESS})
            yield Generated("queue", f"late-{depth}.{name}.{more}.{number + 1}", moves(text), slow=True, needs=needs)


def _of(text: str, number: int) -> str:
    return text.replace("%%", "%").replace("%d", str(number))


def _listener_closed() -> Iterator[Generated]:
    """The listener goes with connections in its queue; another one comes."""
    for name, event in EVENTS.items():
        arrived = f"A@p,r {_of(event, 1)}" if event is not None else ""
        for again, behind in (("same", "A@p,r FA@p,r"), ("new", "R@p listen 2{same-port}:S@i 2:A@p,r accept")):
            yield Generated("queue", f"unlisten-{name}.{again}", moves(f"listen S@i {arrived} unlisten {behind}"))


def _backlogs() -> Iterator[Generated]:
    """More connections than a listener has promised to queue; each that is accepted gives its place back."""
    for backlog in (1, 2, 3):
        for extra in (0, 1, 2):
            count = backlog + extra
            opened = [f"{number}{{same-port}}:S@i {number}:A@p,r" if number > 1 else "S@i A@p,r"
                      for number in range(1, count + 1)]  # fmt: skip
            text = f"listen:{backlog} {' '.join(opened)} {' '.join(['accept'] * count)}"
            more = [f"{number}{{same-port}}:S@i {number}:A@p,r accept {number}:FA@p,r"
                    for number in range(count + 1, count + 4)]  # fmt: skip
            yield Generated("queue", f"backlog-{backlog}.{count}", moves(f"{text} {' '.join(more)}"))
            stray = f"listen:{backlog} {' '.join(opened)} {count + 1}{{same-port}}:A@p+5,n+7 {count + 1}:S@i accept"
            yield Generated("queue", f"backlog-{backlog}.{count}-stray", moves(stray))
            resets = " ".join(f"{number}:R@p" for number in range(1, count + 1))
            behind = f"{count + 1}{{same-port}}:S@i {count + 1}:A@p,r accept accept accept"
            text = f"listen:{backlog} {' '.join(opened)} {resets} {behind}"
            yield Generated("queue", f"backlog-{backlog}.{count}-reset", moves(text))


def _given_back() -> Iterator[Generated]:
    """Attempts that end before they are established give their place in the backlog back."""
    for backlog in (1, 2, 3):
        for name, ends in {"reset": "%d:R@p", "given-up": "%d:wait:4000000"}.items():
            words = [f"listen:{backlog}"]
            for number in range(1, backlog + 4):
                like = "{same-port}" if number > 1 else ""
                words += [f"{number}{like}:S@i", _of(ends, number)]
            last = backlog + 4
            words += [f"{last}{{same-port}}:S@i", f"{last}:A@p,r", "accept", f"{last}:FA@p,r"]
            yield Generated("queue", f"{name}-opening.{backlog}", moves(" ".join(words)), slow=name == "given-up")


def _served() -> Iterator[Generated]:
    """A listener serves one connection after the other, more than any table of a small stack has room for."""
    for backlog, (name, use) in itertools.product((1, 3), {"kept": "", "closed": "%d:FA@p,r %d:close"}.items()):
        words = [f"listen:{backlog}"]
        for number in range(1, SERVED + 1):
            like = "{same-port}" if number > 1 else ""
            words += [f"{number}{like}:S@i", f"{number}:A@p,r", "accept", _of(use, number)]
        yield Generated("queue", f"served-{name}.{backlog}", moves(" ".join(words)))
