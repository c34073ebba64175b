"""What is found out about a stack by asking, before any case: options, challenges, how late answers come, the fence.

A capability is what the stack shows; whether it should have it is no question of conformance. What it then does with
it is judged.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.spec import options, seqno
from harness.spec.segment import ACK, CWR, ECE, RST, SYN
from harness.targets.protocol import Addresses, Capability, UnusableTarget, in_parts
from harness.targets.wired import manners, soundness
from harness.targets.wired.channel import GUARD_S
from harness.targets.wired.link import CLOSED_PORT, FENCES, WireLink
from harness.targets.wired.servers import Server
from harness.targets.wired.trial import ANSWER_LIMIT_S, FAR, Call
from harness.wire import codec
from harness.wire.link import LostFence

LISTEN_LIMIT_S = 5.0
#: So often the pace is measured.
PACES = 6
#: The longest round trip that is waited for, and what a first answer is waited for longer that has not come.
FARTHEST_S, NEAR_S = 2.0, 0.1
#: So many answers of a connection must come before those to the fence's probe.
FENCED = 60
#: Where the way is long, as many as there are in so many seconds, and some at least.
FENCED_S, FENCED_LEAST = 10.0, 4
#: So many connections are tried where the program has to be started for each.
FENCED_ONCE = 6
#: How long a server may take to end behind the end of its connection.
FAREWELL_S = 0.2
#: So often a server is asked that may not have come round to listening again yet.
PATIENCE = 10
ONCE_HINT = "it can't be started again here: let it serve for ever, such as nc -k, or socat with fork"
#: Probes behind each other that make one fence, where one alone is overtaken.
ROUNDS = (1, 2)
#: Silence lasts so many times as long as the slowest answer has taken, and so long at least.
SLACK, LEAST_QUIET_S, LEAST_SETTLE_S = 4.0, 0.02, 0.03
#: An ACK is delayed by less than that (MUST-40).
LATEST_ACK_S = 0.5
#: What is due, and proved by no fence, may be so late.
SLOWEST_S = 1.0
#: RFC 5961 §7: challenges may be limited to some in five seconds.
THROTTLE_S = 5.0
CHALLENGES = 4
#: So many handshakes may be under way: in a batch of cases many are left.
CROWD = 24
OFFER = options.mss(1460) + b"\x01" + options.window_scale(7) + b"\x01\x01" + options.SACK_PERMITTED
_STAMPS = options.mss(1460) + b"\x01\x01" + options.timestamps(1000)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found. `lonely`: the server takes one connection at a time. `page`: octets of its answer. In seconds.

    `once`: it takes one in its life, and has to be started for each.

    Where nobody listens, `refuses` tells a reset from silence. `everywhere`: it serves ports of which nobody told.
    """

    listens: bool
    refuses: bool = False
    everywhere: bool = False
    capabilities: frozenset[Capability] = frozenset()
    silence_proof: str = ""
    throttle_s: float = 0.0
    answer_s: float = 0.0
    settle_s: float = LEAST_SETTLE_S
    lonely: bool = False
    once: bool = False
    page: int = 0
    #: Whether it closes when it is to: behind its peer's FIN, or by itself.
    closes: bool = True
    #: Whether it may forget what came just before its peer's FIN.
    hasty: bool = False
    #: What is sent so long behind what it repeats may be a timer's.
    guard_s: float = GUARD_S


def probe(
    link: WireLink,
    addresses: Mapping[int, Addresses],
    server: Server,
    runs: Callable[[], bool],
    limit_s: float = LISTEN_LIMIT_S,
    start_again: Callable[[], None] | None = None,
) -> Findings:
    """Find out all that the cases need to know; the link then proves silence as was found best.

    The server may take `limit_s` to listen; `runs` tells whether its program does, and `start_again` starts it for
    another connection, and waits until it listens, where it has served its only one. Raises LostFence, UnusableTarget.
    """
    path = codec.Path(addresses[4].peer[0], addresses[4].target[0])
    first = first_call(link, path, server.port, runs, limit_s)
    if first is None or not first.open:
        return Findings(listens=False, refuses=first is not None and first.answer is not None)
    soundness.examine(link, ANSWER_LIMIT_S + link.patience_s)
    lonely = not _answers_besides(link, path, server.port)
    elsewhere = Call(link, path, CLOSED_PORT)
    elsewhere.end()
    answer_s, settle_s = paces(first, server)
    first.end()
    time.sleep(FAREWELL_S + link.patience_s)
    once = not _listens_again(link, path, server.port)

    def call(offer: bytes | None = None, flags: int = SYN) -> Call:
        nonlocal once
        opened = None if once else patiently(link, path, server.port, offer, flags)
        if opened is not None and (opened.open or _listens_again(link, path, server.port)):
            return opened
        if start_again is None:
            what = f"the server on port {server.port} takes one connection, and no other behind it"
            raise UnusableTarget(what, ONCE_HINT)
        once = True
        start_again()
        return patiently(link, path, server.port, offer, flags)

    lonely = lonely or once or is_crowded(link, path, server.port)
    closes = manners.examine(call, server)
    hasty = closes and not once and manners.is_hasty(call, server)
    guard_s = _guard_s(call()) if server.echoes else GUARD_S
    found = _options(call) | _challenges(call)
    page = _page(call(), server) if server.question else 0
    closing = server.closes_first or server.babbles
    throttled = closing or is_throttled(call)
    proof = silence_proof(link, call, lambda: once)
    if once and start_again is not None:
        start_again()
    if 6 in addresses and speaks_ipv6(link, addresses[6], server.port):
        found.add(Capability.IPV6)
    throttle_s = THROTTLE_S if throttled else 0.0
    return Findings(
        True,
        everywhere=elsewhere.open,
        capabilities=in_parts(found),
        silence_proof=proof,
        throttle_s=throttle_s,
        answer_s=awaited_s(link, answer_s),
        settle_s=settle_s,
        lonely=lonely or once,
        once=once,
        page=page,
        closes=closes,
        hasty=hasty,
        guard_s=guard_s,
    )


def _answers_besides(link: WireLink, path: codec.Path, port: int) -> bool:
    """Tell whether a second connection opens beside one; a busy machine is slow, so silence is had twice."""
    for _ in range(2):
        second = Call(link, path, port)
        second.end()
        if second.open or second.answer is not None:
            break
    return second.open


def _listens_again(link: WireLink, path: codec.Path, port: int) -> bool:
    """Tell whether a server comes round to another connection; it is not given one, which would be its last."""
    for _ in range(PATIENCE):
        asked = Call(link, path, port, completed=False)
        asked.end()
        if asked.open:
            return True
        time.sleep(0.05)
    return False


def is_crowded(link: WireLink, path: codec.Path, port: int) -> bool:
    """Tell whether a queue of handshakes is so short that others change the answer, as where SYN cookies begin."""
    alone = patiently(link, path, port, OFFER, SYN)
    alone.end()
    crowd = [alone]
    while len(crowd) < CROWD and crowd[-1].open:
        crowd.append(Call(link, path, port, completed=False))
    last = Call(link, path, port, OFFER, completed=False)
    for call in (*crowd[1:], last):
        call.end()
    if last.answer is None or alone.answer is None or not last.open:
        return True
    return len(last.answer.options) < len(alone.answer.options)


def first_call(link: WireLink, path: codec.Path, port: int, runs: Callable[[], bool], limit_s: float) -> Call | None:
    """Call until the server listens: it may start later than the device is answered on. Return the last call.

    How long the way is, is not known before: each answer is waited for longer than the one before.
    """
    deadline, call = time.monotonic() + limit_s, None
    while time.monotonic() < deadline and runs():
        try:
            call = Call(link, path, port)
        except LostFence:
            time.sleep(0.05)
            continue
        if call.open:
            break
        if call.answer is None:
            link.round_trip_s = min(FARTHEST_S, max(2 * link.round_trip_s, NEAR_S))
        time.sleep(0.05)
    link.round_trip_s = call.slowest_s if call is not None else 0.0
    return call


def awaited_s(link: WireLink, late_s: float) -> float:
    """Return how long an answer is waited for that is due, where acknowledgments come `late_s` late.

    Where no fence proves silence a stack may become slower than it was when it was asked, as with the connections that
    it has had; who does not answer at all is waited for once in a while only.
    """
    return max(0.1 if link.quiet_s is None else SLOWEST_S, 2 * late_s)


def patiently(link: WireLink, path: codec.Path, port: int, offer: bytes | None, flags: int) -> Call:
    """Call again where the server has not come round to listening again yet."""
    for _ in range(PATIENCE):
        call = Call(link, path, port, offer, flags)
        if call.open:
            return call
        time.sleep(0.05)
    return call


def paces(call: Call, server: Server) -> tuple[float, float]:
    """Return how late an acknowledgment of text comes, and an echo of it; the first may be delayed.

    The slowest of some samples is left out: a busy machine alone is late once, and each step would wait for that.
    """
    if server.closes_first or server.babbles:
        return LATEST_ACK_S + call.round_trip_s, LEAST_SETTLE_S + SLACK * call.round_trip_s
    *_others, late_s, _latest_s = sorted(_pace(call, server) for _ in range(PACES))
    acknowledged_s = min(LATEST_ACK_S + call.round_trip_s, late_s)
    return acknowledged_s, max(LEAST_SETTLE_S, SLACK * acknowledged_s)


def _pace(call: Call, server: Server) -> float:
    started = time.monotonic()
    answer = call.challenge(ACK, text=b"q")
    if server.echoes:
        if (said := (answer and answer.payload) or call.hear()) != b"q":
            hint = "app=discard:PORT is for a server that reads, app=daytime:PORT for one that closes first"
            what = repr(said) if said else "nothing"
            raise UnusableTarget(f"the server on port {server.port} is no echo server: to b'q' it says {what}", hint)
        call.ack = seqno.add(call.ack, 1)
    call.seq = seqno.add(call.seq, 1)
    return time.monotonic() - started


def _guard_s(call: Call) -> float:
    """Return how soon something may be sent again: a loss probe (RFC 8985 §7.2) comes before any timeout."""
    answer = call.challenge(ACK, text=b"q")
    echoed = bool(answer and answer.payload) or bool(call.hear())
    began = time.monotonic()
    again = echoed and call.hear(GUARD_S)
    earliest_s = time.monotonic() - began
    call.seq = seqno.add(call.seq, 1)  # else the reset lies below the window
    call.end()
    return min(GUARD_S, earliest_s / SLACK) if again else GUARD_S


def _page(call: Call, server: Server) -> int:
    size = call.page(server.question)
    call.end()
    if size is None:
        hint = "app=discard:PORT is for a server that reads, app=daytime:PORT for one that closes unasked"
        raise UnusableTarget(f"the server on port {server.port} does not close behind a GET as HTTP/1.0", hint)
    return size


def _options(call: Callable[..., Call]) -> set[Capability]:
    found = set()
    for offer, kind, capability in (
        (OFFER, options.KIND_WINDOW_SCALE, Capability.WINDOW_SCALE),
        (OFFER, options.KIND_SACK_PERMITTED, Capability.SACK),
        (_STAMPS, options.KIND_TIMESTAMPS, Capability.TIMESTAMPS),
    ):
        opened = call(offer)
        if opened.open and opened.answer and options.find(opened.answer.options, kind) is not None:
            found.add(capability)
        opened.end()
    opened = call(None, SYN | ECE | CWR)
    if opened.answer is not None and opened.answer.flags & ECE:
        found.add(Capability.ECN)
    opened.end()
    return found


def _challenges(call: Callable[..., Call]) -> set[Capability]:
    """Ask each question of RFC 5961 on a connection of its own: challenges may be rare on one."""
    found = set()
    for flags, seq, ack, text, capability in (
        (RST, 100, 0, b"", Capability.RFC5961_RST),
        (SYN, 0, 0, b"", Capability.RFC5961_SYN),
        (ACK, 0, -FAR, b"old", Capability.RFC5961_ACK),
    ):
        opened = call()
        if not opened.is_challenged(flags, seq=seq, ack=ack, text=text):
            opened.end()  # a busy machine is slow: silence counts when it is had twice
            opened = call()
            if not opened.is_challenged(flags, seq=seq, ack=ack, text=text):
                opened.end()
                continue
        found.add(capability)
        opened.end()
    return found


def is_throttled(call: Callable[..., Call]) -> bool:
    opened = call()
    answers = [opened.challenge(ACK, seq=-FAR) for _ in range(CHALLENGES)]
    opened.end()
    return not all(answers)


def silence_proof(link: WireLink, call: Callable[..., Call], once: Callable[[], bool] = lambda: False) -> str:
    """Try which fence comes behind answers of an established connection and of a listener.

    Where none does, it is measured how late they come. Who serves `once` has no listener beside a connection.
    """
    slowest_s, tried, alive = 0.0, [], ""
    for fence in link.fences:
        link.fence, link.rounds = fence, 1
        if not link.is_answered(ANSWER_LIMIT_S + link.patience_s):
            tried.append(f"{fence} is not answered")
            continue
        for link.rounds in ROUNDS:
            asked, late, fence_slowest_s = _tried(link, call, once=once())
            slowest_s = max(slowest_s, fence_slowest_s)
            times = ", twice" if link.rounds > 1 else ""
            if not late:
                return f"fence ({FENCES[fence]}{times}), {asked} of {asked} known answers came before it"
            tried.append(f"{late} of {asked} known answers came behind {fence}{times}")
        alive = alive or fence
    link.rounds = 1
    link.fence, link.shows_life = alive or link.fence, bool(alive)
    link.quiet_s = max(LEAST_QUIET_S, SLACK * (slowest_s or _slowest_s(call)))
    return f"timed silence of {1000 * link.quiet_s:.0f} ms ({'; '.join(tried)})"


def _tried(link: WireLink, call: Callable[..., Call], *, once: bool) -> tuple[int, int, float]:
    """Return how many answers were asked for, how many came behind the fence, and how long the slowest SYN's took."""
    slowest_s, late, asked, deadline = 0.0, 0, 0, time.monotonic() + FENCED_S
    for at in range(FENCED_ONCE if once else FENCED // 3):
        opened = call()
        slowest_s = max(slowest_s, opened.slowest_s)
        try:
            late += not opened.fenced(ACK, seq=-FAR)
            late += not opened.fenced_text()
            opened.end()
            asked += 2
            if not once:
                late += not opened.fenced_opening()
                asked += 1
        except LostFence:
            opened.end()
            return asked + 1, asked + 1, slowest_s
        if (late > 2 and at > 2) or (at + 1 >= FENCED_LEAST and time.monotonic() > deadline):
            break
    return asked, late, slowest_s


def _slowest_s(call: Callable[..., Call]) -> float:
    """Return how long the slowest of some answers takes."""
    calls = [call() for _ in range(PACES)]
    for opened in calls:
        opened.end()
    return max(opened.slowest_s for opened in calls)


def speaks_ipv6(link: WireLink, addresses: Addresses, port: int) -> bool:
    try:
        for _ in range(2):
            link.solicit(addresses.target[0])
            link.wait(0.1 + link.patience_s)
            link.waiting()
        path = codec.Path(addresses.peer[0], addresses.target[0])
        # Who tells of the address is only slow.
        call = patiently(link, path, port, None, SYN) if link.has_ipv6 else Call(link, path, port)
        call.end()
    except LostFence:
        return False
    return call.open
