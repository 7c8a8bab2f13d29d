"""No key reaches a file: not from the environment, not from an argument, not in the words of a server."""

import json
import re
import string
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llm_brain.tracing import keep_secret, read_spans, record, redact, span
from llm_brain.tracing.redaction import redact_all

KEY = "Vb3-Qs8_nH2yRt6C"

each_example_alone = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "HF_TOKEN", "MY_SECRET", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY"])
def test_the_value_of_a_key_variable_is_hidden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert redact(f"it was {KEY}.") == f"it was {KEY}."
    monkeypatch.setenv(name, KEY)
    assert redact(f"it was {KEY}.") == "it was [redacted]."
    monkeypatch.delenv(name)
    assert redact(f"it was {KEY}.") == f"it was {KEY}."


def test_a_key_that_is_exchanged_for_another_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "first-value")
    assert redact("first-value second-value") == "[redacted] second-value"
    monkeypatch.delenv("A_TOKEN")
    monkeypatch.setenv("B_TOKEN", "second-value")
    assert redact("first-value second-value") == "first-value [redacted]"


def test_short_values_and_other_variables_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_TOKEN", "1234567")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "definitely")
    assert redact("1234567 definitely") == "1234567 definitely"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Incorrect API key provided: sk-proj-abc123DEF456_x.", "Incorrect API key provided: [redacted]."),
        ('{"key":"sk-ant-api03-AbCdEf123456"}', '{"key":"[redacted]"}'),
        ("hf_AbCdEfGhIjKlMnOp", "[redacted]"),
        ("Authorization: Bearer eyJhbGciOi.eyJzdWIi.c2ln", "Authorization: Bearer [redacted]"),
        ("authorization: bearer  abcdefgh12", "authorization: bearer  [redacted]"),
        ("?key%3Dsk-abcdefgh1234&x=1", "?key%3D[redacted]&x=1"),
        (r"first line\nsk-abcdefgh1234", r"first line\n[redacted]"),
        ("risk-averse, task-specific, ask-me-anything", "risk-averse, task-specific, ask-me-anything"),
        ("the bearer of news, sk-1, hf_hub", "the bearer of news, sk-1, hf_hub"),
    ],
)
def test_what_looks_like_a_key_is_hidden_and_what_does_not_is_left(text: str, clean: str) -> None:
    assert redact(text) == clean


def test_a_secret_handed_in_by_argument_is_hidden_from_then_on() -> None:
    assert redact("argument-key-1") == "argument-key-1"
    keep_secret("argument-key-1")
    keep_secret("short")
    assert redact("argument-key-1 short") == "[redacted] short"


def test_a_longer_secret_is_hidden_whole_when_it_starts_with_a_shorter_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "abcdefgh")
    monkeypatch.setenv("B_TOKEN", "abcdefgh-and-more!tail")
    assert redact("Bearer abcdefgh-and-more!tail") == "Bearer [redacted]"


def test_keys_of_objects_and_digits_of_numbers_are_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIN_PASSWORD", "12345678")
    value = redact_all({"12345678": [123456789, 3.5, True, None, "a12345678b"]})
    assert value == {"[redacted]": ["[redacted]", 3.5, True, None, "a[redacted]b"]}


def in_lower_case(quoted: str) -> str:
    return re.sub("%..", lambda code: code.group().lower(), quoted)


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs"]), min_size=8, max_size=40)


@each_example_alone
@given(secret=secrets, before=st.text(max_size=30), after=st.text(max_size=30))
@example(secret='quo"te\\back/slash', before="", after="")
@example(secret="schlüssel-ключ-鍵", before="", after="")
@example(secret="a+b/c==&d%20", before="Bearer ", after="")
def test_no_byte_of_a_secret_reaches_the_file_in_any_spelling(
    secret: str, before: str, after: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("run")
    spellings = [secret, json.dumps(secret), json.dumps(json.dumps(secret)), quote(secret, safe=""), repr(secret)]
    spellings += [
        json.dumps(secret, ensure_ascii=False),
        json.dumps(secret).replace("/", r"\/"),
        in_lower_case(quote(secret, safe="")),
    ]
    spellings += ["".join(f"\\u{ord(char):04x}" for char in secret), b64encode(secret.encode()).decode()]
    with monkeypatch.context() as patch:
        patch.setenv("SOME_API_KEY", secret)
        with record(folder), pytest.raises(ValueError, match="401 for"), span("chat", {"plain": before + secret + after}) as s:
            for number, spelling in enumerate(spellings):
                s.set(f"spelling {number}", [before + spelling + after, {spelling: {"deep": (spelling,)}}])
            raise ValueError(f"401 for {secret}")
    [one] = read_spans(folder)
    told = "\n".join(leaves([dict(one.attributes), dict(one.error or {})])).replace("[redacted]", "")
    forms = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")]
    for form in (secret, *forms, forms[0].replace("/", r"\/"), b64encode(secret.encode()).decode().rstrip("=")):
        assert form not in told


def leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for pair in value.items() for side in pair for leaf in leaves(side)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [str(value)]


@given(st.text(string.ascii_letters + string.digits + "_-", min_size=8, max_size=60), st.text(max_size=20))
def test_key_shapes_are_hidden_at_the_start_of_any_word(tail: str, before: str) -> None:
    assert redact(f"{before} sk-{tail}").endswith(" [redacted]")
    assert redact(f"{before}\nBearer {tail}").endswith("\nBearer [redacted]")


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_a_secret_that_is_cut_by_the_limit_of_a_text_leaves_no_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONG_SECRET", "S" + "ecret" * 40)
    with record(tmp_path), span("chat") as s:
        s.set("text", "x" * (65_536 - 20) + "S" + "ecret" * 40 + "y" * 100)
    assert b"Secret" not in bytes_of(tmp_path)


def test_without_content_no_byte_of_what_was_said_is_written(tmp_path: Path) -> None:
    said = "the quick brown fox"
    with record(tmp_path, capture_content=False), pytest.raises(ValueError, match="fox"), span("outer"):
        with span("chat smollm2", {"gen_ai.request.model": "smollm2"}) as s:
            s.set("gen_ai.usage.input_tokens", 4)
            s.content("gen_ai.input.messages", [{"role": "user", "content": said}])
            s.content("gen_ai.output.messages", said)
            raise ValueError(f"not an int: {said}")
    written = bytes_of(tmp_path)
    assert all(word.encode() not in written for word in said.split()[1:])
    outer_and_chat = {one.name: one for one in read_spans(tmp_path)}
    assert outer_and_chat["chat smollm2"].attributes["gen_ai.usage.input_tokens"] == 4
    assert outer_and_chat["chat smollm2"].error == {"type": "ValueError", "message": ""}
