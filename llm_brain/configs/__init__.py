"""Configs that come with the package: YAML, and no code. Hydra finds them as `pkg://llm_brain.configs`."""
