"""How much memory a training run will take, from the recipe and the model's shapes alone; and what it took."""

import resource
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from qloratory.config import Config, QuantizationSection
from qloratory.model import Source, from_pretrained, model_bytes, pick_device, working_dtype

MIB = 2**20
NF4_BLOCK = 64  # values that share a scale
SCALE_BLOCK = 256  # scales that share a scale, with double quantization
CLEAR_REFS = Path("/proc/self/clear_refs")


def predict_memory(config: Config, source: Source, rows: int, tokens: int, supervised: int) -> dict[str, float]:
    """MiB that each part of a training step will take.

    Args:
        config: The recipe.
        source: The base; only its configuration is read.
        rows: Rows of the largest batch.
        tokens: Tokens a row of the largest batch, padding included.
        supervised: Tokens with loss in that batch.

    Returns:
        `base` (weights as stored), `dequantized_copies`, `adapter`, `gradients`, `optimizer` (Adam's two moments),
        `activations` (what the backward pass needs again), `logits` (at the loss) and their sum, `peak`.
        The process itself, and what the allocator leaves unused, come on top.
    """
    model = empty_model(source, getattr(torch, config.model.dtype))
    adapter = adapter_parameters(model, config)
    parts = {
        "base": weight_bytes(model, config.quantization),
        "dequantized_copies": copy_bytes(model, config),
        "adapter": 4 * adapter,
        "gradients": 4 * adapter,
        "optimizer": 8 * adapter,
        "activations": rows * tokens * activation_bytes_a_token(model.config, config),
        "logits": 3 * 4 * supervised * model.config.vocab_size,  # logits, their logarithms, their gradient
    }
    return in_mib(parts | {"peak": sum(parts.values())})


def in_mib(parts: dict[str, int]) -> dict[str, float]:
    return {name: round(value / MIB, 1) for name, value in parts.items()}


def empty_model(source: Source, dtype: torch.dtype) -> Any:
    """The model's shapes without its weights: nothing is read but its configuration."""
    shapes = from_pretrained(AutoConfig, source)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(shapes, dtype=dtype)


def four_bit_candidates(model: nn.Module, section: QuantizationSection) -> dict[str, nn.Linear]:
    """The layers that will be quantized: every linear one that the recipe does not leave out."""
    if not section.load_in_4bit:
        return {}
    skipped = set(section.llm_int8_skip_modules)
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and not skipped & {name, *name.split(".")}
    }


def weight_bytes(model: nn.Module, section: QuantizationSection) -> int:
    """Bytes of all weights once the linear layers are quantized; tied weights count once."""
    quantized = four_bit_candidates(model, section)
    packed = {id(layer.weight) for layer in quantized.values()}
    tensors = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    plain = sum(tensor.nbytes for key, tensor in tensors.items() if key not in packed)
    return plain + sum(
        four_bit_bytes(layer.weight.numel(), section.bnb_4bit_use_double_quant) for layer in quantized.values()
    )


def four_bit_bytes(values: int, double_quant: bool) -> int:
    """Half a byte a value, and a scale for each block of 64: 4 bytes, or 1 with double quantization.

    Double quantization adds a 4-byte scale for each 256 scales (arXiv 2305.14314, section 3).
    """
    scales = -(-values // NF4_BLOCK)
    return values // 2 + (scales + 4 * -(-scales // SCALE_BLOCK) if double_quant else 4 * scales)


def copy_bytes(model: nn.Module, config: Config) -> int:
    """Bytes of the dequantized copies, where the recipe keeps them."""
    keep = config.quantization.keep_dequantized
    if keep is False or (keep == "auto" and pick_device(config.model.device) != "cpu"):
        return 0
    itemsize = getattr(torch, config.quantization.bnb_4bit_compute_dtype).itemsize
    return sum(layer.weight.numel() * itemsize for layer in four_bit_candidates(model, config.quantization).values())


def adapter_parameters(model: Any, config: Config) -> int:
    """r · (in + out) for each layer that gets an adapter; "all-linear" is all but the head."""
    targets = config.lora.target_modules
    head = model.get_output_embeddings()
    return sum(
        config.lora.r * (layer.in_features + layer.out_features)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
        and layer is not head
        and (targets == "all-linear" or name.split(".")[-1] in targets)
    )


def activation_bytes_a_token(shapes: Any, config: Config) -> int:
    """Bytes that a Llama or Qwen decoder keeps a token for its backward pass, adapters on all seven projections.

    Counted tensor by tensor in a layer: both norms' inputs and outputs, the query, and the attention's output (6
    times the width); keys and values; gate, its activation, up, and their product (4 times the MLP's width); A's
    output for each of the seven adapters; the attention's log-sum a head. `gradient_checkpointing` keeps one input
    a layer, and recomputes one layer at a time.
    """
    width, heads = shapes.hidden_size, shapes.num_attention_heads
    head_width = getattr(shapes, "head_dim", None) or width // heads
    kept = 6 * width + 2 * shapes.num_key_value_heads * head_width + 4 * shapes.intermediate_size
    kept += 7 * config.lora.r + heads + 2
    itemsize = working_dtype(config).itemsize
    if config.train.gradient_checkpointing is True:
        return itemsize * (shapes.num_hidden_layers * width + kept)
    return itemsize * shapes.num_hidden_layers * kept


def measured_parts(model: nn.Module, optimizer: torch.optim.Optimizer | None) -> dict[str, float]:
    """MiB of what can be counted exactly in a model that has been trained: base, copies, adapter, optimizer."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adapter = sum(parameter.nbytes for parameter in trainable)
    copies = sum(buffer.nbytes for name, buffer in model.named_buffers() if name.endswith(".dequantized"))
    states = optimizer.state.values() if optimizer else []
    moments = [
        value for state in states for value in state.values() if isinstance(value, torch.Tensor) and value.dim() > 0
    ]
    return in_mib(
        {
            "base": model_bytes(model) - adapter - copies,
            "dequantized_copies": copies,
            "adapter": adapter,
            "gradients": adapter,  # one float32 a float32 parameter, freed after each step
            "optimizer": sum(moment.nbytes for moment in moments),
        }
    )


def reset_peak_memory() -> None:
    """Let the peak be counted from here on, on a GPU and, where the kernel allows it, on the CPU."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        CLEAR_REFS.write_text("5", encoding="ascii")  # proc(5): resets the peak resident set size
    except OSError:
        return


def peak_mib(device: str) -> float:
    """The most memory held since `reset_peak_memory`: the GPU's allocations, or this process's resident set."""
    if device == "cuda":
        return round(torch.cuda.max_memory_allocated() / MIB, 1)
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return round(int(fields["VmHWM"].split()[0]) / 1024, 1)


def held_mib(device: str) -> float:
    """Memory held now: the GPU's allocations, or this process's resident set."""
    if device == "cuda":
        return round(torch.cuda.memory_allocated() / MIB, 1)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * resource.getpagesize() / MIB, 1)
