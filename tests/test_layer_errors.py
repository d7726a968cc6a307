"""What a layer refuses: the message names its place in the model, the layer, its input's shape, and what is wrong."""

import math
import re

import pytest

from fastnn import AvgPool2D, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, MaxPool2D, Sequential, layers

CHOICES = f"expected one of {', '.join(['identity', *layers.ACTIVATIONS])}, got"
PAIR = "expected an int or a pair of ints, got"

# layer, input shape -> what the message says behind the layer's place, its repr and the shape
REFUSED = [
    (Dense(0), (3,), ValueError, "units: expected a positive int, got 0"),
    (Dense(2.0), (3,), ValueError, "units: expected a positive int, got 2.0"),
    (Dense(True), (3,), ValueError, "units: expected a positive int, got True"),
    (Dense(2, "swish"), (3,), ValueError, f"activation: {CHOICES} 'swish'"),
    (Dense(2, ["relu"]), (3,), ValueError, f"activation: {CHOICES} ['relu']"),
    (Dense(2), (1, 4, 4), ValueError, "expected an input of shape (n_in,), got (1, 4, 4): put a Flatten before it"),
    (Conv2D(-1, 3), (1, 4, 4), ValueError, "filters: expected a positive int, got -1"),
    (Conv2D(2, 3, activation="Relu"), (1, 4, 4), ValueError, f"activation: {CHOICES} 'Relu'"),
    (Conv2D(2, 3), (16,), ValueError, "expected an input of shape (C, H, W), got (16,)"),
    (Conv2D(2, 2.5), (1, 4, 4), TypeError, f"kernel_size: {PAIR} 2.5"),
    (Conv2D(2, (1, 2, 3)), (1, 4, 4), TypeError, f"kernel_size: {PAIR} (1, 2, 3)"),
    (Conv2D(2, 3, stride="2"), (1, 4, 4), TypeError, f"stride: {PAIR} '2'"),
    (Conv2D(2, 3, padding=None), (1, 4, 4), TypeError, f"padding: {PAIR} None"),
    (Conv2D(2, 0), (1, 4, 4), ValueError, "kernel_size, size: expected from 1 to 2**31 - 1 along each axis"),
    (Conv2D(2, 3, stride=0), (1, 4, 4), ValueError, "stride: expected from 1 to 2**31 - 1 along each axis"),
    (Conv2D(2, 3, padding=-1), (1, 4, 4), ValueError, "padding: expected from 0 to 2**31 - 1 along each axis"),
    (Conv2D(2, (3, 5)), (1, 4, 4), ValueError, "the window is larger than the padded image: expected dilation"),
    (Conv2D(2, 3, dilation=1.0), (1, 4, 4), TypeError, f"dilation: {PAIR} 1.0"),
    (Conv2D(2, 3, dilation=0), (1, 4, 4), ValueError, "dilation: expected from 1 to 2**31 - 1 along each axis"),
    (Conv2D(2, 3, dilation=(1, 2)), (1, 4, 4), ValueError, "the window is larger than the padded image: expected dilation"),
    (Conv2D(2, 3, groups=2.0), (2, 4, 4), ValueError, "groups: expected a positive int, got 2.0"),
    (Conv2D(2, 3, groups=0), (2, 4, 4), ValueError, "groups: expected a positive int, got 0"),
    (Conv2D(2, 3, algorithm="fft"), (2, 4, 4), ValueError, "algorithm: expected one of auto, direct, got 'fft'"),
    (Conv2D(2, 3, algorithm=["auto"]), (2, 4, 4), ValueError, "algorithm: expected one of auto, direct, got ['auto']"),
    (Conv2D(4, 3, groups=2), (3, 4, 4), ValueError, "groups: expected a positive divisor of C and of K"),
    (Conv2D(3, 3, groups=2), (4, 4, 4), ValueError, "groups: expected a positive divisor of C and of K"),
    (ConvTranspose2D(2.0, 3), (1, 4, 4), ValueError, "filters: expected a positive int, got 2.0"),
    (ConvTranspose2D(2, 3), (16,), ValueError, "expected an input of shape (C, H, W), got (16,)"),
    (ConvTranspose2D(2, 3, stride=0), (1, 4, 4), ValueError, "stride: expected from 1 to 2**31 - 1 along each axis"),
    (ConvTranspose2D(2, 3, padding=3), (1, 4, 4), ValueError, "padding: expected so little that at least one cell"),
    (ConvTranspose2D(3, 3, groups=2), (4, 4, 4), ValueError, "groups: expected a positive divisor of C and of K"),
    (ConvTranspose2D(2, 3, output_padding=1), (1, 4, 4), ValueError, "output_padding: expected from 0 to stride - 1 along"),
    (ConvTranspose2D(2, 3, output_padding=-1), (1, 4, 4), ValueError, "output_padding: expected from 0 to stride - 1 along"),
    (ConvTranspose2D(2, 3, output_padding=0.5), (1, 4, 4), TypeError, f"output_padding: {PAIR} 0.5"),
    (MaxPool2D(2), (16,), ValueError, "expected an input of shape (C, H, W), got (16,)"),
    (MaxPool2D("2"), (1, 4, 4), TypeError, f"size: {PAIR} '2'"),
    (MaxPool2D(5), (1, 4, 4), ValueError, "the window is larger than the padded image"),
    (AvgPool2D(2, stride=(1,)), (1, 4, 4), TypeError, f"stride: {PAIR} (1,)"),
    (AvgPool2D(2, padding=2), (1, 4, 4), ValueError, "padding: expected less than size along each axis"),
    (Dropout(1), (3,), ValueError, "rate: expected a number in [0, 1), got 1"),
    (Dropout(-0.1), (3,), ValueError, "rate: expected a number in [0, 1), got -0.1"),
    (Dropout("half"), (3,), ValueError, "rate: expected a number in [0, 1), got 'half'"),
    (Dropout(False), (3,), ValueError, "rate: expected a number in [0, 1), got False"),
    (Dropout(math.nan), (3,), ValueError, "rate: expected a number in [0, 1), got nan"),
]


@pytest.mark.parametrize(("layer", "shape", "kind", "reason"), REFUSED, ids=lambda value: str(value)[:40])
def test_build_says_where_what_and_why(layer, shape, kind, reason):
    layer = type(layer)(**layer.config())
    message = re.escape(f"layers[1]: {layer!r} on an input of shape {shape}: {reason}")
    with pytest.raises(kind, match=message):
        Sequential(Dropout(0.5), layer, input_shape=shape)


def test_layers_of_a_refused_model_stay_free():
    """After an error the same layers can be used in the corrected model; those of a good one can't be used again."""
    conv, dense = Conv2D(2, 3), Dense(2)
    with pytest.raises(ValueError, match=r"layers\[1\].*put a Flatten before it"):
        Sequential(conv, dense, input_shape=(1, 4, 4))
    Sequential(conv, Flatten(), dense, input_shape=(1, 4, 4))
    message = r"layers\[0\]: Conv2D\(.*\) is in a model already: make another like it"
    with pytest.raises(ValueError, match=message):
        Sequential(conv, input_shape=(1, 4, 4))
    twice = Dense(3)
    with pytest.raises(ValueError, match=r"layers\[1\]: Dense\(.*\) is in a model already"):
        Sequential(twice, twice, input_shape=3)


@pytest.mark.parametrize("thing", [Dense, "Dense(3)", None, [Dense(3)]], ids=str)
def test_what_is_no_layer_is_refused(thing):
    with pytest.raises(TypeError, match=re.escape(f"layers[1]: expected a layer, got {thing!r}")):
        Sequential(Dense(3), thing, input_shape=3)
