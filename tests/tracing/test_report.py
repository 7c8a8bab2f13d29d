"""A report: one page that holds every number, shows whatever text as text, and asks nothing of the network."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from llm_brain.errors import DataError, MissingDependencyError
from llm_brain.tracing import Bars, ConfusionMatrix, Curve, Prose, Section, Table, write_report

PLANTED = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'); background: url(//evil.example/x); --x: ('",
    "</style></title><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% for x in y %}",
    r"$\frac{1}{2}$ $unclosed",
    "&lt;b&gt; &amp;amp; #0c0a01 --c0 \\",
)


class Page(HTMLParser):
    """What a browser would find on a page: its elements, its attributes and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def written(folder: Path, sections: Sequence[Section], title: str = "A run") -> str:
    return write_report(folder / "report.html", title, sections).read_text(encoding="utf-8")


def planted_sections(text: str) -> list[Section]:
    return [
        Prose(text, f"one {text}\n\ntwo {text}"),
        Curve(text, text, text, {text: ([1, 2], [3, 4])}, note=text),
        Bars(text, {text: 1}, unit=text, note=text),
        ConfusionMatrix(text, [text, "other"], [[1, 2], [3, 4]], note=text),
        Table(text, [text, "n"], [[text, 1], [Markup(text), None]], note=text),
    ]


@pytest.mark.parametrize("text", PLANTED)
@pytest.mark.parametrize("kind", [str, Markup])
def test_planted_markup_is_text_in_every_field(tmp_path: Path, text: str, kind: type[str]) -> None:
    html = written(tmp_path, planted_sections(kind(text)), title=kind(text))
    page = Page(html)
    plain = Page(written(tmp_path, planted_sections("plain"), title="plain"))
    assert page.tags == plain.tags
    assert {(tag, name) for tag, name, _ in page.attributes} == {(tag, name) for tag, name, _ in plain.attributes}
    assert page.text.count(text) == plain.text.count("plain")
    assert [value for _, name, value in page.attributes if name == "style"] == [
        value for _, name, value in plain.attributes if name == "style"
    ]


def test_the_page_asks_nothing_of_the_network_and_forbids_scripts(tmp_path: Path) -> None:
    html = written(tmp_path, planted_sections("plain"))
    page = Page(html)
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "form", "img", "base", "a", "audio", "video"}
    policy = [value for tag, name, value in page.attributes if tag == "meta" and name == "content"]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in policy
    assert all(value.startswith("#") for _, name, value in page.attributes if name in {"href", "src", "xlink:href"})
    assert not re.search(r"@import|https?:(?!//www\.w3\.org/)", html)
    assert set(re.findall(r"url\((.)", html)) <= {"#"}
    assert "prefers-color-scheme: dark" in html
    assert ("meta", "name", "viewport") in page.attributes
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))


def test_every_number_is_on_the_page(tmp_path: Path) -> None:
    losses = {1: 0.91357, 2: 0.40021, 5: 0.20043}
    sections: list[Section] = [
        Curve("Loss", "epoch", "loss", {"train": (list(losses), list(losses.values())), "test": ([2], [0.5177])}),
        Bars("Calls", {"chat": 1207, "embeddings": 31, "refund": -17}),
        ConfusionMatrix("Mood", ["glad", "sad"], [[811, 13], [29, 947]]),
        Table("Best", ["metric", "value"], [["accuracy", 0.93125], ["calls", 40961], ["tokens", 123456789]]),
        Prose("Seed", "The seed was 90210."),
    ]
    text = Page(written(tmp_path, sections)).text.split()
    expected = ["0.91357", "0.40021", "0.20043", "0.5177", "1207", "31", "-17", "811", "13", "29", "947", "0.93125"]
    assert set(expected) <= set(text)
    assert {"40961", "123456789", "90210."} <= set(text)
    assert "1758 of 1800 right (97.7%)." in " ".join(text)


def test_a_long_curve_keeps_its_ends_and_a_long_table_its_beginning_and_both_say_so(tmp_path: Path) -> None:
    count = 30_000
    ys = [math.sin(number / 500) for number in range(count)]
    ys[12_345] = 7.0
    sections: list[Section] = [
        Curve("Long", "step", "value", {"wave": (range(count), ys)}),
        Table("Long", ["n"], [[number] for number in range(5_000)]),
    ]
    html = written(tmp_path, sections)
    text = Page(html).text
    assert "200 of 30000 rows, at equal distances." in text
    assert "The first 2000 of 5000 rows." in text
    assert {"0", "29999"} <= set(text.split())
    assert len(html) < 700_000


def test_the_same_sections_give_the_same_bytes_also_in_threads(tmp_path: Path) -> None:
    sections = planted_sections("plain")
    first = written(tmp_path, sections)
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda number: written(tmp_path / str(number), sections), range(6)))
    assert set(pages) == {first}


def test_matplotlibs_global_state_is_left_alone(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    written(tmp_path, planted_sections("plain"))
    assert dict(mpl.rcParams) == before


def test_odd_text_stays_valid_and_visible(tmp_path: Path) -> None:
    html = written(tmp_path, [Prose("Odd", "lone \ud800, nul \x00, red \x1b[31m, \u202etxt.exe, tab\tand\r\nlines")])
    text = Page(html).text
    assert "lone \ufffd, nul ⟨00⟩, red ⟨1B⟩[31m, ⟨202E⟩txt.exe, tab\tand\nlines" in text


def test_keys_are_redacted_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "Zq7-Kd0_pW9xLm4T")
    html = written(tmp_path, planted_sections("a Zq7-Kd0_pW9xLm4T b"), title="Bearer abcdefgh12345678")
    assert "Zq7-Kd0_pW9xLm4T" not in html
    assert "abcdefgh12345678" not in html
    assert "a [redacted] b" in html


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = write_report(tmp_path / "deep" / "report.html", "old", [])
    program = (
        "import resource, sys\n"
        "from llm_brain.tracing import Prose, write_report\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "write_report(sys.argv[1], 'new', [Prose('long', 'x' * 100_000)])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert "<h1>old</h1>" in path.read_text(encoding="utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_missing_libraries_say_how_to_install_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    written(tmp_path, [Bars("no picture is needed", {"a": 1})])
    with pytest.raises(MissingDependencyError, match=re.escape("pip install 'llm_brain[report]'")):
        written(tmp_path, [Curve("a", "x", "y", {"a": ([1], [1])})])
    program = "import sys; sys.modules['jinja2'] = None\nfrom llm_brain.tracing import write_report\nwrite_report('r', '', [])"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, env=environment)
    assert "jinja2 is not installed; install it with: pip install 'llm_brain[report]'" in done.stderr


def test_numbers_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(DataError, match="line 'a' has 2 xs and 1 ys"):
        Curve("Loss", "x", "y", {"a": ([1, 2], [1])})
    with pytest.raises(DataError, match="2 labels want 2 rows of 2 counts"):
        ConfusionMatrix("Mood", ["a", "b"], [[1, 2]])
    with pytest.raises(DataError, match="row 1 has 1 values for 2 columns"):
        Table("T", ["a", "b"], [[1, 2], [3]])


numbers = st.one_of(st.floats(), st.integers(-(10**400), 10**400))
points = st.lists(st.tuples(numbers, numbers), max_size=20).map(lambda pairs: tuple(map(list, zip(*pairs, strict=True))))


@given(st.dictionaries(st.text(max_size=5), points.map(lambda line: line or ([], [])), max_size=3), st.lists(numbers, max_size=4))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_numbers_can_be_shown(
    tmp_path: Path,
    series: dict[str, tuple[list[float], list[float]]],
    values: list[float],
) -> None:
    bars = Bars("bars", {str(place): value for place, value in enumerate(values)})
    assert "bars" in written(tmp_path, [Curve("any", "x", "y", series), bars])


@pytest.mark.parametrize(
    "section",
    [
        Curve("nothing", "x", "y", {}),
        Curve("no points", "x", "y", {"a": ([], [])}),
        Curve("one point", "x", "y", {"a": ([1], [1])}),
        Curve("only gaps", "x", "y", {"a": ([1, 2], [math.nan, math.inf])}),
        Curve("many lines", "x", "y", {f"line {n}": ([0, 1], [n, n]) for n in range(35)}),
        Bars("nothing", {}),
        Bars("zero", {"a": 0}),
        Bars("odd", {"a": math.nan, "b": -math.inf, "c": -1.5}),
        ConfusionMatrix("nothing", [], []),
        ConfusionMatrix("no counts", ["a"], [[0]]),
        Table("nothing", [], []),
        Table("no rows", ["a"]),
        Prose("nothing", ""),
    ],
    ids=lambda section: f"{type(section).__name__} {section.title}",
)
def test_an_empty_or_odd_section_is_shown_too(tmp_path: Path, section: Section) -> None:
    assert section.title in Page(written(tmp_path, [section])).text
