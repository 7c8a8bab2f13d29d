"""What the tests of this room share: one thread for tensors of this size, a server on 127.0.0.1, and a gate."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from tests.servers.dialects import friendly
from tests.servers.faulty import FaultyServer, Stage


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BRAIN_ENV_FILE", "")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "HF_API_TOKEN", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Listen on 127.0.0.1, and answer as a good server does."""
    with FaultyServer() as serving:
        yield serving.stage(friendly)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Make an event that is set at the end at the latest, so that no thread of a test waits for ever."""
    event = threading.Event()
    yield event
    event.set()
