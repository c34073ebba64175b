"""Options and scale together: timestamps, window scale and SACK at once, under losses, gaps, small and shut windows."""

from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.kinds.loss import losing
from harness.explore.kinds.needs import needs_of
from harness.explore.plan import Plan, moves
from harness.explore.run import Generated

OFFERS = ("s.w3.t", "w3", "t", "s", "w0.t", "w14.t.s", "s.t", "w15", "s.w3", "m500.s.w7.t", "m0.w2.s", "m536.t")
#: Conversations in which windows and timestamps count.
TALKS = {
    "scaled-window": "A@p,r%2 send:100 A@p,r%2 send:3000 await A@p,r%4 await A@p,r",
    "shut-scaled": "A@p,r%0 send:100 await A@p,r%1 await A@p,r",
    "much": "send:40000 A@p,r%100 A@p,r%5000 A@p,r",
    "old-stamp": "A@p,r/10 A@p,r/10~t-100 recv:100 A@p,r/10",
    "old-stamp-far": "A@n+1000,r/10~t-100 A@p,r/10",
    "same-stamp": "A@p,r/10~t+0 A@p,r/10~t+0 recv:100",
    "no-stamp-reset": "R@p+10 R@p-1 A@p,r/10 recv:100",
    "stamp-outside": "A@e+10,r/10~t+50 A@p,r/10~t-20 A@p,r/10 recv:100",
    "stamp-above-a-gap": "A@p+10,r/10~t+50 A@p,r/10~t-10 recv:100",
    "syn-again": "S@i~w9 A@p,r%2 send:100 A@p,r",
    "fits": "A@p,r%20 send:20 A@p,r%60 send:60 A@p,r%100 send:300 wait:2000 A@p,r",
    "full-segments": "send:5000 A@p,r A@p,r send:5000 A@p,r",
    "full": "A@p,r/100 send:100 A@p,r repeat:110 A@p,r/1400 end recv:100000 A@p,r/100 recv:100000",
    "full-beside-text": "send:100 A@p,r repeat:60 A@p,r/1400 send:10 A@p,r end recv:200000 A@p,r/100",
    "blocks": "A@p+10,r/10 A@p+10,r/20 A@p+60,r/5 send:100 A@p,r A@p,r/10 recv:100",
    "blocks-of-the-peer": "send:100 A@p,u~b send:100 A@p,u%0~b send:100 wait:3000 A@p,u%2000~b await A@p,r",
    "shrunk": "send:10 A@p,r%1000 A@p,r%10 send:100 await A@p,r%10~b await A@p,r",
    "kept-alive": "keep-alive:30 A@p,r/10 recv:100 wait:31000 A@p,r wait:31000 A@p,r send:10 A@p,r",
    "idle": "A@p,r/10 wait:5000 send:10 A@p,r wait:5000 recv:100",
    "two-gaps": "A@p+20,r/10 A@p+40,r/10 A@p,r/10 A@p,r/10 A@p+10,r/10 recv:1000",
}
CLOSED = (
    "close A@p,r FA@p,r",
    "close wait:3000 A@p,r FA@p,r",
    "FA@p,r wait:3000 close A@p,r",
    "wait:3000 abort",
    "wait:4000 close A@p,r FA@p,r",
    "wait:4000 send:10 abort",
)
#: SYNs that come again in SYN-RECEIVED and say something else: what was agreed stays.
LEARNT = {
    "scale": "S@i~w1.s.t+0",
    "no-scale": "S@i~s.t+0",
    "no-timestamps": "S@i~s.w7",
    "nothing": "S@i~m0",
    "small": "S@i~m100.w1.t+0",
    "larger-scale": "S@i~w14.s.t+0",
}
#: What meets an acknowledgment that is delayed.
DELAYED = {
    "echo": "A@p,r/10~t+100 A@p,r/10~t+200 wait:500 recv:100",
    "echo-of-three": "A@p,r/10~t+100 wait:100 A@p,r/10~t+50 wait:300 A@p,r/10~t+50 wait:300 recv:100",
    "with-text": "A@p,r/10~t+100 A@p,r/10~t+10 send:10 A@p,r recv:100",
    "gap": "A@p,r/10 A@p+10,r/10 A@p,r/10 wait:400 recv:100",
    "fin": "A@p,r/10 FA@p,r wait:400 recv:100",
    "bare": "A@p,r/10 A@p,r wait:700 A@p,r/10 A@p,r%1000 wait:700 recv:100",
    "acknowledging": "send:10 A@p,u/10 A@p,r wait:700 recv:100",
    "reset": "A@p,r/10 R@p",
    "reset-after-two": "A@p,r/10 A@p,r/10 A@p,r/10 RA@p,r",
    "challenged": "A@p,r/10 R@p+10 wait:500 A@p,r/10 wait:500 recv:100",
    "old": "A@p,r/10 A@n-10,n/5 wait:500 A@p,r/10 again wait:500 recv:100",
    "far": "A@p,r/10 A@e+10,n/5 wait:500 A@p,r/10 A@n-70000,n wait:500",
    "syn": "A@p,r/10 S@i wait:500 A@p,r/10 S@n+5 wait:500",
    "closing": "A@p,r/10 close wait:500",
    "aborting": "A@p,r/10 abort wait:500",
    "read": "A@p,r/10 recv:100 wait:100 A@p,r/10 recv:100 wait:500",
}


def generate() -> Iterator[Generated]:
    """Yield each talk under each offer and closed in each way, and the usual conversations with a loss each."""
    for offer in OFFERS:
        for opening in ("passive", "active", "simultaneous"):
            for name, talk in TALKS.items():
                if opening == "simultaneous" and name != "much":
                    continue
                for number, closing in enumerate(CLOSED):
                    plan = _offered(moves(f"{bases.OPENINGS[opening]} {talk} {closing}"), offer)
                    full, slow = f"{offer}.{opening}.{name}.{number + 1}", bases.takes_time(plan)
                    yield Generated("options", full, plan, slow=slow, needs=needs_of(talk))
    for offer in ("s.w7.t", "w7", "w5.t"):
        for name, syn in LEARNT.items():
            text = f"listen S@i {syn} A@p,r accept A@p,r%20 send:300 wait:2000 A@p,r A@p,r/10 recv:100 send:3000 A@p,r"
            yield Generated("options", f"{offer}.learnt.{name}", _offered(moves(text), offer), slow=True)
    for offer in ("", "s.w3.t", "t"):
        for opening in ("passive", "active"):
            for name, talk in DELAYED.items():
                for state in ("", "close A@p,r", "shutdown A@p,r", "send:100"):
                    plan = moves(f"{bases.OPENINGS[opening]} {state} {talk} FA@p,r close A@p,r")
                    traits = ("delay=200", *([f"offer={offer}"] if offer else []))
                    plan = (replace(plan[0], like=(*plan[0].like, *traits)), *plan[1:])
                    full = f"delayed.{offer}.{opening}.{name}.{state.partition(' ')[0]}"
                    yield Generated("options", full, plan, slow=bases.takes_time(plan))
    yield from _old_stamps()
    yield from _windows_of_syns()
    for name, plan in bases.usual().items():
        for at in range(1, len(plan)):
            yield Generated("options", f"s.w3.t.{name}.{at}", _offered(losing(plan, at, 1), "s.w3.t"), slow=True)


def _old_stamps() -> Iterator[Generated]:
    """What PAWS rejects is answered in each state (RFC 7323 §5.3), and changes nothing."""
    for state, text in bases.STATES.items():
        if state in ("listen", "syn-sent"):
            continue
        for offer in ("t", "s.w3.t"):
            words = f"{text} A@n,u~t-100 A@n-4,u/4~t-100 FA@n-1,u~t-100 A@n,n+100~t-100 A@p,r"
            plan = _offered(moves(words), offer)
            yield Generated("options", f"{offer}.{state}.all-old", plan, strung=True)


def _windows_of_syns() -> Iterator[Generated]:
    """The window of a SYN is never scaled (RFC 7323 §2.2), that of every other segment is."""
    opened = {
        "passive": "listen S@i%20 A@p,r%{0} accept",
        "passive-text": "listen S@i%20 A@p,r/10%{0} accept recv:100",
        "active": "connect SA@i,r%20",
        "crossing": "connect S@i%20 A@p,r%{0}",
    }
    for offer in OFFERS:
        for opening, text in opened.items():
            for window in (0, 2, 15):
                talk = f"send:300 wait:3000 A@p,r%{window} wait:3000 A@p,r%2 send:10 wait:3000 A@p,r FA@p,r close A@p,r"
                plan = _offered(moves(f"{text.format(window)} {talk}"), offer)
                yield Generated("options", f"{offer}.{opening}.syn-window.{window}", plan, slow=True, strung=True)


def _offered(plan: Plan, offer: str) -> Plan:
    return (replace(plan[0], like=(*plan[0].like, f"offer={offer}")), *plan[1:])
