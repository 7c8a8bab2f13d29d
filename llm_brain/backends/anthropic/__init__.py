"""Anthropic's Messages API, over the same way to a server as all hosted models."""
