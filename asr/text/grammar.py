"""Command grammars: a text file of phrases with options and lists -> every phrase that it allows.

    # lists first or last, as you like
    room = kitchen | living room | bath room -> bath
    number = one -> 1 | two -> 2

    light: turn {state: on | off} [the] {room} light
    heating: (set | turn) [the] {room} [heating] to {number}
    stop

    word            is said
    (a | b)         one of these
    [a | b]         one of these, or nothing
    {list}          one of a list's phrases, which fills the slot of that name
    {slot: a | b}   the same with the list in its place; {to: {room}} takes a list for another slot
    a -> b          in a list or a slot: a is said, the slot's value is b
    name: phrase    commands may have names; several may have the same
    # note          up to the end of its line

A line that begins with white space goes on with the line before it.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from asr.errors import ConfigError
from asr.files import read_text

MOST_PHRASES = 10_000
"""That a grammar may allow in all."""
LONGEST_PHRASE = 100
"""In words."""
DEEPEST = 50
"""Brackets within brackets, and lists within lists."""

_LIST = re.compile(r"([^\W\d]\w*)\s*=(.*)", re.DOTALL)
_NAMED = re.compile(r"([^\W\d][\w-]*)\s*:\s+(.*)", re.DOTALL)
_SLOT = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r"->|[()\[\]{}|]|(?:(?!->)[^\s()\[\]{}|])+")
_NOTE = re.compile(r"(?:^|\s)#.*")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Phrase:
    """One way to give a command."""

    text: str
    """What is said, as it is written in the grammar."""
    name: str = ""
    """Of the command, empty where it has none."""
    slots: tuple[tuple[str, str], ...] = ()
    """What fills each slot, in the order in which they are said."""

    @property
    def meaning(self) -> tuple[object, ...]:
        """What it asks for: the command's name and slots; of one without a name the phrase."""
        return (self.name, *sorted(self.slots)) if self.name else (self.text,)


@dataclass(frozen=True)
class _Option:
    """Words and choices in a row, and the value that they stand for, if it is another."""

    parts: "tuple[str | _Choice, ...]"
    value: str | None = None


@dataclass(frozen=True)
class _Choice:
    """One of several options, or of a list that stands elsewhere."""

    options: tuple[_Option, ...]
    slot: str | None = None
    listed: bool = False
    """Whether the options are those of the list that is called as the slot."""


@dataclass(frozen=True)
class _Rule:
    where: str
    name: str
    option: _Option


def read_grammar(path: Path, *, most: int = MOST_PHRASES) -> tuple[Phrase, ...]:
    """Read a grammar's file and expand it.

    Raises:
        DataError: if the file cannot be read.
        ConfigError: as `parse_grammar`.
    """
    return parse_grammar(read_text(path), str(path), most=most)


def parse_grammar(text: str, where: str = "commands", *, most: int = MOST_PHRASES) -> tuple[Phrase, ...]:
    """Expand a grammar: every phrase that it allows, each once, in the order of its lines.

    Args:
        text: of the file.
        where: its name, for messages.
        most: phrases that are allowed.

    Raises:
        ConfigError: if a line is no phrase or list, a list is missing or contains itself, or there
            is no phrase or more than `most`, or a phrase is too long; names the line.

    Example:
        >>> [phrase.text for phrase in parse_grammar("turn (on | off) [the] light")]
        ['turn on the light', 'turn on light', 'turn off the light', 'turn off light']
    """
    lists: dict[str, _Choice] = {}
    rules: list[_Rule] = []
    for place, line in _lines(text, where):
        if found := _LIST.fullmatch(line):
            if found[1] in lists:
                raise ConfigError(f"{place}: there is a list {found[1]} already; give this one another name")
            lists[found[1]] = _Choice(_Parser(found[2], place).alternatives())
        else:
            found = _NAMED.fullmatch(line)
            name, rest = (found[1], found[2]) if found else ("", line)
            rules.append(_Rule(place, name, _Parser(rest, place).whole()))
    if not rules:
        raise ConfigError(f"{where}: holds no phrase; write one a line, such as: turn (on | off) the light")
    phrases: dict[Phrase, None] = {}
    total, sizes = 0, dict[str, _Size]()
    for rule in rules:
        size = _size(rule.option, lists, sizes, rule.where, ())
        total = min(total + size.ways, MANY)
        if total > most:
            raise ConfigError(
                f"{rule.where}: up to here the lines allow {total:,} phrases, {most:,} is the limit; shorten lists"
            )
        if size.words > LONGEST_PHRASE:
            raise ConfigError(f"{rule.where}: allows a phrase of more than {LONGEST_PHRASE} words; shorten it")
        for way in _expanded(rule.option, lists):
            if not way.words:
                raise ConfigError(f"{rule.where}: allows that nothing is said; make a word of it obligatory")
            filled = [slot for slot, _ in way.slots]
            if twice := [slot for slot in filled if filled.count(slot) > 1]:
                raise ConfigError(
                    f"{rule.where}: fills the slot {twice[0]} twice; give each its name, as in {{from: {{{twice[0]}}}}}"
                )
            phrases[Phrase(" ".join(way.words), rule.name, way.slots)] = None
    return tuple(phrases)


def _lines(text: str, where: str) -> Iterator[tuple[str, str]]:
    """Give lines with what goes on in the next ones, without notes; "file:line" before each."""
    joined: list[tuple[str, str]] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = _NOTE.sub("", raw)
        if not line.strip():
            continue
        if line[0].isspace() and joined:
            joined[-1] = joined[-1][0], f"{joined[-1][1]} {line.strip()}"
        else:
            joined.append((f"{where}:{number}", line.strip()))
    return iter(joined)


class _Parser:
    """One line, by recursive descent."""

    def __init__(self, text: str, where: str) -> None:
        self._parts: deque[str] = deque(_PART.findall(text))
        self._where = where
        self._depth = 0

    def whole(self) -> _Option:
        """A line that is one option; a | at its outside has no bracket around it."""
        options = self.alternatives()
        if len(options) > 1:
            raise self._error("has a | outside of brackets; write (a | b)")
        if options[0].value is not None:
            raise self._error("has a -> outside of a list or a slot")
        return options[0]

    def alternatives(self, closing: str | None = None) -> tuple[_Option, ...]:
        """Options with | between them, up to a bracket or the line's end."""
        options = [self._option(closing)]
        while self._parts and self._parts[0] == "|":
            self._parts.popleft()
            options.append(self._option(closing))
        end = self._parts.popleft() if self._parts else None
        if end != closing:
            missing = f"a {closing} is missing" if closing else f"the {end} closes nothing"
            raise self._error(missing)
        if closing != "]" and not all(option.parts for option in options):
            raise self._error("has nothing beside a | or between brackets; write [a] for what may be left out")
        return tuple(options)

    def _option(self, closing: str | None) -> _Option:
        parts: list[str | _Choice] = []
        while self._parts and self._parts[0] not in (*_CLOSING.values(), "|", "->"):
            part = self._parts.popleft()
            parts.append(self._choice(part) if part in _CLOSING else part)
        if not self._parts or self._parts[0] != "->":
            return _Option(tuple(parts))
        if closing not in (None, "}"):
            raise self._error("has a -> outside of a list or a slot")
        self._parts.popleft()
        value = []
        while self._parts and self._parts[0] not in (*_CLOSING, *_CLOSING.values(), "|", "->"):
            value.append(self._parts.popleft())
        return _Option(tuple(parts), " ".join(value))

    def _choice(self, bracket: str) -> _Choice:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"has more than {DEEPEST} brackets within each other")
        slot = self._slot() if bracket == "{" else None
        if slot is not None and self._parts and self._parts[0] == "}":
            self._parts.popleft()
            found = _Choice((), slot, listed=True)
        else:
            options = self.alternatives(_CLOSING[bracket])
            found = _Choice((*options, _Option(())) if bracket == "[" else options, slot)
        self._depth -= 1
        return found

    def _slot(self) -> str:
        """The name after a {, and the colon if one follows."""
        first = self._parts.popleft() if self._parts else ""
        name, colon, rest = first.partition(":")
        if not _SLOT.fullmatch(name):
            raise self._error("needs the name of a list or a slot after a {, of letters, digits and _")
        if colon and rest:
            self._parts.appendleft(rest)
        elif not colon and self._parts and self._parts[0] != "}":
            after = self._parts.popleft()
            if not after.startswith(":"):
                raise self._error(f"needs a }} or a : after {{{name}")
            if after != ":":
                self._parts.appendleft(after[1:])
        return name

    def _error(self, what: str) -> ConfigError:
        return ConfigError(f"{self._where}: {what}")


MANY = 10**12
"""So many ways are counted, and no more."""


@dataclass(frozen=True)
class _Size:
    """Of what `_expanded` gives: how many ways, repeats included, and the words of the longest."""

    ways: int = 1
    words: int = 0


def _size(
    option: _Option, lists: Mapping[str, _Choice], known: dict[str, _Size], where: str, within: tuple[str, ...]
) -> _Size:
    """Foresee how large an option is, and look whether every list is there.

    Args:
        option: words and choices.
        lists: all of them.
        known: the sizes of lists that were looked at, each once.
        where: the line, for messages.
        within: the lists that the option is in.
    """
    ways, words = 1, 0
    for part in option.parts:
        if isinstance(part, str):
            words += 1
            continue
        inside = _entered(part, lists, where, within)
        name = part.slot if part.listed else None
        if name is None or name not in known:
            sizes = [_size(one, lists, known, where, inside) for one in _options(part, lists)]
            size = _Size(min(sum(one.ways for one in sizes), MANY), max(one.words for one in sizes))
            if name is not None:
                known[name] = size
        else:
            size = known[name]
        ways, words = min(ways * size.ways, MANY), words + size.words
    return _Size(ways, words)


def _entered(choice: _Choice, lists: Mapping[str, _Choice], where: str, within: tuple[str, ...]) -> tuple[str, ...]:
    """The lists that one is in, in a choice."""
    if not choice.listed:
        return within
    assert choice.slot is not None
    if choice.slot not in lists:
        raise ConfigError(f"{where}: there is no list {choice.slot}; write a line: {choice.slot} = ... | ...")
    if choice.slot in within:
        raise ConfigError(f"{where}: the list {choice.slot} contains itself")
    if len(within) >= DEEPEST:
        raise ConfigError(f"{where}: has more than {DEEPEST} lists within each other")
    return (*within, choice.slot)


def _options(choice: _Choice, lists: Mapping[str, _Choice]) -> tuple[_Option, ...]:
    return lists[choice.slot].options if choice.listed and choice.slot is not None else choice.options


@dataclass(frozen=True)
class _Way:
    """One way through an option."""

    words: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    """What the words stand for: themselves, but for what a -> says."""
    slots: tuple[tuple[str, str], ...] = ()


def _expanded(option: _Option, lists: Mapping[str, _Choice]) -> Iterator[_Way]:
    """Give each way through an option; a slot within a slot is a part of its value."""
    ways: Iterable[_Way] = [_Way()]
    for part in option.parts:
        if isinstance(part, str):
            own = [_Way((part,), (part,))]
        else:
            own = [way for one in _options(part, lists) for way in _expanded(one, lists)]
            if part.slot is not None:
                own = [_Way(way.words, way.value, ((part.slot, " ".join(way.value)),)) for way in own]
        ways = [
            _Way((*way.words, *more.words), (*way.value, *more.value), (*way.slots, *more.slots))
            for way in ways
            for more in own
        ]
    for way in ways:
        yield way if option.value is None else _Way(way.words, (option.value,), way.slots)
