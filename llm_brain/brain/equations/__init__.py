"""The brain's equations as pure functions: what goes in comes out changed.

    synapses       plastic synapses: one step, the loop over time, and the form that computes a chunk of time at once
    chunks         that form's work on chunks, forward and backward
    gating         the way out of the synapses
    neuron         the neuron under its modulators
    recurrences    the scan that it is made of, and the slow average of the modulators
    projections    several projections of one input
    norms, tables  what these are made of

Nothing is kept between calls but the memory that `scratch` lends to one after the other.
"""
