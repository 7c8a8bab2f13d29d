"""Answers that are kept, and are not paid for twice: the layer, its file, and recordings that stand for a model."""
