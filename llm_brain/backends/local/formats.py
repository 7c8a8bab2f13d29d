"""The formats of JSON Schema's strings as patterns: what fits one is taken by pydantic and by the standard that the format names.

A pattern may say less than its format: there are more e-mail addresses than these. None of them runs on for ever.
"""

from __future__ import annotations

from typing import Final

_YEAR = r"[1-9]\d{3}"
_LEAP_YEAR = r"(?:[1-9]\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
    rf"|{_LEAP_YEAR}-02-29)"
)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1\d|2[0-3]):[0-5]\d)"
_IN_A_DAY = r"T(?:\d{1,4}H(?:\d{1,4}M(?:\d{1,4}S)?)?|\d{1,4}M(?:\d{1,4}S)?|\d{1,4}S)"
_HEX = "[0-9a-f]"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_IPV4_NETWORK = rf"{_BYTE}(?:\.{_BYTE}){{2}}\.0/24"
_IPV6 = rf"(?:(?:{_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}|(?:{_HEX}{{1,4}}:){{1,6}}:{_HEX}{{1,4}})"
_IPV6_NETWORK = rf"(?:{_HEX}{{1,4}}:){{1,6}}:/112"
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?"
_TOP = "(?:com|org|net|edu|info|io|[a-df-z][a-z])"
_HOST = rf"(?:{_LABEL}\.){{1,3}}{_TOP}"
_URI = rf"https?://{_HOST}(?:/[A-Za-z0-9_.~-]{{1,40}}){{0,4}}/?"
_EMAIL = rf"[a-z0-9]{{1,20}}(?:[._-][a-z0-9]{{1,20}}){{0,2}}@{_HOST}"
_WORDS = "[A-Za-z0-9 _]{1,40}"
_POINTER = "(?:/[A-Za-z0-9_]{1,20}){0,4}"


def _uuid(version: str) -> str:
    return rf"{_HEX}{{8}}-{_HEX}{{4}}-{version}{_HEX}{{3}}-[89ab]{_HEX}{{3}}-{_HEX}{{12}}"


def _base64(letters: str) -> str:
    return rf"(?:[{letters}]{{4}}){{0,60}}(?:[{letters}]{{2}}==|[{letters}]{{3}}=)?"


_PATTERNS: Final = {
    "base64": _base64("A-Za-z0-9+/"),
    "base64url": _base64("A-Za-z0-9_-"),
    "byte": _base64("A-Za-z0-9+/"),
    "date": _DATE,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": rf"P(?:\d{{1,4}}W|\d{{1,4}}D(?:{_IN_A_DAY})?|{_IN_A_DAY})",
    "email": _EMAIL,
    "hostname": _HOST,
    "idn-email": _EMAIL,
    "idn-hostname": _HOST,
    "ipv4": _IPV4,
    "ipv4interface": rf"{_IPV4}/(?:[12]?\d|3[0-2])",
    "ipv4network": _IPV4_NETWORK,
    "ipv6": _IPV6,
    "ipv6interface": rf"{_IPV6}/(?:\d\d?|1[01]\d|12[0-8])",
    "ipv6network": _IPV6_NETWORK,
    "ipvanyaddress": f"(?:{_IPV4}|{_IPV6})",
    "ipvanyinterface": f"(?:{_IPV4}|{_IPV6})",
    "ipvanynetwork": f"(?:{_IPV4_NETWORK}|{_IPV6_NETWORK})",
    "iri": _URI,
    "iri-reference": _URI,
    "json-pointer": _POINTER,
    "json-string": r'(?:null|true|false|-?(?:0|[1-9]\d{0,8})|"[A-Za-z0-9 ]{0,40}")',
    "regex": _WORDS,
    "relative-json-pointer": rf"(?:0|[1-9]\d?){_POINTER}",
    "time": _TIME,
    "uri": _URI,
    "uri-reference": _URI,
    "uri-template": _URI,
    "uuid": _uuid("[1-8]"),
    **{f"uuid{version}": _uuid(version) for version in "12345678"},
}


def format_pattern(name: str) -> str | None:
    """Return a pattern for the whole of a string of a format; None where the format only tells what a string is for.

    Example:
        >>> import re
        >>> [bool(re.search(format_pattern("date"), day)) for day in ("2024-02-29", "2023-02-29", "2024-2-9")]
        [True, False, False]
        >>> format_pattern("password") is None
        True
    """
    pattern = _PATTERNS.get(name)
    return None if pattern is None else f"^(?:{pattern})$"
