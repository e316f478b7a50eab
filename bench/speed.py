"""Measure how fast this project and its peers train and generate here, each on the same rows: a JSON line a window.

`python bench/speed.py OUT.jsonl [STACK…]` appends to OUT.jsonl; without names, all that this machine can run.
`python bench/goals.py OUT.jsonl` makes the table of it.

Peers run as their users run them, with their own defaults but for what is named in `STACKS`. On a GPU the model has
Qwen2.5-0.5B's shapes and random weights, for which speed and memory do not depend on the values; on a CPU it is the
embedded SmolLM2. Useful tokens are those of the rows, without padding and filling; a window is timed between two
synchronizations; steps before the first window, with capture and compilation, are told apart.
"""

import argparse
import contextlib
import gc
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "unsloth" in sys.argv[2:] or "unsloth-no-checkpointing" in sys.argv[2:]:
    import unsloth  # it wants to come before what it patches

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
ON_GPU = torch.cuda.is_available()
REPEATS = 3
MEAN_TOKENS = 220  # of a row: the shortest rows with this mean, so that eight are about 1.75k tokens
SEED = 0
MIB = 2**20


@dataclass(frozen=True)
class Stack:
    """A way to train: who does it, rows a step, steps before and in each window, and what differs from the defaults."""

    who: str
    rows: int
    warm_up: int
    steps: int
    settings: dict[str, Any] = field(default_factory=dict)


NO_CHECKPOINTING = {"gradient_checkpointing": False}
PADDING_FREE = NO_CHECKPOINTING | {"padding_free": True, "max_length": None}  # it wants no limit
PACKED = NO_CHECKPOINTING | {"packing": True, "packing_strategy": "bfd", "max_length": 512}
TIGHT = {"quantization.keep_dequantized": False, "train.gradient_checkpointing": True}
GPU_STACKS = {
    "qloratory-8": Stack("qloratory", 8, 60, 40),
    "qloratory-8-tight": Stack("qloratory", 8, 60, 20, TIGHT),
    "qloratory-32": Stack("qloratory", 32, 40, 20),
    "qloratory-96": Stack("qloratory", 96, 20, 10),
    "qloratory-192": Stack("qloratory", 192, 16, 8),
    "trl": Stack("trl", 8, 3, 6),
    "trl-no-checkpointing": Stack("trl", 8, 3, 6, NO_CHECKPOINTING),
    "trl-packed": Stack("trl", 8, 3, 6, PACKED),
    "trl-padding-free": Stack("trl", 8, 3, 6, PADDING_FREE),
    "trl-no-checkpointing-32": Stack("trl", 32, 3, 6, NO_CHECKPOINTING),
    "trl-packed-32": Stack("trl", 32, 3, 6, PACKED),
    "trl-padding-free-32": Stack("trl", 32, 3, 6, PADDING_FREE),
    "unsloth": Stack("unsloth", 8, 10, 8, {"use_gradient_checkpointing": "unsloth"}),
    "unsloth-no-checkpointing": Stack("unsloth", 8, 10, 8, {"use_gradient_checkpointing": False}),
}
CPU_STACKS = {
    "qloratory-4": Stack("qloratory", 4, 1, 3),
    "qloratory-4-float32": Stack("qloratory", 4, 1, 3, {"train.bf16": False}),
    "trl-4": Stack("trl", 4, 1, 1),
    "trl-no-checkpointing-4": Stack("trl", 4, 1, 1, NO_CHECKPOINTING),
    "trl-bf16-4": Stack("trl", 4, 1, 1, {"bf16": True}),
}
STACKS = GPU_STACKS if ON_GPU else CPU_STACKS


class Timer(TrainerCallback):
    """Synchronizes at the edges of the windows, and notes the time and which step it was."""

    def __init__(self, stack: Stack) -> None:
        self.edges = [1, *(stack.warm_up + window * stack.steps for window in range(REPEATS + 1))]
        self.times: dict[int, float] = {0: time.perf_counter()}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        synchronize()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in self.edges:
            synchronize()
            self.times[state.global_step] = time.perf_counter()


class Counter:
    """Stands before a collator and counts, a batch: tokens of the rows, and tokens with loss."""

    def __init__(self, collator: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]) -> None:
        self.collator = collator
        self.counts: list[tuple[int, int]] = []

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = self.collator(rows)
        self.counts.append((sum(len(row["input_ids"]) for row in rows), int((batch["labels"] >= 0).sum())))
        return batch


def synchronize() -> None:
    if ON_GPU:
        torch.cuda.synchronize()


@cache
def model_folder() -> str:
    """On a GPU random weights in Qwen2.5-0.5B's shapes, on a CPU the embedded model."""
    if not ON_GPU:
        from qloratory.config import ModelSection
        from qloratory.model import resolve_source

        return str(resolve_source(ModelSection(name_or_path="smollm2-135m-instruct")).name_or_path)
    folder = Path(tempfile.gettempdir()) / "qloratory-bench-qwen2.5-0.5b"
    if not (folder / "config.json").exists():
        from transformers import Qwen2Config

        from random_models import QWEN_05B, qwen_template, save_random_model

        save_random_model(folder, Qwen2Config(**QWEN_05B), qwen_template())
    return str(folder)


def recipe(overrides: dict[str, Any]) -> Any:
    from qloratory.config import load_config

    name = "qwen2.5-0.5b" if ON_GPU else "smollm2-135m"
    settings = {
        "model.name_or_path": model_folder(),
        "model.revision": "null",
        "quantization.llm_int8_skip_modules": "[lm_head]",
        "train.learning_rate": 2e-4,
        "train.max_length": 512,
        "train.logging_steps": 10,  # TRL's default
        "train.save_steps": 1_000_000,
        "train.train_sampling_strategy": "random",  # TRL's default
        **overrides,
    }
    return load_config(ROOT / "configs" / f"{name}.yaml", [f"{key}={value}" for key, value in settings.items()])


@cache
def chat_rows() -> list[dict[str, Any]]:
    """The project's shortest training rows whose mean length is the one asked for, as prompt and completion."""
    from qloratory.labels import tokenize_rows
    from qloratory.pipeline import make_job

    job = make_job(recipe({}))
    lengths = [len(ids) for ids in tokenize_rows(job.training_rows, job.tokenizer, 2048)["input_ids"]]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    while sum(lengths[index] for index in order) > MEAN_TOKENS * len(order):
        order.pop()
    return [job.training_rows[index] for index in sorted(order)]


def repeated(rows: list[Any], stack: Stack, packed: bool) -> list[Any]:
    """As many rows as the steps need, and more where several become one."""
    needed = stack.rows * (stack.warm_up + REPEATS * stack.steps) * (4 if packed else 1)
    return (rows * -(-needed // len(rows)))[:needed]


def measure_training(name: str) -> Iterator[dict[str, Any]]:
    """A line a window. Peak memory is the whole process's on the GPU, model included, from the first step on."""
    stack = STACKS[name]
    make = {"qloratory": make_ours, "trl": make_trl, "unsloth": make_unsloth}[stack.who]
    with tempfile.TemporaryDirectory() as folder:
        trainer = make(stack, folder)
        trainer.data_collator = counter = Counter(trainer.data_collator)
        timer = Timer(stack)
        trainer.add_callback(timer)
        if ON_GPU:
            torch.cuda.reset_peak_memory_stats()
        trainer.train()
        peak = torch.cuda.max_memory_allocated() / MIB if ON_GPU else None
        times = timer.times
        for window, (start, end) in enumerate(zip(timer.edges[1:-1], timer.edges[2:], strict=True), start=1):
            tokens, supervised = (sum(column) for column in zip(*counter.counts[start:end], strict=True))
            seconds = times[end] - times[start]
            yield {
                "what": "training",
                "stack": name,
                "rows": stack.rows,
                "settings": stack.settings,
                "window": window,
                "steps": end - start,
                "seconds": round(seconds, 4),
                "useful_tokens": tokens,
                "tokens_with_loss": supervised,
                "tokens_per_second": round(tokens / seconds, 1),
                "model_flop_per_second": model_flop(trainer.model, tokens, supervised) / seconds,
                "peak_mib": peak and round(peak),
                "first_step_seconds": round(times[1] - times[0], 2),
                "warm_up_seconds": round(times[start if window == 1 else timer.edges[1]] - times[0], 2),
            }
        trainer.model = trainer.fast = trainer.optimizer = None


def model_flop(model: Any, tokens: int, supervised: int) -> float:
    """What the arithmetic needs: frozen weights twice (forward, gradient of the input), the head on rows with loss
    alone, adapters three times; attention, and whatever a stack recomputes, not counted."""
    shapes = model.config
    head_width = getattr(shapes, "head_dim", None) or shapes.hidden_size // shapes.num_attention_heads
    attention = 2 * shapes.num_attention_heads + 2 * shapes.num_key_value_heads
    layer = shapes.hidden_size * (attention * head_width + 3 * shapes.intermediate_size)
    adapters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    head = shapes.vocab_size * shapes.hidden_size
    return 4 * tokens * shapes.num_hidden_layers * layer + 4 * supervised * head + 6 * tokens * adapters


def make_ours(stack: Stack, folder: str) -> Any:
    from qloratory.labels import tokenize_rows
    from qloratory.model import attach_adapter, load_base
    from qloratory.pipeline import make_job
    from qloratory.train import QloraTrainer

    steps = stack.warm_up + REPEATS * stack.steps
    config = recipe(
        {"train.output_dir": folder, "train.per_device_train_batch_size": stack.rows, "train.max_steps": steps}
        | stack.settings
    )
    job = make_job(config)
    model = attach_adapter(load_base(config, job.source), config.lora, SEED)
    rows = tokenize_rows(chat_rows(), job.tokenizer, config.train.max_length)
    wanted = repeated(list(range(len(rows))), stack, packed=False)
    return QloraTrainer(config, model, job.tokenizer, rows.select(wanted))


def trl_arguments(stack: Stack, folder: str) -> dict[str, Any]:
    return {
        "output_dir": folder,
        "max_steps": stack.warm_up + REPEATS * stack.steps,
        "per_device_train_batch_size": stack.rows,
        "gradient_accumulation_steps": 1,  # TRL's default, and not Unsloth's
        "learning_rate": 2e-4,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "seed": SEED,
        "bf16": ON_GPU,
        "use_cpu": not ON_GPU,
    }


def make_trl(stack: Stack, folder: str) -> Any:
    dtype = torch.bfloat16 if ON_GPU else torch.float32
    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    model = AutoModelForCausalLM.from_pretrained(
        model_folder(), quantization_config=quantization, dtype=dtype, device_map={"": 0 if ON_GPU else "cpu"}
    )
    args = SFTConfig(**trl_arguments(stack, folder) | stack.settings)
    rows = Dataset.from_list(repeated(chat_rows(), stack, args.packing))
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    return SFTTrainer(model=model, args=args, train_dataset=rows, peft_config=lora, processing_class=tokenizer)


def make_unsloth(stack: Stack, folder: str) -> Any:
    """As its notebooks do it: rendered text, and loss over all of it, which costs it nothing more."""
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(
        model_folder(), max_seq_length=512, load_in_4bit=True, dtype=torch.bfloat16
    )
    kinds = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = unsloth.FastLanguageModel.get_peft_model(
        model, r=16, lora_alpha=32, lora_dropout=0, bias="none", target_modules=kinds, random_state=SEED,
        **stack.settings,
    )  # fmt: skip
    texts = [tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False) for row in chat_rows()]
    rows = Dataset.from_dict({"text": repeated(texts, stack, packed=False)})
    args = SFTConfig(**trl_arguments(stack, folder), dataset_text_field="text", max_length=512, packing=False)
    return SFTTrainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer)


def measure_ceiling() -> Iterator[dict[str, Any]]:
    """The fastest product of large matrices in the type of the computation: bfloat16 on a GPU, float32 on a CPU."""
    size, dtype, device = (8192, torch.bfloat16, "cuda") if ON_GPU else (2048, torch.float32, "cpu")
    a, b = torch.randn(2, size, size, device=device, dtype=dtype)
    for repeat in range(REPEATS + 1):
        synchronize()
        started, rounds = time.perf_counter(), 20 if ON_GPU else 5
        for _ in range(rounds):
            torch.mm(a, b)
        synchronize()
        flop = rounds * 2 * size**3 / (time.perf_counter() - started)
        if repeat:  # the first warms up
            yield {"what": "ceiling", "stack": "ceiling", "window": repeat, "size": size, "flop_per_second": flop}


def measure_generation() -> Iterator[dict[str, Any]]:
    """64 prompts × 128 new tokens, greedily and without an end: Transformers' `generate`, and our decoder's.

    Ours is timed with its weights dequantized, its caches made and its graph captured within the window.
    """
    from qloratory.decoder import Decoder
    from qloratory.greedy import decode_greedily
    from qloratory.labels import render_chat
    from qloratory.model import load_base, working_dtype
    from qloratory.pipeline import make_job

    job = make_job(recipe({}))
    model = load_base(job.config, job.source)
    count, new = (64, 128) if ON_GPU else (16, 32)
    texts = [render_chat(row["prompt"], job.tokenizer, add_generation_prompt=True) for row in chat_rows()[:count]]
    encoded = job.tokenizer(texts, add_special_tokens=False)["input_ids"]
    padded = job.tokenizer(texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")

    def by_generate() -> None:
        model.generate(**padded.to(model.device), max_new_tokens=new, min_new_tokens=new, do_sample=False)

    def by_decoder() -> None:
        longest = max(map(len, encoded)) + new
        decoder = Decoder(model, working_dtype(job.config), keep_dequantized=True, recompute=False, longest=longest)
        decoder.refresh()
        decode_greedily(decoder, encoded, new, ends=[-1])

    for name, answer in (("generate", by_generate), ("qloratory", by_decoder)):
        for repeat in range(REPEATS + 1):
            synchronize()
            started = time.perf_counter()
            answer()
            synchronize()
            seconds = time.perf_counter() - started
            if repeat:  # the first warms up
                yield {
                    "what": "generation",
                    "stack": name,
                    "window": repeat,
                    "prompts": count,
                    "new_tokens": new,
                    "seconds": round(seconds, 4),
                    "tokens_per_second": round(count * new / seconds, 1),
                }


def describe() -> dict[str, Any]:
    """Machine, versions, commit, command: what stands in each line."""
    import importlib.metadata
    import platform

    from qloratory.run import PACKAGES, describe_hardware, git_commit

    names = [*PACKAGES, "triton", "unsloth", "unsloth_zoo", "datasets"]
    versions = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "machine": describe_hardware(),
        "versions": versions,
        "commit": os.environ.get("COMMIT") or git_commit(),
        "command": " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *(Path(word).name for word in sys.argv[1:])]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("stacks", nargs="*", default=[], metavar="STACK")
    arguments = parser.parse_args()
    others: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "ceiling": measure_ceiling,
        "generation": measure_generation,
    }
    names = arguments.stacks or [*others, *(name for name in STACKS if STACKS[name].who != "unsloth")]
    unknown = set(names) - {*others, *STACKS}
    if unknown:
        parser.error(f"there is no stack {sorted(unknown)[0]!r} here; there are {', '.join([*others, *STACKS])}")
    common, failed = describe(), 0
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            for line in others[name]() if name in others else measure_training(name):
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line | common) + "\n")
                speed = line.get("tokens_per_second") or line["flop_per_second"] / 1e9
                unit = "tokens/s" if "tokens_per_second" in line else "GFLOP/s"
                print(f"{line['stack']:28} {speed:12,.0f} {unit}  peak {line.get('peak_mib')} MiB", flush=True)
        except Exception:  # one stack that fails must not take the others with it
            failed += 1
            print(f"{name} failed:", file=sys.stderr)
            traceback.print_exc()
        gc.collect()
        if ON_GPU:
            torch.cuda.empty_cache()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
