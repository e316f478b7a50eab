"""The decoder written out is the Transformers model with PEFT's adapters: same hidden states, losses and gradients."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config, set_seed

from qloratory.decoder import Decoder, Packed, why_not
from qloratory.labels import IGNORED
from qloratory.model import check_four_bit, keep_dequantized, keep_packing, trainable_parameters
from random_models import TINY

FAMILIES = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
LENGTHS = (7, 1, 30, 12)  # tokens of the documents


def make_model(family: str, targets: Any = "all-linear", r: int = 4) -> Any:
    """A random model whose norms, biases and adapters are not what they start as."""
    set_seed(0)
    extra = {"head_dim": 32} if family == "qwen3" else {}
    base = AutoModelForCausalLM.from_config(FAMILIES[family](**TINY, **extra), dtype=torch.float32)
    for name, parameter in base.named_parameters():
        if "norm" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.2)
    model = get_peft_model(base, LoraConfig(r=r, lora_alpha=2 * r, target_modules=targets)).eval()
    for name, parameter in trainable_parameters(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def make_documents() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Token ids and labels; the first half of each document, and at least one token, is masked."""
    generator = torch.Generator().manual_seed(1)
    ids = [torch.randint(0, TINY["vocab_size"], (length,), generator=generator) for length in LENGTHS]
    labels = []
    for document in ids:
        masked = document.clone()
        masked[: max(1, len(document) // 2)] = IGNORED
        labels.append(masked)
    return ids, labels


def pack(ids: list[torch.Tensor], labels: list[torch.Tensor]) -> Packed:
    """By hand, so that qloratory's own packing is not what tests itself."""
    starts = torch.tensor([0, *torch.tensor([len(document) for document in ids]).cumsum(0).tolist()], dtype=torch.int32)
    rows, targets = [], []
    for start, document in zip(starts.tolist(), labels, strict=False):
        for position in range(1, len(document)):
            if document[position] != IGNORED:
                rows.append(start + position - 1)
                targets.append(int(document[position]))
    return Packed(
        input_ids=torch.cat(ids),
        positions=torch.cat([torch.arange(len(document)) for document in ids]),
        starts=starts,
        loss_rows=torch.tensor(rows),
        targets=torch.tensor(targets),
        longest=max(LENGTHS),
    )


def to_device(batch: Packed, device: torch.device) -> Packed:
    tensors: dict[str, Any] = {
        name: value.to(device) for name, value in vars(batch).items() if isinstance(value, torch.Tensor)
    }
    return replace(batch, **tensors)


def reference(model: Any, ids: list[torch.Tensor], labels: list[torch.Tensor], scale: float) -> torch.Tensor:
    """The scaled loss by Transformers and autograd, each document alone; gradients are left at the parameters."""
    total = torch.zeros(())
    for document, label in zip(ids, labels, strict=True):
        logits = model(input_ids=document[None]).logits[0, :-1]
        total = total + F.cross_entropy(logits, label[1:], ignore_index=IGNORED, reduction="sum")
    (total * scale).backward()
    return (total * scale).detach()


def make_decoder(model: Any, **settings: Any) -> Decoder:
    defaults: dict[str, Any] = {"dtype": torch.float32, "keep_dequantized": True, "recompute": False, "longest": 64}
    decoder = Decoder(model, **(defaults | settings))
    decoder.refresh()
    return decoder


def step(model: Any, batch: Packed, scale: float, **settings: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    decoder = make_decoder(model, **settings)
    loss = decoder.step(to_device(batch, decoder.device), torch.tensor(scale, device=decoder.device))
    return loss, gradients_of(model, decoder)


def gradients_of(model: Any, decoder: Decoder) -> dict[str, torch.Tensor]:
    decoder.attach_gradients()
    return current_gradients(model)


def current_gradients(model: Any) -> dict[str, torch.Tensor]:
    gradients = {name: parameter.grad for name, parameter in trainable_parameters(model).items()}
    return {name: gradient.clone() for name, gradient in gradients.items() if gradient is not None}


def assert_same_gradients(
    ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], tolerance: float = 1e-4
) -> None:
    for name, gradient in theirs.items():
        assert gradient.norm() > 0, name
        assert (ours[name] - gradient).norm() <= tolerance * gradient.norm(), name


@pytest.mark.parametrize("settings", [{}, {"recompute": True}, {"keep_dequantized": False}], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_transformers(
    family: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qloratory.decoder.MLP_TOKENS", 16)  # else so few tokens are one part
    model = make_model(family)
    ids, labels = make_documents()
    loss = reference(model, ids, labels, 0.01)
    theirs = current_gradients(model)
    ours = step(model, pack(ids, labels), 0.01, **settings)
    torch.testing.assert_close(ours[0], loss, rtol=1e-5, atol=0)
    assert_same_gradients(ours[1], theirs)


@pytest.mark.parametrize("settings", [{}, {"recompute": True}, {"keep_dequantized": False}], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("device", DEVICES)
def test_in_bfloat16_gradients_are_off_by_its_roundings_alone(
    device: str, family: str, settings: dict[str, Any]
) -> None:
    """Against float32. Eight bits of mantissa, through the roundings of two layers: a few per cent."""
    model = make_model(family)
    ids, labels = make_documents()
    loss = reference(model, ids, labels, 0.01)
    theirs = current_gradients(model)
    loss_in_bfloat16, ours = step(model.to(device), pack(ids, labels), 0.01, dtype=torch.bfloat16, **settings)
    torch.testing.assert_close(loss_in_bfloat16.cpu(), loss, rtol=5e-3, atol=0)
    assert_same_gradients({name: gradient.cpu() for name, gradient in ours.items()}, theirs, tolerance=5e-2)


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["down_proj"], ["k_proj", "o_proj", "up_proj"]], ids=str)
def test_adapters_may_be_on_some_layers_only(targets: list[str]) -> None:
    model = make_model("qwen2", targets, r=3)
    ids, labels = make_documents()
    reference(model, ids, labels, 1.0)
    theirs = current_gradients(model)
    assert_same_gradients(step(model, pack(ids, labels), 1.0)[1], theirs)


@pytest.mark.parametrize("kept", [True, False])
def test_four_bit_weights_are_those_of_bitsandbytes(tiny_qwen: Path, kept: bool) -> None:
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    base = AutoModelForCausalLM.from_pretrained(
        tiny_qwen, dtype=torch.float32, quantization_config=quantization, device_map={"": "cpu"}
    )
    keep_packing(base)
    check_four_bit(base)
    if kept:
        keep_dequantized(base)
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear"))
    for name, parameter in trainable_parameters(model).items():
        torch.nn.init.normal_(parameter, std=0.1 if "lora_B" in name else 0.05)
    ids, labels = make_documents()
    loss = reference(model, ids, labels, 0.01)
    theirs = current_gradients(model)
    ours = step(model, pack(ids, labels), 0.01, keep_dequantized=kept)
    torch.testing.assert_close(ours[0], loss, rtol=1e-5, atol=0)
    assert_same_gradients(ours[1], theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_documents_logits_are_the_lone_documents(family: str) -> None:
    model = make_model(family)
    ids, labels = make_documents()
    decoder = make_decoder(model)
    together = decoder.logits(decoder.hidden(pack(ids, labels))).split(LENGTHS)
    for document, logits in zip(ids, together, strict=True):
        alone = model(input_ids=document[None]).logits[0]
        torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-4)


def test_gradients_add_up_over_steps() -> None:
    """Gradient accumulation: two documents' gradients are the sum of each one's."""
    model = make_model("llama")
    ids, labels = make_documents()
    together = step(model, pack(ids, labels), 1.0)[1]
    decoder = make_decoder(model)
    for half in (slice(0, 2), slice(2, 4)):
        decoder.step(pack(ids[half], labels[half]), torch.tensor(1.0))
    assert_same_gradients(gradients_of(model, decoder), together)


def with_shapes(**shapes: Any) -> Any:
    base = AutoModelForCausalLM.from_config(LlamaConfig(**TINY, **shapes), dtype=torch.float32)
    return get_peft_model(base, LoraConfig(target_modules="all-linear"))


def with_lora(**lora: Any) -> Any:
    base = AutoModelForCausalLM.from_config(LlamaConfig(**TINY), dtype=torch.float32)
    return get_peft_model(base, LoraConfig(**lora))


CANNOT_BE_SERVED = {
    "its activation is gelu": lambda: with_shapes(hidden_act="gelu"),
    "its RoPE is dynamic": lambda: with_shapes(
        rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    ),
    "adapters that are not on linear layers": lambda: with_lora(target_modules=["embed_tokens", "q_proj"]),
    "adapters are a variant of LoRA": lambda: with_lora(target_modules="all-linear", use_dora=True),
}


@pytest.mark.parametrize("reason", CANNOT_BE_SERVED)
def test_a_model_of_another_make_is_not_served(reason: str) -> None:
    assert reason in str(why_not(CANNOT_BE_SERVED[reason](), torch.float32))


def test_a_sliding_window_is_not_served() -> None:
    shapes = Qwen2Config(**TINY, use_sliding_window=True, sliding_window=8, max_window_layers=0)
    model = get_peft_model(AutoModelForCausalLM.from_config(shapes), LoraConfig(target_modules="all-linear"))
    assert why_not(model, torch.float32) == "it attends to a sliding window"


def test_what_cannot_be_served_is_told() -> None:
    assert why_not(make_model("qwen3"), torch.float32) is None
    assert "lora_dropout" in str(why_not(make_model("llama"), torch.float32, 0.1))
    model = make_model("llama")
    model.get_base_model().config.model_type = "gemma"
    assert "gemma" in str(why_not(model, torch.float32))
