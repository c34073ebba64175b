"""An adapter as a container: an image with the label `tcpspec.adapter`, driven over the container's attached streams.

The container is made and removed by the keeper's process, however the harness ends; this end of its streams was passed
by it. Standard input closes with them, which ends an adapter that keeps to the protocol.
"""

import contextlib
import select
import socket
import struct
import time
from typing import Any

from harness.targets.adapter.line import FAREWELL_S, AdapterFailure
from harness.targets.building.images import IMAGES
from harness.targets.container.engine import connect, translated
from harness.targets.container.pod import Keeper
from harness.targets.last_words import LAST_WORDS, telling
from harness.targets.protocol import TargetError, UnusableTarget

#: An image with this label speaks the adapter protocol of the version that is the label's value.
ADAPTER_LABEL = "tcpspec.adapter"
PROTOCOL_VERSION = "1"
STDOUT = 1
#: A frame of the attached stream: which stream, three octets of nothing, how many octets follow.
FRAME = struct.Struct("!BxxxI")


def adapter_version(image: str) -> str | None:
    """Return the adapter protocol's version that a local image names, None if it is another kind of image."""
    import docker.errors

    client = connect()
    with contextlib.closing(client), translated(f"the image {image}"):
        try:
            labels: dict[str, str] = client.images.get(image).labels
        except docker.errors.ImageNotFound:
            raise UnusableTarget(f"there is no image {image!r} here", missing_hint(image)) from None
    return labels.get(ADAPTER_LABEL)


def missing_hint(image: str) -> str:
    """Return what to do to have an image."""
    ours = image.removesuffix(":latest").removeprefix("tcpspec/")
    if image.startswith("tcpspec/") and ours in IMAGES:
        return f"tcpspec build {ours} --image"
    return f"docker pull {image}, or docker build -t {image} FOLDER"


class Image:
    """Starts containers of an image that speaks the adapter protocol; raises UnusableTarget if it does not."""

    def __init__(self, name: str) -> None:
        version = adapter_version(name)
        if version is None:
            hint = f"add 'LABEL {ADAPTER_LABEL}={PROTOCOL_VERSION}' to its Dockerfile (docker/ADAPTER.md)"
            raise UnusableTarget(f"the image {name} has no label {ADAPTER_LABEL}", hint)
        if version != PROTOCOL_VERSION:
            message = f"the image {name} speaks version {version!r} of the adapter protocol"
            raise UnusableTarget(message, f"this harness speaks version {PROTOCOL_VERSION}")
        self.name = name
        self._keeper: Keeper | None = None

    def __str__(self) -> str:
        return f"the image {self.name}"

    def start(self) -> "AdapterContainer":
        """Start a container; raises AdapterFailure."""
        if self._keeper is not None and not self._keeper.is_alive():
            self.close()
        self._keeper = self._keeper or Keeper()
        try:
            return AdapterContainer(self._keeper, self.name)
        except UnusableTarget as error:
            raise AdapterFailure(str(error)) from None

    def close(self) -> None:
        """Let the keeper go, which removes whatever container is left."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


class AdapterContainer:
    """A running container, attached; raises UnusableTarget when it can't be started."""

    def __init__(self, keeper: Keeper, image: str, **options: Any) -> None:
        self._keeper = keeper
        self._unread = b""
        self._errors = b""
        self.ident, self._socket = keeper.start_adapter(image, **options)
        self._socket.setblocking(False)

    def write(self, octets: memoryview) -> int:
        """Write to standard input; see `Carrier`."""
        try:
            return self._socket.send(octets)
        except ConnectionError:
            raise BrokenPipeError from None

    def read(self) -> bytes:
        """Return what is on standard output; see `Carrier`."""
        try:
            octets = self._socket.recv(1 << 18)
        except ConnectionError:
            octets = b""
        if not octets:
            return b""
        self._unread += octets
        said = self._split()
        if not said:
            raise BlockingIOError
        return said

    def _split(self) -> bytes:
        """Take the whole frames off what has come; return what they say on standard output, keep the other."""
        said, at = [], 0
        while at + FRAME.size <= len(self._unread):
            stream, length = FRAME.unpack_from(self._unread, at)
            begin = at + FRAME.size
            if begin + length > len(self._unread):
                break
            at = begin + length
            if stream == STDOUT:
                said.append(self._unread[begin:at])
            else:
                self._errors = (self._errors + self._unread[begin:at])[-LAST_WORDS:]
        self._unread = self._unread[at:]
        return b"".join(said)

    def wait(self, seconds: float, *, writing: bool = False) -> bool:
        """Wait for octets, or for room."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT if writing else select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def memory(self) -> int:
        """Return 0: what runs elsewhere is bounded there."""
        return 0

    def ending(self) -> str:
        """Return how the container ended, "" if it has not."""
        try:
            return self._keeper.ending(self.ident)
        except TargetError:
            return "ended"

    def last_words(self) -> str:
        """Return the end of what it wrote to its standard error."""
        with contextlib.suppress(BlockingIOError):
            self.read()
        return telling(self._errors.decode(errors="replace"))

    def close(self, farewell_s: float = FAREWELL_S) -> bool:
        """End the container and see it removed; return whether it went by itself within `farewell_s`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        by_itself = self._at_end(time.monotonic() + farewell_s)
        self._socket.close()
        with contextlib.suppress(TargetError):
            self._keeper.remove(self.ident)
        return by_itself

    def _at_end(self, deadline: float) -> bool:
        """Read on until the streams end; tell whether that came in time."""
        while (remaining := deadline - time.monotonic()) > 0 and self.wait(remaining):
            try:
                if not self.read():
                    return True
            except BlockingIOError:
                continue
        return False
