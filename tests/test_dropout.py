"""The fast dropout is dropout: right rate, exact expectation, seeded, gradients through what is kept."""

from __future__ import annotations

import pytest
import torch

from stxfer.model.dropout import ByteDropout, use_byte_dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5])
def test_rate_expectation_and_gradient(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(300, 1001, requires_grad=True)
    y = ByteDropout(p)(x)
    y.sum().backward()
    rate = round(p * 256) / 256
    assert abs((y == 0).float().mean().item() - rate) < 3e-3  # five standard deviations
    assert torch.allclose(y[y != 0], torch.tensor(1 / (1 - rate)))
    assert torch.equal(x.grad, y.detach())


def test_seeded_and_independent() -> None:
    x = torch.ones(64, 63)
    torch.manual_seed(1)
    first, second = ByteDropout(0.3)(x), ByteDropout(0.3)(x)
    torch.manual_seed(1)
    assert torch.equal(first, ByteDropout(0.3)(x))
    assert not torch.equal(first, second)


def test_evaluation_and_zero_do_nothing() -> None:
    x = torch.randn(5)
    assert ByteDropout(0.5).eval()(x) is x
    assert ByteDropout(0.0)(x) is x
    assert torch.equal(ByteDropout(1.0)(x), torch.zeros(5))


def test_replacement_keeps_parameters() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Dropout(0.2)), torch.nn.Dropout1d())
    names = list(model.state_dict())
    use_byte_dropout(model)
    assert isinstance(model[1][0], ByteDropout) and model[1][0].p == 0.2
    assert type(model[2]) is torch.nn.Dropout1d
    assert list(model.state_dict()) == names
