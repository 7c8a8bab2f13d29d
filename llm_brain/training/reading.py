"""How a brain reads text: the tokens and the frozen token embeddings of its teacher, or plain bytes.

A brain that starts from its teacher's own embeddings knows from the start which words are alike, and so needs far fewer
pairs than one that starts from bytes. Only the tokenizer and the table are read; the language model itself is not loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from llm_brain.brain.text.bytes import ByteCodec
from llm_brain.brain.text.tokens import TokenCodec
from llm_brain.errors import WeightsError, missing_dependency

if TYPE_CHECKING:
    from tokenizers import Tokenizer

EMBEDDING_NAMES = ("model.embed_tokens.weight", "transformer.wte.weight", "gpt_neox.embed_in.weight")
TABLE_DIMENSIONS = 2
BYTE_VECTOR = 32


class ReadingWarning(UserWarning):
    """Texts that differ are the same to the reader, so that a brain cannot tell them apart.

    Example:
        >>> issubclass(ReadingWarning, UserWarning)
        True
    """


@runtime_checkable
class Reader(Protocol):
    """Turns texts into what a brain reads.

    Example:
        >>> isinstance(ByteReader(), Reader)
        True
    """

    @property
    def table(self) -> Tensor | None:
        """Frozen embeddings, [vocabulary, size]; None where the brain learns its own."""
        ...

    @property
    def input_size(self) -> int:
        """The numbers of a symbol's vector."""
        ...

    @property
    def vocabulary(self) -> int | None:
        """How many symbols a brain learns vectors for; None where there is a table."""
        ...

    def tokens(self, text: str) -> list[int]:
        """Turn a text into symbols, one at least."""
        ...

    def describe(self) -> Any:
        """Say in JSON how it reads, so that a brain is not given to another."""
        ...


class ByteReader:
    """Reads the bytes of texts: needs no model, and learns what words mean from the pairs alone.

    Args:
        longest: How many bytes of a text are read; what is beyond is cut off.

    Example:
        >>> ByteReader().tokens("Hi")
        [72, 105]
    """

    def __init__(self, *, longest: int = 256) -> None:
        self.table = None
        self.input_size = BYTE_VECTOR
        self.vocabulary = ByteCodec.vocabulary
        self.longest = longest

    def tokens(self, text: str) -> list[int]:
        """Turn a text into its bytes; an empty one into one that says so."""
        return list(text.encode("utf-8", "surrogatepass"))[: self.longest] or [ByteCodec.end]

    def describe(self) -> Any:
        """Say how many bytes are read."""
        return {"reader": "bytes", "longest": self.longest}


class TokenReader:
    """Turns texts into tokens that a brain can read, and holds the table of what each token means.

    Args:
        tokenizer: From the `tokenizers` library.
        table: Frozen embeddings, [vocabulary, size].
        longest: How many tokens of a text are read; what is beyond is cut off.

    Attributes:
        codec: Texts to tokens and back.

    Example:
        >>> from llm_brain.backends.embedded import weights_folder
        >>> reader = TokenReader.from_folder(weights_folder())
        >>> [len(reader.tokens(text)) for text in ("It works.", "It broke on the first day.")]
        [3, 7]
    """

    def __init__(self, tokenizer: Tokenizer, table: torch.Tensor, *, longest: int = 96) -> None:
        self.codec = TokenCodec(tokenizer)
        self.table = table
        self.input_size = table.shape[1]
        self.vocabulary = None
        self.longest = longest
        self._described = {"reader": "tokens", "longest": longest, "table": [*table.shape, float(table.double().sum())]}

    @classmethod
    def from_folder(cls, folder: Path, *, longest: int = 96) -> TokenReader:
        """Read the tokenizer and the embedding table out of a language model's folder.

        Raises:
            WeightsError: The folder holds no tokenizer.json, or no embedding table under a name that is known that has a row
                for each token.
            MissingDependencyError: tokenizers is not installed.

        Example:
            >>> TokenReader.from_folder(Path("no/such/folder"))
            Traceback (most recent call last):
            ...
            llm_brain.errors.WeightsError: no tokenizer and embedding table could be read from no/such/folder: ...
        """
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise missing_dependency("tokenizers", extra="local") from error
        from safetensors import safe_open

        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            with safe_open(folder / "model.safetensors", framework="pt") as weights:
                names = [name for name in EMBEDDING_NAMES if name in weights.keys()]  # noqa: SIM118 - not a mapping
                table = weights.get_tensor(names[0]).float() if names else torch.zeros(0, 0)
        except Exception as error:  # tokenizers raises nothing more special
            message = f"no tokenizer and embedding table could be read from {folder}: {error}"
            raise WeightsError(message) from error
        if table.dim() != TABLE_DIMENSIONS or table.shape[0] < tokenizer.get_vocab_size():
            message = f"{folder / 'model.safetensors'} holds no embedding table with a row for each of the tokenizer's tokens"
            raise WeightsError(message)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer, table, longest=longest)

    def tokens(self, text: str) -> list[int]:
        """Turn one text into its token ids; an empty text into one token, so that there is something to read."""
        return self.codec.ids(text)[: self.longest] or [0]

    def describe(self) -> Any:
        """Say how long a text may be, and which table it is."""
        return self._described
