"""Choose the recipe for this machine: what `make run` does when no recipe is named."""

from pathlib import Path

import torch
from huggingface_hub import HfApi

from qloratory.config import load_config
from qloratory.model import hub_token

QWEN = Path("configs/qwen2.5-0.5b.yaml")
EMBEDDED = Path("configs/smollm2-135m.yaml")
HUB_TIMEOUT_SECONDS = 5.0


def choose_recipe() -> tuple[Path, str]:
    """The recipe that fits this machine, and the reason in a few words."""
    if not torch.cuda.is_available():
        return EMBEDDED, "PyTorch sees no NVIDIA GPU here"
    gpu = torch.cuda.get_device_name()
    if not hub_has_model(QWEN):
        return EMBEDDED, f"there is a GPU ({gpu}), but the Hub cannot be reached"
    return QWEN, f"there is a GPU ({gpu}), and the Hub can be reached"


def hub_has_model(recipe: Path) -> bool:
    """Whether the Hub answers, within seconds, that it has the recipe's model."""
    section = load_config(recipe).model
    try:
        HfApi().model_info(
            section.name_or_path, revision=section.revision, timeout=HUB_TIMEOUT_SECONDS, token=hub_token() or False
        )
    except Exception:  # whatever keeps the Hub from answering: the embedded recipe runs without it
        return False
    return True
