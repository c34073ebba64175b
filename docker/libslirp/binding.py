"""libslirp by ctypes: Ethernet frames in and out, its time, and the sockets by which it speaks to applications.

The names are those of libslirp.h; the library is Debian's libslirp0, and no header and no compiler are needed.
"""

import ctypes
import select
import socket
import struct
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any, ClassVar, NamedTuple

LIBRARY = "libslirp.so.0"
#: The newest layout of SlirpConfig and SlirpCb that is filled in here.
CONFIG_VERSION = 4
#: What of poll(2) stands for which bit of its own.
POLL = {select.POLLIN: 1, select.POLLOUT: 2, select.POLLPRI: 4, select.POLLERR: 8, select.POLLHUP: 16}
#: What `timeout` says where a delayed ACK waits, in milliseconds, and where its slow timer runs.
FAST_MS, SLOW_MS = 2, 499
MAC_OF_PEER = bytes.fromhex("525400a1b2c3")
ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}
ARP = b"\x08\x06"
ETHERNET = 14

In4, In6 = ctypes.c_ubyte * 4, ctypes.c_ubyte * 16


class SlirpConfig(Structure):
    """What a stack begins with."""

    _fields_: ClassVar = [
        ("version", c_uint32),
        ("restricted", c_int),
        ("in_enabled", c_bool),
        ("vnetwork", c_uint32),
        ("vnetmask", c_uint32),
        ("vhost", c_uint32),
        ("in6_enabled", c_bool),
        ("vprefix_addr6", In6),
        ("vprefix_len", ctypes.c_uint8),
        ("vhost6", In6),
        ("vhostname", c_char_p),
        ("tftp_server_name", c_char_p),
        ("tftp_path", c_char_p),
        ("bootfile", c_char_p),
        ("vdhcp_start", c_uint32),
        ("vnameserver", c_uint32),
        ("vnameserver6", In6),
        ("vdnssearch", c_void_p),
        ("vdomainname", c_char_p),
        ("if_mtu", c_size_t),
        ("if_mru", c_size_t),
        ("disable_host_loopback", c_bool),
        ("enable_emu", c_bool),
        ("outbound_addr", c_void_p),
        ("outbound_addr6", c_void_p),
        ("disable_dns", c_bool),
        ("disable_dhcp", c_bool),
    ]


Write = CFUNCTYPE(ctypes.c_ssize_t, c_void_p, c_size_t, c_void_p)
Complain = CFUNCTYPE(None, c_char_p, c_void_p)
Clock = CFUNCTYPE(c_int64, c_void_p)
TimerNew = CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_void_p)
TimerFree = CFUNCTYPE(None, c_void_p, c_void_p)
TimerMod = CFUNCTYPE(None, c_void_p, c_int64, c_void_p)
OnDescriptor = CFUNCTYPE(None, c_int, c_void_p)
Notify = CFUNCTYPE(None, c_void_p)
AddPoll = CFUNCTYPE(c_int, c_int, c_int, c_void_p)
GetEvents = CFUNCTYPE(c_int, c_int, c_void_p)


class SlirpCb(Structure):
    """What the stack calls."""

    _fields_: ClassVar = [
        ("send_packet", Write),
        ("guest_error", Complain),
        ("clock_get_ns", Clock),
        ("timer_new", TimerNew),
        ("timer_free", TimerFree),
        ("timer_mod", TimerMod),
        ("register_poll_fd", OnDescriptor),
        ("unregister_poll_fd", OnDescriptor),
        ("notify", Notify),
        ("init_completed", c_void_p),
        ("timer_new_opaque", c_void_p),
    ]


def load() -> ctypes.CDLL:
    """Return the library; raises OSError where it is not installed."""
    library = ctypes.CDLL(LIBRARY)
    pointer = c_void_p
    library.slirp_new.restype = pointer
    library.slirp_new.argtypes = [POINTER(SlirpConfig), POINTER(SlirpCb), pointer]
    library.slirp_cleanup.argtypes = [pointer]
    library.slirp_input.argtypes = [pointer, c_char_p, c_int]
    library.slirp_pollfds_fill.argtypes = [pointer, POINTER(c_uint32), AddPoll, pointer]
    library.slirp_pollfds_poll.argtypes = [pointer, c_int, GetEvents, pointer]
    for call in (library.slirp_add_hostxfwd, library.slirp_remove_hostxfwd):
        call.argtypes = [pointer, c_char_p, c_uint32, *([c_char_p, c_uint32] if "add" in call.__name__ else []), c_int]
    library.slirp_connection_info.restype = pointer
    library.slirp_connection_info.argtypes = [pointer]
    library.slirp_version_string.restype = c_char_p
    return library


def sockaddr(host: str, port: int) -> bytes:
    """Return a `struct sockaddr_in` or `sockaddr_in6`."""
    if ":" in host:
        octets = socket.inet_pton(socket.AF_INET6, host)
        return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + octets + bytes(4)
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


class Seen(NamedTuple):
    """What it tells of a connection: its state, its ends (of IPv4 only), and the octets that wait to go in and out."""

    state: str
    peer: tuple[str, int]
    own: tuple[str, int]
    received: int
    unsent: int


class Slirp:
    """A stack. `sent` takes each IP packet, `opened` and `closed` each descriptor by which it reaches an application.

    The stack is a gateway of a network; `network`, `mask` and `host` are its own, which nobody here speaks to.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        now_ns: Callable[[], int],
        sent: Callable[[bytes], None],
        opened: Callable[[int], None],
        closed: Callable[[int], None],
    ) -> None:
        self._library = library
        self._sent = sent
        self._calls = SlirpCb(
            Write(self._send),
            Complain(lambda _text, _opaque: None),
            Clock(lambda _opaque: now_ns()),
            TimerNew(lambda _call, _of_call, _opaque: 1),  # router advertisements, which nobody here waits for
            TimerFree(lambda _timer, _opaque: None),
            TimerMod(lambda _timer, _when_ms, _opaque: None),
            OnDescriptor(lambda descriptor, _opaque: opened(descriptor)),
            OnDescriptor(lambda descriptor, _opaque: closed(descriptor)),
            Notify(lambda _opaque: None),
        )
        self._wanted: list[tuple[int, int]] = []
        self._ready: list[int] = []
        self._add_poll = AddPoll(self._want)
        self._get_events = GetEvents(lambda index, _opaque: self._ready[index])
        self._announced: set[bytes] = set()
        own, mask, host, names = (
            struct.unpack("=I", socket.inet_aton(text))[0]
            for text in ("203.0.113.0", "255.255.255.0", "203.0.113.1", "203.0.113.2")
        )
        config = SlirpConfig(
            version=CONFIG_VERSION,
            in_enabled=True,
            vnetwork=own,
            vnetmask=mask,
            vhost=host,
            vdhcp_start=host,
            vnameserver=names,
            in6_enabled=True,
            vprefix_addr6=In6(*socket.inet_pton(socket.AF_INET6, "2001:db8:ffff::")),
            vprefix_len=64,
            vhost6=In6(*socket.inet_pton(socket.AF_INET6, "2001:db8:ffff::1")),
            vnameserver6=In6(*socket.inet_pton(socket.AF_INET6, "2001:db8:ffff::2")),
            disable_dns=True,
            disable_dhcp=True,
        )
        self._stack = library.slirp_new(ctypes.byref(config), ctypes.byref(self._calls), None)

    def close(self) -> None:
        """Forget every connection, without a word, and close the sockets to applications."""
        self._library.slirp_cleanup(self._stack)

    def arrive(self, packet: bytes) -> None:
        """Take an IP packet from the peer."""
        version = packet[0] >> 4
        self._meet(packet[12:16] if version == 4 else packet[8:24])
        self._input(ETHERTYPES.get(version, ETHERTYPES[4]) + packet)

    def meet(self, host: str) -> None:
        """Let it know by which frames an address of the peer's is reached."""
        self._meet(socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host))

    def _meet(self, address: bytes) -> None:
        if address not in self._announced:
            self._announced.add(address)
            self._input(self._announcement(4 if len(address) == 4 else 6, address))

    def _input(self, typed: bytes) -> None:
        frame = MAC_OF_PEER + MAC_OF_PEER + typed
        self._library.slirp_input(self._stack, frame, len(frame))

    @staticmethod
    def _announcement(version: int, source: bytes) -> bytes:
        """Return what tells whose a source address is: a gratuitous ARP request, or a neighbour advertisement."""
        if version == 4:
            return ARP + struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, MAC_OF_PEER, source, bytes(6), source)
        everybody = socket.inet_pton(socket.AF_INET6, "ff02::1")
        body = struct.pack("!BBHI16sBB6s", 136, 0, 0, 0x20000000, source, 2, 1, MAC_OF_PEER)
        total = sum(struct.unpack(f"!{(len(body) + 40) // 2}H", source + everybody + struct.pack("!II", 32, 58) + body))
        total = (total & 0xFFFF) + (total >> 16)
        body = body[:2] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + body[4:]
        return ETHERTYPES[6] + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + everybody + body

    def _send(self, frame: int, octets: int, _opaque: Any) -> int:
        data = ctypes.string_at(frame, octets)
        if data[12:ETHERNET] in ETHERTYPES.values():
            self._sent(data[ETHERNET:])
        return octets

    def _want(self, descriptor: int, events: int, _opaque: Any) -> int:
        self._wanted.append((descriptor, events))
        return len(self._wanted) - 1

    def look(self) -> tuple[int, bool]:
        """Ask what it waits for: return for how many milliseconds at most, and whether an application has something."""
        self._wanted.clear()
        timeout = c_uint32(1 << 30)
        self._library.slirp_pollfds_fill(self._stack, ctypes.byref(timeout), self._add_poll, None)
        poll = select.poll()
        for descriptor, events in self._wanted:
            poll.register(descriptor, sum(bit for bit, own in POLL.items() if events & own))
        seen = dict(poll.poll(0))
        self._ready = [
            sum(own for bit, own in POLL.items() if seen.get(descriptor, 0) & bit) for descriptor, _own in self._wanted
        ]
        return timeout.value, any(self._ready)

    def work(self) -> None:
        """Let it do what is due at this time, and take what its applications had when it was asked."""
        self._library.slirp_pollfds_poll(self._stack, 0, self._get_events, None)

    def forward(self, here: tuple[str, int], there: tuple[str, int]) -> bool:
        """Open a connection to `there` for each that an application opens to `here`; False if that is in use."""
        host, guest = sockaddr(*here), sockaddr(*there)
        return not self._library.slirp_add_hostxfwd(self._stack, host, len(host), guest, len(guest), 0)

    def stop_forwarding(self, here: tuple[str, int]) -> None:
        """Take that back."""
        host = sockaddr(*here)
        self._library.slirp_remove_hostxfwd(self._stack, host, len(host), 0)

    def connections(self) -> dict[int, Seen]:
        """Return what it tells of each connection, by its descriptor."""
        text = self._library.slirp_connection_info(self._stack)
        lines = ctypes.string_at(text).decode("ascii", "replace").splitlines()
        _glib.g_free(text)
        found = {}
        for line in lines:
            kind, bracket, rest = line.strip().partition("[")
            if kind != "TCP" or not bracket:
                continue
            state, _bracket, words = rest.partition("]")
            descriptor, peer, peer_port, own, own_port, received, unsent = words.split()
            found[int(descriptor)] = Seen(
                state, (peer, int(peer_port)), (own, int(own_port)), int(received), int(unsent)
            )
        return found


_glib = ctypes.CDLL("libglib-2.0.so.0")
_glib.g_free.argtypes = [c_void_p]
