"""Synthetic daily weather with labelled storms: rare events on a background that is large, smooth and seasonal.

pressure = mean + seasonal cycle + smooth noise from day to day + noise of each pixel - storm, in hPa

A storm is smaller than the daily changes of the background, so a single pixel says little about it; the pattern does.
"""

from dataclasses import dataclass

import numpy as np

from tinygen.errors import arguments

YEAR = 365  # days
MEAN, SEASON = 1013.0, 8.0  # hPa: the mean of all fields, and the amplitude of the cycle in the middle of the map
PERSISTENCE = 0.7  # correlation of the smooth noise of a day with that of the day before
SMOOTH, PIXEL = 6.0, 0.5  # hPa: standard deviations of the smooth noise, a mean over pixels, and of the pixels' noise
WAVES = 4  # the smooth noise has the frequencies 0 to 3 in each direction
DEPTH, TAIL = 4.0, 3.0  # a storm is at least 4 hPa deep; P(depth > d) = (4/d)³ is a heavy tail
RADIUS = 0.1  # of a storm, relative to the side of the map


@dataclass(frozen=True, eq=False)
class Weather:
    """N consecutive days of a square map; y points south."""

    fields: np.ndarray  # (N, size, size, 1) float32, pressure in hPa
    storm: np.ndarray  # (N,) bool, whether the day has a storm
    depth: np.ndarray  # (N,) hPa at the centre of the storm, 0 on other days
    centre: np.ndarray  # (N, 2) its place (y, x) in pixels, NaN on other days
    day: np.ndarray  # (N,) int64, day of the year from 0 to 364

    def __len__(self) -> int:
        return len(self.fields)


def daily_weather(days: int, rng: np.random.Generator, *, size: int = 16, storms: float = 0.02) -> Weather:
    """Pressure maps of consecutive days from 1 January on, of which a share has a storm.

    Args:
        days: number N of days.
        rng: generator for the noise and the storms; the background does not depend on `storms`.
        size: height and width of the maps, in pixels.
        storms: probability of a storm on each day; 0 for a background without any.

    The cycle is twice as strong in the north as in the south. Storms are round, Gaussian in profile, at any place. The
    depth has a heavy tail: most storms are weak, and a few are very strong.

    >>> from tinygen import data
    >>> weather = data.daily_weather(730, np.random.default_rng(0))
    >>> weather.fields.shape, int(weather.storm.sum())
    ((730, 16, 16, 1), 11)
    """
    (days,), (size,) = arguments.sizes("daily_weather", days=days), arguments.sizes("daily_weather", size=size)
    storms = arguments.real("daily_weather", "storms", storms, least=0, most=1)
    arguments.generator("daily_weather", rng)
    place, day = (np.arange(size) + 0.5) / size, np.arange(days) % YEAR
    warmth = np.cos(2 * np.pi * (day - 15) / YEAR)  # highest pressure in the middle of January
    fields = MEAN + SEASON * warmth[:, None, None] * (4 / 3 - 2 / 3 * place)[:, None]  # (N, H, 1)
    fields = fields + _smooth(days, place, rng) + PIXEL * rng.standard_normal((days, size, size))
    storm = rng.random(days) < storms
    depth = np.where(storm, DEPTH * rng.random(days) ** (-1 / TAIL), 0.0)
    centre = rng.uniform(0, 1, (days, 2))
    y, x = (np.exp(-((place - centre[:, axis, None]) ** 2) / (2 * RADIUS**2)) for axis in (0, 1))  # (N, size)
    fields -= depth[:, None, None] * y[:, :, None] * x[:, None, :]
    centre = np.where(storm[:, None], centre * size - 0.5, np.nan)
    return Weather(fields[..., None].astype(np.float32), storm, depth, centre, day)


def _smooth(days, place, rng):
    """Noise (N, H, W) of low frequencies, each of which keeps part of its value from one day to the next."""
    waves = np.cos(np.pi * np.arange(WAVES)[:, None] * place)  # (WAVES, size)
    waves[1:] *= np.sqrt(2)  # mean square 1 over the map, as the constant has
    frequency = np.add.outer(np.arange(WAVES) ** 2, np.arange(WAVES) ** 2)
    sd = (1.0 + frequency) ** -1
    sd *= SMOOTH / np.sqrt((sd**2).sum())
    shocks = rng.standard_normal((days, WAVES, WAVES))
    values, fresh = shocks.copy(), np.sqrt(1 - PERSISTENCE**2)  # so that the variance is the same on all days
    for today in range(1, days):
        values[today] = PERSISTENCE * values[today - 1] + fresh * shocks[today]
    return np.einsum("nij,ih,jw->nhw", values * sd, waves, waves, optimize=True)
