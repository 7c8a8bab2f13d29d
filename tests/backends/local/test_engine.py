"""The engine against plain arithmetic: scores are true log-probabilities, and a row's text does not depend on its batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import Sampling
from llm_brain.backends.local.decoding import Decoding
from llm_brain.backends.local.engine import Engine
from llm_brain.backends.local.grammar import Grammar, GrammarCompiler
from llm_brain.backends.local.option_tree import OptionTree
from llm_brain.backends.local.row import Row
from llm_brain.errors import DefinitionError

PERSONA = "You read what customers write to a shop, and tell what mood they are in, in one word.\n"
PROMPTS = [
    f"{PERSONA}message: The kettle leaks and nobody answers.\nmood:",
    f"{PERSONA}message: Lovely!\nmood:",
    f"{PERSONA}message: It came on Tuesday, as promised, and my aunt likes the colour of it.\nmood:",
]
OPTIONS = [" happy\n", " unhappy\n", " neither happy nor unhappy\n", " n\n"]


@torch.inference_mode()
def by_full_softmax(engine: Engine, prompt: str) -> list[float]:
    """Score the long way: a row an option, no cache, no mask, the softmax over the whole vocabulary at every place."""
    start, options = engine.encode(prompt), [engine.encode(option) for option in OPTIONS]
    width = max(map(len, options))
    # What stands behind an option changes nothing: a causal model does not look ahead.
    rows = [start + option + [0] * (width - len(option)) for option in options]
    logs = engine.model(input_ids=torch.tensor(rows), logits_to_keep=width + 1).logits.double().log_softmax(dim=-1)
    return [
        sum(float(row[place, token]) for place, token in enumerate(option)) for row, option in zip(logs, options, strict=True)
    ]


def score(engine: Engine, prompts: list[str]) -> list[list[float]]:
    options = [engine.encode(option) for option in OPTIONS]
    return engine.score([engine.encode(prompt) for prompt in prompts], [options] * len(prompts))


def test_the_embedded_model_scores_options_as_the_full_softmax_does(smollm2_engine: Engine) -> None:
    expected = [by_full_softmax(smollm2_engine, prompt) for prompt in PROMPTS]
    batched = score(smollm2_engine, PROMPTS)
    alone = [score(smollm2_engine, [prompt])[0] for prompt in PROMPTS]
    for found in (batched, alone):
        torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=0, atol=1e-4)


def test_a_kept_prefix_does_not_change_a_score(tiny_folder: Any) -> None:
    fresh = [score(Engine(tiny_folder, dtype=torch.float32), [prompt])[0] for prompt in PROMPTS]
    engine = Engine(tiny_folder, dtype=torch.float32)
    for _ in range(2):
        kept = [score(engine, [prompt])[0] for prompt in PROMPTS]
        torch.testing.assert_close(torch.tensor(kept), torch.tensor(fresh), rtol=0, atol=1e-4)


def test_many_prefixes_in_turn_do_not_change_a_score(tiny_engine: Engine) -> None:
    heads = [f"{letter * 20}{PERSONA}" for letter in "abcdefghijkl"]
    rows = [[head + tail for tail in ("one:", "another one:")] for head in heads]
    first = [score(tiny_engine, row) for row in rows]
    again = [score(tiny_engine, row) for row in reversed(rows)][::-1]
    torch.testing.assert_close(torch.tensor(again), torch.tensor(first), rtol=0, atol=1e-4)
    assert first[3][1] == pytest.approx(by_full_softmax(tiny_engine, rows[3][1]), abs=1e-4)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 40])
def test_a_prompt_of_any_length_beside_another_one_is_scored_alike(tiny_engine: Engine, length: int) -> None:
    text = ("the same beginning of all the prompts " * 3)[:length]
    beside = score(tiny_engine, [text, text, f"{text} and more"])
    expected = by_full_softmax(tiny_engine, text)
    assert beside[0] == pytest.approx(expected, abs=1e-4)
    assert beside[1] == pytest.approx(expected, abs=1e-4)


tokens = st.lists(st.integers(0, 9), min_size=1, max_size=5)


@given(prompt=tokens, options=st.lists(tokens, min_size=1, max_size=4))
def test_in_a_tree_each_token_sees_its_own_branch_and_nothing_else(prompt: list[int], options: list[list[int]]) -> None:
    tree = OptionTree(prompt, options)
    visible = tree.visible()
    predictions = iter(tree.predictions)
    for option in options:
        for count, token in enumerate(option):
            place, predicted = next(predictions)
            seen = visible[place].nonzero().flatten().tolist()
            assert predicted == token
            assert [tree.tokens[index] for index in seen] == prompt + option[:count]
            assert [tree.positions[index] for index in seen] == list(range(len(prompt) + count))
    assert next(predictions, None) is None


def written(engine: Engine, prompts: list[str], samplings: list[Sampling], grammars: Sequence[Grammar | None] = ()) -> list[Row]:
    rows = [
        Row(engine.encode(prompt), sampling, grammar, end_tokens=engine.end_tokens())
        for prompt, sampling, grammar in zip(prompts, samplings, grammars or [None] * len(prompts), strict=True)
    ]
    decoding = Decoding(engine)
    decoding.join(rows)
    while decoding.rows:
        decoding.step()
    return rows


def generate(engine: Engine, prompts: list[str], samplings: list[Sampling]) -> list[list[int]]:
    return [row.tokens for row in written(engine, prompts, samplings)]


def test_a_seed_gives_the_same_text_whatever_else_is_in_the_batch(tiny_engine: Engine) -> None:
    samplings = [Sampling(temperature=0.9, top_p=0.95, seed=seed, max_tokens=24) for seed in range(3)]
    alone = [generate(tiny_engine, [prompt], [one])[0] for prompt, one in zip(PROMPTS, samplings, strict=True)]
    assert generate(tiny_engine, PROMPTS, samplings) == alone
    assert generate(tiny_engine, PROMPTS[::-1], samplings[::-1]) == alone[::-1]
    assert len(set(map(tuple, alone))) == len(alone)


def test_rows_that_end_early_leave_and_the_others_go_on_unchanged(tiny_engine: Engine) -> None:
    lengths = [3, 30, 11]
    samplings = [Sampling(max_tokens=length) for length in lengths]
    together = generate(tiny_engine, PROMPTS, samplings)
    assert together == [generate(tiny_engine, [prompt], [one])[0] for prompt, one in zip(PROMPTS, samplings, strict=True)]
    assert [len(row) for row in together] == lengths


def test_greedy_text_is_the_likeliest_token_at_every_step(tiny_engine: Engine) -> None:
    prompt = tiny_engine.encode(PROMPTS[1])
    (made,) = generate(tiny_engine, [PROMPTS[1]], [Sampling(max_tokens=8)])
    with torch.inference_mode():
        for count, token in enumerate(made):
            logits = tiny_engine.model(input_ids=torch.tensor([prompt + list(made[:count])])).logits[0, -1]
            assert float(logits[token]) == pytest.approx(float(logits.max()), abs=1e-4)


ANIMAL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "kind": {"enum": ["cat", "dog"]},
        "legs": {"type": "integer", "minimum": 0, "maximum": 8},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["name", "kind", "legs", "tags"],
}


def test_under_a_schema_even_random_weights_write_valid_json(tiny_engine: Engine) -> None:
    compiler = GrammarCompiler(tiny_engine.tokenizer, tiny_engine.model.config.vocab_size)
    samplings = [Sampling(temperature=1.5, seed=seed, max_tokens=150) for seed in range(8)]
    for row in written(tiny_engine, ["An animal: "] * 8, samplings, [compiler.compile(ANIMAL) for _ in samplings]):
        text = tiny_engine.decode(row.tokens)
        assert row.ended, text
        animal = json.loads(str(text))
        assert list(animal) == ["name", "kind", "legs", "tags"]
        assert len(animal["name"]) <= 6
        assert animal["kind"] in ("cat", "dog")
        assert 0 <= animal["legs"] <= 8
        assert all(isinstance(tag, bool) for tag in animal["tags"])


def test_the_properties_come_in_the_order_of_the_schema_that_was_given_last(tiny_engine: Engine) -> None:
    compiler = GrammarCompiler(tiny_engine.tokenizer, tiny_engine.model.config.vocab_size)
    for order in (["a", "b"], ["b", "a"]):
        schema = {"type": "object", "properties": {name: {"type": "boolean"} for name in order}, "required": order}
        sampling = Sampling(max_tokens=40)
        (row,) = written(tiny_engine, ["Go: "], [sampling], [compiler.compile(schema)])
        assert list(json.loads(str(tiny_engine.decode(row.tokens)))) == order


def test_a_schema_that_cannot_be_enforced_is_refused_by_name(tiny_engine: Engine) -> None:
    compiler = GrammarCompiler(tiny_engine.tokenizer, tiny_engine.model.config.vocab_size)
    with pytest.raises(DefinitionError, match="cannot be enforced"):
        compiler.compile({"type": "string", "pattern": "(?=a)b"})
