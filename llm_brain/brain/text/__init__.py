"""Codecs: from text to tensors and back, one protocol for all of them.

    bytes       UTF-8, exact for every text
    tokens      a tokenizer's tokens, exact where the tokenizer is
    vectors     the nearest of known texts, which is not an inverse
    codec       the protocol; whether a text comes back as it was; padded batches

What does not live here: tokenizers and embeddings themselves. A caller hands them in.
"""
