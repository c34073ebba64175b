"""The grammar of a whole script: options, then events, each a time and what happens then.

Both dialects are read: packetdrill's own, and that of its fork for FreeBSD. They share the lines; what differs is
the symbols (`harness.pkt.symbols`) and the commands (`shell.toml`).
"""

import difflib
import errno
import re
from dataclasses import replace

from harness.pkt import assertions, expressions, segments
from harness.pkt.conditions import Conditions
from harness.pkt.scanner import MAX_DIGITS, Scanner
from harness.pkt.tree import Action, Call, Clock, Code, Event, Number, Place, Script, Shell, Time

#: What a script may set at its head, and what it is about; the second says whether it changes what is played.
OPTIONS = {
    "ip_version": "ipv4, ipv6, or ipv4-mapped-ipv6",
    "tolerance_usecs": "how much a time may differ",
    "tolerance_percent": "how much a time may differ, of the time that has passed",
    "tcp_ts_tick_usecs": "how long a tick of the target's timestamps lasts",
    "mtu": "the MTU of the wire",
    "mss": "the MSS that is meant",
    "define": "a symbol and its value",
    "bind_port": "the port that is listened on",
    "connect_port": "the port that is connected to",
    "non_fatal": "what does not end the script",
    "udp_encapsulation": "TCP in UDP",
    "psp_udp_port": "the port of encrypted TCP in UDP (PSP)",
    "init_scripts": "scripts of the shell that run before",
    "tcp_md5_secret": "the key of TCP-MD5",
    "speed": "the speed of the wire",
    "local_ip": "an address of the target",
    "local_linklocal_ip": "an address of the target",
    "remote_ip": "an address of the peer",
    "gateway_ip": "an address of the peer",
    "gateway_linklocal_ip": "an address of the peer",
    "netmask_ip": "the size of the network",
    "wire_client": "which half of packetdrill this is",
    "wire_server": "which half of packetdrill this is",
    "wire_server_at": "where the other half of packetdrill is",
    "wire_server_port": "where the other half of packetdrill is",
    "wire_server_dev": "where the other half of packetdrill is",
    "wire_server_ip": "where the other half of packetdrill is",
    "wire_client_dev": "where the other half of packetdrill is",
    "tun_dev": "the device",
    "persistent_tun_dev": "the device",
    "dry_run": "only read it",
    "verbose": "how much is printed",
    "debug": "how much is printed",
    "no_cleanup": "what is left behind",
    "code_command": "what runs assertions",
    "code_format": "the language of assertions",
    "code_sockopt": "which fields assertions are about",
    "so_filename": "a stack in a library",
    "so_flags": "a stack in a library",
    "is_anyip": "any address is the target's",
    "strict_segments": "how text is cut into segments",
    "tcp_ts_ecr_scaled": "how echoes of timestamps count",
    "send_omit_free": "memory of the client",
}
#: Those whose value is a number.
NUMERIC = ("tolerance_usecs", "tolerance_percent", "tcp_ts_tick_usecs", "mtu", "mss", "bind_port", "connect_port")
#: Errors that FreeBSD has and Linux has not (intro(2)).
_FREEBSD_ERRORS = (
    "EAUTH EBADRPC ECAPMODE EDOOFUS EFTYPE EINTEGRITY ENEEDAUTH ENOATTR ENOTCAPABLE EPROCLIM EPROCUNAVAIL"
    " EPROGMISMATCH EPROGUNAVAIL ERPCMISMATCH"
)
ERRORS = frozenset((*(name for name in dir(errno) if name.startswith("E")), *_FREEBSD_ERRORS.split()))
#: So many events no script has that a person or a generator wrote for one connection.
MAX_EVENTS = 50_000
#: The longest text of commands, in characters.
MAX_COMMANDS = 1 << 16
#: The longest time, in seconds: a month.
MAX_SECONDS = 31 * 86_400

_ONE_TIME = "only what the target sends can come at any time or in a range"
_OPTION = re.compile(r"--([A-Za-z0-9_]+)")
_VALUE = re.compile(r"[ \t]*=[ \t]*(?:\"([^\"\n]*)\"|`([^`]*)`|([^\s]*))|[ \t]+(?!-|//|/\*)([^\s`<>+*\"]+)?")
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")
_DEFINITION = re.compile(r"(\w+)=(.*)", re.DOTALL)
_SECONDS = re.compile(r"(?:[0-9]+(?:\.(?!\.)[0-9]*)?|\.(?!\.)[0-9]+)(?:[eE]-?[0-9]{1,2})?")
_STRANGE_TIME = re.compile(r"-[0-9.]")
_BACKQUOTED = re.compile(r"`([^`]*)`")
_CODE = re.compile(r"%\{(.*?)\}%", re.DOTALL)
_COMMENT = re.compile(r"(?:(?<=\s)|^)//[^\n]*", re.MULTILINE)
_NOTE = re.compile(r"\([A-Za-z][^()\n]*\)")
_ERRNO = re.compile(r"E[A-Z0-9]+")
_LICENCE = re.compile(r"copyright|licen[cs]e|redistribut|warrant|spdx|all rights", re.IGNORECASE)


def parse(name: str, text: str) -> Script:
    """Read a script; raises BadScript with the place of the first thing that is wrong."""
    scanner = Scanner(name, text)
    options, symbols, places = _options(scanner)
    conditions = Conditions(scanner)
    events: list[Event] = []
    while not scanner.at_end():
        if len(events) >= MAX_EVENTS:
            raise scanner.error(f"more than {MAX_EVENTS} events")
        only = conditions.at(scanner.at)
        events.append(replace(_event(scanner), only=only) if only else _event(scanner))
    if not events:
        raise scanner.expected("a time", "`a command`")
    return Script(name, options, symbols, tuple(events), summary(text), places)


def summary(text: str) -> str:
    """Return what the first comment that is no licence says."""
    paragraph: list[str] = []
    for line in text.splitlines():
        words = line.strip()
        if words and not words.startswith(("//", "#", "/*", "*")):
            break
        words = words.strip("/#* ")
        if words and not _LICENCE.search(words):
            paragraph.append(words)
        elif words:
            paragraph = []
        elif paragraph and not _LICENCE.search(" ".join(paragraph)) and len(paragraph) < 12:
            break
        else:
            paragraph = []
    return " ".join(paragraph)[:300]


def _options(scanner: Scanner) -> tuple[dict[str, str], dict[str, str], dict[str, Place]]:
    options: dict[str, str] = {}
    symbols: dict[str, str] = {}
    places: dict[str, Place] = {}
    while scanner.sees("--"):
        at, place = scanner.at, scanner.place()
        found = scanner.match(_OPTION, skip=False)
        name = found[1] if found is not None else ""
        if name not in OPTIONS:
            raise scanner.error(f"there is no option --{name[:24]}: expected one of {', '.join(OPTIONS)}", at)
        value = scanner.match(_VALUE)
        said = next((part for part in value.groups() if part is not None), "") if value is not None else ""
        scanner.skip()
        if name in NUMERIC and not _DECIMAL.fullmatch(said):
            raise scanner.error(f"--{name} takes a number of at most 9 digits, not {said[:24]!r}", at)
        if name == "define":
            definition = _DEFINITION.fullmatch(said)
            if definition is None:
                raise scanner.error("--define takes NAME=VALUE", at)
            symbols[definition[1]] = definition[2]
        else:
            options[name], places[name] = said, place
    return options, symbols, places


def _event(scanner: Scanner) -> Event:
    begin, place = scanner.at, scanner.place()
    # Before the first event, and behind the last one, a command needs no time.
    time = Time(Clock.RELATIVE) if scanner.sees("`") else _time(scanner)
    action = _action(scanner, time, begin)
    written = scanner.text[begin : scanner.at]
    if not isinstance(action, Shell | Code):
        written = _COMMENT.sub("", written)
    return Event(time, action, place, " ".join(written.split()))


def _time(scanner: Scanner) -> Time:
    if scanner.take("*"):
        return Time(Clock.ANY)
    clock = Clock.RELATIVE if scanner.take("+") else Clock.ABSOLUTE
    start = _seconds(scanner)
    if not scanner.sees("~"):
        return Time(clock, start, start)
    at = scanner.at
    scanner.demand("~")
    if clock is Clock.RELATIVE:
        scanner.take("+")
    end = _seconds(scanner)
    if end < start:
        raise scanner.error("this range ends before it begins", at)
    return Time(clock, start, end)


def _seconds(scanner: Scanner) -> int:
    at = scanner.at
    found = scanner.match(_SECONDS)
    if found is None:
        if scanner.match(_STRANGE_TIME):
            raise scanner.error("a time is not negative", at)
        raise scanner.expected("a time")
    if len(found[0]) > 2 * MAX_DIGITS or float(found[0]) > MAX_SECONDS:
        raise scanner.error(f"a time is at most {MAX_SECONDS} seconds", at)
    return round(float(found[0]) * 1e9)


def _action(scanner: Scanner, time: Time, begin: int) -> Action:
    if scanner.sees("<") or scanner.sees(">"):
        packet = segments.packet(scanner)
        if packet.inbound and (time.is_range or time.clock is Clock.ANY):
            raise scanner.error(_ONE_TIME, begin)
        return packet
    if time.clock is Clock.ANY or time.is_range:
        raise scanner.error(_ONE_TIME, begin)
    at = scanner.at
    if (found := scanner.match(_BACKQUOTED)) is not None:
        if len(found[1]) > MAX_COMMANDS:
            raise scanner.error(f"commands of more than {MAX_COMMANDS} characters", at)
        return Shell(found[1].strip())
    if (found := scanner.match(_CODE)) is not None:
        try:
            assertions.Assertion(found[1].strip())
        except assertions.BadSyntax as error:
            raise scanner.error(f"this assertion: {error}", at) from None
        except assertions.BadAssertion:
            pass  # it may be Python, and none that is played
        return Code(found[1].strip())
    if scanner.sees("`"):
        raise scanner.error("this command has no end: expected `")
    if scanner.sees("%{"):
        raise scanner.error("this assertion has no end: expected }%")
    return _call(scanner, time)


def _call(scanner: Scanner, time: Time) -> Call:
    stop = None
    if scanner.take("..."):
        at = scanner.at
        scanner.take("+")
        stop = _seconds(scanner)
        if stop < time.start_ns:
            raise scanner.error("this call returns before it is made", at)
    function = scanner.need(expressions.WORD, "a call, '<', '>', a `command` or %{ an assertion }%")
    if not scanner.sees("("):
        raise scanner.expected("'(' of a call, '<' or '>' before a segment")
    arguments = expressions.arguments(scanner)
    scanner.demand("=")
    result = expressions.expression(scanner)
    error = ""
    if isinstance(result, Number) and result.value < 0:
        error = _error(scanner)
    if scanner.match(_NOTE) is None:
        scanner.could_be("a note in ()")
    return Call(function, arguments, result, error, stop)


def _error(scanner: Scanner) -> str:
    """Read the name of an error, "" if there is none."""
    at = scanner.at
    if (found := scanner.match(_ERRNO)) is None:
        scanner.could_be("an error such as EINVAL")
        return ""
    if found[0] not in ERRORS:
        near = difflib.get_close_matches(found[0], ERRORS, n=1)
        raise scanner.error(f"there is no error {found[0][:24]}" + (f": {near[0]}?" if near else ""), at)
    return found[0]
