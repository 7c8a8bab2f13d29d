"""With contents switched off not one byte of what was asked, answered, judged or tried is in the run's folder: not in the spans,
not in the checkpoints, not in W&B's files, not in the page.

Everything that a run does is done twice, with planted words in every place where words can stand: with contents captured, each
of them is found in the folder, so the search would find what is there; without, none is.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import torch
from pydantic import BaseModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from llm_brain import llm_function
from llm_brain.backends import Message, Request, TracedBackend
from llm_brain.backends.openai.backend import OpenAIBackend
from llm_brain.brain import Brain, BrainConfig, Choice
from llm_brain.errors import LLMBrainError
from llm_brain.interface import Labels
from llm_brain.optimize import LLMOptimizer, Run, StudyBudget
from llm_brain.strategy import ModelImplementation
from llm_brain.tracing import WandbRun, read_spans, record, span
from llm_brain.tracing.page import write_page
from llm_brain.training import BrainLearner, Pair, TokenReader, TrainingSettings, Validation, answer_for, train
from tests.interface.models import Scripted, judged_by
from tests.servers.dialects import MODEL, OPENAI
from tests.servers.faulty import FaultyServer

PLANTED: Final = (
    "quokka",  # an argument
    "axolotl",  # a field of a reply
    "pangolin",  # a reply that does not fit, and so the reason of a repair
    "narwhal",  # what a server quotes in an error
    "okapi",  # a piece of a stream
    "tarsier",  # an option
    "aardwolf",  # a text that is embedded
    "numbat",  # what a network answers
    "wombat",  # what a network is trained on
    "binturong",  # what a brain is asked in its training
    "kinkajou",  # a hyperparameter
    "fossa",  # an exception of the user's own
    "caracal",  # an exception that quotes what was cached
)

PACKED: Final = re.compile(rb"(H4sI[A-Za-z0-9+/=]+)</script>")
"""What is compressed inside of the page."""


class Ticket(BaseModel):
    animal: str


@llm_function
def read_ticket(model: Any, message: str) -> Ticket:
    """Read the ticket."""
    raise NotImplementedError


@llm_function
def choose(model: Any, message: str) -> Literal["tarsier", "other"]:
    """Choose one."""
    raise NotImplementedError


@llm_function
def tell(model: Any, message: str) -> Iterator[str]:
    """Tell of animals."""
    raise NotImplementedError


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as serving:
        yield serving


@pytest.mark.parametrize("capture", [True, False])
def test_planted_words_are_in_the_run_only_where_contents_are_captured(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, capture: bool
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    run = tmp_path / "run"
    with record(run, capture_content=capture), WandbRun(run):
        call_typed_functions(server)
        call_models(server)
        train_a_network()
        train_a_brain(run / "training")
        optimize(tmp_path / "study.jsonl")
        with suppress(ValueError), span("of the user's own") as here:
            here.content("said", ["fossa"])
            raise ValueError("no caracal in the cache")
    page = b"".join(gzip.decompress(base64.b64decode(packed)) for packed in PACKED.findall(write_page(run).read_bytes()))
    logged = b"".join(path.read_bytes() for path in (run / "wandb").rglob("*") if path.is_file())
    written = b"".join(path.name.encode() + path.read_bytes() for path in run.rglob("*") if path.is_file()) + page
    assert (b"quokka" in page, b"quokka" in logged) == (capture, capture)
    assert {one.kind for one in read_spans(run)} >= {"function", "call", "repair", "attempt", "step", "evaluation", "trial"}
    assert {word for word in PLANTED if word.encode() in written} == (set(PLANTED) if capture else set())


def call_typed_functions(server: FaultyServer) -> None:
    """Ask for values: what is refused at first, then does not fit, and fits in the end; and what fails for good."""
    stage = server.stage(
        OPENAI.fails(503, "no time for the narwhal"), OPENAI.says("A pangolin."), OPENAI.says('{"animal": "axolotl"}')
    )
    read_ticket(implementing(stage.url), "a quokka")
    with suppress(LLMBrainError):
        read_ticket(implementing(server.stage(OPENAI.fails(400, "what is a quokka? a narwhal?")).url), "a quokka")
    with suppress(LLMBrainError):
        choose(implementing(server.stage(OPENAI.says("neither the quokka nor the pangolin")).url), "a quokka")
    choose(implementing(server.stage(OPENAI.says("tarsier")).url), "a quokka")
    list(tell(implementing(server.stage(OPENAI.says('["okapi", "quokka"]')).url), "a quokka"))
    with suppress(LLMBrainError):
        list(tell(implementing(server.stage(OPENAI.says("an okapi")).url), "a quokka"))


def implementing(url: str) -> ModelImplementation:
    return ModelImplementation(OpenAIBackend(MODEL, base_url=f"{url}/v1", api_key="a-key-for-tests", timeout=20.0, retries=1))


def call_models(server: FaultyServer) -> None:
    model = TracedBackend(
        OpenAIBackend(MODEL, base_url=f"{server.stage(OPENAI.says('okapi')).url}/v1", api_key="a-key-for-tests")
    )
    for piece in model.stream(Request((Message("user", "a quokka"),))):
        assert piece
        break
    TracedBackend(Scripted()).embed(["an aardwolf"])


def train_a_network() -> None:
    model = torch.nn.Linear(2, 2)
    data: Any = {"inputs": torch.eye(2), "targets": torch.tensor([0, 1]), "prompts": ["a wombat", "two"], "epochs": 2}
    teacher = judged_by(lambda _task, output: float(output == "numbat"), outputs=Labels(["numbat", "other"]))
    teacher.train_with_llm_feedback(
        model,
        **data,
        optimizer=torch.optim.SGD(model.parameters(), 0.1),
        loss_fn=torch.nn.functional.cross_entropy,
        feedback_weight=1.0,
    )


def train_a_brain(folder: Path) -> None:
    words = Tokenizer(WordLevel({"?": 0, "good": 1, "binturong": 2}, unk_token="?"))
    reader = TokenReader(words, torch.eye(3))
    brain = Brain(BrainConfig(input_size=3, answer=Choice(options=2), width=8, heads=1), embedding=reader.table)
    pairs = [Pair("good", False, (0.9, 0.1)), Pair("binturong", True, (0.1, 0.9))]
    learner = BrainLearner(brain, reader, answer_for(bool), pairs, ["good binturong"])
    settings = TrainingSettings(epochs=2, feedback_weight=1.0)
    train(learner, settings, folder, evaluate=lambda _prompt, _answer: 1.0, validate=lambda: Validation(1.0))


class Knobs(BaseModel):
    rate: Literal["slow", "fast"] = "slow"
    animal: str = "kinkajou"


class Silent:
    name = "silent"

    def call(self, *_: Any, **__: Any) -> Any:
        raise LLMBrainError("no opinion of the kinkajou")


def optimize(journal: Path) -> None:
    def task(run: Run[str, Knobs]) -> float:
        if run.trial:
            raise ValueError(f"no {run.hyperparameters.animal}")
        return 1.0

    optimizer = LLMOptimizer(
        task,
        score=lambda _, result: result,
        hyperparameters=Knobs,
        task_parameters="kinkajou",
        result=float,
        model=Silent(),
        journal=journal,
    )
    optimizer.run(StudyBudget(trials=2))
