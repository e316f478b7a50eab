"""What a model's or an adapter's folder must be before anything in it is loaded: no code, no pickle, no absurd size."""

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qloratory.errors import LabelError, ModelError, QloratoryError, one_line

CODE_KEYS = ("auto_map", "custom_pipelines")  # name Python files of the folder, to be imported
PLAIN_NAME = re.compile(r"[\w.-]+")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
MAX_JSON_BYTES = 64 * 2**20
MAX_GROWTH = 2**12  # of a text by the replacements of a tokenizer; a usual one has two or three of one character
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
            settings = read_config(folder / name)
            refuse_code(settings, folder / name)
            check_end_tokens(settings.get("eos_token_id"), folder / name)
    check_weights(folder)
    if (folder / "tokenizer.json").is_file():
        check_tokenizer(read_config(folder / "tokenizer.json"), folder / "tokenizer.json")
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
    check_adapter_config(config, file)
    if not (folder / "adapter_model.safetensors").is_file():
        refuse_pickles(folder)
        raise ModelError(f"{folder} is not an adapter: it holds no adapter_model.safetensors; train first")
    trained_on = config.get("base_model_name_or_path")
    if base is not None and trained_on is not None and not same_base(str(trained_on), base):
        raise ModelError(
            f"the adapter {folder} was trained on {str(trained_on)[:200]!r}, and the recipe's model is {base!r}; "
            "name its own base in model.name_or_path"
        )


def check_adapter_config(config: dict[str, Any], path: Path) -> None:
    """Refuse what would make PEFT compute or build much before a weight is read.

    That are other methods than plain LoRA, and regular expressions, which may never end.
    """
    kind, start = config.get("peft_type"), config.get("init_lora_weights")
    if kind not in (None, "LORA"):
        raise ModelError(f"{path}: {str(kind)[:40]!r} is no LoRA adapter, and no other kind can be used")
    if start not in (None, True, False, "gaussian"):
        raise ModelError(f"{path}: init_lora_weights={str(start)[:40]!r} computes at loading; set it to true")
    if config.get("layer_replication"):
        raise ModelError(f"{path}: layer_replication builds another model than the base; it cannot be used")
    patterns = [config.get(key) for key in ("target_modules", "exclude_modules", "layers_pattern")]
    patterns += [name for key in ("rank_pattern", "alpha_pattern") for name in config.get(key) or {}]
    for pattern in patterns:
        if isinstance(pattern, str) and not PLAIN_NAME.fullmatch(pattern):
            raise ModelError(f"{path}: {pattern[:40]!r} is a regular expression; name the modules in a list")


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


def check_end_tokens(ends: Any, path: Path) -> None:
    for number in ends if isinstance(ends, list) else [ends]:
        if number is not None or isinstance(ends, list):
            is_id = isinstance(number, int) and not isinstance(number, bool)
            if not is_id or not 0 <= number < LARGEST["vocab_size"]:
                raise ModelError(f"{path}: eos_token_id cannot be {str(ends)[:40]!r}: a token's id is, or several")


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
    for part in objects_within(config):
        for key, value in part.items():
            if key in LARGEST and value is not None and not isinstance(value, dict):
                is_size = isinstance(value, int) and not isinstance(value, bool)
                if not is_size or not 0 < value <= LARGEST[key]:
                    raise ModelError(
                        f"{path}: {key} cannot be {str(value)[:40]!r}: a number from 1 to {LARGEST[key]:,} is"
                    )


def objects_within(value: Any) -> Iterator[dict[str, Any]]:
    """The JSON objects in a JSON value, itself among them; without recursion, since it may be nested deeply."""
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            yield value
            rest += value.values()
        elif isinstance(value, list):
            rest += value


def check_tokenizer(content: dict[str, Any], path: Path) -> None:
    """Refuse a tokenizer.json for which the tokenizer library would take all memory.

    It makes a list with a place for each id up to the highest, and replaces text by longer text as often as told.
    """
    model, added = content.get("model"), content.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    ids = [*vocabulary.values()] if isinstance(vocabulary, dict) else []
    ids += [token.get("id") for token in objects_within(added) if "id" in token]
    highest = max((number for number in ids if isinstance(number, int)), default=0)
    if highest > LARGEST["vocab_size"]:
        raise ModelError(f"{path}: a token cannot have the id {highest}: one up to {LARGEST['vocab_size']:,} is right")
    steps = objects_within([content.get("normalizer"), content.get("decoder")])
    growth = math.prod(len(step["content"]) + 1 for step in steps if isinstance(step.get("content"), str))
    if growth > MAX_GROWTH:
        raise ModelError(f"{path}: its replacements could make a text {growth:.3g} times as long; choose another model")


@contextmanager
def told_as_one_sentence(what: str, kind: type[QloratoryError] = LabelError) -> Iterator[None]:
    """Turn what a library raises on hostile or damaged files into one sentence.

    The tokenizer library panics on some: that is no Exception, and Rust writes about it to stderr by itself, which
    therefore leads nowhere meanwhile.
    """
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    except BaseException as error:
        if isinstance(error, QloratoryError):
            raise
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise kind(f"{what}, is the folder complete? {one_line(error)[:300]}") from error
        raise
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
