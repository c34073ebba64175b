"""The places in a command line of ``qemu:``, which are filled when it is started.

In braces stand the numbers of descriptors that an emulator is given, or the options of QEMU that name them.
"""

from collections.abc import Iterable

from harness.targets.emulated.monitor import WAITING
from harness.targets.protocol import UnusableTarget

#: The two kinds of wires: each datagram is a frame, or each frame has its length before it (QEMU's `stream`).
DATAGRAM, STREAM = "dgram", "stream"
_NETDEV = "dgram,id=n0,local.type=fd,local.str={fd}"
_LINES = ("-chardev", "socket,id=lines,fd={lines}")
_MONITOR = ("-chardev", "socket,id=tcpspec,fd={control}", "-mon", "chardev=tcpspec,mode=control")
#: Words that stand for several.
WORDS = {
    "{net}": (
        *("-netdev", _NETDEV, "-device", "virtio-net-pci,netdev=n0,mac={mac},romfile="),
        *_MONITOR,
    ),
    "{monitor}": _MONITOR,
    "{netdev}": (_NETDEV,),
    "{serial}": (*_LINES, "-serial", "chardev:lines"),
    "{port}": (*_LINES, "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=lines,name=lines"),
}
HINT = "--target 'qemu:qemu-system-x86_64 -kernel bzImage -initrd root.cpio -nographic {net},app=echo:7,start=120'"
_MONITORS = ("{net}", "{monitor}")


def words(mac: str, *, waiting: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the words that stand for several; the card has the address `mac`.

    `waiting`: for an emulator that is told by its monitor what it was.
    """
    also = WAITING if waiting else ()
    filled = {name: tuple(word.replace("{mac}", mac) for word in made) for name, made in WORDS.items()}
    return {name: (*made, *also) if name in _MONITORS else made for name, made in filled.items()}


def wire_of(command: list[str]) -> str:
    """Return which kind of wire a command asks for; raises UnusableTarget where it asks for none, or for both."""
    datagram = any(name in word for word in command for name in ("{net}", "{netdev}", "{fd}"))
    stream = any("{stream}" in word for word in command)
    if datagram == stream:
        what = "asks for two wires" if datagram else "says nowhere where its card is to be"
        places = "{net}, -netdev {netdev}, or the number of a descriptor: {fd} for datagrams, {stream} for a stream"
        raise UnusableTarget(f"qemu: the command {what}: {places}", HINT)
    if sum(command.count(name) for name in _MONITORS) > 1:
        raise UnusableTarget("qemu: {net} has the monitor, and {monitor} is for a command without {net}", HINT)
    for word in command:
        for name in WORDS:
            if name in word and name != word:
                raise UnusableTarget(f"qemu: {name} is a word of its own, not a part of {word!r}", HINT)
    return STREAM if stream else DATAGRAM


def has_monitor(command: Iterable[str]) -> bool:
    """Tell whether a command has a place for the emulator's monitor."""
    return any(name in command for name in _MONITORS)


def has_channel(command: Iterable[str]) -> bool:
    """Tell whether a command has a place for the lines to an application: a serial line, or a port of virtio's."""
    return any(name in word for word in command for name in ("{serial}", "{port}", "{lines}"))
