"""A brain that learns from texts."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import torch
from pydantic import BaseModel, Field

from llm_brain.brain import Brain, BrainConfig, ChoiceDistribution
from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.training import BrainLearner, ByteReader, Pair, TokenReader, answer_for
from llm_brain.training.learner import on_device, rows_of, target_of

NewBrain = Callable[[], Brain]
Mood = Literal["happy", "unhappy"]


class Order(BaseModel):
    item: Literal["tea", "rice"]
    number: int = Field(ge=1, le=9)
    note: str


def brain_for(annotation: Any, **fields: Any) -> Brain:
    torch.manual_seed(0)
    reader = ByteReader()
    config = BrainConfig(
        input_size=reader.input_size,
        vocabulary=reader.vocabulary,
        answer=answer_for(annotation).answer,
        width=16,
        heads=2,
        **{"dropout": 0.0, **fields},
    )
    return Brain(config)


def test_probabilities_are_learned_where_there_are_some_and_answers_elsewhere(new_brain: NewBrain, reader: TokenReader) -> None:
    pairs = [Pair("good", "happy", (0.7, 0.3)), Pair("bad", "unhappy")]
    learner = BrainLearner(new_brain(), reader, answer_for(Mood), pairs, ["good", "bad"]).eval()
    answer = learner.policy([0, 1]).answer
    assert isinstance(answer, ChoiceDistribution)
    logs = torch.log_softmax(answer.logits.detach(), dim=1)
    expected = -(0.7 * logs[0, 0] + 0.3 * logs[0, 1] + logs[1, 1]) / 2
    assert float(learner.loss([0, 1]).detach()) == pytest.approx(float(expected), rel=1e-5)


def test_a_low_temperature_sharpens_the_probabilities(new_brain: NewBrain, reader: TokenReader) -> None:
    pairs = [Pair("good", "happy", (0.7, 0.3))]
    sharp = BrainLearner(new_brain(), reader, answer_for(Mood), pairs, temperature=0.01).eval()
    certain = BrainLearner(new_brain(), reader, answer_for(Mood), [Pair("good", "happy")]).eval()
    assert float(sharp.loss([0]).detach()) == pytest.approx(float(certain.loss([0]).detach()), rel=1e-4)


def test_a_record_is_learned_by_the_likelihood_of_its_fields() -> None:
    order = Order(item="rice", number=3, note="soon")
    learner = BrainLearner(brain_for(Order), ByteReader(), answer_for(Order), [Pair("three of rice", order)], ["three of rice"])
    assert math.isfinite(float(learner.loss([0]).detach()))
    optimizer = torch.optim.AdamW(learner.parameter_groups(0.01), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        learner.loss([0]).backward()
        optimizer.step()
    assert learner.answers(["three of rice"]) == [order]


def test_drawn_answers_of_a_record_can_be_taken_apart_and_put_together() -> None:
    learner = BrainLearner(brain_for(Order), ByteReader(), answer_for(Order), [], ["a", "some tea", "rice, please"]).eval()
    answer = learner.policy([0, 1, 2]).answer
    drawn = answer.sample(torch.Generator().manual_seed(0))
    again = target_of(rows_of(drawn))
    assert torch.allclose(answer.log_prob(again), answer.log_prob(drawn))
    assert learner.values(again) == learner.values(drawn)


def test_every_tensor_of_a_target_is_brought_to_where_the_brain_is() -> None:
    target = answer_for(Order).target([Order(item="rice", number=3, note="soon")])
    moved = on_device(target, "meta")
    assert {name: (column.device.type, column.dtype) for name, column in moved.items()} == {
        name: ("meta", column.dtype) for name, column in target.items()
    }


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no second device")
@pytest.mark.parametrize(
    ("annotation", "answer"),
    [
        (bool, True),
        (Annotated[int, Field(ge=0, le=9)], 3),
        (Annotated[float, Field(ge=0, le=1)], 0.5),
        (str, "soon"),
        (Order, Order(item="rice", number=3, note="soon")),
    ],
)
def test_answers_without_probabilities_are_learned_on_another_device(annotation: Any, answer: Any) -> None:
    pairs = [Pair("three of rice", answer)]
    here = BrainLearner(brain_for(annotation), ByteReader(), answer_for(annotation), pairs).eval()
    away = BrainLearner(brain_for(annotation).cuda(), ByteReader(), answer_for(annotation), pairs).eval()
    loss = away.loss([0])
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(here.loss([0]).detach()), rel=1e-3)


def test_tokens_are_hidden_in_training_only(new_brain: NewBrain, reader: TokenReader) -> None:
    pairs = [Pair("the good film it", "happy")]
    learner = BrainLearner(new_brain(), reader, answer_for(Mood), pairs, word_dropout=0.5)
    learner.eval()
    assert torch.equal(learner.loss([0]), learner.loss([0]))
    learner.train()
    assert len({float(learner.loss([0]).detach()) for _ in range(8)}) > 1


def test_answers_do_not_depend_on_the_batch(new_brain: NewBrain, reader: TokenReader) -> None:
    texts = ["good", "the film bad", "it awful it it", "great great"] * 3
    learner = BrainLearner(new_brain(), reader, answer_for(Mood), []).train()
    assert learner.answers(texts, batch_size=5) == [learner.answers([text])[0] for text in texts]
    assert learner.training
    assert learner.answers([]) == []


def test_a_brain_of_other_answers_is_refused(new_brain: NewBrain, reader: TokenReader) -> None:
    with pytest.raises(DefinitionError, match="the brain answers with"):
        BrainLearner(new_brain(), reader, answer_for(Literal["a", "b", "c"]), [])


def test_an_answer_that_is_none_of_the_type_is_refused(new_brain: NewBrain, reader: TokenReader) -> None:
    with pytest.raises(ArgumentError, match="a value is none of"):
        BrainLearner(new_brain(), reader, answer_for(Mood), [Pair("good", "merry")])


def test_probabilities_of_different_tasks_are_refused(new_brain: NewBrain, reader: TokenReader) -> None:
    pairs = [Pair("good", "happy", (0.7, 0.3)), Pair("bad", "unhappy", (0.2, 0.3, 0.5))]
    with pytest.raises(ArgumentError, match="not of one task"):
        BrainLearner(new_brain(), reader, answer_for(Mood), pairs)


def test_what_it_learns_from_is_described(new_brain: NewBrain, reader: TokenReader) -> None:
    def described(*pairs: Pair, **options: Any) -> Any:
        return BrainLearner(new_brain(), reader, answer_for(Mood), pairs, **options).describe()

    one, other = Pair("good", "happy"), Pair("good", "happy", (0.9, 0.1))
    assert described(one) == described(one)
    assert described(one) != described(other)
    assert described(one) != described(one, prompts=["bad"])
    assert described(one) != described(one, temperature=0.5)


def test_weights_are_read_back_as_they_were_saved(new_brain: NewBrain, reader: TokenReader, tmp_path: Path) -> None:
    learner = BrainLearner(new_brain(), reader, answer_for(Mood), [])
    learner.save(tmp_path)
    other = BrainLearner(new_brain(), reader, answer_for(Mood), [])
    with torch.no_grad():
        next(other.parameters()).add_(1.0)
    other.load(tmp_path)
    assert all(torch.equal(one, two) for one, two in zip(learner.parameters(), other.parameters(), strict=True))
