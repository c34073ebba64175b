"""A conversation that was played, written in the vocabulary of cases: blocks of a stimulus and what the target did.

A block is what a case says in one breath: a call or a segment of the peer (or that time passes), then each segment that
the target sent because of it, and the state that it was in.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.case.peer_side import DEFAULT_MSS
from harness.explore.icmp_errors import PREFIX
from harness.explore.link import ANEW, Link
from harness.explore.plan import TOLD
from harness.explore.talk import Talk
from harness.spec.history.world import PERIOD
from harness.spec.options import mss
from harness.spec.segment import ACK, RST, SYN, Segment, flag_names
from harness.trace.events import Event, Kind, Mark
from harness.wire import codec

#: A first repetition comes within this time: RFC 6298 rounds small timeouts up to 1 s, or starts with 3 s.
FIRST_RTO_S = 3.5
#: A state that nobody has to name.
_NO_STATE = ""


class Inexpressible(Exception):
    """A case can't say this."""


@dataclass(slots=True)
class Block:
    """A stimulus as it is compared (`key`) and as it is written, and the lines of what followed."""

    key: str
    lines: list[str]
    side: str = ""
    demands: list[str] = field(default_factory=list)
    #: The state behind it, by side; "" where it can't be seen.
    state: str = _NO_STATE
    found: bool = False
    waits: bool = False


class Transcript:
    """Reads the events of a talk. `exact`: intervals are what the case is about."""

    def __init__(self, talk: Talk, *, exact: bool = False) -> None:
        self.talk = talk
        self.exact = exact
        self.blocks: list[Block] = []
        self.seconds = 0.0
        self._links = {link.connection.index: link for link in talk.all_links.values()}
        self._written: dict[int, int] = {}
        self._read: dict[int, int] = {}
        self._iss: dict[int, int] = {}
        self._wait: tuple[Event, float] | None = None
        self._since_ns = talk.conversation.start_ns
        for link in talk.all_links.values():
            if link.form:
                raise Inexpressible(f"packets are {link.form} in it")
        events = talk.conversation.events
        for at, event in enumerate(events):
            self._take(event, events[at + 1 :])
        self._end_wait(events[-1].time_ns if events else 0)

    # --- events ------------------------------------------------------------------------------------------------------

    def _take(self, event: Event, rest: list[Event]) -> None:
        if event.kind in (Kind.CALL, Kind.SENT, Kind.WAIT) or self._is_anew(event):
            self._end_wait(event.time_ns)
        if event.kind is Kind.CALL:
            self._call(event)
        elif event.kind is Kind.SENT:
            self._sent(event)
        elif event.kind is Kind.WAIT:
            self._wait = (event, _seconds_of(event.text))
            self._since_ns = max(self._since_ns, event.time_ns)
            self.blocks.append(Block(f"wait {event.text}", [], self._side(event), waits=True))
        elif event.kind is Kind.RECEIVED:
            self._received(event)
        elif event.kind is Kind.STATE and self.blocks:
            self.blocks[-1].state, self.blocks[-1].side = event.text, self._side(event)
        elif self._is_anew(event):
            self._anew(event, rest)
        elif event.text.startswith(PREFIX):
            raise Inexpressible("ICMP errors come in it, about numbers that a case has no word for")
        if self.blocks and (event.mark is not Mark.NONE or event.kind is Kind.EXPECTED):
            self.blocks[-1].found = True

    def _is_anew(self, event: Event) -> bool:
        return event.kind is Kind.NOTE and event.text == ANEW

    def _anew(self, event: Event, rest: list[Event]) -> None:
        at = event.connection
        syn = next((e.segment for e in rest if e.kind is Kind.SENT and e.connection == at and _is_syn(e)), None)
        if syn is None:
            raise Inexpressible("a connection begins anew that never does")
        step = syn.seq - self._iss.get(at, 0)
        self._iss[at], self._written[at], self._read[at] = syn.seq, 0, 0
        self.blocks.append(Block(ANEW, [f"{self._peer(event)}.renew({step})"], self._side(event)))

    def _call(self, event: Event) -> None:
        name, _bracket, octets = event.text.partition("(")
        if name in TOLD or event.text.endswith("returns"):
            raise Inexpressible("cases have no verbs for what the application is told in it")
        answer = event.annotations[-1].removeprefix("= ") if event.annotations else "ok"
        if answer != "not possible here":
            line = self._line_of_call(event, name, int(octets.rstrip(")") or 0), answer)
            self.blocks.append(Block(f"{name}({octets} #{event.connection}", [line], self._side(event)))
            self._since_ns = event.time_ns

    def _line_of_call(self, event: Event, name: str, octets: int, answer: str) -> str:
        side, at = self._side(event), event.connection
        failed = f"errno.{answer}" if answer.isupper() else ""
        if name == "recv":
            if answer.endswith(" octets"):
                count, first = int(answer.split()[0]), 1 + self._read.get(at, 0)
                self._read[at] = self._read.get(at, 0) + count
                return f"{side}.must_deliver({self._data(first, count, self._links[at].salt)})"
            if failed:
                return f"{side}.must_not_deliver()" if answer == "EAGAIN" else f"{side}.must_report({failed})"
            return f"{side}.must_deliver(EOF)"
        if name == "send":
            taken = int(answer.split()[0]) if answer.endswith("taken") else octets
            first = 1 + self._written.get(at, 0)
            if not failed:
                self._written[at] = self._written.get(at, 0) + taken
            data = self._data(first, taken, self._links[at].salt - 5)
            return f"{side}.send({data}{f', refused={failed}' if failed else ''})"
        if name == "accept":
            return f"{side}.accept_must_block()" if answer == "EAGAIN" else f"{side}.accept()"
        method = {"unlisten": "close_listener"}.get(name, name)
        words = [f"backlog={octets}"] if name == "listen" and octets else []
        return f"{side}.{method}({', '.join([*words, *([f'refused={failed}'] if failed else [])])})"

    def _sent(self, event: Event) -> None:
        segment = event.segment
        assert segment is not None
        seq = segment.seq - self._iss.get(event.connection, 0)
        words = [_flags(segment)]
        if segment.payload:
            first = segment.seq + bool(segment.flags & SYN)
            words.append(self._data(first, len(segment.payload), self._links[event.connection].salt))
        words.append(f"seq={seq}")
        words += [f"ack={segment.ack}"] if segment.flags & ACK else []
        words += [f"window={segment.window}"] if segment.window != 65535 else []
        usual = mss(DEFAULT_MSS) if segment.flags & SYN else b""
        words += [f"options={segment.options!r}"] if segment.options != usual else []
        line = f"{self._peer(event)}.send({', '.join(words)})"
        self.blocks.append(Block(f"{line}", [line], self._side(event)))
        self._since_ns = event.time_ns

    def _received(self, event: Event) -> None:
        segment = event.segment
        assert segment is not None
        if not self.blocks:
            raise Inexpressible("the target speaks first")
        wire = codec.decode(event.packet).segment
        zero = segment.flags & RST and not segment.flags & ACK and not wire.seq
        words = [_flags(segment), f"seq={'Absolute(0)' if zero else segment.seq}"]
        words += [f"ack={segment.ack - self._iss.get(event.connection, 0)}"] if segment.flags & ACK else []
        if segment.payload:
            link = self._links[event.connection]
            words.append(f"data={self._data(segment.seq, len(segment.payload), link.salt - 5)}")
        expected, side = ", ".join(words), self._side(event)
        block = self.blocks[-1]
        if self._wait is None:
            block.demands.append(f"{side}.must_send({expected})")
            return
        passed = (event.time_ns - self._since_ns) / 1e9
        if self.exact:
            verb, seconds = "must_send_after", round(passed, 1)
        else:
            verb, seconds = "must_send_within", max(FIRST_RTO_S, math.ceil(passed * 1.25))
        block.demands.append(f"yield from {self._watch(event)}.{verb}({seconds:g}, {expected})")
        self._since_ns = event.time_ns
        self.seconds += seconds

    def _end_wait(self, now_ns: int) -> None:
        """Write down that a wait went on in silence: to its end, or at all."""
        if self._wait is None:
            return
        event, seconds = self._wait
        self._wait = None
        rest = seconds - (self._since_ns - event.time_ns) / 1e9
        if event.text.startswith("up to") and self.blocks[-1].demands:
            return
        if rest > 0.1:
            self.blocks[-1].demands.append(f"yield from {self._watch(event)}.must_stay_silent({rest - 0.05:g})")
            self.seconds += rest

    # --- words -------------------------------------------------------------------------------------------------------

    def _data(self, first: int, octets: int, salt: int) -> str:
        start = (first + salt) % PERIOD
        return f"DATA[{start}:{start + octets}]"

    def _suffix(self, event: Event) -> str:
        link = self._links.get(event.connection)
        return self._suffix_of(link) if link is not None else ""

    def _suffix_of(self, link: Link) -> str:
        return "" if link is next(iter(self.talk.all_links.values())) else f"_{link.number}"

    def _side(self, event: Event) -> str:
        return f"target{self._suffix(event)}"

    def _peer(self, event: Event) -> str:
        return f"peer{self._suffix(event)}"

    def _watch(self, event: Event) -> str:
        return f"watch{self._suffix(event)}"

    def with_beginnings(self, lines: Sequence[str]) -> list[str]:
        """Return the lines of a case with those put in by which connections begin, each before the first about it."""
        found = list(lines)
        for link in self.talk.all_links.values():
            suffix = self._suffix_of(link)
            names = (f"target{suffix}.", f"peer{suffix}.", f"watch{suffix}.")
            first = next((at for at, line in enumerate(found) if any(name in line for name in names)), None)
            if first is not None:
                found[first:first] = self._beginning(link, suffix)
        return found

    def _beginning(self, link: Link, suffix: str) -> Iterator[str]:
        first = next(iter(self.talk.all_links.values()))
        here, there = first.connection.tuple4, link.connection.tuple4
        if link is not first:
            apart = [] if here.port == there.port else [f"port={3000 + link.number}"]
            apart += [f"address={there.address!r}"] if there.address != here.address else []
            yield f"target{suffix}, peer{suffix} = target.beside({', '.join(apart)})"
        traits = [trait for move in self.talk.plan if move.link == link.number for trait in move.like]
        if any(trait.startswith("iss=") for trait in traits):
            yield f"peer{suffix}.choose_iss({link.connection.peer_iss:#x})"
        if f"watch{suffix}." in "\n".join(line for block in self.blocks for line in block.demands):
            yield f"watch{suffix} = Stopwatch(target{suffix})"


def _is_syn(event: Event) -> bool:
    return event.segment is not None and bool(event.segment.flags & SYN)


def _flags(segment: Segment) -> str:
    names = [name for name in flag_names(segment.flags).split(",") if name and name != "PSH"]
    return " | ".join(names) or "NO_FLAGS"


def _seconds_of(text: str) -> float:
    """Return the time of a note such as ``up to 130 s pass``."""
    return next((float(word) for word in text.split() if word.replace(".", "").replace("e+", "").isdecimal()), 0.0)
