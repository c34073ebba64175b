"""What the command lines of scripts mean: they are looked up in a table (`shell.toml`), and never run by that."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness.pkt.support import Traits
from harness.pkt.symbols import LINUX_STATES, SHOWN_STATES
from harness.pkt.tree import Action, Script, Shell
from harness.spec.states import State
from harness.targets.protocol import Capability

_REDIRECTION = re.compile(r"\s*(?:\d?>{1,2}\s*(?:/dev/null|&\d)|2>&1|&>\s*/dev/null)")
_CONTINUED = re.compile(r"\\(?:\s*\n\s*|\s*\Z)")
_SEPARATOR = re.compile(r"\n|;|&&")
_SYSCTL = re.compile(r"(?:sudo )?(?:/usr)?(?:/sbin/)?sysctl((?: +-[a-zA-Z]+)*) +(.+)")
_ASSIGNMENT = re.compile(r"([\w.\-/]+) *= *(\"[^\"]*\"|'[^']*'|\S+)")
_SETTER = re.compile(r"(?:\./|\S*/)?set_sysctls\.py +(.+)")
_ECHO = re.compile(r"echo +(?:-n +)?(\"[^\"]*\"|'[^']*'|\S+) *> *(/proc/sys/net/\S+)")
_ARITHMETIC = re.compile(r"\$\(\( *(\d+(?: *\* *\d+)*) *\)\)")
#: A sleep of more seconds behind all that is judged is for somebody who looks at the target meanwhile.
HOLD_S = 3600
#: No command that the table knows is longer, in characters.
LONGEST = 1000
#: States as /proc/net/tcp has them, two hexadecimal digits.
_KERNEL_STATES = {f"{number:02X}": state for number, state in LINUX_STATES.values()}
#: States as `ss` takes them, which have hyphens, and names for several of them.
_SS_STATES = {
    **{name.lower().replace("_", "-"): state for name, state in SHOWN_STATES.items()},
    **{name.replace("_", "-"): state for name, state in SHOWN_STATES.items()},
    "listening": State.LISTEN,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A sysctl and the value that a script wants it to have."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a command does here. Exactly one of the fields but `command` and `why` says it; none: it is ignored."""

    command: str
    why: str = ""
    settings: tuple[Setting, ...] = ()
    unsupported: bool = False
    sleep_s: float = 0.0
    #: A state, and how many connections are to be in it; None: at least one.
    state: tuple[State, int | None] | None = None
    drops: bool = False
    #: What is to fit through the wire, in octets.
    mtu: int | None = None
    #: A counter, by how much it is to have grown (None: at all), and whether it is counted anew from here on.
    counter: tuple[str, int | None, bool] | None = None
    #: Whether counters are counted anew from here on.
    counts: bool = False
    #: Whether the target forgets what it remembers of hosts.
    forgets: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A setting that the table knows; `harness/pkt/shell.toml` says what the fields mean."""

    names: tuple[str, ...]
    meaning: str
    linux: tuple[str, ...] = ()
    default: str | None = None
    capability: Capability | None = None
    inverted: bool = False
    ignore: bool = False
    ignore_elsewhere: bool = False
    ignore_unless: str | None = None
    optional: bool = False
    divisor: int = 1
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The table of commands and settings."""

    commands: tuple[tuple["re.Pattern[str]", Mapping[str, object]], ...]
    settings: Mapping[str, Known] = field(default_factory=dict)


@cache
def table() -> Table:
    """Return the table, read once."""
    data = tomllib.loads(Path(__file__).with_name("shell.toml").read_text(encoding="utf-8"))
    known: dict[str, Known] = {}
    for entry in data["setting"]:
        capability = Capability(entry.pop("capability")) if "capability" in entry else None
        names, linux = tuple(entry.pop("names")), tuple(entry.pop("linux", ()))
        made = Known(names, linux=linux, capability=capability, **entry)
        known |= dict.fromkeys(names, made)
    return Table(tuple((re.compile(entry["pattern"]), entry) for entry in data["command"]), known)


def meanings(text: str) -> Iterator[Meaning]:
    """Yield what the commands of a text mean, in order."""
    for part in _SEPARATOR.split(_CONTINUED.sub(" ", text)):
        command = " ".join(part.split())
        if command and not command.startswith("#"):
            yield _meaning(command)


def asks_for_counters(script: Script) -> bool:
    """Tell whether a script looks at counters of the kernel."""
    texts = (event.action.text for event in script.events if isinstance(event.action, Shell))
    return any(meaning.counter is not None for text in texts for meaning in meanings(text))


def last_judged(script: Script) -> int:
    """Return which event is the last at which anything is judged: no setting, and no sleep, changes that behind it."""
    return max((at for at, event in enumerate(script.events) if _judges(event.action)), default=0)


def _judges(action: Action) -> bool:
    if not isinstance(action, Shell):
        return True
    return any(meaning.state is not None or meaning.counter is not None for meaning in meanings(action.text))


def _meaning(command: str) -> Meaning:
    if len(command) > LONGEST:
        return Meaning(command[:LONGEST], f"a command of {len(command)} characters", unsupported=True)
    plain = _REDIRECTION.sub("", command).strip()
    settings = (
        ()
        if "||" in plain
        else tuple(_settings(plain if ">" not in command or not _ECHO.fullmatch(command) else command))
    )
    if settings:
        return Meaning(command, settings=settings)
    for pattern, entry in table().commands:
        if (found := pattern.fullmatch(plain)) is None:
            continue
        why = str(entry.get("why", ""))
        match entry["means"]:
            case "ignore":
                return Meaning(command, why)
            case "count":
                return Meaning(command, why, counts=True)
            case "counter":
                grown = int(found[3][:18]) if found[3] else None
                return Meaning(command, counter=(found[2], grown, "s" not in found[1]))
            case "mtu":
                return Meaning(command, why, mtu=int(found[1]))
            case "forget":
                return Meaning(command, why, forgets=True)
            case "drop":
                return Meaning(command, why, drops=True)
            case "sleep":
                return Meaning(command, sleep_s=min(float(found[1]), 86_400.0))
            case "settings":
                sets = entry["sets"]
                assert isinstance(sets, dict)
                return Meaning(command, why, tuple(Setting(name, value) for name, value in sets.items()))
            case "states":
                return _states(command, found, entry)
        return Meaning(command, why, unsupported=True)
    return Meaning(command, "a command that the table does not know", unsupported=True)


def _states(command: str, found: "re.Match[str]", entry: Mapping[str, object]) -> Meaning:
    """Read a question about states; `ss` tells of no connection in CLOSED, and its header is a line as others are."""
    state = SHOWN_STATES.get(found[1].upper()) or _SS_STATES.get(found[1]) or _KERNEL_STATES.get(found[1])
    header = entry.get("header", 0)
    assert isinstance(header, int)
    count = int(found[2]) - header if found[2] else None
    if state is State.CLOSED and command.startswith("ss "):
        return Meaning(command, "ss tells of no connection in CLOSED", unsupported=count != 0)
    if state is None:
        return Meaning(command, unsupported=True)
    return Meaning(command, state=(state, count))


def _settings(command: str) -> Iterator[Setting]:
    if (found := _ECHO.fullmatch(command)) is not None:
        yield Setting(_dotted(found[2]), _value(found[1]))
    elif (found := _SETTER.fullmatch(command)) is not None:
        yield from (Setting(_dotted(name), _value(value)) for name, value in _ASSIGNMENT.findall(found[1]))
    elif (found := _SYSCTL.fullmatch(command)) is not None:
        assigned = _ASSIGNMENT.findall(_ARITHMETIC.sub(_product, found[2]))
        yield from (Setting(_dotted(name), _value(value)) for name, value in assigned)


def _dotted(name: str) -> str:
    return name.removeprefix("/proc/sys/").replace("/", ".")


def _value(text: str) -> str:
    return " ".join(text.strip("\"'").split())


def _product(found: "re.Match[str]") -> str:
    product = 1
    for number in found[1].split("*")[:4]:
        product *= int(number[:20])
    return str(product)


# --- what a setting comes to on a target -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be done for a setting: what to set (nothing: it is so), or what can't be set."""

    sets: tuple[Setting, ...] = ()
    unsupported: str = ""
    #: Whether the setting is one that the table knows: it is understood, and the target has not got it.
    lacking: bool = False


NOTHING = Outcome()


def outcome(setting: Setting, traits: Traits) -> Outcome:
    """Return what a setting comes to on a target with these traits."""
    known = table().settings.get(setting.name)
    if known is None:
        if traits.is_linux and setting.name.startswith(("net.ipv4.", "net.ipv6.", "net.core.")):
            return _unless_set((setting,), traits)
        return Outcome(unsupported=f"sysctl {setting.name}")
    if known.ignore or (known.ignore_unless is not None and setting.value != known.ignore_unless):
        return NOTHING
    if traits.is_linux:
        direct = setting.name.startswith("net.") and not setting.name.startswith("net.inet")
        names = known.linux or ((setting.name,) if direct else ())
        if known.value is not None and not traits.values.keys() >= set(names):
            return NOTHING
        if names:
            return _unless_set(tuple(Setting(name, _in_units(setting, known)) for name in names), traits)
    elif traits.settings.issuperset(names := known.linux or (setting.name,)):
        return _unless_set(tuple(Setting(name, _in_units(setting, known)) for name in names), traits)
    if known.ignore_elsewhere or (known.default == setting.value and not known.inverted):
        return NOTHING
    if known.capability is not None:
        wanted = (setting.value != "0") is not known.inverted
        if traits.claims(known.capability) is wanted:
            return NOTHING
    return Outcome(unsupported=f"sysctl {setting.name}={setting.value}", lacking=True)


def is_optional(setting: Setting) -> bool:
    """Tell whether a script is played all the same where this can't be set."""
    known = table().settings.get(setting.name)
    return known is not None and known.optional


def _in_units(setting: Setting, known: Known) -> str:
    """Return the value in Linux's units: FreeBSD counts most timers in milliseconds."""
    if known.value is not None:
        return known.value
    if known.divisor > 1 and setting.value.isdecimal():
        return str(max(1, int(setting.value[:20]) // known.divisor))
    return setting.value


def _unless_set(settings: tuple[Setting, ...], traits: Traits) -> Outcome:
    left = tuple(setting for setting in settings if traits.values.get(setting.name) != setting.value)
    return Outcome(left)
