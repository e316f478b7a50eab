"""Batched greedy generation: the same call before and after training, and for the merged model."""

import time
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from qloratory.config import GenerateSection
from qloratory.data import Message, Row
from qloratory.labels import render_chat


def generate_answers(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[Message]],
    section: GenerateSection,
    title: str,
) -> list[Row]:
    """Answer every prompt, greedily.

    Args:
        model: A causal language model, with or without an adapter, in eval mode.
        tokenizer: Its tokenizer.
        prompts: One conversation an answer, ending in a user's message.
        section: Uses `max_new_tokens` and `batch_size`.
        title: Shown at the progress bar.

    Returns:
        In the order of the prompts: `answer`, `tokens` (new ones, the end token included), `stopped` (whether the
        model ended by itself), `seconds` (the batch's wall time, shared out evenly).
    """
    texts = [render_chat(prompt, tokenizer, add_generation_prompt=True) for prompt in prompts]
    by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # neighbours waste least on padding
    answers: dict[int, Row] = {}
    with tqdm(total=len(texts), desc=title, unit="answer") as bar:
        for start in range(0, len(texts), section.batch_size):
            indices = by_length[start : start + section.batch_size]
            batch = answer_batch(model, tokenizer, [texts[index] for index in indices], section.max_new_tokens)
            answers |= dict(zip(indices, batch, strict=True))
            bar.update(len(indices))
    return [answers[index] for index in range(len(texts))]


def answer_batch(model: Any, tokenizer: PreTrainedTokenizerBase, texts: list[str], max_new_tokens: int) -> list[Row]:
    """Answer one batch. Padding stands left, so that the new tokens of every row follow its own last token."""
    started = time.perf_counter()
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False).to(
        model.device
    )
    ends = end_tokens(model, tokenizer)
    with torch.inference_mode():
        sequences = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=max_new_tokens,
            eos_token_id=ends,
            pad_token_id=tokenizer.pad_token_id,
        )
    new = sequences[:, batch["input_ids"].shape[1] :].tolist()  # (rows, new tokens)
    seconds = (time.perf_counter() - started) / len(texts)
    return [describe_answer(ids, ends, tokenizer) | {"seconds": round(seconds, 4)} for ids in new]


def describe_answer(ids: list[int], ends: list[int], tokenizer: PreTrainedTokenizerBase) -> Row:
    """Cut a row at its first end token; what follows is padding."""
    tokens = next((position + 1 for position, token in enumerate(ids) if token in ends), len(ids))
    stopped = bool(tokens) and ids[tokens - 1] in ends
    answer = tokenizer.decode(ids[: tokens - stopped], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return {"answer": answer, "tokens": tokens, "stopped": stopped}


def end_tokens(model: Any, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """All tokens that end an answer: the model's own (Qwen2.5 has two) and the tokenizer's."""
    own = model.generation_config.eos_token_id
    listed = own if isinstance(own, list) else [own] if own is not None else []
    return sorted({*listed, tokenizer.eos_token_id})
