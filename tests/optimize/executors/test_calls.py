"""A call and its reply as bytes."""

from __future__ import annotations

import copy
from concurrent.futures import Future
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.optimize.executors.calls import pack, run_packed, settle

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_sent_and_comes_back_is_the_same(value: Any) -> None:
    assert _sent(copy.copy, value).result() == value


@given(st.text())
def test_an_exception_is_the_one_that_is_raised_here(text: str) -> None:
    raised = _sent(int, f"no number {text}").exception()
    assert (type(raised), str(raised)) == (ValueError, f"invalid literal for int() with base 10: {f'no number {text}'!r}")


@given(st.integers(0, 30))
def test_a_call_that_was_cut_off_ends_no_worker(length: int) -> None:
    future: Future[Any] = Future()
    settle(future, run_packed(pack(abs, -3)[:length]))
    assert future.done()


def test_a_future_that_was_cancelled_stays_so() -> None:
    future: Future[int] = Future()
    future.cancel()
    settle(future, run_packed(pack(abs, -3)))
    assert future.cancelled()


def _sent(function: Any, argument: Any) -> Future[Any]:
    future: Future[Any] = Future()
    settle(future, run_packed(pack(function, argument)))
    return future
