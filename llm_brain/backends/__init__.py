"""Language models behind one contract, and layers around them.

    contract                  what goes in and what comes out
    registry                  from a model's name to a backend
    traced, cached            layers, each a backend around a backend, in this order; `layer` is what they share, `keeping` what
                              keeps answers has in common (answers: the file; flights: the same question asked at once)
    local                     a model on this machine: batching, engine, sampler and grammar are its parts
    embedded                  the one model that works without a key: fetched once, checked, converted
    openai                    OpenAI and every compatible server (openai_stream, openai_client, pieces)
    http, address, faults     the way to a server, and what goes wrong there
    langchain                 any model of LangChain's, and ours as LangChain's (langchain_models, langchain_messages)
    recorded (recording)      what a model answered once, without the model
    asking, portal            one body for blocking and awaited calls; an event loop for those who do not await
    estimate                  token counts where there is no tokenizer

What does not live here: prompts and the parsing of typed values (strategy), and anything about training.
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.attempts import Attempt as Attempt
    from llm_brain.attempts import Usage as Usage
    from llm_brain.backends.answers import CacheWarning as CacheWarning
    from llm_brain.backends.anthropic import AnthropicBackend as AnthropicBackend
    from llm_brain.backends.budget import BudgetedBackend as BudgetedBackend
    from llm_brain.backends.cached import CachedBackend as CachedBackend
    from llm_brain.backends.config_settings import Settings as Settings
    from llm_brain.backends.configs import load_config as load_config
    from llm_brain.backends.configs import load_settings as load_settings
    from llm_brain.backends.configs import register_backend as register_backend
    from llm_brain.backends.contract import Choice as Choice
    from llm_brain.backends.contract import Embeddings as Embeddings
    from llm_brain.backends.contract import LanguageBackend as LanguageBackend
    from llm_brain.backends.contract import Message as Message
    from llm_brain.backends.contract import Reply as Reply
    from llm_brain.backends.contract import Request as Request
    from llm_brain.backends.contract import Sampling as Sampling
    from llm_brain.backends.environment import ConfigWarning as ConfigWarning
    from llm_brain.backends.fitting import FittedBackend as FittedBackend
    from llm_brain.backends.hosted import HostedBackend as HostedBackend
    from llm_brain.backends.human import HumanBackend as HumanBackend
    from llm_brain.backends.langchain import LangChainBackend as LangChainBackend
    from llm_brain.backends.langchain_models import as_chat_model as as_chat_model
    from llm_brain.backends.langchain_models import as_llm as as_llm
    from llm_brain.backends.layer import Layer as Layer
    from llm_brain.backends.limits import Limits as Limits
    from llm_brain.backends.local import LocalBackend as LocalBackend
    from llm_brain.backends.openai import OpenAIBackend as OpenAIBackend
    from llm_brain.backends.recorded import RecordedBackend as RecordedBackend
    from llm_brain.backends.recorded import Recorder as Recorder
    from llm_brain.backends.registry import resolve_model as resolve_model
    from llm_brain.backends.spending import Budget as Budget
    from llm_brain.backends.spending import Left as Left
    from llm_brain.backends.spending import Spent as Spent
    from llm_brain.backends.traced import TracedBackend as TracedBackend

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AnthropicBackend": "anthropic",
        "Attempt": "contract",
        "Budget": "spending",
        "BudgetedBackend": "budget",
        "CacheWarning": "answers",
        "CachedBackend": "cached",
        "ConfigWarning": "environment",
        "Choice": "contract",
        "Embeddings": "contract",
        "FittedBackend": "fitting",
        "HostedBackend": "hosted",
        "HumanBackend": "human",
        "LangChainBackend": "langchain",
        "LanguageBackend": "contract",
        "Layer": "layer",
        "Left": "spending",
        "Limits": "limits",
        "LocalBackend": "local",
        "Message": "contract",
        "OpenAIBackend": "openai",
        "RecordedBackend": "recorded",
        "Recorder": "recorded",
        "Settings": "configs",
        "load_config": "configs",
        "load_settings": "configs",
        "register_backend": "configs",
        "Reply": "contract",
        "Request": "contract",
        "Sampling": "contract",
        "Spent": "spending",
        "TracedBackend": "traced",
        "Usage": "contract",
        "as_chat_model": "langchain_models",
        "as_llm": "langchain_models",
        "resolve_model": "registry",
    },
)
