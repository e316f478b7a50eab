"""What a checkpoint holds: the trainer's state as files, and the files as the trainer's state, bit for bit."""

import dataclasses
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load, save

from qloratory.checkpoint import ADAPTER, ADAPTER_CONFIG, OPTIMIZER, RNG, STATE, TRAINER, Checkpoint
from qloratory.errors import ModelError, TrainingError, one_line
from qloratory.model import trainable_parameters


def state_files(
    model: PeftModel, optimizer: Any, scheduler: Any, trainer_state: Any, loop: dict[str, float]
) -> dict[str, bytes]:
    """All that the next step depends on, as the files of a checkpoint.

    Args:
        model: Its adapter alone is trained, in float32.
        optimizer: AdamW, or another whose state is tensors.
        scheduler: Of the learning rate; its state must be JSON.
        trainer_state: Transformers' TrainerState.
        loop: What the training loop itself remembers.

    Raises:
        TrainingError: A value is not a number any more: a state that nobody wants to go on from.
    """
    adapter = {name: tensor.detach().cpu().contiguous() for name, tensor in adapter_tensors(model).items()}
    moments = optimizer_tensors(model, optimizer)
    if not all(tensor.isfinite().all() for tensor in (*adapter.values(), *moments.values())):
        raise TrainingError("the adapter holds values that are not numbers; no checkpoint is made of it")
    groups = [
        {key: value for key, value in group.items() if key != "params"}
        for group in optimizer.state_dict()["param_groups"]
    ]
    state = {"param_groups": groups, "scheduler": scheduler.state_dict(), "loop": loop}
    return {
        ADAPTER: save(adapter, metadata={"format": "pt"}),
        ADAPTER_CONFIG: as_json(adapter_config(model)),
        OPTIMIZER: save(moments),
        STATE: as_json(state),
        RNG: as_json(random_states()),
        TRAINER: as_json(dataclasses.asdict(trainer_state)),
    }


def adapter_tensors(model: PeftModel) -> dict[str, torch.Tensor]:
    """The adapter's own tensors, under the names that PEFT gives them in a file."""
    return get_peft_model_state_dict(model, save_embedding_layers=False)


def adapter_config(model: PeftModel) -> dict[str, Any]:
    """As PEFT's `save_pretrained` writes it: sets as lists, enums as their values."""
    config = model.peft_config["default"].to_dict() | {"inference_mode": True}
    return {name: sorted(value) if isinstance(value, set) else value for name, value in config.items()}


def optimizer_tensors(model: PeftModel, optimizer: Any) -> dict[str, torch.Tensor]:
    """The optimizer's state as `<parameter>/<what>`: names, where the optimizer itself only counts."""
    names = names_in_order(model, optimizer)
    return {
        f"{names[index]}/{what}": tensor.detach().cpu().contiguous()
        for index, values in optimizer.state_dict()["state"].items()
        for what, tensor in values.items()
    }


def names_in_order(model: PeftModel, optimizer: Any) -> list[str]:
    names = {id(parameter): name for name, parameter in trainable_parameters(model).items()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def random_states() -> dict[str, Any]:
    """Of every generator that a step may draw from."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), *rest],
        "cpu": torch.get_rng_state().numpy().tobytes().hex(),
        "cuda": [state.numpy().tobytes().hex() for state in cuda],
    }


def load_adapter_state(model: PeftModel, checkpoint: Checkpoint) -> None:
    """Copy the adapter into the model's own tensors: whatever refers to them sees the new values.

    Raises:
        ModelError: It is an adapter of another form.
    """
    with fitting(checkpoint):
        saved, own = load(checkpoint.files[ADAPTER]), adapter_tensors(model)
        check_same_form(saved, own)
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(saved[name])


def check_same_form(saved: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> None:
    if saved.keys() != own.keys():
        raise ValueError(f"{len(saved.keys() ^ own.keys())} adapted layers differ")
    for name, tensor in own.items():
        if (tensor.shape, tensor.dtype) != (saved[name].shape, saved[name].dtype):
            raise ValueError(f"{name} is {tuple(saved[name].shape)} there and {tuple(tensor.shape)} here")


def load_optimizer_state(model: PeftModel, optimizer: Any, scheduler: Any, checkpoint: Checkpoint) -> None:
    """Moments, step counts, learning rates and the schedule's place.

    Raises:
        ModelError: They are of another optimizer.
    """
    with fitting(checkpoint):
        tensors, state = load(checkpoint.files[OPTIMIZER]), checkpoint.json(STATE)
        indices = {name: index for index, name in enumerate(names_in_order(model, optimizer))}
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            name, what = key.rsplit("/", 1)
            moments.setdefault(indices[name], {})[what] = tensor
        groups = optimizer.state_dict()["param_groups"]
        for group, saved in zip(groups, state["param_groups"], strict=True):
            known = {key: value for key, value in saved.items() if key in group}
            group |= {key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
        scheduler.load_state_dict(state["scheduler"])


def load_random_states(checkpoint: Checkpoint) -> None:
    """Set every generator to where it was; those of GPUs only where there are as many.

    Raises:
        ModelError: They are not states of these generators.
    """
    with fitting(checkpoint):
        states = checkpoint.json(RNG)
        version, internal, gauss = states["python"]
        random.setstate((version, tuple(internal), gauss))
        kind, keys, *rest = states["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
        torch.set_rng_state(bytes_as_tensor(states["cpu"]))
        if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([bytes_as_tensor(state) for state in states["cuda"]])


def bytes_as_tensor(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)


def as_json(content: Any) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


@contextmanager
def fitting(checkpoint: Checkpoint) -> Iterator[None]:
    """A state of another model or optimizer is one sentence, not a traceback of a library's."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise ModelError(
            f"checkpoint-{checkpoint.step} does not fit this model and recipe: {one_line(error)}"
        ) from None
