"""What all tests share: properties are tried on the same inputs in every run, and no test waits for an account."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LLM_BRAIN_ENV_FILE", "")  # nobody's .env is a test's

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, print_blob=False)
settings.load_profile("repeatable")
