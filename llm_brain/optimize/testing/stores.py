"""What every store of a study's events has to keep to, as tests for pytest.

from llm_brain.optimize.testing.stores import StoreConformance

class TestMyStore(StoreConformance):
@pytest.fixture
def place(self, tmp_path):
return tmp_path / "study"

def opened(self, place):
return MyStore(place)
"""
# ruff: noqa: D102, S101 - tests, though they stand in the package: a test's name is its sentence

from __future__ import annotations

from typing import Any

import pytest

from llm_brain.optimize.journal import Store


class StoreConformance:
    """Tests of a store. Override `place`, where a study is kept, and `opened`, which opens what is kept there.

    Example:
        >>> import pathlib, tempfile
        >>> from llm_brain.optimize.journal import Journal
        >>> class TestJournal(StoreConformance):
        ...     def opened(self, place: Any) -> Store:
        ...         return Journal(place)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     TestJournal().test_what_is_appended_is_there_when_it_is_opened_again(pathlib.Path(folder) / "study.jsonl")
    """

    @pytest.fixture
    def place(self) -> Any:
        """Return where a study is kept; nothing is there yet."""
        raise NotImplementedError

    def opened(self, place: Any) -> Store:
        """Open what is kept at a place, as a new process would."""
        raise NotImplementedError

    def test_it_begins_empty(self, place: Any) -> None:
        assert list(self.opened(place).events) == []

    def test_what_is_appended_is_there_at_once(self, place: Any) -> None:
        store = self.opened(place)
        store.append("proposed", trial=0, point={"rate": 0.1})
        assert list(store.events) == [{"event": "proposed", "trial": 0, "point": {"rate": 0.1}}]

    def test_what_is_appended_is_there_when_it_is_opened_again(self, place: Any) -> None:
        told = [{"trial": number, "note": "é \u2028\n\x00", "score": 0.1 + number, "none": None} for number in range(20)]
        store = self.opened(place)
        for fields in told:
            store.append("finished", **fields)
        assert list(self.opened(place).events) == [{"event": "finished", **fields} for fields in told]

    def test_numbers_come_back_as_they_were(self, place: Any) -> None:
        numbers = [0.1 + 0.2, 1e-300, -0.0, 2**53 + 1, 1 / 3]
        self.opened(place).append("outcome", scores=numbers)
        [event] = self.opened(place).events
        assert [repr(number) for number in event["scores"]] == [repr(number) for number in numbers]

    def test_a_store_that_goes_on_keeps_what_it_had(self, place: Any) -> None:
        for number in range(5):
            self.opened(place).append("finished", trial=number)
        assert [event["trial"] for event in self.opened(place).events] == list(range(5))
