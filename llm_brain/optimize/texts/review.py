"""What a language model is shown of a text and gives back: generic over the text, whose type bounds its length.

    >>> sorted(BetterText.model_fields), sorted(TextReview.model_fields)
    (['reason', 'text'], ['must_keep', 'name', 'runs', 'text'])
    >>> TextRun(given="2 + 2", made="5", score=0.0, feedback="It is 4.").feedback
    'It is 4.'

These examples stand here since the docstring of what a model gives back is in the schema that it is shown.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Text = TypeVar("Text", bound=str)


class TextRun(BaseModel):
    """One run of the program with the text."""

    given: str = Field(description="What the program was run on.")
    made: str = Field(description="What came out, or what went wrong.")
    score: float | None = Field(description="How good that is; higher is better. null: the run failed.")
    feedback: str = Field("", description="What is said about it.")


class TextReview(BaseModel, Generic[Text]):
    """A text of the program, and how runs with it went.

    Example:
        >>> TextReview[str](name="prompt", text="Add.", runs=[]).must_keep
        []
    """

    name: str = Field(description="What the text is called in the program.")
    text: Text = Field(description="The present text.")
    runs: list[TextRun] = Field(description="Some runs of the program with the present text.")
    must_keep: list[str] = Field(
        default_factory=list,
        description="Placeholders. The program fills them in: the new text has each of them, letter by letter.",
    )


class BetterText(BaseModel, Generic[Text]):
    """A better text."""

    reason: str = Field(description="What is wrong with the present text, and what the new one does about it.", max_length=200)
    text: Text = Field(description="The whole new text.")
