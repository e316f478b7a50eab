"""Each kernel, forward and backward, is what float64 autograd says; on a GPU too, where there is one."""

import pytest
import torch
import torch.nn.functional as F

from qloratory import kernels

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
DTYPES = [torch.float32, torch.bfloat16]
TOKENS, WIDTH = 37, 96


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


def draw(*shape: int, device: str, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(device, dtype)


def exact(x: torch.Tensor) -> torch.Tensor:
    return x.detach().double().cpu().requires_grad_()


def assert_near(ours: torch.Tensor, truth: torch.Tensor) -> None:
    """Relative to the whole: 1e-5 in float32, a few of its roundings in bfloat16."""
    tolerance = 1e-5 if ours.dtype == torch.float32 else 1e-2
    error = (ours.double().cpu() - truth).norm() / truth.norm()
    assert error < tolerance, float(error)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rms_norm(device: str, dtype: torch.dtype) -> None:
    x, dy = draw(TOKENS, WIDTH, device=device, dtype=dtype), draw(TOKENS, WIDTH + 1, device=device, dtype=dtype)[:, 1:]
    weight, residual = 1 + draw(WIDTH, device=device, dtype=dtype), draw(TOKENS, WIDTH, device=device, dtype=dtype)
    true_x = exact(x)
    true_y = true_x * (true_x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * exact(weight)
    true_y.backward(exact(dy))
    y, factor = kernels.rms_norm(x, weight, 1e-5, room=8)
    assert y.shape == (TOKENS, WIDTH + 8)
    assert_near(y[:, :WIDTH], true_y.detach())
    dx = residual.clone()
    kernels.rms_norm_backward(dy, x, weight, factor, dx)
    assert true_x.grad is not None
    assert_near(dx, true_x.grad + exact(residual).detach())


@pytest.mark.parametrize("dtype", DTYPES)
def test_rotate_and_back(device: str, dtype: torch.dtype) -> None:
    whole = draw(TOKENS, 5 * 16, device=device, dtype=dtype)
    x = whole[:, 16:64].unflatten(1, (3, 16))  # heads within a wider row
    angles = draw(TOKENS, 8, device=device, dtype=torch.float32)
    before, true = whole.clone(), exact(x).detach()
    one, two, c, s = true[..., :8], true[..., 8:], exact(angles.cos()).detach(), exact(angles.sin()).detach()
    c, s = c[:, None], s[:, None]
    kernels.rotate(x, angles.cos(), angles.sin())
    assert_near(x, torch.cat([one * c - two * s, two * c + one * s], -1))
    assert torch.equal(whole[:, :16], before[:, :16])
    assert torch.equal(whole[:, 64:], before[:, 64:])
    kernels.rotate(x, angles.cos(), angles.sin(), back=True)
    assert_near(x, true)


@pytest.mark.parametrize("dtype", DTYPES)
def test_swiglu(device: str, dtype: torch.dtype) -> None:
    gate_up = draw(TOKENS, 2 * WIDTH, device=device, dtype=dtype)
    dy = draw(TOKENS, WIDTH + 3, device=device, dtype=dtype)[:, :WIDTH]
    true = exact(gate_up)
    true_y = F.silu(true[:, :WIDTH]) * true[:, WIDTH:]
    true_y.backward(exact(dy))
    y = kernels.swiglu(gate_up, room=8)
    assert_near(y[:, :WIDTH], true_y.detach())
    again = kernels.swiglu_backward(dy, gate_up, room=8)
    assert torch.equal(again[:, :WIDTH], y[:, :WIDTH])
    assert true.grad is not None
    assert_near(gate_up, true.grad)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy(device: str, dtype: torch.dtype) -> None:
    logits = 4 * draw(TOKENS, 20_011, device=device, dtype=dtype)
    targets = torch.randint(0, 20_011, (TOKENS,), generator=torch.Generator().manual_seed(0)).to(device)
    targets[::5] = -100
    true = exact(logits)
    true_losses = F.cross_entropy(true, targets.cpu(), ignore_index=-100, reduction="none")
    (true_losses.sum() / 7).backward()
    losses = kernels.cross_entropy_(logits, targets, torch.tensor(1 / 7, device=device))
    assert_near(losses, true_losses.detach())
    assert true.grad is not None
    assert_near(logits, true.grad)
    assert not logits[::5].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("heads", [(4, 4), (6, 2)], ids=str)
def test_attention_stays_within_documents(device: str, dtype: torch.dtype, heads: tuple[int, int]) -> None:
    """Against a softmax written out, a document at a time; empty documents are skipped."""
    if device == "cuda" and dtype == torch.float32:
        pytest.skip("FlashAttention computes in bfloat16")
    lengths, width = [5, 17, 0, 1, 14, 0], 32
    starts = torch.tensor([0, *lengths]).cumsum(0).int().to(device)
    q = draw(TOKENS, heads[0], width, device=device, dtype=dtype)
    k, v = (draw(TOKENS, heads[1], width + extra, device=device, dtype=dtype)[..., :width] for extra in (8, 16))
    d_out = draw(TOKENS, heads[0], width, device=device, dtype=dtype)
    true = [exact(x) for x in (q, k, v)]
    parts = []
    for q1, k1, v1 in zip(*(x.split(lengths) for x in true), strict=True):
        k1, v1 = (x.repeat_interleave(heads[0] // heads[1], 1) for x in (k1, v1))
        scores = torch.einsum("qhd,khd->hqk", q1, k1) * 0.2
        scores = scores.masked_fill(torch.ones(len(q1), len(q1)).triu(1).bool(), float("-inf"))
        parts.append(torch.einsum("hqk,khd->qhd", scores.softmax(-1), v1))
    true_out = torch.cat(parts)
    true_out.backward(exact(d_out))
    out, saved = kernels.attention(q, k, v, starts, 17, 0.2)
    assert_near(out, true_out.detach())
    gradients = kernels.attention_backward(d_out, q, k, v, out, saved, starts, 17, 0.2)
    for gradient, truth in zip(gradients, true, strict=True):
        assert truth.grad is not None
        assert_near(gradient, truth.grad)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scaled_copies(device: str, dtype: torch.dtype) -> None:
    """Into columns of a wider matrix, as adapters stand behind a weight."""
    sources = [draw(40, 16, device=device, dtype=torch.float32), draw(3, 1000, device=device, dtype=torch.float32)]
    wide, whole = torch.zeros(40, 30, device=device, dtype=dtype), torch.zeros(3, 1000, device=device, dtype=dtype)
    kernels.ScaledCopies([(sources[0], wide[:, 5:21], 2.0), (sources[1], whole, 0.5)]).copy()
    assert torch.equal(wide[:, 5:21], (2 * sources[0]).to(dtype))
    assert torch.equal(whole, (0.5 * sources[1]).to(dtype))
    assert not wide[:, :5].any()
    assert not wide[:, 21:].any()
