"""The brain: a small recurrent network with neuromodulators and reward-gated plasticity; it knows no language model.

From what a user holds down to pure functions; each file uses only files below it.

    checkpoint     brains and networks on disk; `archive`: the folder that they lie in
    state_file     what they remember on disk
    model          `Brain`: tokens or vectors in, a distribution over typed answers out
    quick          `QuickBrain`: one text at a time, answered by a trained brain in as few steps as can be
    state          what it remembers, what it answers
    config         its shape
    heads          one head a type of answer
    text           texts to tensors and back
    online         learning without backpropagation through time
    layers         `PlasticRNN`, to be called like nn.GRU, and what it is made of
    equations      the maths as pure functions

What does not live here: language models, training loops, objectives, teachers. A caller hands in an embedding table, a
tokenizer and numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.brain.checkpoint import LoadedBrain as LoadedBrain
    from llm_brain.brain.checkpoint import load_brain as load_brain
    from llm_brain.brain.checkpoint import load_network as load_network
    from llm_brain.brain.checkpoint import save_brain as save_brain
    from llm_brain.brain.checkpoint import save_network as save_network
    from llm_brain.brain.config import BrainConfig as BrainConfig
    from llm_brain.brain.equations.recurrences import gated_scan as gated_scan
    from llm_brain.brain.equations.recurrences import leaky_average as leaky_average
    from llm_brain.brain.equations.synapses import SynapseState as SynapseState
    from llm_brain.brain.equations.synapses import plastic_chunked as plastic_chunked
    from llm_brain.brain.equations.synapses import plastic_loop as plastic_loop
    from llm_brain.brain.equations.synapses import plastic_step as plastic_step
    from llm_brain.brain.heads.answers import Answer as Answer
    from llm_brain.brain.heads.answers import Choice as Choice
    from llm_brain.brain.heads.answers import Number as Number
    from llm_brain.brain.heads.answers import Record as Record
    from llm_brain.brain.heads.answers import Text as Text
    from llm_brain.brain.heads.build import head_for as head_for
    from llm_brain.brain.heads.choice import ChoiceDistribution as ChoiceDistribution
    from llm_brain.brain.heads.choice import ChoiceHead as ChoiceHead
    from llm_brain.brain.heads.distribution import Distribution as Distribution
    from llm_brain.brain.heads.distribution import Head as Head
    from llm_brain.brain.heads.distribution import Prompt as Prompt
    from llm_brain.brain.heads.number import NumberDistribution as NumberDistribution
    from llm_brain.brain.heads.number import NumberHead as NumberHead
    from llm_brain.brain.heads.record import RecordDistribution as RecordDistribution
    from llm_brain.brain.heads.record import RecordHead as RecordHead
    from llm_brain.brain.heads.text import TextDistribution as TextDistribution
    from llm_brain.brain.heads.text import TextHead as TextHead
    from llm_brain.brain.layers.ablations import ABLATIONS as ABLATIONS
    from llm_brain.brain.layers.ablations import Ablation as Ablation
    from llm_brain.brain.layers.block import BlockState as BlockState
    from llm_brain.brain.layers.block import BrainBlock as BrainBlock
    from llm_brain.brain.layers.modulators import CHANNELS as CHANNELS
    from llm_brain.brain.layers.modulators import Channel as Channel
    from llm_brain.brain.layers.modulators import Modulators as Modulators
    from llm_brain.brain.layers.modulators import ModulatorSignals as ModulatorSignals
    from llm_brain.brain.layers.network import PlasticRNN as PlasticRNN
    from llm_brain.brain.layers.network import parameter_groups as parameter_groups
    from llm_brain.brain.layers.neuron import Neuron as Neuron
    from llm_brain.brain.layers.plastic import PlasticSynapses as PlasticSynapses
    from llm_brain.brain.layers.recording import Recording as Recording
    from llm_brain.brain.layers.state import NetworkState as NetworkState
    from llm_brain.brain.model import Brain as Brain
    from llm_brain.brain.online import OnlineLearner as OnlineLearner
    from llm_brain.brain.online import OnlineState as OnlineState
    from llm_brain.brain.readout import ReadingState as ReadingState
    from llm_brain.brain.state import BrainOutput as BrainOutput
    from llm_brain.brain.state import BrainState as BrainState
    from llm_brain.brain.state_file import load_state as load_state
    from llm_brain.brain.state_file import save_state as save_state
    from llm_brain.brain.text.bytes import ByteCodec as ByteCodec
    from llm_brain.brain.text.codec import Codec as Codec
    from llm_brain.brain.text.codec import Decoded as Decoded
    from llm_brain.brain.text.codec import SymbolCodec as SymbolCodec
    from llm_brain.brain.text.codec import is_exact as is_exact
    from llm_brain.brain.text.codec import pad as pad
    from llm_brain.brain.text.tokens import TokenCodec as TokenCodec
    from llm_brain.brain.text.vectors import VectorCodec as VectorCodec

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ABLATIONS": "layers.ablations",
        "Ablation": "layers.ablations",
        "Answer": "heads.answers",
        "BlockState": "layers.block",
        "Brain": "model",
        "BrainBlock": "layers.block",
        "BrainConfig": "config",
        "BrainOutput": "state",
        "BrainState": "state",
        "ByteCodec": "text.bytes",
        "CHANNELS": "layers.modulators",
        "Channel": "layers.modulators",
        "Choice": "heads.answers",
        "ChoiceDistribution": "heads.choice",
        "ChoiceHead": "heads.choice",
        "Codec": "text.codec",
        "Decoded": "text.codec",
        "Distribution": "heads.distribution",
        "Head": "heads.distribution",
        "LoadedBrain": "checkpoint",
        "ModulatorSignals": "layers.modulators",
        "Modulators": "layers.modulators",
        "NetworkState": "layers.state",
        "Neuron": "layers.neuron",
        "Number": "heads.answers",
        "NumberDistribution": "heads.number",
        "NumberHead": "heads.number",
        "OnlineLearner": "online",
        "OnlineState": "online",
        "PlasticRNN": "layers.network",
        "PlasticSynapses": "layers.plastic",
        "Prompt": "heads.distribution",
        "ReadingState": "readout",
        "Record": "heads.answers",
        "RecordDistribution": "heads.record",
        "RecordHead": "heads.record",
        "Recording": "layers.recording",
        "SymbolCodec": "text.codec",
        "SynapseState": "equations.synapses",
        "Text": "heads.answers",
        "TextDistribution": "heads.text",
        "TextHead": "heads.text",
        "TokenCodec": "text.tokens",
        "VectorCodec": "text.vectors",
        "gated_scan": "equations.recurrences",
        "head_for": "heads.build",
        "is_exact": "text.codec",
        "leaky_average": "equations.recurrences",
        "load_brain": "checkpoint",
        "load_network": "checkpoint",
        "load_state": "state_file",
        "pad": "text.codec",
        "parameter_groups": "layers.network",
        "plastic_chunked": "equations.synapses",
        "plastic_loop": "equations.synapses",
        "plastic_step": "equations.synapses",
        "save_brain": "checkpoint",
        "save_network": "checkpoint",
        "save_state": "state_file",
    },
)
