"""What the places of a call say about a type variable, and the one type on which they agree.

Claims are outright (`a: T`, `G[int]` for `G[T]`, `type[T]`) or implied by the elements of a container or the fields of an
object. Where one is outright, the implied ones must only be within it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import GenericAlias
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin

from llm_brain.errors import ArgumentError
from llm_brain.strategy.annotations.names import type_name
from llm_brain.strategy.annotations.parts import arguments_of, is_union, origin_of, union


class Claim(NamedTuple):
    """What one place says.

    Attributes:
        kind: The type.
        place: Where it was found, as `items[2]`.
        is_implied: Whether it came out of a container or an object's fields.
        is_read: Whether the type was read off a value, rather than declared by a class.
        gives_way: Whether it says nothing where another one is outright: it comes from the object whose method is called.

    Example:
        >>> Claim(int, "items[2]", is_implied=True, is_read=True).place
        'items[2]'
    """

    kind: Any
    place: str
    is_implied: bool
    is_read: bool
    gives_way: bool = False


class Claims:
    """Gathers claims.

    Args:
        fixed: Variables that are known already, about which nobody is asked.

    Example:
        >>> Item = TypeVar("Item")
        >>> claims = Claims({})
        >>> claims.implied().add(Item, int, "items[0]")
        >>> claims.settled()
        {~Item: <class 'int'>}
        >>> claims.add(Item, float, "item")
        >>> claims.settled()
        {~Item: <class 'float'>}
    """

    def __init__(self, fixed: Mapping[TypeVar, Any]) -> None:
        self.fixed = fixed
        self.is_implied = False
        self.gives_way = False
        self._found: dict[TypeVar, list[Claim]] = {}

    def implied(self, *, gives_way: bool = False) -> Claims:
        """Give a view of these through which all claims are implied ones."""
        view = Claims(self.fixed)
        view.is_implied, view.gives_way, view._found = True, self.gives_way or gives_way, self._found
        return view

    def add(self, variable: TypeVar, kind: Any, place: str, *, is_read: bool = True) -> None:
        """Note what a place says; a variable or `Any` says nothing."""
        if variable in self.fixed or isinstance(kind, TypeVar) or kind is Any:
            return
        claim = Claim(_constrained(variable, kind), place, self.is_implied, is_read, self.gives_way)
        claims = self._found.setdefault(variable, [])
        if all(known[0] != claim[0] or known[2:] != claim[2:] for known in claims):
            claims.append(claim)

    def settled(self) -> dict[TypeVar, Any]:
        """Return the type of each variable.

        Raises:
            ArgumentError: Two places contradict each other, or a type is outside its variable's bound or constraints.
        """
        return {**self.fixed, **{variable: _agreed(variable, claims) for variable, claims in self._found.items()}}


def union_of(kinds: Iterable[Any]) -> Any:
    """Return the type of values that have these types: the wider one of those that are related, and a union of the others.

    Example:
        >>> union_of([int, float, str, list[int], list[str]])
        float | str | list[int | str]
    """
    found: list[Any] = []
    for kind in kinds:
        for place, known in enumerate(found):
            wider = _wider(known, kind, is_read=True)
            if wider is not None:
                found[place] = wider
                break
        else:
            found.append(kind)
    return union(found)


def bare(annotation: Any) -> Any:
    """Return a type without the notes of `Annotated`.

    Example:
        >>> bare(Annotated[int, "a note"])
        <class 'int'>
    """
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _agreed(variable: TypeVar, claims: list[Claim]) -> Any:
    outright = [claim for claim in claims if not claim.is_implied]
    # A class that others are derived from comes before them.
    first, *others = sorted(outright or claims, key=lambda claim: len(getattr(claim.kind, "__mro__", ())))
    kind, is_read = first.kind, first.is_read
    for other in others:
        is_read = is_read and other.is_read
        wider = _wider(kind, other.kind, is_read=is_read)
        if wider is None:
            raise _contradiction(variable, kind, first.place, other)
        kind = wider
    for implied in claims if outright else ():
        if implied.is_implied and not implied.gives_way and not _holds(kind, implied.kind):
            raise _contradiction(variable, kind, first.place, implied)
    _check_limits(variable, kind, first.place)
    return kind


def _contradiction(variable: TypeVar, kind: Any, place: str, other: Claim) -> ArgumentError:
    places = f"{type_name(kind)} (`{place}`) and {type_name(other.kind)} (`{other.place}`)"
    return ArgumentError(f"`{variable.__name__}` cannot be two types at once: {places}")


def _holds(kind: Any, other: Any) -> bool:
    """Tell whether all values of another type are values of this one."""
    if is_union(bare(other)):
        return all(_holds(kind, member) for member in _members(other))
    if is_union(bare(kind)):
        return any(_holds(member, other) for member in _members(kind))
    wider = _wider(kind, other, is_read=True)
    if wider is None or bare(wider) == bare(kind):
        return wider is not None
    return origin_of(bare(wider)) is bare(kind)  # the type of an empty list, which others fill


def _wider(one: Any, other: Any, *, is_read: bool) -> Any:
    """Return the type that holds the values of both, None where neither does. Containers are joined where they were read off."""
    if bare(one) == bare(other):
        return one if get_origin(one) is Annotated else other
    if is_union(bare(one)) or is_union(bare(other)):
        larger, smaller = sorted((one, other), key=lambda kind: -len(_members(kind)))
        return larger if set(_members(smaller)) <= set(_members(larger)) else None
    origin = origin_of(bare(one))
    arguments = arguments_of(bare(one))
    other_origin, other_arguments = origin_of(bare(other)), arguments_of(bare(other))
    if origin is not other_origin:
        return next((wider for wider, kind in ((one, other), (other, one)) if _is_subclass(kind, bare(wider))), None)
    if not (arguments and other_arguments):  # that of an empty list
        return one if arguments else other
    if is_read and origin in (list, set, frozenset, dict):
        return GenericAlias(origin, tuple(map(union_of, zip(arguments, other_arguments, strict=True))))
    return None


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(bare(annotation)) if is_union(bare(annotation)) else (annotation,)


def _is_subclass(kind: Any, wider: Any) -> bool:
    """Tell whether all values of a type are values of a class: an int is a float, and a bool is only a bool."""
    if kind is bool or wider is bool:
        return kind is wider
    if kind is int and wider is float:
        return True
    kind = get_origin(bare(kind)) or bare(kind)
    return isinstance(kind, type) and isinstance(wider, type) and get_origin(wider) is None and issubclass(kind, wider)


def _constrained(variable: TypeVar, kind: Any) -> Any:
    """Return the constraint of a variable that a type fulfils, and the type itself where there is none."""
    constraints = variable.__constraints__
    if not constraints or kind in constraints:
        return kind
    return next((allowed for allowed in constraints if _is_within(kind, allowed)), kind)


def _check_limits(variable: TypeVar, kind: Any, place: str) -> None:
    constraints, bound = variable.__constraints__, variable.__bound__
    if constraints and kind not in constraints:
        allowed = f"one of {', '.join(map(type_name, constraints))}"
    elif bound is not None and not _is_within(kind, bound):
        allowed = type_name(bound)
    else:
        return
    message = f"`{variable.__name__}` is {type_name(kind)} (`{place}`), and should be {allowed}"
    raise ArgumentError(message)


def _is_within(kind: Any, bound: Any) -> bool:
    if is_union(kind):
        return all(_is_within(member, bound) for member in get_args(kind))
    if is_union(bound):
        return any(_is_within(kind, member) for member in get_args(bound))
    kind, bound = origin_of(bare(kind)), origin_of(bare(bound))
    try:
        return issubclass(kind, bound) or (kind is int and bound is float)
    except TypeError:  # a name that is not defined yet, or a protocol that cannot tell
        return True
