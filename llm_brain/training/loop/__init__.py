"""The training loop: `train` is a whole training, `Trainer` makes one update after the other.

In the order of a training: `randomness` (seeds), `batches` (which examples and prompts a step takes), `schedule` (learning
rates), `losses` (what a step minimises), `trainer`, `world` (several processes), `optimizers` and `checkpoints` (what is kept),
`train` and its `results`. What does not live here: what is trained
(`learner`), what evaluations are worth (`objectives`), and how they come in (`feedback`).
"""
