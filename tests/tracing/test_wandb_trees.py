"""Which trees of spans are put together, and which of them are kept."""

from hypothesis import given
from hypothesis import strategies as st

from llm_brain.tracing import SpanRecord, names
from llm_brain.tracing.wandb_trees import MAX_TREE, MAX_WAITING, Forest, Sample, Tree


def made(
    span_id: str, parent: str | None = None, kind: str | None = None, *, seconds: float = 1, failed: bool = False
) -> SpanRecord:
    told = {} if kind is None else {names.KIND: kind}
    return SpanRecord("t", span_id, parent, span_id, 0, int(seconds * 1e9), "error" if failed else "ok", told)


def grown(*spans: SpanRecord) -> list[Tree]:
    forest = Forest()
    whole = [tree for one in spans for tree in forest.add(one)]
    return [*whole, *forest.rest()]


def shape(tree: Tree) -> object:
    return {tree.span.span_id: [shape(child) for child in tree.children]} if tree.children else tree.span.span_id


def test_children_come_first_and_find_their_parents() -> None:
    spans = (made("call", "repair"), made("repair", "function"), made("first", "function"), made("function"))
    assert [shape(tree) for tree in grown(*spans)] == [{"function": [{"repair": ["call"]}, "first"]}]


def test_what_holds_any_number_of_spans_is_no_tree() -> None:
    spans = (made("a", "epoch"), made("b", "epoch"), made("epoch", "study", "epoch"), made("study", None, "study"))
    assert [shape(tree) for tree in grown(*spans)] == ["a", "b"]


def test_the_trees_inside_a_span_that_has_not_ended_are_shown_at_the_end() -> None:
    assert [shape(tree) for tree in grown(made("call", "function"), made("function", "main"))] == [{"function": ["call"]}]


def test_a_tree_with_a_failed_span_in_it_has_failed() -> None:
    [tree] = grown(made("attempt", "call", failed=True), made("call", "function"), made("function"))
    assert tree.failed


def test_of_many_spans_inside_one_some_are_left_out_and_counted() -> None:
    forest = Forest()
    early = [tree for number in range(1_000) for tree in forest.add(made(str(number), "script"))]
    [script] = forest.add(made("script"))
    assert len(early) == 1_000 - MAX_TREE
    assert (script.size, script.left_out) == (MAX_TREE, 1)


def test_spans_that_wait_for_parents_that_never_come_are_bounded() -> None:
    forest = Forest()
    early = sum(len(list(forest.add(made(str(number), f"parent {number}")))) for number in range(3 * MAX_WAITING))
    assert early == 2 * MAX_WAITING
    assert len(list(forest.rest())) == MAX_WAITING


def test_long_texts_are_cut() -> None:
    told = {"text": "x" * 10_000, "list": list(range(1_000)), "deep": [[[[[[[["x"]]]]]]]]}
    [tree] = grown(SpanRecord("t", "s", None, "chat", 0, 1, "error", told, {"type": "E", "message": "y" * 10_000}))
    assert len(str(tree.span)) < 3_000
    assert tree.span.attributes["text"].endswith("… (9000 more characters)")


def test_failed_slow_and_some_others_are_kept_and_none_of_them_twice() -> None:
    sample = Sample(size=2)
    for number in range(100):
        sample.offer(Tree(made(f"{number}", seconds=number, failed=number in {5, 50, 55})))
    kept = [(reason, tree.span.span_id) for reason, tree in sample.kept()]
    assert [number for reason, number in kept if reason == "failed"] == ["50", "55"]
    assert sorted(number for reason, number in kept if reason == "slow") == ["98", "99"]
    assert 1 <= len([reason for reason, _ in kept if reason == "sample"]) <= 2
    assert len({number for _, number in kept}) == len(kept)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9), st.sampled_from([None, "epoch", "call"])), max_size=30)
)
def test_no_span_is_lost_and_none_is_shown_twice(links: list[tuple[int, int | None, str | None]]) -> None:
    spans = [made(str(name), None if parent is None else str(parent), kind) for name, parent, kind in links]
    shown = sum(tree.size + tree.left_out for tree in grown(*spans))
    assert shown == sum(one.kind != "epoch" for one in spans)
