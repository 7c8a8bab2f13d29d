"""The page's file: whole, by itself, always the same bytes, and with room for one script and one style only."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from llm_brain.errors import DataError
from llm_brain.tracing import names, record, span
from llm_brain.tracing.page import write_page
from llm_brain.tracing.page.writing import SCRIPTS
from tests.tracing.page.planted import PLANTED


class Elements(HTMLParser):
    """The page's elements as a browser would find them, with their attributes and their text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"end of {tag}", {}, []))

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][2].append(data)

    def named(self, tag: str) -> Iterator[tuple[dict[str, str], str]]:
        return ((attributes, "".join(texts)) for one, attributes, texts in self.found if one == tag)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with record(tmp_path / "a run"), span("chat") as here:
        here.set(names.KIND, names.CALL_KIND)
        here.content(names.INPUT_MESSAGES, [{"role": "user", "parts": [{"type": "text", "content": text} for text in PLANTED]}])
    return tmp_path / "a run"


def test_the_page_lies_in_the_runs_folder_or_where_it_is_told(run: Path, tmp_path: Path) -> None:
    assert write_page(run) == run / "traces.html"
    assert write_page(run, tmp_path / "new" / "page.html").is_file()


def test_the_same_spans_give_the_same_bytes(run: Path, tmp_path: Path) -> None:
    assert write_page(run).read_bytes() == write_page(run, tmp_path / "again.html").read_bytes()


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(run: Path) -> None:
    page = Elements(write_page(run).read_text(encoding="utf-8"))
    policy = next(attributes["content"] for attributes, _ in page.named("meta") if "http-equiv" in attributes)
    scripts = [text for attributes, text in page.named("script") if "type" not in attributes]
    (style,) = [text for _, text in page.named("style")]
    assert len(scripts) == 1
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (scripts[0], style)]
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; ")
    assert "unsafe" not in policy


def test_the_page_names_no_address(run: Path) -> None:
    text = write_page(run).read_text(encoding="utf-8")
    assert set(re.findall(r"\w+://[\w./]+", text)) == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert not [found for tag in ("link", "img", "iframe", "a") for found in Elements(text).named(tag)]


def test_what_was_said_stands_in_letters_that_end_nothing(run: Path) -> None:
    page = Elements(write_page(run).read_text(encoding="utf-8"))
    data = [text for attributes, text in page.named("script") if attributes.get("type") == "application/gzip"]
    assert len(data) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9+/=]+\s*", text) for text in data)


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>".replace("/", "\u2215"), '"><b>', "a\u202eb", "{{ table }}", "{{ style }}{{ style_hash }}"],
)
def test_a_folders_name_is_text(tmp_path: Path, name: str) -> None:
    with record(tmp_path / name), span("train"):
        pass
    page = Elements(write_page(tmp_path / name).read_text(encoding="utf-8"))
    ((_, title),) = page.named("title")
    assert title == name.replace("\u202e", "⟨202E⟩")


def test_a_run_without_spans_is_a_page_too(tmp_path: Path) -> None:
    assert write_page(tmp_path).stat().st_size > 0


def test_no_run_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        write_page(tmp_path / "nowhere")


def test_every_part_of_the_script_is_in_the_page_once() -> None:
    folder = Path(__file__).parents[3] / "llm_brain" / "tracing" / "page" / "app"
    assert sorted(SCRIPTS) == sorted(path.name for path in folder.iterdir())


def test_the_script_names_attributes_as_they_are_written() -> None:
    folder = Path(__file__).parents[3] / "llm_brain" / "tracing" / "page" / "app"
    known = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    used = set(re.findall(r'"((?:gen_ai|llm_brain|http)\.[\w.]+)"', (folder / "details.js").read_text(encoding="utf-8")))
    assert used - {f"{names.METRIC}."} <= known
