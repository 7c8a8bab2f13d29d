"""Which implementation answers: the one that was decorated with, unless `use_model` names another for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from llm_brain.strategy.implementation import Details, Implementation, ModelImplementation

if TYPE_CHECKING:
    from llm_brain.backends.contract import LanguageBackend
    from llm_brain.strategy.signature import FunctionSpec

_override: ContextVar[Implementation | None] = ContextVar("llm_brain_implementation", default=None)


class NamedModel:
    """A model that is known by its name only, and resolved at the first call, so that a decoration loads nothing.

    Args:
        model: What `llm_brain.backends.resolve_model` takes.

    Example:
        >>> NamedModel("local").name
        'local'
    """

    def __init__(self, model: str) -> None:
        from llm_brain.backends.registry import check_model_name

        check_model_name(model)
        self.name = model
        self._resolved: ModelImplementation | None = None
        self._resolving = threading.Lock()

    def resolve(self) -> ModelImplementation:
        """Build the model's implementation; the same one every time."""
        with self._resolving:  # the workers of a `map` come here at once
            if self._resolved is None:
                from llm_brain.backends.registry import resolve_model

                self._resolved = ModelImplementation(resolve_model(self.name))
            return self._resolved

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call by the resolved model."""
        return self.resolve().call(spec, arguments, state=state, sample=sample)


class Given:
    """An implementation that was given with the call itself, and that no scope of `use_model` replaces.

    Args:
        implementation: Who answers.

    Example:
        >>> Given(NamedModel("local")).name
        'local'
    """

    def __init__(self, implementation: Implementation) -> None:
        self.implementation = implementation
        self.name = implementation.name

    def call(
        self, spec: FunctionSpec, arguments: Mapping[str, Any], *, state: Mapping[str, Any] | None = None, sample: int = 0
    ) -> Details[Any]:
        """Answer one call."""
        return self.implementation.call(spec, arguments, state=state, sample=sample)


def as_implementation(model: str | LanguageBackend | Implementation | Any) -> Implementation:
    """Turn whatever names an implementer into one: a model's name, a backend, a LangChain model, an implementation.

    Raises:
        ModelNameError: The name is not one that can be resolved.

    Example:
        >>> as_implementation("local").name
        'local'
    """
    from llm_brain.backends.contract import LanguageBackend

    if isinstance(model, str):
        return NamedModel(model)
    if isinstance(model, LanguageBackend):
        return ModelImplementation(model)
    if isinstance(model, Implementation) and not isinstance(model, type):
        return model
    from llm_brain.backends.registry import resolve_model

    other: Any = model
    return ModelImplementation(resolve_model(other))


def selected_implementation(declared: Implementation) -> Implementation:
    """Return who answers here and now: the scope's choice, or else what was declared.

    Example:
        >>> with use_model("local"):
        ...     selected_implementation(NamedModel("openai:gpt-5-mini")).name
        'smollm2-135m-instruct'
    """
    chosen = _override.get()
    if isinstance(declared, Given):
        chosen = declared.implementation
    elif chosen is None:
        chosen = declared
    return chosen.resolve() if isinstance(chosen, NamedModel) else chosen


@contextmanager
def use_model(model: str | LanguageBackend | Implementation | Any) -> Iterator[None]:
    """Let another model answer all typed functions inside a `with` block, in this thread or task only.

    Example:
        >>> from llm_brain.strategy import Details, llm_strategy
        >>> class Constant:
        ...     name = "constant"
        ...     def call(self, spec, arguments, *, state=None, sample=0):
        ...         return Details("forty-two", self.name)
        >>> @llm_strategy("local")
        ... class Oracle:
        ...     def ask(self, question: str) -> str:
        ...         '''Answer the question.'''
        ...         raise NotImplementedError
        >>> with use_model(Constant()):
        ...     Oracle().ask("What is six times seven?")
        'forty-two'
    """
    token = _override.set(as_implementation(model))
    try:
        yield
    finally:
        with suppress(ValueError):  # a generator was closed in another context, which has gone its own way
            _override.reset(token)
