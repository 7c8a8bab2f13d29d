"""`python -m llm_brain` is `llm-brain`."""

from llm_brain.cli import main

if __name__ == "__main__":
    main()
