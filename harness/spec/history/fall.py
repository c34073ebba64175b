"""Why a world can't explain what was seen: the rule by which it falls."""

from dataclasses import dataclass
from enum import StrEnum


class Broken(StrEnum):
    """What kind of difference it is; the same words as a case's finding has."""

    SILENT = "silent"
    EXTRA = "extra"
    RESET = "reset"
    WRONG_FLAGS = "wrong-flags"
    WRONG_SEQ = "wrong-seq"
    WRONG_ACK = "wrong-ack"
    WRONG_DATA = "wrong-data"
    WRONG_OPTIONS = "wrong-options"
    WRONG_STATE = "wrong-state"
    WRONG_ANSWER = "wrong-answer"
    LATE = "late"
    EARLY = "early"


@dataclass
class Fall(Exception):
    """A rule that does not hold in one world. `due` is what it asks for, `seen` what came instead.

    `must` is False where the rule is a recommendation. `rule` names the row of `harness.spec` or the section in words.
    """

    code: Broken
    due: str
    seen: str
    cites: tuple[str, ...]
    rule: str = ""
    must: bool = True
