"""What convolutions and pools compute, in NumPy, a window at a time; S, P, D are pairs, as everywhere."""

import numpy as np


def windows(a, f, S, P, padding=0.0, D=(1, 1)):
    """A window of a (m, C, H, W) at a time, with its place in the output."""
    a = np.pad(a, ((0, 0), (0, 0), (P[0], P[0]), (P[1], P[1])), constant_values=padding)
    F = [D[axis] * (f[axis] - 1) + 1 for axis in (0, 1)]
    for i in range((a.shape[2] - F[0]) // S[0] + 1):
        for j in range((a.shape[3] - F[1]) // S[1] + 1):
            yield (i, j), a[:, :, i * S[0] : i * S[0] + F[0] : D[0], j * S[1] : j * S[1] + F[1] : D[1]]


def assembled(cells):
    """(m, K, H', W') from {(i, j): (m, K)}."""
    H, W = (max(place[axis] for place in cells) + 1 for axis in (0, 1))
    return np.stack([np.stack([cells[i, j] for j in range(W)], axis=-1) for i in range(H)], axis=-2)


def convolution(a, f, S, P, theta, b, D=(1, 1)):
    cells = {place: np.einsum("mcrs,kcrs->mk", window, theta) + b for place, window in windows(a, f, S, P, D=D)}
    return assembled(cells)


def transposed(a, f, S, P, theta, b, D=(1, 1), more=(0, 0)):
    """Each cell of a puts a window of theta on an image, which then loses P cells on each side."""
    (m, _, H, W), K = a.shape, theta.shape[1]
    F = [D[axis] * (f[axis] - 1) + 1 for axis in (0, 1)]
    z = np.zeros((m, K, (H - 1) * S[0] + F[0] + more[0], (W - 1) * S[1] + F[1] + more[1]))
    for i, j in np.ndindex(H, W):
        y, x = i * S[0], j * S[1]
        z[:, :, y : y + F[0] : D[0], x : x + F[1] : D[1]] += np.einsum("mc,ckrs->mkrs", a[:, :, i, j], theta)
    return z[:, :, P[0] : z.shape[2] - P[0], P[1] : z.shape[3] - P[1]] + b[:, None, None]


def grouped(groups, convolve, a, theta, b):
    """A convolution of each part of the channels, side by side."""
    parts = zip(np.split(a, groups, axis=1), np.split(theta, groups), np.split(b, groups), strict=True)
    return np.concatenate([convolve(*part) for part in parts], axis=1)


def pooling(a, f, S, P, pool, padding):
    return assembled({place: pool(window, axis=(2, 3)) for place, window in windows(a, f, S, P, padding)})
