"""`llm-brain traces`: lists, sums, a span as text, a page, and the way to a collector; errors are one line."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from llm_brain import llm_function
from llm_brain.backends import OpenAIBackend
from llm_brain.tracing import read_spans, record
from tests.cli.conftest import KEY, CommandLine, ModelServer


@llm_function
def capital(model: Any, country: str) -> str:
    """Name the capital."""
    raise NotImplementedError


@pytest.fixture
def run(llm_brain: CommandLine, server: ModelServer) -> Path:
    """Make a run with two calls of a function in the folder where commands are typed."""
    folder = llm_brain.folder / "runs" / "first"
    model = OpenAIBackend("qwen3-4b", base_url=server.url, api_key=KEY)
    with record(folder):
        capital(model, "France")
        capital(model, "Norway")
    return folder


def test_runs_are_listed(llm_brain: CommandLine, run: Path) -> None:
    result = llm_brain("traces", "list")
    assert (result.returncode, result.stderr) == (0, "")
    assert "runs/first" in result.stdout
    [listed] = json.loads(llm_brain("traces", "list", "--json", "runs").stdout)
    assert Path(listed["folder"]).name == run.name


def test_a_folder_without_runs_is_told(llm_brain: CommandLine) -> None:
    assert "no run is recorded" in llm_brain("traces", "list").stdout
    for verb in (["stats"], ["show", "abcdef"], ["view", "--no-open"], ["export", "--otlp", "http://127.0.0.1:1/v1/traces"]):
        result = llm_brain("traces", *verb)
        assert (result.returncode, result.stdout) == (1, ""), verb
        assert result.stderr.startswith("llm-brain: no run is recorded in"), verb


def test_sums_are_told_by_function(llm_brain: CommandLine, run: Path) -> None:
    result = llm_brain("traces", "stats", str(run))
    assert (result.returncode, result.stderr) == (0, "")
    assert "capital" in result.stdout
    [told] = json.loads(llm_brain("traces", "stats", "--json").stdout)
    assert (told["name"].rpartition(".")[2], told["times"], told["calls"], told["input_tokens"]) == ("capital", 2, 2, 24)
    assert (told["cost"], told["unpriced"]) == (0.0, 2)


def test_a_span_is_shown_as_text_by_the_beginning_of_its_id(llm_brain: CommandLine, run: Path) -> None:
    call = next(one for one in read_spans(run) if one.is_call)
    result = llm_brain("traces", "show", call.span_id[:8])
    assert (result.returncode, result.stderr) == (0, "")
    assert "Name the capital." in result.stdout
    assert "assistant: Paris." in result.stdout
    assert KEY not in result.stdout
    assert llm_brain("traces", "show", call.trace_id, "--run", str(run)).stdout.startswith("capital ")
    wrong = llm_brain("traces", "show", "ffffzzzz")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)


def test_the_page_is_written_where_it_is_asked_for(llm_brain: CommandLine, run: Path) -> None:
    result = llm_brain("traces", "view", "--no-open")
    assert (result.returncode, result.stderr) == (0, "")
    assert "traces.html" in result.stdout
    assert (run / "traces.html").is_file()
    result = llm_brain("traces", "view", str(run), "--no-open", "--output", "elsewhere.html")
    assert (llm_brain.folder / "elsewhere.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.usefixtures("run")
def test_a_collector_that_is_not_there_is_told_in_one_line(llm_brain: CommandLine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces"
        result = llm_brain("traces", "export", "--otlp", url, "--header", f"authorization={KEY}")
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("llm-brain: ")
    assert KEY not in result.stdout + result.stderr


@pytest.mark.usefixtures("run")
def test_a_header_without_a_value_is_refused_and_not_shown(llm_brain: CommandLine) -> None:
    result = llm_brain("traces", "export", "--otlp", "http://127.0.0.1:1", "--header", KEY)
    assert result.returncode == 2
    assert "NAME=VALUE" in result.stderr
    assert KEY not in result.stderr
