"""What was said in each span: compressed, in base64, whole, in pieces of bounded size."""

import base64
import gzip
import io
import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.tracing.page.records import PIECE_SIZE, Records
from llm_brain.tracing.reader import SpanRecord
from llm_brain.tracing.redaction import keep_secret


def written(*told: dict[str, Any]) -> tuple[list[list[Any]], list[int]]:
    records = Records(io.BytesIO())
    for attributes in told:
        records.add(SpanRecord("t", "s", None, "n", 0, 1, "ok", attributes))
    records.close()
    pieces = [gzip.decompress(base64.b64decode(piece, validate=True)).decode() for piece in records.pieces()]
    return [[json.loads(line)["attributes"] for line in piece.split("\n")] for piece in pieces], records.first_rows


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=4), min_size=1, max_size=6))
def test_what_goes_in_comes_out(told: list[dict[str, Any]]) -> None:
    assert written(*told) == ([told], [0])


def test_a_piece_ends_when_it_is_full_and_tells_its_first_row() -> None:
    pieces, first_rows = written({"text": "x" * PIECE_SIZE}, {"text": "short"}, {"text": "short"})
    assert ([len(piece) for piece in pieces], first_rows) == ([1, 2], [0, 1])


def test_no_spans_are_no_pieces() -> None:
    assert written() == ([], [])


def test_a_lone_surrogate_becomes_the_sign_of_what_was_lost() -> None:
    assert written({"text": "a\ud800b"})[0] == [[{"text": "a\ufffdb"}]]


def test_numbers_that_json_lacks_become_words() -> None:
    assert written({"loss": math.nan, "rest": [math.inf]})[0] == [[{"loss": "NaN", "rest": ["Infinity"]}]]


def test_a_value_of_great_depth_is_cut() -> None:
    deep: Any = []
    for _ in range(20_000):
        deep = [deep]
    assert "deep" in written({"deep": deep})[0][0][0]


def test_a_key_that_this_process_knows_is_cut_out() -> None:
    keep_secret("a-very-long-secret-of-somebody")
    assert written({"text": "my key is a-very-long-secret-of-somebody"})[0] == [[{"text": "my key is [redacted]"}]]
