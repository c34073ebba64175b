"""Cases as scripts of packetdrill: what is written says what happened, and no script says what none can."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.pkt import grammar, icmp, writer
from harness.spec.segment import ACK, Segment
from harness.trace.results import read
from harness.verbs import starting
from harness.wire import codec
from harness.wire import icmp as wire_icmp


@dataclass(eq=False)
class Writer:
    """Writes every case of a run as a script."""

    folder: Path
    texts: dict[str, str] = field(default_factory=dict)

    def pytest_tcpspec_verdict(self, case: Any, outcome: Any, judgement: Any, record: Any, story: str) -> None:
        """Write what happened."""
        conversation = outcome.conversation
        if conversation is not None:
            text = writer.write(writer.own_events(conversation), title=case.case_id, between=conversation.addresses)
            self.texts[case.case_id] = text
            writer.path_in(self.folder, case.case_id, "").write_text(text)


def written(folder: Path, *cases: str) -> dict[str, str]:
    """Return the scripts of cases, played on the reference stack, and leave them in a folder."""
    made = Writer(folder)
    options = ["-p", "no:terminal", "--target", "reference", "--ip", "4", "--no-expectations", "--grid", "off"]
    starting.start([*options, *(f"--case={pattern}" for pattern in cases)], made)
    return made.texts


#: What no script tells of: which of two sockets on one port is meant, and how many challenges a limit has left.
TOLD_IN_PART = {
    "reset-beside-a-listener-on-the-same-port",
    "limit-spares-true-resets",
    "challenges-are-limited_rst-all-connections",
}


@pytest.mark.parametrize("cases", ["*-close/*", "*-open/*", "resets/*", "icmp/*"])
def test_what_is_written_says_what_happened(cases: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()
    texts = written(tmp_path / "made", cases)
    assert len(texts) > 80
    for name, text in texts.items():
        grammar.parse(name, text)
    cli.main(["run", "--target", "reference", "--results", "out", "made"])
    cases_read = read(tmp_path / "out").cases
    assert len(cases_read) == len(texts)
    others = {record["id"] for record in cases_read if record["verdict"] != "conforms"}
    assert all(any(each in case for each in TOLD_IN_PART) for case in others), others


def test_what_no_script_can_say_ends_it_and_demands_nothing(tmp_path: Path) -> None:
    texts = written(tmp_path, "header/*")
    (damaged, *_more) = (text for name, text in texts.items() if name.startswith("header/damaged-syn-ack["))
    assert "none can say that the peer sends <SEQ=0><ACK=1><CTL=SYN,ACK> (bad checksum)" in damaged
    assert "< S." not in damaged
    assert not any("<kind" in text or ",kind" in text for text in texts.values())


#: What has no name in packetdrill's words, or needs more than one line, and how it is written.
WORDS = {
    "header/illegal-length-in-a-syn*": r"< S\. 0:0\(0\) ack 1 win 65535 <fd00",
    "passive-open/fast-open-that-nobody-asked-for-is-ignored*": r"< S 0:5\(5\) win 65535 <020405b422",
    "header/diffserv-of-*": r"setsockopt\(3, SOL_IP, IP_TOS, \[184\], 4\) = 0",
    "header/urgent-data-is-sent*": r"send\(4, \.\.\., 3, MSG_OOB\) = 3\n +\+0 > PU\. 1:4\(3\) ack 1 urg 3",
    "header/mss-of-no-use-in-a-syn*": r"bind\(5, \{sa_family = AF_INET, sin_port = htons\(8081\), .+< 2001 > 8081 S ",
    "isolation/listen-leaves-connections-alone*": r"close\(3\) = 0\n.+bind\(5, \.\.\., \.\.\.\) = 0",
}


@pytest.mark.parametrize("cases", WORDS)
def test_what_has_no_name_is_written_in_other_words(
    cases: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").mkdir()
    texts = written(tmp_path / "made", cases).values()
    assert any(re.search(WORDS[cases], text, re.DOTALL) for text in texts)
    assert not any("here the script ends" in text for text in texts)
    assert all(("as their octets" in text) == (re.search("<[0-9a-f]+>", text) is not None) for text in texts)
    assert cli.main(["run", "--target", "reference", "made"]) == 0


def octets_of(option: str) -> int:
    """Return how long an option is that a script names."""
    name, *values = option.split()
    if name == "sack":
        return 2 + 8 * len(values)
    if name in ("FO", "md5"):
        return 2 + len("".join(values)) // 2
    return {"nop": 1, "eol": 1, "mss": 4, "wscale": 3, "sackOK": 2, "TS": 10}[name]


def test_options_fill_the_header_to_a_multiple_of_four_octets(tmp_path: Path) -> None:
    """packetdrill refuses a script in which they do not."""
    written_so = set()
    for text in written(tmp_path, "header/*", "passive-open/*").values():
        written_so |= set(re.findall(r"<([^<>.]+)>$", text, re.MULTILINE))
    assert {"mss 1460,sackOK,eol,eol", "eol,eol,eol,eol"} <= written_so
    for each in written_so:
        in_octets = re.fullmatch("[0-9a-f]{8,}", each)
        assert (len(each) // 2 if in_octets else sum(map(octets_of, each.split(",")))) % 4 == 0, each


def test_options_urgent_data_and_pending_errors_are_written(tmp_path: Path) -> None:
    buffer = written(tmp_path, "header/urgent-data-beyond-the-field*")
    assert any("setsockopt(4, SOL_SOCKET, SO_SNDBUF, [" in text for text in buffer.values())
    patterns = ("explore/urgent/passive.*", "explore/unsent/*told", "explore/unread/passive.two.*asked")
    conversations = written(tmp_path, *patterns).values()
    assert any(", MSG_OOB) = " in text for text in conversations)
    assert any("SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0" in text for text in conversations)
    assert not any("the application calls urgent" in text or "calls error()" in text for text in conversations)


@pytest.mark.parametrize(("version", "kind", "code", "rest", "mtu"), [(4, 3, 4, 1280, 1280), (6, 2, 0, 1300, 1300)])
def test_an_icmp_error_is_read_from_its_octets(version: int, kind: int, code: int, rest: int, mtu: int) -> None:
    ends = ("192.0.2.1", "192.0.2.2") if version == 4 else ("2001:db8::1", "2001:db8::2")
    path = codec.Path(*ends)
    quoted = codec.encode(path.reversed(), Segment(ACK, 77, source_port=5, destination_port=9))
    found = icmp.decode(wire_icmp.error(path, kind, code, quoted, rest=rest))
    assert found == icmp.Error(kind, code, mtu, (5, 9), 77)
    assert icmp.decode(quoted) is None


def test_what_timers_did_behind_a_case_is_not_demanded_and_what_is_held_back_is_spaced_out(tmp_path: Path) -> None:
    (repeats,) = written(tmp_path, "icmp/close-survives*hops-exceeded-fin-wait-1-by-close*").values()
    assert repeats.count("> F.") == 1
    (again,) = written(tmp_path, "active-open/repeated-syn-ack-is-acknowledged-again").values()
    assert "    +0.6 < S. 0:0(0) ack 1" in again
