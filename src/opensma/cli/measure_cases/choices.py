"""Conventions of a case: every one must be known, and set where there is something to choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from opensma.cli.measure_cases.fields import Fields, refuse

Named = TypeVar("Named", bound=Enum)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a convention may say: one of some words, a list of them, or a number."""

    words: tuple[str, ...] = ()
    many: bool = False
    in_order: bool = False  # all words, in this order
    numbers: tuple[int, ...] | None = None  # with neither: anything


def words(*allowed: str) -> Rule:
    """One of these words."""
    return Rule(allowed)


def one_of(choices: type[Enum]) -> Rule:
    """One member of an enum, by value."""
    return Rule(tuple(str(member.value) for member in choices))


def some_of(choices: type[Enum] | Iterable[str]) -> Rule:
    """A list of members of an enum, or of words."""
    if isinstance(choices, type):
        return Rule(tuple(str(member.value) for member in choices), many=True)
    return Rule(tuple(choices), many=True)


def numbers(*allowed: int) -> Rule:
    """One of these whole numbers."""
    return Rule(numbers=allowed)


def in_order(*all_words: str) -> Rule:
    """All of these words, in this order."""
    return Rule(all_words, many=True, in_order=True)


ANYTHING = Rule()  # the operation itself says what it takes


class Choices:
    """The conventions of one case, checked against the rules of its operation.

    A key with a single possible value may be left out; one with several must be set.
    """

    def __init__(self, given: Fields, rules: Mapping[str, Rule], known: Iterable[str]) -> None:
        self.given, self.rules = given, rules
        for name in given.values:
            if name in rules:
                _check(given, name, rules[name])
            elif name not in set(known):
                refuse(
                    "convention_unknown",
                    f"There is no convention '{name}'.",
                    where=given.place(name),
                    remedy=f"This operation knows: {', '.join(rules) or 'none'}.",
                )

    def word(self, name: str) -> str:
        """The word chosen."""
        rule = self.rules[name]
        if not self.given.has(name) and len(rule.words) == 1:
            return rule.words[0]
        return self.given.text(name)

    def member(self, name: str, choices: type[Named]) -> Named:
        """The member chosen of an enum."""
        return choices(self.word(name))

    def members(self, name: str, choices: type[Named]) -> list[Named]:
        """The members chosen of an enum, in the order given."""
        return [choices(word) for word in self.given.texts(name)]

    def whole(self, name: str) -> int:
        """The whole number chosen."""
        return self.given.whole(name)


def _check(given: Fields, name: str, rule: Rule) -> None:
    if rule.words:
        chosen = given.texts(name) if rule.many else [given.text(name)]
        wrong: list[object] = [word for word in chosen if word not in rule.words]
        allowed = ", ".join(rule.words)
        if rule.in_order and not wrong and tuple(chosen) != rule.words:
            wrong = [", ".join(chosen)]
        if rule.many and len(set(chosen)) != len(chosen):
            refuse("convention_twice", "A word is listed twice.", where=given.place(name))
    elif rule.numbers is not None:
        wrong = [n for n in [given.whole(name)] if n not in rule.numbers]
        allowed = ", ".join(map(str, rule.numbers))
    else:
        return
    if wrong:
        refuse(
            "convention_value",
            f"'{wrong[0]}' is no value of '{name}'.",
            where=given.place(name),
            remedy=f"Use {allowed}.",
        )
