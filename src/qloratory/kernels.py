"""The work around a decoder's matrix products, forward and backward: norms, RoPE, SwiGLU, attention, cross entropy.

On a GPU each is one Triton kernel, or PyTorch's own FlashAttention; on a CPU it is plain tensor operations, in place
where they can be. Sums are in float32 whatever the tensors' type. Each is tested against float64 autograd.
"""

import ctypes
import gc
from itertools import pairwise
from typing import Any

import torch

try:
    from qloratory import triton_kernels
except ImportError:  # PyTorch's build without a GPU brings no Triton
    triton_kernels = None  # type: ignore[assignment]

aten = torch.ops.aten
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)


def reuse_freed_memory() -> None:
    """Let the C library keep what is freed for the next tensor of this process, where it is glibc.

    By default each large tensor is mapped anew, and the kernel fills its pages with zeros: on a CPU an eighth of a
    step. It is for loops that ask for the same sizes again and again; other sizes leave holes that nothing fills.
    """
    allocate_by(mapped_at_most=0, kept_bytes=2**31 - 1)


def return_freed_memory() -> None:
    """Give back what is kept so, and go on as the C library does by default: for the end of such a loop."""
    gc.collect()
    allocate_by(mapped_at_most=65536, kept_bytes=128 * 1024)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def allocate_by(mapped_at_most: int, kept_bytes: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, mapped_at_most)
        mallopt(M_TRIM_THRESHOLD, kept_bytes)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float, room: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """RMSNorm (arXiv 1910.07467) of each row.

    Args:
        x: (rows, width).
        weight: (width,).
        eps: Added to the mean square.
        room: Columns that are left free behind the result, for the LoRA products.

    Returns:
        The normed rows, (rows, width + room), and each row's factor, (rows, 1), for the backward pass.
    """
    y = x.new_empty(x.shape[0], x.shape[1] + room)
    if x.is_cuda:
        return y, triton_kernels.rms_norm(x, weight, eps, y)
    exact = x.float()  # x itself where it is float32, as below
    factor = (torch.linalg.vecdot(exact, exact).div_(x.shape[1]) + eps).rsqrt_().unsqueeze(1)
    torch.mul(exact * factor, weight, out=y[:, : x.shape[1]])
    return y, factor


def rms_norm_backward(
    dy: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, factor: torch.Tensor, dx: torch.Tensor
) -> None:
    """Add the norm's gradient to `dx`, (rows, width); `dy` may be overwritten. The weight is frozen."""
    if x.is_cuda:
        triton_kernels.rms_norm_backward(dy, x, weight, factor, dx)
        return
    scaled = dy.float().mul_(weight)
    normed = x * factor  # float32, as the factor is
    mean = torch.linalg.vecdot(scaled, normed).div_(x.shape[1]).unsqueeze(1)
    dx.addcmul_(scaled.addcmul_(normed, mean, value=-1), factor)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, back: bool = False) -> None:
    """RoPE (arXiv 2104.09864) in place, in the half-and-half layout of Llama; `back` turns the other way.

    Args:
        x: (tokens, heads, head width); a view into a wider tensor is fine.
        cos: (tokens, head width / 2) of each token's position, float32.
        sin: As `cos`.
        back: The backward pass is the rotation by the negative angle.
    """
    if x.is_cuda:
        triton_kernels.rotate(x, cos, sin, -1.0 if back else 1.0)
        return
    half = x.shape[-1] // 2
    one, two = x[..., :half], x[..., half:]
    cos, sin = cos.unsqueeze(1), (-sin if back else sin).unsqueeze(1)
    turned = one * cos
    turned.addcmul_(two, sin, value=-1)
    two.mul_(cos).addcmul_(one, sin)
    one.copy_(turned)


def swiglu(gate_up: torch.Tensor, room: int = 0) -> torch.Tensor:
    """silu(gate) * up (arXiv 2002.05202) of (rows, 2 * width); (rows, width + room)."""
    width = gate_up.shape[1] // 2
    y = gate_up.new_empty(gate_up.shape[0], width + room)
    if gate_up.is_cuda:
        triton_kernels.swiglu(gate_up, y)
        return y
    torch.mul(torch.nn.functional.silu(gate_up[:, :width]), gate_up[:, width:], out=y[:, :width])
    return y


def swiglu_backward(dy: torch.Tensor, gate_up: torch.Tensor, room: int = 0) -> torch.Tensor:
    """Overwrite `gate_up`, (rows, 2 * width), with its gradient; what `swiglu` gave for it is returned once more."""
    width = gate_up.shape[1] // 2
    y = gate_up.new_empty(gate_up.shape[0], width + room)
    if gate_up.is_cuda:
        triton_kernels.swiglu_backward(dy, gate_up, y)
        return y
    gate, up = gate_up[:, :width], gate_up[:, width:]
    activated = torch.nn.functional.silu(gate)
    torch.mul(activated, up, out=y[:, :width])
    d_gate = aten.silu_backward(up.mul_(dy), gate)
    torch.mul(activated, dy, out=up)
    gate.copy_(d_gate)
    return y


class ScaledCopies:
    """Copies of many matrices, as one kernel on a GPU: (source, place, factor) each.

    Each source is float32 and in one piece; each place has its shape, rows in any stride, and its own type.
    """

    def __init__(self, copies: list[tuple[torch.Tensor, torch.Tensor, float]]) -> None:
        self.copies = copies
        self.table = triton_kernels.CopyTable(copies) if copies and copies[0][0].is_cuda else None

    def copy(self) -> None:
        """Each place becomes its source times its factor."""
        if self.table is not None:
            self.table.copy()
            return
        for source, place, factor in self.copies:
            torch.mul(source, factor, out=place)


def cross_entropy_(logits: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The loss of each row, unscaled; `logits` become the gradient of the sum of all losses times `scale`.

    Args:
        logits: (rows, vocabulary), overwritten.
        targets: (rows,); a negative one is a row without loss.
        scale: One float32 value, on the device.

    Returns:
        (rows,), float32.
    """
    if logits.is_cuda:
        return triton_kernels.cross_entropy_(logits, targets, scale)
    real = targets >= 0
    rows = torch.arange(len(targets))
    index = targets.clamp(min=0)
    exact = logits.float()
    own = exact[rows, index]
    highest = exact.amax(-1, keepdim=True)
    total = exact.sub_(highest).exp_().sum(-1, keepdim=True)  # all in place: logits are large
    factor = (scale * real).unsqueeze(1)
    exact.mul_(factor / total)
    exact[rows, index] -= factor[:, 0]
    if exact is not logits:
        logits.copy_(exact)
    return (total.log() + highest)[:, 0].sub_(own) * real


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, starts: torch.Tensor, longest: int, scale: float
) -> tuple[torch.Tensor, Any]:
    """Causal attention within each document of a pack (arXiv 2205.14135).

    Args:
        q: (tokens, heads, head width).
        k: (tokens, key heads, head width).
        v: As `k`.
        starts: (documents + 1,) int32: where each document starts, and the number of tokens.
        longest: Tokens of the longest document, or more.
        scale: Of the products of queries and keys.

    Returns:
        (tokens, heads, head width), and what the backward pass needs.
    """
    if q.is_cuda:
        out, logsumexp, random, _, _ = aten._flash_attention_forward(
            q, k, v, starts, starts, longest, longest, 0.0, True, False, scale=scale
        )
        return out, (logsumexp, random)
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    saved = []
    for start, end in documents(starts):
        one, sums = aten._scaled_dot_product_flash_attention_for_cpu(
            *(as_batch(x[start:end]) for x in (q, repeated(k, q), repeated(v, q))), 0.0, True, scale=scale
        )
        out[start:end] = one[0].transpose(0, 1)
        saved.append(sums)
    return out, saved


def attention_backward(
    d_out: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    out: torch.Tensor,
    saved: Any,
    starts: torch.Tensor,
    longest: int,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of q, k and v, each of its shape."""
    if q.is_cuda:
        logsumexp, random = saved
        unused = torch.empty(0, device=q.device)
        return aten._flash_attention_backward(
            d_out, q, k, v, out, logsumexp, starts, starts, longest, longest, 0.0, True, random, unused, scale=scale
        )
    gradients = [torch.empty(x.shape, dtype=x.dtype) for x in (q, k, v)]
    for (start, end), sums in zip(documents(starts), saved, strict=True):
        d_one, q_one, k_one, v_one, one = (x[start:end] for x in (d_out, q, k, v, out))
        parts = document_gradients(d_one, q_one, k_one, v_one, one, sums, scale)
        for whole, part in zip(gradients, parts, strict=True):
            whole[start:end] = part
    return gradients[0], gradients[1], gradients[2]


def document_gradients(
    d_out: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    out: torch.Tensor,
    logsumexp: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The backward pass of one document's attention, written out: two to three times as fast as PyTorch's on a CPU.

    Shapes are those of `attention`; `logsumexp` is (1, heads, tokens). All query heads that share a key head are
    one matrix, so that no key is repeated, and the products add up their gradients.
    """
    tokens, heads = len(k), k.shape[1]
    d_out, q, out = (x.unflatten(1, (heads, -1)).permute(1, 2, 0, 3).flatten(1, 2) for x in (d_out, q, out))
    k, v = k.transpose(0, 1), v.transpose(0, 1)  # (key heads, tokens, head width); d_out, q, out: sharers * tokens
    chosen = torch.bmm(q, k.transpose(1, 2)).float().mul_(scale).sub_(logsumexp.reshape(heads, -1, 1)).exp_()
    chosen.view(heads, -1, tokens, tokens).tril_()  # (key heads, sharers * tokens, tokens): the attention's weights
    dv = torch.bmm(chosen.to(v.dtype).transpose(1, 2), d_out)
    delta = torch.linalg.vecdot(d_out.float(), out.float()).unsqueeze(2)
    d_scores = torch.bmm(d_out, v.transpose(1, 2)).float().sub_(delta).mul_(chosen).mul_(scale).to(q.dtype)
    dq = torch.bmm(d_scores, k).unflatten(1, (-1, tokens)).permute(2, 0, 1, 3).flatten(1, 2)
    dk = torch.bmm(d_scores.transpose(1, 2), q)
    return dq, dk.transpose(0, 1), dv.transpose(0, 1)


def documents(starts: torch.Tensor) -> list[tuple[int, int]]:
    """(start, end) of every document that has tokens."""
    edges = starts.tolist()
    return [(start, end) for start, end in pairwise(edges) if end > start]


def as_batch(x: torch.Tensor) -> torch.Tensor:
    """(tokens, heads, width) as (1, heads, tokens, width)."""
    return x.transpose(0, 1).unsqueeze(0)


def repeated(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Key heads as many as query heads: grouped-query attention (arXiv 2305.13245), spelled out."""
    tokens, heads, width = x.shape
    groups = like.shape[1] // heads
    return x.unsqueeze(2).expand(tokens, heads, groups, width).reshape(tokens, heads * groups, width)
