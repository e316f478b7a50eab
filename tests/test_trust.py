"""A folder that brings code, pickles or impossible sizes is refused before anything in it is loaded."""

import contextlib
import json
import pickle
import shutil
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
