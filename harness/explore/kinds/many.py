"""Many: one connection after the other and side by side, ended in each way; the last one works as the first did."""

from collections.abc import Iterator

from harness.explore.plan import moves
from harness.explore.run import Generated

#: How one of many lives and ends; %d is its number.
LIVES = {
    "closed-by-peer": "%d:S@i %d:A@p,r accept %d:FA@p,r %d:close %d:A@p,r",
    "closed-by-target": "%d:S@i %d:A@p,r accept %d:close %d:A@p,r %d:FA@p,r",
    "reset": "%d:S@i %d:A@p,r accept %d:R@p %d:close",
    "reset-in-the-queue": "%d:S@i %d:A@p,r %d:R@p accept %d:close",
    "reset-opening": "%d:S@i %d:R@p",
    "aborted": "%d:S@i %d:A@p,r accept %d:abort",
    "left-open": "%d:S@i %d:A@p,r accept %d:A@p,r/10",
    "unread": "%d:S@i %d:A@p,r/10 accept %d:close %d:FA@p,r",
    "text": "%d:S@i %d:A@p,r/10 accept %d:recv:100 %d:send:10 %d:A@p,r %d:FA@p,r %d:close %d:A@p,r",
}
ACTIVE = {
    "connected": "%d:connect %d:SA@i,r %d:FA@p,r %d:close %d:A@p,r",
    "refused": "%d:connect %d:RA@i,r %d:close",
    "aborted": "%d:connect %d:SA@i,r %d:abort",
    "closed-opening": "%d:connect %d:close",
}
COUNTS = (3, 20)
#: One listener with so small a backlog must still serve many that come one by one.
BACKLOGS = (1, 2, 128)


def generate(count: int = 0) -> Iterator[Generated]:
    """Yield rows of connections that end alike, rows that end in turn, and some that live side by side."""
    for many in (count,) if count else COUNTS:
        for name, life in LIVES.items():
            for backlog in BACKLOGS:
                if name == "left-open" and many > 100:
                    continue
                words = [f"listen:{backlog}", *(_one(life, number) for number in range(1, many + 1))]
                yield Generated("many", f"{name}.{many}.{backlog}", moves(" ".join(words)))
        for name, life in ACTIVE.items():
            words = [_one(life, number, share=False) for number in range(1, many + 1)]
            yield Generated("many", f"{name}.{many}", moves(" ".join(words)))
        lives = list(LIVES.values())
        words = ["listen", *(_one(lives[number % len(lives)], number) for number in range(1, many + 1))]
        yield Generated("many", f"in-turn.{many}", moves(" ".join(words)))
    yield from _side_by_side()


def _one(life: str, number: int, *, share: bool = True) -> str:
    like = "{same-port}" if share and number > 1 else ""
    return life.replace("%d", f"{number}{like}", 1).replace("%d", str(number))


def _side_by_side() -> Iterator[Generated]:
    """Two or three at once on one port and on two addresses, their segments interleaved."""
    opened = "listen S@i 2{0}:S@i 2:A@p,r A@p,r accept accept"
    talk = "A@p,r/10 2:A@p,r/7 recv:100 2:recv:100 send:20 2:send:30 2:A@p,r A@p,r"
    ends = {
        "orderly": "FA@p,r 2:FA@p,r 2:close close A@p,r 2:A@p,r",
        "one-reset": "2:R@p A@p,r/10 recv:100 2:recv:1",
        "one-aborted": "2:abort A@p,r/10 recv:100 send:10 A@p,r",
        "both-close": "close 2:close 2:A@p,r A@p,r FA@p,r 2:FA@p,r",
        "one-silent": "send:10 2:send:10 await 2:A@p,r A@p,r",
    }
    for name, end in ends.items():
        text = f"{opened.replace('{0}', '{same-port}')} {talk} {end}"
        yield Generated("many", f"side-by-side.{name}", moves(text), slow="await" in text)
    yield Generated("many", "two-active", moves("connect 2:connect 2:SA@i,r SA@i,r send:10 2:send:10 2:A@p,r A@p,r"))
    yield Generated("many", "active-and-passive", moves("listen 2:connect S@i 2:SA@i,r A@p,r accept 2:send:5 2:A@p,r"))
