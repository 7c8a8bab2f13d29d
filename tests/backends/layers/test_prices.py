"""What tokens cost: as the table of genai-prices has it, and nothing at all where it does not say."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_brain.attempts import Usage
from llm_brain.backends.layers.prices import price

OPENAI = "https://api.openai.com/v1"
SERVICES = {
    "anthropic": "https://api.anthropic.com",
    "azure": "https://me.openai.azure.com/openai/v1",
    "cohere": "https://api.cohere.com/compatibility/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "groq": "https://api.groq.com/openai/v1",
    "huggingface_nebius": "https://router.huggingface.co/nebius/v1",
    "mistral": "https://api.mistral.ai/v1",
    "moonshotai": "https://api.moonshot.ai/v1",
    "openai": OPENAI,
    "openrouter": "https://openrouter.ai/api/v1",
    "perplexity": "https://api.perplexity.ai",
    "x-ai": "https://api.x.ai/v1",
}
MOMENTS = [datetime(2024, 6, 1, 3, tzinfo=UTC), datetime(2025, 12, 1, 12, tzinfo=UTC), datetime(2027, 3, 1, 23, tzinfo=UTC)]
TOKENS = Usage(1_000, 100)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    read = draw(st.integers(0, 150_000))
    write = draw(st.integers(0, 150_000))
    return Usage(read + write + draw(st.integers(0, 1_000_000)), draw(st.integers(0, 100_000)), read, write)


@given(usage=usages(), moment=st.sampled_from(MOMENTS), place=st.randoms(use_true_random=False))
def test_every_priced_model_costs_what_the_library_itself_says(usage: Usage, moment: datetime, place: random.Random) -> None:
    from genai_prices import Usage as Told
    from genai_prices import calc_price
    from genai_prices.data import providers

    told = Told(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    priced = 0
    for provider in providers:
        url = SERVICES.get(provider.id)
        for model in place.sample(provider.models, min(3, len(provider.models))) if url else ():
            ours = price(model.id, usage, base_url=url, at=moment)
            if ours is not None:
                theirs = calc_price(told, model.id, provider_api_url=url, genai_request_timestamp=moment)
                assert ours == pytest.approx(float(theirs.total_price), rel=1e-9), (provider.id, model.id)
                priced += 1
    assert priced > 10


def test_the_price_of_a_well_known_model_is_the_one_on_its_list() -> None:
    # 2.50, 1.25 and 10 dollars a million tokens that are read, read from the cache, and written.
    usage = Usage(1_000_000, 100_000, cache_read_tokens=400_000)
    assert price("gpt-4o", usage, base_url=OPENAI) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25 + 0.1 * 10)
    assert price("gpt-4o-2024-08-06", usage, base_url=OPENAI) == price("gpt-4o", usage, base_url=OPENAI)


def test_a_long_prompt_costs_more_a_token_from_its_tier_on() -> None:
    google = SERVICES["google"]
    short, long = (price("gemini-2.5-pro", Usage(tokens, 0), base_url=google) for tokens in (200_000, 200_001))
    assert short == pytest.approx(0.2 * 1.25)
    assert long == pytest.approx(0.200_001 * 2.5)


def test_a_price_that_has_changed_is_that_of_its_day() -> None:
    before, after = (price("o3", TOKENS, base_url=OPENAI, at=datetime(2025, 6, day, tzinfo=UTC)) for day in (9, 10))
    assert before == pytest.approx(5 * (after or 0))
    assert price("o3", TOKENS, base_url=OPENAI) == after, date.today()  # noqa: DTZ011


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8000/v1",
        "https://127.0.0.1/api.openai.com",
        "https://localhost:8000/v1",
        "https://10.1.2.3/v1",
        "https://[::1]:8000/v1",
        "https://gpu-box/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com.example.org/v1",
        "https://models.example.org/api.openai.com/v1",
        "https://[broken/v1",
        "no address",
        "",
    ],
)
def test_a_server_of_ones_own_has_no_price_even_for_a_model_of_a_well_known_name(base_url: str) -> None:
    assert price("gpt-4o", TOKENS, base_url=base_url) is None


@pytest.mark.parametrize("host", ["10.1.2.3", "gateway.example.org"])
def test_a_path_that_names_a_service_is_none(host: str) -> None:
    assert price("gemini-2.5-pro", TOKENS, base_url="https://eu.googleapis.com/v1")
    assert price("gemini-2.5-pro", TOKENS, base_url=f"https://{host}/eu.googleapis.com/v1") is None


@pytest.mark.parametrize(
    "base_url", ["https://api.openai.com", "HTTPS://API.OpenAI.com:443/v1/", "https://api.openai.com/v1?a=b", None]
)
def test_an_address_may_be_written_in_several_ways(base_url: str | None) -> None:
    assert price("gpt-4o", TOKENS, base_url=base_url) == pytest.approx(0.0035)


@pytest.mark.parametrize(
    "model", ["gpt-9000", "ft:gpt-4o-mini:me::x", "my-own-claude", "smollm2-135m-instruct", "", "gpt-4o" * 1000]
)
@pytest.mark.parametrize("base_url", [OPENAI, None])
def test_an_unknown_model_has_no_price(model: str, base_url: str | None) -> None:
    assert price(model, TOKENS, base_url=base_url) is None


def test_what_is_not_counted_in_tokens_has_no_price_for_tokens() -> None:
    assert price("whisper-1", TOKENS, base_url=OPENAI) is None
    assert price("text-embedding-3-small", Usage(1_000_000, 0), base_url=OPENAI) == pytest.approx(0.02)
    assert price("text-embedding-3-small", Usage(1_000_000, 1), base_url=OPENAI) is None


def test_a_name_of_any_length_from_a_server_is_not_remembered() -> None:
    assert price("claude-haiku-4-5-20251001", TOKENS, base_url=SERVICES["anthropic"])
    assert price("claude-haiku-4-5-" + "x" * 1_000, TOKENS, base_url=SERVICES["anthropic"]) is None


@pytest.mark.parametrize("usage", [None, Usage(-1, 1), Usage(1, -1), Usage(10, 1, cache_read_tokens=11), Usage(10, 1, 6, 6)])
def test_tokens_that_are_unknown_or_cannot_be_have_no_price(usage: Usage | None) -> None:
    assert price("gpt-4o", usage, base_url=OPENAI) is None


def test_nothing_is_loaded_before_the_first_price_and_nothing_ever_fetched() -> None:
    program = f"""
import sys
from llm_brain.attempts import Usage
from llm_brain.backends.layers.prices import price

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"{{event}} {{arguments}}")

assert "genai_prices" not in sys.modules
sys.addaudithook(refuse)
assert price("gpt-4o", None) is None and "genai_prices" not in sys.modules
assert price("gpt-4o", Usage(1, 1), base_url={OPENAI!r}) > 0
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
