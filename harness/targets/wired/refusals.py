"""What is said of a stack that does not start, or that ends before any case: what was seen of it, and what to do."""

from typing import Protocol

from harness.targets.adapter.line import ending_by_signal, ending_with_code
from harness.targets.protocol import UnusableTarget
from harness.targets.wired.link import WireLink
from harness.targets.wired.options import WireOptions, misspelt

#: How long an answer over IPv6 is waited for where there is none over IPv4, in seconds, each of two times.
_NEIGHBOUR_S = 0.2
_DEVICE_HINT = (
    "it is to open the device {if} with no flags but IFF_TAP or IFF_TUN, and IFF_NO_PI; {fd} is the number of one that "
    "is open already"
)
_SLOW_HINT = "start=SECONDS gives it more time"


class Place(Protocol):
    """Where the stack is (`harness.targets.wired.wiring.Place`)."""

    restarts: bool

    def has_opened(self) -> bool:
        """Tell whether somebody has the device open."""

    def last_words(self) -> str:
        """Return the end of what the stack has written."""


def ending(code: int) -> str:
    """Return the words for an end: negative codes are signals."""
    return ending_by_signal(-code) if code < 0 else ending_with_code(code)


def no_start(options: WireOptions, place: Place, link: WireLink, name: str, code: int | None) -> UnusableTarget:
    """Return what is to be said where nobody answers for the target's address; `code`: the program has ended."""
    own, program = options.addresses[4].target[0], options.command[0]
    if meant := misspelt(options.command):
        what = ending(code) if code is not None else f"answers no ARP for {own} within {options.start_s:g} s"
        return _refusal(f"{program} {what}", place, meant)
    if code is not None:
        hint = "is its card the one in braces, and has it what it boots from?" if options.pair else _DEVICE_HINT
        return _refusal(f"{program} {ending(code)}", place, hint)
    silent = f"{program} answers no ARP for {own} within {options.start_s:g} s"
    if options.dhcp:
        given = f"by DHCP it was given {link.given}" if link.given else "it has asked nothing by DHCP"
        return _refusal(silent, place, given)
    if not place.has_opened():
        text = f"{program} runs, and has not opened the device within {options.start_s:g} s"
        return _refusal(text, place, f"{_DEVICE_HINT}; {_SLOW_HINT}")
    if link.reflected:
        return _refusal(f"{silent}: what it is sent it sends back", place, "is it a bridge, or a loop?")
    if link.strangers:
        other = link.strangers.most_common(1)[0][0]
        key = "ip" if place.restarts else "target"
        hint = f"if that is its own address: {name.split(f',{key}=')[0]},{key}={other}"
        return _refusal(f"{silent}, and speaks as {other}", place, hint)
    if 6 in options.addresses and has_ipv6(link, own6 := options.addresses[6].target[0]):
        hint = "the harness needs an IPv4 address too, by which it finds and probes the stack: option ip=…"
        return _refusal(f"{silent}, only over IPv6 for {own6}", place, hint)
    if not place.restarts:
        return _refusal(silent, place, "is it on this cable, up, and has it this address?")
    hint = f"it is to have {options}; another address is option ip=…: {name.split(',ip=')[0]},ip=…; {_SLOW_HINT}"
    return _refusal(silent, place, hint)


def no_program(options: WireOptions, device: str) -> str:
    """Return what to do where the command can't be started: it may be the device's name, as in ``tun:tun0``."""
    kind = device.rstrip("0123456789")
    if len(options.command) == 1 and options.command[0].rstrip("0123456789") == kind:
        form = f"'{kind}:./my-stack {{if}}'"
        return f"behind {kind}: stands the command of the program, which opens the device {{if}}: {form}"
    return "the command is looked for from the folder of the call, and in PATH"


def ended_early(options: WireOptions, place: Place, code: int) -> UnusableTarget:
    """Return what is to be said of a program that ends while it is asked what the cases need to know."""
    text = f"{options.command[0]} {ending(code)} while it was asked the first questions, one connection after the other"
    return _refusal(text, place, "no case has begun: does it serve more than a few connections in its life?")


def has_ipv6(link: WireLink, own: str) -> bool:
    """Ask for the stack's link-layer address over IPv6; tell whether it answers."""
    for _ in range(2):
        link.solicit(own)
        link.wait(_NEIGHBOUR_S)
        link.waiting()
    return link.has_ipv6


def _refusal(text: str, place: Place, hint: str) -> UnusableTarget:
    words = place.last_words()
    return UnusableTarget(text + (f"\n{words}" if words else ""), hint)


def nobody_listens(options: WireOptions, place: Place, link: WireLink, *, refuses: bool) -> UnusableTarget:
    """Return why nobody can be asked: the port is closed (`refuses`), or nothing answers there."""
    addresses, server, words = options.addresses[4], options.server, place.last_words()
    text = f"nobody answers on port {server.port} of {addresses.target[0]}, not even with a reset"
    hint = (
        f"has it a route to {addresses.peer[0]}, and does no firewall drop what is new? "
        "Else another address or port: ip=…, app=echo:7"
    )
    if link.strangers:
        hint = f"it speaks as {link.strangers.most_common(1)[0][0]}: is that its address? option ip=…"
    if refuses:
        text = f"nobody listens on port {server.port} of {addresses.target[0]}: it answers with a reset"
        hint = "another server or port: app=echo:7, app=discard:9, app=daytime:13, app=close:9, app=http:80"
    return UnusableTarget(text + (f"\n{words}" if words else ""), hint)
