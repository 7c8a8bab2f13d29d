"""Every exception that llm_brain raises on purpose. Each message says what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_brain.attempts import Attempt, FaultKind, Usage


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


class CollectorError(LLMBrainError):
    """An OpenTelemetry collector cannot be reached, or takes no spans. They are still in the run's folder.

    Attributes:
        retryable: Whether the same spans may be taken later.
        status: The HTTP status, where there was an answer.
        sent: How many spans it had taken until then.
        rejected: How many it had refused.

    Example:
        >>> error = CollectorError("the collector answered 401: give it a key", status=401)
        >>> error.retryable, error.status, error.sent
        (False, 401, 0)
    """

    def __init__(
        self, message: str, *, retryable: bool = False, status: int | None = None, sent: int = 0, rejected: int = 0
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.status = status
        self.sent = sent
        self.rejected = rejected


class ExecutorError(LLMBrainError, RuntimeError):
    """An executor cannot take work: it was not entered, or its workers cannot be started or reached.

    Example:
        >>> issubclass(ExecutorError, RuntimeError)
        True
    """


class WorkerDiedError(ExecutorError):
    """A piece of work ended the process that it ran in, at every attempt: by a crash, for want of memory, or by leaving it.

    Example:
        >>> issubclass(WorkerDiedError, ExecutorError)
        True
    """


class NotPicklableError(ExecutorError, TypeError):
    """A function, its argument or what came of it cannot go from one process to another.

    Example:
        >>> issubclass(NotPicklableError, TypeError)
        True
    """


class CheckpointError(LLMBrainError):
    """A checkpoint is foreign, damaged, or of another shape than the brain that should take it.

    Example:
        >>> issubclass(CheckpointError, LLMBrainError)
        True
    """


class BackendError(LLMBrainError):
    """A language model did not give a usable answer.

    Attributes:
        kind: What happened, one of `FaultKind`.
        retryable: Whether the same request may succeed later.
        raw: The last text that the model gave, where there was one.
        attempts: What was tried, a failed request each, oldest first.
        usage: Tokens of all attempts, as far as the server told them; None where it told none.
        code: The provider's own word for it; "context_length_exceeded" for a prompt that is too long, whoever says so.
        status: The HTTP status, where there was an answer.
        retry_after: In how many seconds the server wants to be asked again, where it said so.
        perhaps_billed: Whether the model may have answered and only its answer was lost.

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
        attempts: Sequence[Attempt] = (),
        usage: Usage | None = None,
        code: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        perhaps_billed: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.retryable = retryable
        self.raw = raw
        self.attempts = tuple(attempts)
        self.usage = usage
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.perhaps_billed = perhaps_billed

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied and pickled by its positional arguments alone, which would lose the keywords.
        return _rebuild, (type(self), str(self), vars(self))


class BudgetError(BackendError):
    """A declared budget (of calls, tokens, money or seconds) is spent. Nothing was asked beyond it.

    Attributes:
        results: What had been answered until then, in the order of the inputs and None where nothing was, by whoever makes
            many calls, as `map` does; empty elsewhere.

    Example:
        >>> error = BudgetError("all 100 calls are spent")
        >>> error.kind, error.retryable, error.results
        ('budget', False, ())
    """

    def __init__(self, message: str, *, results: Sequence[Any] = ()) -> None:
        super().__init__(message, kind="budget")
        self.results = tuple(results)


class ReplyError(BackendError):
    """The model's replies do not fit the declared return type, after all the attempts that were allowed.

    Attributes:
        conversation: The last question as it was put, and the reply to it: messages, oldest first.
        invalid: The value that was read out of the last reply and does not fit; None where none could be read.

    Example:
        >>> ReplyError("not an int", raw="forty").kind
        'validation'
    """

    def __init__(
        self,
        message: str,
        *,
        raw: str,
        attempts: Sequence[Attempt] = (),
        usage: Usage | None = None,
        conversation: Sequence[Any] = (),
        invalid: Any = None,
    ) -> None:
        super().__init__(message, kind="validation", raw=raw, attempts=attempts, usage=usage)
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
