"""Heads: from what was read to an answer, one head a type of answer.

    build           the head that an answer's type asks for
    record          several answers at once
    text            a text, which the brain's own network writes
    number          a number in a range
    choice          one of a closed set
    distribution    what every head gives: an immutable distribution
    answers         the types of answers, as values that JSON can hold

What does not live here: what an answer means to Python. `training.answers` turns the return type of a function into an answer's
type, and values into targets and back.
"""
