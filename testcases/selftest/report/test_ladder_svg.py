"""Ladders as SVG: what the text ladder says, as a drawing that is well-formed, named and described."""

from xml.etree import ElementTree

import pytest

from harness.report import ladder_svg, rungs
from harness.report.rungs import CALL, MISSING, PAUSE, RECEIVED, SENT, STATES, Ladder, Rung
from harness.spec.segment import ACK, FIN, SYN, Flags, Segment
from harness.trace.events import Event, Kind, Mark

NS = "{http://www.w3.org/2000/svg}"
MS = 1_000_000

EVENTS = [
    Event(0, Kind.CALL, "listen()"),
    Event(MS, Kind.STATE, "LISTEN"),
    Event(2 * MS, Kind.SENT, segment=Segment(SYN), peer_state="SYN-SENT"),
    Event(3 * MS, Kind.RECEIVED, segment=Segment(SYN | ACK, 0, 1), peer_state="ESTABLISHED"),
    Event(4 * MS, Kind.STATE, "SYN-RECEIVED"),
    Event(5 * MS, Kind.RECEIVED, segment=Segment(FIN | ACK, 1, 1), mark=Mark.UNEXPECTED, peer_state="ESTABLISHED"),
    Event(6 * MS, Kind.EXPECTED, "<SEQ=1><ACK=1><CTL=ACK>"),
    Event(7 * MS, Kind.WAIT, "60 s pass"),
]


def tree_of(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def texts_of(tree: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in tree.iter(f"{NS}text")]


def test_events_become_rungs_and_the_states_of_one_step_share_one() -> None:
    ladder = rungs.of_events(EVENTS, 0)
    assert [(rung.kind, rung.text, rung.peer) for rung in ladder.rungs] == [
        (CALL, "listen()", ""),
        (STATES, "LISTEN", ""),
        (SENT, "<SEQ=0><CTL=SYN>", ""),
        (STATES, "", "SYN-SENT"),
        (RECEIVED, "<SEQ=0><ACK=1><CTL=SYN,ACK>", ""),
        (STATES, "SYN-RECEIVED", "ESTABLISHED"),
        (RECEIVED, "<SEQ=1><ACK=1><CTL=FIN,ACK>", ""),
        (MISSING, "<SEQ=1><ACK=1><CTL=ACK>", ""),
        (PAUSE, "60 s pass", ""),
    ]
    assert ladder.times[:4] == (0, 1, 2, None)


def test_a_line_of_the_results_gives_the_ladder_of_its_events() -> None:
    record = {"ladder": [event.as_dict(0) for event in EVENTS]}
    assert rungs.of_record(record) == rungs.of_events(EVENTS, 0)


def test_a_brief_line_gives_the_same_rungs_without_times_and_peer() -> None:
    ladder = rungs.of_record({"trace": [event.brief() for event in EVENTS]})
    own = [(rung.kind, rung.text) for rung in rungs.of_events(EVENTS, 0).rungs if rung.text]
    assert [(rung.kind, rung.text) for rung in ladder.rungs] == own
    assert set(ladder.times) == {None}


def test_a_case_that_never_began_has_no_rungs() -> None:
    assert rungs.of_record({}) == Ladder((), ())


def test_an_event_of_an_unknown_kind_is_told_as_a_note() -> None:
    assert rungs.of_record({"trace": ["poem roses are red"]}).rungs == (Rung(PAUSE, "roses are red"),)


def test_the_second_connection_is_numbered_and_does_not_move_the_peer() -> None:
    event = Event(0, Kind.SENT, segment=Segment(SYN), connection=1, peer_state="SYN-SENT")
    assert [rung.text for rung in rungs.of_events([event], 0).rungs] == ["<SEQ=0><CTL=SYN> #2"]


@pytest.mark.parametrize(
    ("first", "wrong", "then", "flags"),
    [("ESTABLISHED", "CLOSE-WAIT", "CLOSING", FIN | ACK), ("CLOSED", "LISTEN", "SYN-RECEIVED", SYN)],
)
def test_where_two_segments_cross_the_peer_had_not_yet_answered(
    first: str, wrong: str, then: str, flags: Flags
) -> None:
    """A peer that has seen a FIN is in CLOSE-WAIT, unless it turns out that its own was under way."""
    events = [
        Event(0, Kind.SENT, segment=Segment(ACK), peer_state=first),
        Event(1, Kind.RECEIVED, segment=Segment(flags), peer_state=wrong),
        Event(2, Kind.STATE, "SOMEWHERE"),
        Event(3, Kind.SENT, segment=Segment(flags), peer_state=then),
    ]
    states = [(rung.text, rung.peer) for rung in rungs.of_events(events, 0).rungs if rung.kind == STATES]
    assert states == [("", first), ("SOMEWHERE", ""), ("", then)]


def test_the_drawing_says_what_the_ladder_says() -> None:
    told = texts_of(tree_of(ladder_svg.draw(rungs.of_events(EVENTS, 0), title="close")))
    for event in EVENTS:
        assert event.notation() in told
    assert {"0.000", "5.000", "SYN-SENT", "ESTABLISHED", "✗ unexpected", "✗ missing"} <= set(told)


def test_what_stands_out_does_so_not_only_by_colour() -> None:
    text = ladder_svg.draw(rungs.of_events(EVENTS, 0), title="close")
    arrows = [path.get("class") for path in tree_of(text).iter(f"{NS}path") if "tip" in (path.get("class") or "")]
    assert arrows == ["a tip", "a tip", "a bad tip", "a missing bad tip"]


@pytest.mark.parametrize("standalone", [False, True])
def test_the_drawing_has_a_name_a_description_and_a_role(standalone: bool) -> None:
    tree = tree_of(ladder_svg.draw(rungs.of_events(EVENTS, 0), title="closing/fin", standalone=standalone))
    title, described = tree.find(f"{NS}title"), tree.find(f"{NS}desc")
    assert tree.get("role") == "img"
    assert title is not None
    assert title.text == "closing/fin"
    assert described is not None
    assert "peer sends <SEQ=0><CTL=SYN>" in (described.text or "")
    assert tree.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"


def test_a_file_of_its_own_brings_colours_for_light_and_dark_and_a_ground() -> None:
    alone = ladder_svg.draw(rungs.of_events(EVENTS, 0), title="x", standalone=True)
    assert "prefers-color-scheme: dark" in alone
    assert 'class="ground"' in alone
    within = ladder_svg.draw(rungs.of_events(EVENTS, 0), title="x")
    assert "<style>" not in within


def test_nothing_is_drawn_outside_the_frame() -> None:
    tree = tree_of(ladder_svg.draw(rungs.of_events(EVENTS, 0), title="x"))
    width, height = int(tree.get("width", "0")), int(tree.get("height", "0"))
    for element in tree.iter(f"{NS}text"):
        assert 0 <= int(element.get("x", "-1")) <= width
        assert 0 <= int(element.get("y", "-1")) <= height


@pytest.mark.parametrize("text", ["</title><script>x</script>", "a\x00b\x1bc", "\u202egnp.exe", "&amp; \" '"])
def test_texts_of_a_target_stay_texts(text: str) -> None:
    ladder = Ladder((Rung(CALL, text), Rung(STATES, text, text)), (0.0, None))
    tree = tree_of(ladder_svg.draw(ladder, title=text))
    assert not [element for element in tree.iter() if element.tag.endswith("script")]
    assert not any(ord(letter) < 32 and letter != "\n" for element in tree.iter() for letter in element.text or "")


def test_a_text_too_long_for_its_lane_is_cut_in_the_drawing_and_whole_in_its_description() -> None:
    long = "setsockopt(" + "x" * 100 + ")"
    tree = tree_of(ladder_svg.draw(Ladder((Rung(CALL, long),), (0.0,)), title="x"))
    assert any(text.endswith("…") and len(text) < 60 for text in texts_of(tree))
    assert long in (tree.findtext(f"{NS}desc") or "")
