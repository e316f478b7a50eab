"""A Llama-like decoder with LoRA on a frozen base: forward and backward written out, without autograd.

Only adapters learn, so no gradient of a large weight is ever formed, and what a layer keeps for its backward pass is
chosen here, tensor by tensor. The arithmetic is that of the Transformers model with PEFT's adapters (LoRA: arXiv
2106.09685); tests/test_decoder.py holds both against each other. Weights are shared with that model, not copied,
but for what is dequantized.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bitsandbytes as bnb
import torch
import torch.nn.functional as F
from peft.tuners.lora import LoraLayer
from torch import nn

from qloratory import kernels
from qloratory.model import FAMILIES, transformers_model

KEYS = 4  # place of a layer's keys in what its attention keeps; its values stand behind them
MLP_TOKENS = 512  # whose MLP is computed at a time where memory is short
MULTIPLE = 8  # columns: GPU matrix products want rows of 16 bytes
LOGITS_BYTES = 512 * 2**20  # of one chunk of logits on a GPU
TIGHT_LOGITS_BYTES = 32 * 2**20  # where memory is short, and on a CPU, whose caches are small


@dataclass(frozen=True)
class Packed:
    """Documents one after another in one row, as the decoder reads them.

    `input_ids` and `positions` are (tokens,); `starts`, (documents + 1,) int32, is where each document starts, and
    the number of tokens; `longest` is the tokens of the longest document, or more. `loss_rows`, (rows with loss,),
    are the tokens whose next one carries loss, and `targets` that next one; -100 is a row without.
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    starts: torch.Tensor
    loss_rows: torch.Tensor
    targets: torch.Tensor
    longest: int


class Projections:
    """Linear layers that read the same input, as one product, with their adapters.

    In bfloat16 the adapters' B stands in columns behind the frozen weight, and x·A in columns behind x, so that base
    and adapter are one product, forward and backward. In float32, which is for CPUs, the adapters are added to the
    weight, once an optimizer step: there the small products are slow, and float32 has the digits for the sum.

    Args:
        layers: The model's own modules, with a LoRA adapter or without.
        dtype: Of the products.
        scratch: Where weights are dequantized for each product; None keeps them dequantized.
    """

    def __init__(self, layers: list[nn.Module], dtype: torch.dtype, scratch: Callable[[int, int], torch.Tensor] | None):
        self.bases: list[Any] = [layer.get_base_layer() if isinstance(layer, LoraLayer) else layer for layer in layers]
        self.adapters = [adapter_of(layer) for layer in layers]
        self.outs: list[int] = [base.out_features for base in self.bases]
        self.ranks = [0 if adapter is None else len(adapter.a) for adapter in self.adapters]
        self.rank, self.width = sum(self.ranks), int(self.bases[0].in_features)
        self.dtype, self.scratch = dtype, scratch
        self.merged = dtype == torch.float32
        self.room = 0 if self.merged else -(-self.rank // MULTIPLE) * MULTIPLE
        biases = [base.bias for base in self.bases]
        self.bias = None if biases[0] is None else torch.cat(biases).to(dtype)
        self.place_weights()

    def place_weights(self) -> None:
        """Make room for the adapters in the type of the products, and for the weight where it is kept."""
        device = self.bases[0].weight.device
        self.a = torch.zeros(self.room or self.rank, self.width, dtype=self.dtype, device=device)
        self.kept = None
        if self.scratch is None:
            self.kept = torch.zeros(sum(self.outs), self.width + self.room, dtype=self.dtype, device=device)
            self.write_frozen(self.kept)
        if self.kept is not None and self.room:
            self.b = self.columns_of(self.kept)
        else:
            sizes = zip(self.outs, self.ranks, strict=True)
            self.b = [torch.zeros(out, rank, dtype=self.dtype, device=device) for out, rank in sizes]

    def write_frozen(self, weight: torch.Tensor) -> None:
        for base, part in zip(self.bases, weight.split(self.outs), strict=True):
            part[:, : self.width] = dequantized(base, self.dtype)

    def columns_of(self, weight: torch.Tensor) -> list[torch.Tensor]:
        """Where each layer's B stands in the weight: in its rows, behind the frozen part."""
        starts = [self.width + sum(self.ranks[:index]) for index in range(len(self.ranks))]
        return [
            part[:, start : start + rank]
            for part, start, rank in zip(weight.split(self.outs), starts, self.ranks, strict=True)
        ]

    def copies(self) -> list[tuple[torch.Tensor, torch.Tensor, float]]:
        """What is taken over from the adapters after each optimizer step: (parameter, its place here, factor)."""
        found = []
        parts = self.a[: self.rank].split(self.ranks)
        for adapter, a, b in zip(self.adapters, parts, self.b, strict=True):
            if adapter is not None:
                found += [(adapter.a, a, 1.0), (adapter.b, b, adapter.scale)]
        return found

    def merge(self) -> None:
        """In float32, add the adapters to the kept weight."""
        if self.merged and self.kept is not None:
            self.write_merged(self.kept)

    def write_merged(self, weight: torch.Tensor) -> None:
        parts = (self.bases, weight.split(self.outs), self.a.split(self.ranks), self.b)
        for base, part, a, b in zip(*parts, strict=True):
            torch.addmm(dequantized(base, self.dtype), b, a, out=part)

    def weight(self) -> torch.Tensor:
        """(out, width + room)."""
        if self.kept is not None:
            return self.kept
        assert self.scratch is not None
        weight = self.scratch(sum(self.outs), self.width + self.room)
        if self.merged:
            self.write_merged(weight)
            return weight
        self.write_frozen(weight)
        weight[:, self.width :] = 0
        for columns, b in zip(self.columns_of(weight), self.b, strict=True):
            columns.copy_(b)
        return weight

    def take_gradients(self, flat: torch.Tensor) -> torch.Tensor:
        """Let the adapters' gradients be views of `flat`'s first values; the rest of it is returned."""
        self.grad_a, flat = carve(flat, self.rank, self.width)
        self.grad_b = []
        for out, rank in zip(self.outs, self.ranks, strict=True):
            gradient, flat = carve(flat, out, rank)
            self.grad_b.append(gradient)
        return flat

    def attach_gradients(self) -> None:
        for adapter, a, b in zip(self.adapters, self.grad_a.split(self.ranks), self.grad_b, strict=True):
            if adapter is not None:
                adapter.a.grad, adapter.b.grad = a, b

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """(tokens, out) of `x`, (tokens, width + room); the room is filled here. `residual` is added."""
        self.fill(x)
        weight = self.weight()
        if residual is None:
            residual = self.bias
        return torch.mm(x, weight.T) if residual is None else torch.addmm(residual, x, weight.T)

    def fill(self, x: torch.Tensor) -> None:
        """x·A into the columns behind x."""
        if self.room:
            torch.mm(x[:, : self.width], self.a.T, out=x[:, self.width :])

    def backward(self, dy: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The gradient of `x`, (tokens, width), from that of the result; the adapters' are added up."""
        dx, dh = self.input_gradient(dy)
        self.add_gradients(dy, x, dh)
        return dx

    def input_gradient(self, dy: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradients of x, (tokens, width), and of x·A, (tokens, rank)."""
        dx = torch.mm(dy, self.weight())  # (tokens, width + room)
        if self.merged:
            return dx, torch.cat([part.mm(b) for part, b in zip(dy.split(self.outs, 1), self.b, strict=True)], 1)
        dx, dh = dx[:, : self.width], dx[:, self.width :]
        if self.room:
            dx.addmm_(dh, self.a)
        return dx, dh[:, : self.rank]

    def add_gradients(self, dy: torch.Tensor, x: torch.Tensor, dh: torch.Tensor) -> None:
        """`x` is (tokens, width + room), with its room filled."""
        if not self.rank:
            return
        h = torch.mm(x, self.a.T) if self.merged else x[:, self.width : self.width + self.rank]  # (tokens, rank)
        add_product(self.grad_a, dh.T, x[:, : self.width])
        parts = (self.adapters, self.grad_b, dy.split(self.outs, 1), h.split(self.ranks, 1))
        for adapter, gradient, dy_part, h_part in zip(*parts, strict=True):
            if adapter is not None:
                add_product(gradient, dy_part.T, h_part, adapter.scale)


@dataclass(frozen=True)
class Adapter:
    """`a` is (rank, in), `b` (out, rank); the layer adds scale · x · aᵀ · bᵀ."""

    a: torch.Tensor
    b: torch.Tensor
    scale: float


def adapter_of(layer: nn.Module) -> Adapter | None:
    if not isinstance(layer, LoraLayer):
        return None
    name = layer.active_adapters[0]
    return Adapter(layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name])


def carve(flat: torch.Tensor, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    return flat[: rows * columns].view(rows, columns), flat[rows * columns :]


def add_product(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float = 1.0) -> None:
    """total += scale · a · b, with a float32 `total`, whatever the type of `a` and `b`."""
    if a.dtype == torch.float32:
        total.addmm_(a, b, alpha=scale)
    elif a.is_cuda:
        torch.addmm(total, a, b, out_dtype=torch.float32, alpha=scale, out=total)
    else:  # a CPU's product is in one type; the sums within it are in float32
        total.add_(torch.mm(a, b), alpha=scale)


def dequantized(layer: Any, dtype: torch.dtype) -> torch.Tensor:
    """The layer's frozen weight, (out, in), as it computes with it."""
    if isinstance(layer, bnb.nn.Linear4bit):
        if hasattr(layer, "dequantized"):
            return layer.dequantized.to(dtype)
        return bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(dtype)
    return layer.weight.data.to(dtype)


class Layer:
    """One decoder layer. `forward` returns its output and what `backward` needs."""

    def __init__(self, layer: Any, shapes: Any, dtype: torch.dtype, scratch: Any) -> None:
        block, mlp = layer.self_attn, layer.mlp
        self.norms = [
            (norm.weight.data.to(dtype), norm.variance_epsilon)
            for norm in (layer.input_layernorm, layer.post_attention_layernorm)
        ]
        self.head_norms = [
            (norm.weight.data.to(dtype), norm.variance_epsilon)
            for norm in (getattr(block, "q_norm", None), getattr(block, "k_norm", None))
            if norm is not None
        ]
        self.qkv = Projections([block.q_proj, block.k_proj, block.v_proj], dtype, scratch)
        self.o = Projections([block.o_proj], dtype, scratch)
        self.gate_up = Projections([mlp.gate_proj, mlp.up_proj], dtype, scratch)
        self.down = Projections([mlp.down_proj], dtype, scratch)
        self.heads = (shapes.num_attention_heads, shapes.num_key_value_heads, shapes.num_key_value_heads)
        self.head_width: int = block.head_dim
        self.scale: float = block.scaling

    def projections(self) -> list[Projections]:
        return [self.qkv, self.o, self.gate_up, self.down]

    def forward(self, x: torch.Tensor, batch: Packed, cos: torch.Tensor, sin: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """`x` is (tokens, width)."""
        middle, of_attention = self.attend(x, batch, cos, sin)
        expanded = self.expand(middle)
        return self.contract(middle, expanded), (of_attention, middle, expanded)

    def forward_keeping_nothing(
        self, x: torch.Tensor, batch: Packed, cos: torch.Tensor, sin: torch.Tensor
    ) -> torch.Tensor:
        """As `forward`, in the least memory: `x` is enough for `backward_from`."""
        middle, _ = self.attend(x, batch, cos, sin)
        return torch.cat([self.contract(part, self.expand(part)) for part in middle.split(MLP_TOKENS)])

    def attend(self, x: torch.Tensor, batch: Packed, cos: torch.Tensor, sin: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """The layer's first half, and what its backward pass needs."""
        normed, factor = kernels.rms_norm(x, *self.norms[0], room=self.qkv.room)
        q, k, v, raw = self.heads_of(self.qkv.forward(normed))
        kernels.rotate(q, cos, sin)
        kernels.rotate(k, cos, sin)
        attended, saved = kernels.attention(q, k, v, batch.starts, batch.longest, self.scale)
        joined = with_columns(attended.flatten(1), self.o.room)
        return self.o.forward(joined, residual=x), (x, normed, factor, q, k, v, raw, attended, saved, joined)

    def expand(self, middle: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The MLP's first half: the normed input with its factor, and gate and up."""
        normed, factor = kernels.rms_norm(middle, *self.norms[1], room=self.gate_up.room)
        return normed, factor, self.gate_up.forward(normed)

    def contract(self, middle: torch.Tensor, expanded: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The layer's output, from what `expand` gave."""
        return self.down.forward(kernels.swiglu(expanded[2], room=self.down.room), residual=middle)

    def extend(
        self,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        cache: tuple[torch.Tensor, torch.Tensor],
        positions: torch.Tensor,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """One more token a row: `x` is (rows, width). Its key and value are written into the cache.

        Args:
            x: (rows, width).
            cos: As `kernels.rotate` takes it.
            sin: As `cos`.
            cache: Keys and values, (rows, key heads, room, head width) each.
            positions: (rows,): where the token stands.
            mask: (rows, 1, 1, room): which places each row attends to.
        """
        normed, _ = kernels.rms_norm(x, *self.norms[0], room=self.qkv.room)
        q, k, v, _ = self.heads_of(self.qkv.forward(normed))
        kernels.rotate(q, cos, sin)
        kernels.rotate(k, cos, sin)
        rows = torch.arange(len(x), device=x.device)
        for place, new in zip(cache, (k, v), strict=True):
            place[rows, :, positions] = new
        # The query heads that share a key head stand where a sequence would: (rows, key heads, sharers, head width).
        queries = q.reshape(len(x), self.heads[1], -1, self.head_width)
        attended = F.scaled_dot_product_attention(queries, *cache, attn_mask=mask, scale=self.scale)
        joined = with_columns(attended.reshape(len(x), -1), self.o.room)
        middle = self.o.forward(joined, residual=x)
        return self.contract(middle, self.expand(middle))

    def backward(
        self, d_out: torch.Tensor, kept: Any, batch: Packed, cos: torch.Tensor, sin: torch.Tensor
    ) -> torch.Tensor:
        """The gradient of the layer's input; `d_out`, (tokens, width), is overwritten by it."""
        of_attention, middle, expanded = kept
        self.backward_of_mlp(d_out, middle, expanded)
        return self.backward_of_attention(d_out, of_attention, batch, cos, sin)

    def backward_from(
        self, d_out: torch.Tensor, x: torch.Tensor, batch: Packed, cos: torch.Tensor, sin: torch.Tensor
    ) -> torch.Tensor:
        """As `backward`, from the layer's input alone: the rest is computed again, the MLP's part by part."""
        middle, of_attention = self.attend(x, batch, cos, sin)
        for d_part, part in zip(d_out.split(MLP_TOKENS), middle.split(MLP_TOKENS), strict=True):
            self.backward_of_mlp(d_part, part, self.expand(part))
        return self.backward_of_attention(d_out, of_attention, batch, cos, sin)

    def backward_of_mlp(self, d_out: torch.Tensor, middle: torch.Tensor, expanded: tuple[torch.Tensor, ...]) -> None:
        """`d_out` is overwritten by the gradient of `middle`, and gate and up by theirs."""
        normed, factor, gate_up = expanded
        d_activated, dh = self.down.input_gradient(d_out)
        activated = kernels.swiglu_backward(d_activated, gate_up, room=self.down.room)
        self.down.fill(activated)  # computed once more, which is as fast as reading it would be
        self.down.add_gradients(d_out, activated, dh)
        d_normed = self.gate_up.backward(gate_up, normed)
        kernels.rms_norm_backward(d_normed, middle, self.norms[1][0], factor, d_out)

    def backward_of_attention(
        self, d_out: torch.Tensor, kept: Any, batch: Packed, cos: torch.Tensor, sin: torch.Tensor
    ) -> torch.Tensor:
        x, normed, factor, q, k, v, raw, attended, saved, joined = kept
        d_attended = self.o.backward(d_out, joined).reshape(attended.shape)
        dq, dk, dv = kernels.attention_backward(
            d_attended, q, k, v, attended, saved, batch.starts, batch.longest, self.scale
        )
        kernels.rotate(dq, cos, sin, back=True)
        kernels.rotate(dk, cos, sin, back=True)
        d_normed = self.qkv.backward(self.joined_heads(dq, dk, dv, raw), normed)
        kernels.rms_norm_backward(d_normed, x, self.norms[0][0], factor, d_out)
        return d_out

    def heads_of(self, qkv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Any]:
        """q, k and v, (tokens, heads, head width) each; for Qwen3, q and k normed, and what that needs backward."""
        q, k, v = (
            part.unflatten(1, (heads, self.head_width))
            for part, heads in zip(
                qkv.split([heads * self.head_width for heads in self.heads], 1), self.heads, strict=True
            )
        )
        if not self.head_norms:
            return q, k, v, None
        raw, normed = [], []
        for part, (weight, eps) in zip((q, k), self.head_norms, strict=True):
            rows = part.reshape(-1, self.head_width)
            y, factor = kernels.rms_norm(rows, weight, eps)
            normed.append(y.view(part.shape))
            raw.append((rows, factor))
        return normed[0], normed[1], v, raw

    def joined_heads(self, dq: torch.Tensor, dk: torch.Tensor, dv: torch.Tensor, raw: Any) -> torch.Tensor:
        """The backward pass of `heads_of`: (tokens, all heads' widths)."""
        if raw is not None:
            unnormed = []
            for gradient, (rows, factor), (weight, _) in zip((dq, dk), raw, self.head_norms, strict=True):
                dx = torch.zeros_like(rows)
                kernels.rms_norm_backward(gradient.reshape(-1, self.head_width), rows, weight, factor, dx)
                unnormed.append(dx.view(gradient.shape))
            dq, dk = unnormed
        return torch.cat([part.flatten(1) for part in (dq, dk, dv)], 1)


def with_columns(x: torch.Tensor, room: int) -> torch.Tensor:
    if not room:
        return x
    wide = x.new_empty(len(x), x.shape[1] + room)
    wide[:, : x.shape[1]] = x
    return wide


class Decoder:
    """The whole model: embedding, layers, head, loss; made from a Transformers model with PEFT's adapters.

    `gradients`, flat and float32, holds those of all adapters.

    Args:
        model: Of one of FAMILIES, with adapters or without.
        dtype: Of the products and of what is kept: bfloat16, or on a CPU float32.
        keep_dequantized: Keep the frozen weights dequantized, or dequantize them for each product.
        recompute: Keep only each layer's input, and compute the rest again in the backward pass.
        longest: Positions up to which RoPE's table goes.
    """

    def __init__(
        self, model: Any, dtype: torch.dtype, *, keep_dequantized: bool, recompute: bool, longest: int
    ) -> None:
        causal = transformers_model(model)
        body = causal.model
        self.device = body.embed_tokens.weight.device
        if self.device.type == "cpu":
            kernels.reuse_freed_memory()
        self.embedding = body.embed_tokens.weight.data  # (vocabulary, width)
        self.head = causal.lm_head.weight.data.to(dtype)  # (vocabulary, width)
        self.norm = (body.norm.weight.data.to(dtype), body.norm.variance_epsilon)
        self.dtype, self.recompute = dtype, recompute
        chunk_bytes = TIGHT_LOGITS_BYTES if recompute or self.device.type == "cpu" else LOGITS_BYTES
        self.chunk = max(1, chunk_bytes // (len(self.head) * dtype.itemsize))  # rows
        self.buffer = torch.empty(0, dtype=dtype, device=self.device)
        scratch = None if keep_dequantized else self.scratch
        self.layers = [Layer(layer, causal.config, dtype, scratch) for layer in body.layers]
        positions = torch.arange(longest, device=self.device).unsqueeze(0)
        cos, sin = body.rotary_emb(torch.empty(0, device=self.device, dtype=torch.float32), positions)
        half = cos.shape[-1] // 2
        self.projections = [projections for layer in self.layers for projections in layer.projections()]
        copies = [copy for projections in self.projections for copy in projections.copies()]
        self.copies = kernels.ScaledCopies(copies)
        self.gradients = torch.zeros(sum(parameter.numel() for parameter, _, _ in copies), device=self.device)
        rest = self.gradients
        for projections in self.projections:
            rest = projections.take_gradients(rest)
        self.cos, self.sin = cos[0, :, :half].float().contiguous(), sin[0, :, :half].float().contiguous()

    def scratch(self, rows: int, columns: int) -> torch.Tensor:
        """One place for every weight that is dequantized for a single product."""
        if self.buffer.numel() < rows * columns:
            self.buffer = torch.empty(rows * columns, dtype=self.dtype, device=self.device)
        return self.buffer[: rows * columns].view(rows, columns)

    def attach_gradients(self) -> None:
        """Let each adapter's `.grad` be its part of `gradients`."""
        for projections in self.projections:
            projections.attach_gradients()

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the adapters' present values, after each optimizer step."""
        self.copies.copy()
        for projections in self.projections:
            projections.merge()

    def step(self, batch: Packed, scale: torch.Tensor) -> torch.Tensor:
        """Add the gradients of the loss times `scale` to `gradients`.

        Returns:
            The sum of the losses of all rows with loss, times `scale`; float32, on the device.
        """
        with torch.no_grad():
            cos, sin = self.cos[batch.positions], self.sin[batch.positions]  # (tokens, half a head)
            x, kept = self.forward(batch, cos, sin)
            loss, dx = self.loss(x, batch, scale)
            for layer in reversed(self.layers):
                backward = layer.backward_from if self.recompute else layer.backward
                dx = backward(dx, kept.pop(), batch, cos, sin)
            return loss

    def forward(self, batch: Packed, cos: torch.Tensor, sin: torch.Tensor) -> tuple[torch.Tensor, list[Any]]:
        x = self.embedding[batch.input_ids].to(self.dtype)  # (tokens, width)
        kept = []
        for layer in self.layers:
            if self.recompute:
                kept.append(x)
                x = layer.forward_keeping_nothing(x, batch, cos, sin)
            else:
                x, saved = layer.forward(x, batch, cos, sin)
                kept.append(saved)
        return x, kept

    @torch.no_grad()
    def hidden(self, batch: Packed, on_layer: Callable[[int, torch.Tensor, torch.Tensor], None] | None = None) -> Any:
        """The last hidden states, (tokens, width), not normed; `on_layer` is given each layer's keys and values."""
        cos, sin = self.cos[batch.positions], self.sin[batch.positions]
        x = self.embedding[batch.input_ids].to(self.dtype)
        for index, layer in enumerate(self.layers):
            x, (of_attention, *_) = layer.forward(x, batch, cos, sin)
            if on_layer is not None:
                on_layer(index, of_attention[KEYS], of_attention[KEYS + 1])
        return x

    @torch.no_grad()
    def extend(
        self, tokens: torch.Tensor, positions: torch.Tensor, caches: list[tuple[torch.Tensor, torch.Tensor]]
    ) -> torch.Tensor:
        """The hidden states, (rows, width), of one more token a row; `caches` holds each layer's keys and values."""
        cos, sin = self.cos[positions], self.sin[positions]
        places = torch.arange(caches[0][0].shape[2], device=self.device)
        mask = (places <= positions[:, None])[:, None, None]  # (rows, 1, 1, room)
        x = self.embedding[tokens].to(self.dtype)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer.extend(x, cos, sin, cache, positions, mask)
        return x

    @torch.no_grad()
    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary) of hidden states that are not normed yet."""
        return torch.mm(kernels.rms_norm(hidden, *self.norm)[0], self.head.T)

    def loss(self, x: torch.Tensor, batch: Packed, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The scaled loss, and the gradient of `x`. Only rows with loss reach the head, a chunk of them at a time."""
        rows = x[batch.loss_rows]  # (rows with loss, width)
        normed, factor = kernels.rms_norm(rows, *self.norm)
        losses = []
        for start in range(0, len(rows), self.chunk):
            part = normed[start : start + self.chunk]
            logits = torch.mm(part, self.head.T)  # (chunk, vocabulary)
            losses.append(kernels.cross_entropy_(logits, batch.targets[start : start + self.chunk], scale))
            torch.mm(logits, self.head, out=part)  # the gradient takes the place of what it is for
            del logits
        d_rows = torch.zeros_like(rows)
        kernels.rms_norm_backward(normed, rows, self.norm[0], factor, d_rows)
        dx = torch.zeros_like(x).index_add_(0, batch.loss_rows, d_rows)
        return torch.cat(losses).sum() * scale, dx


def kept_values(shapes: Any, r: int) -> int:
    """Values a token that a layer keeps for its backward pass, adapters of rank r on all seven projections."""
    heads = shapes.num_attention_heads + 2 * shapes.num_key_value_heads
    head_width = getattr(shapes, "head_dim", None) or shapes.hidden_size // shapes.num_attention_heads
    return 6 * shapes.hidden_size + heads * head_width + 2 * shapes.intermediate_size + 7 * r


def why_not(model: Any, dtype: torch.dtype, lora_dropout: float = 0.0) -> str | None:
    """Why this decoder cannot stand in for the model in this type, in a sentence; None where it can."""
    shapes = transformers_model(model).config
    device = transformers_model(model).device
    if device.type == "cuda" and (torch.cuda.get_device_capability(device) < (8, 0) or kernels.triton_kernels is None):
        return "FlashAttention and Triton want an NVIDIA GPU from 2020 on (Ampere) and Linux"
    if device.type == "cuda" and dtype != torch.bfloat16:
        return f"on a GPU it computes in bfloat16, and the recipe asks for {dtype}"
    if shapes.model_type not in FAMILIES:
        return f"its family is {shapes.model_type}, and only {', '.join(FAMILIES)} are known"
    if lora_dropout:
        return "lora.lora_dropout draws random numbers that only the plain step draws again"
    if shapes.hidden_act != "silu":
        return f"its activation is {shapes.hidden_act}, not silu"
    if "sliding_attention" in (getattr(shapes, "layer_types", None) or []):
        return "it attends to a sliding window"
    if shapes.rope_parameters.get("rope_type", "default") not in ("default", "linear", "llama3"):
        return f"its RoPE is {shapes.rope_parameters['rope_type']}, which changes with the length"
    adapted = [module for module in model.modules() if isinstance(module, LoraLayer)]
    if any(type(layer.get_base_layer()).__name__ == "Embedding" or layer.lora_bias.get("default") for layer in adapted):
        return "it has adapters that are not on linear layers"
    if any(layer.lora_variant for layer in adapted):
        return "its adapters are a variant of LoRA"
    return None
