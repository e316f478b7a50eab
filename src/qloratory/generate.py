"""Batched greedy generation: the same call before and after training, and for the merged model."""

import time
from collections.abc import Callable
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from qloratory.config import GenerateSection
from qloratory.data import Message, Row
from qloratory.decoder import Decoder, why_not
from qloratory.greedy import decode_greedily
from qloratory.labels import encode_chat


def generate_answers(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[Message]],
    section: GenerateSection,
    title: str,
    dtype: torch.dtype,
) -> list[Row]:
    """Answer every prompt, greedily.

    Args:
        model: A causal language model, with or without an adapter, in eval mode.
        tokenizer: Its tokenizer.
        prompts: One conversation an answer, ending in a user's message.
        section: Uses `max_new_tokens` and `batch_size`.
        title: Shown at the progress bar.
        dtype: In which our decoder multiplies; on a GPU it knows bfloat16 alone.

    Returns:
        In the order of the prompts: `answer`, `tokens` (new ones, the end token included), `stopped` (whether the
        model ended by itself), `seconds` (the batch's wall time, shared out evenly).
    """
    encoded = [encode_chat(prompt, tokenizer, add_generation_prompt=True) for prompt in prompts]
    by_length = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))  # neighbours waste least on padding
    answer_batch = choose_way(model, tokenizer, encoded, section.max_new_tokens, dtype)
    answers: dict[int, Row] = {}
    with tqdm(total=len(encoded), desc=title, unit="answer") as bar:
        for start in range(0, len(encoded), section.batch_size):
            indices = by_length[start : start + section.batch_size]
            started = time.perf_counter()
            new = answer_batch([encoded[index] for index in indices])
            seconds = round((time.perf_counter() - started) / len(indices), 4)
            ends = end_tokens(model, tokenizer)
            answers |= {
                index: describe_answer(ids, ends, tokenizer) | {"seconds": seconds}
                for index, ids in zip(indices, new, strict=True)
            }
            bar.update(len(indices))
    return [answers[index] for index in range(len(encoded))]


def choose_way(
    model: Any, tokenizer: PreTrainedTokenizerBase, encoded: list[list[int]], max_new_tokens: int, dtype: torch.dtype
) -> Callable[[list[list[int]]], list[list[int]]]:
    """How a batch of prompts' ids gets its new tokens: by our own decoder, or by `generate` where that one cannot.

    The decoder computes what the model does; in float32 it adds an adapter to the weights first.
    """
    ends = end_tokens(model, tokenizer)
    if why_not(model, dtype) is not None:
        return lambda batch: generate_batch(model, tokenizer, batch, max_new_tokens, ends)
    longest = max(map(len, encoded), default=0) + max_new_tokens
    decoder = Decoder(model, dtype, keep_dequantized=True, recompute=False, longest=longest)
    decoder.refresh()
    return lambda batch: decode_greedily(decoder, batch, max_new_tokens, ends)


def generate_batch(
    model: Any, tokenizer: PreTrainedTokenizerBase, encoded: list[list[int]], max_new_tokens: int, ends: list[int]
) -> list[list[int]]:
    """New tokens a row, filled up with padding. Padding stands left, so that they follow each row's own last token."""
    batch = tokenizer.pad({"input_ids": encoded}, padding_side="left", return_tensors="pt").to(model.device)
    with torch.inference_mode():
        sequences = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=max_new_tokens,
            eos_token_id=ends,
            pad_token_id=tokenizer.pad_token_id,
        )
    return sequences[:, batch["input_ids"].shape[1] :].tolist()


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
