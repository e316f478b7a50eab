"""What a model's or an adapter's folder must be before anything in it is loaded: no code, no pickle, no absurd size."""

import json
from pathlib import Path
from typing import Any

from qloratory.errors import ModelError

CODE_KEYS = ("auto_map", "custom_pipelines")  # name Python files of the folder, to be imported
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
MAX_JSON_BYTES = 64 * 2**20
# Far beyond any model, and far below what would fill the memory before a weight is read.
LARGEST = {
    "hidden_size": 2**17,
    "intermediate_size": 2**20,
    "num_hidden_layers": 2**10,
    "num_attention_heads": 2**12,
    "num_key_value_heads": 2**12,
    "head_dim": 2**14,
    "vocab_size": 2**23,
    "max_position_embeddings": 2**31,
}


def check_model_folder(folder: Path) -> None:
    """Look at a model's folder without loading it.

    Raises:
        ModelError: It is incomplete, brings code or pickled weights, or its configuration cannot be true.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a model folder: it holds no config.json")
    for name in ("config.json", "tokenizer_config.json", "generation_config.json", "processor_config.json"):
        if (folder / name).is_file():
            refuse_code(read_config(folder / name), folder / name)
    check_weights(folder)
    config = read_config(folder / "config.json")
    check_sizes(config, folder / "config.json")
    vocabulary, width = config.get("vocab_size"), config.get("hidden_size")
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if isinstance(vocabulary, int) and isinstance(width, int) and vocabulary * width > 2 * stored:  # two 4-bit a byte
        raise ModelError(
            f"{folder} cannot be loaded, is the folder complete? Its config.json promises an embedding of "
            f"{vocabulary:,} × {width:,} values, more than the {stored:,} bytes of its weights can hold"
        )


def check_adapter_folder(folder: Path, base: str | None) -> None:
    """Look at an adapter's folder without loading it.

    Args:
        folder: With adapter_config.json and adapter_model.safetensors.
        base: What the recipe's model is called, or None where any will do.

    Raises:
        ModelError: It is no adapter, brings code or pickled weights, or was trained on another base.
    """
    file = folder / "adapter_config.json"
    if not file.is_file():
        raise ModelError(f"{folder} is not an adapter: it holds no adapter_config.json; train first")
    config = read_config(file)
    refuse_code(config, file)
    if not (folder / "adapter_model.safetensors").is_file():
        refuse_pickles(folder)
        raise ModelError(f"{folder} is not an adapter: it holds no adapter_model.safetensors; train first")
    trained_on = config.get("base_model_name_or_path")
    if base is not None and trained_on is not None and not same_base(str(trained_on), base):
        raise ModelError(
            f"the adapter {folder} was trained on {str(trained_on)[:200]!r}, and the recipe's model is {base!r}; "
            "name its own base in model.name_or_path"
        )


def same_base(one: str, other: str) -> bool:
    """Whether two names mean one base; a local folder may have moved, and keeps its name."""
    if one == other:
        return True
    are_folders = Path(one).is_absolute() or Path(other).is_absolute()
    return are_folders and Path(one).name == Path(other).name


def read_config(path: Path) -> dict[str, Any]:
    """A configuration file's JSON object.

    Raises:
        ModelError: It is none.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_JSON_BYTES + 1)
        content = json.loads(text) if len(text) <= MAX_JSON_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON that can be read ({str(error)[:200]}); is the folder complete?") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} does not hold a JSON object; is the folder complete?")
    return content


def refuse_code(config: dict[str, Any], path: Path) -> None:
    for key in CODE_KEYS:
        if config.get(key):
            raise ModelError(
                f"{path} asks to run Python code that comes with the model ({key}), which qloratory never does; "
                "choose a model that Transformers knows by itself"
            )


def check_weights(folder: Path) -> None:
    """Refuse a folder without safetensors, or whose index names files outside of it."""
    if not any(folder.glob("*.safetensors")):
        refuse_pickles(folder)
        raise ModelError(f"{folder} holds no weights: a model.safetensors is needed; is the folder complete?")
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return
    files = read_config(index).get("weight_map")
    if not isinstance(files, dict) or not files:
        raise ModelError(f"{index} names no files (weight_map); is the folder complete?")
    for name in files.values():
        plain = isinstance(name, str) and name.endswith(".safetensors") and Path(name).name == name
        if not plain or not (folder / name).is_file():
            raise ModelError(f"{index} names {str(name)[:200]!r}, which is no .safetensors file of this folder")


def refuse_pickles(folder: Path) -> None:
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickled:
        raise ModelError(
            f"{folder} has its weights as a pickle ({pickled[0]}), which can run code when it is loaded; "
            "only .safetensors are loaded: convert it, or choose another"
        )


def check_sizes(config: dict[str, Any], path: Path) -> None:
    """Refuse sizes that are no whole numbers or beyond LARGEST, also in a configuration within."""
    for key, value in config.items():
        if isinstance(value, dict):
            check_sizes(value, path)
        elif key in LARGEST and value is not None:
            is_size = isinstance(value, int) and not isinstance(value, bool)
            if not is_size or not 0 < value <= LARGEST[key]:
                raise ModelError(f"{path}: {key} cannot be {str(value)[:40]!r}: a number from 1 to {LARGEST[key]:,} is")
