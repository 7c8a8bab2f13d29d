"""A teacher's methods, whatever their parameters are called, as what training asks for: write a pair, evaluate, score, rank.

A teacher is any object with some of these methods, typed functions or plain Python; its parameter names are its own.

    generate_training_pair(...)               called by the names that it is varied by
    evaluate_output(ARGUMENTS, answer)        the arguments of the function in order where it takes so many, or else their text
    score_validation(ARGUMENTS, answer)       the same
    rank_outputs(ARGUMENTS, outputs)          the same, with several answers

A value that is no text is written as JSON for a parameter that is annotated `str`. What a teacher has not is done by the standard
one, through the function's own model: an answer of a closed set is as good as the model finds it likely, any other is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from llm_brain.errors import ArgumentError, DefinitionError, LLMBrainError
from llm_brain.strategy.asynchronous import AsyncTypedFunction, awaits
from llm_brain.strategy.function import TypedFunction
from llm_brain.training.calls import answer_text, call_of, call_text, state_line, state_of
from llm_brain.training.describing import described
from llm_brain.training.likelihoods import Likelihoods
from llm_brain.training.many import Tick, answered
from llm_brain.training.methods import arranged, forgiving, parameters_of, ranking, score_of
from llm_brain.training.teacher import Evaluation, Teacher, standard_evaluator, standard_writer, task_text
from llm_brain.training.written import checked_answer, taken_apart

Written = tuple[dict[str, Any], Any]
METHODS: Final = ("generate_training_pair", "evaluate_output", "score_validation", "rank_outputs")


class Teaching:
    """The teacher of one function.

    Args:
        teacher: An object with some of `METHODS`; None: the standard teacher, by the function's own model.
        function: What is taught: bound to an object where it is a method.
        keep: Is given each method that is a typed function, and gives the one that is called: one that keeps answers, say.

    Raises:
        DefinitionError: The teacher has none of the methods, is a class, awaits, or takes other arguments than the function's.

    Example:
        >>> from llm_brain.strategy import llm_strategy
        >>> @llm_strategy("local")
        ... def mood(message: str) -> bool:
        ...     '''Tell whether the customer is happy.'''
        >>> class Rules:
        ...     def evaluate_output(self, message, happy):
        ...         return 1.0 if happy == ("good" in message) else 0.0
        ...     def generate_training_pair(self, product):
        ...         return f"A good {product}.", True
        >>> teaching = Teaching(Rules(), mood)
        >>> teaching.evaluate({"message": "It is good."}, True), teaching.write(product="kettle")
        (1.0, ({'message': 'A good kettle.'}, True))
    """

    def __init__(
        self,
        teacher: object | None,
        function: TypedFunction[..., Any],
        *,
        keep: Callable[[TypedFunction[..., Any]], TypedFunction[..., Any]] = lambda method: method,
    ) -> None:
        if not isinstance(function, TypedFunction):
            message = f"{function!r} is no typed function that can be called without awaiting it: declare it with `def`"
            raise DefinitionError(message)
        if function.spec.takes_self and function.instance is None:
            message = f"{function.spec.qualified_name} is a method: teach that of an object, as in `{function.spec.name}` of one"
            raise DefinitionError(message)
        self.function = function
        methods = [_method(teacher, name) for name in METHODS]
        self._writer, self._evaluator, self._scorer, self._ranker = (
            keep(method) if isinstance(method, TypedFunction) else method for method in methods
        )
        if teacher is not None and not any(
            (self._writer, self._evaluator, self._scorer, self._ranker, isinstance(teacher, Teacher))
        ):
            message = f"the teacher {teacher!r:.100} has none of the methods {', '.join(METHODS)}"
            raise DefinitionError(message)
        width = len(function.spec.parameters)
        for method in (self._evaluator, self._scorer, self._ranker):
            if method is not None and not _is_standard(method):
                arranged(method, width)  # said now, and not after the first pairs are paid for
        self._likelihoods = Likelihoods(function)
        self.rank: Callable[[Mapping[str, Any], Sequence[Any]], list[int]] | None = None if self._ranker is None else self._rank

    def evaluate(self, arguments: Mapping[str, Any], answer: Any) -> float:
        """Tell how good an answer is, between 0 and 1.

        Args:
            arguments: The call's, by name.
            answer: A value of the function's return type.

        Raises:
            BackendError: The score is none between 0 and 1, or there is none.
            LLMBrainError: The evaluation failed for another reason.
        """
        if self._evaluator is not None and not _is_standard(self._evaluator):
            return score_of(self._asked(self._evaluator, arguments, answer), self._evaluator)
        if self._evaluator is None:
            likely = self._likelihoods.of(arguments, answer)
            if likely is not None:
                return likely
        return self._standard(task_text(self.function.spec, self._text(arguments)), answer_text(answer)).score

    def write(self, **varied: str) -> Written:
        """Have one pair written.

        Args:
            varied: What it is varied by, as the teacher's `generate_training_pair` names it.

        Returns:
            The checked arguments of a call, and the right answer to it.

        Raises:
            DefinitionError: The method has other parameters, or returns something that is no pair for this function.
            LLMBrainError: There is no pair, or it does not fit the function's types.
        """
        (told,) = self.write_all([varied])
        if isinstance(told, LLMBrainError):
            raise told
        return told

    def write_all(self, varied: Sequence[Mapping[str, str]], tick: Tick | None = None) -> list[Written | LLMBrainError]:
        """Have many pairs written at once; combinations that stand there several times are several samples.

        Args:
            varied: For each pair what it is varied by, all by the same names.
            tick: Called after each.

        Returns:
            For each the arguments and the answer, or why there is none.

        Raises:
            DefinitionError: The method has other parameters.
            LLMBrainError: An error that concerns all calls.
        """
        names = list(varied[0]) if varied else []
        writer = self._writer
        inputs: list[Mapping[str, Any]] = list(varied)
        if writer is None or _is_standard(writer):
            state = state_of(self.function)
            task = task_text(self.function.spec, state_line(state) if state else "")
            writer = standard_writer(self.function.spec, names, (writer or self.function).implementation)
            inputs = [{"task": task, **one} for one in varied]
        else:
            _check_names(writer, names)
        told = answered(writer, inputs, tick)
        return [reply if isinstance(reply, LLMBrainError) else self._understood(reply) for reply in told]

    def score(self, arguments: Mapping[str, Any], answer: Any) -> float:
        """Tell how good an answer to a held-out call is: by `score_validation`, or `evaluate_output` where there is none.

        Raises:
            BackendError: The score is none between 0 and 1, or there is none.
            LLMBrainError: It failed for another reason.
        """
        if self._scorer is None:
            return self.evaluate(arguments, answer)
        return score_of(self._asked(self._scorer, arguments, answer), self._scorer)

    def describe(self) -> list[Any]:
        """Say in JSON who evaluates, scores and ranks, so that a training goes on only where this is the same."""
        asked = [self._evaluator, self._scorer, self._ranker]
        if self._evaluator is None or _is_standard(self._evaluator):
            asked.append(self.function)  # its model judges, by what it is asked to do
        return [described(method) for method in asked]

    @cached_property
    def _standard(self) -> TypedFunction[[str, str], Evaluation]:
        return standard_evaluator((self._evaluator or self.function).implementation)

    def _rank(self, arguments: Mapping[str, Any], answers: Sequence[Any]) -> list[int]:
        if self._ranker is None:
            message = "the teacher has no `rank_outputs`"
            raise DefinitionError(message)
        return ranking(self._asked(self._ranker, arguments, list(answers)), len(answers))

    def _asked(self, method: Callable[..., Any], arguments: Mapping[str, Any], last: Any) -> Any:
        place = arranged(method, len(self.function.spec.parameters))
        args, kwargs = call_of(self.function.spec, arguments)
        given = [*args, *kwargs.values()]
        return method(*place([self._text(arguments)] if place.is_text else given, last))

    def _text(self, arguments: Mapping[str, Any]) -> str:
        return call_text(self.function.spec, arguments, state_of(self.function))

    def _understood(self, reply: Any) -> Written | LLMBrainError:
        spec = self.function.spec
        given, answer = taken_apart(reply, spec)
        try:
            args, kwargs = call_of(spec, given)
            return spec.bind(args, kwargs), checked_answer(answer, spec)
        except ArgumentError as error:
            return error
        except TypeError as error:
            return ArgumentError(f"{spec.qualified_name}: {error}")


def _method(teacher: object | None, name: str) -> Any:
    """Find a method of the teacher; None where it has it not, or only inherits the question of the standard one."""
    if isinstance(teacher, type):
        message = f"the teacher {teacher.__qualname__} is a class: hand in an object of it"
        raise DefinitionError(message)
    method: Any = getattr(teacher, name, None)
    if method is None or getattr(method, "__func__", None) is vars(Teacher).get(name, ...):
        return None
    if isinstance(method, AsyncTypedFunction) or not callable(method) or awaits(method):
        message = f"`{name}` of the teacher is called from several threads, which do not await: declare it with `def`"
        raise DefinitionError(message)
    return method if isinstance(method, TypedFunction) else forgiving(method)


def _is_standard(method: Any) -> bool:
    """Tell whether a method is the standard teacher's own, implemented by somebody: it is asked with the function's types."""
    return isinstance(method, TypedFunction) and method.spec.function in (
        vars(Teacher)["evaluate_output"],
        vars(Teacher)["generate_training_pair"],
    )


def _check_names(writer: Callable[..., Any], names: Sequence[str]) -> None:
    known = parameters_of(writer)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    unknown = [name for name in names if name not in known and not takes_any]
    missing = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty
        and name not in names
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    if unknown or missing:
        what = f"has no parameter `{unknown[0]}`" if unknown else f"needs `{missing[0]}`"
        message = f"`generate_training_pair` {what}: vary the pairs by {', '.join(known) or 'nothing'}"
        raise DefinitionError(message)
