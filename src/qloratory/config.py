"""Every setting once: typed, validated, with its unit, its default and its meaning.

The names are those of TRL, PEFT, bitsandbytes and Transformers. Help texts are derived from here.
"""

import difflib
import reprlib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qloratory.errors import ConfigError, one_line

Dtype = Literal["float32", "bfloat16", "float16"]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, protected_namespaces=())


class ModelSection(Section):
    name_or_path: str = Field(description="Hub id, local folder, local .gguf file, or the name of an embedded model")
    revision: str | None = Field(None, description="commit of a Hub model; pin it, and a run can be repeated")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes the GPU if there is one")
    dtype: Dtype = Field("bfloat16", description="type of the weights that are not quantized")


class QuantizationSection(Section):
    load_in_4bit: bool = Field(True, description="quantize the frozen base to 4 bits (QLoRA); false is plain LoRA")
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = Field("nf4", description="4-bit data type")
    bnb_4bit_use_double_quant: bool = Field(True, description="quantize the blocks' scales too")
    bnb_4bit_compute_dtype: Dtype = Field("bfloat16", description="type in which 4-bit layers are multiplied")
    llm_int8_skip_modules: list[str] = Field(["lm_head"], description="modules that stay unquantized")
    keep_dequantized: bool | Literal["auto"] = Field(
        "auto",
        description="keep each 4-bit weight dequantized beside it: same values, more memory, faster; auto: on a CPU",
    )


class LoraSection(Section):
    r: int = Field(16, ge=1, description="rank of the adapters")
    lora_alpha: int = Field(32, ge=1, description="adapters are scaled by lora_alpha / r")
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the adapters' input")
    target_modules: str | list[str] = Field("all-linear", description="modules that get an adapter")


class DataSection(Section):
    train_file: Path = Field(Path("data/train.jsonl"), description="JSONL to train on")
    heldout_file: Path = Field(Path("data/heldout.jsonl"), description="JSONL never trained on, for before and after")
    general_file: Path = Field(Path("data/general.jsonl"), description="JSONL of chat turns, to measure forgetting")
    formatting_func: str | None = Field(
        None, description="path/to/file.py:function that turns a row into {'prompt': …, 'completion': …}"
    )
    on_bad_row: Literal["strict", "skip"] = Field(
        "strict",
        description="strict: a bad row stops the run; skip: it is set aside into rejected.jsonl, and told "
        "on the terminal, in run.json and in the report",
    )
    max_memory_mib: int = Field(2048, ge=1, description="memory that one file's rows may take; more is refused")


class TrainSection(Section):
    output_dir: Path = Field(description="run directory")
    adapter_name: str = Field("adapter", pattern=r"^[\w.-]*\w$", description="folder of the clean adapter in it")
    max_length: int = Field(1024, ge=8, description="tokens; a row that is longer is refused, never cut")
    num_train_epochs: float = Field(3.0, gt=0, description="passes over the training file")
    max_steps: int = Field(-1, ge=-1, description="optimizer steps; overrides num_train_epochs unless -1")
    per_device_train_batch_size: int = Field(8, ge=1, description="rows a forward pass")
    gradient_accumulation_steps: int = Field(1, ge=1, description="forward passes a step")
    learning_rate: float = Field(2e-4, gt=0, description="peak learning rate")
    lr_scheduler_type: str = Field("cosine", description="linear, cosine, constant, …")
    warmup_steps: float = Field(0.05, ge=0, description="steps, or below 1 the share of all steps")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's")
    max_grad_norm: float = Field(1.0, ge=0, description="gradient clipping; 0 is off")
    fast: bool = Field(True, description="rows packed without padding, on a GPU as CUDA graphs; false: TRL's own step")
    bf16: bool | Literal["auto"] = Field(
        "auto", description="train and answer in bfloat16, in float32 if not; auto: where the hardware can do it"
    )
    gradient_checkpointing: bool | Literal["auto"] = Field(
        "auto", description="recompute activations: slower, less memory; auto: where the GPU's memory asks for it"
    )
    train_sampling_strategy: Literal["random", "sequential", "group_by_length"] = Field(
        "group_by_length", description="order of the rows; by length wastes least on padding"
    )
    logging_steps: int = Field(1, ge=1, description="steps between lines in metrics.jsonl")
    save_steps: int = Field(50, ge=1, description="steps between checkpoints")
    save_total_limit: int = Field(2, ge=1, description="checkpoints kept")
    seed: int = Field(0, ge=0, description="seed of the adapters' start and of the rows' order")
    full_determinism: bool = Field(False, description="let a GPU give the same bits again, a little slower")
    report_to: str | list[str] = Field("none", description="trackers: wandb, tensorboard, trackio, … or none")


class GenerateSection(Section):
    max_new_tokens: int = Field(320, ge=1, description="tokens an answer may have")
    batch_size: int = Field(32, ge=1, description="prompts answered at a time")


class EvaluateSection(Section):
    limit: int | None = Field(None, ge=1, description="use only the first held-out and general rows")
    batch_size: int = Field(8, ge=1, description="conversations a forward pass when measuring loss")
    execute: bool | Literal["anyway"] = Field(
        True,
        description="run the answers' code against their unit tests; anyway: even where isolation is incomplete, "
        "which evaluation.json and the report then say",
    )
    timeout_seconds: float = Field(10.0, gt=0, description="wall time an answer's code may take")
    memory_mib: int = Field(512, ge=64, description="memory an answer's code may take")


class MergeSection(Section):
    strategy: Literal["dequantized", "original"] = Field(
        "dequantized", description="merge into the dequantized 4-bit weights, or into the original ones"
    )
    save: bool = Field(False, description="let `run` keep the merged model too, as <adapter_name>-merged/")


class Config(Section):
    model: ModelSection
    quantization: QuantizationSection = QuantizationSection()
    lora: LoraSection = LoraSection()
    data: DataSection = DataSection()
    train: TrainSection
    generate: GenerateSection = GenerateSection()
    evaluate: EvaluateSection = EvaluateSection()
    merge: MergeSection = MergeSection()


def load_config(recipe: Path, overrides: list[str] | None = None) -> Config:
    """Read a recipe and apply `section.name=value` overrides.

    Raises:
        ConfigError: The file is missing or not YAML, or a name or a value is wrong.
    """
    try:
        settings = read_yaml(recipe.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no recipe {recipe}; the project's own are in configs/") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"recipe {recipe} cannot be read as YAML: {one_line(error)[:500]}") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"recipe {recipe} must hold sections such as 'model:' and 'train:'")
    for override in overrides or []:
        apply_override(settings, override)
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


def read_yaml(text: str) -> Any:
    """What a YAML text holds.

    Raises:
        ValueError: It is no YAML, or holds a value that is none, such as a 45th of the 13th month.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(one_line(error)) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, RecursionError) as error:  # PyYAML's own slips
        raise ValueError(f"{type(error).__name__}, is it nested too deeply?") from None


def apply_override(settings: dict, override: str) -> None:
    """Set `section.name=value` in `settings`; the value is read as YAML, so that lists and null can be given."""
    path, equals, value = override.partition("=")
    section, dot, name = path.strip().partition(".")
    if not equals or not dot:
        raise ConfigError(
            f"an override has the form section.name=value, for example train.seed=1; got {override[:200]!r}"
        )
    if section not in Config.model_fields:
        raise ConfigError(f"there is no section {section!r}{suggestion(section, list(Config.model_fields))}")
    if not isinstance(settings.setdefault(section, {}), dict):
        raise ConfigError(f"section {section!r} of the recipe must hold settings, not a single value")
    try:
        settings[section][name] = read_yaml(value)
    except ValueError as error:
        raise ConfigError(f"the value of {one_line(path)[:100]} cannot be read: {one_line(error)[:500]}") from None


def explain(error: ValidationError) -> str:
    """The first problem in one sentence, with the nearest name where a name is unknown."""
    problem = error.errors()[0]
    location = [str(part) for part in problem["loc"]]
    path, value = ".".join(location), problem.get("input")
    if problem["type"] == "extra_forbidden":
        return f"there is no setting {path!r}{suggestion(location[-1], names_beside(location), location[:-1])}"
    if problem["type"] == "missing":
        return f"the recipe lacks {path}; add it, or give it as {path}=…"
    return f"{path} cannot be {reprlib.repr(value)}: {one_line(problem['msg']).replace('Input should', 'it should')}"


def names_beside(location: list[str]) -> list[str]:
    """All names that could stand where the last part of `location` stands."""
    if len(location) == 1:
        return list(Config.model_fields)
    return list(section_class(location[0]).model_fields)


def section_class(name: str) -> type[Section]:
    annotation = Config.model_fields[name].annotation
    assert isinstance(annotation, type)
    return annotation


def suggestion(wrong: str, names: list[str], section: list[str] | None = None) -> str:
    """ ", did you mean …?" or, where nothing is near, the list of names."""
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {'.'.join([*(section or []), near[0]])!r}?"
    return f"; there are {', '.join(names)}"


def describe_settings() -> str:
    """Every setting with its default and meaning, a line each: the end of `--help`, and docs/settings.md."""
    lines = []
    for section in Config.model_fields:
        for name, field in section_class(section).model_fields.items():
            default: Any = "required" if field.is_required() else field.get_default(call_default_factory=True)
            lines.append(f"  {section}.{name} = {default}\n      {field.description}")
    return "\n".join(lines)
