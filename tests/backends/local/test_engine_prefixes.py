"""What prompts share is read once. The tokens that go through the model are counted, by the engine that reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.backends import LocalBackend, Message, Request, Sampling
from llm_brain.backends.local.engine import Engine
from llm_brain.backends.local.inputs import TOKENS_AT_ONCE
from llm_brain.backends.local.key_values import KeyValues, common_length
from llm_brain.backends.local.prefixes import MOST_WHOLE_PROMPTS, SHORTEST_SHARED, PrefixStore

PERSONA = "You read what customers write to a shop, and tell in one word what mood they are in. "


@pytest.fixture
def engine(tiny_folder: Path) -> Engine:
    return Engine(tiny_folder, dtype=torch.float32)


def read_for(engine: Engine, *prompts: str) -> int:
    """Read prompts, and count the tokens that go through the model for it."""
    before = engine.tokens_read
    with torch.inference_mode():
        list(engine.read([engine.encode(prompt) for prompt in prompts]))
    return engine.tokens_read - before


def test_a_shared_beginning_of_prompts_that_come_together_is_read_once(engine: Engine) -> None:
    ends = ["a", "bb", "ccc", "dddd"]
    assert read_for(engine, *(PERSONA + end for end in ends)) == len(PERSONA) + sum(map(len, ends))
    assert read_for(engine, *(PERSONA + end for end in "efgh")) == 4


def test_a_shared_beginning_of_prompts_that_come_one_by_one_is_read_once(engine: Engine) -> None:
    assert read_for(engine, PERSONA + "a message") == len(PERSONA + "a message")
    assert read_for(engine, PERSONA + "Nothing") == len("Nothing")
    assert read_for(engine, PERSONA + "everything") == len("everything")


def test_functions_that_are_called_in_turn_are_read_once_each(engine: Engine) -> None:
    personas = [f"{letter * 20}{PERSONA}" for letter in "abcd"]
    first = [read_for(engine, persona + "a call") for persona in personas]
    again = [read_for(engine, persona + "Another") for _ in range(3) for persona in personas]
    assert first == [len(persona + "a call") for persona in personas]
    assert set(again) == {len("Another")}


def test_a_batch_of_different_functions_reads_what_each_of_them_shares_once(engine: Engine) -> None:
    common = "What all functions begin with. "
    heads = [common + letter * 30 for letter in "abc"]
    prompts = [head + end for end in ("1", "22", "333") for head in heads]
    assert read_for(engine, *prompts) == len(common) + 3 * 30 + 3 * (1 + 2 + 3)
    assert read_for(engine, *(head + "4" for head in heads)) == 3


def test_a_conversation_goes_on_where_it_was(engine: Engine) -> None:
    turn = PERSONA + "Hello."
    assert read_for(engine, turn) == len(turn)
    assert read_for(engine, turn + " How are you?") == len(" How are you?")
    assert read_for(engine, turn + " How are you? I am fine.") == len(" How are you? I am fine.")  # 13 tokens are too few to keep


def test_the_same_prompt_again_reads_its_last_token(engine: Engine) -> None:
    assert [read_for(engine, PERSONA) for _ in range(3)] == [len(PERSONA), 1, 1]


def test_too_little_in_common_is_not_kept(engine: Engine) -> None:
    head = "x" * (SHORTEST_SHARED - 1)
    assert read_for(engine, head + "ab", head + "cd") == 2 * len(head + "ab")


def test_scores_share_what_replies_have_read_and_the_other_way_round(engine: Engine) -> None:
    read_for(engine, PERSONA + "a message")
    before = engine.tokens_read
    options = [engine.encode(option) for option in ("yes", "no")]
    engine.score([engine.encode(PERSONA + "Why?")], [options])
    assert engine.tokens_read - before == len("Why?") + len("ye") + len("n")  # the last token of each is only predicted
    assert read_for(engine, PERSONA + "Why not?") == len("Why not?")


def test_calls_of_one_function_read_its_prompt_once_and_the_rest_as_it_comes(tiny_folder: Path) -> None:
    model = LocalBackend(tiny_folder)
    system = Message("system", PERSONA)
    requests = [Request((system, Message("user", f"{number}!")), Sampling(max_tokens=3)) for number in range(6)]
    replies = [model.chat_completion(request) for request in requests]
    usages = [reply.usage for reply in replies if reply.usage]
    shared = len("system: " + PERSONA + "\nuser: ")
    expected = sum(usage.input_tokens for usage in usages) - 5 * shared
    # Each token that was written is read for the next one, but the last.
    expected += sum(usage.output_tokens - (reply.finish_reason == "length") for usage, reply in zip(usages, replies, strict=True))
    assert model.engine.tokens_read == expected


def test_a_long_prompt_is_read_in_pieces_and_says_the_same(tiny_folder: Path, tmp_path: Path) -> None:
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 8192}), encoding="utf-8")
    engine = Engine(tmp_path, dtype=torch.float32)
    head = engine.encode("All work and no play makes Jack a dull boy. " * 120)
    assert len(head) > 2 * TOKENS_AT_ONCE
    options = [engine.encode(option) for option in ("A", "J", "b")]
    (scores,) = engine.score([head], [options])
    assert engine.tokens_read == len(head)
    with torch.inference_mode():
        logs = engine.model(input_ids=torch.tensor([head])).logits[0].double().log_softmax(dim=1)
        hidden = engine.model.base_model(input_ids=torch.tensor([head])).last_hidden_state[0].mean(dim=0)
    assert scores == pytest.approx([float(logs[-1, option[0]]) for option in options], abs=1e-4)
    torch.testing.assert_close(engine.embed([head])[0], hidden, rtol=0, atol=1e-4)


def kept(tokens: int) -> KeyValues:
    return KeyValues(((torch.zeros(1, 1, tokens, 1), torch.zeros(1, 1, tokens, 1)),))


class Reading:
    """Counts what is read, and keeps 8 bytes a token."""

    def __init__(self) -> None:
        self.tokens = 0

    def __call__(self, prefix: KeyValues | None, tokens: object) -> KeyValues:
        assert isinstance(tokens, list)
        self.tokens += len(tokens)
        return kept(len(tokens) + (prefix.length if prefix else 0))


def heads(count: int) -> list[list[int]]:
    return [[1000 + number] * 20 for number in range(count)]


def test_the_kept_beginnings_take_a_bounded_part_of_memory() -> None:
    reading = Reading()
    store = PrefixStore(reading, most_bytes=8 * 20 * 3)
    for head in heads(5):
        store.families([[*head, 1], [*head, 2]])
    assert reading.tokens == 5 * 20
    store.families([[*head, 3, 3] for head in reversed(heads(5))])
    assert [family.shared for family in store.families([[*heads(5)[4], 1]])] == [20]
    assert [family.shared for family in store.families([[*heads(5)[0], 1]])] == [0]


def test_only_the_last_prompts_that_came_alone_are_kept_whole() -> None:
    store = PrefixStore(Reading())
    for head in heads(MOST_WHOLE_PROMPTS + 1):
        prompt = [*head, 1, 2, 3]
        (family,) = store.families([prompt])
        store.remember(prompt, kept(len(prompt)), family.shared)
    shared = [store.families([[*head, 9]])[0].shared for head in heads(MOST_WHOLE_PROMPTS + 1)]
    assert shared == [0] + [20] * MOST_WHOLE_PROMPTS


prompts = st.lists(st.lists(st.sampled_from([1, 2]), min_size=1, max_size=40), min_size=1, max_size=8)


@given(batches=st.lists(prompts, max_size=4))
def test_every_prompt_is_in_one_family_and_shares_what_it_begins_with(batches: list[list[list[int]]]) -> None:
    texts: dict[int, list[int]] = {}

    def read(prefix: KeyValues | None, tokens: object) -> KeyValues:
        assert isinstance(tokens, list)
        made = kept(len(tokens) + (prefix.length if prefix else 0))
        texts[id(made)] = [*(known(prefix) if prefix else []), *tokens]
        made.layers[0][0][0, 0, :, 0] = torch.tensor(texts[id(made)])
        return made

    def known(values: KeyValues) -> list[int]:
        return [int(token) for token in values.layers[0][0][0, 0, :, 0]]

    store = PrefixStore(read)
    for batch in batches:
        families = store.families(batch)
        assert sorted(member for family in families for member in family.members) == list(range(len(batch)))
        for family in families:
            for member in family.members:
                assert family.shared < len(batch[member])
                if family.prefix is not None:
                    assert known(family.prefix) == batch[member][: family.shared]
            if family.is_alone:
                (member,) = family.members
                whole = kept(len(batch[member]))
                whole.layers[0][0][0, 0, :, 0] = torch.tensor(batch[member])
                store.remember(batch[member], whole, family.shared)


@given(texts=st.lists(st.lists(st.integers(0, 1), max_size=12), min_size=1, max_size=5))
def test_the_common_length_is_what_counting_gives(texts: list[list[int]]) -> None:
    length = common_length(texts)
    assert len({tuple(text[:length]) for text in texts}) == 1
    assert min(map(len, texts)) == length or len({tuple(text[: length + 1]) for text in texts}) > 1
