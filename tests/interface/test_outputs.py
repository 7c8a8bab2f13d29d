"""From tensors to texts: what each kind of output says, refuses, draws, and takes for a target."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from llm_brain.errors import ArgumentError, DefinitionError
from llm_brain.interface import Described, Labels, NearestTexts, Outputs, Tokens
from llm_brain.interface.tokens import TokensDistribution
from llm_brain.interface.vectors import Vectors
from tests.interface.models import SIZE, Scripted


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def byte_tokenizer() -> Tokenizer:
    """Make a tokenizer whose tokens are bytes, with 0 for the end: every text goes through it unchanged."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={"<end>": 0, **{letter: i + 1 for i, letter in enumerate(letters)}}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    return tokenizer


BYTES = Tokens(byte_tokenizer(), end=0)


def one_hot(ids: Tensor, vocabulary: int = 257) -> Tensor:
    return torch.nn.functional.one_hot(ids, vocabulary).float() * 50


def test_labels_are_named_with_their_probabilities_the_likeliest_first() -> None:
    labels = Labels(["red", "green", "blue"])
    output = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]).log()
    assert labels.read(output) == ["green (50.0%), blue (30.0%), red (20.0%)", "red (60.0%), blue (30.0%), green (10.0%)"]
    assert labels.answers(output) == ["green", "red"]


def test_of_many_labels_the_first_are_shown_and_the_others_counted() -> None:
    assert Labels([f"class {n}" for n in range(100)]).read(torch.arange(100.0)[None])[0].endswith(", and 95 others")


@pytest.mark.parametrize("labels", [[], ["a", "b", "a"]])
def test_each_class_has_a_label_of_its_own(labels: list[str]) -> None:
    with pytest.raises(DefinitionError, match="a label of its own"):
        Labels(labels)


@pytest.mark.parametrize("shape", [(2, 3), (3,), (1, 2, 2), (), (0, 2)])
def test_an_output_of_another_shape_is_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"should be logits \[n, 2\].* and is \["):
        Labels(["a", "b"]).answers(torch.zeros(shape))


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_an_output_that_is_not_finite_says_nothing(number: float) -> None:
    for outputs, output in ((Labels(["a", "b"]), torch.tensor([[number, 0.0]])), (BYTES, torch.full((1, 2, 257), number))):
        with pytest.raises(ArgumentError, match="not finite"):
            outputs.read(output)


def test_labels_have_the_probabilities_of_their_logits() -> None:
    output = torch.tensor([[0.2, 0.8]]).log().requires_grad_()
    labels = Labels(["red", "blue"])
    distribution = labels.distribution(output)
    assert distribution.probabilities.tolist()[0] == pytest.approx([0.2, 0.8])
    assert labels.said(torch.tensor([1, 0])) == ["blue", "red"]
    assert labels.said(distribution.best()) == labels.answers(output) == ["blue"]
    assert distribution.log_prob(torch.tensor([1])).requires_grad


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_tokens_say_exactly_the_text_that_they_were_made_of(text: str) -> None:
    ids = BYTES.targets([text], 100, Vectors(Scripted()))
    assert BYTES.answers(ids) == [text]
    assert BYTES.answers(one_hot(ids.clamp_min(0))) == [text]


def test_special_tokens_are_written_as_they_are_and_none_is_added() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="<end> $A", special_tokens=[("<end>", 0)])
    for said in (Tokens(tokenizer), Tokens(PreTrainedTokenizerFast(tokenizer_object=tokenizer))):
        assert said.answers(torch.tensor([[0, 1, 0]])) == ["<end>!<end>"]
        assert said.targets(["!"], 2, Vectors(Scripted())).tolist() == [[1, -100]]


def test_spaces_are_left_as_they_are() -> None:
    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(("I", "'m", "here", "."))}, unk_token="I"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    said = Tokens(PreTrainedTokenizerFast(tokenizer_object=words, clean_up_tokenization_spaces=True))
    assert said.answers(said.targets(["I 'm here ."], 4, Vectors(Scripted()))) == ["I 'm here ."]


def test_what_comes_after_the_end_is_no_part_of_the_text_and_padding_is_none() -> None:
    letters = Tokens(Letters(), end=0, padding=1)
    assert letters.answers(torch.tensor([[2, 1, 3, 0, 4], [0, 2, 2, 2, 2]])) == ["cd", ""]
    assert letters.answers(torch.tensor([2, 3])) == ["cd"]


class Letters:
    """A tokenizer of one's own, which has nothing but the two methods."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - ord("a") for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(ord("a") + token) for token in ids)


def test_the_likelihood_of_a_drawn_text_is_that_of_its_tokens_up_to_the_end() -> None:
    torch.manual_seed(0)
    output = torch.randn(3, 6, 4)
    letters = Tokens(Letters(), end=0)
    distribution = letters.distribution(output)
    logs = torch.log_softmax(output, dim=-1)
    random, seen_ends = seeded(), 0
    for _ in range(50):
        target = distribution.sample(random)
        for place, (text, given_log) in enumerate(zip(letters.said(target), distribution.log_prob(target).tolist(), strict=True)):
            ids = [*Letters().encode(text), 0][:6]
            seen_ends += len(text) < 6
            assert given_log == pytest.approx(sum(float(logs[place, at, token]) for at, token in enumerate(ids)), abs=1e-4)
    assert seen_ends > 20


@pytest.mark.parametrize("end", [None, 0, 2])
@given(seed=st.integers(0, 100))
def test_the_likelihoods_of_all_texts_are_one_together_and_their_entropy_is_that_of_the_texts(end: int | None, seed: int) -> None:
    distribution = TokensDistribution(torch.randn(1, 3, 3, generator=seeded(seed)), end)
    logs: dict[tuple[int, ...], float] = {}
    for ids in itertools.product(range(3), repeat=3):
        text = ids if end not in ids else ids[: ids.index(end) + 1]
        logs[text] = float(distribution.log_prob(torch.tensor([ids])))
    assert sum(map(math.exp, logs.values())) == pytest.approx(1.0, abs=1e-5)
    assert float(distribution.entropy()) == pytest.approx(-sum(math.exp(log) * log for log in logs.values()), abs=1e-5)


@pytest.mark.parametrize("target", [[[0, 1]], [[0, 1, 4]], [[0, 1, -1]], [[0.0, 1.0, 2.0]]])
def test_what_is_no_row_of_ids_has_no_likelihood(target: list[list[float]]) -> None:
    with pytest.raises(ArgumentError, match="ids from 0 to 3"):
        TokensDistribution(torch.zeros(1, 3, 4)).log_prob(torch.tensor(target))


def test_tokens_after_the_end_get_no_gradient() -> None:
    logits = torch.zeros(1, 3, 2)
    logits[0, 0, 0] = 50.0  # the first token is the end
    logits.requires_grad_()
    distribution = Tokens(Letters(), end=0).distribution(logits)
    distribution.log_prob(distribution.sample(seeded())).sum().backward()
    assert logits.grad is not None
    assert not logits.grad[0, 1:].any()


def test_ids_cannot_be_drawn_from() -> None:
    with pytest.raises(ArgumentError, match="let the network give logits"):
        BYTES.distribution(torch.tensor([[1, 2]]))


def test_a_text_with_too_many_tokens_is_no_target() -> None:
    assert BYTES.takes("tea", 4)
    assert not BYTES.takes("tea", 3)  # the end is a token, too


def known(texts: tuple[str, ...] = ("a cup of tea", "a train", "rain"), **options: Any) -> tuple[NearestTexts, Vectors]:
    return NearestTexts(texts, **options), Vectors(Scripted())


def test_a_vector_is_the_nearest_known_text_and_says_that_it_is_only_that() -> None:
    outputs, vectors = known()
    output = vectors(["a train", "rain"]) * 3
    assert outputs.answers(output, vectors) == ["a train", "rain"]
    assert outputs.read(output, vectors)[0] == (
        "'a train' (cosine similarity 1.00; the nearest of 3 known texts, which is not an inverse)"
    )


def test_the_nearest_text_is_found_in_the_outputs_own_size() -> None:
    outputs, vectors = known()
    assert outputs.answers(vectors(["rain"], 5), vectors) == ["rain"]
    assert outputs.answers(vectors(["rain"], SIZE), vectors) == ["rain"]


def test_known_texts_are_turned_into_vectors_once_for_each_model() -> None:
    outputs = NearestTexts(["a cup of tea", "a train", "rain"])
    for model in (Scripted(), Scripted()):
        vectors = Vectors(model)
        for _ in range(3):
            outputs.answers(torch.ones(2, SIZE), vectors)
        assert model.embedded == ["a cup of tea", "a train", "rain"]


def test_known_texts_are_as_likely_as_they_are_similar() -> None:
    outputs, vectors = known(temperature=0.5)
    output = vectors(["rain"]).requires_grad_()
    similarities = torch.cosine_similarity(output.detach(), vectors(outputs.texts))
    distribution = outputs.distribution(output, vectors)
    assert torch.allclose(distribution.probabilities[0], torch.softmax(similarities / 0.5, dim=0), atol=1e-5)
    assert outputs.said(distribution.best()) == ["rain"]
    distribution.log_prob(torch.tensor([0])).sum().backward()
    assert output.grad is not None
    assert output.grad.any()


@pytest.mark.parametrize("texts", [(), ("a", "a"), ("a", " ")])
def test_known_texts_differ_and_say_something(texts: tuple[str, ...]) -> None:
    with pytest.raises(DefinitionError, match="give texts that differ"):
        NearestTexts(texts)
    with pytest.raises(DefinitionError, match="above 0"):
        NearestTexts(["a"], temperature=0)


def test_without_vectors_nothing_is_near() -> None:
    with pytest.raises(ArgumentError, match="hand in the `Vectors`"):
        NearestTexts(["a"]).answers(torch.ones(1, 3))


def test_what_a_function_describes_can_be_judged_but_not_drawn() -> None:
    degrees = Described(lambda output: f"{float(output[0]):.0f} degrees")
    assert degrees.read(torch.tensor([[21.0], [-3.0]])) == ["21 degrees", "-3 degrees"]
    with pytest.raises(ArgumentError, match="feedback_weight=0"):
        degrees.distribution(torch.zeros(1, 1))
    with pytest.raises(ArgumentError, match="feedback_weight=0"):
        degrees.said(torch.zeros(1))


def test_a_kind_of_ones_own_needs_no_more_than_its_answers() -> None:
    class Sign(Outputs):
        def answers(self, output: Tensor, vectors: Vectors | None = None) -> list[str]:  # noqa: ARG002
            return ["up" if value > 0 else "down" for value in output.flatten().tolist()]

    assert Sign().read(torch.tensor([1.0, -1.0])) == ["up", "down"]
    assert Sign().takes("anything", 5)
    assert Sign().targets(["tea"], 5, Vectors(Scripted())).shape == (1, 5)
