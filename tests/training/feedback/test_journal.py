"""That a journal tells again what was told, and that what is foreign or damaged is refused with words that help."""

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_brain.errors import ArgumentError, BackendError, CheckpointError
from llm_brain.training.feedback import Draw, FeedbackPool, Group, Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "journal.jsonl"


def group(prompt: int = 0, answers: tuple[Any, ...] = ("a", "b"), version: int = 0, **more: Any) -> Group:
    return Group(prompt, answers, answers, tuple(-0.7 for _ in answers), version, **more)


def never(_prompt: int, _answer: Any) -> float:
    message = "nothing is asked"
    raise AssertionError(message)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


FLOATS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(FLOATS, FLOATS), max_size=4), st.lists(st.integers(100, 200)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_what_a_step_was_told_comes_back_exactly(
    tmp_path: Path, rewards: list[tuple[float | None, float | None]], stale: list[int]
) -> None:
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    groups = [group(number=number, rewards=pair) for number, pair in enumerate(rewards)]
    with Journal(path, "f") as journal:
        journal.write_step(3, groups, stale)
        journal.write_step(4, [], [])
    with Journal(path, "f") as journal:
        told, empty = journal.step(3), journal.step(4)
        assert told is not None
        assert {number: pair for number, (_, pair) in told.used.items()} == dict(enumerate(rewards))
        assert told.stale == tuple(stale)
        assert empty is not None
        assert (empty.used, empty.stale, journal.reach, journal.step(5)) == ({}, (), 4, None)


def test_evaluations_and_draws_come_back_too(path: Path) -> None:
    draws = (Draw(0.1 + 0.2, 1 / 3, asked=True), None, Draw(0.5, 0.05, asked=False))
    drawn = group(answers=("a", "b", "c"), number=5)
    with Journal(path, "f") as journal:
        journal.write_evaluation(1, {'"a"': None})
        journal.write_evaluation(1, {'"a"': 0.1 + 0.2})
        journal.write_draws(drawn, draws)
    with Journal(path, "f") as journal:
        question = (1, frozenset(['"a"']))
        assert journal.evaluations == {question: {'"a"': 0.1 + 0.2}}
        assert journal.asked == {question: 2}
        assert (journal.draws(drawn), journal.draws(group(number=6)), journal.charged) == (draws, None, 1)
        with pytest.raises(CheckpointError, match="other answers"):
            journal.draws(group(answers=("a", "b", "d"), number=5))


def test_a_replay_is_told_the_same_and_asks_nothing(path: Path) -> None:
    groups = [group(0), group(1, version=1), group(2, ("b", "a"), version=1)]
    with (
        Journal(path, "f") as journal,
        FeedbackPool(lambda prompt, answer: prompt / 3 + (answer == "b"), journal=journal) as pool,
    ):
        pool.submit(groups[:2])
        pool.wait()
        told = [pool.arrived(0)]
        pool.submit(groups[2:])
        told += [pool.arrived(version) for version in (1, 2) if pool.wait()]
    assert [len(step) for step in told] == [2, 1, 0]
    with Journal(path, "f") as journal, FeedbackPool(never, journal=journal) as pool:
        pool.submit(groups[:2])
        again = [pool.arrived(0)]
        pool.submit(groups[2:])
        again += [pool.arrived(1), pool.arrived(2)]
        assert again == told
        assert (pool.counts.used, pool.counts.asked) == (3, 0)


def test_what_was_held_back_is_held_back_again_though_nobody_is_busy(path: Path) -> None:
    gate = threading.Event()

    def slow(_prompt: int, _answer: str) -> float:
        gate.wait(10)
        return 1.0

    def step(pool: FeedbackPool, version: int) -> bool:
        if room := pool.has_room(version):
            pool.submit([group(version, version=version)])
        pool.arrived(version)
        return room

    with Journal(path, "f") as journal, FeedbackPool(slow, journal=journal, workers=3) as pool:
        assert [step(pool, version) for version in range(3)] == [True, True, False]
        gate.set()
    with Journal(path, "f") as journal, FeedbackPool(lambda _prompt, _answer: 1.0, journal=journal, workers=3) as pool:
        assert [step(pool, version) for version in range(3)] == [True, True, False]
        pool.wait()
        assert pool.has_room(3)
    assert [line for line in lines(path) if "step" in line] == [{"step": 0}, {"step": 1}, {"step": 2, "held_back": True}]


def test_a_group_that_was_predicted_of_is_handed_in_again_whoever_is_busy(path: Path) -> None:
    with Journal(path, "f") as journal:
        journal.write_draws(group(number=1), [Draw(0.5, 1.0, asked=True), None])
    gate = threading.Event()

    def slow(_prompt: int, _answer: str) -> float:
        gate.wait(10)
        return 1.0

    with Journal(path, "f") as journal, FeedbackPool(slow, journal=journal, workers=1) as pool:
        pool.submit([group()])
        assert pool.has_room(0)  # the process that wrote of group 1 died before it wrote of the step
        pool.submit([group()])
        assert not pool.has_room(0)
        gate.set()


def test_a_step_that_saw_nothing_sees_nothing_again_though_all_is_known(path: Path) -> None:
    gate = threading.Event()

    def slow(_prompt: int, _answer: str) -> float:
        gate.wait(10)
        return 1.0

    with Journal(path, "f") as journal, FeedbackPool(slow, journal=journal) as pool:
        pool.submit([group()])
        assert pool.arrived(0) == []
        gate.set()
        pool.wait()
        assert len(pool.arrived(1)) == 1
    with Journal(path, "f") as journal, FeedbackPool(never, journal=journal) as pool:
        pool.submit([group()])
        assert pool.arrived(0) == []
        assert pool.arrived(1)[0].rewards == (1.0, 1.0)


def test_after_its_last_step_it_goes_on_and_no_evaluation_is_paid_twice(path: Path) -> None:
    asked = []

    def evaluate(_prompt: int, answer: str) -> float:
        asked.append(answer)
        return 1.0

    with Journal(path, "f") as journal, FeedbackPool(evaluate, journal=journal) as pool:
        pool.submit([group(answers=("a", "b"))])
        pool.wait()  # and is killed before any step is told
    with Journal(path, "f") as journal, FeedbackPool(evaluate, journal=journal) as pool:
        pool.submit([group(answers=("a", "b")), group(answers=("a", "c"))])
        pool.wait()
        assert [arrived.rewards for arrived in pool.arrived(0)] == [(1.0, 1.0), (1.0, 1.0)]
    assert sorted(asked) == ["a", "b", "c"]


def test_rankings_are_remembered_and_failures_counted_over_processes(path: Path) -> None:
    calls = []

    def rank(_prompt: int, answers: Any) -> list[int]:
        calls.append(answers)
        raise BackendError("busy", kind="server", retryable=True)

    for _ in range(5):
        with Journal(path, "f") as journal, FeedbackPool(never, rank=rank, journal=journal) as pool:
            pool.restore([group(number=99)], 100)
            pool.wait()
    assert len(calls) == 3
    with Journal(path, "f") as journal:
        assert journal.evaluations == {(0, frozenset(['"a"', '"b"'])): {'"a"': None, '"b"': None}}


def test_the_line_is_there_before_the_step_is_told(path: Path) -> None:
    with Journal(path, "f") as journal, FeedbackPool(lambda _prompt, _answer: 0.5, journal=journal) as pool:
        pool.submit([group(), group(version=-9)])
        pool.wait()
        (told,) = pool.arrived(0)
        used = {"number": 0, "digest": told.digest(), "rewards": [0.5, 0.5]}
        assert lines(path)[-1] == {"step": 0, "used": [used], "stale": [1]}


def test_what_cannot_be_written_is_not_told_and_can_be_taken_later(path: Path) -> None:
    journal = Journal(path, "f")
    with FeedbackPool(lambda _prompt, _answer: 0.5, journal=journal) as pool:
        pool.submit([group()])
        pool.wait()
        journal.close()
        for _ in range(2):
            with pytest.raises(CheckpointError, match="cannot be written"):
                pool.arrived(0)
        assert (pool.counts.used, len(pool.waiting())) == (0, 1)


@pytest.mark.parametrize("kept", range(1, 40))
def test_a_last_line_that_was_cut_short_is_cut_off(path: Path, kept: int) -> None:
    with Journal(path, "f") as journal:
        journal.write_step(0, [], [])
        whole = path.stat().st_size
        journal.write_step(1, [], [4, 5, 6, 7, 8, 9, 10])
    last = path.read_bytes()[whole:]
    path.write_bytes(path.read_bytes()[: whole + min(kept, len(last) - 1)])
    with Journal(path, "f") as journal:
        assert journal.reach == 0
        journal.write_step(1, [], [])
    assert lines(path)[1:] == [{"step": 0}, {"step": 1}]


@pytest.mark.parametrize("kept", [0, 1, 12, 20])
def test_a_first_line_that_was_cut_short_is_written_again(path: Path, kept: int) -> None:
    Journal(path, "f").close()
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    Journal(path, "f").close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "damage",
    [b"{", b"", b"null", b"[]", b"[" * 100_000, b'{"step": 1.5}', b'{"step": -1}',
     b'{"step": 5, "more": 1}', b'{"prompt": 0, "scores": {"a": NaN}}', b"\x00" * 9, b"\xff", b'{"step": 0}'],
)  # fmt: skip
def test_a_damaged_line_in_the_middle_is_told_with_its_number(path: Path, damage: bytes) -> None:
    with Journal(path, "f") as journal:
        journal.write_step(0, [], [])
    path.write_bytes(path.read_bytes() + damage + b'\n{"step": 9}\n')
    with pytest.raises(CheckpointError, match=r"line 3(.|\n)*Delete"):
        Journal(path, "f")


def test_the_journal_of_another_training_is_refused_and_left_as_it_is(path: Path) -> None:
    with Journal(path, "mine") as journal:
        journal.write_step(0, [], [])
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"other settings(.|\n)*name another folder"):
        Journal(path, "yours")
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["notes", "notes\nmore notes\n", '{"schema": 2, "fingerprint": "f"}\n'])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(CheckpointError):
        Journal(path, "f")
    assert path.read_text() == content


def test_a_place_where_no_file_can_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be opened"):
        Journal(tmp_path, "f")


@pytest.mark.parametrize(
    ("handed_in", "message"),
    [([], r"groups \[0\]"), ([group(answers=("a", "z"))], "other answers"), ([group(1)], "other answers")],
)
def test_a_training_that_does_not_repeat_itself_is_told_so(path: Path, handed_in: list[Group], message: str) -> None:
    with Journal(path, "f") as journal:
        journal.write_step(0, [group(rewards=(1.0, 0.0))], [])
    with Journal(path, "f") as journal, FeedbackPool(never, journal=journal) as pool:
        pool.submit(handed_in)
        with pytest.raises(CheckpointError, match=message):
            pool.arrived(0)


def test_a_step_that_is_missing_in_the_middle_is_told(path: Path) -> None:
    with Journal(path, "f") as journal:
        journal.write_step(7, [], [])
    with Journal(path, "f") as journal, FeedbackPool(never, journal=journal) as pool:
        with pytest.raises(CheckpointError, match="no line of step 3"):
            pool.arrived(3)
        assert pool.arrived(7) == []


def test_each_step_is_told_once(path: Path) -> None:
    with Journal(path, "f") as journal, FeedbackPool(never, journal=journal) as pool:
        pool.arrived(2)
        with pytest.raises(ArgumentError, match="2 came after 2"):
            pool.arrived(2)


def test_a_reward_that_is_not_finite_never_reaches_the_file(path: Path) -> None:
    with Journal(path, "f") as journal, pytest.raises(CheckpointError):
        journal.write_step(0, [group(rewards=(math.nan, 0.0))], [])
    assert len(lines(path)) == 1
