"""A folder that brings code, pickles or impossible sizes is refused before anything in it is loaded."""

import contextlib
import json
import pickle
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from conftest import tiny_settings, write_recipe
from qloratory.cli import main
from qloratory.config import Config, ModelSection
from qloratory.errors import LabelError, ModelError
from qloratory.labels import tokenize_rows
from qloratory.model import load_adapter, load_base, load_tokenizer, resolve_source
from qloratory.trust import check_adapter_folder


def changed(original: Path, folder: Path, file: str, /, **changes: Any) -> Path:
    """The model's folder with values in one of its JSON files changed."""
    shutil.copytree(original, folder)
    path = folder / file
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(settings | changes), encoding="utf-8")
    return folder


def load_all(folder: Path, work: Path) -> None:
    """What every command does first."""
    source = resolve_source(ModelSection(name_or_path=str(folder)))
    load_tokenizer(source)
    load_base(Config.model_validate(tiny_settings(folder, work)), source)


@pytest.mark.promise("Python code that comes with a model is never run, whatever its configuration asks for.")
@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"auto_map": {"AutoModelForCausalLM": "evil.Evil", "AutoConfig": "evil.Evil"}}),
        ("config.json", {"auto_map": {"AutoConfig": "evil.Evil"}, "model_type": "evil"}),
        ("config.json", {"custom_pipelines": {"text-generation": {"impl": "evil.Evil"}}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}),
        ("generation_config.json", {"auto_map": {"x": "evil.Evil"}}),
    ],
)
def test_code_of_a_models_own_is_never_run(file: str, changes: Any, tiny_qwen: Path, tmp_path: Path) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", file, **changes)
    canary = tmp_path / "canary"
    (folder / "evil.py").write_text(f"open({str(canary)!r}, 'w')\nclass Evil: pass\n")
    with pytest.raises(ModelError, match=r"asks to run Python code that comes with the model"):
        load_all(folder, tmp_path)
    assert not canary.exists()


@pytest.mark.promise("A hostile config.json (absurd sizes, wrong types, not JSON) is refused in one sentence.")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 10**12}, "hidden_size cannot be '1000000000000'"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers cannot be"),
        ({"vocab_size": -1}, "vocab_size cannot be '-1'"),
        ({"vocab_size": 2**22}, "promises an embedding of 4,194,304 × 128 values"),
        ({"hidden_size": "large"}, "hidden_size cannot be 'large'"),
        ({"hidden_size": True}, "hidden_size cannot be 'True'"),
        ({"num_attention_heads": [4]}, "num_attention_heads cannot be"),
        ({"text_config": {"intermediate_size": 10**15}}, "intermediate_size cannot be"),
        ({"hidden_act": "evil"}, "cannot be loaded"),
        ({"hidden_act": {"a": 1}}, "cannot be loaded"),
        ({"num_key_value_heads": 3}, "cannot be loaded"),
        ({"model_type": "no-such-type", "architectures": ["Nothing"]}, "cannot be loaded"),
        ({"model_type": ["qwen2"]}, "cannot be loaded"),
        ({"rope_parameters": {"rope_type": "evil", "rope_theta": "x"}}, "cannot be loaded"),
        ({"dtype": "__import__('os')"}, "cannot be loaded"),
    ],
)
def test_hostile_configurations(changes: Any, message: str, tiny_qwen: Path, tmp_path: Path) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", "config.json", **changes)
    with pytest.raises(ModelError, match=message) as error:
        load_all(folder, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("tokenizer_config.json", {"tokenizer_class": "Evil"}),
        ("tokenizer_config.json", {"tokenizer_class": ["Evil"]}),
        ("tokenizer_config.json", {"eos_token": 5}),
        ("tokenizer_config.json", {"eos_token": None}),
        ("tokenizer_config.json", {"eos_token": {"__type": "AddedToken", "content": 7}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": 1}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {str(2**70): {"content": "<|im_end|>", "special": True}}}),
        ("tokenizer_config.json", {"model_max_length": "long", "padding_side": "above"}),
        ("tokenizer.json", {"model": {"type": "BPE", "vocab": {"a": -1}, "merges": [["b", "c"]]}}),
        ("tokenizer.json", {"model": None}),
        ("tokenizer.json", {"added_tokens": [{"id": 2**40, "content": "x"}]}),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(((("}, "behavior": "Isolated"}}),
    ],
)
def test_hostile_tokenizers_are_refused_or_read(file: str, changes: Any, tiny_qwen: Path, tmp_path: Path) -> None:
    """Some of it Transformers ignores; what may not happen is a crash."""
    folder = changed(tiny_qwen, tmp_path / "model", file, **changes)
    row = {"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Ho"}]}
    with contextlib.suppress(ModelError, LabelError):
        tokenize_rows([row], load_tokenizer(resolve_source(ModelSection(name_or_path=str(folder)))), 512)


def encode_hi(folder: Path, text: str = "Hi") -> None:
    row = {"prompt": [{"role": "user", "content": text}], "completion": [{"role": "assistant", "content": "Ho"}]}
    tokenize_rows([row], load_tokenizer(resolve_source(ModelSection(name_or_path=str(folder)))), 4096)


DOUBLING = {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 40}
BACKTRACKING = {"type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated", "invert": False}


@pytest.mark.promise("A tokenizer.json that makes the tokenizer library panic or fill the memory is one sentence.")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pre_tokenizer": BACKTRACKING}, "the model's tokenizer fails on a conversation, .*retry-limit-in-match over"),
        ({"added_tokens": [{"id": 2**31, "content": "x"}]}, "a token cannot have the id 2147483648"),
        ({"model": {"type": "BPE", "vocab": {"a": 2**32 - 1}, "merges": []}}, "a token cannot have the id 4294967295"),
        ({"normalizer": DOUBLING}, "its replacements could make a text 1.22e\\+19 times as long"),
        ({"model": {"type": "Unigram", "unk_id": None, "vocab": [["a", 0.0]]}}, "is the folder complete"),
    ],
)
def test_tokenizers_that_break_their_library(
    changes: Any, message: str, tiny_llama: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = changed(tiny_llama, tmp_path / "model", "tokenizer.json", **changes)
    with pytest.raises((ModelError, LabelError), match=message) as error:
        encode_hi(folder, "a" * 300 + "!")
    assert "\n" not in str(error.value)
    assert "panicked" not in capfd.readouterr().err


def mutated(value: Any, chance: random.Random) -> Any:
    """JSON with one of its values, near the top most likely, replaced by another kind of value or by another of its."""
    odd: list[Any] = [None, True, -1, 2**32, 1e300, "", "((((", "\0", [], {}, [[]]]
    odd.append({"type": "Precompiled", "x": "/////w=="})
    if isinstance(value, dict | list) and value and chance.random() < 0.8:
        copy: Any = value.copy()
        key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        copy[key] = mutated(value[key], chance)
        return copy
    return chance.choice(odd)


MUTATIONS = 200


@pytest.mark.promise(f"{MUTATIONS} random changes of a tokenizer.json: it works, or is refused in one sentence.")
def test_mutated_tokenizers_are_refused_or_work(tiny_llama: Path, tmp_path: Path) -> None:
    folder = changed(tiny_llama, tmp_path / "model", "tokenizer.json")
    original = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    works = 0
    for seed in range(MUTATIONS):
        content = mutated(original, random.Random(seed))
        (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        with contextlib.suppress(ModelError, LabelError):
            encode_hi(folder)
            works += 1
    assert 0 < works < MUTATIONS


@pytest.mark.promise("A tokenizer with more tokens than the model's embedding is refused before anything is trained.")
def test_a_tokenizer_larger_than_the_model_is_refused(tiny_qwen: Path, tmp_path: Path) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", "config.json")
    tokenizer = load_tokenizer(resolve_source(ModelSection(name_or_path=str(folder))))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|picture|>"]})
    tokenizer.save_pretrained(folder)
    encode_hi(folder, "<|picture|>")  # as letters: no text can write a special token
    for changes in ("<|picture|>", "word"):
        if changes == "word":
            tokenizer.add_tokens(["word"])
        else:
            tokenizer.chat_template = f"{changes}{tokenizer.chat_template}"
        tokenizer.save_pretrained(folder)
        with pytest.raises(ModelError, match="number 102[45], and the model knows 1,024 tokens"):
            encode_hi(folder)


@pytest.mark.parametrize("ends", ["x", [None], {"a": 1}, 10**9, -1, 1.5, True, ["a"]])
def test_end_tokens_that_cannot_be(ends: object, tiny_qwen: Path, tmp_path: Path) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", "generation_config.json", eos_token_id=ends)
    with pytest.raises(ModelError, match="generation_config.json: eos_token_id cannot be"):
        load_all(folder, tmp_path)


@pytest.mark.parametrize("content", ["[]", "5", "{", '{"x": [1]}', '{"eos_token": 5}', '{"x": -1}', "[" * 10**5])
@pytest.mark.parametrize("file", ["special_tokens_map.json", "added_tokens.json", "generation_config.json"])
def test_lesser_files_of_a_tokenizer_are_refused_or_read(
    content: str, file: str, tiny_qwen: Path, tmp_path: Path
) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", "config.json")
    (folder / file).write_text(content)
    with contextlib.suppress(ModelError):
        load_all(folder, tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 10**5, b'{"a": ' + b"9" * 5000 + b"}"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_configurations_that_are_no_json(content: bytes, file: str, tiny_qwen: Path, tmp_path: Path) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", file)
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match="is the folder complete"):
        load_all(folder, tmp_path)


@pytest.mark.promise("Damaged or incomplete weights are refused: nothing goes on with random values in their place.")
@pytest.mark.parametrize("damage", ["header", "half", "a tensor less", "another shape"])
def test_damaged_weights_are_refused(damage: str, tiny_qwen: Path, tmp_path: Path) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", "config.json")
    path = folder / "model.safetensors"
    content, tensors = path.read_bytes(), load_file(path)
    name = "model.layers.1.mlp.up_proj.weight"
    if damage == "header":
        path.write_bytes(b"\xff" * 8 + content[8:])
    elif damage == "half":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "a tensor less":
        del tensors[name]
        save_file(tensors, path, metadata={"format": "pt"})
    else:
        save_file(tensors | {name: tensors[name][:, :-1].clone()}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="is the folder complete"):
        load_all(folder, tmp_path)


def rewrite_header(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    change(next(header[name] for name in header if "1" in name))
    changed_header = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed_header)) + changed_header + content[8 + size :])


HEADERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "overlapping tensors": lambda tensor: tensor.update(data_offsets=[0, 512]),
    "beyond the file": lambda tensor: tensor.update(data_offsets=[2**62, 2**63]),
    "no such type": lambda tensor: tensor.update(dtype="F3"),
    "more values than can be counted": lambda tensor: tensor.update(shape=[2**40, 2**40]),
    "less than nothing": lambda tensor: tensor.update(shape=[-1, 5]),
    "no shape": lambda tensor: tensor.pop("shape"),
}


@pytest.mark.promise("A safetensors header that is absurd is one sentence, in a model and in an adapter.")
@pytest.mark.parametrize("name", [*HEADERS, "a header of 2**63 bytes"])
def test_absurd_headers_of_weights(name: str, tiny_qwen: Path, finished_run: Path, tmp_path: Path) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", "config.json")
    adapter = tmp_path / "adapter"
    shutil.copytree(finished_run / "run" / "tiny-coder", adapter)
    for path in (folder / "model.safetensors", adapter / "adapter_model.safetensors"):
        if name in HEADERS:
            rewrite_header(path, HEADERS[name])
        else:
            path.write_bytes(struct.pack("<Q", 2**63) + path.read_bytes()[8:])
    with pytest.raises(ModelError, match="is the folder complete") as error:
        load_all(folder, tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(ModelError, match="the adapter .* cannot be put on this model, is the folder complete"):
        load_adapter(load_base(*config_and_source(tiny_qwen, tmp_path)), adapter)


@pytest.mark.promise("A hostile adapter_config.json (absurd ranks, endless patterns, other methods) is refused.")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r": 10**9}, "cannot have the rank 1000000000, its weights have .4."),
        ({"rank_pattern": {"q_proj": 10**9}}, "cannot have the rank 1000000000"),
        ({"r": [4]}, "is the folder complete"),
        ({"rank_pattern": [4]}, "is the folder complete"),
        ({"lora_alpha": "x"}, "is the folder complete"),
        ({"lora_dropout": [1]}, "is the folder complete"),
        ({"target_modules": "(.*.*)*z"}, "is a regular expression; name the modules in a list"),
        ({"rank_pattern": {"(.*.*)*z": 4}}, "is a regular expression; name the modules in a list"),
        ({"target_modules": [[1]]}, "is the folder complete"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa' computes at loading"),
        ({"layer_replication": [[0, 10**9]]}, "layer_replication builds another model"),
        ({"peft_type": "PROMPT_TUNING"}, "'PROMPT_TUNING' is no LoRA adapter"),
        ({"peft_type": ["LORA"]}, "is no LoRA adapter"),
    ],
)
def test_hostile_adapters_are_refused(
    changes: Any, message: str, tiny_qwen: Path, finished_run: Path, tmp_path: Path
) -> None:
    adapter = changed(finished_run / "run" / "tiny-coder", tmp_path / "adapter", "adapter_config.json", **changes)
    with pytest.raises(ModelError, match=message) as error:
        load_adapter(load_base(*config_and_source(tiny_qwen, tmp_path)), adapter)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a.bin", "missing.safetensors", 3])
def test_an_index_names_files_of_its_folder_alone(name: object, tiny_qwen: Path, tmp_path: Path) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", "model.safetensors.index.json", weight_map={"a": name})
    shutil.copy(folder / "model.safetensors", tmp_path / "outside.safetensors")
    with pytest.raises(ModelError, match="which is no .safetensors file of this folder"):
        load_all(folder, tmp_path)


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.promise("Pickled weights (pytorch_model.bin, adapter_model.bin) are refused and never opened.")
def test_pickled_weights_are_refused(tiny_qwen: Path, finished_run: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    folder = changed(tiny_qwen, tmp_path / "model", "config.json")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        load_all(folder, tmp_path)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(canary)))
    with pytest.raises(ModelError, match=r"weights as a pickle \(pytorch_model.bin\)"):
        load_all(folder, tmp_path)
    adapter = tmp_path / "adapter"
    shutil.copytree(finished_run / "run" / "tiny-coder", adapter)
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Evil(canary)))
    with pytest.raises(ModelError, match=r"weights as a pickle \(adapter_model.bin\)"):
        load_adapter(load_base(*config_and_source(tiny_qwen, tmp_path)), adapter)
    assert not canary.exists()


def config_and_source(model: Path, folder: Path) -> tuple[Config, Any]:
    config = Config.model_validate(tiny_settings(model, folder))
    return config, resolve_source(config.model)


@pytest.mark.promise("An adapter that was trained on another base is refused, with both names.")
def test_an_adapter_for_another_base_is_refused(
    finished_run: Path, tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, tiny_settings(tiny_llama, tmp_path) | {})
    overrides = [f"train.output_dir={finished_run / 'run'}", "train.adapter_name=tiny-coder"]
    assert main(["generate", str(recipe), "--prompt", "Hi", *overrides]) == 4
    told = capsys.readouterr().err
    assert "was trained on" in told
    assert "tiny-qwen" in told
    assert "tiny-llama" in told


@pytest.mark.parametrize(
    ("trained_on", "base", "fits"),
    [
        ("owner/model", "owner/model", True),
        ("owner/model", "other/model", False),
        (None, "owner/model", True),
        ("/old/place/model", "/new/place/model", True),
        ("/old/place/model", "owner/other", False),
        (["owner/model"], "owner/model", False),
        ("owner/model", None, True),
    ],
)
def test_which_bases_are_the_same(trained_on: object, base: str | None, fits: bool, tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": trained_on}))
    if fits:
        check_adapter_folder(tmp_path, base)
        return
    with pytest.raises(ModelError, match="was trained on"):
        check_adapter_folder(tmp_path, base)


@pytest.mark.parametrize("name", ["~no-such-user/model", "x" * 5000, "a\0b", "", "/", "a/../b", "a/" + "b" * 300])
def test_names_that_cannot_be_a_models(name: str) -> None:
    with pytest.raises(ModelError):
        resolve_source(ModelSection(name_or_path=name))
