"""What a classical method learns from the same pairs: TF-IDF and logistic regression, for closed sets and for records.

A record is read field by field, by a model for each: every field's values must be a closed set, as they are here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from benchmarks.teaching.task import Example
from llm_brain.errors import DataError

Answerer = Callable[[Sequence[str]], list[Any]]

FOLDS = 5
WEIGHTS = (0.3, 1.0, 3.0, 10.0, 30.0)


def train_tfidf(pairs: Sequence[Example]) -> Answerer:
    """Train on pairs of a text and its answer; what is returned answers texts.

    Args:
        pairs: Texts with answers: all of one closed set, or all records of one type.

    Raises:
        DataError: There are no pairs.
    """
    if not pairs:
        message = "TF-IDF learns from pairs, and there are none: label the pool first"
        raise DataError(message)
    texts, answers = [text for text, _ in pairs], [answer for _, answer in pairs]
    record = type(answers[0])
    if not issubclass(record, BaseModel):
        return _train_choice(texts, answers)
    fields = {name: _train_choice(texts, [getattr(answer, name) for answer in answers]) for name in record.model_fields}

    def answer_records(asked: Sequence[str]) -> list[Any]:
        columns = {name: answer(asked) for name, answer in fields.items()}
        return [record.model_validate(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]

    return answer_records


def _train_choice(texts: Sequence[str], answers: Sequence[Any]) -> Answerer:
    """Choose by cross-validation how strongly it is regularised, and whether it reads pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    options = sorted(set(answers))
    if len(options) == 1:
        return lambda asked: [options[0]] * len(asked)
    labels = [options.index(answer) for answer in answers]
    steps = [("words", TfidfVectorizer(sublinear_tf=True)), ("choice", LogisticRegression(C=10.0, max_iter=2000))]
    model: Any = Pipeline(steps)
    if min(Counter(labels).values()) >= FOLDS:  # else there are folds without some answer, and nothing to choose by
        model = GridSearchCV(model, {"words__ngram_range": [(1, 1), (1, 2)], "choice__C": list(WEIGHTS)}, cv=FOLDS)
    model.fit(list(texts), labels)
    return lambda asked: [options[index] for index in model.predict(list(asked))] if asked else []
