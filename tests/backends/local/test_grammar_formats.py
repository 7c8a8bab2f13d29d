"""Formats as patterns: whatever fits one is a value of the type that pydantic gives the format to."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    UUID1,
    UUID3,
    UUID4,
    UUID5,
    AnyUrl,
    Base64Bytes,
    Base64UrlBytes,
    HttpUrl,
    IPvAnyAddress,
    IPvAnyInterface,
    IPvAnyNetwork,
    TypeAdapter,
)

from llm_brain.backends.local.formats import format_pattern

TYPES: list[Any] = [
    date,
    datetime,
    time,
    timedelta,
    UUID,
    UUID1,
    UUID3,
    UUID4,
    UUID5,
    Base64Bytes,
    Base64UrlBytes,
    AnyUrl,
    HttpUrl,
]
TYPES += [IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network]
TYPES += [IPvAnyAddress, IPvAnyInterface, IPvAnyNetwork, re.Pattern]


@pytest.mark.parametrize("kind", TYPES, ids=str)
@settings(max_examples=40)
@given(data=st.data())
def test_what_fits_a_format_is_a_value_of_its_type(kind: Any, data: st.DataObject) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    pattern = format_pattern(adapter.json_schema()["format"])
    assert pattern is not None
    adapter.validate_python(data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)).removesuffix("\n"))


@given(data=st.data())
def test_an_address_of_mail_has_a_name_and_a_host(data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(format_pattern("email") or "", re.ASCII), fullmatch=True))
    name, _, host = text.strip().partition("@")
    assert name
    assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", host)
    assert not host.endswith((".test", ".local", ".invalid"))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", ["2000-02-29", "1999-12-31", "9999-01-01"], ["1900-02-29", "2023-04-31", "0000-01-01", "2023-1-1"]),
        ("time", ["23:59:59Z", "00:00:00.5+14:00"], ["24:00:00Z", "12:60:00Z", "12:00:00"]),
        ("date-time", ["2024-02-29T12:00:00Z"], ["2024-02-30T12:00:00Z", "2024-02-29 12:00:00Z"]),
        ("duration", ["P1W", "P3DT4H5M6S", "PT6S"], ["P", "PT", "P1DT", "PT1H5S"]),
        ("ipv4", ["0.0.0.0", "255.255.255.255"], ["256.1.1.1", "01.1.1.1", "1.1.1"]),
        ("uuid4", ["123e4567-e89b-42d3-a456-426614174000"], ["123e4567-e89b-12d3-a456-426614174000"]),
    ],
)
def test_a_format_takes_what_its_standard_takes(name: str, good: list[str], bad: list[str]) -> None:
    pattern = format_pattern(name)
    assert pattern is not None
    assert [bool(re.search(pattern, text)) for text in (*good, *bad)] == [True] * len(good) + [False] * len(bad)
