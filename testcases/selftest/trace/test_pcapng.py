"""The captures that the harness writes, read back by Scapy and by tshark."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from scapy.utils import RawPcapNgReader

from harness.trace.pcapng import LINKTYPE_ETHERNET, LINKTYPE_RAW, PcapngWriter

#: After 2**32 ns and with nine different digits at the end, so that neither half nor resolution can go wrong unseen.
TIME = 1_700_000_000_123_456_789
FRAME = bytes.fromhex("02000000000202000000000188b5") + b"payload"
COMMENT = "step 3: peer sends <SEQ=1><CTL=RST> → challenge ACK"


def read(path: Path) -> list[tuple[bytes, RawPcapNgReader.PacketMetadata]]:
    with RawPcapNgReader(str(path)) as reader:
        return list(reader)


def time_ns(metadata: RawPcapNgReader.PacketMetadata) -> int:
    assert metadata.tsresol == 10**9
    return (metadata.tshigh << 32) + metadata.tslow


def comments(metadata: RawPcapNgReader.PacketMetadata) -> list[str]:
    found = metadata.comments or []
    return [octets.decode() for octets in (found if isinstance(found, list) else [found])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "case.pcapng"


def test_packets_come_back_with_time_comment_and_direction(path: Path) -> None:
    with PcapngWriter(path, comment="the whole case", application="tcpspec") as writer:
        writer.packet(TIME, FRAME, comment=COMMENT, outbound=True)
        writer.packet(TIME + 1, FRAME[:-1])
    (first, one), (second, two) = read(path)
    assert (first, second) == (FRAME, FRAME[:-1])
    assert (time_ns(one), time_ns(two)) == (TIME, TIME + 1)
    assert (comments(one), comments(two)) == ([COMMENT], [])
    assert (one.direction, two.direction) == (2, 1)
    assert (one.wirelen, two.wirelen) == (len(FRAME), len(FRAME) - 1)


@pytest.mark.parametrize("link_type", [LINKTYPE_ETHERNET, LINKTYPE_RAW])
def test_the_link_type_is_that_of_the_capture(path: Path, link_type: int) -> None:
    with PcapngWriter(path, link_type=link_type) as writer:
        writer.packet(0, FRAME)
    assert [metadata.linktype for _, metadata in read(path)] == [link_type]


def test_the_link_types_have_the_numbers_of_the_registry() -> None:
    assert (LINKTYPE_ETHERNET, LINKTYPE_RAW) == (1, 101)


@pytest.mark.parametrize("length", range(9))
@pytest.mark.parametrize("comment", ["", "a", "ab", "abc", "abcd", "é", "→"])
def test_any_length_of_packet_and_comment_is_padded_right(path: Path, length: int, comment: str) -> None:
    with PcapngWriter(path, comment=comment) as writer:
        writer.packet(TIME, bytes(range(1, length + 1)), comment=comment)
        writer.packet(TIME, FRAME)
    (data, metadata), (last, _) = read(path)
    assert data == bytes(range(1, length + 1))
    assert comments(metadata) == ([comment] if comment else [])
    assert last == FRAME
    assert path.stat().st_size % 4 == 0


def test_every_block_ends_with_its_length(path: Path) -> None:
    with PcapngWriter(path, comment="c", application="tcpspec") as writer:
        writer.packet(TIME, FRAME, comment=COMMENT)
        writer.packet(TIME, FRAME)
    octets, at, kinds = path.read_bytes(), 0, []
    while at < len(octets):
        kind, length = struct.unpack_from("<II", octets, at)
        assert struct.unpack_from("<I", octets, at + length - 4) == (length,)
        kinds.append(kind)
        at += length
    assert kinds == [0x0A0D0D0A, 1, 6, 6]


def test_the_section_names_the_application_and_the_case(path: Path) -> None:
    with PcapngWriter(path, comment="établi", application="tcpspec 0.1"):
        pass
    section = path.read_bytes()[24 : struct.unpack_from("<I", path.read_bytes(), 4)[0] - 4]
    comment = b"\x01\x00\x07\x00" + "établi".encode() + b"\x00"
    application = b"\x04\x00\x0b\x00" + b"tcpspec 0.1" + b"\x00"
    assert section == comment + application + bytes(4)


@pytest.mark.parametrize("time", [0, 2**32 - 1, 2**32, 2**64 - 1])
def test_both_halves_of_the_time_are_kept(path: Path, time: int) -> None:
    with PcapngWriter(path) as writer:
        writer.packet(time, FRAME)
    ((_, metadata),) = read(path)
    assert time_ns(metadata) == time


@pytest.mark.parametrize("time", [-1, 2**64])
def test_a_time_that_cannot_be_written_is_refused(path: Path, time: int) -> None:
    with PcapngWriter(path) as writer, pytest.raises(ValueError, match=f"time_ns is {time}"):
        writer.packet(time, FRAME)
    assert read(path) == []


@pytest.mark.parametrize("filler", [0, 1, 2])
def test_a_comment_that_is_too_long_is_cut_between_characters(path: Path, filler: int) -> None:
    with PcapngWriter(path) as writer:
        writer.packet(TIME, FRAME, comment="x" * filler + "→" * 30_000)
        writer.packet(TIME, FRAME)
    (_, metadata), (last, _) = read(path)
    (comment,) = comments(metadata)
    assert comment == "x" * filler + "→" * ((65_535 - filler) // 3)
    assert last == FRAME


def test_text_that_is_no_unicode_does_not_stop_the_capture(path: Path) -> None:
    with PcapngWriter(path) as writer:
        writer.packet(TIME, FRAME, comment="from the wire: \udcff")
    ((_, metadata),) = read(path)
    assert comments(metadata) == ["from the wire: ?"]


# --- the file


def test_the_name_appears_only_at_the_end(path: Path) -> None:
    with PcapngWriter(path) as writer:
        writer.packet(TIME, FRAME)
        assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["case.pcapng"]


def break_off(path: Path, error: BaseException) -> None:
    with PcapngWriter(path) as writer:
        writer.packet(TIME, FRAME)
        raise error


def test_nothing_stays_of_a_capture_that_was_broken_off(path: Path) -> None:
    with pytest.raises(RuntimeError, match="the case broke"):
        break_off(path, RuntimeError("the case broke"))
    assert list(path.parent.iterdir()) == []


def test_an_older_capture_outlives_a_broken_one_and_gives_way_to_a_whole_one(path: Path) -> None:
    path.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt):
        break_off(path, KeyboardInterrupt())
    assert path.read_bytes() == b"older"
    with PcapngWriter(path) as writer:
        writer.packet(TIME, FRAME)
    assert len(read(path)) == 1


def test_two_writers_of_one_name_do_not_mix(path: Path) -> None:
    with PcapngWriter(path) as outer:
        outer.packet(TIME, FRAME)
        with PcapngWriter(path) as inner:
            inner.packet(TIME, FRAME)
            inner.packet(TIME, FRAME)
        assert len(read(path)) == 2
    assert len(read(path)) == 1


def test_a_name_that_cannot_be_taken_leaves_nothing_behind(path: Path) -> None:
    path.mkdir()
    with pytest.raises(IsADirectoryError), PcapngWriter(path) as writer:
        writer.packet(TIME, FRAME)
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_a_capture_as_they_may_read_other_new_files(path: Path, tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_bytes(b"")
    with PcapngWriter(path):
        pass
    assert path.stat().st_mode == ordinary.stat().st_mode


def test_packets_outside_the_block_are_refused(path: Path) -> None:
    writer = PcapngWriter(path)
    with pytest.raises(ValueError, match="is not open"):
        writer.packet(TIME, FRAME)
    with writer:
        pass
    with pytest.raises(ValueError, match="is not open"):
        writer.packet(TIME, FRAME)


def test_a_writer_is_not_entered_twice_at_once(path: Path) -> None:
    with PcapngWriter(path) as writer:
        with pytest.raises(ValueError, match="being written already"):
            writer.__enter__()
        writer.packet(TIME, FRAME)
    assert len(read(path)) == 1


# --- tshark


def tshark(path: Path, *fields: str) -> list[list[str]]:
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed: the capture was read by Scapy only")
    named = [word for field in fields for word in ("-e", field)]
    command = [program, "-n", "-r", str(path), "-T", "fields", *named]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_tshark_shows_the_comments_and_the_times(path: Path) -> None:
    with PcapngWriter(path, comment="the whole case", application="tcpspec") as writer:
        writer.packet(TIME, FRAME, comment=COMMENT, outbound=True)
        writer.packet(TIME + 1, FRAME)
    shown = tshark(path, "frame.comment", "frame.time_epoch", "frame.packet_flags_direction", "frame.len")
    assert [row[:2] for row in shown] == [[COMMENT, "1700000000.123456789"], ["", "1700000000.123456790"]]
    assert [int(row[2], 0) for row in shown] == [2, 1]
    assert [row[3] for row in shown] == [str(len(FRAME))] * 2


def test_tshark_reads_packets_without_a_link_header(path: Path) -> None:
    packet = bytes.fromhex("450000140000000040fd0000c0000201c0000202")
    with PcapngWriter(path, link_type=LINKTYPE_RAW) as writer:
        writer.packet(TIME, packet, comment="raw")
    assert tshark(path, "ip.src", "ip.dst", "frame.comment") == [["192.0.2.1", "192.0.2.2", "raw"]]
