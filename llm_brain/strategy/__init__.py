"""Typed functions: from a callable to a signature, a prompt, a reply and a checked value.

In the order of a call:

    decorator, explicit (decoration)     wrap a class's members, or a function, once; `views` is what type checkers see
    inspection, signature, parameters    what a function says (`annotations`: its types; `declarations`: examples, sampling)
    function, asynchronous, mapping      what is called; `answering` puts each call into its span
    selection, implementation            who answers; `calibration` takes a model's lean out
    prompt, schemas, texts               how a language model is asked; `public_state`: told of `self`; `hiding`: kept back
    parsing (reading), partial (shapes)  how its reply becomes a value, whole or while it grows
    conversation, transcripts            several questions in a row
    words                                values and errors as a model reads them

What does not live here: models and caches (backends), and anything that learns (training).
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.strategy.annotations.hidden import Hidden as Hidden
    from llm_brain.strategy.asynchronous import AsyncTypedFunction as AsyncTypedFunction
    from llm_brain.strategy.conversation import Conversation as Conversation
    from llm_brain.strategy.conversation import NoReplyError as NoReplyError
    from llm_brain.strategy.declarations import Example as Example
    from llm_brain.strategy.declarations import Likelihood as Likelihood
    from llm_brain.strategy.declarations import examples as examples
    from llm_brain.strategy.declarations import sampled as sampled
    from llm_brain.strategy.decorator import llm_strategy as llm_strategy
    from llm_brain.strategy.explicit import ExplicitFunction as ExplicitFunction
    from llm_brain.strategy.explicit import ModelFunction as ModelFunction
    from llm_brain.strategy.explicit import llm_explicit_function as llm_explicit_function
    from llm_brain.strategy.explicit import llm_function as llm_function
    from llm_brain.strategy.function import TypedFunction as TypedFunction
    from llm_brain.strategy.implementation import Details as Details
    from llm_brain.strategy.implementation import Implementation as Implementation
    from llm_brain.strategy.implementation import ModelImplementation as ModelImplementation
    from llm_brain.strategy.inspection import inspect_function as inspect_function
    from llm_brain.strategy.selection import use_model as use_model
    from llm_brain.strategy.signature import FunctionSpec as FunctionSpec
    from llm_brain.strategy.texts import tunable_texts as tunable_texts
    from llm_brain.strategy.texts import use_texts as use_texts
    from llm_brain.strategy.transcripts import transcript_tree as transcript_tree
    from llm_brain.strategy.views import Strategy as Strategy
    from llm_brain.strategy.views import typed as typed

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AsyncTypedFunction": "asynchronous",
        "Conversation": "conversation",
        "Details": "implementation",
        "Example": "declarations",
        "ExplicitFunction": "explicit",
        "FunctionSpec": "signature",
        "Hidden": "annotations.hidden",
        "Implementation": "implementation",
        "Likelihood": "declarations",
        "ModelFunction": "explicit",
        "ModelImplementation": "implementation",
        "NoReplyError": "conversation",
        "Strategy": "views",
        "TypedFunction": "function",
        "examples": "declarations",
        "inspect_function": "inspection",
        "llm_explicit_function": "explicit",
        "llm_function": "explicit",
        "llm_strategy": "decorator",
        "sampled": "declarations",
        "transcript_tree": "transcripts",
        "tunable_texts": "texts",
        "typed": "views",
        "use_model": "selection",
        "use_texts": "texts",
    },
)
