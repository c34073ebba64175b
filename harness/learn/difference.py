"""Where two machines part: bisimilar, or a shortest series of letters for each kind of difference.

Both are walked side by side. Where their answers to a letter differ that is a difference of its kind (what each showed,
in which state of the RFC, on which letter); behind it the walk goes on only where both show the same state. Where one
was cut off before it was asked, nothing is known.
"""

from collections import deque
from dataclasses import dataclass

from harness.learn.graphs import places
from harness.learn.machine import UNASKED, Machine, Word
from harness.learn.record import BadMachine, Record, parts

#: So many of a kind are counted, and one is shown: the shortest.
Kind = tuple[str, str, str, str]


@dataclass(slots=True)
class Parting:
    """One kind of difference: shortest letters, and what each machine answers to the last of them."""

    word: Word
    place: str
    letter: str
    answers: tuple[str, str]
    count: int = 1

    def letters(self, machine: Machine) -> str:
        """Return the letters as text."""
        return " ".join(machine.letters[letter] for letter in self.word)


def partings(one: Machine, other: Machine) -> list[Parting]:
    """Return the differences by kind, the shortest first; none: the two are bisimilar."""
    found: dict[Kind, Parting] = {}
    names = places(one)
    seen = {(0, 0)}
    waiting: deque[tuple[tuple[int, int], Word]] = deque([((0, 0), ())])
    while waiting:
        (here, there), word = waiting.popleft()
        for letter, name in enumerate(one.letters):
            answers = one.answers[here][letter], other.answers[there][letter]
            following = one.following[here][letter], other.following[there][letter]
            if UNASKED in answers:
                continue
            if answers[0] != answers[1]:
                kind = (names[here], name, *answers)
                if kind in found:
                    found[kind].count += 1
                else:
                    found[kind] = Parting((*word, letter), kind[0], name, answers)
                if parts(answers[0])[2] != parts(answers[1])[2]:
                    continue
            if following not in seen:
                seen.add(following)
                waiting.append((following, (*word, letter)))
    return sorted(found.values(), key=lambda each: (len(each.word), each.word))


def comparable(one: Record, other: Record) -> None:
    """Demand that two machines have been asked the same; raises BadMachine."""
    names = [f"{record.target['name']} ({record.alphabet.role}, {record.alphabet.name})" for record in (one, other)]
    if one.alphabet.digest != other.alphabet.digest:
        fresh = sorted(set(one.alphabet.texts) ^ set(other.alphabet.texts))
        about = f": {' '.join(fresh)}" if fresh else ""
        raise BadMachine(
            f"{names[0]} and {names[1]} have other letters{about}; learn both with the same --role and --alphabet"
        )
    if (one.ip, one.states) != (other.ip, other.states):
        raise BadMachine(
            f"{names[0]} and {names[1]} were asked otherwise (IPv{one.ip} and IPv{other.ip}, states visible: "
            f"{one.states} and {other.states}); learn both in the same way, with --no-states where one shows none"
        )
