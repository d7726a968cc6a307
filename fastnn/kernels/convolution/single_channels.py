"""Groups of one channel and one k, as of depthwise convolutions: which engine takes them. Tuples as in planes.py.

With a channel in each lane, or channel by channel; windows that leave cells of the image unreached may go the way of others.
"""

from fastnn.constants import IDENTITY
from fastnn.kernels.compiler.jit import compiled
from fastnn.kernels.compiler.shared import tiled
from fastnn.kernels.convolution.channel_choices import takes_channel_theta, takes_channels
from fastnn.kernels.sums.channel_lanes import channels_bytes, sum_channels
from fastnn.kernels.sums.channel_theta import channel_theta, channel_theta_bytes
from fastnn.kernels.sums.depthwise import depthwise, depthwise_bytes, depthwise_image, depthwise_image_bytes, is_depthwise
from fastnn.kernels.sums.depthwise_theta import depthwise_theta, depthwise_theta_bytes
from fastnn.kernels.sums.planes import Images, Sizes, Window

Bias = tuple[int, int, int]


@compiled
def single_forward_bytes(sizes, window, zero):
    """The scratch of `single_forward`."""
    return max(depthwise_bytes(sizes, window, zero), channels_bytes(0, sizes, window, zero))


@tiled
def single_forward(
    groups: int, sizes: Sizes, window: Window, a: Images, theta: Images, b: Bias, z: Images, scratch: int, zero: float
) -> None:
    """(15), (16) on places, as in groups.py."""
    weights = (theta[0], theta[1], theta[3], theta[4])
    if takes_channels(0, groups, sizes, window, a, weights, z, zero) != 0:
        sum_channels(0, groups, sizes, window, a, weights, b, z, scratch, zero)
    else:
        depthwise(groups, sizes, window, a, weights, b, z, scratch, zero)


@compiled
def single_dtheta_bytes(sizes, window, zero):
    """That of `single_dtheta`."""
    most = channel_theta_bytes(sizes, window, zero)
    return max(most, depthwise_theta_bytes(sizes, window, zero)) if is_depthwise(sizes, window) else most


@tiled
def single_dtheta(
    groups: int, sizes: Sizes, window: Window, a: Images, dz: Images, dtheta: tuple[int, int], scratch: int, zero: float
) -> int:
    """(17); 1, or 0 where they have to go the way of others."""
    if takes_channel_theta(groups, sizes, window, a, zero) != 0:
        channel_theta(groups, sizes, window, a, dz, dtheta, scratch, zero)
    elif is_depthwise(sizes, window):
        depthwise_theta(groups, sizes, window, a, dz, dtheta, scratch, zero)
    else:
        return 0
    return 1


@compiled
def single_da_bytes(sizes, window, zero):
    """That of `single_da`."""
    most = channels_bytes(1, sizes, window, zero)
    return max(most, depthwise_image_bytes(sizes, window, zero)) if is_depthwise(sizes, window) else most


@tiled
def single_da(
    groups: int, sizes: Sizes, window: Window, dz: Images, theta: Images, da: Images, scratch: int, zero: float
) -> int:
    """(19), likewise."""
    weights = (theta[0], theta[1], theta[3], theta[4])
    if takes_channels(1, groups, sizes, window, dz, weights, da, zero) != 0:
        sum_channels(1, groups, sizes, window, dz, weights, (0, 0, IDENTITY), da, scratch, zero)
    elif is_depthwise(sizes, window):
        depthwise_image(groups, sizes, window, dz, weights, da, scratch, zero)
    else:
        return 0
    return 1
