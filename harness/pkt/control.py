"""Control data of messages (cmsg): what a script says that recvmsg() hands over, held against what it does.

Layouts: linux/errqueue.h (struct sock_extended_err, struct scm_timestamping), `tcp_inq_hint` of net/ipv4/tcp.c.
"""

import socket
import struct
from collections import Counter
from collections.abc import Mapping

from harness.pkt.support import Unsupported
from harness.pkt.symbols import NUMBERS, number
from harness.pkt.tree import Anything, Expression, Items, Place, Record
from harness.targets.sockets import Message

_EXTENDED_ERROR = struct.Struct("=IBBBxII")
_FIELDS = ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data")
_ERRORS = {(NUMBERS["SOL_IP"], NUMBERS["IP_RECVERR"]), (NUMBERS["SOL_IPV6"], NUMBERS["IPV6_RECVERR"])}
_STAMP = (socket.SOL_SOCKET, NUMBERS["SCM_TIMESTAMPING"])
#: Of a message about text that was not to be copied.
_ZEROCOPY = NUMBERS["SO_EE_ORIGIN_ZEROCOPY"]
_UNREAD = (NUMBERS["SOL_TCP"], NUMBERS["TCP_CM_INQ"])
#: Flags of a message that say how it was asked for, or how much of it there was room for.
_OF_THE_CALL = socket.MSG_CTRUNC
#: What its runner defines where a script is for either IP version, by the version of the sockets.
SYMBOLS: Mapping[int, Mapping[str, str]] = {
    4: {"CMSG_LEVEL_IP": "SOL_IP", "CMSG_TYPE_RECVERR": "IP_RECVERR"},
    6: {"CMSG_LEVEL_IP": "SOL_IPV6", "CMSG_TYPE_RECVERR": "IPV6_RECVERR"},
}


class Expected:
    """What a script says of a message besides its text; raises Unsupported for control data without a layout here."""

    def __init__(self, message: Record, symbols: Mapping[str, str], place: Place, *, strict: bool) -> None:
        self._symbols = symbols
        #: What the script says and is not asserted, by its name.
        self.left_out: Counter[str] = Counter()
        self._strict = strict
        flags = message.fields.get("msg_flags")
        self._flags = None if flags is None or isinstance(flags, Anything) else number(flags, symbols)
        given = message.fields.get("msg_control")
        entries = given.items if isinstance(given, Items) else ()
        self._control = None if given is None else [self._entry(entry, place) for entry in entries]

    def problem(self, message: Message) -> tuple[str, str] | None:
        """Return what the script says and what it is, None where they agree.

        Times are not asserted, nor, unless `strict`, whether text was copied after all: that is the device's affair.
        """
        if self._flags is not None and (told := message.flags & ~_OF_THE_CALL) != self._flags:
            return f"the flags {self._flags:#x} of a message", f"they are {told:#x}"
        if self._control is None:
            return None
        due = [(level, kind) for level, kind, _fields in self._control]
        seen = [(level, kind) for level, kind, _octets in message.control]
        if due != seen:
            return f"control data of {_named(due)}", f"it is of {_named(seen)}"
        for (level, kind, fields), (_level, _kind, octets) in zip(self._control, message.control, strict=True):
            told_fields = _decoded((level, kind), octets)
            wrong = next((name for name in fields if told_fields.get(name) != fields[name]), None)
            if wrong is not None:
                return f"{wrong} {fields[wrong]} in control data", f"it is {told_fields.get(wrong, 'not there')}"
        return None

    def _entry(self, entry: Expression, place: Place) -> tuple[int, int, dict[str, int]]:
        if not isinstance(entry, Record) or not {"cmsg_level", "cmsg_type"} <= set(entry.fields):
            raise Unsupported("control data without a level and a type", place)
        level, kind = (number(entry.fields[name], self._symbols) for name in ("cmsg_level", "cmsg_type"))
        if (level, kind) not in (*_ERRORS, _STAMP, _UNREAD):
            raise Unsupported(f"control data of level {level} and type {kind}", place)
        data = entry.fields.get("cmsg_data", Anything(place))
        if isinstance(data, Anything):
            return level, kind, {}
        if (level, kind) == _STAMP:
            self.left_out["timestamp"] += 1
            return level, kind, {}
        if not isinstance(data, Record):
            return level, kind, {"cmsg_data": number(data, self._symbols)}
        given = {name: value for name, value in data.fields.items() if not isinstance(value, Anything)}
        fields = {name: number(value, self._symbols) for name, value in given.items()}
        if strange := sorted(set(fields) - set(_FIELDS)):
            raise Unsupported(f"{strange[0][:40]} in control data", place)
        if fields.get("ee_origin") == _ZEROCOPY and "ee_code" in fields and not self._strict:
            del fields["ee_code"]
            self.left_out["copy of text"] += 1
        return level, kind, fields


def _decoded(about: tuple[int, int], octets: bytes) -> dict[str, int]:
    if about in _ERRORS and len(octets) >= _EXTENDED_ERROR.size:
        return dict(zip(_FIELDS, _EXTENDED_ERROR.unpack_from(octets), strict=True))
    if about == _UNREAD and len(octets) >= 4:
        return {"cmsg_data": int(struct.unpack_from("=i", octets)[0])}
    return {}


def _named(pairs: list[tuple[int, int]]) -> str:
    return ", ".join(f"level {level} type {kind}" for level, kind in pairs) or "nothing"
