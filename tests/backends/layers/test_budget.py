"""A budget lets no call begin that it cannot allow, and counts what every call used, however the call ended."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.attempts import Attempt, Usage
from llm_brain.backends import (
    CachedBackend,
    Choice,
    Embeddings,
    LanguageBackend,
    Message,
    Reply,
    Request,
    Sampling,
    TracedBackend,
)
from llm_brain.backends.layers.budget import BudgetedBackend
from llm_brain.backends.layers.prices import price
from llm_brain.backends.layers.spending import Budget, Left, Spent
from llm_brain.errors import BackendError, BudgetError, DefinitionError, MissingKeyError

HELLO = Request((Message("user", "Hello?"),), Sampling(max_tokens=50))
ESTIMATE = 10 + 50  # 6 bytes are 2 tokens, a turn has 8 more, and the reply is as long as it may be
UNKNOWN = BackendError("lost", kind="timeout")


class Model(LanguageBackend):
    """Does what it is told to, one thing a call, the last one for ever: answers with that usage, or fails."""

    model_id = "m-1"

    def __init__(self, *told: Usage | Exception | Reply | None, dollars_a_token: float | None = None) -> None:
        self.told: Sequence[Any] = told or (Usage(7, 1),)
        self.asked = 0
        self.dollars_a_token = dollars_a_token
        self._lock = threading.Lock()

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def cost(self, usage: Usage | None, model: str) -> float | None:
        if usage is None or self.dollars_a_token is None or model not in {self.model_id, "priced"}:
            return None
        return (usage.input_tokens + usage.output_tokens) * self.dollars_a_token

    def next(self) -> Any:
        with self._lock:
            told = self.told[min(self.asked, len(self.told) - 1)]
            self.asked += 1
        if isinstance(told, Exception):
            raise told
        return told

    def chat_completion(self, _: Request) -> Reply:
        told = self.next()
        return told if isinstance(told, Reply) else Reply("Hello.", "stop", self.model_id, told)

    def choose_from_options(self, _: Request, options: Sequence[str]) -> Choice:
        return Choice(options[0], None, self.model_id, self.next())

    def embed(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(np.zeros((len(texts), 2), dtype=np.float32), self.model_id, self.next())

    def stream(self, request: Request) -> Generator[str | Reply, None, None]:
        yield "Hel"
        yield "lo."
        yield self.chat_completion(request)


def ask(model: LanguageBackend, times: int = 1) -> None:
    for _ in range(times):
        model.chat_completion(HELLO)


async def awaited(model: LanguageBackend) -> None:
    await model.achat_completion(HELLO)


async def streamed_awaited(model: LanguageBackend) -> None:
    async with aclosing(model.astream(HELLO)) as pieces:
        assert [piece async for piece in pieces]


WAYS: dict[str, Callable[[LanguageBackend], object]] = {
    "chat": ask,
    "chat, awaited": lambda model: asyncio.run(awaited(model)),
    "choice": lambda model: model.choose_from_options(HELLO, ["a"]),
    "choice, awaited": lambda model: asyncio.run(model.achoose_from_options(HELLO, ["a"])),  # type: ignore[arg-type]
    "stream": lambda model: list(model.stream(HELLO)),
    "stream, awaited": lambda model: asyncio.run(streamed_awaited(model)),
    "embedding": lambda model: model.embed(["Hello?"]),
    "embedding, awaited": lambda model: asyncio.run(model.aembed(["Hello?"])),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_of_asking_is_counted_and_ends_at_the_limit(way: Callable[[LanguageBackend], object]) -> None:
    inner = Model(Usage(7, 1), dollars_a_token=0.5)
    model = BudgetedBackend(inner, calls=2)
    way(model)
    assert (model.spent.calls, model.spent.tokens, model.spent.dollars) == (1, 8, 4.0)
    way(model)
    with pytest.raises(BudgetError) as caught:
        way(model)
    assert caught.value.kind == "budget"
    assert not caught.value.retryable
    assert inner.asked == 2
    assert model.spent.calls == 2


def test_a_budget_says_which_limit_is_reached_how_much_was_spent_and_what_to_do() -> None:
    for limits, named in (({"tokens": 1_000}, "1,000 tokens"), ({"dollars": 2.5}, "$2.5"), ({"calls": 1}, "1 calls")):
        model = BudgetedBackend(Model(Usage(1_000, 234), dollars_a_token=0.01), **limits)
        ask(model)
        with pytest.raises(BudgetError) as caught:
            ask(model)
        assert f"the budget of {named} is spent (1 calls, 1,234 tokens, $12.34, in 0." in str(caught.value)
        assert f"raise `{next(iter(limits))}`" in str(caught.value)


def test_seconds_are_counted_from_the_first_call() -> None:
    model = BudgetedBackend(Model(), seconds=0.3)
    time.sleep(0.35)
    assert model.spent.seconds == 0.0
    assert model.left.seconds == 0.3
    ask(model)
    time.sleep(0.35)
    with pytest.raises(BudgetError, match=r"0\.3 seconds"):
        ask(model)
    assert model.spent.seconds > 0.3
    assert model.left.seconds == 0.0


def test_what_is_left_is_none_without_a_limit_and_never_below_0() -> None:
    model = BudgetedBackend(Model(Usage(100, 50), dollars_a_token=1.0), calls=5, tokens=120)
    assert model.left == Left(5, 120, None, None)
    ask(model)
    assert model.left == Left(4, 0, None, None)
    assert BudgetedBackend(Model()).left == Left(None, None, None, None)


def test_one_budget_is_shared_by_several_models() -> None:
    budget = Budget(calls=3)
    dear, cheap = (BudgetedBackend(Model(Usage(tokens, 0)), budget) for tokens in (100, 1))
    ask(dear, 2)
    ask(cheap)
    assert budget.spent.tokens == 201
    for model in (dear, cheap):
        with pytest.raises(BudgetError):
            ask(model)
        assert model.spent.calls == 3


def test_without_limits_a_budget_counts() -> None:
    model = BudgetedBackend(Model(), Budget())
    ask(model, 20)
    assert (model.spent.calls, model.spent.tokens) == (20, 160)


@pytest.mark.parametrize("name", ["calls", "tokens", "dollars", "seconds"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "10"])
def test_a_limit_that_makes_no_sense_is_refused_at_once(name: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=f"{name} must be a .*number above 0"):
        Budget(**{name: value})
    with pytest.raises(DefinitionError, match=name):
        BudgetedBackend(Model(dollars_a_token=1.0), **{name: value})


@pytest.mark.parametrize("name", ["calls", "tokens"])
def test_calls_and_tokens_are_whole_numbers(name: str) -> None:
    with pytest.raises(DefinitionError, match="whole number"):
        Budget(**{name: 1.5})


def test_a_budget_and_limits_of_ones_own_are_refused_together() -> None:
    with pytest.raises(DefinitionError, match=r"Budget\(calls=3\).*either the budget or the limits"):
        BudgetedBackend(Model(), Budget(calls=3), tokens=10)


def test_kept_answers_cost_nothing_on_either_side_of_a_budget(tmp_path: Path) -> None:
    with_cache_outside = CachedBackend(BudgetedBackend(Model(), calls=1), tmp_path / "outside.sqlite")
    ask(with_cache_outside, 3)
    cached = CachedBackend(Model(), tmp_path / "inside.sqlite")
    ask(cached)
    with_cache_inside = BudgetedBackend(cached, calls=1, tokens=1)
    ask(with_cache_inside, 3)
    list(with_cache_inside.stream(HELLO))
    assert (with_cache_inside.spent.calls, with_cache_inside.spent.tokens) == (0, 0)
    with_cache_outside.close()
    cached.close()


def failed(kind: Any = "server", **fields: Any) -> BackendError:
    return BackendError("no", kind=kind, **fields)


def tried(kind: Any = "server", **fields: Any) -> Attempt:
    return Attempt("no", kind, **fields)


@pytest.mark.parametrize(
    ("error", "tokens"),
    [
        (failed("auth"), 0),
        (failed("server", attempts=[tried(status=503)] * 3), 0),
        (failed("server", attempts=[tried(status=503), tried("rate_limit", status=429)], usage=None), 0),
        (failed("empty", usage=Usage(7, 0), attempts=[tried("empty", status=200, usage=Usage(7, 0))]), 7),
        (
            failed("empty", usage=Usage(7, 1), attempts=[tried("empty", usage=Usage(7, 1)), tried(perhaps_billed=True)]),
            8 + ESTIMATE,
        ),
        (failed("connection", attempts=[tried("connection", perhaps_billed=True)] * 2), 2 * ESTIMATE),
        (failed("protocol", attempts=[tried("protocol", status=200)]), ESTIMATE),
        (failed("protocol", attempts=[tried("protocol", status=502)]), 0),
        (failed("content_filter", attempts=[tried("content_filter", status=400)]), 0),
        (failed("connection"), 0),
        (failed("connection", perhaps_billed=True), ESTIMATE),
        (failed("timeout"), ESTIMATE),
        (failed("length"), ESTIMATE),
        (failed("validation", usage=Usage(20, 5)), 25),
        (MissingKeyError("no key"), 0),
        (ValueError("a fault of a backend of one's own"), ESTIMATE),
    ],
)
@pytest.mark.parametrize("way", ["chat", "stream", "chat, awaited"])
def test_a_failed_call_costs_what_it_used_or_may_have_used(error: Exception, tokens: int, way: str) -> None:
    model = BudgetedBackend(Model(error))
    with pytest.raises(type(error)):
        WAYS[way](model)
    assert (model.spent.calls, model.spent.tokens) == (1, tokens)


def test_an_answer_after_failed_attempts_costs_all_of_them() -> None:
    attempts = (tried("empty", usage=Usage(7, 0)), tried("connection", perhaps_billed=True), tried(status=503))
    known = BudgetedBackend(Model(Reply("Hello.", "stop", "m-1", Usage(14, 1), failed=attempts)))
    ask(known)
    assert known.spent.tokens == 15 + ESTIMATE  # a reply's usage is that of all attempts, as far as it is known
    unknown = BudgetedBackend(Model(Reply("Hello.", "stop", "m-1", None, failed=attempts)))
    ask(unknown)
    assert unknown.spent.tokens == 7 + 2 * ESTIMATE


def test_unknown_tokens_are_estimated_with_the_schema_the_options_and_the_texts() -> None:
    model = BudgetedBackend(Model(None))
    model.chat_completion(Request(HELLO.messages, HELLO.sampling, schema={"type": "object"}))
    assert model.spent.tokens == ESTIMATE + 6
    model.choose_from_options(HELLO, ["yes", "no"])
    assert model.spent.tokens == 2 * ESTIMATE + 6 + 2
    model.embed(["Hello?", "Bye."])
    assert model.spent.tokens == 2 * ESTIMATE + 8 + 4


@pytest.mark.parametrize("read", [1, 2])
def test_a_stream_that_is_left_early_may_cost_all_of_it(read: int) -> None:
    model = BudgetedBackend(Model())
    with closing(model.stream(HELLO)) as pieces:
        assert len(list(itertools.islice(pieces, read))) == read
    assert model.spent.tokens == ESTIMATE
    with closing(model.stream(HELLO)) as pieces:
        list(itertools.islice(pieces, 3))  # the reply was the last of them
    assert model.spent.tokens == ESTIMATE + 8


def test_a_stream_that_nobody_reads_costs_nothing() -> None:
    model = BudgetedBackend(Model())
    model.stream(HELLO).close()
    assert model.spent == Spent(0, 0, 0.0, 0.0)


def test_a_call_that_is_cancelled_may_cost_all_of_it() -> None:
    class Slow(Model):
        async def achat_completion(self, request: Request) -> Reply:
            await asyncio.sleep(30)
            return self.chat_completion(request)

    model = BudgetedBackend(Slow())

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(model.achat_completion(HELLO), 0.05)

    asyncio.run(give_up())
    assert (model.spent.calls, model.spent.tokens) == (1, ESTIMATE)


def test_a_smaller_budget_inside_costs_the_larger_one_nothing_once_it_is_spent() -> None:
    model = BudgetedBackend(BudgetedBackend(Model(), calls=2), calls=10)
    ask(model, 2)
    for _ in range(3):
        with pytest.raises(BudgetError, match="2 calls"):
            ask(model)
    assert model.spent.calls == 2


def test_dollars_cannot_be_limited_for_a_model_of_unknown_price() -> None:
    with pytest.raises(DefinitionError, match=r"\$5 cannot be kept for 'm-1'.*limit `tokens` or `calls`"):
        BudgetedBackend(Model(), dollars=5)
    with pytest.raises(DefinitionError, match="price"):
        BudgetedBackend(Model(), Budget(dollars=5))
    model = BudgetedBackend(Model(), calls=5)
    ask(model)
    assert model.spent.dollars is None


def test_an_answer_is_priced_by_the_model_that_gave_it_or_else_by_the_one_that_was_asked() -> None:
    for served in ("priced", "a deployment of somebody's"):
        model = BudgetedBackend(Model(Reply("Hello.", "stop", served, Usage(7, 1)), dollars_a_token=0.5), dollars=100)
        ask(model)
        assert model.spent.dollars == 4.0


@pytest.mark.parametrize("junk", [None, math.nan, math.inf, -1.0])
def test_an_answer_whose_price_is_not_known_is_given_and_nothing_more_is_asked_for_dollars(junk: float | None) -> None:
    class Odd(Model):
        def cost(self, usage: Usage | None, _: str) -> float | None:
            return 1.0 if usage == Usage(1, 0) else junk

    model = BudgetedBackend(Odd(), dollars=100)
    ask(model)
    assert model.spent.dollars is None
    assert model.left.dollars == 0.0
    with pytest.raises(BudgetError, match=r"price of an answer was not known .*limit `tokens` or `calls` instead"):
        ask(model)


def test_dollars_are_those_of_the_price_list() -> None:
    class Hosted(Model):
        model_id = "gpt-4o-mini"

        def cost(self, usage: Usage | None, model: str) -> float | None:
            return price(model, usage, base_url="https://api.openai.com/v1")

    model = BudgetedBackend(Hosted(Usage(100_000, 10_000)), dollars=0.05)
    ask(model, 3)  # 0.021 each: the third one began before the limit was reached
    with pytest.raises(BudgetError, match=r"\$0\.05 is spent \(3 calls, 330,000 tokens, \$0\.063"):
        ask(model)


def test_threads_never_exceed_the_number_of_calls() -> None:
    inner = Model()
    model = BudgetedBackend(inner, calls=100)

    def one(_: int) -> bool:
        try:
            ask(model)
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        answered = sum(pool.map(one, range(400)))
    assert answered == inner.asked == model.spent.calls == 100
    assert model.spent.tokens == 800


class Costly(LanguageBackend):
    """Costs what each request's text says, and takes so many turns of the event loop; remembers how it went over the limit."""

    model_id = "costly"

    def __init__(self, limit: float, limited: str) -> None:
        self.limit, self.limited = limit, limited
        self.flying: dict[str, float] = {}
        self.total = 0.0
        self.calls = 0
        self.allowed_over = math.inf
        self.begun_over_it = 0

    def count_tokens(self, text: str | Sequence[Message]) -> int:
        return len(text)

    def cost(self, usage: Usage | None, _: str) -> float | None:
        return None if usage is None else usage.input_tokens * 0.25

    def chat_completion(self, request: Request) -> Reply:
        raise NotImplementedError

    async def achat_completion(self, request: Request) -> Reply:
        name, tokens, turns, fails = request.messages[-1].content.split()
        used = int(tokens) if self.limited == "tokens" else int(tokens) * 0.25
        self.begun_over_it += self.total >= self.limit
        self.calls += 1
        self.flying[name] = used
        for _ in range(int(turns)):
            await asyncio.sleep(0)
        if self.total < self.limit <= self.total + used:
            self.allowed_over = sum(self.flying.values())
        self.total += used
        del self.flying[name]
        if fails == "1":
            raise BackendError("no", kind="empty", usage=Usage(int(tokens), 0))
        return Reply("Hello.", "stop", self.model_id, Usage(int(tokens), 0))


CALLS = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 6), st.booleans()), min_size=1, max_size=60)


@given(CALLS, st.integers(1, 16), st.integers(1, 5000), st.sampled_from(["tokens", "dollars"]))
def test_overshoot_is_at_most_what_was_in_flight(
    calls: list[tuple[int, int, bool]], at_once: int, limit: int, limited: str
) -> None:
    inner = Costly(limit, limited)
    model = BudgetedBackend(inner, **{limited: limit})
    ended: list[str] = []

    async def main() -> None:
        waiting = iter(enumerate(calls))

        async def work() -> None:
            for name, (tokens, turns, fails) in waiting:
                try:
                    await model.achat_completion(Request((Message("user", f"{name} {tokens} {turns} {int(fails)}"),)))
                    ended.append("answered")
                except BackendError as error:
                    ended.append(error.kind)

        await asyncio.gather(*(work() for _ in range(at_once)))

    asyncio.run(main())
    spent = getattr(model.spent, limited)
    assert inner.begun_over_it == 0
    assert len(ended) == len(calls)
    assert model.spent.calls == inner.calls == len(calls) - ended.count("budget")
    assert spent == inner.total
    assert spent < limit + inner.allowed_over
    if "budget" in ended:
        assert spent >= limit


def test_a_layer_around_it_is_told_and_a_failed_call_is_never_kept(tmp_path: Path) -> None:
    inner = Model(failed("server"), Usage(7, 1))
    cached = CachedBackend(BudgetedBackend(inner, calls=2), tmp_path / "answers.sqlite")
    model = TracedBackend(cached)
    with pytest.raises(BackendError):
        ask(model)
    ask(model, 3)
    assert (model.calls, model.cached_calls, inner.asked) == (2, 2, 2)
    other = Request((Message("user", "Bye?"),))
    with pytest.raises(BudgetError):
        model.chat_completion(other)
    ask(model)  # what was kept is given although the budget is spent
    cached.close()
