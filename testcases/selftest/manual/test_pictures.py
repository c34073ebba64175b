"""The README's pictures have the shape of what the tool draws today: the same steps and states, whatever the times."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import cli
from harness.report import diagram, ladder_svg, rungs
from harness.report.pictures import FOLDER, LADDERS, STATES, shape
from harness.spec.segment import SYN, Segment
from harness.trace.events import Event, Kind
from harness.verbs import USAGE_ERROR
from testcases.selftest import forked

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ladders of a live run against this machine's kernel."""
    folder = tmp_path_factory.mktemp("pictures")
    done = forked.tcpspec("docs", "--ladders", "-o", folder)
    if done.returncode == USAGE_ERROR:
        pytest.skip(f"the linux target can't be had here: {done.stdout[-500:]}{done.stderr[-500:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("name", LADDERS)
def test_a_ladder_has_the_steps_and_states_of_a_live_run(fresh: Path, name: str) -> None:
    assert shape((FOLDER / name).read_text(encoding="utf-8")) == shape((fresh / name).read_text(encoding="utf-8"))


def test_the_state_diagram_has_the_machines_states_and_edges() -> None:
    drawn = (FOLDER / STATES).read_text(encoding="utf-8")
    assert shape(drawn) == shape(diagram.of_run(diagram.Walked(), "", standalone=True))


def test_the_state_diagram_was_drawn_from_a_run() -> None:
    tree = ElementTree.fromstring((FOLDER / STATES).read_text(encoding="utf-8"))
    edges = [group.get("class") for group in tree.iter("{http://www.w3.org/2000/svg}g")]
    assert edges.count("edge unused") <= 2  # the legend, and SEND in LISTEN, for which sockets have no call


def test_the_readme_shows_every_picture_and_names_what_it_shows() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in (*LADDERS, STATES):
        assert f"(harness/report/pictures/{name})" in readme
    assert "![](" not in readme


def test_the_shape_is_blind_for_times_and_for_nothing_else() -> None:
    def drawn(ms: int, flags: int, state: str) -> list[str]:
        events = [Event(ms * 1_000_000, Kind.SENT, segment=Segment(flags)), Event(0, Kind.STATE, state)]
        return shape(ladder_svg.draw(rungs.of_events(events, 0), title="x", standalone=True))

    assert drawn(1, SYN, "LISTEN") == drawn(2, SYN, "LISTEN")
    assert drawn(1, SYN, "LISTEN") != drawn(1, 0, "LISTEN")
    assert drawn(1, SYN, "LISTEN") != drawn(1, SYN, "CLOSED")


def test_explain_draws_the_expected_ladder(capsys: pytest.CaptureFixture[str]) -> None:
    case, _title = LADDERS["simultaneous-close.svg"]
    assert cli.main(["explain", case, "--svg"]) == 0
    texts = shape(capsys.readouterr().out)
    assert {"CLOSING", "TIME-WAIT", "<SEQ=1><ACK=1><CTL=FIN,ACK>"} <= set(texts)
    assert "ms" not in texts
