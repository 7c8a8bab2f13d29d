"""Real servers for the tests of this room, each started once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_brain.backends import OpenAIBackend
from llm_brain.backends.embedded import weights_folder
from tests.servers_real import running
from tests.servers_real.environments import missing
from tests.servers_real.running import RealServer


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    if lacking := missing():
        pytest.skip(f"{', '.join(lacking)}: not installed for the real servers; `make test-servers` does it")


@pytest.fixture(scope="session")
def llama() -> Iterator[RealServer]:
    with running.llama() as server:
        yield server


@pytest.fixture(scope="session")
def llama_embeddings() -> Iterator[RealServer]:
    with running.llama("embeddings") as server:
        yield server


@pytest.fixture(scope="session")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with running.transformers(weights_folder(), tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture(scope="session")
def fastchat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with running.fastchat(weights_folder(), tmp_path_factory.mktemp("fastchat")) as server:
        yield server


@pytest.fixture(autouse=True)
def only_these_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def model(llama: RealServer) -> Iterator[OpenAIBackend]:
    """Make a backend of the chat server, as a user would."""
    backend = of(llama)
    yield backend
    backend.close()


def of(server: RealServer, **options: Any) -> OpenAIBackend:
    return OpenAIBackend(server.model, **{"base_url": server.base_url, "api_key": server.key, **options})
