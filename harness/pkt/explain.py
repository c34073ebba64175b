"""What `tcpspec explain x.pkt` prints: the script as it was read, event by event, and what is not asserted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from harness.pkt import needs, run, shell
from harness.pkt.assertions import Assertion, BadAssertion
from harness.pkt.matching import flag_letters
from harness.pkt.socket_options import IGNORED
from harness.pkt.support import Traits, beyond
from harness.pkt.tree import Call, Code, Event, Icmp, IpFields, Name, Place, Script, Shell, TcpSegment, Udp
from harness.targets.protocol import Capability

WHAT, TIME = 9, 10
#: What can't be played here can't be played anywhere.
_EVERYTHING = Traits("Linux", frozenset(Capability))
_OPTIONS = re.compile(r"<[^<>]*>")
#: So much is shown of an assertion that is none, in characters.
_LONGEST = 80


def explain(script: Script, dialect: str | None = None) -> str:
    """Return the explanation of a script, read by a dialect, or by the one that its words tell."""
    versions = ", ".join(map(str, run.versions(script)))
    lines = [script.name]
    if script.summary:
        lines.append(f"  {script.summary}")
    lines.append(f"  {len(script.events)} events, {versions}, {run.dialect_of(script, dialect)} dialect")
    lines += [f"  --{name}={value}" for name, value in script.options.items() if name != "ip_version"]
    lines.append("")
    unmet = {need.place: need.construct for need in needs.unmet(script, run.versions(script)[0], _EVERYTHING)}
    lines += [f"{line}{_where(event)}" for event in script.events for line in _event(event, unmet)]
    left = sorted(set(_left_out(script)))
    if left:
        lines += ["", f"  not asserted by --pkt-match lenient, the default: {', '.join(left)}"]
    return "\n".join(lines)


def _where(event: Event) -> str:
    names = [name if due else f"not {name}" for name, due in event.only]
    return f"   (where {' and '.join(names)} is defined)" if names else ""


def _event(event: Event, unmet: Mapping[Place, str]) -> Iterator[str]:
    head = f"{event.place.line:>5} {event.time!s:<{TIME}} "
    action = event.action
    match action:
        case TcpSegment(inbound=inbound):
            yield f"{head}{'injects' if inbound else 'expects':<{WHAT}} {_segment(action, event.text)}"
        case Icmp():
            mtu = f" mtu {action.mtu}" if action.mtu is not None else ""
            about = f" about {action.quoted[0]}({action.quoted[1]})"
            yield f"{head}{'injects':<{WHAT}} ICMP {action.type} {action.code}".rstrip() + mtu + about
        case Udp():
            yield f"{head}{'unplayed':<{WHAT}} a UDP datagram of {action.length} octets"
        case Call():
            shown = event.text[event.text.find(action.function + "(") :]
            if (why := unmet.get(event.place)) is not None:
                yield f"{head}{'unplayed':<{WHAT}} {shown} ({why})"
                return
            until = f" (blocks until {event.text.partition('...')[2].split()[0]})" if action.stop_ns is not None else ""
            ignored = action.function == "setsockopt" and any(
                isinstance(each, Name) and each.name in IGNORED for each in action.arguments
            )
            yield f"{head}{'ignores' if ignored else 'calls':<{WHAT}} {shown}{until}"
        case Code():
            yield f"{head}{_claims(' '.join(action.text.split()), action)}"
        case Shell():
            for meaning in shell.meanings(action.text):
                yield f"{head}{_means(meaning)}"


def _claims(shown: str, code: Code) -> str:
    try:
        Assertion(code.text)
    except BadAssertion as error:
        return f"{'unplayed':<{WHAT}} {shown[:_LONGEST]} ({error})"
    return f"{'asserts':<{WHAT}} {shown}"


def _segment(line: TcpSegment, text: str) -> str:
    parts = [f"{line.ports[0]} > {line.ports[1]}"] if line.ports is not None else []
    parts += [f"[{ip}]"] if (ip := _ip(line.ip)) else []
    number = f"{'any' if line.any_seq else line.seq}({line.length}){'!' * line.absolute}"
    parts += [flag_letters(int(line.flags), line.reserved), number]
    parts += [f"ack {line.ack}"] if line.ack is not None else []
    parts += [f"win {line.window}"] if line.window is not None else []
    parts += [f"urg {line.urgent}"] if line.urgent else []
    if line.options is None:
        parts.append("any options")
    elif line.options:
        parts.append(_OPTIONS.findall(text)[-1])
    parts += [f"on the connection of {line.sock}"] if line.sock is not None else []
    words = " ".join(parts)
    return f"{words} ({beyond(line.around)}: not played)" if line.around else words


def _ip(given: IpFields) -> str:
    said = ((field.name, getattr(given, field.name)) for field in fields(given))
    return ", ".join(f"{name} {value}" for name, value in said if value is not None)


def _means(meaning: shell.Meaning) -> str:
    why = f" ({meaning.why})" if meaning.why else ""
    if meaning.unsupported:
        return f"{'unplayed':<{WHAT}} `{meaning.command}`{why}"
    if meaning.settings:
        return f"{'sets':<{WHAT}} " + ", ".join(f"{each.name}={each.value}" for each in meaning.settings)
    if meaning.sleep_s:
        return f"{'waits':<{WHAT}} {meaning.sleep_s:g} s"
    if meaning.state is not None:
        state, count = meaning.state
        return f"{'asserts':<{WHAT}} {'at least 1' if count is None else count} in {state}"
    return f"{'ignores':<{WHAT}} `{meaning.command}`{why}"


def _left_out(script: Script) -> Iterator[str]:
    for event in script.events:
        action = event.action
        if isinstance(action, TcpSegment) and not action.inbound:
            if action.window is not None:
                yield "windows"
            for option in action.options or ():
                if option.name == "wscale":
                    yield "the window scale's shift"
                if option.name == "TS":
                    yield "the values of timestamps"
        if isinstance(action, Call) and "BUF," in event.text:
            yield "sizes of buffers"
