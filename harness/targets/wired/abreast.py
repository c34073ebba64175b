"""Several processes that ask one board at the same time: whether that gains anything, and what each has to know.

A board that computes for long answers the later the more it is asked; one that is only far away answers many as fast as
one. Which of the two it is, is measured before the others are started.
"""

import pickle
import time
from collections.abc import Mapping
from dataclasses import replace

from harness.spec import options, seqno
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.targets.protocol import UnusableTarget
from harness.targets.wired.link import WireLink
from harness.targets.wired.probing import Findings
from harness.targets.wired.servers import Server
from harness.targets.wired.trial import ANSWER_LIMIT_S, FAR, Call
from harness.wire import codec

#: So often it is measured: the fastest counts, since a busy machine alone is slow once.
SAMPLES = 5
#: So many times as late may answers come at most, for each process of the run, where they take time at all.
WORTH, NEAR_S = 0.5, 0.02
_ISS = 0x30000000
_ALONE = "leave -n out"
#: What of the link was found by asking.
_LEARNED = ("round_trip_s", "fence", "rounds", "quiet_s", "shows_life", "has_ipv6")


def examine(link: WireLink, path: codec.Path, server: Server, count: int, findings: Findings) -> Findings:
    """Return what was found as it holds for `count` processes; raises UnusableTarget where they would gain nothing."""
    if findings.lonely:
        raise UnusableTarget(f"-n: the server on port {server.port} takes one connection at a time", _ALONE)
    alone = min(_Burst(link, path, server.port, 1).slowest_s for _ in range(SAMPLES))
    bursts = [_Burst(link, path, server.port, count, challenging=_is_still(server)) for _ in range(SAMPLES)]
    slower = max(1.0, min(burst.slowest_s for burst in bursts) / max(NEAR_S, alone))
    if slower > max(WORTH * count, 1 / WORTH):
        what = f"-n: {count} who ask at a time are answered {slower:.1f} times as late as one"
        raise UnusableTarget(f"{what}, so that little would be gained", _ALONE)
    if sum(burst.challenged < count for burst in bursts) > SAMPLES // 2:
        raise UnusableTarget("-n: the board's challenges are limited for all connections together", _ALONE)
    link.quiet_s = None if link.quiet_s is None else link.quiet_s * slower
    return replace(findings, settle_s=findings.settle_s * slower, answer_s=findings.answer_s * slower)


def hand_on(link: WireLink, findings: Findings) -> bytes:
    """Return what a process has found, for the others."""
    return pickle.dumps((findings, {name: getattr(link, name) for name in _LEARNED}))


def take_over(link: WireLink, told: bytes) -> Findings:
    """Take from another process of the same run what it has found."""
    findings, learned = pickle.loads(told)
    for name, value in learned.items():
        setattr(link, name, value)
    assert isinstance(findings, Findings)
    return findings


def _is_still(server: Server) -> bool:
    """Tell whether a server says nothing unasked, which would stand between a challenge and its answer."""
    return not (server.closes_first or server.babbles)


class _Burst:
    """So many connections that are opened at once, and challenged at once if that is asked for."""

    def __init__(self, link: WireLink, path: codec.Path, port: int, count: int, *, challenging: bool = False) -> None:
        self._link, self._path, self._port = link, path, port
        opening = Segment(SYN, _ISS, window=65535, options=options.mss(1460))
        opened, self.slowest_s = self._ask({next(Call.ports): replace(opening) for _ in range(count)})
        if len(opened) < count or any(answer.flags & (SYN | ACK | RST) != SYN | ACK for answer in opened.values()):
            raise UnusableTarget(f"-n: the server on port {port} does not answer {count} SYNs at a time", _ALONE)
        numbers = {own_port: seqno.add(answer.seq, 1) for own_port, answer in opened.items()}
        self.challenged = count
        if challenging:
            self._send({each: Segment(ACK, seqno.add(_ISS, 1), ack, 65535) for each, ack in numbers.items()})
            below = seqno.add(_ISS, 1 - FAR)
            answers, _s = self._ask({each: Segment(ACK, below, ack, 65535) for each, ack in numbers.items()})
            self.challenged = len(answers)
        self._send({each: Segment(RST | ACK, seqno.add(_ISS, 1), ack) for each, ack in numbers.items()})

    def _ask(self, segments: Mapping[int, Segment]) -> tuple[dict[int, Segment], float]:
        """Send a segment from each port; return the first answer to each, and how long the slowest one took."""
        self._link.waiting()
        sent, answers = self._send(segments), dict[int, Segment]()
        deadline, slowest_s = time.monotonic() + ANSWER_LIMIT_S + self._link.patience_s, 0.0
        while len(answers) < len(segments) and (left_s := deadline - time.monotonic()) > 0:
            self._link.wait(left_s)
            for arrival in self._link.waiting():
                segment = codec.decode(arrival.packet).segment
                own_port = segment.destination_port
                if own_port in segments and own_port not in answers:
                    answers[own_port], slowest_s = segment, max(slowest_s, time.monotonic() - sent[own_port])
        return answers, slowest_s

    def _send(self, segments: Mapping[int, Segment]) -> dict[int, float]:
        """Send a segment from each port; return when."""
        sent = {}
        for own_port, segment in segments.items():
            segment.source_port, segment.destination_port = own_port, self._port
            self._link.send(codec.encode(self._path, segment))
            sent[own_port] = time.monotonic()
        return sent
