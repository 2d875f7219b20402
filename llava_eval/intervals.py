"""From a figure and its standard error to a 95 % interval."""

from __future__ import annotations

import math

NORMAL = 1.959963984540054  # 97.5 % quantile of the normal distribution


def t_quantile(df: float) -> float:
    """Return the 97.5 % quantile of Student's t.

    Args:
        df: Degrees of freedom; below 1 is taken for 1. Need not be whole.

    >>> round(t_quantile(10), 2), round(t_quantile(1), 2)
    (2.23, 12.71)
    """
    from scipy.special import stdtrit  # not before it is needed: --help comes at once

    return float(stdtrit(max(df, 1.0), 0.975))


def t_interval(value: float, error: float, df: float) -> tuple[float, float]:
    """Return value -+ t x error.

    Args:
        value: Of a figure without bounds, such as a difference or a ratio.
        error: Its standard error.
        df: Degrees of freedom of the error.
    """
    half = t_quantile(df) * error
    return value - half, value + half


def score_interval(
    value: float, error: float, df: float, clusters: float, rests_on: float, top: float
) -> tuple[float, float]:
    """Return Wilson's interval for the effective sample size that the standard error stands for.

    A figure between 0 and `top` with this error is as certain as a proportion of
    n = p (1 - p) / error^2 independent yes-or-no samples, p = value / top. Near 0 and 100 %
    the error itself is hardly known, for it rests on the few clusters that differ. There n is
    drawn towards the number of clusters, as if each were right or wrong as a whole: by the
    power 1 / (1 + rests_on). At 0 and 100 % that number is all there is.

    Args:
        value: Between 0 and `top`.
        error: Its standard error.
        df: Degrees of freedom of the error.
        clusters: Effective number of clusters, see `stats.effective_number`.
        rests_on: Effective number of clusters that the error rests on, in the same sense.
        top: The largest value that the figure can take.

    Returns:
        Bounds between 0 and `top`. No width where the clusters do not differ at all although
        the value lies between: each of them says the same, whatever is drawn.

    Source: Wilson, JASA 22, 1927; with an effective sample size and t: Korn and Graubard,
    Survey Methodology 24, 1998. The pull towards the number of clusters is ours:
    docs/intervals.md has what it is good for.

    >>> [round(bound, 1) for bound in score_interval(100.0, 0.0, 39, 40, 0, 100.0)]
    [90.7, 100.0]
    """
    p = min(1.0, max(0.0, value / top))
    spread = p * (1 - p)
    variance = (error / top) ** 2
    if spread < 1e-12:
        n = clusters
    elif variance < 1e-24:
        return value, value
    else:
        n = spread / variance
        n *= min(1.0, clusters / n) ** (1 / (1 + rests_on))
    t2 = t_quantile(df) ** 2 / n
    middle = (p + t2 / 2) / (1 + t2)
    half = math.sqrt(t2 * spread + t2 * t2 / 4) / (1 + t2)
    # What rounding adds at the edges is taken away: 100 % lies in its own interval, exactly.
    return top * min(p, max(0.0, middle - half)), top * max(p, min(1.0, middle + half))


def deviation_interval(value: float, n: int) -> tuple[float, float]:
    """Return the interval of a standard deviation of independent normal figures.

    Args:
        value: Standard deviation with divisor n, as `numpy.std` computes it.
        n: Number of figures, at least 2.

    >>> [round(bound, 3) for bound in deviation_interval(1.0, 5)]
    [0.67, 3.213]
    """
    from scipy.special import chdtri

    # Its chi-square is asked by the share above the quantile.
    low, high = (value * math.sqrt(n / chdtri(n - 1, above)) for above in (0.025, 0.975))
    return low, high
