"""Any return type: what is decoded under its schema fits it, as pydantic and as the jsonschema package see it."""

from __future__ import annotations

import enum
import ipaddress
import json
import random
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import make_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union

import jsonschema
import pytest
import torch
from pydantic import AnyUrl, Base64Bytes, ConfigDict, Field, HttpUrl, JsonValue, TypeAdapter, create_model
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from llm_brain.backends import LocalBackend, Message, Request, Sampling
from llm_brain.backends.embedded import weights_folder
from llm_brain.backends.local.decoding import draw_all
from llm_brain.backends.local.engine import Engine
from llm_brain.backends.local.grammar import GrammarCompiler
from llm_brain.backends.local.row import Row


class Exact(GenerateJsonSchema):
    """Say of a Decimal what pydantic checks: by itself it says that any number will do, and any string."""

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        bounds = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
        made: dict[str, Any] = {"type": "number"} | {said: float(schema[key]) for key, said in bounds.items() if key in schema}
        if "decimal_places" in schema:
            made["multipleOf"] = 10.0 ** -schema["decimal_places"]
        return made


class Varied:
    """Makes a type out of a number: the same one for the same number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._random = random.Random(number)
        self._names = iter(range(1000))

    def type(self, depth: int = 3) -> Any:
        kinds: list[Callable[[int], Any]] = [self._leaf]
        if depth:
            kinds += [self._container, self._container, self._model, self._model, self._union, self._record]
        return self._random.choice(kinds)(depth - 1)

    def hashable(self) -> Any:
        return self._random.choice([str, int, self._literal(), self._enum(), date, uuid.UUID, self._integer(), self._text()])

    def _leaf(self, _: int) -> Any:
        made: list[Any] = [
            str,
            int,
            float,
            bool,
            date,
            datetime,
            time,
            timedelta,
            uuid.UUID,
            bytes,
            Base64Bytes,
            ipaddress.IPv4Address,
        ]
        made += [ipaddress.IPv6Address, HttpUrl, AnyUrl, None, JsonValue]
        bounded = [self._text, self._integer, self._number, self._decimal, self._literal, self._enum, self._pattern]
        return self._random.choice([self._random.choice(made), *(self._random.choice(bounded)() for _ in range(2))])

    def _text(self) -> Any:
        least = self._random.choice([0, 1, 5, 30])
        return of(Annotated, str, field(min_length=least, max_length=least + self._random.choice([0, 3, 20])))

    def _pattern(self) -> Any:
        patterns = [
            r"^[A-Z]{3}-\d{4}$",
            r"^(red|green|blue)$",
            r"^\w+@\w+\.(com|org)$",
            r"^[^\s]+$",
            r"[0-9]",
            r"^a|b$",
            r"^#[0-9a-f]{6}$",
        ]
        return of(Annotated, str, field(pattern=self._random.choice(patterns)))

    def _integer(self) -> Any:
        low = self._random.choice([-1000, -3, 0, 7, 10**12])
        bounds = {self._random.choice(["ge", "gt"]): low, "le": low + self._random.choice([20, 999])}
        return of(Annotated, int, field(**bounds, multiple_of=self._random.choice([None, None, 2, 7])))

    def _number(self) -> Any:
        low = self._random.choice([-2.5, 0.0, 0.125, 99.0, 1e-7])
        above = self._random.choice([{}, {"lt": low + 7.5}, {"le": low + 1e3}])
        step = self._random.choice([None, None, 0.5, 0.01])
        return of(Annotated, float, field(**{self._random.choice(["ge", "gt"]): low}, **above, multiple_of=step))

    def _decimal(self) -> Any:
        places = self._random.choice([0, 2, 5])
        return of(Annotated, Decimal, field(ge=0, lt=1000, decimal_places=places, max_digits=3 + places))

    def _literal(self) -> Any:
        values = ["low", "high", 'with "quotes"', "ünïcode", "", "a\nb", 1, 2, -3, True, None]
        return of(Literal, *self._random.sample(values, self._random.randint(1, 4)))

    def _enum(self) -> Any:
        values = self._random.choice([["x", "y", "z"], [1, 2, 3], ["only"], ["a b", "c/d", "e\\f"]])
        return enum.Enum(f"Enum{next(self._names)}", {f"m{place}": value for place, value in enumerate(values)})

    def _container(self, depth: int) -> Any:
        item = self.type(depth)
        some = field(min_length=self._random.choice([0, 1, 2]), max_length=self._random.choice([2, 3, 12]))
        keys = self._random.choice(
            [str, date, uuid.UUID, Literal["one", "two", "three"], Annotated[str, Field(pattern="^k[0-9]$")]]
        )
        return self._random.choice(
            [
                of(list, item),
                of(Annotated, of(list, item), some),
                of(tuple, item, ...),
                of(tuple, item, int, self.hashable()),
                of(set, self.hashable()),
                of(Annotated, of(frozenset, self.hashable()), field(min_length=1, max_length=3)),
                of(dict, str, item),
                of(dict, keys, item),
                of(Annotated, of(dict, keys, item), field(min_length=1, max_length=2)),
                of(Optional, item),
            ]
        )

    def _union(self, depth: int) -> Any:
        if self._random.random() < 0.5:
            return of(Union, self.type(depth), int, self.hashable())
        tags = self._random.sample(["cat", "dog", "eel", "fox"], 3)
        members = []
        for tag in tags:
            kind = of(Literal, tag), self._random.choice([..., tag])
            members.append(self._made({"kind": kind, "of": (self.type(depth), ...)}))
        return of(Annotated, of(Union, *members), field(discriminator="kind"))

    def _record(self, depth: int) -> Any:
        name, fields = f"Record{next(self._names)}", [("first", self.type(depth)), ("second", self.type(depth))]
        make: Any = self._random.choice([NamedTuple, make_dataclass, lambda name, fields: TypedDict(name, dict(fields))])  # type: ignore[operator]
        return make(name, fields)

    def _model(self, depth: int) -> Any:
        fields: dict[str, Any] = {}
        for place in range(self._random.randint(1, 4)):
            kind, alias = self.type(depth), self._random.choice([None, None, f"the field {place}"])
            if self._random.random() < 0.3:
                fields[f"f{place}"] = of(Optional, kind), field(default=None, alias=alias, description="It may be left out.")
            else:
                fields[f"f{place}"] = kind, field(alias=alias)
        name = f"Model{next(self._names)}"
        if self._random.random() < 0.2:
            fields["children"] = of(list, name), ...
        if self._random.random() < 0.2:
            fields["following"] = of(Optional, name), None
        return self._made(fields, name)

    def _made(self, fields: dict[str, Any], name: str = "") -> Any:
        extra: Any = self._random.choice([None, "forbid", "allow"])
        name = name or f"Model{next(self._names)}"
        made: Any = create_model(name, __config__=ConfigDict(extra=extra) if extra else None, **fields)
        made.model_rebuild(_types_namespace={name: made})
        return made


def of(kind: Any, *parts: Any) -> Any:
    """Give a generic type its parts, which no type checker can follow here."""
    return kind[parts if len(parts) > 1 else parts[0]]


def field(**options: Any) -> Any:
    return Field(**options)


def schema_of(number: int, depth: int = 3) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    adapter: TypeAdapter[Any] = TypeAdapter(Varied(number).type(depth))
    return adapter, adapter.json_schema(schema_generator=Exact)


def check(adapter: TypeAdapter[Any], schema: dict[str, Any], text: str) -> None:
    """Validate a reply, in decimal numbers: in binary ones 0.3 is no multiple of 0.1."""
    adapter.validate_json(text)
    exact = json.loads(json.dumps(schema), parse_float=Decimal)
    jsonschema.Draft202012Validator(exact).validate(json.loads(text, parse_float=Decimal))


@pytest.fixture(scope="module")
def model() -> LocalBackend:
    return LocalBackend(weights_folder(), model_id="smollm2")


def asked(model: LocalBackend, numbers: Sequence[int], depth: int, limit: int) -> None:
    """Ask for a value of each type at the same time, and check all of them."""
    varied = [schema_of(number, depth) for number in numbers]
    requests = [
        Request(
            (Message("user", f"Make up an example, as JSON, for {json.dumps(schema)[:400]}"),),
            Sampling(temperature=1.0, max_tokens=limit, seed=number),
            schema,
        )
        for number, (_, schema) in zip(numbers, varied, strict=True)
    ]
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(model.chat_completion, requests))
    failures = []
    for number, (adapter, schema), reply in zip(numbers, varied, replies, strict=True):
        try:
            check(adapter, schema, reply.text)
        except Exception as error:  # noqa: BLE001 - all of them are counted
            failures.append(f"{number}: {reply.text!r} ({reply.finish_reason}, {reply.notes}): {error}")
    assert not failures, "\n\n".join(failures)


def test_replies_under_some_varied_schemas_fit_them(model: LocalBackend) -> None:
    asked(model, range(15), depth=1, limit=48)


@pytest.mark.slow
def test_200_of_200_replies_under_varied_schemas_fit_them(model: LocalBackend) -> None:
    asked(model, range(1000, 1200), depth=3, limit=400)


def by_chance(compiler: GrammarCompiler, schema: dict[str, Any], seed: int, limit: int) -> Row:
    """Write a value by chance, with no model: any token that the grammar lets through may come."""
    row = Row([0], Sampling(temperature=1.0, max_tokens=limit, seed=seed), compiler.compile(schema))
    chance = torch.Generator().manual_seed(seed)
    while not row.finished:
        logits = torch.randn(1, compiler.vocabulary, generator=chance)
        if draw_all([row], logits):
            row.step_back()
    return row


@pytest.mark.parametrize(
    ("numbers", "depth"),
    [(range(2000, 2025), 2), pytest.param(range(3000, 3300), 3, marks=pytest.mark.slow)],
    ids=["some", "many"],
)
def test_values_that_are_written_by_chance_fit_their_schemas(smollm2_engine: Engine, numbers: Sequence[int], depth: int) -> None:
    compiler = GrammarCompiler(smollm2_engine.tokenizer, smollm2_engine.vocabulary)
    unfitting = 0
    for number in numbers:
        adapter, schema = schema_of(number, depth)
        row = by_chance(compiler, schema, number, limit=160)
        assert row.error is None
        if row.too_short and not row.ended:
            unfitting += 1
        else:
            check(adapter, schema, smollm2_engine.decode(row.tokens))
    assert unfitting <= len(numbers) // 25  # whose shortest value has more than 160 tokens


def test_the_types_are_as_varied_as_they_are_meant_to_be() -> None:
    schemas = [json.dumps(schema_of(number, 3)[1]) for number in range(1000, 1200)]
    assert len(set(schemas)) > 180
    for word in ("$ref", "anyOf", "oneOf", "enum", "const", "pattern", "format", "uniqueItems", "prefixItems", "propertyNames"):
        assert sum(f'"{word}"' in schema for schema in schemas) > 10, word
    for word in (
        "multipleOf",
        "exclusiveMinimum",
        "minLength",
        "minItems",
        "minProperties",
        "additionalProperties",
        "discriminator",
    ):
        assert sum(f'"{word}"' in schema for schema in schemas) > 5, word
