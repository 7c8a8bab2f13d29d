"""The running average of weights, and how texts become tensors."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from llm_brain.brain import pad
from llm_brain.errors import WeightsError
from llm_brain.training import RunningAverage, TokenReader


def test_the_average_of_weights_that_stand_still_is_these_weights() -> None:
    module = nn.Linear(3, 2)
    average = RunningAverage(module, decay=0.9)
    for _ in range(20):
        average.update()
    for value, parameter in zip(average.values, module.parameters(), strict=True):
        torch.testing.assert_close(value, parameter.detach())


def test_the_average_is_an_exponential_one_that_forgets_faster_at_first() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = RunningAverage(module, decay=0.5)
    expected = module.weight.item()
    for number in range(1, 30):
        nn.init.constant_(module.weight, float(number))
        average.update()
        decay = min(0.5, number / (number + 10))
        expected = decay * expected + (1 - decay) * number
        assert average.values[0].item() == pytest.approx(expected)
    assert average.updates == 29


def test_the_weights_are_put_back_even_after_an_error() -> None:
    module = nn.Linear(2, 2)
    average = RunningAverage(module, decay=0.5)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    nn.init.ones_(module.weight)
    average.update()
    with pytest.raises(KeyError), average.applied():
        assert not torch.equal(module.weight, torch.ones(2, 2))
        raise KeyError
    assert torch.equal(module.weight, torch.ones(2, 2))
    assert not torch.equal(before[0], module.weight)


def test_texts_are_padded_to_the_longest_and_cut_at_the_limit(reader: TokenReader) -> None:
    reader.longest = 3
    tokens, lengths = pad([reader.tokens(text) for text in ("good", "the film good bad great")])
    assert tokens.tolist() == [[4, 0, 0], [1, 3, 4]]
    assert lengths.tolist() == [1, 3]


@pytest.mark.parametrize("text", ["", "   ", "\ud800", "\x00"])
def test_a_text_without_a_word_is_still_something_to_read(text: str, reader: TokenReader) -> None:
    assert reader.tokens(text) == [0]


def test_rows_are_padded_with_zeros() -> None:
    assert pad([[1, 2], [3]])[0].tolist() == [[1, 2], [3, 0]]


@pytest.fixture
def folder(tmp_path: Path, reader: TokenReader) -> Path:
    reader.codec.tokenizer.save(str(tmp_path / "tokenizer.json"))
    save_file({"model.embed_tokens.weight": reader.table.to(torch.bfloat16)}, tmp_path / "model.safetensors")
    return tmp_path


def test_a_reader_is_read_out_of_a_models_folder(folder: Path, reader: TokenReader) -> None:
    found = TokenReader.from_folder(folder, longest=2)
    assert found.table.dtype == torch.float32
    assert found.tokens("the good film") == [1, 4]
    torch.testing.assert_close(found.table, reader.table, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "a folder"])
def test_a_damaged_models_folder_is_a_weights_error(name: str, damage: str, folder: Path) -> None:
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    with pytest.raises(WeightsError, match="no tokenizer and embedding table could be read"):
        TokenReader.from_folder(folder)


@pytest.mark.parametrize(
    "tensors",
    [{"other": torch.zeros(8, 8)}, {"model.embed_tokens.weight": torch.zeros(3, 8)}, {"transformer.wte.weight": torch.zeros(64)}],
)
def test_a_folder_without_a_table_that_fits_is_a_weights_error(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="no embedding table"):
        TokenReader.from_folder(folder)


def test_a_folder_that_is_not_there_is_a_weights_error(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    with pytest.raises(WeightsError, match="could be read"):
        TokenReader.from_folder(tmp_path)
