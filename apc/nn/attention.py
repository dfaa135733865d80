"""Attention whose projections are on simulated hardware."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from apc.nn.errors import ConversionError
from apc.nn.modules import SimulatedLinear, SimulatedMatrix, adopt
from apc.nn.simulated import Setting

PROJECTIONS = ("q_projection", "k_projection", "v_projection", "out_proj")
"""The simulated layers of an attention module, by their attributes."""


class SimulatedProjection(SimulatedMatrix):
    """One of the three projections into attention: ``weight`` and ``bias`` are parts of the attention module's
    parameters."""

    def __init__(self, owner: nn.MultiheadAttention, part: int) -> None:
        super().__init__()
        self._owner, self._part = (owner,), part  # a tuple, so that the owner is not a module of this one

    @property
    def weight(self) -> torch.Tensor:  # type: ignore[override]
        owner = self._owner[0]
        if owner.in_proj_weight is not None:
            return owner.in_proj_weight.chunk(3)[self._part]
        return (owner.q_proj_weight, owner.k_proj_weight, owner.v_proj_weight)[self._part]

    @property
    def bias(self) -> torch.Tensor | None:  # type: ignore[override]
        bias = self._owner[0].in_proj_bias
        return None if bias is None else bias.chunk(3)[self._part]


class SimulatedMultiheadAttention(nn.MultiheadAttention):
    """A MultiheadAttention whose four projections are on hardware; the two products of activations and the softmax
    between are digital floats. Parameters have the original's names and shapes."""

    q_projection: SimulatedProjection
    k_projection: SimulatedProjection
    v_projection: SimulatedProjection

    def set_up(self, settings: list[Setting]) -> SimulatedMultiheadAttention:
        """Become simulated; ``settings``: of the ``PROJECTIONS``. Raises ConversionError for what is rare."""
        if self.bias_k is not None or self.add_zero_attn:
            name = settings[0].name.removesuffix(f".{PROJECTIONS[0]}")
            raise ConversionError(f"{name}: attention with add_bias_kv or add_zero_attn is not simulated: exclude it")
        self.q_projection, self.k_projection, self.v_projection = (
            SimulatedProjection(self, part).set_up(setting) for part, setting in enumerate(settings[:3])
        )
        self.out_proj = adopt(SimulatedLinear, self.out_proj).set_up(settings[3])  # type: ignore[assignment]
        return self

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As of nn.MultiheadAttention; ``is_causal`` without a mask makes one."""
        batched = query.ndim == 3
        if not batched:
            query, key, value = query[None], key[None], value[None]
            key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
        elif not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q = self._heads(self.q_projection(query))
        k, v = self._heads(self.k_projection(key)), self._heads(self.v_projection(value))
        if is_causal and attn_mask is None:
            attn_mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).triu(1)
        mask = self._mask(attn_mask, key_padding_mask, q)
        attended, weights = self._attended(q, k, v, mask, need_weights)
        y = self.out_proj(attended.transpose(1, 2).flatten(2))
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if not batched:
            return y[0], None if weights is None else weights[0]
        return y if self.batch_first else y.transpose(0, 1), weights

    def _attended(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, need_weights: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The values (N, heads, L, width) that queries select, and the weights (N, heads, L, S) where needed."""
        dropout = self.dropout if self.training else 0.0
        if not need_weights:
            return functional.scaled_dot_product_attention(q, k, v, mask, dropout), None
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(2, 3)
        weights = functional.softmax(scores if mask is None else scores + mask, dim=-1)
        weights = functional.dropout(weights, dropout) if dropout else weights
        return weights @ v, weights

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, E) as (N, heads, L, E / heads)."""
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)

    def _mask(
        self, attn_mask: torch.Tensor | None, key_padding_mask: torch.Tensor | None, q: torch.Tensor
    ) -> torch.Tensor | None:
        """What is added to scores, against (N, heads, L, S)."""
        own, padding = _added(attn_mask, q.dtype), _added(key_padding_mask, q.dtype)
        if own is not None and own.ndim == 3:
            own = own.unflatten(0, (len(q), self.num_heads))
        if padding is None:
            return own
        padding = padding[:, None, None]
        return padding if own is None else own + padding


def _added(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """A mask to add to scores; of a boolean one, True is what is not attended to."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -math.inf)
