"""Residue: after each way to end, the same pair serves again, passively and actively, and nothing of before shows."""

from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.kinds.needs import needs_of
from harness.explore.notation import generated_from
from harness.explore.plan import moves
from harness.explore.run import Generated

#: What ends each state. A connection that nobody has accepted is accepted behind its end: else the next one's accept()
#: is for it. In SYN-SENT no other reset counts.
_RESETS = {"syn-sent": "RA@i,r"} | {state: "R@p accept" for state in bases.STATES if state.startswith("unaccepted")}
#: Ways to end, in the order of what happens: whole conversations up to the end, with what the old one may leave behind.
ENDINGS = {
    "orderly-by-peer": "listen S@i~s.w7.t+0 A@p,r accept send:100 A@p,r FA@p,r close A@p,r",
    "orderly-by-target": "listen S@i~s.w7.t+0 A@p,r accept A@p,r/10 recv:100 close A@p,r FA@p,r wait:300000",
    "orderly-active": "connect SA@i,r~s.w7.t+0 send:100 A@p,r close A@p,r FA@p,r wait:300000",
    "crossed": "listen S@i A@p,r accept close FA@p,u A@p,r wait:300000",
    "reset": "listen S@i~w7 A@p,r accept send:100 R@p",
    "reset-and-ack": "listen S@i~t+0 A@p,r accept send:3000 RA@p,u",
    "reset-behind-text": "listen S@i A@p,r accept A@p,r/10 R@p recv:100",
    "reset-unread-gap": "listen S@i A@p,r accept A@p+10,r/10 R@p",
    "reset-shut": "listen S@i A@p,r%0 accept send:100 await R@p",
    "reset-retransmitting": "listen S@i A@p,r accept send:100 await await await R@p",
    "reset-active": "connect SA@i,r~s.w7.t+0 send:100 RA@p,u",
    "reset-close-wait": "listen S@i A@p,r accept FA@p,r send:100 R@p",
    "reset-fin-wait-1": "listen S@i A@p,r accept send:100 close R@p",
    "reset-fin-wait-2": "listen S@i A@p,r accept shutdown A@p,r R@p",
    "reset-last-ack": "listen S@i A@p,r accept FA@p,r close await R@p",
    "reset-closing": "listen S@i A@p,r accept shutdown FA@p,u await R@p",
    "reset-time-wait": "listen S@i A@p,r accept shutdown A@p,r FA@p,r R@p",
    "reset-syn-received": "listen S@i~w7.t+0 R@p",
    "reset-syn-received-late": "listen S@i await await R@p",
    "refused": "connect RA@i,r",
    "refused-late": "connect await await RA@i,r",
    "refused-behind-minutes": "connect wait:100000 RA@i,r",
    "refused-crossing": "connect S@i R@p",
    "aborted": "listen S@i A@p,r accept send:100 abort",
    "aborted-shut": "listen S@i A@p,r%0 accept send:100 await abort",
    "aborted-active": "connect SA@i,r~w7.t+0 send:3000 abort",
    "aborted-close-wait": "listen S@i A@p,r accept FA@p,r send:100 abort",
    "aborted-fin-wait-2": "listen S@i A@p,r accept shutdown A@p,r abort",
    "closed-opening": "connect close",
    "aborted-opening": "connect await abort",
    "given-up": "listen S@i A@p,r accept send:100 wait:4000000",
    "given-up-fin": "listen S@i A@p,r accept close wait:4000000",
    "given-up-last-ack": "listen S@i A@p,r accept FA@p,r close wait:4000000",
    "given-up-opening": "connect wait:4000000",
    "given-up-syn-received": "listen S@i wait:4000000",
    "unread": "listen S@i A@p,r/100 accept close FA@p,r A@p,r wait:300000",
    "reopened": "listen S@i A@p,r accept shutdown A@p,r FA@p,r fresh S@i A@p,r accept FA@p,r close A@p,r",
    "reopened-long": "listen S@i A@p,r accept shutdown A@p,r FA@p,r fresh S@i A@p,r accept wait:600000 A@p,r/10 recv:9",
    "listener-closed-late": "listen S@i A@p,r accept shutdown A@p,r FA@p,r unlisten wait:1000 again wait:300000",
    "fallen-back": "listen S@i A@p,r accept shutdown A@p,r FA@p,r fresh S@i R@p wait:300000",
    "listener-closed": "listen S@i A@p,r accept unlisten shutdown A@p,r FA@p,r FA@p-1,r wait:300000",
    "delayed-reset": "1{delay=200}:listen S@i A@p,r accept A@p,r/10 R@p",
    "delayed-reset-and-ack": "1{delay=200}:listen S@i A@p,r accept send:10 A@p,u/10 A@p,r/10 RA@p,u",
    "delayed-aborted": "1{delay=200}:connect SA@i,r A@p,r/10 recv:100 abort",
    "urgent-reset": "listen S@i A@p,r accept urgent:10 R@p",
    "urgent-shut": "listen S@i A@p,r%0 accept urgent:100 await R@p",
    "urgent-aborted": "connect SA@i,r urgent:10 abort",
    "urgent-in": "listen S@i A@p,r accept UA@p+10,r/10 UA@p,r/5 R@p",
    "kept-alive": "listen S@i A@p,r accept keep-alive:5 A@p,r R@p",
    "kept-alive-unanswered": "listen S@i A@p,r accept keep-alive:5 wait:7000 R@p",
    "patient": "listen S@i A@p,r accept timeout:9000 send:10 A@p,r R@p",
    "shrunk": "listen S@i A@p,r accept send:100 A@p,u%10 send:100 await R@p",
    "shut-unread": "listen S@i A@p,r accept fill R@p",
    "gaps": "listen S@i~s.w7.t+0 A@p,r accept A@p+10,r/10 A@p+30,r/10 FA@p+60,r/5 R@p",
    "duplicates": "listen S@i A@p,r accept send:9000 A@p,r A@p,r A@p,r A@p,r A@p,r R@p",
    "soft-error": "listen S@i A@p,r accept send:100 soft@u R@p",
    "hard-error": "listen S@i A@p,r accept send:100 hard@u R@p",
    "crossing-reset": "connect S@i send:10 R@p",
    "crossing-closed": "connect S@i shutdown R@p",
    "listener-anew": "listen S@i~s A@p,r accept shutdown A@p,r FA@p,r unlisten listen",
    "permitted-reset": "listen S@i~s.t+0 A@p,r accept A@p,r/10 soft@n R@p",
    "permitted-active": "connect SA@i,r~s.w7 A@p+10,r/10 soft@n RA@p,r",
} | {f"in-{state}": f"{text} {_RESETS.get(state, 'R@p')}" for state, text in bases.STATES.items() if state != "listen"}
#: What comes behind, with other options; * is a silence in which all old deadlines pass.
AGAIN = {
    "passive": "listen S@i A@p,r/10 accept recv:100 send:100 A@p,r * send:10 A@p,r FA@p,r close A@p,r",
    "passive-options": "listen S@i~s.w3.t+0 A@p,r accept * A@p,r/10 recv:100 send:3000 A@p,r close A@p,r FA@p,r",
    "passive-loss": "listen lose:1 S@i recover A@p,r accept lose:2 send:100 recover lose:1 close recover FA@p,r",
    "passive-small": "listen S@i A@p,r%20 accept send:100 await A@p,r%20 await A@p,r close A@p,r FA@p,r",
    "active-small": "unlisten connect SA@i,r%20 send:100 await A@p,r%20 send:10 await A@p,r close A@p,r FA@p,r",
    "simultaneous-small": "unlisten connect S@i%20 SA@i,r%20 send:100 await A@p,r%20 await A@p,r FA@p,r close",
    "active": "unlisten connect SA@i,r send:100 A@p,r * A@p,r/10 recv:100 shutdown A@p,r FA@p,r",
    "active-options": "unlisten connect SA@i,r~s.w3.t+0 A@p,r/10 * recv:100 send:3000 A@p,r FA@p,r close A@p,r",
    "active-loss": "unlisten lose:2 connect recover SA@i,r lose:1 send:100 recover FA@p,r close A@p,r",
    "simultaneous": "unlisten connect S@i SA@i,r send:10 A@p,r FA@p,r close A@p,r",
    "passive-without": "listen S@i~m0 A@p,r accept A@p,r%700 send:300 wait:3000 A@p,r send:3000 A@p,r FA@p,r close",
    "active-without": "unlisten connect SA@i,r~m0 A@p,r%700 send:300 wait:3000 A@p,r send:3000 A@p,r close",
    "opened-again": "listen unlisten listen accept S@i A@p,r/10 accept recv:100 close A@p,r FA@p,r",
    "late-segments": "A@p,n FA@p,n R@p A@p,n/10 listen S@i A@p,r accept A@p,r/10 recv:10 send:10 A@p,r",
    "gaps": "listen S@i~m0 A@p,r/4 accept A@p+10,r/10 A@p+30,r/5 send:10 A@p,r A@p,r/10 recv:9 recv:100 FA@p,r",
    "given-up": "listen S@i~m0 A@p,r accept send:10 wait:2000000 send:1 recv:1",
    "given-up-active": "unlisten connect wait:3000000 recv:1",
    "reset-late": "listen S@i~m0 A@p,r/5 accept recv:9 send:10 A@p,u/3 wait:3000 R@p recv:9 recv:1 send:1",
    "probed": "A@p,n R@p listen S@i A@p,r%0 accept send:10 await await A@p,r close A@p,r FA@p,r",
}
_SILENCE_MS = 800_000


#: What is compared with the same on a pair on which nothing was before: timeouts, and how much is sent at once.
COMPARED = {
    "text": "listen S@i A@p,r accept mark lose:4 send:100 wait:12000",
    "fin": "listen S@i A@p,r accept mark lose:4 close wait:12000",
    "syn-ack": "listen mark lose:4 S@i wait:12000",
    "syn": "unlisten mark lose:4 connect wait:12000",
    "shut": "listen S@i A@p,r%0 accept mark send:100 wait:12000",
    "syn-ack-for-long": "listen mark S@i wait:170000",
    "syn-for-long": "unlisten mark connect wait:170000",
    "text-for-long": "listen S@i A@p,r accept mark send:100 wait:280000",
    "much": "listen S@i A@p,r accept mark send:40000 wait:100",
    "much-active": "unlisten connect SA@i,r mark send:40000 wait:100",
}


def generate() -> Iterator[Generated]:
    """Yield each ending with each beginning behind it, and with each that is compared."""
    for ending, before in ENDINGS.items():
        former = " ".join(f"[{word}]" for word in f"{before} close fresh".split())
        for name, after in COMPARED.items():
            made = generated_from(f"{former} {after}", f"{ending}.as-{name}", "residue")
            yield replace(made, slow=True, needs=needs_of(before))
    for ending, before in ENDINGS.items():
        for again, after in AGAIN.items():
            plan = moves(f"{before} close fresh {after.replace('*', f'wait:{_SILENCE_MS}')}")
            yield Generated("residue", f"{ending}.{again}", plan, slow=True, needs=needs_of(before))
