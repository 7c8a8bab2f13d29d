"""llama.cpp's server, as its wheel brings it: WEIGHTS KEY [embeddings]. It says its address, and ends when its input does.

Run by the interpreter of an environment that has `xllamacpp`; nothing of llm_brain is imported.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def main(weights: str, key: str, purpose: str = "chat") -> None:
    llama: Any = importlib.import_module("xllamacpp")
    settings = llama.CommonParams()
    settings.model.path = weights
    settings.model_alias = {"smollm2"}
    settings.api_keys = [key]
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0  # any that is free
    settings.n_ctx = 4096
    settings.n_parallel = 4
    settings.kv_unified = True
    # More would wait for each other on a machine that has other things to do.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.warmup = settings.fit_params = settings.ui = False
    settings.offline = True
    if purpose == "embeddings":
        settings.embedding = True
        settings.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = llama.Server(settings)
    print(server.listening_address, flush=True)  # noqa: T201 - who started it reads this
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
