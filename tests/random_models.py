"""Random-weight models of real architectures, for tests and for speed: their values do not matter, their shapes do.

`python tests/random_models.py FOLDER` writes a full-size Qwen2.5-0.5B with random weights.
"""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    set_seed,
)

ROOT = Path(__file__).parents[1]
SMOLLM2_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def qwen_template() -> str:
    """Qwen2.5's chat template, as TRL ships it."""
    return (files("trl") / "chat_templates" / "qwen2_5.jinja").read_text(encoding="utf-8")


def tiny_tokenizer(template: str) -> PreTrainedTokenizerBase:
    """A byte-level BPE with Qwen's special tokens, trained on the project's own data."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([(ROOT / "data" / "train.jsonl").read_text(encoding="utf-8")], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=template
    )


def save_random_model(folder: Path, config: Any, template: str) -> Path:
    """Write a model of this configuration, with a small tokenizer, as a Transformers folder."""
    set_seed(0)
    tokenizer = tiny_tokenizer(template)
    config.eos_token_id = tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


TINY = {
    "vocab_size": 1024,
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "max_position_embeddings": 1024,
}
QWEN_05B = {
    "vocab_size": 151936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "max_position_embeddings": 32768,
}


def tiny_qwen_model(folder: Path) -> Path:
    return save_random_model(folder, Qwen2Config(**TINY), qwen_template())


def tiny_llama_model(folder: Path) -> Path:
    return save_random_model(folder, LlamaConfig(**TINY), SMOLLM2_TEMPLATE)


def tiny_gemma_model(folder: Path) -> Path:
    """Its logits are no mere product of the head: they are bent, softly, to at most 1."""
    config = Gemma2Config(**TINY, head_dim=32, query_pre_attn_scalar=32, final_logit_softcapping=1.0)
    return save_random_model(folder, config, qwen_template())


if __name__ == "__main__":
    save_random_model(Path(sys.argv[1]), Qwen2Config(**QWEN_05B), qwen_template())
