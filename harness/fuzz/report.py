"""What a run of the fuzzer prints: figures, explained differences, and each unexplained one with both ladders."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from harness.fuzz.difference import Difference
from harness.fuzz.play import Played
from harness.fuzz.steps import Call, Step, text_of
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import State
from harness.trace import ladder

COLUMNS = ("SYN", "SYN,ACK", "ACK", "data", "FIN", "RST", "other", "call")
REASON_COLUMNS = 96


@dataclass(slots=True)
class Tally:
    """Figures of many sequences. `visits` counts steps by state and class, `explained` differences by explanation."""

    sequences: int = 0
    steps: int = 0
    drawn: int = 0
    parted: int = 0
    visits: Counter[tuple[str, str]] = field(default_factory=Counter)
    explained: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexplained: dict[str, list[Difference]] = field(default_factory=dict)

    def add(self, played: Played) -> None:
        """Count one sequence."""
        self.sequences += 1
        self.steps += played.steps
        self.drawn += len(played.sequence)
        self.parted += played.parted
        for state, step in played.visits:
            self.visits[state, class_of(step)] += 1
        for difference in played.differences:
            for explanation in difference.explanations:
                self.explained[explanation.title, explanation.reason] += 1
            if not difference.explained:
                self.unexplained.setdefault(difference.kind, []).append(difference)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return {
            "sequences": self.sequences,
            "steps_compared": self.steps,
            "steps_drawn": self.drawn,
            "parted_at_an_explained_difference": self.parted - sum(map(len, self.unexplained.values())),
            "visits": {f"{state}/{kind}": count for (state, kind), count in sorted(self.visits.items())},
            "explained": [
                {"by": title, "reason": reason, "count": count}
                for (title, reason), count in self.explained.most_common()
            ],
            "unexplained": [
                {
                    "kind": kind,
                    "count": len(found),
                    "sequence": text_of(found[0].sequence),
                    "step": found[0].at + 1,
                    "seen": [str(seen) for seen in found[0].seen],
                }
                for kind, found in self.unexplained.items()
            ],
        }


def class_of(step: Step) -> str:
    """Return the class of a step: one of `COLUMNS`."""
    if isinstance(step, Call):
        return "call"
    if step.flags & RST:
        return "RST"
    if step.flags & SYN:
        return "other" if step.flags & FIN else "SYN,ACK" if step.flags & ACK else "SYN"
    if step.flags & FIN:
        return "FIN" if step.flags & ACK else "other"
    if not step.flags & ACK:
        return "other"
    return "data" if step.octets else "ACK"


def summary(tally: Tally, seed: int, ip: int) -> str:
    """Return what a run prints about all of its sequences."""
    count = sum(map(len, tally.unexplained.values()))
    explained_count = sum(tally.explained.values())
    return "\n".join(
        (
            f"{tally.sequences} sequences on IPv{ip}, seed {seed}: {tally.steps} steps compared of {tally.drawn}",
            "",
            visits(tally),
            "",
            f"{explained_count} differences are explained:",
            explained(tally),
            "",
            f"{count} differences of {len(tally.unexplained)} kinds are unexplained",
        )
    )


def visits(tally: Tally) -> str:
    """Return the table of how often each class of step met each state."""
    lines = ["state         " + "".join(f"{name:>9}" for name in COLUMNS)]
    for state in State:
        counts = [tally.visits[str(state), name] for name in COLUMNS]
        lines.append(f"{state:<14}" + "".join(f"{count or '·':>9}" for count in counts))
    return "\n".join(lines)


def explained(tally: Tally) -> str:
    """Return the explained differences, the most frequent first."""
    merged: Counter[str] = Counter()
    for (title, reason), count in tally.explained.items():
        merged[f"{title.rpartition('/')[2]}: {reason}"] += count
    return "\n".join(f"{count:>6}  {_short(text)}" for text, count in sorted(merged.items(), key=_by_count))


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _short(text: str) -> str:
    return text if len(text) <= REASON_COLUMNS else f"{text[: REASON_COLUMNS - 1]}…"


def story(played: Played, difference: Difference, names: tuple[str, str], command: str, more: int) -> str:
    """Return the whole story of a difference: what each showed, what the rules say, both ladders, the command."""
    again = f", and {more} more of its kind" if more else ""
    lines = [
        f"unexplained: step {difference.at + 1}, {difference.step or 'behind the last'}, in {difference.place}{again}"
    ]
    lines += _facts(difference, names)
    for name, side in zip(names, played.sides, strict=True):
        lines += ["", f"  {name}", *_ladder(side.conversation.events)]
    return "\n".join([*lines, "", f"  again: {command}"])


def _title(difference: Difference) -> str:
    return f"step {difference.at + 1}, {difference.step or 'behind the last'}, in {difference.place}"


def replayed(played: Played, names: tuple[str, str]) -> str:
    """Return both ladders of one sequence, and its differences."""
    lines: list[str] = []
    for name, side in zip(names, played.sides, strict=True):
        lines += [f"  {name}", *_ladder(side.conversation.events), ""]
    for difference in played.differences:
        lines.append(f"{'explained' if difference.explained else 'unexplained'}: {_title(difference)}")
        lines += _facts(difference, names)
        lines += [f"  {each.title}: {each.reason}" for each in difference.explanations]
    if not played.differences:
        lines.append(f"no difference in {played.steps} steps")
    elif played.parted and played.unexplained is None:
        lines.append(
            f"compared up to step {played.differences[-1].at + 1} of {len(played.sequence)}: there the two part"
        )
    return "\n".join(lines)


def _facts(difference: Difference, names: tuple[str, str]) -> list[str]:
    """Return what each target showed, what the rules want, and what they say to each."""
    rows = [(name, str(seen)) for name, seen in zip(names, difference.seen, strict=True)]
    readings = [(name, each) for name, each in zip(names, difference.readings, strict=True) if each is not None]
    if not readings:
        rows.append(("the rules", "of RFC 9293 §3.10.7 are about segments; this is a call, or came by itself"))
    else:
        reading = readings[0][1]
        rows.append(("the rules", f"{' or '.join(reading.due)}   [{', '.join(reading.rules)}]"))
        rows.append(("", ", ".join(reading.cites)))
        wrong = [name for name, each in readings if not each.allowed]
        rows.append(("", f"they do not allow what {' and '.join(wrong)} did" if wrong else "they allow both"))
    width = max(len(name) for name, _text in rows)
    return [f"  {name:<{width}}  {text}" for name, text in rows]


def _ladder(events: Iterable[Any]) -> list[str]:
    return ["  " + line for line in ladder.render(list(events), times=False).splitlines()]
