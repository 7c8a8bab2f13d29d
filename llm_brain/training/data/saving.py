"""Pairs as JSON lines, to the last bit: `{"text": ..., "answer": ..., "probabilities": [...], "source": ...}`.

A member of a closed set is written as prompts say it, a model field by field under the fields' own names, whatever its
serializers do; so the values that come back are those that were there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from llm_brain._atomic import write_atomically
from llm_brain.errors import DataError
from llm_brain.strategy.annotations.closed_sets import closed_set, said
from llm_brain.strategy.annotations.parts import is_model
from llm_brain.strategy.words import explain, json_text
from llm_brain.training.constraints import unwrapped
from llm_brain.training.data.records import numbered_records

FIELDS: Final = ("text", "answer", "probabilities", "source")
Row = tuple[str, Any, tuple[float, ...], str]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    r"""Write rows, all or nothing.

    Raises:
        OSError: The file could not be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_rows(Path(folder) / "pairs.jsonl", [("It works.", True, (), "given")])
        ...     (Path(folder) / "pairs.jsonl").read_text()
        '{"text": "It works.", "answer": true, "probabilities": [], "source": "given"}\n'
    """
    lines = [
        json.dumps(
            {"text": text, "answer": to_json(answer), "probabilities": probabilities, "source": source}, ensure_ascii=False
        )
        for text, answer, probabilities, source in rows
    ]
    write_atomically(path, "".join(line + "\n" for line in lines))


def read_rows(path: Path, returns: Any) -> Iterator[tuple[str, Row]]:
    """Read rows, each with the words for where it stands.

    Raises:
        DataError: The file cannot be read, or a line of it is damaged; the message names the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_rows(Path(folder) / "pairs.jsonl", [("It works.", True, (), "given")])
        ...     [row for _, row in read_rows(Path(folder) / "pairs.jsonl", bool)]
        [('It works.', True, (), 'given')]
    """
    for where, record in numbered_records(path):
        yield where, row_of(record, returns, where)


def row_of(record: Mapping[str, Any], returns: Any, where: str) -> Row:
    """Turn a line's record into a row.

    Raises:
        DataError: It is none, or its answer is none of the type.

    Example:
        >>> row_of({"text": "It works.", "answer": True, "probabilities": [], "source": "given"}, bool, "line 1")
        ('It works.', True, (), 'given')
    """
    try:
        text, answer, probabilities, source = (record[name] for name in FIELDS)
    except KeyError as error:
        message = f"{where} has no field `{error.args[0]}`"
        raise DataError(message) from error
    try:
        checked = _PLAIN.validate_python((text, tuple(probabilities), source), strict=True)
        value = from_json(answer, returns)
    except ValidationError as error:
        message = f"{where} does not fit: {explain(error)}"
        raise DataError(message) from error
    except (KeyError, TypeError, AttributeError) as error:
        message = f"{where} does not fit: {error}"
        raise DataError(message) from error
    return checked[0], value, checked[1], checked[2]


def to_json(value: Any) -> Any:
    """Turn an answer into what JSON can hold.

    Example:
        >>> class Review(BaseModel):
        ...     praises: bool
        >>> to_json(Review(praises=True))
        {'praises': True}
    """
    if isinstance(value, BaseModel):
        return {name: to_json(getattr(value, name)) for name in type(value).model_fields}
    return json.loads(json_text(said(value)))


def from_json(value: Any, annotation: Any) -> Any:
    """Turn what `to_json` gave into the answer that it was.

    Raises:
        ValidationError: It does not fit.
        KeyError: It is none of the options, or a field is missing.
        TypeError: It is no object where a model is wanted.

    Example:
        >>> class Review(BaseModel):
        ...     praises: bool
        >>> from_json({"praises": True}, Review)
        Review(praises=True)
    """
    kind, _ = unwrapped(annotation)
    options = closed_set(kind)
    if options is not None:
        return {json_text(said(option)): option for option in options}[json_text(value)]
    if is_model(kind):
        fields = kind.model_fields.items()
        made = {name: from_json(value[name], field.rebuild_annotation()) for name, field in fields}
        return kind.model_validate(made, by_alias=False, by_name=True)
    return TypeAdapter(annotation).validate_python(value)


_PLAIN = TypeAdapter(tuple[str, tuple[float, ...], str])
