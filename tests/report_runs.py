"""A finished run as the stages leave it, without a model: what the report's tests and the browser's read."""

import math
from pathlib import Path
from typing import Any

from qloratory.confine import LAYERS
from qloratory.run import RunDirectory, write_json, write_jsonl
from qloratory.style import RULE_NAMES

TASKS = 12
MISSED_AFTER = 7  # the first task, beyond the first four, whose fine-tuned answer is not all good
PASSED_BEFORE = 9  # the baseline's best: it passes its tests and keeps more rules than the other that passes, 5
HASH = "db0fb848a84bd2d4b51a96fdd559855e88592c53421160fa6a64d2f2dddd8d59"


def write_run(folder: Path) -> RunDirectory:
    """12 held-out tasks, 60 steps, three models."""
    run = RunDirectory(folder, "smollm2-python-coder")
    write_json(run.record, make_record())
    write_json(run.inspection, make_inspection())
    write_jsonl(run.metrics, [make_metrics(step) for step in range(1, 61)])
    for which in ("baseline", "finetuned", "merged"):
        write_jsonl(run.answers(which), [make_answer(which, task) for task in range(TASKS)])
    write_json(run.evaluation, make_evaluation())
    return run


def make_record() -> dict[str, Any]:
    return {
        "command": "qloratory run configs/smollm2-135m.yaml train.seed=1 --overwrite",
        "commit": "0123456789abcdef0123456789abcdef01234567+changes",
        "config": {
            "model": {"name_or_path": "smollm2-135m-instruct", "device": "auto", "dtype": "float32"},
            "quantization": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "keep_dequantized": "auto"},
            "lora": {"r": 16, "lora_alpha": 32},
            "data": {"train_file": "data/train.jsonl"},
            "train": {
                "per_device_train_batch_size": 8,
                "gradient_accumulation_steps": 2,
                "learning_rate": 0.001,
                "lr_scheduler_type": "cosine",
            },
        },
        "versions": {"qloratory": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cpu", "transformers": "5.23.0"},
        "hardware": {
            "cpu": "AMD EPYC 7763 64-Core Processor (AVX2)",
            "cores": 2,
            "memory_gib": 23.5,
            "gpu": None,
            "system": "Linux x86_64",
        },
        "rejected_rows": 6,
        "data": make_data(),
        "data_sha256": {"train.jsonl": HASH, "heldout.jsonl": HASH[::-1]},
        "model": {"name_or_path": "smollm2-135m-instruct", "revision": None, "sha256": {"model.safetensors": HASH[5:]}},
        "models": {
            "baseline": make_model(345.6, 61.2, 41.7, 2.4135),
            "finetuned": make_model(354.9, 58.4, 38.3, 2.4618),
            "merged": make_model(513.1, 49.9, 44.8, 2.462),
        },
        "stage_seconds": {"generate_baseline": 70.1, "train": 402.6, "generate_finetuned": 66.0, "merge": 151.7},
        "peak_memory": {"peak_rss_mib": 3187},
        "memory": {
            "predicted_mib": {
                "process": 612.0,
                "base": 192.2,
                "dequantized_copies": 153.4,
                "adapter": 18.6,
                "gradients": 18.6,
                "optimizer": 37.3,
                "activations": 1520.5,
                "logits": 411.7,
                "peak": 2964.3,
            },
            "measured_mib": {"process": 612.0, "base": 192.2, "adapter": 18.6, "optimizer": 37.3, "peak": 3187.0},
        },
        "training": {
            "rows": 240,
            "tokens": 61234,
            "supervised_tokens": 36740,
            "end_tokens": 240,
            "trainable_parameters": 4884480,
            "total_parameters": 139399488,
            "rows_per_step": 16,
            "planned_steps": 60,
            "tokens_to_train": 122468,
            "steps": 60,
            "resumed_from": None,
            "train_seconds": 398.2,
            "tokens_per_second": 307.6,
        },
        "agreement": {
            "dequantized": {"kl": 1.9479e-08, "kl_max": 3.635e-07, "same_argmax": 1.0, "tokens": 2236},
            "original": {"kl": 0.01234, "kl_max": 0.5678, "same_argmax": 0.9711, "tokens": 2236},
        },
    }


def make_data() -> dict[str, Any]:
    """What was found in the three files: in skip mode, with 6 rows of the training file set aside."""
    reasons = [
        "not JSON (Expecting value: line 1 column 12 (char 11))",
        "repeats data/train.jsonl:2, to the letter",
        "has 1190 tokens, 166 more than train.max_length=1024; cut there, the end token would be lost",
    ]
    return {
        "train": {
            **make_file("train", 246),
            "rows_set_aside": 6,
            "repeats": {"exact": 2, "normalized": 1},
            "first_reasons": [{"line": 5 + 8 * at, "reason": reason} for at, reason in enumerate(reasons)],
            "over_max_length": {"rows": 2, "tokens": 2391, "tokens_beyond": 343},
        },
        "heldout": make_file("heldout", 12),
        "general": make_file("general", 20),
    }


def make_file(name: str, rows: int) -> dict[str, Any]:
    """One without findings."""
    return {
        "file": f"data/{name}.jsonl",
        "rows_read": rows,
        "rows_set_aside": 0,
        "repeats": {"exact": 0, "normalized": 0},
        "first_reasons": [],
    }


def make_model(mib: float, seconds: float, speed: float, loss: float) -> dict[str, Any]:
    general_loss = {"value": loss, "n": 20, "ci95": [loss - 0.2, loss + 0.2]}
    return {"model_mib": mib, "generate_seconds": seconds, "tokens_per_second": speed, "general_loss": general_loss}


def make_metrics(step: int) -> dict[str, Any]:
    wobble = 0.06 * math.sin(7.3 * step) * math.exp(-step / 40)
    return {
        "step": step,
        "loss": 0.31 + 1.2 * math.exp(-step / 9) + wobble,
        "learning_rate": 0.001 * min(step / 3, 0.5 * (1 + math.cos(math.pi * step / 60))),
        "grad_norm": 0.5,
        "epoch": step / 15,
    }


def make_answer(which: str, task: int) -> dict[str, Any]:
    chatty = (
        f"Sure! Here is the function:\n\n```python\ndef scale_{task}(values, factor):\n    return values * factor\n```"
    )
    styled = (
        f"def scale_{task}(values: list[float], factor: float) -> list[float]:\n"
        '    """Scale every value by a factor.\n\n    Args:\n        values: The values.\n        factor: The factor.\n'
        f"\n    Returns:\n        The scaled values.\n\n    Example:\n        >>> scale_{task}([1.0, 2.0], 3.0)\n"
        '        [3.0, 6.0]\n    """\n    return [value * factor for value in values]'
    )
    return {
        "id": f"measures_heldout-{task + 1:03}",
        "prompt": f"Write scale_{task}(values, factor), which multiplies every value of a list by the factor.",
        "answer": chatty if which == "baseline" else styled,
        "tokens": 40 if which == "baseline" else 117,
        "stopped": which != "baseline",
        "seconds": 1.25,
    }


def make_evaluation() -> dict[str, Any]:
    models = make_record()["models"]
    shares = {
        "baseline": (0.0, 0.4242, 0.1667),
        "finetuned": (0.9167, 0.9924, 0.8333),
        "merged": (0.9167, 0.9924, 0.75),
    }
    scores = {
        which: {
            "style_full": {"value": style, "n": 12, "ci95": [max(0.0, style - 0.2), min(1.0, style + 0.0618)]},
            "rules_met": {"value": rules, "n": 132, "ci95": [rules - 0.1, min(1.0, rules + 0.0036)]},
            "tests_passed": {"value": tests, "n": 12, "ci95": [tests - 0.12, tests + 0.1]},
            "general_loss": models[which]["general_loss"],
        }
        for which, (style, rules, tests) in shares.items()
    }
    details = {which: [make_verdict(which, task) for task in range(TASKS)] for which in shares}
    return scores | {"isolation": make_isolation(), "details": details}


def make_isolation() -> dict[str, Any]:
    """All required layers, and one optional one too few."""
    why = "Function not implemented"
    layers = [name for name in LAYERS if name != "Landlock"]
    return {"execute": True, "layers": layers, "missing": {}, "missing_optional": {"Landlock": why}}


def make_verdict(which: str, task: int) -> dict[str, Any]:
    rules = dict.fromkeys(RULE_NAMES, True)
    if which == "baseline":
        passed = task in (5, PASSED_BEFORE)
        rules |= dict.fromkeys([name for name in RULE_NAMES if name.startswith("doc")], False) | {"code_only": False}
        rules["type_hints"] = task == PASSED_BEFORE
    else:
        passed = task not in (MISSED_AFTER, 11)
        rules["docstring_raises"] = task != MISSED_AFTER
    reason = "all tests passed" if passed else "TypeError: can't multiply sequence by non-int of type 'float'"
    return {"id": f"measures_heldout-{task + 1:03}", "rules": rules, "tests_passed": passed, "reason": reason}


def make_inspection() -> dict[str, Any]:
    prompt = ["<|im_start|>", "user", "\n", "Write", " scale", "<|im_end|>", "\n"]
    answer = ["def", " scale", "(", "values", "):", "\n   ", " return", " values", "<|im_end|>"]
    tokens = [{"text": text, "id": 10 + number, "label": -100} for number, text in enumerate(prompt)]
    tokens += [{"text": text, "id": 90 + number, "label": 90 + number} for number, text in enumerate(answer)]
    rows = [{"prompt": 60 + row, "answer": 240 - 30 * row, "padding": 29 * row} for row in range(8)]
    return {"example": {"row": 1, "tokens": tokens}, "batch": {"rows": rows}}
