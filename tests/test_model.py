"""4-bit weights are what they should be, and a wrong kernel is caught; models are found or refused in a sentence."""

import json
from pathlib import Path

import bitsandbytes as bnb
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from conftest import tiny_settings
from qloratory.config import Config, ModelSection
from qloratory.errors import HardwareError, ModelError
from qloratory.model import (
    KeptLinear4bit,
    attach_adapter,
    check_four_bit,
    dequantize_layer,
    four_bit_layers,
    hub_token,
    keep_dequantized,
    load_adapter,
    load_base,
    load_dequantized,
    load_tokenizer,
    model_bytes,
    pick_device,
    reference_dequantize,
    resolve_source,
)


def config_for(model: Path, folder: Path, **quantization: object) -> Config:
    settings = tiny_settings(model, folder)
    settings["quantization"] |= quantization
    return Config.model_validate(settings)


def four_bit_layer(columns: int, blocksize: int, *, double_quant: bool) -> bnb.nn.Linear4bit:
    """A random 64-row layer in NF4, quantized by bitsandbytes on the CPU."""
    layer = bnb.nn.Linear4bit(columns, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    torch.manual_seed(0)
    packed, state = bnb.functional.quantize_4bit(
        torch.randn(64, columns), blocksize=blocksize, compress_statistics=double_quant, quant_type="nf4"
    )
    layer.weight = bnb.nn.Params4bit(
        packed, requires_grad=False, quant_state=state, bnb_quantized=True, blocksize=blocksize, quant_type="nf4"
    )
    layer.quant_state = state
    return layer


@pytest.mark.parametrize("double_quant", [False, True])
def test_bitsandbytes_equals_the_reference(double_quant: bool) -> None:
    layer = four_bit_layer(576, 64, double_quant=double_quant)
    ours = reference_dequantize(layer.weight.data, layer.weight.quant_state)
    torch.testing.assert_close(dequantize_layer(layer, torch.float32), ours, rtol=1e-6, atol=1e-6)
    assert check_four_bit(nn.ModuleDict({"q_proj": layer})) == 1


def test_the_silent_kernel_defect_is_caught_where_it_is() -> None:
    """576 columns in blocks of 128: bitsandbytes' AVX512 kernel restarts its blocks at every row, without a word.

    On a machine whose kernel is right, the same layer must pass.
    """
    torch.manual_seed(0)
    original = torch.randn(64, 576)  # what four_bit_layer quantizes
    layer = four_bit_layer(576, 128, double_quant=False)
    error = (dequantize_layer(layer, torch.float32) - original).norm() / original.norm()
    model = nn.ModuleDict({"q_proj": layer})
    if error < 0.2:  # NF4's own error is near 0.1
        assert check_four_bit(model) == 1
    else:
        with pytest.raises(ModelError, match=r"layer q_proj, shape \(64, 576\), computes wrong.*llm_int8_skip"):
            check_four_bit(model)


def test_a_kernel_that_restarts_its_blocks_at_every_row_is_caught() -> None:
    """The same defect, made by hand, so that every machine sees it refused."""
    layer = four_bit_layer(576, 128, double_quant=False)
    keep_dequantized(model := nn.ModuleDict({"q_proj": layer}))
    state = layer.weight.quant_state
    right = reference_dequantize(layer.weight.data, state)
    scales = state.absmax.repeat_interleave(128)[: right.numel()].view_as(right)
    restarted = torch.arange(64)[:, None] * (576 // 128) + torch.arange(576) // 128  # (rows, columns)
    layer.dequantized = right / scales * state.absmax[restarted]
    with pytest.raises(ModelError, match="computes wrong values"):
        check_four_bit(model)


def test_one_wrong_value_is_caught() -> None:
    layer = four_bit_layer(128, 64, double_quant=True)
    keep_dequantized(model := nn.ModuleDict({"q_proj": layer}))
    layer.dequantized[0, 0] += 1
    with pytest.raises(ModelError, match="computes wrong values"):
        check_four_bit(model)


def test_kept_weights_compute_the_same_bits(tiny_qwen: Path, tmp_path: Path) -> None:
    config = config_for(tiny_qwen, tmp_path, keep_dequantized=False)
    source = resolve_source(config.model)
    model = load_base(config, source)
    ids = torch.arange(40).view(2, 20)
    with torch.no_grad():
        before = model(ids).logits
        keep_dequantized(model)
        after = model(ids).logits
    assert {type(layer) for layer in four_bit_layers(model).values()} == {KeptLinear4bit}
    assert torch.equal(before, after)


def test_kept_weights_follow_a_merge_into_4_bits(tiny_qwen: Path, tmp_path: Path) -> None:
    """PEFT replaces the packed weight; a kept copy of the old one would silently undo the merge."""
    ids = torch.arange(40).view(2, 20)
    logits = []
    for keep in (True, False):
        config = config_for(tiny_qwen, tmp_path, keep_dequantized=keep)
        model = attach_adapter(load_base(config, resolve_source(config.model)), config.lora, seed=0)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
        with torch.no_grad(), model.disable_adapter():
            unmerged = model(ids).logits
        with torch.no_grad(), pytest.warns(UserWarning, match="rounding errors"):
            logits.append(model.merge_and_unload()(ids).logits)
    assert torch.equal(*logits)
    assert not torch.allclose(logits[0], unmerged, atol=1e-2)


def test_the_dequantized_base_computes_the_same_bits(tiny_qwen: Path, tmp_path: Path) -> None:
    config = config_for(tiny_qwen, tmp_path)
    source = resolve_source(config.model)
    ids = torch.arange(40).view(2, 20)
    plain = load_dequantized(config, source)
    with torch.no_grad():
        assert torch.equal(load_base(config, source)(ids).logits, plain(ids).logits)
    assert not four_bit_layers(plain)


def test_modules_named_in_the_recipe_stay_unquantized(tiny_qwen: Path, tmp_path: Path) -> None:
    config = config_for(tiny_qwen, tmp_path, llm_int8_skip_modules=["lm_head", "v_proj", "down_proj"])
    layers = four_bit_layers(load_base(config, resolve_source(config.model)))
    assert {name.rpartition(".")[2] for name in layers} == {"q_proj", "k_proj", "o_proj", "gate_proj", "up_proj"}


def test_four_bits_take_fewer_bytes(tiny_qwen: Path, tmp_path: Path) -> None:
    packed = config_for(tiny_qwen, tmp_path, keep_dequantized=False)
    kept = config_for(tiny_qwen, tmp_path)
    source = resolve_source(packed.model)
    plain = model_bytes(load_base(packed, source, quantized=False))
    assert model_bytes(load_base(packed, source)) < plain < model_bytes(load_base(kept, source))


def test_a_fresh_adapter_changes_nothing_and_is_the_same_for_a_seed(tiny_qwen: Path, tmp_path: Path) -> None:
    config = config_for(tiny_qwen, tmp_path)
    source = resolve_source(config.model)
    ids = torch.arange(20).view(1, 20)
    model = load_base(config, source)
    with torch.no_grad():
        before = model(ids).logits
        torch.manual_seed(123)
        first = attach_adapter(model, config.lora, seed=7)
        assert torch.equal(first(ids).logits, before)
    again = attach_adapter(load_base(config, source), config.lora, seed=7)
    for (name, one), (_, other) in zip(first.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_padding_is_not_the_end_token(smollm2: Path) -> None:
    tokenizer = load_tokenizer(resolve_source(ModelSection(name_or_path=str(smollm2))))
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<|endoftext|>", "<|im_end|>")


def test_the_embedded_model_is_an_ordinary_folder_with_the_ggufs_values(smollm2: Path) -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize

    from qloratory.model import embedded_gguf

    reader = GGUFReader(embedded_gguf("smollm2-135m-instruct"))
    tensor = next(tensor for tensor in reader.tensors if tensor.name == "blk.3.ffn_gate.weight")
    model = AutoModelForCausalLM.from_pretrained(smollm2, local_files_only=True)
    weight = model.model.layers[3].mlp.gate_proj.weight
    assert torch.equal(weight.detach(), torch.from_numpy(dequantize(tensor.data, tensor.tensor_type)))
    assert resolve_source(ModelSection(name_or_path=str(embedded_gguf("smollm2-135m-instruct")))).name_or_path == str(
        smollm2
    )


@pytest.mark.parametrize("name", ["no-such-model", "./nowhere", "/nowhere/model", "a/b/c"])
def test_a_model_that_is_nowhere_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="there is no model"):
        resolve_source(ModelSection(name_or_path=name))


def test_a_gguf_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "model.gguf").write_bytes(b"no GGUF at all")
    with pytest.raises(ModelError, match="is not a GGUF"):
        resolve_source(ModelSection(name_or_path=str(tmp_path / "model.gguf")))
    assert not list((tmp_path / "cache" / "qloratory" / "models").iterdir())


def test_broken_model_folders_are_refused(tiny_qwen: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no config.json"):
        resolve_source(ModelSection(name_or_path=str(tmp_path / "empty")))
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny_qwen.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"\x00" * 100)
    config = config_for(broken, tmp_path)
    with pytest.raises(ModelError, match="broken cannot be loaded, is the folder complete"):
        load_base(config, resolve_source(config.model))


def test_a_model_without_a_chat_template_is_refused(tiny_qwen: Path, tmp_path: Path) -> None:
    for file in tiny_qwen.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="has no chat template"):
        load_tokenizer(resolve_source(ModelSection(name_or_path=str(tmp_path))))


def test_an_adapter_of_another_model_is_refused(finished_run: Path, tmp_path: Path, tiny_llama: Path) -> None:
    config = config_for(tiny_llama, tmp_path)
    adapter = finished_run / "run" / "tiny-coder"
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "adapter_model.safetensors").write_bytes((adapter / "adapter_model.safetensors").read_bytes())
    (other / "adapter_config.json").write_text(json.dumps(settings | {"r": 8}), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be put on this model"):
        load_adapter(load_base(config, resolve_source(config.model)), other)
    with pytest.raises(ModelError, match="is not an adapter"):
        load_adapter(load_base(config, resolve_source(config.model)), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_recipe_that_needs_a_gpu_says_so() -> None:
    with pytest.raises(HardwareError, match="needs an NVIDIA GPU"):
        pick_device("cuda")
    assert pick_device("auto") == "cpu"


def test_the_hub_token_comes_from_the_environment_or_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert hub_token() is None
    (tmp_path / ".env").write_text("hf_token=from-file\n")
    assert hub_token() == "from-file"
    monkeypatch.setenv("HF_TOKEN", "from-environment")
    assert hub_token() == "from-environment"
