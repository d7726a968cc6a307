"""Rows of the table of cases, for each kind of kernel: how arguments are drawn, and how deep the sums are."""

from collections.abc import Callable
from math import ceil, gcd
from typing import Any

import numpy as np
from case import Case

from fastnn import reference, shapes
from fastnn.arguments import pair

# Dense layers and windows --------------------------------------------------------------------------------------------


def dense(m: int, n_in: int, n_out: int, timed: bool = False) -> list[Case]:
    """Rows for a dense layer."""
    size = f"{m}x{n_in}x{n_out}"
    return [
        Case("dense_forward", size, lambda u: (u(m, n_in), u(1 + n_in, n_out)), 1 + n_in, timed=timed),
        Case("dense_dz_to_dtheta", size, lambda u: (u(m, n_in), u(m, n_out)), m, timed=timed),
        Case("dense_dz_to_da", size, lambda u: (u(m, n_out), u(1 + n_in, n_out)), n_out, timed=timed),
    ]


def matmul(a: tuple[int, ...], b: tuple[int, ...], timed: bool = False) -> list[Case]:
    """A row for a product of matrices or batches of them."""
    size = "x".join(map(str, a)) + "-" + "x".join(map(str, b))
    return [Case("matmul", size, lambda u: (u(*a), u(*b)), a[-1], timed=timed)]


def conv(
    m: int, C: int, image: Any, K: int, f: Any, S: Any = 1, P: Any = 0, D: Any = 1, groups: int = 1, timed: bool = False
) -> list[Case]:
    """Rows for a convolution; image, f, S, P and D as a user gives them: an int or a pair."""
    (H, W), (f_h, f_w) = pair(image), pair(f)
    a, theta = (m, C, H, W), (K, C // groups, f_h, f_w)
    dz = shapes.conv2d_z(a, theta, (K,), pair(S), pair(P), pair(D), groups)
    pixels, cells = m * dz[2] * dz[3], theta[1] * f_h * f_w
    # A cell meets kernel cell r where S divides its place - r D: at every S / gcd(S, D)-th r.
    met = [ceil(n / (S_n // gcd(S_n, D_n))) for n, S_n, D_n in zip((f_h, f_w), pair(S), pair(D), strict=True)]
    terms, more = K // groups * met[0] * met[1], (("dilation", D), ("groups", groups))
    setting = f"{m}x{C}x{H}x{W}-k{K}-{named(f=f, s=S, p=P, d=D if D != 1 else None, g=groups if groups > 1 else None)}"
    return [
        Case("conv2d_forward", setting, lambda u: (u(*a), u(*theta), u(K), S, P), 1 + cells, 1, timed, 0, more),
        Case("conv2d_dz_to_dtheta", setting, lambda u: (u(*a), u(*dz), f, S, P), pixels, 1, timed, 0, more),
        Case("conv2d_dz_to_db", setting, lambda u: (u(*dz),), pixels, timed=timed),
        Case("conv2d_dz_to_da", setting, lambda u: (u(*dz), u(*theta), image, S, P), terms, 1, timed, 0, more),
    ]


def pool(m: int, C: int, image: Any, f: Any, S: Any, P: Any = 0, values: int = 0, timed: bool = False) -> list[Case]:
    """Rows for both kinds of pooling; the images have so many different values, or 0: no two are the same."""
    (H, W), (f_h, f_w), (S_h, S_w) = pair(image), pair(f), pair(S)
    shape = (m, C, H, W)
    dz = shapes.pool2d_a(shape, (f_h, f_w), (S_h, S_w), pair(P))
    windows = ceil(f_h / S_h) * ceil(f_w / S_w)
    cells = f_h * f_w
    setting = f"{m}x{C}x{H}x{W}-{named(f=f, s=S, p=P)}" + (f"-{values}values" if values else "")

    def images(u: Any) -> Any:
        return np.floor(u(*shape, low=0, high=values)) if values else u(*shape)

    def backward(u: Any) -> tuple[Any, ...]:
        return u(*dz), images(u), f, S, P

    return [
        Case("max_pool2d_forward", setting, lambda u: (images(u), f, S, P), 0, timed=timed),
        Case("max_pool2d_dz_to_da", setting, backward, windows - 1, timed=timed),
        Case("avg_pool2d_forward", setting, lambda u: (images(u), f, S, P), cells + 2, max(values, 1) / cells, timed),
        Case("avg_pool2d_dz_to_da", setting, backward, windows + 2, 1 / cells, timed),
    ]


def named(**settings: Any) -> str:
    """f=(3, 2), s=1 as f3x2-s1."""
    texts = {
        name: "x".join(map(str, v)) if isinstance(v, tuple) else str(v) for name, v in settings.items() if v is not None
    }
    return "-".join(name + text for name, text in texts.items())


# Activations, costs and updates ----------------------------------------------------------------------------------------

UPDATES = ("sgd_step", "adam_step", "adamw_step")  # they have no `out`: they change their arguments 0 and 2

Z = 4.0  # logits are uniform from -Z to Z

# Of each activation: the depths of g and of its backward step, and whether g grows with z.
ACTIVATIONS = {
    "identity": (0, 0, True),
    "relu": (0, 0, True),
    "leaky_relu": (2, 3, True),
    "sigmoid": (3, 3, False),
    "tanh": (2, 4, False),
    "elu": (2, 3, True),
    "softplus": (3, 3, True),
    "silu": (4, 6, True),
    "gelu": (4, 6, True),
}


def activations(*shape: int, names: Any = ACTIVATIONS, timed: bool = False) -> list[Case]:
    """Rows for activations and their backward steps."""
    size = "x".join(map(str, shape)) or "scalar"
    cases = []
    for name in names:
        forward, backward, grows = ACTIVATIONS[name]
        cases += [
            Case(name, size, lambda u: (u(*shape, low=-Z, high=Z),), forward, Z if grows else 1.0, timed),
            Case(f"{name}_da_to_dz", size, backward_of(name, shape), backward, Z if grows else 1.0, timed),
        ]
    return cases


def activated(name: str) -> list[Case]:
    """Rows for z and g(z) in one call. |z| is some 1 here, and no g is steeper than 1.2."""
    depth, settings = ACTIVATIONS[name][0] + 40, (("activation", name),)
    return [
        Case("dense_forward", f"13x29x17-{name}", lambda u: (u(13, 29), u(30, 17)), depth, 1.2, settings=settings),
        Case(
            "conv2d_forward",
            f"3x2x6x5-k7-f3-s1-p1-{name}",
            lambda u: (u(3, 2, 6, 5), u(7, 2, 3, 3), u(7), 1, 1),
            depth,
            1.2,
            settings=settings,
        ),
    ]


def backward_of(name: str, shape: tuple[int, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """da, z, and a = g(z) as the forward step left it, rounded to the dtype."""

    def make(u: Any) -> tuple[Any, ...]:
        da, z = u(*shape), u(*shape, low=-Z, high=Z)
        return da, z, getattr(reference, name)(z.astype(np.float64)).astype(z.dtype)

    return make


def softmax(m: int, k: int, reach: float = Z, labels: Any = np.int64, timed: bool = False) -> list[Case]:
    """Rows for softmax and its cross-entropy; targets are labels of this dtype, or None: rows that sum to one."""
    size = f"{m}x{k}-{np.dtype(labels).name if labels else 'rows'}" + (f"-to{reach:g}" if reach != Z else "")

    def make(u: Any) -> tuple[Any, ...]:
        return u(m, k, low=-reach, high=reach), u(m, low=0, high=k).astype(labels) if labels else rows(u(m, k, low=0))

    return [
        Case("softmax", size, lambda u: make(u)[:1], k + 4, timed=timed),
        Case("softmax_cross_entropy", size, make, k + 4, 2 * reach, timed, m * k),
        Case("softmax_cross_entropy_dz", size, make, k + 4, 1 / max(m, 1), timed),
    ]


def rows(weights: Any) -> Any:
    """The weights, scaled so that each row sums to one."""
    return weights / weights.sum(axis=1, keepdims=True)


def elementwise_costs(*shape: int, reach: float = Z, timed: bool = False) -> list[Case]:
    """Rows for the costs that compare element by element."""
    m, k = shape[0], int(np.prod(shape[1:]))
    size = "x".join(map(str, shape)) + (f"-to{reach:g}" if reach != Z else "")

    def logits(u: Any) -> tuple[Any, ...]:
        return u(*shape, low=-reach, high=reach), u(*shape, low=0)

    def probabilities(u: Any) -> tuple[Any, ...]:
        return u(*shape, low=0.1, high=0.9), u(*shape, low=0)

    return [
        Case("sigmoid_cross_entropy", size, logits, k + 4, reach, timed, m * k),
        Case("sigmoid_cross_entropy_dz", size, logits, 5, 1 / m, timed),
        Case("binary_cross_entropy", size, probabilities, k + 4, 2.0, timed, m * k),
        Case("binary_cross_entropy_da", size, probabilities, 6, 10 / m, timed),
        Case("mean_squared_error", size, logits, 4, reach**2, timed, m * k),
        Case("mean_squared_error_da", size, logits, 4, 2 * reach / (m * k), timed),
    ]


def updates(*shape: int, step: int = 1, names: Any = UPDATES, timed: bool = False) -> list[Case]:
    """Rows for the optimisers' steps. Some seconds of compiling a rank: hence the names."""
    size = "x".join(map(str, shape)) or "scalar"

    def sgd(*settings: Any) -> Any:
        return lambda u: (u(*shape), u(*shape), u(*shape), *settings)

    def adam(*settings: Any) -> Any:
        return lambda u: (u(*shape), u(*shape), np.stack([u(*shape), u(*shape, low=0.25)]), step, *settings)

    cases = [
        Case("sgd_step", f"{size}-plain", sgd(0.1), 3),
        Case("sgd_step", f"{size}-momentum", sgd(0.1, 0.9), 4, 2.0, timed),
        Case("sgd_step", f"{size}-nesterov", sgd(0.1, 0.9, True), 5, 2.0, timed),
        Case("adam_step", f"{size}-step{step}", adam(0.1), 8, timed=timed),
        Case("adam_step", f"{size}-step{step}-constants", adam(0.1, (0.5, 0.75, 0.125)), 8),
        Case("adamw_step", f"{size}-step{step}", adam(0.1, 0.01), 9, timed=timed),
    ]
    return [case for case in cases if case.kernel in names]
