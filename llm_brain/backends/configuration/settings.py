"""The one-file form: which model a project asks, and how validation and training ask it, in one YAML file.

    llm:          provider, api_endpoint, model_name, max_tokens, temperature, embedding_dim, and a block a provider
    validation:   prompts, interval
    training:     use_llm_feedback, feedback_weight, generate_data

The last two may also stand inside of `llm:`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from llm_brain.backends.configuration.checks import check_section
from llm_brain.backends.configuration.environment import ConfigWarning
from llm_brain.backends.configuration.hosted import ServerAddress, warn_of_key
from llm_brain.backends.contract import LanguageBackend, Sampling
from llm_brain.errors import DataError

_STRICT: Final = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), hide_input_in_errors=True)
_HOSTS: Final = {"openai": "openai", "huggingface": "hf-hosted", "anthropic": "anthropic"}
_SAY_WHICH: Final = frozenset({"provider", "api_endpoint", "model_name", *_HOSTS})
_MOVABLE: Final = ("validation", "training")


class ProviderSection(BaseModel):
    """What is said of one provider, under its name.

    Attributes:
        api_key: The key; empty, it is taken from the environment, where it should be.
        model_name: The model, instead of the general `model_name`.
        embedding_model: The model that turns texts into vectors.

    Example:
        >>> ProviderSection(model_name="gpt-5-mini").embedding_model
        ''
    """

    model_config = _STRICT
    api_key: SecretStr = SecretStr("")
    model_name: str = ""
    embedding_model: str = ""


class LLMSection(BaseModel):
    """Which model answers, and how.

    Attributes:
        provider: Who hosts the model; `local` is a model on this machine, and `human` a person at the terminal. In a file that
            says nothing of which model it is, `local`.
        api_endpoint: The server's address; empty, it is the provider's own, or the one that the environment names.
        model_name: The model, where the provider's block names none. For `local`, a transformers folder; empty, the embedded one.
        max_tokens: A reply's length limit, in tokens.
        temperature: 0 is greedy; 1 samples from the model's own distribution.
        embedding_dim: The numbers in a text's vector, where texts become a brain's input.
        openai: What is said of OpenAI, or a compatible server.
        huggingface: What is said of Hugging Face.
        anthropic: What is said of Anthropic.

    Example:
        >>> LLMSection().provider, LLMSection().max_tokens
        ('openai', 1024)
    """

    model_config = _STRICT
    provider: Literal["openai", "huggingface", "anthropic", "local", "human"] = "openai"
    api_endpoint: ServerAddress = ""
    model_name: str = ""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.7
    embedding_dim: Annotated[int, Field(gt=0)] = 768
    openai: ProviderSection = ProviderSection()
    huggingface: ProviderSection = ProviderSection()
    anthropic: ProviderSection = ProviderSection()

    @property
    def block(self) -> ProviderSection:
        """What is said of the provider that is used."""
        return getattr(self, self.provider, None) or ProviderSection()


def _some_text(text: str) -> str:
    if not text.strip():
        message = "should be a question, and is empty"
        raise ValueError(message)
    return text


class ValidationSection(BaseModel):
    """What a brain is asked between epochs, so that the model can score its answers.

    Attributes:
        prompts: The questions.
        interval: After how many epochs they are asked again.

    Example:
        >>> ValidationSection(prompts=("What is learning?",)).interval
        5
    """

    model_config = _STRICT
    prompts: tuple[Annotated[str, AfterValidator(_some_text)], ...] = ()
    interval: Annotated[int, Field(gt=0)] = 5


class TrainingSection(BaseModel):
    """How the model takes part in training.

    Attributes:
        use_llm_feedback: Whether it evaluates what the brain answers while it trains.
        feedback_weight: The weight of its feedback in the loss; 0 is none.
        generate_data: Whether it writes training data.

    Example:
        >>> TrainingSection().feedback_weight
        0.5
    """

    model_config = _STRICT
    use_llm_feedback: bool = True
    feedback_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    generate_data: bool = False


class _Sections(BaseModel):
    model_config = _STRICT
    llm: LLMSection = LLMSection()
    validation: ValidationSection = ValidationSection()
    training: TrainingSection = TrainingSection()


class Settings(_Sections):
    """A whole file of the one-file form. Made by `llm_brain.backends.configuration.loading.load_settings`.

    Attributes:
        llm: Which model answers, and how.
        validation: What a brain is asked between epochs.
        training: How the model takes part in training.
        where: The file's name, for messages.

    Example:
        >>> Settings(llm=LLMSection(provider="local")).backend().model_id
        'smollm2-135m-instruct'
    """

    where: Annotated[str, Field(exclude=True)] = "the settings"

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn: by `temperature` and `max_tokens`."""
        return Sampling(temperature=self.llm.temperature, max_tokens=self.llm.max_tokens)

    def warn_of_sampling(self) -> None:
        """Say, where the file stands for a model alone, that its `max_tokens` and `temperature` are not that model's.

        Example:
            >>> Settings().warn_of_sampling()  # the file says nothing of them
        """
        idle = [f"`llm.{name}`" for name in ("max_tokens", "temperature") if name in self.llm.model_fields_set]
        if idle:
            message = (
                f"{self.where}: {' and '.join(idle)} count for LLMInterface.from_config, and not where the file names a model: "
                "typed functions have `@sampled(...)`, and `llm-brain ask` --max-tokens and --temperature"
            )
            warnings.warn(message, ConfigWarning, stacklevel=2)

    def backend(self) -> LanguageBackend:
        """Make the model that `llm:` names.

        Raises:
            DataError: It names none.
            MissingKeyError: The provider needs a key, and none is set.
            WeightsError: A model on this machine was named, and is not there.

        Example:
            >>> Settings(llm=LLMSection(model_name="m", api_endpoint="http://127.0.0.1:8000/v1")).backend().model_id
            'm'
        """
        from llm_brain.backends.registry import resolve_model

        name = self.llm.block.model_name or self.llm.model_name
        if self.llm.provider == "human":
            return resolve_model("human")
        if self.llm.provider == "local":
            return resolve_model(f"hf:{name}" if name and name != "local" else "local")
        if not name:
            message = f"{self.where}: `llm.{self.llm.provider}.model_name`, or `llm.model_name`, has to name the model"
            raise DataError(message)
        return self._hosted(name)

    def embedding_backend(self) -> LanguageBackend | None:
        """Make the model that turns texts into vectors: the provider's `embedding_model`, or the embedded one for `local`.

        Returns:
            The model; None where no `embedding_model` is named.

        Raises:
            MissingKeyError: The provider needs a key, and none is set.

        Example:
            >>> Settings(llm=LLMSection(provider="anthropic")).embedding_backend() is None
            True
        """
        if self.llm.provider == "local":
            return self.backend()
        name = self.llm.block.embedding_model
        return self._hosted(name) if name else None

    def _hosted(self, name: str) -> LanguageBackend:
        from llm_brain.backends.registry import hosted_backend

        key = self.llm.block.api_key.get_secret_value()
        return hosted_backend(_HOSTS[self.llm.provider], name, base_url=self.llm.api_endpoint or None, api_key=key or None)


def settings_of(data: Mapping[str, Any], where: str) -> Settings:
    """Check what a file of the one-file form says.

    Args:
        data: The file's content.
        where: Its name, for messages.

    Raises:
        DataError: A key is unknown, or a value does not fit.

    Example:
        >>> settings_of({"llm": {"openai": {"model_name": "m"}}}, "config.yaml").llm.block.model_name
        'm'
    """
    sections = dict(data)
    llm = {} if sections.get("llm") is None else sections["llm"]
    if isinstance(llm, Mapping):
        sections["llm"] = llm = dict(llm)
        if not _SAY_WHICH & {key for key, value in llm.items() if value or (key == "provider" and value is not None)}:
            llm["provider"] = "local"
        for name in _MOVABLE:
            if name in llm and name in sections:
                message = f"{where}: `{name}` stands twice, inside of `llm` and beside it: keep one of them"
                raise DataError(message)
            if name in llm:
                sections[name] = llm.pop(name)
    made = check_section(_Sections, sections, where)
    for provider in _HOSTS:
        warn_of_key(getattr(made.llm, provider).api_key.get_secret_value(), where)
    return Settings(llm=made.llm, validation=made.validation, training=made.training, where=where)
