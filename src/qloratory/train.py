"""Training: TRL's SFTTrainer, and the little that we change in it."""

import json
import math
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase, ProgressCallback, TrainerCallback
from transformers.trainer import DEFAULT_PROGRESS_CALLBACK
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl import SFTConfig, SFTTrainer

from qloratory.checkpoint import (
    STATE,
    TRAINER,
    Checkpoint,
    newest_good_checkpoint,
    read_checkpoint,
    remove_leftovers,
    write_checkpoint,
    writing,
)
from qloratory.config import Config
from qloratory.data import Row
from qloratory.errors import OutputError, TrainingError
from qloratory.fast import make_fast_step, packing_collator, unpack
from qloratory.labels import IGNORED, count_batch, describe_tokens, guard_labels, tokenize_rows
from qloratory.model import hub_id, logits_at, resolve_source, trainable_parameters, working_dtype
from qloratory.plan import measured_parts
from qloratory.resume import refuse_another_run, resume_facts, tell_differences
from qloratory.run import RunDirectory, write_atomically, write_json
from qloratory.state import load_adapter_state, load_optimizer_state, load_random_states, state_files
from qloratory.stop import Stopped, StopRequest, stop_at_step_end

MIB = 2**20


def train_adapter(
    config: Config,
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[Row],
    *,
    resume: bool,
    force: bool = False,
    identity: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train the adapter on the rows' completions and leave it, clean, in the run directory.

    Args:
        config: Uses `model`, `lora` and `train`.
        model: The base with a fresh adapter from `attach_adapter`.
        tokenizer: The base's.
        rows: Prompt/completion rows from `format_rows`.
        resume: Go on from the newest good checkpoint, if there is one.
        force: Do so even if it is of a run with other settings, data, model or versions.
        identity: From `resume_facts`, if the caller has it.

    Returns:
        Facts for run.json: rows, tokens, supervised tokens, trainable parameters, steps, seconds (of all parts of a
        resumed run), tokens a second, and MiB of the parts of memory that can be counted, or None if a checkpoint
        of the last step left nothing to train.

    Raises:
        LabelError: The guard found loss where none should be, or none where it should.
        ModelError: The checkpoint does not fit the model.
        OutputError: The disk has no room for the checkpoints, or is full or closed.
        ResumeError: The checkpoint is of another run.
        Stopped: A signal came; there is a checkpoint of the step in which it did.
        TrainingError: The loss or a gradient is not a number any more.
    """
    run = RunDirectory.of(config)
    dataset = tokenize_rows(rows, tokenizer, config.train.max_length)
    trainer = QloraTrainer(config, model, tokenizer, dataset)
    counts = guard_labels(trainer.batches_in_order(), rows, tokenizer)
    write_json(run.inspection, inspect_batches(trainer, tokenizer))
    facts = describe_training(trainer, counts)
    print(summary(facts))
    remove_leftovers(run.path)
    check_space(run.path, trainable_parameters(model), config.train.save_total_limit)
    trainer.identity = identity or resume_facts(config, resolve_source(config.model), dataset)
    checkpoint = find_checkpoint(run.path, trainer.identity, force=force) if resume else None
    trains = checkpoint is None or trainer.step_of(checkpoint) < facts["planned_steps"]
    if trains:
        train_from(trainer, checkpoint, run)
    elif checkpoint is not None:
        trainer.take_finished(read_checkpoint(checkpoint))
    with writing(run.adapter, run.path):
        save_adapter(config, model, tokenizer, run.adapter)
    return facts | {
        "steps": trainer.state.global_step,
        "resumed_from": checkpoint.name if checkpoint else None,
        "train_seconds": round(trainer.seconds(), 1),
        "tokens_per_second": round(facts["tokens_to_train"] / trainer.seconds(), 1),
        "parts_mib": measured_parts(trainer.model, trainer.optimizer) if trains else None,
    }


def find_checkpoint(output_dir: Path, identity: dict[str, Any], *, force: bool) -> Path | None:
    """The checkpoint to go on from, of the same run; None, with a line that says so, if there is none.

    Raises:
        ResumeError: It is of another run, and `force` is false.
    """
    checkpoint = newest_good_checkpoint(output_dir)
    if checkpoint is None:
        print("No good checkpoint to resume from: starting anew")
        return None
    if not force:
        refuse_another_run(checkpoint, identity)
    tell_differences(checkpoint, identity)
    print(f"Resuming from {checkpoint}")
    return checkpoint


def train_from(trainer: "QloraTrainer", checkpoint: Path | None, run: RunDirectory) -> None:
    """Train to the end, or to the end of the step in which a signal comes.

    Raises:
        Stopped: A signal came.
    """
    history = read_checkpoint(checkpoint).json(TRAINER)["log_history"] if checkpoint else []
    trainer.add_callback(MetricsFile(run.metrics, history))
    try:
        with stop_at_step_end(trainer.promise) as trainer.stop:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        trainer.progress.close()
    if trainer.stop.number is not None:
        step = trainer.state.global_step
        where = f"after step {step} of {trainer.state.max_steps}, with checkpoint-{step}"
        raise Stopped(trainer.stop.number, f"{where}; go on with --resume")


class QloraTrainer(SFTTrainer):
    """SFTTrainer on rows that are tokenized and labelled already, on one device, with nothing sent anywhere."""

    def __init__(self, config: Config, model: PeftModel, tokenizer: PreTrainedTokenizerBase, dataset: Dataset) -> None:
        super().__init__(model=model, args=sft_config(config), train_dataset=dataset, processing_class=tokenizer)
        # SFTTrainer casts a quantized model's adapter to bfloat16, but PEFT loads it in float32 on resume, and the
        # losses would drift apart. It stays in float32, as PEFT makes it.
        for parameter in trainable_parameters(self.model).values():
            parameter.data = parameter.data.float()
        self.fast = make_fast_step(config, self.model, dataset)
        if self.fast is not None:
            self.data_collator = packing_collator(config, dataset, self.args.device)
            # The Trainer asks this after each optimizer step; the stock one walks over every module, for milliseconds.
            self.model.zero_grad = self.fast.forget
        self.frozen_parameters = self.model.num_parameters(exclude_embeddings=True)
        # The stock callback prints a dict a logging step into the progress bar, and in a notebook it is another one
        # that draws a table.
        self.remove_callback(DEFAULT_PROGRESS_CALLBACK)
        self.progress = LossProgress()
        self.add_callback(self.progress)
        self.add_callback(StepEnd(self))
        self.identity: dict[str, Any] = {}
        self.stop = StopRequest()
        self.resumed: Checkpoint | None = None
        self.seconds_before, self.began = 0.0, time.perf_counter()
        self.longest_step, self.longest_save = 0.0, 0.0  # seconds
        self.finite = torch.ones((), dtype=torch.bool, device=self.args.device)

    def batches_in_order(self) -> DataLoader:
        """The training rows as the trainer collates them, in their order, without touching the trainer's state."""
        assert isinstance(self.train_dataset, Dataset)
        size = self.args.per_device_train_batch_size
        return DataLoader(self.train_dataset, batch_size=size, collate_fn=self.collate_to_read)

    def collate_to_read(self, rows: list[Row]) -> Any:
        """A batch as it is trained on, with a packed one's rows told apart again."""
        assert self.data_collator is not None
        batch = self.data_collator(rows)
        return unpack(batch) if "starts" in batch else batch

    def first_batch(self) -> Any:
        """The batch that a run from the start begins with, as `collate_to_read` gives it.

        Only the order is asked of the Trainer's loader: to iterate over it would tell Accelerate of an epoch begun.
        """
        assert isinstance(self.train_dataset, Dataset)
        indices = next(iter(self.get_train_dataloader().batch_sampler))
        return self.collate_to_read([self.train_dataset[index] for index in indices])

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Any:
        """As the Trainer's, but with an order by length that depends on the seed and the epoch alone."""
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        rows = self.train_dataset if train_dataset is None else train_dataset
        rows_a_step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return SeededLengthSampler(rows_a_step, [len(ids) for ids in rows["input_ids"]], self.args.seed)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Forward and backward of one batch: by the fast step where there is one, else as TRL does it."""
        if self.fast is None:
            loss = super().training_step(model, inputs, num_items_in_batch)
        else:
            loss = self.fast.run(self._prepare_inputs(inputs), num_items_in_batch)
        self.finite &= loss.isfinite()  # on the device; read where waiting for it costs nothing
        return loss

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """As the Trainer's estimate, but the parameters are counted once, not at each step."""
        return 6 * inputs["input_ids"].numel() * self.frozen_parameters

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        return super()._clip_grad_norm(model) if self.fast is None else self.fast.clip(self.args.max_grad_norm)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        self.finite &= torch.as_tensor(norm, device=self.finite.device).isfinite()
        return norm

    def check_finite(self) -> None:
        """Stop before anything is written of a step that went wrong.

        Raises:
            TrainingError: A loss or a gradient was not a number.
        """
        if not self.finite:
            raise TrainingError(
                f"at step {self.state.global_step} the loss or a gradient is not a number any more; nothing of that "
                "was saved. Lower train.learning_rate or look at the data, and start anew, or go on with --resume"
            )

    def promise(self) -> str:
        """What a signal is answered."""
        within = f" within {math.ceil(2 * (self.longest_step + self.longest_save)) + 1} s" if self.longest_step else ""
        return f"stopping at the end of this step, with a checkpoint,{within}".rstrip(",")

    def seconds(self) -> float:
        """Of training so far, with the parts before a resume."""
        return self.seconds_before + time.perf_counter() - self.began

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """In place of the Trainer's: no pickle, and whole or not there (checkpoint.py)."""
        started = time.perf_counter()
        self.check_finite()
        self.store_flos()
        loop = {
            "loss_sum": self._tr_loss.item(),
            "last_logged": self._globalstep_last_logged,
            "seconds": self.seconds(),
        }
        files = state_files(self.model, self.optimizer, self.lr_scheduler, self.state, loop)
        output_dir, keep = Path(self.args.output_dir), self.args.save_total_limit or 1
        write_checkpoint(output_dir, self.state.global_step, files, self.identity, keep)
        self.longest_save = max(self.longest_save, time.perf_counter() - started)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.resumed = read_checkpoint(Path(resume_from_checkpoint))
        load_adapter_state(self.model, self.resumed)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if self.resumed is not None:
            load_optimizer_state(self.model, self.optimizer, self.lr_scheduler, self.resumed)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if self.resumed is not None:
            load_random_states(self.resumed)

    def _load_scaler(self, checkpoint: str | None) -> None:
        """There is none: it is float16's. The Trainer would unpickle any file of that name."""

    def begin(self) -> None:
        """When the loop begins: let it remember what it did when the checkpoint was made."""
        self.began = time.perf_counter()
        if self.resumed is not None:
            loop = self.resumed.json(STATE)["loop"]
            self.seconds_before = loop["seconds"]
            # The Trainer forgets the losses since the last line of the log, and keeps the checkpoint's save_steps.
            self._tr_loss = torch.tensor(loop["loss_sum"], device=self.args.device)
            self._globalstep_last_logged = loop["last_logged"]
            self.state.compute_steps(self.args, self.state.max_steps)

    def take_finished(self, checkpoint: Checkpoint) -> None:
        """The adapter of a checkpoint after the last step; the Trainer's own loop would train one step more."""
        load_adapter_state(self.model, checkpoint)
        self.state.global_step = checkpoint.step
        self.seconds_before = checkpoint.json(STATE)["loop"]["seconds"]
        self.began = time.perf_counter()

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean cross entropy over the tokens that carry loss, where the fast step cannot serve.

        On a GPU, TRL's fused head does this. On a CPU that one projects every position to the vocabulary, so here
        only the rows with loss reach the head.
        """
        if return_outputs or self.args.device.type != "cpu":
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        model = self.accelerator.unwrap_model(model)
        next_labels = inputs["labels"].roll(-1, dims=1)  # (rows, tokens); a row's first label is -100 and comes last
        with_loss = next_labels != IGNORED
        inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        (logits,) = logits_at(model, inputs, with_loss)  # (tokens with loss, vocabulary)
        loss = F.cross_entropy(logits.float(), next_labels[with_loss], reduction="sum")
        # Divided by the supervised tokens of the whole step: splitting a batch never changes training.
        return loss / (with_loss.sum() if num_items_in_batch is None else num_items_in_batch)

    @staticmethod
    def step_of(checkpoint: Path | None) -> int:
        return int(checkpoint.name.removeprefix("checkpoint-")) if checkpoint else 0

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """No card a checkpoint: the clean adapter has the one card."""

    def _send_telemetry(self) -> None:
        """Nothing phones home."""


def sft_config(config: Config) -> SFTConfig:
    """TRL's arguments. What a recipe does not name has TRL's default, but for what is set to a constant here."""
    train = config.train.model_dump(exclude={"output_dir", "adapter_name", "report_to", "fast"})
    train["gradient_checkpointing"] = train["gradient_checkpointing"] is True
    train["bf16"] = working_dtype(config) == torch.bfloat16
    on_cpu = config.model.device == "cpu" or not torch.cuda.is_available()
    return SFTConfig(
        **train,
        output_dir=str(config.train.output_dir),
        report_to=config.train.report_to,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        accelerator_config={"non_blocking": True},  # copying a batch must not wait for the step before it
        optim="adamw_torch" if on_cpu else "adamw_torch_fused",
        disable_tqdm=False,
        save_strategy="steps",
        logging_strategy="steps",
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a loss that is not a number must be seen, not averaged away
        completion_only_loss=False,  # the labels are there already; the guard reads them
        packing=False,
        remove_unused_columns=True,
    )


class SeededLengthSampler(LengthGroupedSampler):
    """Rows of like length together, in an order that a resumed run finds again.

    The stock sampler draws its order from the global random state, which is another one when a run is resumed in
    the middle of an epoch: the rows already seen would come again, and others never.
    """

    def __init__(self, rows_a_step: int, lengths: list[int], seed: int) -> None:
        super().__init__(rows_a_step, lengths=lengths, generator=torch.Generator())
        self.seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Any:
        self.generator.manual_seed(self.seed + self.epoch)
        return super().__iter__()


class StepEnd(TrainerCallback):
    """What is to be done between two steps: look at the numbers, and at the signals."""

    def __init__(self, trainer: QloraTrainer) -> None:
        self.trainer = trainer
        self.step_began = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.trainer.begin()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.step_began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        trainer = self.trainer
        trainer.longest_step = max(trainer.longest_step, time.perf_counter() - self.step_began)
        if args.device.type == "cpu" or control.should_log:  # a GPU is asked only where it is waited for anyway
            trainer.check_finite()
        if trainer.stop.number is not None:
            control.should_save = control.should_training_stop = True


class MetricsFile(TrainerCallback):
    """Writes a line a logged step to metrics.jsonl; a resumed run begins with the lines up to its checkpoint.

    Args:
        path: The file.
        history: The Trainer's log up to the checkpoint: that is verified, the file is not.
    """

    def __init__(self, path: Path, history: list[dict[str, Any]]) -> None:
        self.path = path
        write_atomically(path, "".join(self.line(entry["step"], entry) for entry in history if "loss" in entry))

    def line(self, step: int, logs: dict[str, Any]) -> str:
        names = ("loss", "learning_rate", "grad_norm", "epoch")
        return json.dumps({"step": step} | {name: logs[name] for name in names if name in logs}) + "\n"

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            with writing(self.path, self.path.parent), self.path.open("a", encoding="utf-8") as file:
                file.write(self.line(state.global_step, logs))


class LossProgress(ProgressCallback):
    """The progress bar with the latest loss at its end."""

    training_bar: Any

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if self.training_bar is not None and logs and "loss" in logs:
            self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)

    def close(self) -> None:
        """End the bar's line where an error has ended the training: what is said of it begins on a line of its own."""
        if self.training_bar is not None:
            self.training_bar.close()
            self.training_bar = None


def inspect_batches(trainer: QloraTrainer, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """For inspect.json: the first row's tokens, and the lengths in the first batch, as the trainer sees them."""
    with torch.random.fork_rng():  # looking must not change what is drawn in training
        ordered = next(iter(trainer.batches_in_order()))
        first = trainer.first_batch()
    real = ordered["attention_mask"][0].bool()  # (tokens,)
    ids, labels = ordered["input_ids"][0][real].tolist(), ordered["labels"][0][real].tolist()
    return {
        "example": {"row": 1, "tokens": describe_tokens(ids, labels, tokenizer)},
        "batch": {"rows": count_batch(first)},
    }


def describe_training(trainer: QloraTrainer, counts: dict[str, int]) -> dict[str, Any]:
    args = trainer.args
    trainable = sum(parameter.numel() for parameter in trainable_parameters(trainer.model).values())
    rows_a_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
    steps_an_epoch = -(-counts["rows"] // rows_a_step)
    steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * steps_an_epoch)
    return counts | {
        "trainable_parameters": trainable,
        "total_parameters": trainer.model.num_parameters(),
        "rows_per_step": rows_a_step,
        "planned_steps": steps,
        "tokens_to_train": round(counts["tokens"] * steps / steps_an_epoch),
    }


def summary(facts: dict[str, Any]) -> str:
    """The facts worth knowing before time is spent."""
    share = 100 * facts["trainable_parameters"] / facts["total_parameters"]
    loss_share = 100 * facts["supervised_tokens"] / facts["tokens"]
    return (
        f"Training on {facts['rows']} rows, {facts['tokens']:,} tokens, of which {loss_share:.0f} % carry loss: "
        f"the answers and their end tokens, checked row by row\n"
        f"{facts['trainable_parameters']:,} trainable parameters ({share:.2f} %); "
        f"{facts['planned_steps']} steps of {facts['rows_per_step']} rows"
    )


def check_space(directory: Path, trainable: dict[str, torch.Tensor], checkpoints: int) -> None:
    """Refuse to start where the checkpoints cannot fit: the adapter and Adam's two moments each, one being written."""
    adapter_bytes = sum(4 * parameter.numel() for parameter in trainable.values())
    needed = adapter_bytes * (3 * (checkpoints + 1) + 1)
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise OutputError(
            f"{directory} has {free // MIB} MiB free and the checkpoints need {needed // MIB} MiB; "
            "make room, choose another train.output_dir, or lower train.save_total_limit"
        )


def save_adapter(config: Config, model: PeftModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the adapter for inference: its weights, its configuration, the tokenizer and a card; nothing else.

    The folder appears by one rename, whole or not at all.
    """
    model.peft_config["default"].base_model_name_or_path = hub_id(config.model)
    model.peft_config["default"].revision = config.model.revision
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        # Adapters on linear layers only: nothing to look up about the embeddings, so no network either.
        model.save_pretrained(str(work), save_embedding_layers=False)
        tokenizer.save_pretrained(str(work))
        (work / "README.md").write_text(model_card(config), encoding="utf-8")
        work.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def model_card(config: Config) -> str:
    base = hub_id(config.model)
    quantization = config.quantization
    precision = f"4-bit {quantization.bnb_4bit_quant_type.upper()}" if quantization.load_in_4bit else "full precision"
    return f"""---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
tags: [lora, qlora, qloratory]
---

# {config.train.adapter_name}

A LoRA adapter for [{base}](https://huggingface.co/{base}), trained with qloratory (QLoRA, loss on the answers alone).

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained("{base}")
model = PeftModel.from_pretrained(base, "{config.train.adapter_name}")
tokenizer = AutoTokenizer.from_pretrained("{config.train.adapter_name}")
```

It was trained on the base in {precision}; on the base in another precision its answers differ a little.
"""
