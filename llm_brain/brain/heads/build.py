"""The head that a type of answer asks for."""

from __future__ import annotations

from llm_brain.brain.heads.answers import Answer, Choice, Number, Text
from llm_brain.brain.heads.choice import ChoiceHead
from llm_brain.brain.heads.distribution import Head
from llm_brain.brain.heads.number import NumberHead
from llm_brain.brain.heads.record import RecordHead
from llm_brain.brain.heads.text import TextHead


def head_for(answer: Answer, *, input_size: int, width: int) -> Head:
    """Build the head of an answer.

    Args:
        answer: What is asked for.
        input_size: Length of a vector that the network reads.
        width: d, length of a vector that the network gives; pooled features have twice as many numbers.

    Example:
        >>> type(head_for(Choice(options=2), input_size=4, width=8)).__name__
        'ChoiceHead'
    """
    if isinstance(answer, Choice):
        return ChoiceHead(answer, 2 * width)
    if isinstance(answer, Number):
        return NumberHead(answer, 2 * width)
    if isinstance(answer, Text):
        return TextHead(answer, 2 * width, input_size=input_size, width=width)
    return RecordHead(answer, [head_for(field, input_size=input_size, width=width) for field in answer.fields.values()])
