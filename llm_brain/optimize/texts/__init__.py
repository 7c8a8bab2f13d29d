"""Texts that are tuned: where they come from, which are worth going on with, and what a new one has to keep.

`pareto` (the trials that are best at something), `pool` (all texts that were tried, and their descent), `rules` (how long a text
may be, which placeholders it keeps). What does not live here: who writes new texts (proposers).
"""
