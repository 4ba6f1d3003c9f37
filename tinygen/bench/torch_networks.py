"""The networks of the benchmark in PyTorch.

Attributes have the same names as in tinygen, so that weights can be copied by name. `last` selects the order of the
values of a flattened image that needs no copy in the layout of the run.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Rows(nn.Module):
    """Images (N, C, H, W) to rows, without a copy: in the order (H, W, C) if `last`, else (C, H, W)."""

    def __init__(self, last: bool):
        super().__init__()
        self.last = last

    def forward(self, x):
        return (x.permute(0, 2, 3, 1) if self.last and x.ndim == 4 else x).flatten(1)


class Images(nn.Module):
    """Rows to images (N, C, H, W): the inverse of `Rows`."""

    def __init__(self, last: bool, height: int, width: int, channels: int):
        super().__init__()
        self.last, self.first_shape, self.last_shape = last, (channels, height, width), (height, width, channels)

    def forward(self, x):
        return x.unflatten(1, self.last_shape).permute(0, 3, 1, 2) if self.last else x.unflatten(1, self.first_shape)


class ConvReLU(nn.Conv2d):
    """A convolution followed by ReLU, which tinygen computes in one layer."""

    def forward(self, x):
        return F.relu(super().forward(x))


class ConvTransposeReLU(nn.ConvTranspose2d):
    """A transposed convolution followed by ReLU."""

    def forward(self, x):
        return F.relu(super().forward(x))


class ConvAutoencoder(nn.Module):
    def __init__(self, last: bool):
        super().__init__()
        self.encoder = nn.Sequential(
            ConvReLU(1, 32, 3, stride=2, padding=1),
            ConvReLU(32, 64, 3, stride=2, padding=1),
            Rows(last),
            nn.Linear(3136, 16),
            nn.ReLU(),
            nn.Linear(16, 10),
        )
        self.decoder = nn.Sequential(
            nn.Linear(10, 3136),
            nn.ReLU(),
            Images(last, 7, 7, 64),
            ConvTransposeReLU(64, 64, 3, stride=2, padding=1, output_padding=1),
            ConvTransposeReLU(64, 32, 3, stride=2, padding=1, output_padding=1),
            nn.ConvTranspose2d(32, 1, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


class DenseVAE(nn.Module):
    def __init__(self, last: bool):
        super().__init__()
        self.encode = nn.Linear(784, 400)
        self.mu, self.log_var = nn.Linear(400, 20), nn.Linear(400, 20)
        self.decode, self.logits = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x, eps):
        h = F.relu(self.encode(x))
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + torch.exp(0.5 * log_var) * eps
        return self.logits(F.relu(self.decode(z))), mu, log_var


class BatchNormActivation(nn.BatchNorm2d):
    """BatchNorm followed by an activation, which tinygen computes in one layer."""

    def __init__(self, channels: int, activation: nn.Module):
        super().__init__(channels)
        self.activation = activation

    def forward(self, x):
        return self.activation(super().forward(x))


class DCGAN(nn.Module):
    def __init__(self, last: bool):
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(64, 6272),
            Images(last, 7, 7, 128),
            BatchNormActivation(128, nn.ReLU()),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1),
            BatchNormActivation(64, nn.ReLU()),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, stride=2, padding=1),
            BatchNormActivation(128, nn.LeakyReLU(0.2)),
            Rows(last),
            nn.Linear(6272, 1),
        )


def sinusoidal_embedding(t, features: int):
    half = features // 2
    angles = t[:, None] * torch.exp(-math.log(10_000) / half * torch.arange(half))
    return torch.cat([torch.sin(angles), torch.cos(angles)], 1)


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, time: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, inputs), nn.GroupNorm(8, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(time, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class OverviewBlock(nn.Module):
    def __init__(self, last: bool, channels: int, size: tuple[int, int], time: int, units: int = 256):
        super().__init__()
        entries = size[0] * size[1] * channels
        self.norm = nn.GroupNorm(8, channels)
        self.dense1, self.time, self.dense2 = (
            nn.Linear(entries, units),
            nn.Linear(time, units),
            nn.Linear(units, entries),
        )
        self.rows, self.images = Rows(last), Images(last, *size, channels)

    def forward(self, x, time):
        h = self.dense1(self.rows(F.silu(self.norm(x))))
        return x + self.images(self.dense2(F.silu(h + self.time(time))))


class UNet(nn.Module):
    def __init__(self, last: bool, c: int = 32, multiples=(2, 2), middle: int = 1, image_size=None):
        super().__init__()
        self.channels, hidden = c, 4 * c
        half, quarter = (m * c for m in multiples)
        fewer = max(c, half // 2)
        self.time = nn.Sequential(nn.Linear(c, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.conv_in = nn.Conv2d(1, c, 3, padding=1)
        self.down1 = ResidualBlock(c, c, hidden)
        self.halve1 = nn.Conv2d(c, c, 3, stride=2, padding=1)
        self.down2 = ResidualBlock(c, half, hidden)
        self.halve2 = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.middle = ResidualBlock(quarter, quarter, hidden)
        small = image_size and (image_size[0] // 4, image_size[1] // 4)
        self.overview = OverviewBlock(last, quarter, small, hidden) if small else None
        self.deeper = nn.ModuleList([ResidualBlock(quarter, quarter, hidden) for _ in range(middle - 1)])
        self.double2 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(quarter, half, 3, padding=1))
        self.up2 = ResidualBlock(2 * half, fewer, hidden)
        self.double1 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(fewer, c, 3, padding=1))
        self.up1 = ResidualBlock(2 * c, c, hidden)
        self.norm_out = nn.GroupNorm(8, c)
        self.conv_out = nn.Conv2d(c, 1, 3, padding=1)

    def forward(self, x, t):
        time = self.time(sinusoidal_embedding(t, self.channels))
        wide = self.down1(self.conv_in(x), time)
        half = self.down2(self.halve1(wide), time)
        h = self.middle(self.halve2(half), time)
        if self.overview is not None:
            h = self.overview(h, time)
        for block in self.deeper:
            h = block(h, time)
        h = self.up2(torch.cat([self.double2(h), half], 1), time)
        h = self.up1(torch.cat([self.double1(h), wide], 1), time)
        return self.conv_out(F.silu(self.norm_out(h)))


class PointDenoiser(nn.Module):
    def __init__(self, last: bool):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(n, 128) for n in (34, 128, 128)])
        self.last = nn.Linear(128, 2)

    def forward(self, x, t):
        h = torch.cat([x, sinusoidal_embedding(t, 32)], 1)
        for layer in self.layers:
            h = F.gelu(layer(h))
        return self.last(h)
