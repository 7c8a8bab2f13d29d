"""OpenAI and every server that speaks its language: chat, streams, embeddings, options by log-probabilities."""
