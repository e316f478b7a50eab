"""The GPU's kernels of kernels.py, in Triton: one program a row, or a block of a row. Sums are in float32."""

import torch
import triton
import triton.language as tl

VOCABULARY_BLOCK = 8192
COLUMN_BLOCK = 1024


@triton.jit
def _rms_norm(x, weight, y, factor, width, y_stride, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    values = tl.load(x + row * width + columns, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(values * values) / width + eps)
    weights = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + row * y_stride + columns, values * scale * weights, mask=inside)
    tl.store(factor + row, scale)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float, y: torch.Tensor) -> torch.Tensor:
    rows, width = x.shape
    factor = torch.empty(rows, 1, device=x.device, dtype=torch.float32)
    block = triton.next_power_of_2(width)
    _rms_norm[(rows,)](x, weight, y, factor, width, y.stride(0), eps, BLOCK=block, num_warps=4)
    return factor


@triton.jit
def _rms_norm_backward(dy, x, weight, factor, dx, width, dy_stride, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    scale = tl.load(factor + row)
    normed = tl.load(x + row * width + columns, mask=inside, other=0.0).to(tl.float32) * scale
    gradient = tl.load(dy + row * dy_stride + columns, mask=inside, other=0.0).to(tl.float32)
    gradient *= tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(gradient * normed) / width
    before = tl.load(dx + row * width + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(dx + row * width + columns, before + (gradient - normed * mean) * scale, mask=inside)


def rms_norm_backward(
    dy: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, factor: torch.Tensor, dx: torch.Tensor
) -> None:
    rows, width = x.shape
    block = triton.next_power_of_2(width)
    _rms_norm_backward[(rows,)](dy, x, weight, factor, dx, width, dy.stride(0), BLOCK=block, num_warps=4)


@triton.jit
def _rotate(x, cos, sin, sign, heads, token_stride, head_stride, HALF: tl.constexpr, HEADS: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, HALF)
    head = tl.arange(0, HEADS)
    inside = (head < heads)[:, None] & (column < HALF)[None, :]
    c = tl.load(cos + token * HALF + column)[None, :]
    s = tl.load(sin + token * HALF + column)[None, :] * sign
    first = x + token * token_stride + head[:, None] * head_stride + column[None, :]
    one = tl.load(first, mask=inside, other=0.0).to(tl.float32)
    two = tl.load(first + HALF, mask=inside, other=0.0).to(tl.float32)
    tl.store(first, one * c - two * s, mask=inside)
    tl.store(first + HALF, two * c + one * s, mask=inside)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, sign: float) -> None:
    tokens, heads, width = x.shape
    blocks = triton.next_power_of_2(heads)
    _rotate[(tokens,)](x, cos, sin, sign, heads, x.stride(0), x.stride(1), HALF=width // 2, HEADS=blocks, num_warps=2)


@triton.jit
def _swiglu(gate_up, y, width, y_stride, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < width
    gate = tl.load(gate_up + row * 2 * width + columns, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + (row * 2 + 1) * width + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + row * y_stride + columns, gate * tl.sigmoid(gate) * up, mask=inside)


def swiglu(gate_up: torch.Tensor, y: torch.Tensor) -> None:
    rows, width = gate_up.shape[0], gate_up.shape[1] // 2
    _swiglu[(rows, triton.cdiv(width, COLUMN_BLOCK))](gate_up, y, width, y.stride(0), BLOCK=COLUMN_BLOCK, num_warps=4)


@triton.jit
def _swiglu_backward(dy, gate_up, y, width, dy_stride, y_stride, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < width
    gates = gate_up + row * 2 * width + columns
    gate = tl.load(gates, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gates + width, mask=inside, other=0.0).to(tl.float32)
    gradient = tl.load(dy + row * dy_stride + columns, mask=inside, other=0.0).to(tl.float32)
    sigmoid = tl.sigmoid(gate)
    tl.store(y + row * y_stride + columns, gate * sigmoid * up, mask=inside)
    tl.store(gates, gradient * up * sigmoid * (1 + gate * (1 - sigmoid)), mask=inside)
    tl.store(gates + width, gradient * gate * sigmoid, mask=inside)


def swiglu_backward(dy: torch.Tensor, gate_up: torch.Tensor, y: torch.Tensor) -> None:
    rows, width = gate_up.shape[0], gate_up.shape[1] // 2
    grid = (rows, triton.cdiv(width, COLUMN_BLOCK))
    _swiglu_backward[grid](dy, gate_up, y, width, dy.stride(0), y.stride(0), BLOCK=COLUMN_BLOCK, num_warps=4)


@triton.jit
def _copy_scaled(addresses, sizes, factors, DTYPE: tl.constexpr, BLOCK: tl.constexpr):
    """A program copies one block of one matrix; `sizes` is (columns, stride of the place, values) of each matrix."""
    matrix = tl.program_id(1).to(tl.int64)
    source = tl.load(addresses + 2 * matrix).to(tl.pointer_type(tl.float32))
    place = tl.load(addresses + 2 * matrix + 1).to(tl.pointer_type(DTYPE))
    columns, stride, values = (
        tl.load(sizes + 3 * matrix),
        tl.load(sizes + 3 * matrix + 1),
        tl.load(sizes + 3 * matrix + 2),
    )
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = index < values
    scaled = tl.load(source + index, mask=inside, other=0.0) * tl.load(factors + matrix)
    tl.store(place + index // columns * stride + index % columns, scaled.to(DTYPE), mask=inside)


class CopyTable:
    """Where `copy_scaled` reads and writes, on the GPU: made once for a list of matrices."""

    def __init__(self, copies: list[tuple[torch.Tensor, torch.Tensor, float]]) -> None:
        device = copies[0][0].device
        self.addresses = torch.tensor([[a.data_ptr(), b.data_ptr()] for a, b, _ in copies], device=device)
        self.sizes = torch.tensor([[a.shape[1], b.stride(0), a.numel()] for a, b, _ in copies], device=device)
        self.factors = torch.tensor([factor for _, _, factor in copies], device=device)
        self.dtype = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16, torch.float32: tl.float32}[
            copies[0][1].dtype
        ]
        self.grid = (triton.cdiv(max(a.numel() for a, _, _ in copies), COLUMN_BLOCK), len(copies))

    def copy(self) -> None:
        _copy_scaled[self.grid](
            self.addresses, self.sizes, self.factors, DTYPE=self.dtype, BLOCK=COLUMN_BLOCK, num_warps=4
        )


@triton.jit
def _cross_entropy(logits, targets, scale, losses, vocabulary, BLOCK: tl.constexpr):
    """Two passes over a row: its log-sum-exp, kept while it runs (arXiv 1805.02867), then the gradient in place."""
    row = tl.program_id(0).to(tl.int64)
    start = logits + row * vocabulary
    target = tl.load(targets + row)
    highest = float("-inf")
    total = 0.0
    own = 0.0  # found in this pass: in the next one, other threads may have overwritten it
    for block in range(0, vocabulary, BLOCK):
        columns = block + tl.arange(0, BLOCK)
        values = tl.load(start + columns, mask=columns < vocabulary, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(highest, tl.max(values))
        total = total * tl.exp(highest - higher) + tl.sum(tl.exp(values - higher))
        highest = higher
        own += tl.sum(tl.where(columns == target, values, 0.0))
    logsumexp = highest + tl.log(total)
    tl.store(losses + row, tl.where(target >= 0, logsumexp - own, 0.0))
    factor = tl.where(target >= 0, tl.load(scale), 0.0)
    for block in range(0, vocabulary, BLOCK):
        columns = block + tl.arange(0, BLOCK)
        inside = columns < vocabulary
        values = tl.load(start + columns, mask=inside, other=float("-inf")).to(tl.float32)
        gradient = tl.exp(values - logsumexp) - tl.where(columns == target, 1.0, 0.0)
        tl.store(start + columns, gradient * factor, mask=inside)


def cross_entropy_(logits: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    rows, vocabulary = logits.shape
    losses = torch.empty(rows, device=logits.device, dtype=torch.float32)
    _cross_entropy[(rows,)](logits, targets, scale, losses, vocabulary, BLOCK=VOCABULARY_BLOCK, num_warps=16)
    return losses
