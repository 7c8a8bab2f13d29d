"""Layers around a backend: spans, budgets, prices, prompts that are cut to fit."""
