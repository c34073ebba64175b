"""The network card of a kernel in simulated time: a vhost-user virtio-net device, without offloads.

Checksums on the wire are therefore real. The guest is a kernel in a process of ours (arch/um/drivers/virtio_uml.c);
its interrupts must come over this device, because only a device that knows about simulated time may wake it earlier
than it asked for.
"""

import mmap
import os
import select
import socket
import struct
from collections.abc import Callable
from enum import IntEnum

from harness.targets.kernel.vring import Region, Vring

_HEADER = struct.Struct("=III")
_PAIR = struct.Struct("=II")
_ADDRESSES = struct.Struct("=IIQQQQ")
_REGION = struct.Struct("=QQQQ")
VERSION, REPLY, NEED_REPLY = 0x1, 0x4, 0x8

#: VIRTIO_F_VERSION_1, VHOST_USER_F_PROTOCOL_FEATURES, VIRTIO_NET_F_MAC.
FEATURES = 1 << 32 | 1 << 30 | 1 << 5
#: REPLY_ACK, SLAVE_REQ, CONFIG, INBAND_NOTIFICATIONS.
PROTOCOL_FEATURES = 1 << 3 | 1 << 5 | 1 << 9 | 1 << 14
#: Every frame has the header of virtio_net.h before it; with no offloads it is all zeros.
NET_HEADER = bytes(12)
RECEIVE, TRANSMIT = 0, 1
MAX_DESCRIPTORS = 8
NO_SIGN_OF_LIFE = "no sign of life for {:g} s"


class Request(IntEnum):
    """What the guest asks of the device (those that it uses), and what the device asks of the guest."""

    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    SET_MEM_TABLE = 5
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    SET_VRING_ENABLE = 18
    SET_SLAVE_REQ_FD = 21
    GET_CONFIG = 24
    VRING_KICK = 35


#: VHOST_USER_SLAVE_VRING_CALL, in the other direction.
VRING_CALL = 4


class DeviceError(RuntimeError):
    """The guest closed the connection or asks for something that this device does not have."""


class NetworkCard:
    """Serves one kernel. `receive` is called with each frame that it sends."""

    def __init__(self, connection: socket.socket, mac: bytes, receive: Callable[[bytes], None]) -> None:
        self._socket = connection
        self._mac = mac
        self._receive = receive
        self._rings = (Vring(), Vring())
        self._regions: list[Region] = []
        self._calls: socket.socket | None = None
        self.ready = False

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._socket.fileno()

    def serve(self) -> None:
        """Read one request and answer it."""
        header, descriptors, _flags, _address = socket.recv_fds(self._socket, _HEADER.size, MAX_DESCRIPTORS)
        if len(header) < _HEADER.size:
            raise DeviceError("the kernel has ended")
        kind, flags, size = _HEADER.unpack(header)
        payload = self._socket.recv(size, socket.MSG_WAITALL) if size else b""
        answer = self._answer(kind, payload, descriptors)
        if answer is None and flags & NEED_REPLY:
            answer = bytes(8)
        if answer is not None:
            self._socket.sendall(_HEADER.pack(kind, VERSION | REPLY, len(answer)) + answer)

    def deliver(self, frame: bytes, serve_clock: Callable[[], None], clock: int, limit_s: float) -> None:
        """Let a frame arrive at the guest, which must be waiting: raise its interrupt and see it acknowledged.

        The guest asks its calendar for the time meanwhile: `serve_clock` answers when the descriptor `clock` is ready.
        Raises TimeoutError where nothing comes for `limit_s` seconds.
        """
        if self._calls is None or not self._rings[RECEIVE].put(self._regions, NET_HEADER + frame):
            raise DeviceError("the guest offers no buffer for a frame")
        self._calls.sendall(_HEADER.pack(VRING_CALL, VERSION | NEED_REPLY, _PAIR.size) + _PAIR.pack(RECEIVE, 0))
        calls = self._calls.fileno()
        poll = select.poll()
        poll.register(calls, select.POLLIN)
        poll.register(clock, select.POLLIN)
        while True:
            events = poll.poll(limit_s * 1000)
            if not events:
                raise TimeoutError(NO_SIGN_OF_LIFE.format(limit_s))
            for descriptor, _event in events:
                if descriptor == clock:
                    serve_clock()
                elif len(self._calls.recv(_HEADER.size + 8, socket.MSG_WAITALL)) == _HEADER.size + 8:
                    return
                else:
                    raise DeviceError("the kernel has ended")

    def close(self) -> None:
        """Close what was opened."""
        self._socket.close()
        if self._calls is not None:
            self._calls.close()
        for region in self._regions:
            region.memory.close()

    def _answer(self, kind: int, payload: bytes, descriptors: list[int]) -> bytes | None:
        if kind == Request.VRING_KICK:
            self._transmitted(_PAIR.unpack(payload)[0])
        elif kind == Request.GET_FEATURES:
            return struct.pack("=Q", FEATURES)
        elif kind == Request.GET_PROTOCOL_FEATURES:
            return struct.pack("=Q", PROTOCOL_FEATURES)
        elif kind == Request.GET_CONFIG:
            offset, size, flags = struct.unpack_from("=III", payload)
            return struct.pack("=III", offset, size, flags) + self._mac.ljust(size, b"\0")[:size]
        elif kind == Request.SET_MEM_TABLE:
            self._map(payload, descriptors)
        elif kind == Request.SET_SLAVE_REQ_FD:
            self._calls = socket.socket(fileno=descriptors[0])
        elif kind == Request.SET_VRING_NUM:
            index, number = _PAIR.unpack(payload)
            self._rings[index].size = number
        elif kind == Request.SET_VRING_ADDR:
            index, _flags, descriptor_table, used, available, _log = _ADDRESSES.unpack(payload)
            ring = self._rings[index]
            ring.descriptors, ring.used, ring.available = descriptor_table, used, available
        elif kind == Request.SET_VRING_ENABLE:
            self.ready = bool(_PAIR.unpack(payload)[1])
        elif kind not in Request._value2member_map_:
            raise DeviceError(f"the guest's network driver sends the unknown request {kind}")
        return None

    def _transmitted(self, index: int) -> None:
        if index != TRANSMIT:  # the guest has put new buffers into the receive queue
            return
        while (data := self._rings[TRANSMIT].get(self._regions)) is not None:
            self._receive(data[len(NET_HEADER) :])

    def _map(self, payload: bytes, descriptors: list[int]) -> None:
        for number, descriptor in enumerate(descriptors):
            start, size, _user, offset = _REGION.unpack_from(payload, 8 + number * _REGION.size)
            memory = mmap.mmap(descriptor, offset + size)
            os.close(descriptor)
            self._regions.append(Region(start, size, offset, memory))
