"""Known deviations: what files may say, which releases they cover, and what a broken one is told."""

from pathlib import Path

import pytest

from harness.expectations.changes import release_numbers
from harness.expectations.deviations import (
    BrokenExpectations,
    Declared,
    Deviation,
    all_bundled,
    bundled,
    load,
)

ENTRY = """\
[[deviation]]
case = "closing/simultaneous-close"
observed = "silent"
reason = "It waits."
source = "tcp.c wait()"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def entry(path: Path, **fields: str) -> Deviation:
    """Return the entry with these lines instead of, or beside, the usual ones (values as TOML)."""
    lines = dict(line.split(" = ", 1) for line in ENTRY.splitlines()[1:]) | fields
    path.write_text("[[deviation]]\n" + "\n".join(f"{key} = {value}" for key, value in lines.items()))
    (found,) = load(path)
    return found


def test_an_entry_is_read_with_its_place(path: Path) -> None:
    path.write_text("# a comment\n\n" + ENTRY + "\n" + ENTRY.replace("silent", "reset: <SEQ=1><CTL=RST>"))
    first, second = load(path)
    assert (first.observed, second.observed) == (("silent",), ("reset: <SEQ=1><CTL=RST>",))
    assert (first.origin, second.origin) == (f"{path}:3", f"{path}:9")
    assert (first.state, first.ip, str(first.scope)) == ("", 0, "")


def test_a_file_without_entries_is_fine(path: Path) -> None:
    path.write_text("# nothing deviates\n")
    assert load(path) == ()


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("6.1.0-47-amd64", "6.1.0"),
        ("6.18.44-fc-v657", "6.18.44"),
        ("5.10", "5.10"),
        ("6.12.0-rc3+", "6.12.0"),
        ("4.4.0-19041-Microsoft", "4.4.0"),
        ("2.2.1.dev", "2.2.1"),
        ("unknown", "0"),
        ("", "0"),
    ],
)
def test_the_leading_numbers_of_a_release_count(version: str, numbers: str) -> None:
    assert str(release_numbers(version)) == numbers


@pytest.mark.parametrize(
    ("when", "covered", "not_covered"),
    [
        ("", ["6.1.0-47-amd64", "2.6", "unknown"], []),
        (">=6.1", ["6.1", "6.1.0-47-amd64", "6.18.44-fc-v657"], ["6.0.19-generic", "5.10.0-35-amd64", "unknown"]),
        (">=5.10,<6.12", ["5.10.0", "6.1.0-47-amd64", "6.11.9"], ["6.12.0-rc3", "6.12", "5.9.16", "4.19"]),
        ("==6.1.*", ["6.1.0-47-amd64", "6.1.155"], ["6.10", "6.2", "6.0"]),
        ("!=6.1.0", ["6.1.1"], ["6.1.0-47-amd64", "6.1"]),
    ],
)
def test_a_range_covers_releases(path: Path, when: str, covered: list[str], not_covered: list[str]) -> None:
    found = entry(path, when=f'"{when}"')
    assert [version for version in covered + not_covered if found.covers(found.case, 4, version)] == covered


@pytest.mark.parametrize(
    ("pattern", "named", "not_named"),
    [
        ("closing/fin", ["closing/fin"], ["closing/fin[passive]", "closing/fin-2", "closing/xfin"]),
        ("closing/fin[passive]", ["closing/fin[passive]"], ["closing/fin", "closing/finp", "closing/fin[active]"]),
        ("closing/fin[*]", ["closing/fin[passive]", "closing/fin[a-b]"], ["closing/fin", "closing/fin-2[a]"]),
        ("closing/*", ["closing/fin", "closing/a[b]"], ["opening/fin", "Closing/fin"]),
        ("*/fin[active]", ["closing/fin[active]", "x/fin[active]"], ["closing/fin"]),
    ],
)
def test_a_pattern_names_cases_and_brackets_are_just_brackets(
    path: Path, pattern: str, named: list[str], not_named: list[str]
) -> None:
    found = entry(path, case=f'"{pattern}"')
    assert [case for case in named + not_named if found.names(case)] == named


def test_an_ip_version_limits_an_entry(path: Path) -> None:
    assert [ip for ip in (4, 6) if entry(path, ip="6").covers("closing/simultaneous-close", ip, "6.1")] == [6]
    assert [ip for ip in (4, 6) if entry(path).covers("closing/simultaneous-close", ip, "6.1")] == [4, 6]


def test_entries_about_a_case_come_in_their_order_whether_they_are_patterns_or_not(path: Path) -> None:
    cases = ["closing/f*", "closing/fin", "opening/*", "closing/fin-2", "closing/fin", "*/fin"]
    entries = [entry(path, case=f'"{case}"', source=f'"{at}"') for at, case in enumerate(cases)]
    late = entry(path, case='"closing/fin"', when='">=7"')
    found = Declared([*entries, late]).about("closing/fin", 4, "6.1")
    assert [one.source for one in found] == ["0", "1", "4", "5"]


def test_a_setting_is_about_a_target_that_has_told_it(path: Path) -> None:
    found = entry(path, setting='"congestion-control=bbr"')
    assert found.suits({"congestion-control": "bbr", "time": "real"})
    assert not found.suits({"congestion-control": "cubic"})
    assert not found.suits({})
    assert entry(path).suits({})


def test_what_shows_by_chance_need_not_show(path: Path) -> None:
    assert entry(path, chance="true").may_stay_away
    assert entry(path, setting='"congestion-control=bbr"').may_stay_away
    assert not entry(path).may_stay_away
    with pytest.raises(BrokenExpectations, match="'chance' is true or false"):
        entry(path, chance='"yes"')


def test_an_entry_pins_what_is_seen_and_the_state(path: Path) -> None:
    found = entry(path, observed='["silent", "extra: <SEQ=1>"]', state='"CLOSED"')
    assert found.explains("silent", "CLOSED")
    assert found.explains("extra: <SEQ=1>", "CLOSED")
    assert not found.explains("silent", "LISTEN")
    assert not found.explains("extra: <SEQ=2>", "CLOSED")
    assert not found.explains("extra", "CLOSED")
    assert entry(path).explains("silent", "LISTEN")


def test_a_star_in_what_is_seen_stands_for_a_number(path: Path) -> None:
    found = entry(path, observed='"wrong-flags: <SEQ=*><ACK=2><CTL=SYN,ACK>"')
    assert found.explains("wrong-flags: <SEQ=1203023><ACK=2><CTL=SYN,ACK>", "")
    assert found.explains("wrong-flags: <SEQ=-7><ACK=2><CTL=SYN,ACK>", "")
    assert not found.explains("wrong-flags: <SEQ=7><ACK=3><CTL=SYN,ACK>", "")
    assert not found.explains("wrong-flags: <SEQ=1><ACK=1><SEQ=1><ACK=2><CTL=SYN,ACK>", "")
    assert not found.explains("wrong-flags: <SEQ=><ACK=2><CTL=SYN,ACK>", "")


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("x = = 1\n", 1, "not TOML"),
        (ENTRY + "observed = \n", 6, "not TOML"),
        (ENTRY + 'more = "', 6, "not TOML"),
        ('[[deviations]]\ncase = "x"\n', 1, "unknown table 'deviations'"),
        ("[deviation]\ncase = 'x'\n", 1, "of its own"),
        ("deviation = 3\n", 1, "of its own"),
        ("deviation = [{case = 'x'}]\n", 1, "of its own"),
        ("\n" + ENTRY + "because = 'x'\n", 2, "unknown key 'because'; keys are before, case, chance, ip, issue"),
        (ENTRY + ENTRY.replace('reason = "It waits."\n', ""), 6, "'reason' is missing or empty"),
        (ENTRY.replace('"tcp.c wait()"', '""'), 1, "'source' is missing or empty"),
        (ENTRY.replace('"silent"', "[]"), 1, "'observed' is missing or empty"),
        (ENTRY.replace('"silent"', "[1]"), 1, "'observed' is a text or a list of texts"),
        (ENTRY.replace('"silent"', "true"), 1, "'observed' is a text or a list of texts"),
        (ENTRY.replace('"It waits."', "7"), 1, "'reason' is a text"),
        (ENTRY.replace('"closing/simultaneous-close"', "[7]"), 1, "'case' is a text"),
        (ENTRY + "state = 7\n", 1, "'state' is a text"),
        (ENTRY + "ip = 5\n", 1, "'ip' is 4 or 6"),
        (ENTRY + "ip = '4'\n", 1, "'ip' is 4 or 6"),
        (ENTRY + "when = 'since 6.1'\n", 1, "'when' is a version range"),
        (ENTRY + "when = 6.1\n", 1, "'when' is a text"),
    ],
)
def test_a_broken_file_is_told_with_file_and_line(path: Path, text: str, line: int, complaint: str) -> None:
    path.write_text(text)
    with pytest.raises(BrokenExpectations) as refusal:
        load(path)
    assert str(refusal.value).startswith(f"{path}:{line}: ")
    assert complaint in str(refusal.value)


def test_a_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.toml", tmp_path, tmp_path / "binary.toml"):
        with pytest.raises(BrokenExpectations, match="can't be read") as refusal:
            load(path)
        assert str(path) in str(refusal.value)


def test_what_comes_with_the_tool_can_be_read() -> None:
    assert set(bundled("Linux")) <= set(all_bundled())
    assert bundled("no such stack") == ()
    for known in all_bundled():
        assert len(known.reason) > 20, known.origin
        assert len(known.source) > 10, known.origin
