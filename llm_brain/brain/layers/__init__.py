"""The brain's layers: thin modules over the equations, time first, each called as `output, state = layer(input, state)`.

network     `PlasticRNN`: a stack of blocks with nn.GRU's calling convention
block       `BrainBlock`: modulators, neuron, synapses and a gated MLP in one
plastic     `PlasticSynapses`: the fast weights alone
neuron      `Neuron`: the gated recurrence alone
modulators  `Modulators`: dopamine, acetylcholine, noradrenaline, serotonin
state       what a network carries from step to step
recording   what its modulators said
ablations   what can be switched off
precision   how all of them run under `torch.autocast`
"""
