"""exp, expm1, log, log1p, tanh and sigmoid of a scalar, float32 or float64, for loops that LLVM vectorises.

Numba calls a scalar libm, which stops vectorisation. Here is no call, no branch and no table: special values are selects,
and the bits of floats come through bits.py. One text serves both types: `of_type` picks constants and polynomials.

    function   error in ulp, at most   measured: float32 with fma (all 2^32 inputs) and without (all in its range); float64
    exp        1.25                    1.01  0.98  1.04
    expm1      1.75                    1.57  1.69  1.49
    log        1                       0.84  0.84  0.88
    log1p      1.5                     1.40  1.40  1.42
    tanh       2                       1.75  1.67  1.66
    sigmoid    2                       1.66  1.87  1.90

The bounds hold everywhere: for subnormal inputs and results too, -0, infinities and NaN included (tests/test_elementary.py).

Polynomials are our own minimax fits, by Remez's exchange in 60 digits (mpmath): for degree n, solve the linear system that
lets the weighted error alternate at n + 2 points, move the points to the error's extrema on a grid of 4000, repeat until the
extrema agree to 0.1 %, and round to the type. Each fit is stated with its interval and its error in the final result.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from fastnn.kernels.compiler.jit import exactly
from fastnn.kernels.registers.bits import of_type, polynomial, power_of_two, split


class Constants(NamedTuple):
    """Numbers that depend on the type, in that type: bare literals would compute in float64."""

    shifter: Any  # 1.5 * 2^23 (2^52) + bias - 1: added to x it rounds x to an integer, and power_of_two gives 2^(n - 1)
    ln2_high: Any  # ln 2 to so few bits that its product with any exponent is exact, in 15 (41) binary places
    ln2_low: Any  # the rest of ln 2
    exp_lowest: Any  # below it e^x is 0
    exp_small: Any  # below it e^x needs a second factor: 2^k is about to be subnormal
    exp_highest: Any  # above it e^x is infinite
    expm1_lowest: Any  # below it e^x - 1 is -1
    tanh_highest: Any  # above it tanh x is 1
    tiny: Any  # below it e^x - 1 and log(1 + x) are x
    smallest_normal: Any
    log2_e: Any = 1 / math.log(2)
    half_ln2: Any = math.log(2) / 2  # a multiple of it is off by 1e-9 (1.2e-17) times k, and counts less the larger k is
    tanh_shift: Any = 0.083  # with it k = 0 up to results of 1/4, below which those of k = 1 are off by more than 2 ulp
    half: Any = 0.5
    zero: Any = 0.0
    one: Any = 1.0
    two: Any = 2.0
    inf: Any = np.inf
    nan: Any = np.nan
    sixty_four: Any = 64.0
    two_to_64: Any = 2.0**64
    two_to_minus_63: Any = 2.0**-63


def typed(number: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values as numbers of a type."""
    return tuple(number(value) for value in values)


SINGLE = Constants(
    *typed(
        np.float32,
        Constants(
            shifter=1.5 * 2**23 + 126,
            ln2_high=0.693145751953125,
            ln2_low=1.4286068203094173e-06,
            exp_lowest=-104.0,
            exp_small=-80.0,
            exp_highest=89.0,
            expm1_lowest=-17.5,
            tanh_highest=9.02,
            tiny=2.0**-25,
            smallest_normal=2.0**-126,
        ),
    )
)
DOUBLE = Constants(
    *typed(
        np.float64,
        Constants(
            shifter=1.5 * 2**52 + 1022,
            ln2_high=0.693147180559663,
            ln2_low=2.8235290563031577e-13,
            exp_lowest=-746.0,
            exp_small=-700.0,
            exp_highest=710.0,
            expm1_lowest=-38.0,
            tanh_highest=19.1,
            tiny=2.0**-54,
            smallest_normal=2.0**-1022,
        ),
    )
)

# (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2: error in e^r 3.1e-9 (float32), 3.6e-18 (float64)
EXP_32 = typed(np.float32, (0.49999994, 0.16666521, 0.04166839, 0.008368717, 0.0013814599))
EXP_64 = (
    *(0.5000000000000011, 0.16666666666666413, 0.041666666666530155, 0.00833333333349447, 0.0013888888943630168),
    *(0.00019841269506564235, 2.480149309881078e-05, 2.7557586385777354e-06, 2.7630248420821564e-07, 2.5000058019863076e-08),
)

# (tanh h - h) / h^3 in h^2, on |h| <= 0.2564: error in the result 3.5e-9, 6.1e-18
TANH_32 = typed(np.float32, (-0.33333226, 0.13323322, -0.051306356))
TANH_64 = (
    *(-0.3333333333333259, 0.13333333333042008, -0.05396825358422124, 0.021869464510664963),
    *(-0.008862430098796488, 0.0035772282778719867, -0.0013114917086920195),
)

# (log((1 + s) / (1 - s)) / s - 2) / s^2 in s^2, on |s| <= 3 - 2 sqrt 2: error in the logarithm 8.1e-10, 1.2e-18
LOG_32 = typed(np.float32, (0.66666776, 0.39977536, 0.29871863))
LOG_64 = (
    *(0.6666666666666734, 0.3999999999941432, 0.28571428742474625, 0.2222219856350948),
    *(0.18183564865517649, 0.153140358627586, 0.14796105183657107),
)


@exactly
def exp(x):
    """e^x = 2^k e^r with k = round(x / ln 2) and r = x - k ln 2, in two steps (Cody and Waite); at most 1.25 ulp.

    2^k is applied last and in one product, so that a subnormal result is rounded once. Where 2^k itself would be subnormal,
    k is raised by 64 and e^r lowered; k = 128 (1024), which has no float, is avoided by 2^(k - 1) * 2 e^r.
    """
    c = of_type(x, SINGLE, DOUBLE)
    y = c.exp_highest if x > c.exp_highest else x
    y = c.exp_lowest if y < c.exp_lowest else y
    small = y < c.exp_small
    shifter = c.shifter + c.sixty_four if small else c.shifter
    shifted = y * c.log2_e + shifter
    k = shifted - shifter
    r = (y - k * c.ln2_high) - k * c.ln2_low
    p = r + r * r * polynomial(r, of_type(x, EXP_32, EXP_64))
    rest = c.two_to_minus_63 if small else c.two
    return (p * rest + rest) * power_of_two(shifted)


@exactly
def expm1(x):
    """e^x - 1 = 2^k p + (2^k - 1) with p = e^r - 1 and k, r as in `exp`; at most 1.75 ulp.

    The rounding of r would count double for k = 1, where p and 1 cancel, so the low part of k ln 2 is subtracted last.
    """
    c = of_type(x, SINGLE, DOUBLE)
    y = c.exp_highest if x > c.exp_highest else x
    y = c.expm1_lowest if y < c.expm1_lowest else y
    shifted = y * c.log2_e + c.shifter
    k = shifted - c.shifter
    high, low = y - k * c.ln2_high, k * c.ln2_low
    r = high - low
    p = high + (r * r * polynomial(r, of_type(x, EXP_32, EXP_64)) - low)
    half_scale = power_of_two(shifted)
    return x if abs(x) < c.tiny else c.two * (half_scale * p + (half_scale - c.half))


@exactly
def tanh(x):
    """tanh |x| = n / (n + 1 - t) with t = tanh h, n = A + B t, 2A = 2^k - 1 and 2B = 2^k + 1, where |x| = k ln 2 / 2 + h.

    tanh (k ln 2 / 2) is A / B, so this is (A + B t) / (B + A t), whose denominator is taken from n: n's error then counts
    the less, the closer to 1 the result is. For k = 0 it is exactly 1, and the result t. At most 2 ulp.
    """
    c = of_type(x, SINGLE, DOUBLE)
    y = abs(x)
    y = c.tanh_highest if y > c.tanh_highest else y
    shifted = (y - c.tanh_shift) * (c.two * c.log2_e) + c.shifter
    k = shifted - c.shifter
    h = y - k * c.half_ln2
    z = h * h
    t = h + h * z * polynomial(z, of_type(x, TANH_32, TANH_64))
    half_power = power_of_two(shifted)
    n = (half_power + c.half) * t + (half_power - c.half)
    return math.copysign(n / (n + (c.one - t)), x)


@exactly
def sigmoid(x):
    """1 / (1 + e^-x); at most 2 ulp.

    With e = e^-|x| and q = e / (1 + e): 1 - q for x >= 0, and e - e q for others. Nothing overflows or cancels, and the
    error of q counts little where q is small.
    """
    c = of_type(x, SINGLE, DOUBLE)
    e = exp(-abs(x))
    most = c.one if x >= c.zero else e
    return most - most * (e / (c.one + e))


@exactly
def log_near_one(f, k):
    """log((1 + f) 2^k), for sqrt(1/2) <= 1 + f < sqrt 2.

    log(1 + f) = log((1 + s) / (1 - s)) with s = f / (2 + f), which is 2 s + s^3 P(s^2). And 2 s = f - s f, where the second
    term is small: with h = f^2 / 2, it is f - (h - s h). So f and h keep their full precision. After Tang (1990) and fdlibm.
    """
    c = of_type(f, SINGLE, DOUBLE)
    s = f / (c.two + f)
    z = s * s
    h = c.half * f * f
    correction = s * (h + z * polynomial(z, of_type(f, LOG_32, LOG_64)))
    return k * c.ln2_high - ((h - (correction + k * c.ln2_low)) - f)


@exactly
def log(x):
    """log x, from x = m 2^k with m next to 1; at most 1 ulp. -inf at 0, NaN below."""
    c = of_type(x, SINGLE, DOUBLE)
    small = x < c.smallest_normal
    m, k = split(x * c.two_to_64 if small else x)
    y = log_near_one(m - c.one, k - c.sixty_four if small else k)
    y = y if x < c.inf else x
    y = y if x >= c.zero else c.nan
    return -c.inf if x == c.zero else y


@exactly
def log1p(x):
    """log(1 + x); at most 1.5 ulp. -inf at -1, NaN below.

    1 + x = m 2^k + lost, where lost is what the sum's rounding dropped (Knuth's two-sum), and goes into m 2^k's own f.
    """
    c = of_type(x, SINGLE, DOUBLE)
    u = c.one + x
    v = u - c.one
    lost = (c.one - (u - v)) + (x - v)
    m, k = split(u)
    scale = c.two * power_of_two(c.shifter - (c.sixty_four if k > c.sixty_four else k))
    y = log_near_one((m - c.one) + lost * scale, k)
    y = x if abs(x) < c.tiny else y
    y = y if x < c.inf else x
    y = y if x >= -c.one else c.nan
    return -c.inf if x == -c.one else y
