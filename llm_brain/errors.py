"""Every exception that llm_brain raises on purpose. Each message says what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

FaultKind = Literal[
    "auth",
    "bad_request",
    "connection",
    "content_filter",
    "empty",
    "incomplete",
    "length",
    "not_found",
    "protocol",
    "quota",
    "rate_limit",
    "server",
    "timeout",
    "too_large",
    "validation",
]


class LLMBrainError(Exception):
    """The root of all errors of this package.

    Example:
        >>> issubclass(ModelNameError, LLMBrainError)
        True
    """


class DefinitionError(LLMBrainError, ValueError):
    """An interface cannot be implemented as it is written: a docstring or an annotation is missing, say.

    Raised at decoration, before any call.

    Example:
        >>> raise DefinitionError("`mood` has no docstring")
        Traceback (most recent call last):
        ...
        llm_brain.errors.DefinitionError: `mood` has no docstring
    """


class AnnotationError(DefinitionError, TypeError):
    """A parameter has no annotation, so that neither its argument could be checked nor a model be told what it is.

    Example:
        >>> issubclass(AnnotationError, TypeError), issubclass(AnnotationError, ValueError)
        (True, True)
    """


class ArgumentError(LLMBrainError, ValueError):
    """An argument of a typed function does not fit its declared type. Raised before any model is asked.

    Example:
        >>> issubclass(ArgumentError, ValueError)
        True
    """


class ModelNameError(LLMBrainError, ValueError):
    """A model's name is not one that can be resolved.

    Example:
        >>> from llm_brain.backends import resolve_model
        >>> resolve_model("lokal")
        Traceback (most recent call last):
        ...
        llm_brain.errors.ModelNameError: unknown model 'lokal': did you mean 'local'? Known: 'local', ...
    """


class MissingKeyError(LLMBrainError):
    """A hosted model was named and no key for it is set.

    Example:
        >>> issubclass(MissingKeyError, LLMBrainError)
        True
    """


class MissingDependencyError(LLMBrainError, ImportError):
    """An optional package is not installed. The message holds the command that installs it.

    Example:
        >>> missing_dependency("transformers", extra="local")
        MissingDependencyError("transformers is not installed; install it with: pip install 'llm_brain[local]'")
    """


class WeightsError(LLMBrainError):
    """A model's files are absent, or are not what their hash says they should be.

    Example:
        >>> issubclass(WeightsError, LLMBrainError)
        True
    """


class DataError(LLMBrainError, ValueError):
    """A data file or a record in it cannot be used.

    Example:
        >>> issubclass(DataError, ValueError)
        True
    """


class CheckpointError(LLMBrainError):
    """A checkpoint is foreign, damaged, or of another shape than the brain that should take it.

    Example:
        >>> issubclass(CheckpointError, LLMBrainError)
        True
    """


class BudgetError(LLMBrainError):
    """A declared budget (of calls, say) is spent. Nothing was asked beyond it.

    Example:
        >>> issubclass(BudgetError, LLMBrainError)
        True
    """


class BackendError(LLMBrainError):
    """A language model did not give a usable answer.

    Attributes:
        kind: What happened, one of `FaultKind`.
        retryable: Whether the same request may succeed later.
        raw: The last text that the model gave, where there was one.
        attempts: One line for each reply that was asked for.

    Example:
        >>> error = BackendError("the server answered 503", kind="server", retryable=True)
        >>> error.kind, error.retryable, error.raw
        ('server', True, None)
    """

    def __init__(
        self,
        message: str,
        *,
        kind: FaultKind,
        retryable: bool = False,
        raw: str | None = None,
        attempts: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.retryable = retryable
        self.raw = raw
        self.attempts = tuple(attempts)

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied and pickled by its positional arguments alone, which would lose the keywords.
        return _rebuild, (type(self), str(self), vars(self))


class ReplyError(BackendError):
    """The model's replies do not fit the declared return type, after all the attempts that were allowed.

    Attributes:
        conversation: The last question as it was put, and the reply to it: messages, oldest first.
        invalid: The value that was read out of the last reply and does not fit; None where none could be read.

    Example:
        >>> ReplyError("not an int", raw="forty", attempts=["not an int"]).kind
        'validation'
    """

    def __init__(
        self,
        message: str,
        *,
        raw: str,
        attempts: Sequence[str] = (),
        conversation: Sequence[Any] = (),
        invalid: Any = None,
    ) -> None:
        super().__init__(message, kind="validation", raw=raw, attempts=attempts)
        self.conversation = tuple(conversation)
        self.invalid = invalid


def _rebuild(kind: type[BackendError], message: str, fields: dict[str, object]) -> BackendError:
    error = kind.__new__(kind, message)
    vars(error).update(fields)
    return error


def missing_dependency(package: str, *, extra: str) -> MissingDependencyError:
    """Build the error for an optional package that is not installed.

    Example:
        >>> str(missing_dependency("matplotlib", extra="report"))
        "matplotlib is not installed; install it with: pip install 'llm_brain[report]'"
    """
    return MissingDependencyError(f"{package} is not installed; install it with: pip install 'llm_brain[{extra}]'")
