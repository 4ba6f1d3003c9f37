"""Fit the polynomials of `tinygen/kernels/machine/vector_math.py`: minimax fits by the Remez algorithm, in 40 digits.

`python tools/fit_polynomials.py` prints the largest relative error of each, and its coefficients, constant term first.
The error of the best polynomial of degree n has the same size at n + 2 points, with alternating signs. So the algorithm
chooses n + 2 points, solves for the polynomial with such an error there, moves the points to where the error is
largest, and repeats.
"""

from mpmath import atanh, cos, erfc, exp, log, lu_solve, matrix, mp, mpf, pi, polyval, sqrt

mp.dps = 40
HALF_LN2 = log(2) / 2 * mpf("1.0001")  # slightly more than what remains after rounding to the nearest k
CENTRE, FARTHEST = 3, 15  # of the interval in the tail of the normal distribution


def tail_of_exp(f):
    """q in e^f = 1 + f + f² q(f)."""
    return (exp(f) - 1 - f) / f**2 if abs(f) > mpf("1e-12") else mpf(1) / 2


def tail_of_log1p(z):
    """p in log(1 + e) = s + s z p(z), where z = s² and s/2 = e/(2 + e)."""
    return (2 * atanh(sqrt(z) / 2) / sqrt(z) - 1) / z if z > mpf("1e-12") else mpf(1) / 12


def normal_tail(z):
    """r in Φ(-a) = exp(-a²/2) r(z) / (a + 3), where z = (a - 3)/(a + 3)."""
    a = CENTRE * (1 + z) / (1 - z)
    return exp(a * a / 2) * erfc(a / sqrt(mpf(2))) / 2 * (a + CENTRE)


FITS = {  # name: (function, from, to, degree)
    "exp": (tail_of_exp, -HALF_LN2, HALF_LN2, 4),
    "log1p": (tail_of_log1p, mpf(0), mpf(4) / 9, 3),
    "normal": (normal_tail, mpf(-1), mpf(FARTHEST - CENTRE) / (FARTHEST + CENTRE), 9),
}


def remez(f, low, high, degree, rounds=16):
    """The coefficients and the largest relative error of the best polynomial for f between `low` and `high`."""
    n = degree + 2
    grid = [low + (high - low) * (1 - cos(pi * k / (60 * n))) / 2 for k in range(60 * n + 1)]
    values = [f(t) for t in grid]
    points = [60 * i * n // (n - 1) for i in range(n)]
    for _ in range(rounds):
        system, right = matrix(n, n), matrix(n, 1)
        for i, k in enumerate(points):
            for j in range(degree + 1):
                system[i, j] = grid[k] ** j
            system[i, n - 1], right[i] = (-1) ** i * abs(values[k]), values[k]
        coefficients = list(lu_solve(system, right))[:-1]
        errors = [(polyval(coefficients[::-1], t) - v) / abs(v) for t, v in zip(grid, values)]
        peaks = []  # the point with the largest error between two changes of sign
        for k, error in enumerate(errors):
            if not peaks or (error > 0) != (errors[peaks[-1]] > 0):
                peaks.append(k)
            elif abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = k
        while len(peaks) > n:
            peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
        if len(peaks) < n:
            break
        points = peaks
    return coefficients, max(map(abs, errors))


if __name__ == "__main__":
    for name, fit in FITS.items():
        coefficients, error = remez(*fit)
        print(f"{name}: largest relative error {mp.nstr(error, 2)}:", ", ".join(mp.nstr(c, 10) for c in coefficients))
