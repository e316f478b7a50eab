"""The fast step: rows packed without padding into few static shapes; on a GPU each shape is one CUDA graph.

Small models are held back by kernel launches and by padding. Here a step's rows stand one after another in one row,
kept apart by the attention; forward and backward are the decoder's own (decoder.py); and a GPU replays them as one
graph, so that nothing is launched one by one. The loss is the plain step's.
"""

import math
import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from peft.tuners.lora import LoraLayer

from qloratory.config import Config
from qloratory.data import Row
from qloratory.decoder import LOGITS_BYTES, TIGHT_LOGITS_BYTES, Decoder, Packed, kept_values, why_not
from qloratory.labels import IGNORED
from qloratory.model import working_dtype

TENSORS = ("input_ids", "positions", "starts", "loss_rows", "targets")  # of a `Packed`
SMALLEST = 64  # tokens
SIZES = (2, 4, 8, 16, 32)  # an octave, from which one is chosen
GRAPH_TOKENS = 75_000  # that are trained in the half second in which a graph is captured (H100, Qwen2.5-0.5B)
SPARE = 0.9  # of the free GPU memory: the rest is for what is not counted


def make_fast_step(config: Config, model: PeftModel, dataset: Dataset) -> "FastStep | None":
    """The fast step for this model and these rows; None, with a line that says why, where it cannot serve."""
    if not config.train.fast:
        return None
    dtype = working_dtype(config)
    reason = why_not(model, dtype, config.lora.lora_dropout)
    if reason is not None:
        print(f"Plain steps, because the fast one cannot serve this model: {reason}")
        return None
    longest = longest_row(dataset)
    keep, recompute = choose_memory(config, model, dataset)
    return FastStep(Decoder(model, dtype, keep_dequantized=keep, recompute=recompute, longest=longest), longest)


def choose_memory(config: Config, model: PeftModel, dataset: Dataset) -> tuple[bool, bool]:
    """Whether to keep the weights dequantized, and whether to recompute activations: the fastest that fits.

    What the recipe decides stays so. On a CPU, memory is the fast step's price, told by the plan.
    """
    keep, recompute = config.quantization.keep_dequantized, config.train.gradient_checkpointing
    options = [
        (kept, again)
        for kept, again in ((True, False), (False, False), (True, True), (False, True))
        if keep in ("auto", kept) and recompute in ("auto", again)
    ]
    if not torch.cuda.is_available() or config.model.device == "cpu":
        return options[0]
    free = SPARE * (torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
    needed = {option: bytes_needed(config, model, dataset, *option) for option in options}
    chosen = next((option for option in options if needed[option] <= free), options[-1])
    print(
        f"Fast steps: weights {'kept' if chosen[0] else 'not kept'} dequantized, activations "
        f"{'recomputed' if chosen[1] else 'kept'}: about {needed[chosen] / 2**20:,.0f} of {free / 2**20:,.0f} MiB"
    )
    return chosen


def bytes_needed(config: Config, model: PeftModel, dataset: Dataset, keep: bool, recompute: bool) -> int:
    """Of a step on the longest rows, beside the model, its adapters and their optimizer."""
    shapes = model.get_base_model().config
    itemsize = working_dtype(config).itemsize
    tokens = sum(sorted(len(ids) for ids in dataset["input_ids"])[-config.train.per_device_train_batch_size :])
    layers = 1 if recompute else shapes.num_hidden_layers
    kept = tokens * itemsize * (layers * kept_values(shapes, config.lora.r) + 4 * shapes.intermediate_size)
    inputs = tokens * itemsize * shapes.num_hidden_layers * shapes.hidden_size if recompute else 0
    weights = sum(layer.in_features * layer.out_features for layer in adapted_layers(model)) if keep else 0
    return kept + inputs + itemsize * weights + 2 * (TIGHT_LOGITS_BYTES if recompute else LOGITS_BYTES)


def adapted_layers(model: PeftModel) -> list[LoraLayer]:
    return [module for module in model.modules() if isinstance(module, LoraLayer)]


def longest_row(dataset: Dataset) -> int:
    return max(len(ids) for ids in dataset["input_ids"])


def packing_collator(config: Config, dataset: Dataset, device: torch.device) -> "PackingCollator":
    rows = config.train.per_device_train_batch_size
    sizes = None if device.type == "cpu" else choose_sizes(config, dataset)
    return PackingCollator(longest_row(dataset), rows, sizes)


def choose_sizes(config: Config, dataset: Dataset) -> int:
    """Static sizes an octave that cost least over the planned run: filling up against capturing graphs.

    The batches are drawn here anew, as the sampler would draw them. What comes out depends on the recipe and the
    data alone, so that a resumed run fills up as the first did.
    """
    train = config.train
    lengths = [len(ids) for ids in dataset["input_ids"]]
    supervised = [sum(label != IGNORED for label in labels) for labels in dataset["labels"]]
    batches_an_epoch = -(-len(lengths) // train.per_device_train_batch_size)
    epochs = train.num_train_epochs
    if train.max_steps > 0:
        epochs = train.max_steps * train.gradient_accumulation_steps / batches_an_epoch
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    totals = []
    for epoch in range(min(8, math.ceil(epochs))):
        if train.train_sampling_strategy == "random":
            random.Random(train.seed + epoch).shuffle(order)
        for start in range(0, len(order), train.per_device_train_batch_size):
            rows = order[start : start + train.per_device_train_batch_size]
            totals.append((sum(lengths[row] for row in rows), sum(supervised[row] for row in rows)))

    def cost(sizes: int) -> float:
        """In tokens."""
        shapes = {(static_size(tokens, sizes), static_size(count, sizes)) for tokens, count in totals}
        filled = sum(static_size(tokens, sizes) for tokens, _ in totals) / len(totals)
        return len(shapes) * GRAPH_TOKENS + filled * epochs * batches_an_epoch

    return min(SIZES, key=cost)


def static_size(count: int, sizes_an_octave: int) -> int:
    """The size to which `count` tokens are filled up: one of so many between a power of two and the next.

    It depends on nothing else, so that a resumed run fills up as the first did.
    """
    grain = max(SMALLEST, 2 ** (count - 1).bit_length() // (2 * sizes_an_octave))
    return -(-count // grain) * grain


class PackingCollator:
    """Packs a batch's rows into tensors for the decoder.

    Args:
        longest: Tokens of the longest row that may come.
        rows: Rows of a whole batch.
        sizes_an_octave: Fill up to so many static sizes, as CUDA graphs need it: more of them waste less, but each is
            a graph. None leaves the sizes as they are.
    """

    def __init__(self, longest: int, rows: int, sizes_an_octave: int | None) -> None:
        self.longest, self.rows, self.sizes_an_octave = longest, rows, sizes_an_octave

    def __call__(self, rows: list[Row]) -> dict[str, torch.Tensor]:
        """`input_ids`, `positions`, `starts`, `loss_rows` as in `Packed`, and its targets as `labels`.

        Filling is documents of their own, at most as long as the longest row, without loss.
        """
        ids = [token for row in rows for token in row["input_ids"]]
        lengths = [len(row["input_ids"]) for row in rows]
        loss_rows, targets = [], []
        start = 0
        for row in rows:
            for position, label in enumerate(row["labels"][1:]):  # the state at `position` predicts the next token
                if label != IGNORED:
                    loss_rows.append(start + position)
                    targets.append(label)
            start += len(row["input_ids"])
        if self.sizes_an_octave:
            size = static_size(len(ids), self.sizes_an_octave)
            filling = size - len(ids)
            lengths += [min(self.longest, filling - done) for done in range(0, filling, self.longest)]
            ids += [0] * filling
            lengths += [0] * (self.rows + -(-size // self.longest) + 1 - len(lengths))
            surplus = static_size(len(targets), self.sizes_an_octave) - len(targets)
            loss_rows += [0] * surplus
            targets += [IGNORED] * surplus
        starts = torch.tensor([0, *lengths]).cumsum(0)
        labels = torch.tensor(targets)
        return {
            "input_ids": torch.tensor(ids),
            "positions": torch.cat([torch.arange(length) for length in lengths]),
            "starts": starts.int(),
            "loss_rows": torch.tensor(loss_rows),
            "labels": labels,
            "shift_labels": labels,  # tells the Trainer that these are the predicted ones: it counts them all
        }


def unpack(batch: dict[str, torch.Tensor]) -> dict[str, list[torch.Tensor]]:
    """The rows in a packed batch, read back for the guard: `input_ids`, `labels` and `attention_mask`, one a row.

    Filling is told by its having no loss: a row of the data always has some, or the guard would not see it.
    """
    ids, labels = batch["input_ids"], torch.full_like(batch["input_ids"], IGNORED)
    with_loss = batch["labels"] != IGNORED
    labels[batch["loss_rows"][with_loss] + 1] = batch["labels"][with_loss]
    edges = batch["starts"].tolist()
    spans = [slice(start, end) for start, end in pairwise(edges) if end > start]
    rows = [span for span in spans if (labels[span] != IGNORED).any() or ids[span].any()]
    return {
        "input_ids": [ids[span] for span in rows],
        "labels": [labels[span] for span in rows],
        "attention_mask": [torch.ones_like(ids[span]) for span in rows],
    }


class FastStep:
    """Forward and backward of packed batches, through a `Decoder`; on a GPU each shape is captured once.

    Args:
        decoder: On its device, for rows of at most `longest` tokens.
        longest: Tokens of the longest row.
    """

    def __init__(self, decoder: Decoder, longest: int) -> None:
        self.decoder, self.longest = decoder, longest
        self.on_gpu = decoder.gradients.is_cuda
        self.scale = torch.zeros((), device=decoder.device)
        self.graphs: dict[tuple[int, ...], Graph] = {}
        self.pool = torch.cuda.graph_pool_handle() if self.on_gpu else None
        self.begun = False
        decoder.attach_gradients()

    def forget(self, set_to_none: bool = True) -> None:
        """After an optimizer step: the next batch begins another one. The arguments are those of `zero_grad`."""
        self.begun = False

    def begin(self) -> None:
        """Before the first batch of an optimizer step: gradients to zero, and the adapters as they are now."""
        self.decoder.gradients.zero_()
        self.decoder.refresh()
        self.begun = True

    def run(self, batch: dict[str, torch.Tensor], supervised: torch.Tensor | int) -> torch.Tensor:
        """Add the batch's gradients to the adapters' `.grad`; the first batch of a step begins with none.

        Args:
            batch: From PackingCollator, on the model's device.
            supervised: Tokens with loss in the whole optimizer step.

        Returns:
            The sum of the batch's losses, divided by `supervised`.
        """
        if not self.begun:
            self.begin()
        self.scale.copy_(torch.as_tensor(supervised).reciprocal())
        packed = as_packed(batch, self.longest)
        if not self.on_gpu:
            return self.decoder.step(packed, self.scale)
        key = (len(packed.input_ids), len(packed.starts), len(packed.targets))
        if key in self.graphs:
            return self.graphs[key].replay(packed)
        # The first batch of a shape is computed eagerly, which also warms up what must not happen in a capture.
        loss = self.decoder.step(packed, self.scale)
        self.graphs[key] = Graph(self.decoder, packed, self.scale, self.pool)
        return loss

    def clip(self, max_norm: float) -> torch.Tensor:
        """As torch.nn.utils.clip_grad_norm_, on all gradients at once. Returns the norm before."""
        norm = self.decoder.gradients.norm()
        self.decoder.gradients.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
        return norm


def as_packed(batch: dict[str, torch.Tensor], longest: int) -> Packed:
    return Packed(
        input_ids=batch["input_ids"],
        positions=batch["positions"],
        starts=batch["starts"],
        loss_rows=batch["loss_rows"],
        targets=batch["labels"],
        longest=longest,
    )


class Graph:
    """A captured step: the inputs' places, and the loss's."""

    def __init__(self, decoder: Decoder, batch: Packed, scale: torch.Tensor, pool: Any) -> None:
        self.inputs = [x.clone() for x in tensors_of(batch)]
        self.graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(self.graph, pool=pool):
            self.loss = decoder.step(with_tensors(batch, self.inputs), scale)

    def replay(self, batch: Packed) -> torch.Tensor:
        torch._foreach_copy_(self.inputs, tensors_of(batch))
        self.graph.replay()
        return self.loss.clone()


def tensors_of(batch: Packed) -> list[torch.Tensor]:
    return [getattr(batch, name) for name in TENSORS]


def with_tensors(batch: Packed, tensors: list[torch.Tensor]) -> Packed:
    changes: dict[str, Any] = dict(zip(TENSORS, tensors, strict=True))
    return replace(batch, **changes)
