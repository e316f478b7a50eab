"""Greedy decoding through the decoder gives the tokens that Transformers' `generate` gives."""

from typing import Any

import pytest
import torch

from qloratory.decoder import Decoder
from qloratory.greedy import cut, decode_greedily
from test_decoder import FAMILIES, make_model

PROMPTS = [5, 1, 23, 9]  # tokens
NEW = 40


def draw_prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(3, 1024, (length,), generator=generator).tolist() for length in PROMPTS]


def by_transformers(model: Any, prompt: list[int], ends: list[int]) -> list[int]:
    ids = torch.tensor([prompt])
    settings: dict[str, Any] = {
        "do_sample": False,
        "max_new_tokens": NEW,
        "pad_token_id": 0,
        "eos_token_id": ends or None,
    }
    return model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)[0, len(prompt) :].tolist()


def untie(model: Any) -> None:
    """A random model with tied embeddings says the same token for ever; one with another head does not."""
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(5)))


def late_tokens(answers: list[list[int]]) -> list[int]:
    """Tokens that come, but not at once: as end tokens they end some rows, at different steps."""
    found = {token for answer in answers for token in answer[6:] if token not in {t for a in answers for t in a[:6]}}
    return sorted(found)[:2]


@pytest.mark.parametrize("with_adapter", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokens_are_those_of_transformers(family: str, with_adapter: bool) -> None:
    model = make_model(family) if with_adapter else make_model(family).unload()
    untie(model)
    prompts = draw_prompts()
    free = [by_transformers(model, prompt, []) for prompt in prompts]
    ends = late_tokens(free)
    expected = [by_transformers(model, prompt, ends) for prompt in prompts]
    decoder = Decoder(model, torch.float32, keep_dequantized=True, recompute=False, longest=max(PROMPTS) + NEW)
    decoder.refresh()
    assert decode_greedily(decoder, prompts, NEW, ends) == expected
    assert len({len(tokens) for tokens in expected}) > 1


def test_one_new_token_and_an_end_at_once() -> None:
    model = make_model("llama")
    prompts = draw_prompts()
    first = [by_transformers(model, prompt, [])[0] for prompt in prompts]
    decoder = Decoder(model, torch.float32, keep_dequantized=True, recompute=False, longest=100)
    decoder.refresh()
    assert decode_greedily(decoder, prompts, 1, [0]) == [[token] for token in first]
    assert decode_greedily(decoder, prompts, NEW, first) == [[token] for token in first]


@pytest.mark.parametrize(
    ("tokens", "kept"), [([5, 6, 1, 7], [5, 6, 1]), ([2, 1], [2]), ([5, 6], [5, 6]), ([], [])], ids=str
)
def test_an_answer_is_cut_behind_its_first_end(tokens: list[int], kept: list[int]) -> None:
    assert cut(tokens, ends=[1, 2]) == kept
