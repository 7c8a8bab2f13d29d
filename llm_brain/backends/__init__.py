"""Language models behind one contract, and layers around them.

    contract          what goes in and what comes out
    registry          from a model's name, a folder or a config to a backend in its layers
    asking, portal    one body for blocking and awaited calls; an event loop for those who do not await
    embedded          the one model that works without a key: fetched once, checked, converted
    options           which of several texts a reply in words names
    estimate          token counts where there is no tokenizer

    hosted/           models behind HTTP: one call with its deadline, retries, limits, streams and faults
    openai/           OpenAI and every compatible server: such a model's dialect
    anthropic/        Anthropic's dialect
    langchain/        any model of LangChain's, and ours as LangChain's
    local/            a model on this machine: batches, kept prefixes, replies held to a schema
    human/            a person at a terminal
    cache/            answers that are kept, and recordings that stand for a model
    layers/           spans, budgets, prices, prompts that are cut to fit; each a backend around a backend
    configuration/    models by name and from YAML; the environment's keys; folders of weights

Around a model stand, from the outside in: traced, cached, budgeted. Limits and retries live inside of hosted models, beside the
socket that they bound.

What does not live here: prompts and the parsing of typed values (strategy), and anything about training.
"""

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.attempts import Attempt as Attempt
    from llm_brain.attempts import Usage as Usage
    from llm_brain.backends.anthropic.backend import AnthropicBackend as AnthropicBackend
    from llm_brain.backends.cache.answers import CacheWarning as CacheWarning
    from llm_brain.backends.cache.backend import CachedBackend as CachedBackend
    from llm_brain.backends.cache.recorded import RecordedBackend as RecordedBackend
    from llm_brain.backends.cache.recorded import Recorder as Recorder
    from llm_brain.backends.configuration.environment import ConfigWarning as ConfigWarning
    from llm_brain.backends.configuration.loading import load_config as load_config
    from llm_brain.backends.configuration.loading import load_settings as load_settings
    from llm_brain.backends.configuration.loading import register_backend as register_backend
    from llm_brain.backends.configuration.settings import Settings as Settings
    from llm_brain.backends.contract import Choice as Choice
    from llm_brain.backends.contract import Embeddings as Embeddings
    from llm_brain.backends.contract import LanguageBackend as LanguageBackend
    from llm_brain.backends.contract import Message as Message
    from llm_brain.backends.contract import Reply as Reply
    from llm_brain.backends.contract import Request as Request
    from llm_brain.backends.contract import Sampling as Sampling
    from llm_brain.backends.hosted.backend import HostedBackend as HostedBackend
    from llm_brain.backends.hosted.limits import Limits as Limits
    from llm_brain.backends.human.backend import HumanBackend as HumanBackend
    from llm_brain.backends.langchain.backend import LangChainBackend as LangChainBackend
    from llm_brain.backends.langchain.models import as_chat_model as as_chat_model
    from llm_brain.backends.langchain.models import as_llm as as_llm
    from llm_brain.backends.layers.budget import BudgetedBackend as BudgetedBackend
    from llm_brain.backends.layers.fitting import FittedBackend as FittedBackend
    from llm_brain.backends.layers.layer import Layer as Layer
    from llm_brain.backends.layers.spending import Budget as Budget
    from llm_brain.backends.layers.spending import Left as Left
    from llm_brain.backends.layers.spending import Spent as Spent
    from llm_brain.backends.layers.traced import TracedBackend as TracedBackend
    from llm_brain.backends.local.backend import LocalBackend as LocalBackend
    from llm_brain.backends.openai.backend import OpenAIBackend as OpenAIBackend
    from llm_brain.backends.registry import resolve_model as resolve_model

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AnthropicBackend": "anthropic.backend",
        "Attempt": "contract",
        "Budget": "layers.spending",
        "BudgetedBackend": "layers.budget",
        "CacheWarning": "cache.answers",
        "CachedBackend": "cache.backend",
        "ConfigWarning": "configuration.environment",
        "Choice": "contract",
        "Embeddings": "contract",
        "FittedBackend": "layers.fitting",
        "HostedBackend": "hosted.backend",
        "HumanBackend": "human.backend",
        "LangChainBackend": "langchain.backend",
        "LanguageBackend": "contract",
        "Layer": "layers.layer",
        "Left": "layers.spending",
        "Limits": "hosted.limits",
        "LocalBackend": "local.backend",
        "Message": "contract",
        "OpenAIBackend": "openai.backend",
        "RecordedBackend": "cache.recorded",
        "Recorder": "cache.recorded",
        "Settings": "configuration.loading",
        "load_config": "configuration.loading",
        "load_settings": "configuration.loading",
        "register_backend": "configuration.loading",
        "Reply": "contract",
        "Request": "contract",
        "Sampling": "contract",
        "Spent": "layers.spending",
        "TracedBackend": "layers.traced",
        "Usage": "contract",
        "as_chat_model": "langchain.models",
        "as_llm": "langchain.models",
        "resolve_model": "registry",
    },
)
