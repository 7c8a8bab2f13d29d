"""`LLMInterface`: one object with the classic names over the rooms below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from llm_brain.errors import ArgumentError
from llm_brain.interface.judgements import CONCURRENCY, DEADLINE, warn_of_silence
from llm_brain.interface.translator import Translator

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from llm_brain.interface.feedback import EpochResult
    from llm_brain.interface.generation import GeneratedData
    from llm_brain.interface.outputs import Outputs
    from llm_brain.interface.validation import Encode, Validation
    from llm_brain.training.feedback.evaluations import OnFailure
    from llm_brain.training.settings import ObjectiveName


class LLMInterface(Translator):
    """A language model in the training of a network: it answers, reads, judges and teaches.

    Making it loads nothing and opens no connection.

    Args:
        provider: Who hosts the model; "local", which is the default, is the embedded model or, by `model_name`, a folder's.
        api_endpoint: The server's address; empty, the provider's own, or the one that the environment names.
        model_name: The model.
        max_tokens: The length limit of a reply, in tokens.
        temperature: Of replies and of generated data; 0 is greedy. Evaluations are always greedy.
        embedding_dim: The numbers in a text's vector, see `llm_brain.interface.vectors`; None: as many as the model gives.
        api_key: The key; empty, it is taken from the environment, where it should be.
        backend: Anything that names or is a model, instead of all of the above but lengths and temperature: a name, a config,
            a `LanguageBackend` with its layers, a LangChain model.
        embedding_backend: The model that turns texts into vectors; without it, `text-embedding-3-small` at OpenAI, and elsewhere
            the model itself.
        outputs: What a network's outputs mean, where a method is not told: `Labels`, `Tokens`, `NearestTexts`, `Described`.
        teacher: An object whose methods `evaluate_output` and `generate_training_pair` stand for the standard ones, those of
            `Teacher`: typed functions, or plain Python.
        accept_cut_text: Whether `get_response` may give a text that the length limit cut off.

    Attributes:
        backend: The model, traced.
        sampling: How replies are drawn.
        embedding_dim: As given.
        outputs: As given.
        validation: The prompts and the interval that methods take when they are not told: none and 5, or those of the config.
        training: The feedback's weight, and whether there is any, likewise.

    Raises:
        DataError: A word does not fit; the message says which, and what was expected.
        DefinitionError: Words were given that say nothing here, a key for a model on this machine, say.
        MissingKeyError: The provider needs a key, and there is none.
        ModelNameError: The backend's name is not one that can be resolved.

    Example:
        >>> from llm_brain.interface import LLMInterface
        >>> LLMInterface(provider="local", embedding_dim=64)
        LLMInterface('smollm2-135m-instruct', embedding_dim=64)
    """

    def validate_with_llm(
        self,
        model: nn.Module,
        validation_prompts: Sequence[str] | None = None,
        device: torch.device | str | None = None,
        *,
        outputs: Outputs | None = None,
        encode: Encode | None = None,
        concurrency: int = CONCURRENCY,
        deadline: float = DEADLINE,
        on_failure: OnFailure = "skip",
    ) -> Validation:
        """Have a network answer prompts, and the language model judge its answers.

        Args:
            model: Takes the vectors of the prompts, [n, embedding_dim], or what `encode` gives.
            validation_prompts: What it is asked; the config's by default.
            device: Where the model is, where that is not its first parameter's device.
            outputs: What its outputs mean.
            encode: Turns n texts into the network's inputs.
            concurrency: The most evaluations at a time.
            deadline: The longest to wait for all of them, in seconds.
            on_failure: What becomes of an evaluation that fails: without a score, or an error.

        Returns:
            `(average_score, results)`: the average of the scores that there are, between 0 and 1, None where there is none; and
            for each prompt the answer, its score, the judge's reason, or the error.

        Raises:
            ArgumentError: There are no prompts, or nothing says what outputs mean.

        Example:
            >>> import torch
            >>> from llm_brain.interface import Labels, LLMInterface
            >>> class Rules:
            ...     def evaluate_output(self, task, output):
            ...         return float(output == "blue")
            >>> interface = LLMInterface(embedding_dim=8, outputs=Labels(["red", "blue"]), teacher=Rules())
            >>> model = torch.nn.Linear(8, 2)
            >>> _ = torch.nn.init.zeros_(model.weight), torch.nn.init.zeros_(model.bias)
            >>> average_score, results = interface.validate_with_llm(model, ["the colour of the sky"])
            >>> average_score, results[0].output
            (0.0, 'red')
        """
        from llm_brain.interface.judging import Judge
        from llm_brain.interface.validation import validate

        prompts = self.validation.prompts if validation_prompts is None else validation_prompts
        if isinstance(prompts, str) or not prompts:
            message = "give `validation_prompts`, a list of one or more"
            raise ArgumentError(message)
        meaning = self._meaning(outputs)
        with Judge(self._evaluate, concurrency=concurrency, deadline=deadline, on_failure=on_failure) as judge:
            inputs = (encode or self.vectors)(prompts)
            given = validate(model, prompts, inputs, outputs=meaning, vectors=self.vectors, judge=judge, device=device)
        if given.average_score is None:
            warn_of_silence(len(given.results), given.results[0].error, "there is no average")
        return given

    def train_with_llm_feedback(  # noqa: PLR0917 - the classic order
        self,
        model: nn.Module,
        inputs: Tensor | Sequence[str],
        targets: Tensor,
        optimizer: torch.optim.Optimizer,
        loss_fn: Callable[[Tensor, Tensor], Tensor],
        epochs: int = 1,
        feedback_weight: float | None = None,
        *,
        prompts: Sequence[str] | None = None,
        outputs: Outputs | None = None,
        encode: Encode | None = None,
        batch_size: int = 32,
        answers_per_prompt: int = 4,
        entropy_bonus: float = 0.01,
        validation_prompts: Sequence[str] | None = None,
        validation_interval: int | None = None,
        seed: int = 0,
        concurrency: int = CONCURRENCY,
        deadline: float = DEADLINE,
        on_failure: OnFailure = "skip",
        objective: ObjectiveName = "rloo",
        max_staleness: int | None = None,
        progress: bool | None = None,
    ) -> list[EpochResult]:
        """Train a network on targets, and on what the language model thinks of its answers.

        In each step answers are drawn to some of the inputs, and the language model scores them in the background: no step waits
        for that. When scores arrive, the likelihood of answers that score better than the others is raised, of the others
        lowered. An epoch ends when those that are still under way have come, and were learned from, too; see
        `llm_brain.interface.feedback`. Which step learns from which score depends on when it arrives: only without feedback does
        the same seed train the very same network.

        Args:
            model: Any network; is trained in place.
            inputs: [n, ...], or n texts, which `encode` or else their vectors turn into inputs.
            targets: [n, ...], as `loss_fn` takes them.
            optimizer: Holds the model's parameters.
            loss_fn: Takes the model's output and the targets, and gives a scalar.
            epochs: How often all inputs are seen.
            feedback_weight: The weight of the feedback beside the loss; 0: nobody is asked. By default the config's, or 0.5.
            prompts: The inputs as texts, which is how the judge reads them; not needed where the inputs are texts.
            outputs: What the model's outputs mean.
            encode: Turns n texts into the network's inputs; also for validation.
            batch_size: Inputs in a step, and inputs to which answers are drawn in a step.
            answers_per_prompt: How many answers are drawn to each input.
            entropy_bonus: The weight of the answers' entropy.
            validation_prompts: What the network is asked for validation; by default the config's, if any.
            validation_interval: Epochs between two validations, by default the config's, or 5; the last epoch always has one.
            seed: Of the order of the inputs, and of the answers that are drawn.
            concurrency: The most evaluations at a time.
            deadline: The longest that the end of an epoch waits for evaluations that are still under way, in seconds.
            on_failure: What becomes of an evaluation that fails: it is left out and counted, or an error.
            objective: What scores are turned into: "rloo", "reinforce", "grpo", "grpo_without_std", "dpo" or "best_of_k"; see
                `llm_brain.training.objectives`.
            max_staleness: How many updates old an answer may be and still be learned from; None: as many as an epoch has, so
                that no score is in vain.
            progress: Whether a bar shows the epochs; None: where there is a terminal.

        Returns:
            What each epoch gave: loss, reward, failures, calls, cost.

        Raises:
            ArgumentError: Something is missing or does not fit; the message says what to give.
            DataError: The loss is no longer a finite number.

        Example:
            >>> import torch
            >>> from llm_brain.interface import Labels, LLMInterface
            >>> class Rules:
            ...     def evaluate_output(self, task, output):
            ...         return float(output == "blue")
            >>> interface = LLMInterface(outputs=Labels(["red", "blue"]), teacher=Rules())
            >>> _ = torch.manual_seed(0)
            >>> model = torch.nn.Linear(1, 2)
            >>> history = interface.train_with_llm_feedback(
            ...     model, torch.ones(4, 1), torch.tensor([0, 1, 0, 1]), torch.optim.SGD(model.parameters(), 0.5),
            ...     torch.nn.functional.cross_entropy, epochs=20, feedback_weight=4.0, prompts=["the colour of the sky"] * 4)
            >>> history[-1].reward > 0.5, bool(model(torch.ones(1, 1)).argmax() == 1)
            (True, True)
        """
        from llm_brain.interface.feedback import FeedbackTraining, both_readings, settings_of
        from llm_brain.interface.judging import Judge
        from llm_brain.interface.module_learner import ModuleLearner
        from llm_brain.interface.validation import inputs_like, validate

        if feedback_weight is None:
            feedback_weight = self.training.feedback_weight if self.training.use_llm_feedback else 0.0
        settings = settings_of(
            len(inputs),
            epochs=epochs,
            batch_size=batch_size,
            feedback_weight=feedback_weight,
            objective=objective,
            answers_per_prompt=answers_per_prompt,
            entropy_bonus=entropy_bonus,
            max_staleness=max_staleness,
            validate_every=self.validation.interval if validation_interval is None else validation_interval,
            seed=seed,
        )
        tensor, texts = both_readings(inputs, prompts, encode or self.vectors, asks=feedback_weight > 0)
        asked = self.validation.prompts if validation_prompts is None else validation_prompts
        meaning = self._meaning(outputs) if feedback_weight or asked else None
        read = encode or (lambda texts: inputs_like(tensor, texts, self.vectors))
        held_out = read(asked) if asked else None
        with Judge(self._evaluate, concurrency=concurrency, deadline=deadline, on_failure=on_failure) as judge:
            drawn = meaning if feedback_weight else None
            learner = ModuleLearner(model, tensor, targets, loss_fn, prompts=texts, outputs=drawn, vectors=self.vectors)

            def validation() -> Validation | None:
                if meaning is None or held_out is None:
                    return None
                return validate(model, asked, held_out, outputs=meaning, vectors=self.vectors, judge=judge)

            return FeedbackTraining(learner, optimizer, settings, judge).run(validation, progress=progress)

    def generate_training_data(
        self,
        prompts: Sequence[str],
        sequence_length: int = 64,
        output_size: int | None = None,
        *,
        outputs: Outputs | None = None,
        concurrency: int = CONCURRENCY,
        progress: str | None = None,
    ) -> GeneratedData:
        """Have the language model write pairs of an input and its right answer, and turn them into tensors.

        Args:
            prompts: What to write about; one that stands there several times is written about several times.
            sequence_length: Steps of an input: words, or runs of neighbouring words where a text has more of them.
            output_size: Numbers of a target; for labels, one for each of them, which need not be said.
            outputs: What the network's outputs mean; where nothing says so, they are vectors.
            concurrency: The most calls at a time.
            progress: What a progress bar says it shows; None: there is none.

        Returns:
            `(inputs, targets)`: inputs [n, sequence_length, embedding_dim], a vector a step, zeros after the last word; targets
            [n, output_size]: for `Labels` a 1 at the label and zeros, for `Tokens` ids and then -100, else the answer's vector. n
            is the number of pairs that could be used; `.pairs` are their texts, `.prompts` those of the inputs, `.refused` counts
            the others.

        Raises:
            BackendError: No pair could be written at all.
            DataError: Pairs were written, and none of them can be used.

        Example:
            >>> from llm_brain.interface import Labels, LLMInterface, TrainingPair
            >>> class Rules:
            ...     def generate_training_pair(self, topic):
            ...         return TrainingPair(input=f"I love my {topic}.", output="happy")
            >>> interface = LLMInterface(embedding_dim=16, outputs=Labels(["happy", "unhappy"]), teacher=Rules())
            >>> inputs, targets = interface.generate_training_data(["kettle", "phone"], sequence_length=8, output_size=2)
            >>> inputs.shape, targets.tolist()
            (torch.Size([2, 8, 16]), [[1.0, 0.0], [1.0, 0.0]])
        """
        from llm_brain.interface.generation import generate
        from llm_brain.interface.outputs import Described

        if isinstance(prompts, str):
            message = "give `prompts` as a list of texts, one or more"
            raise ArgumentError(message)
        meaning = outputs or self.outputs or Described(str)
        return generate(
            self._write(meaning),
            prompts,
            sequence_length,
            output_size,
            outputs=meaning,
            vectors=self.vectors,
            concurrency=concurrency,
            progress=progress,
        )
