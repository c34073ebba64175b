"""``--target KIND[:ID][,key=value…]``: from the text to a target."""

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.targets.lane import Lane
from harness.targets.protocol import Target, UnusableTarget

if TYPE_CHECKING:
    from harness.targets.adapter.line import Launcher

# Each kind's modules are imported when such a target is started: a run needs few of them.


@dataclass(frozen=True, slots=True)
class Settings:
    """What applies to every target of a run. `sysctls` are the user's overrides, by name.

    `aside` names the segments that no case shall fail by.
    """

    sysctls: Mapping[str, str] = field(default_factory=dict)
    observer: str = "sockdiag"
    time_scale: float = 1.0
    aside: frozenset[str] = frozenset()
    #: A kernel's timers and limits are its own, not those that the cases assume.
    as_found: bool = False
    #: Whether the user has said that a real network is theirs.
    owns_network: bool = False
    #: Of which process of several it is, where they ask the same board.
    lane: Lane = field(default_factory=Lane)


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """A parsed target: kind, what behind the colon names it, options."""

    text: str
    kind: str
    ident: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> TargetSpec:
    """Read a target's text; raises UnusableTarget for an unknown kind or a bad option."""
    if text.startswith("exec:"):  # the rest is one command line, commas and all
        return TargetSpec(text, "exec", text.removeprefix("exec:"))
    wired = text.partition(":")[0]
    if wired in _WIRED or _is_command_line(text):  # with commas too, then options
        from harness.targets.wired.options import NETWORK_OPTIONS, OPTIONS, split

        command, found = split(text.partition(":")[2], NETWORK_OPTIONS if wired == "net" else OPTIONS)
        return TargetSpec(text, wired, command, found)
    head, *rest = text.split(",")
    kind, _colon, ident = head.partition(":")
    if kind not in _OPENERS:
        raise UnusableTarget(f"there is no target {text!r}", _hint_of_kinds(head))
    options = {}
    for item in rest:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UnusableTarget(f"target {text!r}: {item!r} is not key=value")
        options[key] = value
    if kind == "kernel" and "/" in ident:  # so that the command that runs a case again works in any folder
        ident = str(Path(ident).expanduser().absolute())
        text = ",".join((f"{kind}:{ident}", *rest))
    spec = TargetSpec(text, kind, ident, options)
    allowed = _OPTIONS[kind]
    for key in options:
        if key not in allowed:
            known = f"options of {kind}: {', '.join(sorted(allowed))}" if allowed else f"{kind} has no options"
            raise UnusableTarget(f"target {text!r}: unknown option {key!r}", known)
    release = options.get("release")
    if release is not None and not _RELEASE.fullmatch(release):
        raise UnusableTarget(
            f"target {text!r}: {release!r} is no release of a kernel",
            "give what `uname -r` prints, such as release=6.8.0-45-generic",
        )
    if ident and kind not in _WITH_IDENT:
        raise UnusableTarget(f"target {text!r}: {kind} takes nothing behind a colon")
    return spec


def _hint_of_kinds(head: str) -> str:
    """Return what to do instead of a target that there is not; an address is that of somebody on a cable."""
    known = f"known targets: {', '.join(sorted(_OPENERS))}"
    if device := re.fullmatch(r"(tap|tun)\d+", head):
        return f"a program behind such a device is '{device[1]}:./my-stack {{if}}'; {known}"
    if head in {name for _number, name in socket.if_nameindex()}:
        return f"a machine on a cable is 'net:{head},peer=ADDRESS,target=ADDRESS'; {known}"
    with contextlib.suppress(ValueError):
        key = "target" if ipaddress.ip_address(head).version == 4 else "target6"
        return f"a machine on a cable is 'net:INTERFACE,peer=ADDRESS,{key}={head}'; {known}"
    return known


def _is_command_line(text: str) -> bool:
    """Tell whether ``qemu:`` has a command line of the user's, not the name of a package."""
    kind, _colon, rest = text.partition(":")
    return kind == "qemu" and bool(set(rest) & set(" {"))


def kinds() -> tuple[str, ...]:
    """Return the kinds of targets, as they stand before the colon."""
    return tuple(_OPENERS)


def open_target(spec: TargetSpec, settings: Settings, *, timers: bool = False, as_found: bool = False) -> Target:
    """Start a target; `timers` for one whose settings suit timer cases, `as_found` for a kernel with its own.

    Raises UnusableTarget.
    """
    target = _OPENERS[spec.kind](spec, replace(settings, as_found=as_found), timers)
    if release := spec.options.get("release"):
        details = {**target.facts.details, "release of its own": target.facts.version}
        target.facts = replace(target.facts, version=release, details=details)
    return target


def _open_linux(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    from harness.targets.namespace.target import LinuxTarget

    return LinuxTarget(
        name=spec.text,
        timers=timers,
        sysctls=settings.sysctls,
        observer=settings.observer,
        as_found=settings.as_found,
    )


def _open_exec(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    from harness.targets.adapter.process import Command, command_line

    return _open_adapter(Command(command_line(spec.ident)), spec, settings, timers)


def _open_adapter(launcher: "Launcher", spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    """Start a stack behind an adapter, which has nothing of what `--set` sets."""
    from harness.targets.adapter.line import ANSWER_LIMIT_S
    from harness.targets.adapter.target import AdapterTarget

    if settings.sysctls:
        hint = "settings of its own are options of the adapter: --target 'exec:./my-stack --option'"
        raise UnusableTarget("--set: a stack behind an adapter has no sysctls", hint)
    return AdapterTarget(
        launcher, name=spec.text, timers=timers, limit_s=ANSWER_LIMIT_S * max(1.0, settings.time_scale)
    )


def _open_docker(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    from harness.targets.container.adapter import Image, adapter_version
    from harness.targets.container.pod import VETH
    from harness.targets.container.runtime import RuntimeTarget
    from harness.targets.container.target import WIRES, DockerTarget, image_of

    if not spec.ident:
        raise UnusableTarget("docker: needs an image", "--target docker:linux, or docker:IMAGE")
    wire, runtime = spec.options.get("wire", ""), spec.options.get("runtime")
    if wire not in ("", *WIRES):
        raise UnusableTarget(f"target {spec.text!r}: wire is one of {', '.join(sorted(WIRES))}")
    if runtime is not None and wire not in ("", VETH):
        raise UnusableTarget(f"target {spec.text!r}: another runtime needs wire={VETH}")
    image = image_of(spec.ident)
    if adapter_version(image) is not None:
        if spec.options:
            message = f"target {spec.text!r}: {image} has an adapter, and no options"
            raise UnusableTarget(message, "runtime and wire are for images with a kernel's TCP")
        return _open_adapter(Image(image), spec, settings, timers)
    if runtime is not None:
        return RuntimeTarget(image, runtime, name=spec.text, timers=timers, sysctls=settings.sysctls)
    return DockerTarget(
        image,
        wire=wire,
        name=spec.text,
        timers=timers,
        sysctls=settings.sysctls,
        observer=settings.observer,
        as_found=settings.as_found,
    )


def _open_own_driver(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    from harness.targets.adapter.process import Command
    from harness.targets.building import drivers

    return _open_adapter(Command(drivers.command(spec.kind, spec.ident)), spec, settings, timers)


def _open_kernel(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    from harness.cache import folder as cache_folder
    from harness.targets.kernel import kernels
    from harness.targets.kernel.target import KernelTarget

    kernel = kernels.resolve(spec.ident, cache_folder() / "kernels")
    return KernelTarget(kernel, name=spec.text, timers=timers, sysctls=settings.sysctls, as_found=settings.as_found)


def _open_qemu(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    if _is_command_line(spec.text):
        return _open_wired(spec, settings, timers)
    from harness.cache import folder as cache_folder
    from harness.targets.emulated import packages
    from harness.targets.emulated.target import EmulatedTarget

    cpus = spec.options.get("cpus", "1")
    if not cpus.isdecimal() or not 1 <= int(cpus) <= MOST_CPUS:
        raise UnusableTarget(f"target {spec.text!r}: cpus={cpus} is not a number from 1 to {MOST_CPUS}")
    image = packages.resolve(spec.ident, cache_folder() / "kernel-packages")
    return EmulatedTarget(
        image,
        name=spec.text,
        timers=timers,
        sysctls=settings.sysctls,
        as_found=settings.as_found,
        processors=int(cpus),
    )


def _open_reference(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    """Start the reference stack, or one with a defect or a variant of it."""
    from harness.stack.defects import DEFECTS, UnknownDefect, defective
    from harness.stack.variants import Contradiction, UnknownVariant, varied
    from harness.targets.reference.target import ReferenceTarget

    if len(spec.options) > 1:
        raise UnusableTarget("a defect or a variant, not both")
    open_it = partial(ReferenceTarget, name=spec.text, timers=timers, settings=settings.sysctls)
    try:
        if name := spec.options.get("defect"):
            defect = defective(name)
            return open_it(stack_class=defect.stack_class, details={"defect": f"{defect.name}: {defect.title}"})
        if name := spec.options.get("variant"):
            variant = varied(name)
            return open_it(
                stack_class=variant.stack_class,
                config=variant.config,
                lacks=variant.lacks,
                details={"variant": f"{variant.name}: {variant.title}"},
            )
    except UnknownDefect as error:
        near = ", ".join(error.near) or f"{min(DEFECTS)} to {max(DEFECTS)}"
        raise UnusableTarget(str(error), f"nearest: {near}") from None
    except UnknownVariant as error:
        hint = f"nearest: {', '.join(error.near)}" if error.near else "tcpspec variants --list prints them"
        raise UnusableTarget(str(error), hint) from None
    except Contradiction as error:
        raise UnusableTarget(str(error), "leave one of them out") from None
    return open_it()


def _open_wired(spec: TargetSpec, settings: Settings, timers: bool) -> Target:
    from harness.targets.adapter.line import ANSWER_LIMIT_S
    from harness.targets.wired import options
    from harness.targets.wired.lines import LinesTarget
    from harness.targets.wired.network import NetworkPort
    from harness.targets.wired.pod import WiredPod
    from harness.targets.wired.target import WiredTarget

    if settings.sysctls:
        raise UnusableTarget("--set: a stack as it is has no sysctls", "its settings are its own options")
    if spec.kind == "net":
        read = options.read_network(spec.ident, spec.options)
    else:
        read = options.read(spec.kind, spec.ident, spec.options)
    lane = settings.lane if spec.kind == "net" else Lane()
    place = NetworkPort(read, lane, owned=settings.owns_network) if spec.kind == "net" else WiredPod(read)
    if read.lines is None:
        return WiredTarget(read, place, name=spec.text, timers=timers, lane=lane)
    limit_s = ANSWER_LIMIT_S * max(1.0, settings.time_scale)
    return LinesTarget(read, place, name=spec.text, timers=timers, limit_s=limit_s)


_WIRED = ("net", "tap", "tun")
_OPENERS: dict[str, Callable[[TargetSpec, Settings, bool], Target]] = {
    "linux": _open_linux,
    "docker": _open_docker,
    "exec": _open_exec,
    "kernel": _open_kernel,
    "libslirp": _open_own_driver,
    "lwip": _open_own_driver,
    "net": _open_wired,
    "ns-3": _open_own_driver,
    "netstack": _open_own_driver,
    "qemu": _open_qemu,
    "pytcp": _open_own_driver,
    "reference": _open_reference,
    "smoltcp": _open_own_driver,
    "tap": _open_wired,
    "tun": _open_wired,
}
_OPTIONS: dict[str, frozenset[str]] = {kind: frozenset() for kind in _OPENERS} | {
    "docker": frozenset({"runtime", "wire"}),
    # What is known of another release is expected of it: for tests of the expectations.
    "kernel": frozenset({"release"}),
    "linux": frozenset({"release"}),
    "qemu": frozenset({"cpus"}),
    "reference": frozenset({"defect", "variant"}),
}
#: An emulated processor is a thread of the emulator.
MOST_CPUS = 64
#: `struct utsname` has 64 octets for it.
_RELEASE = re.compile(r"[!-~]{1,64}")
_WITH_IDENT = frozenset({"docker", "kernel", "lwip", "netstack", "pytcp", "qemu", "smoltcp"})
