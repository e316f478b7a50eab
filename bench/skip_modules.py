"""Which modules should stay unquantized? Mean loss of the base for several choices.

`python bench/skip_modules.py configs/smollm2-135m.yaml docs/results/skip-modules.json` measures, for the original
weights, for all layers in NF4, and for each kind of layer left out, the loss on the answers of the general chat
turns, and the bytes that the weights take.
"""

import json
import sys
from pathlib import Path

from qloratory.config import load_config
from qloratory.evaluate import general_loss
from qloratory.model import four_bit_layers, load_base, model_bytes
from qloratory.pipeline import make_job
from qloratory.run import describe_run

KINDS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
CHOICES = [[], *([kind] for kind in KINDS), ["v_proj", "down_proj"]]


def measure(recipe: Path, skipped: list[str] | None) -> dict:
    """Loss and size with these modules unquantized beside the head; None leaves everything unquantized."""
    names = json.dumps(["lm_head", *(skipped or [])])
    overrides = [f"quantization.llm_int8_skip_modules={names}", "quantization.keep_dequantized=false"]
    job = make_job(load_config(recipe, overrides))
    model = load_base(job.config, job.source, quantized=skipped is not None)
    loss = general_loss(model, job.tokenizer, job.general_rows, job.config.evaluate)
    return {
        "unquantized": "all" if skipped is None else skipped,
        "four_bit_layers": len(four_bit_layers(model)),
        "model_mib": round(model_bytes(model) / 2**20, 1),
        "general_loss": loss,
    }


def main(recipe: Path, target: Path) -> None:
    rows = []
    for skipped in [None, *CHOICES]:
        rows.append(measure(recipe, skipped))
        print(rows[-1], flush=True)
    job = make_job(load_config(recipe))
    about = describe_run(job.config, job.source) | {"command": f"python bench/skip_modules.py {recipe} {target}"}
    target.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
