r"""Where in a reply its answer stands: past the thinking, in a fence or in prose, as JSON or as JSON with mistakes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from llm_brain.strategy.reading.broken import Broken
from llm_brain.strategy.reading.reader import Reader

FENCE = "```"
# Some chat templates open the block in the prompt, so that only its end stands in the reply.
_NAMES = "think|thinking|thought|reasoning"
THINKING = re.compile(rf"<(?:{_NAMES})>|\[THINK\]|◁think▷", re.IGNORECASE)
THOUGHT = re.compile(rf"</(?:{_NAMES})>|\[/THINK\]|◁/think▷", re.IGNORECASE)
LEADING = re.compile(rf"\s*(?:{THINKING.pattern})", re.IGNORECASE)
MARK = re.compile(rf"`{{3,}}|{THINKING.pattern}|[\[{{]", re.IGNORECASE)
INFO = re.compile(r"json\b[ \t]*\n?|\w*[ \t]*\n", re.IGNORECASE)
_BRACKET = re.compile(r"[\[\]{}]")
_MANY = 100
# Reading is given up after this many characters beyond the text's own length: something broken is read several times.
_MOST_WASTED = 10_000
_COST_OF_A_TRY = 100
_LONGEST_SCALAR = 10_000

# Braces and brackets stand in prose, too: these are meant as data, so that an answer that cannot be read is not passed over.
DATA = re.compile(r"\{\s*(?:[\"'“`\\/#]|\w+\s*:|\Z)|\[\s*(?:[\"'“`{\[\d,+-]|nan\b|inf)", re.IGNORECASE)
_GOES_ON = re.compile(r"\s*,\s*(?:\"[^\"\n]{0,200}\"|'[^'\n]{0,200}'|\w{1,200})\s*:")
_BRACELESS = re.compile(r"\s*(?:(?:\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|“[^”\n]{1,200}”)\s*:|return_value\s*[:=])")
_DOUBLED = re.compile(r"\{\{\s*[\"']")
_ESCAPED = re.compile(r"[\[{](?:[\[{\s]|\\[nrt])*\\\"")
_ESCAPE = re.compile(r"\\([\"\\/nrt])")
_WRITTEN = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Found:
    """A value that stands in a text.

    Attributes:
        value: The value.
        in_fence: Whether it stands in a code fence.

    Example:
        >>> find_values("The set is [1, 2].", complete=True).values
        [Found(value=[1, 2], in_fence=False)]
    """

    value: Any
    in_fence: bool


@dataclass(slots=True)
class Findings:
    r"""The objects and arrays that stand in a text.

    Attributes:
        values: Those that could be read.
        problem: Why one of them could not be read.
        is_cut: Whether the text ends within one.
        is_all: Whether the text is nothing but these values, one after the other.
        wasted: How many characters were read of values that could not be read to their ends.

    Example:
        >>> findings = find_values('{"a": 1}\n{"a": 2}', complete=True)
        >>> len(findings.values), findings.is_all
        (2, True)
    """

    values: list[Found] = field(default_factory=list)
    problem: Broken | None = None
    is_cut: bool = False
    is_all: bool = True
    wasted: int = 0


def without_thinking(text: str) -> str:
    """Return what follows the thinking that a reply begins with.

    Raises:
        Broken: The thinking never ends.

    Example:
        >>> without_thinking("<think>France, so...</think> Paris")
        'Paris'
    """
    said = text.lstrip("\ufeff").strip()
    thought = THOUGHT.search(said)
    if thought and not THINKING.search(said, 0, thought.start()):
        said = said[thought.end() :].lstrip()
    place = 0
    while opening := LEADING.match(said, place):
        thought = THOUGHT.search(said, opening.end())
        if thought is None:
            raise Broken(said, place, "the thinking never ends")
        place = thought.end()
    return said[place:].lstrip()


def find_values(text: str, *, complete: bool) -> Findings:
    """Find the objects and arrays that stand in a text.

    Args:
        text: The text, without thinking before it.
        complete: Whether the model ended it itself: then what only lacks its last brackets counts, too.

    Example:
        >>> find_values("Here: {'a': 1} (that is {not much}).", complete=True).values
        [Found(value={'a': 1}, in_fence=False)]
    """
    findings, place, in_fence = Findings(), 0, False
    if _BRACELESS.match(text):
        return _braceless(text, 0, complete=complete)
    while mark := MARK.search(text, place):
        findings.is_all &= not text[place : mark.start()].strip(" \t\r\n,")
        kind, place = mark.group(), mark.end()
        if kind.startswith(FENCE):
            in_fence = not in_fence
            if in_fence and (info := INFO.match(text, place)):
                place = info.end()
            if in_fence and _BRACELESS.match(text, place):
                return _braceless(text, place, complete=complete)
        elif kind not in "[{":
            thought = THOUGHT.search(text, place)
            place = thought.end() if thought else len(text)
        else:
            place = _take(findings, text, mark.start(), in_fence=in_fence, complete=complete)
        if len(findings.values) > _MANY or findings.wasted > len(text) + _MOST_WASTED:
            findings.problem = findings.problem or Broken(text, place, "the reply holds too much that may be its answer")
            break
    findings.is_all &= not text[place:].strip(" \t\r\n,")
    return findings


def scalars_in(text: str) -> list[Any]:
    """Read a text, freed from a fence, as one value without structure: a constant, a number, a text with or without quotes.

    Example:
        >>> scalars_in("None"), scalars_in("'Oslo'"), scalars_in("2024-05-01"), scalars_in("[1, 2")
        ([None], ['Oslo'], ['2024-05-01'], [])
    """
    before, *fences = text.split(FENCE, 3)
    if len(fences) > 2:  # noqa: PLR2004 - the inside and what follows
        return []
    said = before.strip()
    if fences:
        info = INFO.match(fences[0])
        said = fences[0][info.end() if info else 0 :].strip()
    if not said or said[0] in "[{":
        return []
    reader = Reader(f"[{said}]")
    try:
        if len(said) < _LONGEST_SCALAR:
            reader.read(to_end=True)
    except Broken:
        pass
    if not reader.done and not any(char.isspace() for char in said):
        return []  # no words, and no value either
    is_one = reader.done and reader.at == len(said) + 2 and len(reader.value) == 1
    return [reader.value[0] if is_one else said]


def _take(findings: Findings, text: str, at: int, *, in_fence: bool, complete: bool) -> int:
    """Read the value that begins at a bracket, and return where to look on."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        if _ESCAPED.match(text, at):  # JSON that was written as the inside of a string
            inside = _ESCAPE.sub(lambda escape: _WRITTEN.get(escape.group(1), escape.group(1)), text[at:])
            within = find_values(inside, complete=complete)
            findings.values += within.values
            findings.problem = findings.problem or within.problem
            findings.is_cut |= within.is_cut
            return len(text)
        reader = Reader(text, at)
        try:
            reader.read(to_end=complete)
        except Broken as problem:
            if DATA.match(text, at):
                findings.problem = findings.problem or problem
            findings.is_all = False
            findings.wasted += reader.at - at + _COST_OF_A_TRY
            end = _beyond(text, at)
            # The outer braces written twice, as templates want them: what is between them is looked at by itself.
            return at + 1 if _DOUBLED.match(text, at) and _beyond(text, at + 1) == end - 1 else end
        if not reader.done:
            findings.is_cut = True
            return len(text)
        value, end = reader.value, reader.at
        if reader.has_words and isinstance(value, list) and not in_fence and (text[:at].strip() or text[end:].strip()):
            findings.wasted += _COST_OF_A_TRY
            return end  # a note in brackets
    if isinstance(value, dict) and _GOES_ON.match(text, end):
        findings.problem = findings.problem or Broken(text, end, "an object ends before its last field")
        return len(text)
    findings.values.append(Found(value, in_fence))
    return end


def _braceless(text: str, at: int, *, complete: bool) -> Findings:
    reader = Reader(text, at, braceless=True)
    try:
        reader.read(to_end=complete)
    except Broken as problem:
        return Findings(problem=problem)
    return Findings([Found(reader.value, in_fence=at > 0)] if reader.done else [], is_cut=not reader.done)


def _beyond(text: str, at: int) -> int:
    """Return where the brackets around something broken end, since what is within them is no answer of its own."""
    depth = 0
    for bracket in _BRACKET.finditer(text, at):
        depth += 1 if bracket.group() in "[{" else -1
        if depth == 0:
            return bracket.end()
    return len(text)


def _refuse(constant: str) -> float:
    message = f"{constant} is not JSON"
    raise ValueError(message)


_DECODER = json.JSONDecoder(parse_constant=_refuse)
