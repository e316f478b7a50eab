"""The stages in their order. Each reads what earlier ones left in the run directory and adds its own part."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from qloratory.checkpoint import judged
from qloratory.config import Config
from qloratory.data import FormattingFunc, Row, load_formatting_func, read_jsonl
from qloratory.evaluate import general_loss, score_answers
from qloratory.generate import generate_answers
from qloratory.intake import Intake, Rejected, describe_intake, find_prompts, save_rejected, take_in
from qloratory.kernels import return_freed_memory
from qloratory.labels import IGNORED, check_fits, tokenize_rows
from qloratory.merge import agreement, merge_adapter, save_merged
from qloratory.model import (
    Source,
    attach_adapter,
    hub_id,
    load_adapter,
    load_base,
    load_tokenizer,
    model_bytes,
    pick_device,
    resolve_source,
    working_dtype,
)
from qloratory.plan import held_mib, peak_mib, predict_memory, reset_peak_memory
from qloratory.report import write_report
from qloratory.resume import refuse_another_run, resume_facts
from qloratory.run import (
    Lock,
    RunDirectory,
    describe_run,
    peak_memory_mib,
    read_json,
    update_record,
    write_json,
    write_jsonl,
)
from qloratory.sandbox import describe_isolation, require_layers
from qloratory.train import train_adapter

MODELS = ("baseline", "finetuned", "merged")


@dataclass(frozen=True)
class Job:
    """A recipe with what it names looked up: run directory, model, tokenizer and data, each read once."""

    config: Config
    formatting_func: FormattingFunc

    @cached_property
    def run(self) -> RunDirectory:
        return RunDirectory.of(self.config)

    @cached_property
    def source(self) -> Source:
        pick_device(self.config.model.device)  # no GPU where one is needed: say so before anything is fetched
        return resolve_source(self.config.model)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.source)

    @cached_property
    def rejected(self) -> Rejected:
        return Rejected()

    @cached_property
    def training(self) -> Intake:
        """The rows to train on: none that asks what a held-out one asks; in skip mode none that is too long."""
        data, max_length = self.config.data, self.config.train.max_length

        def fits(row: Row) -> None:
            check_fits(row, self.tokenizer, max_length)

        return take_in(
            data.train_file,
            self.formatting_func,
            data,
            self.rejected,
            held_out=find_prompts([self.heldout, self.general]),
            check=fits if data.on_bad_row == "skip" else None,
        )

    @cached_property
    def heldout(self) -> Intake:
        data = self.config.data
        return take_in(data.heldout_file, self.formatting_func, data, self.rejected, keep_rows=True)

    @cached_property
    def general(self) -> Intake:
        data = self.config.data
        return take_in(data.general_file, load_formatting_func(None), data, self.rejected)

    @property
    def training_rows(self) -> list[Row]:
        return self.training.shaped

    @cached_property
    def dataset(self) -> Dataset:
        """The training rows, tokenized and labelled."""
        return tokenize_rows(self.training_rows, self.tokenizer, self.config.train.max_length, self.training.places)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What must be the same when the run is resumed."""
        return resume_facts(self.config, self.source, self.dataset)

    @cached_property
    def lock(self) -> Lock:
        """On the run directory; taken by what writes there."""
        return Lock()

    @property
    def tasks(self) -> list[Row]:
        return self.heldout.rows[: self.config.evaluate.limit]

    @property
    def prompts(self) -> list[list[dict[str, str]]]:
        return [row["prompt"] for row in self.heldout.shaped[: self.config.evaluate.limit]]

    @property
    def general_rows(self) -> list[Row]:
        return self.general.shaped[: self.config.evaluate.limit]

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the stage's seconds, and the highest memory peak of all stages, to run.json."""
        return_freed_memory()  # the stage before has left its models by now
        started = time.perf_counter()
        yield
        seconds = {stage: round(time.perf_counter() - started, 1)}
        before = read_json(self.run.record).get("peak_memory", {})
        peak = {name: max(value, before.get(name, 0)) for name, value in peak_memory_mib().items()}
        update_record(self.run, stage_seconds=seconds, peak_memory=peak)


def make_job(config: Config, formatting_func: FormattingFunc | None = None) -> Job:
    """A job on the recipe's own data form, or on that of the `formatting_func` that is given."""
    return Job(config, formatting_func or load_formatting_func(config.data.formatting_func))


def run_pipeline(job: Job, *, resume: bool = False, overwrite: bool = False, force: bool = False) -> None:
    """Everything: baseline, training, fine-tuned answers, merging, scores, report.

    Args:
        job: From `make_job`.
        resume: Go on where an earlier run of the same recipe stopped; answers that are there are kept.
        overwrite: Replace an earlier run.
        force: Resume also what was another recipe, data, model or version.
    """
    start_run(job, resume=resume, overwrite=overwrite, force=force)
    if not (resume and job.run.answers("baseline").exists()):
        generate_stage(job, "baseline")
    train_stage(job, resume=resume, force=force)
    generate_stage(job, "finetuned")
    merge_stage(job, save=job.config.merge.save)
    evaluate_stage(job)
    report_stage(job)


def start_run(job: Job, *, resume: bool, overwrite: bool, force: bool = False, scored: bool = True) -> None:
    """Read and check all inputs, then make the run directory and begin run.json. Nothing is written before that.

    Raises:
        HardwareError: The answers are to be scored, and this machine cannot isolate their code: told now, not after
            training.
        OutputError: The directory holds a run already, or is in use.
        ResumeError: The run to be resumed is another one.
    """
    if scored:
        require_layers(job.config.evaluate.execute)
    _ = job.dataset, job.prompts, job.general_rows
    job.run.create(keep=resume or overwrite)
    job.lock.take(job.run.path)
    if overwrite:
        job.run.clear()
    job.run.remove_leftovers()
    if resume and not force:
        for checkpoint in [path for path, problem in judged(job.run.path) if problem is None][:1]:
            refuse_another_run(checkpoint, job.identity)  # before run.json is changed
    too_long = {"over_max_length": asdict(job.training.too_long)}
    begin_record(job, train=describe_intake(job.training) | too_long)


def begin_record(job: Job, **trained: dict[str, Any]) -> None:
    """Begin run.json with what the run is and what was found in its data: `trained` is that of the training file."""
    data = trained | {"heldout": describe_intake(job.heldout), "general": describe_intake(job.general)}
    save_rejected(job.rejected, job.run.rejected)
    update_record(job.run, **describe_run(job.config, job.source), rejected_rows=job.rejected.count, data=data)


def continue_run(job: Job) -> None:
    """Begin run.json where `generate` is the first command in a directory; else leave it as it is."""
    _ = job.prompts, job.general_rows  # bad data stops before anything is written
    job.run.create(keep=True)
    job.lock.take(job.run.path)
    if not job.run.record.exists():
        begin_record(job)


def answer_one(job: Job, prompt: str, *, with_adapter: bool) -> str:
    """The answer to one prompt, of the adapter in the run directory or of the base."""
    model = load_base(job.config, job.source)
    if with_adapter:
        model = load_adapter(model, job.run.adapter, hub_id(job.config.model))
    messages = [[{"role": "user", "content": prompt}]]
    dtype = working_dtype(job.config)
    return generate_answers(model, job.tokenizer, messages, job.config.generate, "answer", dtype)[0]["answer"]


def train_stage(job: Job, *, resume: bool, force: bool = False) -> None:
    """Train, and write beside the facts what was predicted of memory and what was measured."""
    with job.timed("train"):
        device = pick_device(job.config.model.device)
        reset_peak_memory()
        process = held_mib(device)
        predicted = predict_job_memory(job) | {"process": process}
        predicted["peak"] = round(predicted["peak"] + process, 1)
        print(f"Memory in training: about {predicted['peak']:,.0f} MiB predicted, {process:,.0f} of them held already")
        base = load_base(job.config, job.source)
        model = attach_adapter(base, job.config.lora, job.config.train.seed)
        facts = train_adapter(
            job.config, model, job.tokenizer, job.training_rows, resume=resume, force=force, identity=job.identity
        )
        parts = facts.pop("parts_mib")
        memory: dict[str, Any] = {"predicted_mib": predicted}
        if parts is not None:
            memory["measured_mib"] = parts | {"process": process, "peak": peak_mib(device)}
    update_record(job.run, training=facts, memory=memory)


def predict_job_memory(job: Job) -> dict[str, float]:
    """`predict_memory` for the largest batch that this data can give: the longest rows in one."""
    section = job.config.train
    longest = sorted(job.dataset, key=lambda row: len(row["input_ids"]))[-section.per_device_train_batch_size :]
    supervised = sum(label != IGNORED for row in longest for label in row["labels"])
    return predict_memory(job.config, job.source, len(longest), len(longest[-1]["input_ids"]), supervised)


def generate_stage(job: Job, which: str) -> None:
    """Answer the held-out prompts with one of the models and measure what it remembers of general chat."""
    with job.timed(f"generate_{which}"):
        model = load_base(job.config, job.source)
        if which == "finetuned":
            model = load_adapter(model, job.run.adapter, hub_id(job.config.model))
        answer_and_probe(job, model, which)


def answer_and_probe(job: Job, model: Any, which: str) -> None:
    """Write the model's answers, and its facts (bytes, seconds, loss on general chat) to run.json."""
    title, dtype = f"{which} answers", working_dtype(job.config)
    answers = generate_answers(model, job.tokenizer, job.prompts, job.config.generate, title, dtype)
    return_freed_memory()
    write_jsonl(
        job.run.answers(which),
        [
            {"id": task.get("id"), "prompt": prompt[-1]["content"], **answer}
            for task, prompt, answer in zip(job.tasks, job.prompts, answers, strict=True)
        ],
    )
    seconds = sum(answer["seconds"] for answer in answers)
    facts = {
        "model_mib": round(model_bytes(model) / 2**20, 1),
        "generate_seconds": round(seconds, 1),
        "tokens_per_second": round(sum(answer["tokens"] for answer in answers) / seconds, 1),
        "general_loss": general_loss(model, job.tokenizer, job.general_rows, job.config.evaluate),
    }
    update_record(job.run, models={which: facts})


def merge_stage(job: Job, *, save: bool) -> None:
    """Merge, answer with the merged model, and compare it, token by token, with the adapter on its 4-bit base."""
    with job.timed("merge"):
        strategy = job.config.merge.strategy
        other_strategy = "original" if strategy == "dequantized" else "dequantized"
        merged = merge_adapter(job.config, job.source, job.run.adapter, strategy)
        if save:
            save_merged(merged, job.tokenizer, job.run.merged_model)
        answer_and_probe(job, merged, "merged")
        adapter = load_adapter(load_base(job.config, job.source), job.run.adapter, hub_id(job.config.model))
        update_record(job.run, agreement={strategy: compare(job, adapter, merged, strategy)})
        if job.config.quantization.load_in_4bit:  # else both strategies are one
            del merged
            other = merge_adapter(job.config, job.source, job.run.adapter, other_strategy)  # type: ignore[arg-type]
            update_record(job.run, agreement={other_strategy: compare(job, adapter, other, other_strategy)})


def compare(job: Job, adapter: Any, merged: Any, strategy: str) -> dict[str, float | int]:
    answers = read_jsonl(job.run.answers("finetuned"))
    rows = [
        {"prompt": prompt, "completion": [{"role": "assistant", "content": answer["answer"]}]}
        for prompt, answer in zip(job.prompts, answers, strict=True)
    ]
    title = f"adapter | merged into {strategy}"
    return agreement(adapter, merged, job.tokenizer, rows, job.config.evaluate.batch_size, title)


def evaluate_stage(job: Job) -> None:
    """Score all answers that are in the run directory; write evaluation.json."""
    with job.timed("evaluate"):
        models = read_json(job.run.record).get("models", {})
        evaluation: dict[str, Any] = {}
        details: dict[str, Any] = {}
        for which in MODELS:
            if which in models:
                answers = read_jsonl(job.run.answers(which))
                scores = score_answers(answers, job.tasks, job.config.evaluate)
                details[which] = scores.pop("details")
                evaluation[which] = scores | {"general_loss": models[which]["general_loss"]}
        isolation = describe_isolation(job.config.evaluate.execute)
        write_json(job.run.evaluation, evaluation | {"isolation": isolation, "details": details})


def report_stage(job: Job) -> None:
    print(write_report(job.run))
