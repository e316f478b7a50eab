"""Merge the adapter into the base, and measure how far the merged model is from the adapter."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qloratory.config import Config
from qloratory.data import Row
from qloratory.evaluate import CHUNK, collate
from qloratory.labels import IGNORED, tokenize_row
from qloratory.model import Source, hub_id, load_adapter, load_base, load_dequantized, logits_at

Strategy = Literal["dequantized", "original"]


def merge_adapter(config: Config, source: Source, adapter: Path, strategy: Strategy) -> PreTrainedModel:
    """The base with the adapter merged in, an ordinary model without adapter or quantization.

    Args:
        config: The recipe that trained the adapter.
        source: Its base.
        adapter: The clean adapter's folder.
        strategy: "dequantized" merges into the values that the adapter was trained on, rounded to 4 bits and
            back: the merged model is the adapter's. "original" merges into the weights before they were
            quantized: a better base, but one that the adapter has never seen.
    """
    quantized = strategy == "dequantized" and config.quantization.load_in_4bit
    base = load_dequantized(config, source) if quantized else load_base(config, source, quantized=False)
    return load_adapter(base, adapter, hub_id(config.model)).merge_and_unload().eval()


def save_merged(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the merged model as an ordinary Transformers folder; it appears by one rename, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model.save_pretrained(work)
        tokenizer.save_pretrained(work)
        work.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def agreement(
    reference: Any,
    other: Any,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[Row],
    batch_size: int,
    title: str,
) -> dict[str, float | int]:
    """How near the next-token distributions of two models are, at every token of the same answers.

    Args:
        reference: The model that is compared against: the adapter on its 4-bit base.
        other: The merged model.
        tokenizer: Of both.
        rows: Prompts with answers as completions; both models read them, neither generates.
        batch_size: Rows a forward pass.
        title: Shown at the progress bar.

    Returns:
        `kl`: mean KL(reference || other) in nats a token, `kl_max`: the largest, `same_argmax`: share of tokens
        where both would choose the same, `tokens`: how many were compared.
    """
    encoded = [tokenize_row(row, tokenizer, f"answer {number}") for number, row in enumerate(rows, start=1)]
    # Neighbours of like length waste least on padding; the longest first, so that all others fit where they were.
    encoded.sort(key=lambda row: -len(row["input_ids"]))
    divergences, same = [], []
    for start in tqdm(range(0, len(encoded), batch_size), desc=title, unit="batch"):
        inputs = collate(encoded[start : start + batch_size], tokenizer, reference.device)
        before_answer = inputs.pop("labels").roll(-1, dims=1) != IGNORED  # (rows, tokens): what predicts one of it
        with torch.inference_mode():
            logits = (logits_at(model, inputs, before_answer, CHUNK) for model in (reference, other))
            for one, two in zip(*logits, strict=True):
                p, q = one.double().log_softmax(-1), two.double().log_softmax(-1)
                divergences.append(F.kl_div(q, p, reduction="none", log_target=True).sum(-1).cpu())
                same.append((p.argmax(-1) == q.argmax(-1)).cpu())
    kl, equal = torch.cat(divergences), torch.cat(same)
    return {
        "kl": kl.mean().item(),
        "kl_max": kl.max().item(),
        "same_argmax": equal.double().mean().item(),
        "tokens": equal.numel(),
    }
