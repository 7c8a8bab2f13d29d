"""That a training that was killed anywhere goes on as if its journal were all that ever happened."""

import random
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_brain.errors import BackendError
from llm_brain.training.feedback import Allocation, FeedbackPool, Group, Journal, LinearRewardPredictor

STEPS = 10
Told = list[tuple[int, tuple[float | None, ...]]]


@dataclass
class Training:
    """Its draws depend on all that it was told: what differs once differs ever after."""

    state: int = 0
    step: int = 0
    history: list[Told] = field(default_factory=list)

    def draw(self) -> list[Group]:
        draw = random.Random(f"{self.state} {self.step}")
        answers = [tuple(draw.choices(["yes", "no", "maybe"], k=3)) for _ in range(2)]
        return [Group(draw.randrange(3), drawn, drawn, (-1.0, -1.0, -1.0), self.step) for drawn in answers]

    def learn(self, groups: list[Group]) -> None:
        self.history.append([(group.number, group.rewards) for group in groups])
        self.state = zlib.crc32(repr((self.state, self.history[-1])).encode())
        self.step += 1


class World:
    """Evaluations that come when they are let, some of which fail."""

    def __init__(self) -> None:
        self.let = threading.Semaphore(0)
        self.asked: list[tuple[int, str]] = []

    def evaluate(self, prompt: int, answer: str) -> float:
        self.asked.append((prompt, answer))
        self.let.acquire()
        chance = random.Random(f"{prompt} {answer}").random()
        if chance < 0.2:
            raise BackendError("busy", kind="server", retryable=True)
        return chance

    def let_arrive(self, number: int, pool: FeedbackPool) -> None:
        before = pool.pending
        for _ in range(min(number, before)):
            self.let.release()
        while pool.pending > max(0, before - number):
            time.sleep(0.0005)


def hand_in(training: Training, pool: FeedbackPool) -> None:
    if pool.has_room(training.step):
        pool.submit(training.draw())


@contextmanager
def opened(path: Path, budget: int | None) -> Iterator[tuple[World, FeedbackPool]]:
    world = World()
    allocation = None if budget is None else Allocation(LinearRewardPredictor(16), str, budget=budget, planned=6 * STEPS)
    with Journal(path, "f") as journal:
        with FeedbackPool(world.evaluate, max_staleness=2, workers=4, journal=journal, allocation=allocation) as pool:
            yield world, pool
        world.let.release(100)


ARRIVALS = st.lists(st.integers(0, 8), min_size=STEPS, max_size=STEPS)


@given(ARRIVALS, ARRIVALS, st.sampled_from([None, 5, 30]), st.integers(0, STEPS - 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_training_that_was_killed_anywhere_is_its_own_replay(
    before: list[int], after: list[int], budget: int | None, saved: int, survived: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.jsonl")
        first, size, waiting, following, state = Training(), 0, [Group(0, (), (), (), 0)], 0, 0
        with opened(path, budget) as (world, pool):
            for coming in before:
                if first.step == saved:
                    waiting, following, state, size = pool.waiting(), pool.next_number, first.state, path.stat().st_size
                hand_in(first, pool)
                world.let_arrive(coming, pool)
                first.learn(pool.arrived(first.step))
            whole = path.read_bytes()
        path.write_bytes(whole[: size + round(survived * (len(whole) - size))])

        resumed = Training(state, saved, first.history[:saved])
        with Journal(path, "f") as journal:
            reach = journal.reach
            known = {question for question, scores in journal.evaluations.items() if None not in scores.values()}
        with opened(path, budget) as (world, pool):
            pool.restore(waiting, following)
            for coming in after[saved:]:
                hand_in(resumed, pool)
                world.let_arrive(coming, pool)
                resumed.learn(pool.arrived(resumed.step))
            left = [group.number for group in pool.waiting()]
            assert not {(prompt, frozenset([f'"{answer}"'])) for prompt, answer in world.asked} & known
        assert resumed.history[: reach + 1] == first.history[: reach + 1]

        replay = Training()
        with opened(path, budget) as (_, pool):
            for _ in range(STEPS):
                hand_in(replay, pool)
                replay.learn(pool.arrived(replay.step))
            assert [group.number for group in pool.waiting()] == left
        assert replay.history == resumed.history
