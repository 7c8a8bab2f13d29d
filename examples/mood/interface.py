"""What the example's user writes: two interfaces. Everything else in this folder only runs them.

`MoodReader` is the task: what a customer wrote, and how the customer feels. `Teacher` is who teaches a brain to do it. Both are
implemented by the embedded language model; `@llm_strategy("openai:MODEL")` would be the one changed line for a stronger one.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from llm_brain import Likelihood, examples, llm_strategy, sampled

Mood = Literal["happy", "unhappy"]
Product = Literal[
    "a kettle", "a hotel", "running shoes", "a banking app", "a dentist", "a food delivery", "a sofa", "headphones",
    "an online course", "a train journey", "a phone plan", "a birthday cake", "a garden hose", "a novel", "a plumber",
    "a winter coat", "a restaurant", "a video game", "a haircut", "a car repair",
]  # fmt: skip
Topic = Literal["quality", "price", "the staff", "delivery", "comfort", "ease of use", "waiting time", "repairs"]
Score = Annotated[float, Likelihood(of="mood")]

MOODS: tuple[Mood, Mood] = ("happy", "unhappy")
SHOWN: tuple[tuple[str, Mood], ...] = (
    ("Arrived a day early and works like a charm.", "happy"),
    ("The lid cracked in a week and nobody answers my emails.", "unhappy"),
    ("I never want to go back to my old bank.", "happy"),
    ("Great, the third replacement is broken as well.", "unhappy"),
)
ANSWERS = tuple(({"message": message}, mood) for message, mood in SHOWN)


class TrainingPair(BaseModel):
    """A message and the mood of the customer who wrote it."""

    message: str = Field(max_length=140)
    mood: Mood


@llm_strategy("local")
class MoodReader:
    """The task."""

    @examples(*ANSWERS)
    def mood(self, message: str) -> Mood:
        """Tell whether a customer is happy or unhappy with a product or a service."""
        raise NotImplementedError


@llm_strategy("local")
class Teacher:
    """Who teaches a brain the task, from inside its training loop."""

    @sampled(0.8, top_p=0.95, max_tokens=80)
    def generate_training_pair(self, product: Product, topic: Topic, mood: Mood) -> TrainingPair:
        """Write a one-sentence review of {product} by a very {mood} customer. Mention {topic}."""
        raise NotImplementedError

    @examples(*ANSWERS)
    def evaluate_output(self, message: str, mood: Mood) -> Score:
        """Read what a customer writes about a product or a service, and tell whether the customer is happy or unhappy."""
        raise NotImplementedError

    @examples(*ANSWERS)
    def score_validation(self, message: str, mood: Mood) -> Score:
        """Is the customer who wrote this happy or unhappy?"""
        raise NotImplementedError
