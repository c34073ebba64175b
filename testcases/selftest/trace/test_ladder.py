"""Ladders: one line per event, the target on the left, arrows under each other, and marks where a reader must look."""

import pytest

from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.trace.events import Event, Kind, Mark
from harness.trace.ladder import render

MS = 1_000_000
START = 1_700_000_000 * 1_000_000_000


def event(ms: float, kind: Kind, text: str = "", segment: Segment | None = None, **more: object) -> Event:
    return Event(START + round(ms * MS), kind, text, segment, **more)  # type: ignore[arg-type]


CLOSE = [
    event(0, Kind.CALL, "close()"),
    event(0.021, Kind.RECEIVED, segment=Segment(FIN | ACK, 1, 1), peer_state="CLOSE-WAIT"),
    event(0.023, Kind.SENT, segment=Segment(ACK, 1, 2), peer_state="CLOSE-WAIT"),
    event(0.036, Kind.STATE, "FIN-WAIT-2"),
    event(0.039, Kind.SENT, segment=Segment(RST, 2)),
    event(0.05, Kind.EXPECTED, "<SEQ=2><ACK=1><CTL=ACK>"),
]

PICTURE = """\
           target                                                            peer
     0.000 close()
     0.021                       ── <SEQ=1><ACK=1><CTL=FIN,ACK>            ─▶
     0.023                       ◀─ <SEQ=1><ACK=2><CTL=ACK>                ──
     0.036 FIN-WAIT-2
     0.039                       ◀─ <SEQ=2><CTL=RST>                       ──
✗                                ╌╌ <SEQ=2><ACK=1><CTL=ACK>                ╌▶  (expected)"""


def test_a_ladder_looks_like_this() -> None:
    assert render(CLOSE).splitlines() == PICTURE.splitlines()


def test_no_line_ends_in_blanks() -> None:
    assert all(line == line.rstrip() for line in render(CLOSE, peer_states=True).splitlines())


def test_segments_and_expectations_stand_under_each_other() -> None:
    """What was due stands beside what came, in the same notation and column."""
    columns = {line.index("<SEQ") for line in render(CLOSE).splitlines() if "<SEQ" in line}
    heads = {line.index(head) for line in render(CLOSE).splitlines() for head in ("─▶", "╌▶") if head in line}
    assert len(columns) == len(heads) == 1


def test_the_peers_state_is_shown_where_it_changes() -> None:
    lines = render(CLOSE, peer_states=True).splitlines()
    assert [line.split()[-1] for line in lines if "CLOSE-WAIT" in line] == ["CLOSE-WAIT"]
    assert "CLOSE-WAIT" in lines[2]
    assert "CLOSE-WAIT" not in render(CLOSE)


def test_times_count_from_the_start_that_is_given() -> None:
    assert render(CLOSE, start_ns=START - 2 * MS).splitlines()[1].split()[0] == "2.000"
    late = render([event(0, Kind.CALL, "close()"), event(350.25, Kind.STATE, "CLOSED")])
    assert late.splitlines()[2].split() == ["350.250", "CLOSED"]


@pytest.mark.parametrize(("mark", "word"), [(Mark.UNEXPECTED, "(unexpected)"), (Mark.LATE, "(late)")])
def test_a_marked_event_begins_with_a_cross_and_ends_with_a_word(mark: Mark, word: str) -> None:
    line = render([event(1, Kind.RECEIVED, segment=Segment(RST, 1), mark=mark)]).splitlines()[1]
    assert line.startswith("✗ ")
    assert line.endswith(word)
    assert "✗" not in render([event(1, Kind.RECEIVED, segment=Segment(RST, 1))])


def test_the_second_connection_is_numbered() -> None:
    line = render([event(0, Kind.RECEIVED, segment=Segment(SYN), connection=1)]).splitlines()[1]
    assert "<SEQ=0><CTL=SYN> #2" in line


def test_waits_and_notes_are_told_from_calls() -> None:
    lines = render([event(0, Kind.WAIT, "40 ms pass"), event(0, Kind.NOTE, "ICMP error"), event(0, Kind.CALL, "x()")])
    assert [line.split()[1] for line in lines.splitlines()[1:]] == ["··", "··", "x()"]


def test_annotations_stand_behind_the_notation() -> None:
    told = event(0, Kind.SENT, segment=Segment(SYN), annotations=["(bad checksum)"])
    assert told.notation() == "<SEQ=0><CTL=SYN> (bad checksum)"
    assert told.notation() in render([told])


def test_no_events_are_a_ladder_without_rungs() -> None:
    assert len(render([]).splitlines()) == 1


@pytest.mark.parametrize(
    ("segment", "notation"),
    [
        (Segment(SYN), "<SEQ=0><CTL=SYN>"),
        (Segment(SYN | ACK, 0, 1), "<SEQ=0><ACK=1><CTL=SYN,ACK>"),
        (Segment(FIN | ACK, 7, 9, payload=b"data"), "<SEQ=7><ACK=9><DATA=4><CTL=FIN,ACK>"),
        (Segment(RST, 0, 5), "<SEQ=0><CTL=RST>"),
        (Segment(0, -1), "<SEQ=-1><CTL=none>"),
    ],
)
def test_segments_are_written_as_in_the_figures(segment: Segment, notation: str) -> None:
    assert event(0, Kind.SENT, segment=segment).notation() == notation


def test_an_event_as_data_says_what_the_ladder_says() -> None:
    shown = event(1.5, Kind.RECEIVED, segment=Segment(SYN, 3, 77), mark=Mark.LATE, step="a.py:3", connection=1)
    assert shown.as_dict(START) == {
        "ms": 1.5,
        "kind": "received",
        "segment": {"seq": 3, "ack": None, "flags": "SYN", "length": 0, "window": 65535},
        "text": "<SEQ=3><CTL=SYN>",
        "connection": 1,
        "mark": "late",
        "step": "a.py:3",
    }


def test_what_a_target_says_without_end_is_cut_in_the_middle_and_no_finding_is_lost() -> None:
    acks = [Event(at, Kind.RECEIVED, "", Segment(ACK, 1, at)) for at in range(500)]
    acks[250].mark = Mark.UNEXPECTED
    lines = render(acks).splitlines()
    assert len(lines) == 1 + 2 * (20 + 1) + 1
    assert sum("230 more segments" in line for line in lines) == 1
    assert sum("229 more segments" in line for line in lines) == 1
    assert sum("(unexpected)" in line for line in lines) == 1
    assert len(render(acks[:60]).splitlines()) == 61
