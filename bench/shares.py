"""The convolution kernels on several threads, as a user of them writes it: `prange` over shares of the batch.

A kernel starts no thread of its own. Images of one share are views of the same arrays; the shares' dtheta are summed. Of
fewer images than threads, or smaller ones than theta, the shares are of k, or of da's channels.
"""

import numpy as np
from numba import njit, prange

from fastnn.kernels import conv2d_dz_to_da, conv2d_dz_to_dtheta, conv2d_forward


@njit(parallel=True)
def forward(shares, a, theta, b, stride, padding, z):
    m = len(a)
    for i in prange(shares):
        begin, end = i * m // shares, (i + 1) * m // shares
        conv2d_forward(a[begin:end], theta, b, stride, padding, z[begin:end])


@njit(parallel=True)
def forward_by_k(shares, a, theta, b, stride, padding, z):
    K = len(b)
    for i in prange(shares):
        begin, end = i * K // shares, (i + 1) * K // shares
        conv2d_forward(a, theta[begin:end], b[begin:end], stride, padding, z[:, begin:end])


@njit(parallel=True)
def dz_to_dtheta(shares, a, dz, kernel_size, stride, padding, dtheta):
    m = len(a)
    parts = np.empty((shares, *dtheta.shape), dtheta.dtype)
    for i in prange(shares):
        begin, end = i * m // shares, (i + 1) * m // shares
        conv2d_dz_to_dtheta(a[begin:end], dz[begin:end], kernel_size, stride, padding, parts[i])
    _sum(parts, dtheta)


@njit(parallel=True)
def dz_to_dtheta_by_k(shares, a, dz, kernel_size, stride, padding, dtheta):
    K = len(dtheta)
    for i in prange(shares):
        begin, end = i * K // shares, (i + 1) * K // shares
        conv2d_dz_to_dtheta(a, dz[:, begin:end], kernel_size, stride, padding, dtheta[begin:end])


@njit(parallel=True)
def dz_to_dtheta_by_channels(shares, a, dz, kernel_size, stride, padding, dtheta):
    C = dtheta.shape[1]
    for i in prange(shares):
        begin, end = i * C // shares, (i + 1) * C // shares
        conv2d_dz_to_dtheta(a[:, begin:end], dz, kernel_size, stride, padding, dtheta[:, begin:end])


@njit
def _sum(parts, total):
    """Without `parallel`, which would wake the threads for each part: that took 8 us of the 128 of 3,200 weights."""
    flat = parts.reshape(len(parts), -1)
    sums = flat[0]
    for part in flat[1:]:
        sums += part
    total[...] = parts[0]


@njit(parallel=True)
def dz_to_da(shares, dz, theta, input_size, stride, padding, da):
    m = len(dz)
    for i in prange(shares):
        begin, end = i * m // shares, (i + 1) * m // shares
        conv2d_dz_to_da(dz[begin:end], theta, input_size, stride, padding, da[begin:end])


@njit(parallel=True)
def dz_to_da_by_channels(shares, dz, theta, input_size, stride, padding, da):
    C = theta.shape[1]
    for i in prange(shares):
        begin, end = i * C // shares, (i + 1) * C // shares
        conv2d_dz_to_da(dz, theta[:, begin:end], input_size, stride, padding, da[:, begin:end])
