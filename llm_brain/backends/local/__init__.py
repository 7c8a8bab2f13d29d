"""A causal language model on this machine: batches that form by themselves, kept prefixes, replies held to a schema."""
