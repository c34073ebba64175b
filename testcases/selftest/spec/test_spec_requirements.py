"""The catalogue of requirements, and the citations that are checked against it."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.spec import citations, requirements
from harness.spec.citations import BadCitation, Citation, parse_all, parse_selector
from harness.spec.requirements import BadRequirement, Requirement, UnknownRequirement, by_id, by_section, load, read

parse = Citation.parse

ENTRY = {
    "id": "MUST-13",
    "rfc": 9293,
    "section": "3.6.1",
    "level": "MUST",
    "text": "A sentence.",
    "observable": "yes",
    "scope": "handshake-teardown",
}


# --- the catalogue as it is


@pytest.mark.parametrize(("prefix", "count"), [("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)])
def test_every_label_of_rfc_9293_is_there_once(prefix: str, count: int) -> None:
    found = [item.id for item in load() if item.id.startswith(f"{prefix}-")]
    assert sorted(found) == sorted(f"{prefix}-{number}" for number in range(1, count + 1))


@pytest.mark.parametrize("rfc", [5961, 6191, 7323, 6298, 6528, 1337, 1122])
def test_the_rfcs_around_it_have_their_statements(rfc: int) -> None:
    assert any(item.rfc == rfc and item.scope == "handshake-teardown" for item in load())


def test_shld_25_is_a_should_as_erratum_8171_says() -> None:
    assert by_id("SHLD-25").level == "SHOULD"


@pytest.mark.parametrize("item", load(), ids=lambda item: item.id)
def test_a_text_is_one_sentence(item: Requirement) -> None:
    assert item.text.endswith((".", ")."))
    assert ". " not in item.text
    assert not item.why_not or item.why_not.endswith(".")
    assert len(item.text) < 250


@pytest.mark.parametrize("item", [item for item in load() if item.same_as], ids=lambda item: item.id)
def test_what_must_have_a_case_does_not_lean_on_what_cannot_have_one(item: Requirement) -> None:
    unreachable = [other for other in item.same_as if not by_id(other).expects_case]
    assert not (item.expects_case and unreachable)


def test_no_two_requirements_have_the_same_text() -> None:
    texts = [item.text for item in load()]
    assert len(set(texts)) == len(texts)


def test_the_catalogue_is_read_once() -> None:
    assert load() is load()


# --- entries with a slip


def test_a_sound_entry_is_taken() -> None:
    (item,) = read([ENTRY])
    assert item == Requirement("MUST-13", 9293, "3.6.1", "MUST", "A sentence.", "yes", "handshake-teardown")
    assert item.expects_case


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "MUST-13: unknown key colour"),
        ({"level": "must"}, "MUST-13: level is 'must'; it must be one of MUST, SHOULD, MAY"),
        ({"observable": True}, "MUST-13: observable must be a non-empty str"),
        ({"observable": "maybe"}, "MUST-13: observable is 'maybe'"),
        ({"scope": "inside"}, "MUST-13: scope is 'inside'"),
        ({"rfc": "9293"}, "MUST-13: rfc must be a non-empty int"),
        ({"text": ""}, "MUST-13: text must be a non-empty str"),
        ({"section": "3.6.9"}, "MUST-13: sections.toml lists no section '3.6.9' of RFC 9293"),
        ({"rfc": 4711}, "MUST-13: sections.toml lists no section '3.6.1' of RFC 4711"),
        ({"level": "SHOULD"}, "MUST-13: such a label is MUST of RFC 9293"),
        ({"id": "U-01"}, "U-01: an id is"),
        ({"id": "RFC9293-3.5-x"}, "RFC9293-3.5-x: the id disagrees with RFC 9293 section 3.6.1"),
        ({"id": "RFC793-3.6-x"}, "RFC793-3.6-x: the id disagrees"),
        ({"observable": "no"}, "MUST-13: why_not is missing"),
        ({"scope": "outside"}, "MUST-13: why_not is missing"),
        ({"why_not": "Too much work."}, "MUST-13: why_not excuses"),
        ({"same_as": ["MUST-99"]}, "MUST-13: same_as names 'MUST-99'"),
        ({"same_as": ["MUST-13"]}, "MUST-13: same_as names 'MUST-13'"),
        ({"same_as": [13]}, "MUST-13: same_as must be a list of ids"),
        ({"id": ""}, "requirement number 1"),
    ],
)
def test_a_slip_is_refused_and_the_entry_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequirement) as caught:
        read([ENTRY | change])
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("key", sorted(requirements.REQUIRED - {"id"}))
def test_a_missing_key_is_named(key: str) -> None:
    entry = {name: value for name, value in ENTRY.items() if name != key}
    with pytest.raises(BadRequirement, match=f"MUST-13: {key} is missing"):
        read([entry])


def test_an_entry_without_id_is_named_by_its_position() -> None:
    second = {name: value for name, value in ENTRY.items() if name != "id"}
    with pytest.raises(BadRequirement, match=r"requirement number 2 .*: id is missing"):
        read([ENTRY, second])


def test_an_id_may_not_occur_twice() -> None:
    with pytest.raises(BadRequirement, match="MUST-13: this id occurs twice"):
        read([ENTRY, ENTRY | {"text": "Another sentence."}])


# --- finding requirements


def test_an_id_finds_its_requirement() -> None:
    assert by_id("MUST-13").section == "3.6.1"
    assert by_id("RFC5961-3.2-exact").rfc == 5961


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ("MUST-130", "MUST-13"),
        ("must-13", "MUST-13"),
        ("SHOULD-3", "SHLD-3"),
        ("RFC5961-3.2-exakt", "RFC5961-3.2-exact"),
    ],
)
def test_an_unknown_id_is_refused_with_ids_like_it(asked: str, offered: str) -> None:
    with pytest.raises(UnknownRequirement) as caught:
        by_id(asked)
    message = str(caught.value)
    assert repr(asked) in message
    assert offered in message.partition("did you mean ")[2].rstrip("?").split(" or ")


def test_an_id_like_no_other_is_refused_with_the_form_of_ids() -> None:
    with pytest.raises(UnknownRequirement, match="ids look like MUST-13"):
        by_id("%")


def test_a_section_includes_its_subsections_and_steps_and_not_its_namesakes() -> None:
    closing = {item.id for item in by_section("9293", "3.6")}
    assert {"RFC9293-3.6-order", "MUST-12", "MUST-13"} <= closing
    assert "MUST-13" in {item.id for item in by_section(9293, "3.6.1")}
    assert "MUST-12" not in {item.id for item in by_section(9293, "3.6.1")}
    assert "MAY-12" in {item.id for item in by_section(9293, "3.10.7.4")}
    assert not {item.section for item in by_section(9293, "3.1")} & {"3.10.4", "3.10.7.4 fifth"}
    assert {item.rfc for item in by_section(5961, "3")} == {5961}
    assert by_section(9293, "3.7.5") == ()


# --- citations


@pytest.mark.parametrize(
    ("text", "citation"),
    [
        ("RFC 9293 §3.6", Citation(9293, "3.6")),
        ("RFC 9293 §3.10.7.4", Citation(9293, "3.10.7.4")),
        ("RFC 9293 §3.10.7.4 fifth", Citation(9293, "3.10.7.4 fifth")),
        ("RFC 9293 §3.5.2 group 3", Citation(9293, "3.5.2 group 3")),
        ("RFC 9293 §A.2", Citation(9293, "A.2")),
        ("RFC 5961 §3.2", Citation(5961, "3.2")),
        ("RFC 793 §3.4", Citation(793, "3.4")),
        ("RFC 1122 §4.2.2.13", Citation(1122, "4.2.2.13")),
        ("RFC 2525 §2.17", Citation(2525, "2.17")),
        ("RFC 6298 §5.5", Citation(6298, "5.5")),
        ("RFC 6191 §2", Citation(6191, "2")),
        ("RFC 6528 §3", Citation(6528, "3")),
        ("RFC 1337 §3 F1", Citation(1337, "3 F1")),
        ("MUST-13", Citation(9293, "3.6.1", "MUST-13")),
        ("SHLD-3", Citation(9293, "3.6.1", "SHLD-3")),
        ("REC-1", Citation(9293, "3.1", "REC-1")),
        ("RFC5961-3.2-exact", Citation(5961, "3.2", "RFC5961-3.2-exact")),
    ],
)
def test_a_citation_is_read(text: str, citation: Citation) -> None:
    assert parse(text) == citation


@pytest.mark.parametrize("item", load(), ids=lambda item: item.id)
def test_every_requirement_can_be_cited(item: Requirement) -> None:
    assert parse(item.id) == Citation(item.rfc, item.section, item.id)
    assert parse(f"RFC {item.rfc} §{item.section}").within(item.rfc, item.section)


@pytest.mark.parametrize(
    "text", ["", "RFC 9293", "RFC 9293 3.6", "§3.6", "MUST 13", "9293/3.6", " MUST-13", "RFC 9293 §3.6 "]
)
def test_another_form_is_refused_with_those_that_are_accepted(text: str) -> None:
    with pytest.raises(BadCitation, match="accepted are a section") as caught:
        parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("RFC 9293 §3.6.7", "§3.6.1"),
        ("RFC 9293 §3.10.7.5", "§3.10.7.4"),
        ("RFC 9293 §3.10.7.4 ninth", "§3.10.7.4 eighth"),
        ("RFC 9293 §3.10.7.3 sixth", "§3.10.7.3 fifth"),
        ("RFC 9293 §12", "§3.6"),
        ("RFC 5961 §3.3", "§3.2"),
        ("RFC 7413 §9", "§4.1.1"),
    ],
)
def test_a_section_that_does_not_exist_is_refused_with_its_neighbours(text: str, offered: str) -> None:
    with pytest.raises(BadCitation, match="there is no such section") as caught:
        parse(text)
    assert offered in str(caught.value)


def test_an_rfc_that_is_not_listed_is_refused() -> None:
    with pytest.raises(BadCitation, match="RFC 2616 is none of the documents"):
        parse("RFC 2616 §1")


@pytest.mark.parametrize("text", ["MUST-70", "SHLD-32", "U-01", "RFC5961-3.2-wrong"])
def test_an_unknown_requirement_is_refused(text: str) -> None:
    with pytest.raises(UnknownRequirement, match=text):
        parse(text)


@pytest.mark.parametrize("wrong", ["MUST-70", "RFC 9293 §3.6.7", "nonsense"])
@pytest.mark.parametrize("reader", [parse, lambda text: parse_all(["RFC 9293 §3.6", text])], ids=["parse", "parse_all"])
def test_every_refusal_is_a_value_error(reader: Callable[[str], object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        reader(wrong)


def test_a_figure_goes_with_the_place_and_not_with_the_requirement() -> None:
    assert parse_all(["MUST-13", "RFC 9293 §3.6"], figure=13) == (
        Citation(9293, "3.6.1", "MUST-13"),
        Citation(9293, "3.6", figure=13),
    )


def test_a_figure_alone_is_one_of_rfc_9293() -> None:
    assert parse_all(["MUST-13"], figure=5)[-1] == Citation(9293, figure=5)
    assert parse_all(["RFC 5961 §3.2"], figure=5) == (Citation(5961, "3.2"), Citation(9293, figure=5))


def test_a_figure_of_another_rfc_goes_with_that_rfc() -> None:
    assert parse_all(["RFC 793 §3.5"], figure=14) == (Citation(793, "3.5", figure=14),)


def test_a_figure_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadCitation, match=r"RFC 9293 has no figure 14; it has 1, 2, .*, 13"):
        parse_all(["RFC 9293 §3.6"], figure=14)


def test_without_a_figure_the_citations_are_as_given() -> None:
    assert parse_all(["RFC 9293 §3.6", "MUST-13"]) == (parse("RFC 9293 §3.6"), parse("MUST-13"))


@pytest.mark.parametrize(
    ("citation", "text"),
    [
        (Citation(9293, "3.6"), "RFC 9293 §3.6"),
        (Citation(9293, "3.6", figure=13), "RFC 9293 §3.6, figure 13"),
        (Citation(9293, "3.6.1", "MUST-13"), "MUST-13 (RFC 9293 §3.6.1)"),
        (Citation(9293, figure=5), "RFC 9293, figure 5"),
    ],
)
def test_citations_are_printed_as_people_write_them(citation: Citation, text: str) -> None:
    assert str(citation) == text


# --- selecting by section


@pytest.mark.parametrize(
    ("text", "rfc", "section"),
    [
        ("9293/3.6", 9293, "3.6"),
        ("9293/3.10.7.4 fifth", 9293, "3.10.7.4 fifth"),
        ("RFC 9293/§3.6", 9293, "3.6"),
        ("rfc5961/3.2", 5961, "3.2"),
        ("9293", 9293, None),
    ],
)
def test_a_selector_is_read(text: str, rfc: int, section: str | None) -> None:
    assert parse_selector(text) == (rfc, section)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3.6", "accepted are '9293/3.6' and '9293'"),
        ("9293/", "accepted are"),
        ("", "accepted are"),
        ("9293/3.99", "no such section"),
        ("2616", "none of the documents"),
        ("2616/1", "none of the documents"),
    ],
)
def test_a_selector_that_selects_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadCitation, match=said):
        parse_selector(text)


@pytest.mark.parametrize(
    ("cited", "selector", "selected"),
    [
        ("RFC 9293 §3.6", "9293/3.6", True),
        ("RFC 9293 §3.6.1", "9293/3.6", True),
        ("MUST-13", "9293/3.6", True),
        ("MUST-13", "9293", True),
        ("RFC 9293 §3.10.7.4 fifth", "9293/3.10.7.4", True),
        ("RFC 9293 §3.10.7.4", "9293/3.10.7.4 fifth", False),
        ("RFC 9293 §3.6", "9293/3.6.1", False),
        ("RFC 9293 §3.10", "9293/3.1", False),
        ("RFC 5961 §3", "9293/3", False),
        ("RFC5961-3.2-exact", "5961/3", True),
    ],
)
def test_a_selector_selects_the_section_and_all_inside_it(cited: str, selector: str, selected: bool) -> None:
    assert parse(cited).within(*parse_selector(selector)) is selected


def test_a_figure_without_place_is_in_its_rfc_and_in_no_section() -> None:
    figure = citations.Citation(9293, figure=13)
    assert figure.within("9293")
    assert not figure.within("9293", "3.6")
