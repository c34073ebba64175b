"""The grid is complete, its names are stable, and what is exported is what is judged."""

import json
from collections import Counter
from pathlib import Path

import pytest

from harness.case.policies import policies_of
from harness.case.verdict import Verdict
from harness.grid import docs, export
from harness.grid.accept import cites_of, core, reactions
from harness.grid.calls import call_cells, timer_cells
from harness.grid.cells import FLAGS, PLACES, Cell, by_id, segment_cells
from harness.grid.explain import UnknownCell, explain
from harness.grid.numbers import connection_of, segment_of
from harness.grid.session import CALLS, SEGMENTS, case_of
from harness.mutate.script import Script, play
from harness.spec.arrivals import RULES
from harness.spec.citations import Citation
from harness.spec.policy import DEFAULT, Policy
from harness.spec.reaction import Level, Reply
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, ESTABLISHED, FIN_WAIT_1, SYN_RECEIVED, SYNCHRONIZED, State
from harness.stack.connection import Connection
from harness.stack.defects.defect import stack_with
from harness.targets import registry
from harness.targets.protocol import EITHER_WAY, Capability

#: Rules that no cell can reach. A listener takes its half-open connections with it on every known stack; no target can
#: be asked for a window of a few octets, nor for a closed one in which the peer's FIN has found a place.
OUT_OF_REACH = {
    "other/second/listener-gone",
    "other/fourth/listener-gone",
    "other/first/spanning",
    "other/first/zero-window-last-ack",
}

KEYS = ["id", "state", "route", "flags", "seq", "ack", "payload", "accept"]
MEMBER_KEYS = ["reply", "next", "level", "policy", "default", "cites"]


def ordinary() -> list[Cell]:
    return [cell for cell in segment_cells() if not cell.setting]


def test_every_place_meets_every_combination_of_flags() -> None:
    met = {(cell.state, cell.route, cell.flags) for cell in ordinary()}
    assert len(FLAGS) == 16
    assert {(state, route, flags) for state, route in PLACES for flags in FLAGS} <= met
    assert {state for state, _route in PLACES} == set(State)


def test_the_names_are_unique_and_stable() -> None:
    assert len(by_id()) == len(segment_cells())
    for name in (
        "grid/established/syn/inside/-/none",
        "grid/closed/none/-/-/none",
        "grid/syn-sent/syn-ack/-/good/data",
        "grid/syn-received-simultaneous/ack/exact/le_iss/none",
        "grid/fin-wait-2-close/fin-urg-ack/exact/dup/data",
        "grid/last-ack/fin-ack/overlap/acks_fin/data",
        "grid/established-zero-window/rst/exact/-/data",
        "grid/time-wait-timestamps-listening/syn/far/tsval-newer/none",
    ):
        assert name in by_id()
    events = [cell.id for cell in (*call_cells(), *timer_cells())]
    assert len(set(events)) == len(events)
    assert "grid/established/call-receive-data-waiting" in events
    assert "grid/time-wait/timer-time-wait-timeout" in events


def test_the_size_is_what_the_dimensions_give() -> None:
    places = Counter((cell.state, cell.route) for cell in ordinary())
    without_ack, reset, positions = 8 * 13, 4 * 13, 4 * 13
    assert places[ESTABLISHED, None] == without_ack + reset + 4 * positions + 10 + 4 + 3 * 5
    assert places[FIN_WAIT_1, "close"] == without_ack + reset + 5 * positions + 10 + 4 + 3 * 6
    assert places[SYN_RECEIVED, "passive"] == without_ack + reset + 3 * positions + 10 + 3 * 3
    assert 4000 < len(segment_cells()) < 5000


def test_a_position_is_where_its_name_says() -> None:
    cell = by_id()["grid/fin-wait-1-shutdown/fin-ack/right_last/too_old/data"]
    connection = connection_of(cell, 1000)
    segment = segment_of(cell, connection)
    assert segment.seq == connection.rcv_nxt + 999
    assert (segment.ack + connection.max_snd_wnd + 1) & 0xFFFFFFFF == connection.snd_una
    assert (connection.snd_nxt, connection.fin_sent) == (connection.snd_una + 1, True)
    assert segment_of(by_id()["grid/established/ack/left1/dup/data"], connection).payload == b"d"


@pytest.mark.parametrize("state", [*sorted(SYNCHRONIZED), SYN_RECEIVED], ids=str)
def test_a_reset_comes_with_every_acknowledgment_and_the_rules_look_at_none(state: State) -> None:
    resets = [cell for cell in segment_cells() if (cell.state, cell.flags) == (state, RST | ACK)]
    resets = [cell for cell in resets if cell.payload == "none" and cell.setting in ("", "in-flight")]
    for seq in ("left1", "exact", "inside"):
        rows = {cell.ack: reactions(cell) for cell in resets if cell.seq == seq and cell.route != "simultaneous"}
        wanted = {"le_iss", "unsent"} if state is SYN_RECEIVED else {"old", "too_old", "far_old", "unsent"}
        assert {*wanted, "far_new", None} <= set(rows)
        assert len({frozenset((row.reply, row.next) for row in found) for found in rows.values()}) == 1
    flying = {cell.ack for cell in resets if cell.setting == "in-flight"}
    assert ("between" in flying) is (state in (ESTABLISHED, CLOSE_WAIT))


class BelievesNoOddReset(Connection):
    """A reset that does not acknowledge SND.NXT is dropped."""

    def arrive(self, segment: Segment) -> None:
        if segment.flags & (RST | ACK) != RST | ACK or segment.ack == self.snd_nxt:
            super().arrive(segment)


def test_a_stack_that_looks_at_the_acknowledgment_of_a_reset_is_found_by_the_core_in_each_state() -> None:
    spec = registry.parse("reference")
    cells = [cell for cell in segment_cells() if cell.id in core() and cell.flags == RST | ACK and cell.ack]
    cells = [cell for cell in cells if cell.seq == "exact"]
    scripts = [Script(case_of(cell, spec, 4, ""), cell=cell) for cell in cells]
    assert {play(script).verdict for script in scripts} == {Verdict.CONFORMS}
    found = {cell.state for cell, script in zip(cells, scripts, strict=True) if _violates(script)}
    assert found == {*SYNCHRONIZED, SYN_RECEIVED}


def _violates(script: Script) -> bool:
    return play(script, stack_with(BelievesNoOddReset)).verdict is Verdict.VIOLATES


def test_every_rule_decides_somewhere_and_in_the_core() -> None:
    for cells in (segment_cells(), [by_id()[name] for name in core()]):
        met = {rule for cell in cells for reaction in reactions(cell) for rule in reaction.path}
        assert {rule.id for rule in RULES} - met == OUT_OF_REACH


def test_the_core_is_small_and_meets_every_state_with_every_combination_of_flags() -> None:
    assert len(core()) + len(CALLS.cells("core", ())) < 1050
    met = {(by_id()[name].state, by_id()[name].flags) for name in core()}
    assert {(state, flags) for state in State for flags in FLAGS} <= met


def test_every_cell_allows_something_to_everybody() -> None:
    for claimed in (frozenset(Capability), frozenset[Capability]()):
        policies = policies_of(claimed)
        for cell in segment_cells():
            assert any(policies.issuperset(reaction.policies) for reaction in reactions(cell)), cell.id


def test_capabilities_choose_the_policies() -> None:
    assert policies_of({Capability.RFC5961}) == DEFAULT
    assert Policy.RFC793_RST in policies_of(set())
    assert Policy.RFC5961_RST not in policies_of(set())
    assert {Policy.RFC5961_RST, Policy.RFC793_SYN, Policy.RFC793_ACK} <= policies_of({Capability.RFC5961_RST})
    assert {Policy.MAY_2, Policy.RFC6191} <= policies_of({Capability.TIME_WAIT_REUSE})
    assert Policy.RFC1337 in policies_of(set(), rfc1337=True)


def test_of_what_is_untold_both_are_allowed() -> None:
    untold = policies_of(set(), untold=EITHER_WAY)
    assert untold == DEFAULT | policies_of(set()) | {Policy.MAY_2, Policy.RFC6191_UNTOLD}
    assert policies_of({Capability.RFC5961}, untold={Capability.TIME_WAIT_REUSE}) >= DEFAULT


def test_what_a_cell_cites_can_be_looked_up() -> None:
    for text in {cite for cell in segment_cells() for cite in cites_of(cell)}:
        assert Citation.parse(text)
    cell = by_id()["grid/established/rst/inside/-/none"]
    case = case_of(cell, registry.parse("linux"), 4, "")
    assert "RFC 5961 §3.2" in case.meta.cites
    assert case.case_id == cell.id


@pytest.mark.parametrize(
    ("level", "patterns", "count"),
    [
        ("off", (), 0),
        ("core", (), len(core())),
        ("full", (), len(segment_cells())),
        ("off", ("grid/established/*",), len(segment_cells())),
        ("core", ("*reset*",), len(core())),
    ],
)
def test_a_run_takes_the_core_unless_it_is_asked_for_more(level: str, patterns: tuple[str, ...], count: int) -> None:
    assert len(SEGMENTS.cells(level, patterns)) == count


def test_the_export_has_the_documented_keys_and_words(tmp_path: Path) -> None:
    path = tmp_path / "grid.json"
    count = export.export(path)
    cells = json.loads(path.read_text(encoding="utf-8"))
    assert count == len(cells) == len(segment_cells()) + len(call_cells()) + len(timer_cells())
    plain = [cell for cell in cells if "kind" not in cell]
    assert [cell["id"] for cell in plain] == [cell.id for cell in ordinary()]
    for cell in plain:
        assert list(cell) == KEYS
        assert cell["accept"]
        for member in cell["accept"]:
            assert list(member) == MEMBER_KEYS
            assert member["reply"] in set(Reply)
            assert member["next"] in set(State)
            assert member["level"] in Level.__members__
            assert set(member["policy"]) <= set(Policy)
    assert {cell["kind"] for cell in cells if "event" in cell} == {"call", "timer"}


def test_no_member_of_an_accept_set_is_there_twice() -> None:
    for cell in export.cells():
        pairs = [(member["reply"], member["next"], str(member.get("tells"))) for member in cell["accept"]]
        assert len(set(pairs)) == len(pairs), cell["id"]


def test_the_export_of_a_famous_cell() -> None:
    (member,) = [
        member
        for member in export.segment_cell(by_id()["grid/established/rst/inside/-/none"])["accept"]
        if member["default"]
    ]
    assert (member["reply"], member["next"], member["policy"]) == ("ack", "ESTABLISHED", ["rfc5961-rst"])
    assert (SYN | FIN | RST | ACK) in FLAGS


def test_a_cell_explains_itself() -> None:
    text = explain("grid/established/rst/inside/-/none")
    assert "other/second/challenge" in text
    assert "under rfc5961-rst: ack → ESTABLISHED" in text
    assert "SEQ=SND.NXT" not in text
    assert "tells data" in explain("grid/established/call-receive-data-waiting")
    with pytest.raises(UnknownCell, match="did you mean grid/established/rst/inside/-/none"):
        explain("grid/established/rst/insid/-/none")


def test_the_page_tells_of_every_open_question_and_every_deviation() -> None:
    from harness.grid import known
    from harness.spec.ambiguities import REGISTER

    page = docs.markdown("Linux")
    assert all(f"### {name}\n" in page for name in REGISTER)
    assert all(docs._cell(rule.reason) in page for rule in known.bundled("Linux"))
