"""A DHCP server for one client: the stack under test, which is given the address that it was to have (RFC 2131)."""

import ipaddress

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP

SERVER_PORT, CLIENT_PORT = 67, 68
LEASE_S = 86_400
_TO_ALL = b"\xff" * 6
_BROADCAST = 0x8000
#: A client's message and the answer to it (RFC 2131 §4.3).
_ANSWERS = {1: "offer", 3: "ack", 8: "ack"}
_INFORM = 8


class DhcpServer:
    """Gives `address` to whoever asks, in a network of `prefix` bits, with `router` for everything else."""

    def __init__(self, address: str, prefix: int, router: str) -> None:
        self._address, self._router = address, router
        self._network = ipaddress.IPv4Network(f"{address}/{prefix}", strict=False)
        #: What the client was told, for people.
        self.given = ""

    def __str__(self) -> str:
        return f"{self._address}/{self._network.prefixlen}, router {self._router}"

    def answer(self, packet: bytes) -> tuple[bytes, bytes] | None:
        """Return the hardware address and the IP packet of the answer to a client; None for anything else."""
        asked = IP(packet)
        if UDP not in asked or asked[UDP].dport != SERVER_PORT or DHCP not in asked or asked[BOOTP].op != 1:
            return None
        options = {option[0]: option[1] for option in asked[DHCP].options if isinstance(option, tuple)}
        kind = _ANSWERS.get(options.get("message-type", 0))
        if kind is None or options.get("server_id", self._router) != self._router:
            return None
        inform = options["message-type"] == _INFORM
        wanted = options.get("requested_addr") or (asked[BOOTP].ciaddr if asked[BOOTP].ciaddr != "0.0.0.0" else "")
        if kind == "ack" and not inform and wanted != self._address:
            kind = "nak"
        return self._reply(asked[BOOTP], kind, inform=inform)

    def _reply(self, asked: BOOTP, kind: str, *, inform: bool) -> tuple[bytes, bytes]:
        options: list[object] = [("message-type", kind), ("server_id", self._router)]
        if kind != "nak":
            options += [("subnet_mask", str(self._network.netmask)), ("router", self._router)]
        if kind != "nak" and not inform:
            options.append(("lease_time", LEASE_S))
        given = "0.0.0.0" if kind == "nak" or inform else self._address
        to_all = kind == "nak" or bool(int(asked.flags) & _BROADCAST)
        reply = BOOTP(
            op=2,
            xid=asked.xid,
            flags=asked.flags,
            ciaddr=asked.ciaddr,
            yiaddr=given,
            siaddr=self._router,
            chaddr=asked.chaddr,
        )
        if kind == "ack":
            self.given = str(self)
        destination = "255.255.255.255" if to_all else self._address
        head = IP(src=self._router, dst=destination) / UDP(sport=SERVER_PORT, dport=CLIENT_PORT)
        packet = head / reply / DHCP(options=[*options, "end"])
        return _TO_ALL if to_all else bytes(asked.chaddr)[:6], bytes(packet)
