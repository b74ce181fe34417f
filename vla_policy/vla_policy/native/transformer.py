"""Pre-norm transformer over tokens of all modalities. The last layer computes only what the action head reads."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Layer(nn.Module):
    """Attention and MLP, each on normalised input, added to the stream."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.heads = heads
        hidden = int(width * mlp_ratio)
        self.norm1 = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, tokens: Tensor, mask: Tensor, queries: int | None = None) -> Tensor:
        """tokens: (B, N, width); mask: (B, 1, 1, N), True where a token may be read.

        Returns (B, N, width), or only the first ``queries`` tokens.
        """
        normed = self.norm1(tokens)
        stream = tokens if queries is None else tokens[:, :queries]
        asking = normed if queries is None else normed[:, :queries]
        key, value = self.key_value(normed).chunk(2, dim=-1)
        read = F.scaled_dot_product_attention(
            self._split(self.query(asking)), self._split(key), self._split(value), attn_mask=mask
        )
        stream = stream + self.out(read.transpose(1, 2).flatten(2))
        return stream + self.mlp(self.norm2(stream))


class Transformer(nn.Module):
    """``readout`` first tokens come out; all others are only read."""

    def __init__(self, width: int, layers: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads, mlp_ratio) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, mask: Tensor, readout: int) -> tuple[Tensor, Tensor]:
        """tokens: (B, N, width); mask: (B, N).

        Returns the readout after the last layer, normalised (B, readout, width), and all tokens before it (B, N, width).
        """
        attend = mask[:, None, None, :]
        for layer in self.layers[:-1]:
            tokens = layer(tokens, attend)
        return self.norm(self.layers[-1](tokens, attend, readout)), tokens
