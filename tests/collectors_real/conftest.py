"""Both collectors, each started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collectors_real import running
from tests.collectors_real.environments import missing
from tests.collectors_real.running import RealCollector


@pytest.fixture(scope="session", params=["mlflow", "phoenix"])
def collector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCollector]:
    if request.param in {folder.name for folder in missing()}:
        pytest.skip(f"{request.param} is not installed; `make test-collectors` does it")
    with getattr(running, request.param)(tmp_path_factory.mktemp(request.param)) as one:
        yield one


@pytest.fixture(autouse=True)
def directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
