"""Edges of the state machine: found again in what a case recorded, placed in the diagram, counted and drawn."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.report import diagram
from harness.report.diagram_places import BOX_HEIGHT, BOX_WIDTH, BOXES, HEIGHT, LINES, WIDTH
from harness.report.transitions import Use, edges, use_of
from harness.spec.machine import TABLE

NAMES = {edge.name: at for at, edge in enumerate(edges())}
WALK = [
    "call listen()",
    "state LISTEN",
    "sent <SEQ=0><CTL=SYN>",
    "received <SEQ=0><ACK=1><CTL=SYN,ACK>",
    "state SYN-RECEIVED",
    "sent <SEQ=1><ACK=1><CTL=ACK>",
    "state ESTABLISHED",
    "call accept()",
]
WALKED = [
    "closed.passive-open.listen",
    "listen.rcv-syn.syn-received",
    "syn-received.rcv-ack-of-syn.established",
]


def record(*trace: str, verdict: str = "conforms", **more: Any) -> dict[str, Any]:
    return {"id": "a/b", "verdict": verdict, "trace": list(trace), **more}


def told(verdict: str, expected: str, *trace: str) -> dict[str, Any]:
    """A case with a finding: its events are a ladder, as the results have them."""
    events = [{"ms": 0, "kind": kind, "text": text} for kind, _blank, text in (line.partition(" ") for line in trace)]
    return {"id": "a/b", "verdict": verdict, "ladder": events, "findings": [{"expected": expected}]}


def passed(use: Use) -> list[str]:
    return [edges()[at].name for at in use.passed]


def decided(use: Use) -> str:
    return edges()[use.decided].name if use.decided is not None else ""


def test_every_edge_has_a_name_of_its_own() -> None:
    assert len(NAMES) == len(edges())


def test_the_edges_are_the_machines_changes_of_state() -> None:
    changes = {
        (place.state, row.event, row.next.state)
        for row in TABLE
        for place in row.places
        if row.next is not None and row.next.state is not place.state
    }
    assert {(edge.before, edge.event, edge.after) for edge in edges()} == changes


def test_a_walk_goes_over_the_edges_of_its_steps() -> None:
    assert passed(use_of(record(*WALK))) == WALKED


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        (("call shutdown(WR)", "state FIN-WAIT-1"), "established.close.fin-wait-1"),
        (("call close()", "state FIN-WAIT-1"), "established.close.fin-wait-1"),
        (("sent <SEQ=1><ACK=1><CTL=FIN,ACK>", "state CLOSE-WAIT"), "established.rcv-fin.close-wait"),
        (("sent <SEQ=1><CTL=RST>", "state CLOSED"), "established.rcv-rst.closed"),
        (("sent <SEQ=1><CTL=RST>", "state LISTEN"), "established.rcv-rst.closed"),  # only the listener is left
        (("call abort()", "state CLOSED"), "established.abort.closed"),
    ],
)
def test_a_stimulus_and_the_states_around_it_make_an_edge(steps: tuple[str, ...], name: str) -> None:
    assert passed(use_of(record(*WALK, *steps)))[-1] == name


def test_one_segment_can_bring_the_fin_and_acknowledge_the_own() -> None:
    steps = ("call close()", "state FIN-WAIT-1", "sent <SEQ=1><ACK=2><CTL=FIN,ACK>", "state TIME-WAIT")
    assert passed(use_of(record(*WALK, *steps)))[-1] == "fin-wait-1.rcv-fin-and-ack-of-fin.time-wait"


def test_time_ends_time_wait() -> None:
    steps = ("call close()", "state FIN-WAIT-1", "sent <ACK=2><CTL=FIN,ACK>", "state TIME-WAIT")
    use = use_of(record(*WALK, *steps, "wait 60000 ms pass", "state CLOSED"))
    assert passed(use)[-1] == "time-wait.time-wait-timeout.closed"


def test_a_change_that_is_in_no_row_is_strange() -> None:
    use = use_of(record(*WALK, "sent <SEQ=1><ACK=1><CTL=ACK>", "state CLOSE-WAIT"))
    assert use.strange == (("ESTABLISHED", "ACK", "CLOSE-WAIT"),)
    assert passed(use) == WALKED


def test_the_second_connection_is_not_this_ones() -> None:
    assert passed(use_of(record(*WALK, "sent <SEQ=1><CTL=RST> #2", "state CLOSED #2"))) == WALKED


def test_a_fin_that_does_not_come_is_about_the_edge_of_the_call() -> None:
    due = "<SEQ=1><ACK=1><CTL=FIN,ACK>"
    use = use_of(told("violates", due, *WALK, "call shutdown(WR)", f"expected {due}"))
    assert decided(use) == "established.close.fin-wait-1"


def test_a_state_that_is_not_reached_is_about_the_edge_to_it() -> None:
    use = use_of(told("known deviation", "state CLOSE-WAIT", *WALK, "sent <SEQ=1><ACK=1><CTL=FIN,ACK>"))
    assert decided(use) == "established.rcv-fin.close-wait"


def test_where_nothing_was_to_change_no_edge_is_spoken_about() -> None:
    use = use_of(told("violates", "state ESTABLISHED", *WALK, "sent <SEQ=9><CTL=RST>", "state CLOSED"))
    assert decided(use) == ""


def test_an_answer_to_something_else_in_a_step_is_not_about_its_edge() -> None:
    """What must be answered is the repeated FIN; that LAST-ACK ends with the same segment is as it should be."""
    last_ack = ("sent <CTL=FIN,ACK>", "state CLOSE-WAIT", "call close()", "state LAST-ACK")
    due = "<SEQ=2><ACK=2><CTL=ACK>"
    use = use_of(told("known deviation", due, *WALK, *last_ack, "sent <ACK=2><CTL=ACK>", "state CLOSED"))
    assert decided(use) == ""
    assert passed(use)[-1] == "last-ack.rcv-ack-of-fin.closed"


def test_a_case_that_conforms_speaks_about_no_edge() -> None:
    assert use_of(record(*WALK)).decided is None


def test_a_count_is_coloured_by_the_worst() -> None:
    due = "state CLOSE-WAIT"
    fin = "sent <SEQ=1><ACK=1><CTL=FIN,ACK>"
    walked = diagram.Walked()
    at = NAMES["established.rcv-fin.close-wait"]
    assert walked.counts[at].status == diagram.UNUSED
    walked.add(record(*WALK, fin, "state CLOSE-WAIT"))
    assert walked.counts[at].status == diagram.CONFORMS
    walked.add(told("known deviation", due, *WALK, fin))
    assert walked.counts[at].status == diagram.KNOWN
    walked.add(told("violates", due, *WALK, fin))
    assert walked.counts[at].status == diagram.VIOLATES
    assert str(walked.counts[at]) == "✗ 1 of 3"


# --- the drawing -----------------------------------------------------------------------------------------------------


def test_figure_5_is_placed_and_nothing_else() -> None:
    assert set(LINES) == {edge.name for edge in edges() if edge.drawn}


def test_every_line_runs_between_the_boxes_of_its_states() -> None:
    edge_of = {edge.name: edge for edge in edges()}
    for name, line in LINES.items():
        edge = edge_of[name]
        assert _box_at(line.corners[0]) == edge.before, name
        assert _box_at(line.corners[-1]) == edge.after, name
        assert all(x0 == x1 or y0 == y1 for (x0, y0), (x1, y1) in pairwise(line.corners)), name
        assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in line.corners), name


def _box_at(point: tuple[int, int]) -> str:
    """Return the state on the rim of whose box a point lies."""
    px, py = point
    for state, x, y in BOXES:
        across, up = abs(px - x), abs(py - y)
        if (across == BOX_WIDTH // 2 and up <= BOX_HEIGHT // 2) or (up == BOX_HEIGHT // 2 and across <= BOX_WIDTH // 2):
            return state
    return ""


def test_the_diagram_links_each_edge_and_says_what_it_is() -> None:
    walked = diagram.Walked()
    walked.add(record(*WALK))
    text = diagram.of_run(walked, "linux", link=lambda edge: f"#edge/0/{edge.name}")
    tree = ElementTree.fromstring(text)
    links = {link.get("href") for link in tree.iter("{http://www.w3.org/2000/svg}a")}
    assert links == {f"#edge/0/{name}" for name in LINES}
    assert "CLOSED → LISTEN on passive OPEN: ✓ 1" in text
    assert tree.get("role") == "group"


def test_two_targets_differ_where_one_conforms_and_the_other_does_not() -> None:
    one, other = diagram.Walked(), diagram.Walked()
    fin, due = "sent <SEQ=1><ACK=1><CTL=FIN,ACK>", "state CLOSE-WAIT"
    one.add(record(*WALK, fin, due))
    other.add(told("violates", due, *WALK, fin))
    text = diagram.of_difference(one, other, "A and B")
    assert text.count('class="edge differs"') == 1 + 1  # and the legend
    assert "A ✓ B ✗" in text


def test_where_only_one_of_two_targets_was_they_do_not_differ() -> None:
    one, other = diagram.Walked(), diagram.Walked()
    one.add(record(*WALK))
    text = diagram.of_difference(one, other, "A and B")
    assert text.count('class="edge differs"') == 1  # the legend
    assert text.count(">only A ✓<") == len(WALKED)


def test_two_targets_that_show_the_same_differ_nowhere() -> None:
    one, other = diagram.Walked(), diagram.Walked()
    for walked in (one, other):
        walked.add(record(*WALK))
    assert diagram.of_difference(one, other, "A and B").count('class="edge differs"') == 1
