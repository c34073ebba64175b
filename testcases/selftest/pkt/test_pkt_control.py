"""Control data of messages: every way to differ from what a script says."""

import socket
import struct

import pytest

from harness.pkt import grammar
from harness.pkt.control import SYMBOLS, Expected
from harness.pkt.support import Unsupported
from harness.pkt.tree import Call, Place, Record
from harness.targets.sockets import Message

ERROR = struct.pack("=IBBBxII", 0, 5, 0, 1, 2, 3)
LEVEL, KIND = socket.SOL_IP, 11


def expected(flags: str, control: str, *, strict: bool = False) -> Expected:
    text = f"0 recvmsg(4, {{msg_iov(1)=[{{..., 0}}], msg_flags={flags}, msg_control=[{control}]}}, 0) = 0"
    (event,) = grammar.parse("x.pkt", text).events
    assert isinstance(event.action, Call)
    message = event.action.arguments[1]
    assert isinstance(message, Record)
    return Expected(message, SYMBOLS[4], Place(1, 1), strict=strict)


def entry(data: str, kind: str = "CMSG_TYPE_RECVERR", level: str = "CMSG_LEVEL_IP") -> str:
    return f"{{cmsg_level={level}, cmsg_type={kind}, cmsg_data={data}}}"


def problem(due: Expected, control: list[tuple[int, int, bytes]], flags: int = 0) -> tuple[str, str] | None:
    return due.problem(Message(b"", control, flags))


def test_what_is_as_the_script_says_has_no_problem() -> None:
    due = expected("MSG_ERRQUEUE", entry("{ee_origin=SO_EE_ORIGIN_ZEROCOPY, ee_code=1, ee_info=2, ee_data=3}"))
    assert problem(due, [(LEVEL, KIND, ERROR)], socket.MSG_ERRQUEUE) is None
    assert problem(expected("0", ""), []) is None
    assert problem(expected("...", entry("...")), [(LEVEL, KIND, ERROR)]) is None


@pytest.mark.parametrize(
    ("flags", "control", "seen", "says"),
    [
        ("MSG_ERRQUEUE", entry("{ee_data=3}"), [(LEVEL, KIND, ERROR)], "they are 0x0"),
        ("0", entry("{ee_data=4}"), [(LEVEL, KIND, ERROR)], "it is 3"),
        ("0", entry("{ee_errno=ENOMSG}"), [(LEVEL, KIND, ERROR)], "it is 0"),
        ("0", entry("{ee_data=3}"), [(LEVEL, KIND, ERROR[:4])], "it is not there"),
        ("0", entry("{ee_data=3}"), [], "it is of nothing"),
        ("0", "", [(LEVEL, KIND, ERROR)], "it is of level 0 type 11"),
        ("0", entry("7", "TCP_CM_INQ", "SOL_TCP"), [(6, 36, struct.pack("=i", 8))], "it is 8"),
    ],
)
def test_each_difference_is_told(flags: str, control: str, seen: list[tuple[int, int, bytes]], says: str) -> None:
    found = problem(expected(flags, control), seen)
    assert found is not None
    assert says in found[1]


def test_whether_the_device_copied_is_asserted_by_the_strict_profile_alone() -> None:
    control = entry("{ee_origin=SO_EE_ORIGIN_ZEROCOPY, ee_code=0, ee_data=3}")
    lenient = expected("0", control)
    assert problem(lenient, [(LEVEL, KIND, ERROR)]) is None
    assert lenient.left_out == {"copy of text": 1}
    assert problem(expected("0", control, strict=True), [(LEVEL, KIND, ERROR)]) is not None


@pytest.mark.parametrize(
    "control", [entry("{ee_strange=1}"), "{cmsg_level=1}", "7", entry("1", "99"), entry("{ee_data=NO_SUCH}")]
)
def test_control_data_that_has_no_layout_here_is_unsupported(control: str) -> None:
    with pytest.raises(Unsupported):
        expected("0", control)
