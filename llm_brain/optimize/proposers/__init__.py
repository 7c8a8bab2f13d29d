"""Who proposes what is tried next.

`contract` (what a proposer is), `core` (a classical sampler), `model` (a language model on everything), `reflection`, `merge` and
`edits` (texts), `credit` and `arbitration` (whose turn it is), `veto` (what is not worth a trial). What does not live here: what
is done with a proposal (driver).
"""
