"""exp, expm1, log, log1p, tanh, sigmoid and Phi by Python's decimal: what the kernels' own are measured against."""

from decimal import Decimal, localcontext

ROOT_TWO_PI = Decimal("2.506628274631000502415765284811045253006986740609938316629923576")


def exp(x):
    return x.exp()


def expm1(x):
    return x + x * x / 2 + x**3 / 6 if abs(x) < Decimal("1e-14") else x.exp() - 1


def log(x):
    return x.ln()


def log1p(x):
    return x - x * x / 2 + x**3 / 3 if abs(x) < Decimal("1e-14") else (1 + x).ln()


def tanh(x):
    twice = expm1(2 * x)
    return twice / (twice + 2)


def sigmoid(x):
    return 1 / (1 + (-x).exp())


def normal_cdf(z):
    """Next to 0 the series of (Phi(z) - 1/2) / phi(z), z^n / (1 * 3 ... n) over odd n; else Laplace's continued fraction."""
    y = abs(z)
    density = (-y * y / 2).exp() / ROOT_TWO_PI
    if y < 4:
        term = total = y
        for n in range(3, 161, 2):
            term = term * y * y / n
            total += term
        tail = Decimal("0.5") - density * total
    else:
        fraction = y
        for n in range(250, 0, -1):
            fraction = y + n / fraction
        tail = density / fraction
    return tail if z < 0 else 1 - tail


def value(name, x):
    """The function of a float, as a Decimal of 40 digits or more."""
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 60, -(10**6), 10**6
        return globals()[name](Decimal(float(x)))
