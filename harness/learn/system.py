"""The system under learning: answers from the tree where they are known, from the target where not, and never two.

A query goes to the target at the first letter whose answer is not known; what comes before is played again there, and
must show what it has shown before. If it does not, the query is repeated: a timer may have spoken. What stays different
is reported with both traces.
"""

from collections.abc import Sequence

from aalpy.base import SUL

from harness.case.violation import Unjudgeable
from harness.fuzz.compare import Shown
from harness.learn.alphabet import Alphabet
from harness.learn.limit import Limit
from harness.learn.subject import GONE, Subject, is_end
from harness.learn.tree import Node, Tree
from harness.targets.protocol import TargetGone

#: A query that shows something else than before, or that a timer disturbs, is repeated so often.
REPLAYS = 5


class Nondeterminism(Exception):
    """The same letters, and two answers. `word` are the letters, `traces` both series of answers."""

    def __init__(self, word: Sequence[str], traces: tuple[Sequence[str], Sequence[str]], shares: str) -> None:
        super().__init__(f"{' '.join(word)} is answered in two ways ({shares})")
        self.word = tuple(word)
        self.traces = traces
        self.shares = shares


class StaleAnswers(Exception):
    """What was kept on disk is not what the target answers now."""


class System(SUL):  # type: ignore[misc]
    """A subject with a memory, as AALpy asks for it. Letters are their numbers."""

    def __init__(self, subject: Subject, tree: Tree, limit: Limit | None = None) -> None:
        super().__init__()
        self.subject = subject
        self.tree = tree
        #: Until when there is anybody who asks.
        self.limit = limit or Limit()
        #: Queries that showed something else than before, and were settled by playing them again.
        self.settled = 0
        #: The first of them where no timer can have spoken.
        self.wavered: Nondeterminism | None = None
        #: Queries that a timer has disturbed.
        self.disturbed = 0
        #: How often the target was started anew, since something else than what it was asked had ended it.
        self.restarted = 0
        self._letters = subject.alphabet.letters
        self._word: list[int] = []
        self._answers: list[int] = []
        self._node: Node = tree.root
        self._live = False

    @property
    def alphabet(self) -> Alphabet:
        """What is asked."""
        return self.subject.alphabet

    def pre(self) -> None:
        """Begin a query."""
        self._word, self._answers, self._live = [], [], False
        self._node = self.tree.root

    def post(self) -> None:
        """End it: what the target has said is kept."""
        if self._live:
            self.tree.add(self._word, self._answers)
            self._live = False

    def step(self, letter: int) -> str:
        """Return the answer to a letter; raises Cut where the time is over."""
        self.limit.check()
        known = self._node.get(letter)
        self._word.append(letter)
        if known is None and not self._live and self._is_over():
            known = self.tree.number(str(Shown(GONE, (), ""))), {}
        if known is not None and not self._live:
            self._answers.append(known[0])
            self._node = known[1]
            return self.tree.answers[known[0]]
        if not self._live:
            self._live = True
            self._replay(self._word[:-1])
        answer = self._asked(letter)
        self._answers.append(answer)
        self._node = known[1] if known is not None else {}
        return self.tree.answers[answer]

    def _is_over(self) -> bool:
        """Tell whether the target is known to have come to its end: nobody has to wait for that again."""
        return bool(self._answers) and is_end(self.tree.answers[self._answers[-1]])

    def fresh(self, word: Sequence[int]) -> list[str]:
        """Ask the target, whatever is known; raises Nondeterminism if it contradicts that."""
        self.pre()
        self._live = True
        answers = self._settled(word)
        self._word, self._answers = list(word), answers
        self.post()
        return [self.tree.answers[answer] for answer in answers]

    # --- the target --------------------------------------------------------------------------------------------------

    def _asked(self, letter: int) -> int:
        try:
            answer = self.tree.number(self.subject.ask(self._letters[letter]))
        except TargetGone:
            self._restart()
            return self._settled(self._word)[-1]
        if self.subject.disturbed():
            self.disturbed += 1
            answer = self._settled(self._word)[-1]
        return answer

    def _replay(self, word: Sequence[int]) -> None:
        """Bring the target to where a word leads."""
        try:
            answers = self._play(word)
        except TargetGone:
            self._restart()
            self._settled(word)
            return
        if answers != self._answers:
            self._settled(word, [] if self.subject.disturbed() else [answers])

    def _restart(self) -> None:
        self.restarted += 1
        self.subject.renew()

    def _play(self, word: Sequence[int]) -> list[int]:
        self.limit.check()
        self.subject.begin()
        answers = []
        for letter in word:
            self.limit.check()
            answers.append(self.tree.number(self.subject.ask(self._letters[letter])))
        return answers

    def _settled(self, word: Sequence[int], before: Sequence[list[int]] = ()) -> list[int]:
        """Return what the target answers, as often as it takes: undisturbed, and as it has answered before.

        `before` are answers that were others. Raises TargetGone where it has ended each time, not by what it was asked.
        """
        seen = list(before)
        gone: TargetGone | None = None
        for _attempt in range(REPLAYS):
            try:
                answers = self._play(word)
            except TargetGone as error:
                gone = error
                self._restart()
                continue
            if self.subject.disturbed():
                self.disturbed += 1
                continue
            if self._agrees(word, answers):
                if seen:
                    self._note(word, seen[0])
                return answers
            seen.append(answers)
        if gone is not None:
            raise gone
        if not seen:
            raise Unjudgeable(f"a timer spoke in each of {REPLAYS} attempts: the machine is too slow or too busy")
        raise self._contradiction(word, seen)

    def _note(self, word: Sequence[int], seen: list[int]) -> None:
        self.settled += 1
        if self.wavered is None and not self.subject.rig.guarded:
            before, now = self._traces(word, seen)
            self.wavered = Nondeterminism(self._texts(word), (before, now), "the second one once, the first one again")

    def _agrees(self, word: Sequence[int], answers: Sequence[int]) -> bool:
        node = self.tree.root
        for letter, answer in zip(word, answers, strict=True):
            known = node.get(letter)
            if known is None:
                return True
            if known[0] != answer:
                return False
            node = known[1]
        return True

    def _contradiction(self, word: Sequence[int], seen: list[list[int]]) -> Exception:
        if self.tree.loaded:
            return StaleAnswers()
        same = sum(each == seen[-1] for each in seen)
        shares = f"the second one in {same} of {len(seen)} attempts"
        return Nondeterminism(self._texts(word), self._traces(word, seen[-1]), shares)

    def _texts(self, word: Sequence[int]) -> list[str]:
        return [self.tree.letters[letter] for letter in word]

    def _traces(self, word: Sequence[int], seen: Sequence[int]) -> tuple[list[str], list[str]]:
        """Return what is known of the answers to a word, and what was seen now."""
        before: list[str] = []
        node = self.tree.root
        for letter in word:
            known = node.get(letter)
            if known is None:
                break
            before.append(self.tree.answers[known[0]])
            node = known[1]
        return before, [self.tree.answers[answer] for answer in seen]
