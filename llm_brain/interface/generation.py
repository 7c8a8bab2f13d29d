"""Training data that a language model writes: topics -> pairs of texts -> tensors of a fixed shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from llm_brain.errors import ArgumentError, BackendError, DataError, LLMBrainError
from llm_brain.interface.outputs import Outputs
from llm_brain.interface.vectors import Vectors
from llm_brain.strategy.function import TypedFunction
from llm_brain.strategy.implementation import Details
from llm_brain.strategy.mapping import shown_progress
from llm_brain.training.data.texts import is_unicode, normalized
from llm_brain.training.many import in_threads


@dataclass(frozen=True, slots=True)
class TextPair:
    """An input and the right answer to it, as they were written.

    Example:
        >>> TextPair("Arrived a day early.", "happy").output
        'happy'
    """

    input: str
    output: str


class GeneratedData(tuple[Tensor, Tensor]):  # noqa: SLOT001 - it holds more than the two that it is unpacked into
    """What was generated: `inputs, targets = ...`, and where they come from.

    Attributes:
        inputs: [n, sequence_length, embedding_dim], float32: a vector a word, see `Vectors.sequences`.
        targets: [n, output_size], as the declared outputs have them.
        pairs: The n texts that they were made from.
        refused: How many pairs were not taken, by reason: "failed" where there was none, "empty", "duplicate" but for case and
            punctuation, "does not fit".

    Example:
        >>> import torch
        >>> data = GeneratedData.of(torch.zeros(1, 2, 3), torch.zeros(1, 2), [TextPair("It broke.", "unhappy")], Counter())
        >>> inputs, targets = data
        >>> inputs.shape, data.prompts
        (torch.Size([1, 2, 3]), ['It broke.'])
    """

    pairs: list[TextPair]
    refused: Counter[str]

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor, pairs: list[TextPair], refused: Counter[str]) -> Self:
        """Put it together."""
        made = cls((inputs, targets))
        made.pairs, made.refused = pairs, refused
        return made

    @property
    def inputs(self) -> Tensor:
        """What the network is given."""
        return self[0]

    @property
    def targets(self) -> Tensor:
        """What it should give."""
        return self[1]

    @property
    def prompts(self) -> list[str]:
        """The inputs as texts, for a judge."""
        return [pair.input for pair in self.pairs]


def generate(
    write: Callable[[str], Any],
    topics: Sequence[str],
    sequence_length: int,
    output_size: int | None,
    *,
    outputs: Outputs,
    vectors: Vectors,
    concurrency: int,
    progress: str | None = None,
) -> GeneratedData:
    """Have pairs written, and turn them into tensors.

    Args:
        write: Writes a pair about a topic: something with an `input` and an `output`. Called from several threads at once.
        topics: What to write about; a topic that stands there several times is written about several times.
        sequence_length: Steps of an input.
        output_size: Numbers of a target; None: as many as the outputs have.
        outputs: What the network's outputs mean.
        vectors: How texts become vectors.
        concurrency: The most calls at a time.
        progress: What a progress bar says it shows; None: there is none.

    Raises:
        ArgumentError: There is nothing to write about, or the sizes do not fit.
        BackendError: No pair could be written at all.
        DataError: Pairs were written, and none of them can be used.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> from llm_brain.interface import Labels
        >>> moods = Labels(["happy", "unhappy"])
        >>> data = generate(lambda topic: TextPair(f"I love my {topic}.", "happy"), ["kettle"], 4, 2,
        ...                 outputs=moods, vectors=Vectors(resolve_model("local"), 16), concurrency=1)
        >>> data.inputs.shape, data.targets.tolist()
        (torch.Size([1, 4, 16]), [[1.0, 0.0]])
    """
    if not topics:
        message = "there is nothing to write about: give `prompts`, one or more"
        raise ArgumentError(message)
    size = _size(outputs, output_size)
    written = _written(write, topics, concurrency, progress)
    pairs, refused = _usable(written, outputs, size)
    if not pairs:
        errors = [answer for answer in written if isinstance(answer, LLMBrainError)]
        if len(errors) == len(written):
            raise errors[0]
        message = f"none of {len(written)} pairs can be used: {', '.join(f'{n} {reason}' for reason, n in refused.items())}"
        raise DataError(message)
    inputs = vectors.sequences([pair.input for pair in pairs], sequence_length)
    targets = outputs.targets([pair.output for pair in pairs], size, vectors)
    return GeneratedData.of(inputs, targets, pairs, refused)


def _size(outputs: Outputs, asked: int | None) -> int:
    """Settle the size of a target before anything is paid for."""
    size = outputs.size if asked is None else asked
    if size is None or size < 1:
        message = f"a target has 1 number or more: give `output_size`, got {asked}"
        raise ArgumentError(message)
    if outputs.size not in (None, size):
        message = f"there are {outputs.size} outputs, one for each label, and output_size is {size}: leave it out"
        raise ArgumentError(message)
    return size


def _written(write: Callable[[str], Any], topics: Sequence[str], concurrency: int, progress: str | None) -> list[Any]:
    """Have the pairs written: each is what was written, or the error where nothing was.

    What was written is never lost to an error of a later call, be it that the budget is spent: it was paid for.
    """
    if isinstance(write, TypedFunction):
        answers = write.map_details(topics, concurrency=concurrency, progress=progress)
        return [answer.value if isinstance(answer, Details) else answer for answer in answers]

    def written(topic: str) -> Any:
        try:
            return write(topic)
        except BackendError as error:
            return error

    with shown_progress(progress, len(topics), None) as tick:
        return in_threads(written, [{"topic": topic} for topic in topics], tick, most=concurrency)


def _usable(written: Sequence[Any], outputs: Outputs, size: int) -> tuple[list[TextPair], Counter[str]]:
    pairs: dict[str, TextPair] = {}
    refused: Counter[str] = Counter()
    for answer in written:
        if isinstance(answer, LLMBrainError):
            refused["failed"] += 1
            continue
        pair = TextPair(str(answer.input), str(answer.output))
        key = normalized(pair.input) if is_unicode(pair.input) else ""
        if not key or not pair.output.strip():
            refused["empty"] += 1
        elif key in pairs:
            refused["duplicate"] += 1
        elif not outputs.takes(pair.output, size):
            refused["does not fit"] += 1
        else:
            pairs[key] = pair
    return list(pairs.values()), refused
