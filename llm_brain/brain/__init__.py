"""The brain: a small recurrent network with neuromodulators and reward-gated plasticity; it knows no language model.

From what a user holds down to pure functions; each file uses only files below it.

    checkpoint     a brain on disk
    model          `Brain`: inputs, blocks, readout
    state          what it remembers, what it answers
    config         its shape
    recording      time courses of the modulators
    readout        from features to logits and a value
    block          `BrainBlock`: one block, whole sequences in parallel or one step at a time
    modulators     dopamine, acetylcholine, noradrenaline, serotonin
    synapses       plastic synapses: step, loop and chunk-parallel form, as pure functions
    recurrences    the neuron's scan and the slow average, as pure functions
    norms, tables  what these are made of

What does not live here: language models, tokenizers, training loops, objectives, teachers. A caller hands in an embedding
table and numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_brain._lazy import attach

if TYPE_CHECKING:
    from llm_brain.brain.block import BlockState as BlockState
    from llm_brain.brain.block import BrainBlock as BrainBlock
    from llm_brain.brain.checkpoint import LoadedBrain as LoadedBrain
    from llm_brain.brain.checkpoint import load_brain as load_brain
    from llm_brain.brain.checkpoint import save_brain as save_brain
    from llm_brain.brain.config import BrainConfig as BrainConfig
    from llm_brain.brain.model import Brain as Brain
    from llm_brain.brain.modulators import CHANNELS as CHANNELS
    from llm_brain.brain.modulators import Channel as Channel
    from llm_brain.brain.modulators import Modulators as Modulators
    from llm_brain.brain.modulators import ModulatorSignals as ModulatorSignals
    from llm_brain.brain.readout import ReadingState as ReadingState
    from llm_brain.brain.recording import Recording as Recording
    from llm_brain.brain.recurrences import gated_scan as gated_scan
    from llm_brain.brain.recurrences import leaky_average as leaky_average
    from llm_brain.brain.state import BrainOutput as BrainOutput
    from llm_brain.brain.state import BrainState as BrainState
    from llm_brain.brain.synapses import SynapseState as SynapseState
    from llm_brain.brain.synapses import plastic_chunked as plastic_chunked
    from llm_brain.brain.synapses import plastic_loop as plastic_loop
    from llm_brain.brain.synapses import plastic_step as plastic_step

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "CHANNELS": "modulators",
        "BlockState": "block",
        "Brain": "model",
        "BrainBlock": "block",
        "BrainConfig": "config",
        "BrainOutput": "state",
        "BrainState": "state",
        "Channel": "modulators",
        "LoadedBrain": "checkpoint",
        "ModulatorSignals": "modulators",
        "Modulators": "modulators",
        "ReadingState": "readout",
        "Recording": "recording",
        "SynapseState": "synapses",
        "gated_scan": "recurrences",
        "leaky_average": "recurrences",
        "load_brain": "checkpoint",
        "plastic_chunked": "synapses",
        "plastic_loop": "synapses",
        "plastic_step": "synapses",
        "save_brain": "checkpoint",
    },
)
