"""QLoRA laboratory: turn a generalist chat model into a specialist, and see every step proven."""

__version__ = "0.1.0"
