"""What tokens cost at the providers' list prices, from the table that comes with genai-prices: nothing is fetched, ever.

model and address -> the provider's entry for the model (looked up once) -> the tariff of the day -> US dollars
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from llm_brain.attempts import Usage

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices, TimeOfDateConstraint


def price(model: str, usage: Usage | None, *, base_url: str | None = None, at: datetime | None = None) -> float | None:
    """Tell what tokens cost, in US dollars, as tokens of one request: some prices depend on how long a prompt is.

    It is the public list price. Discounts, batches, credits and whatever is not counted in tokens are not in it.

    Args:
        model: The model that answered, as the provider names it.
        usage: Its tokens.
        base_url: Where it answered. None means its maker's own service, where the name tells the maker.
        at: When it answered, since prices change; now by default.

    Returns:
        None where it is not known: the tokens, the model, the provider (a server of one's own is none), or a price for tokens.

    Example:
        >>> usage = Usage(input_tokens=1_000_000, output_tokens=100_000)
        >>> price("gpt-4o-mini", usage, base_url="https://api.openai.com/v1")
        0.21
        >>> price("gpt-4o-mini", usage, base_url="http://127.0.0.1:8000/v1") is None
        True
    """
    if usage is None or len(model) > _LONGEST_NAME:
        return None
    tariffs = _tariffs(model, base_url)
    if not tariffs:
        return None
    if len(tariffs) == 1:
        return tariffs[0].cost(usage)
    moment = at or datetime.now(UTC)
    # As the table has it: the last one that holds now, or else the first.
    return next((tariff for tariff in reversed(tariffs) if tariff.holds(moment)), tariffs[0]).cost(usage)


@dataclass(frozen=True, slots=True)
class _Rate:
    """Dollars a token; another one from some length of the prompt on, and then for all tokens.

    Attributes:
        base: The rate of a short prompt.
        tiers: The longest first: prompts longer than this have this rate.
    """

    base: float
    tiers: tuple[tuple[int, float], ...] = ()

    def at(self, input_tokens: int) -> float:
        return next((rate for start, rate in self.tiers if input_tokens > start), self.base) if self.tiers else self.base


@dataclass(frozen=True, slots=True)
class _Tariff:
    """What a model's tokens cost, and when; a rate is None where tokens of that sort are not priced by themselves."""

    constraint: StartDateConstraint | TimeOfDateConstraint | None
    input: _Rate | None
    output: _Rate | None
    cache_read: _Rate | None
    cache_write: _Rate | None
    request: float

    def holds(self, moment: datetime) -> bool:
        return self.constraint is None or self.constraint.active(moment)

    def cost(self, usage: Usage) -> float | None:
        length, output = usage.input_tokens, usage.output_tokens
        read, write = usage.cache_read_tokens, usage.cache_write_tokens
        if self.input is None or (self.output is None and output) or min(output, read, write, length - read - write) < 0:
            return None
        if max(length, output, read, write) > _MOST_TOKENS:
            return None
        total, plain = self.request, length
        if read and self.cache_read is not None:
            total += read * self.cache_read.at(length)
            plain -= read
        if write and self.cache_write is not None:
            total += write * self.cache_write.at(length)
            plain -= write
        total += plain * self.input.at(length)
        return total + output * self.output.at(length) if self.output is not None else total


_LONGEST_NAME: Final = 200  # names are remembered, and a server may say what it likes
_A_MILLION: Final = 1_000_000
_MOST_TOKENS: Final = 10**12  # a server that says more is wrong, and a float may not hold it
_A_THOUSAND: Final = 1_000


@lru_cache(maxsize=1024)
def _tariffs(model: str, base_url: str | None) -> tuple[_Tariff, ...]:
    """Look a model up, and return its tariffs in the table's order; none where it is not in the table."""
    table = _table()
    url = None if base_url is None else _public(base_url)
    if base_url is not None and url is None:
        return ()
    try:
        provider, found = table.find_provider_model(model, None, None, url)
    except (LookupError, ValueError):
        return ()
    if url is not None and not _is_whole_host(provider.api_pattern, url):
        return ()
    prices = found.prices
    if isinstance(prices, Sequence):
        return tuple(_tariff(conditional.prices, conditional.constraint) for conditional in prices)
    return (_tariff(prices, None),)


@cache
def _table() -> DataSnapshot:
    # Made here and not asked for: a program may have told genai-prices to fetch newer ones, which is not for us to use.
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


def _public(base_url: str) -> str | None:
    """Write an address in the form of the table's patterns; None for one that is no public service's."""
    try:
        parts = urlsplit(base_url)
    except ValueError:
        return None
    if parts.scheme.lower() != "https" or not parts.hostname:
        return None
    # No pattern has a dot after the host, and some begin with anything at all: without dots a path is taken for no host.
    return f"https://{parts.hostname}{parts.path.replace('.', '')}"


def _is_whole_host(pattern: str, url: str) -> bool:
    """Tell whether a pattern fits a host to its end: `https://api.openai.com.example.org` is not OpenAI's."""
    match = re.match(pattern, url)
    return match is not None and "." not in url[match.end() :].partition("/")[0]


def _tariff(prices: ModelPrice, constraint: StartDateConstraint | TimeOfDateConstraint | None) -> _Tariff:
    request = _rate(prices.requests_kcount, _A_THOUSAND)
    return _Tariff(
        constraint,
        input=_rate(prices.input_mtok, _A_MILLION),
        output=_rate(prices.output_mtok, _A_MILLION),
        cache_read=_rate(prices.cache_read_mtok, _A_MILLION),
        cache_write=_rate(prices.cache_write_mtok, _A_MILLION),
        request=0.0 if request is None else request.base,
    )


def _rate(told: Decimal | TieredPrices | None, units: int) -> _Rate | None:
    from genai_prices.types import TieredPrices

    if told is None:
        return None
    if isinstance(told, TieredPrices):
        tiers = sorted(((tier.start, float(tier.price / units)) for tier in told.tiers), reverse=True)
        return _Rate(float(told.base / units), tuple(tiers))
    return _Rate(float(told / units))
