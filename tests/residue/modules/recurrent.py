"""State that goes round."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def lstm() -> Any:
    """no_grad changes its bits."""
    return nn.LSTM(3, 4, num_layers=2, batch_first=True), (torch.randn(2, 5, 3),)


def lstm_with_state() -> Any:
    """Nested tuples in and out, a projection, dropout between the layers."""
    state = (torch.randn(2, 2, 2), torch.randn(2, 2, 4))
    return nn.LSTM(3, 4, num_layers=2, proj_size=2, dropout=0.5), (torch.randn(5, 2, 3), state)


def gru_bidirectional() -> Any:
    """Flat weights in both directions."""
    return nn.GRU(3, 4, bidirectional=True), (torch.randn(5, 2, 3),)


class _Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, 4)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed, _ = self.rnn(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return pad_packed_sequence(packed)[0]


def packed_sequence() -> Any:
    """A PackedSequence, a named tuple with Nones, goes into a child and comes out."""
    return _Packed(), (torch.randn(5, 3, 3), torch.tensor([5, 2, 3]))


class _Cells(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in x:
            state = self.cell(step, state)
        return state[0]


def cell_in_a_loop() -> Any:
    """One cell, many calls, None first and a tuple later."""
    return _Cells(), (torch.randn(4, 2, 3),)


class _Stateful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 3)
        self.hidden = None
        self.register_buffer("last", torch.zeros(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        self.hidden = self.cell(x, self.last if self.hidden is None else self.hidden)
        self.last = self.hidden.detach()
        return self.hidden


def state_kept_on_the_module() -> Any:
    """Binds its output to an attribute and to a buffer: the next call starts from there."""
    return _Stateful(), (torch.randn(2, 3),)
