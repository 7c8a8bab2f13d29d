"""What the tests of faults share: one server, and an ear for everything that is logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.backends.faults.playing", "tests.backends.faults.promises")

from tests.backends.faults.playing import HEARD  # noqa: E402
from tests.servers.faulty import FaultyServer  # noqa: E402


@pytest.fixture(scope="package")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as serving:
        yield serving


@pytest.fixture(autouse=True)
def _stages_end_with_their_test(server: FaultyServer) -> Iterator[None]:
    yield
    server.close_stages()


@pytest.fixture(scope="module", autouse=True)
def _heard() -> Iterator[None]:
    """Listen to everybody who handles requests, at every level."""
    loggers = [logging.getLogger(name) for name in ("llm_brain", "aiohttp", "asyncio", "httpx", "openai", "anthropic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(HEARD)
        logger.setLevel(logging.DEBUG)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(HEARD)
        logger.setLevel(level)


@pytest.fixture(scope="module", autouse=True)
def _alone() -> Iterator[None]:
    """No proxy and no account of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield
