"""Which shapes, labels and numbers a kernel refuses, and in which words: the same for both backends."""

import numpy as np
import pytest
from refusals import GROUPS, KERNELS, WRITES, good, of, refuse

from fastnn.backend import ops

# The shapes of the right calls: dense 2x3x5; conv a (2, 3, 5, 7), theta (4, 3, 3, 3), dz (2, 4, 3, 5); pools a (2, 3, 6, 8),
# dz (2, 3, 3, 4); costs and activations (7, 5) or (7, 13).
THETA_OF_A = "theta: expected shape (1 + n_in, n_out), where a is (m, n_in)"
THETA_OF_DZ = "theta: expected shape (1 + n_in, n_out), where dz is (m, n_out)"
THETA_OF_DZ_IMAGES = "theta: expected shape (K, C / groups, f_h, f_w), where dz is (m, K, H', W')"
SHAPES = [
    ("dense_forward", {"theta": of(3, 5)}, THETA_OF_A, "got a (2, 3) float32, theta (3, 5) float32"),
    ("dense_forward", {"theta": of(0, 5)}, THETA_OF_A, "theta (0, 5) float32"),
    ("dense_dz_to_dtheta", {"dz": of(3, 5)}, "dz: expected shape (m, n_out), where a is (m, n_in)", "dz (3, 5) float32"),
    ("dense_dz_to_da", {"theta": of(4, 6)}, THETA_OF_DZ, "got dz (2, 5) float32, theta (4, 6) float32"),
    ("dense_dz_to_da", {"theta": of(0, 5)}, THETA_OF_DZ, "theta (0, 5) float32"),
    (
        "conv2d_forward",
        {"theta": of(4, 2, 3, 3)},
        "theta: expected shape (K, C / groups, f_h, f_w), where a is (m, C, H, W)",
        "theta (4, 2",
    ),
    ("conv2d_forward", {"b": of(3)}, "b: expected shape (K,), where theta is (K, C / groups, f_h, f_w)", "b (3,) float32"),
    ("conv2d_forward", {"groups": 3}, GROUPS, "groups 3"),  # K is 4
    ("conv2d_forward", {"groups": 2}, GROUPS, "groups 2"),  # C is 3
    (
        "conv2d_forward",
        {"theta": of(6, 3, 3, 3), "b": of(6), "groups": 3},
        "theta: expected shape (K, C / groups",
        "groups 3",
    ),
    ("conv2d_forward", {"dilation": (3, 2)}, "the window is larger than the padded image", "dilation (3, 2)"),
    ("conv2d_dz_to_dtheta", {"groups": 3}, GROUPS, "groups 3"),
    ("conv2d_dz_to_dtheta", {"dilation": (1, 2)}, "dz: expected shape (m, K, H', W')", "dilation (1, 2)"),
    ("conv2d_dz_to_da", {"groups": 3}, GROUPS, "groups 3"),
    ("conv2d_dz_to_da", {"dilation": 2}, "dz: expected shape (m, K, H', W'), where H'", "dilation (2, 2)"),
    ("conv2d_dz_to_dtheta", {"dz": of(1, 4, 3, 5)}, "dz: expected shape (m, K, H', W')", "dz (1, 4, 3, 5)"),
    ("conv2d_dz_to_dtheta", {"dz": of(2, 4, 5, 3)}, "dz: expected shape (m, K, H', W')", "dz (2, 4, 5, 3)"),
    ("conv2d_dz_to_dtheta", {"stride": 2}, "dz: expected shape (m, K, H', W')", "stride (2, 2)"),
    ("conv2d_dz_to_da", {"theta": of(5, 3, 3, 3)}, THETA_OF_DZ_IMAGES, ""),
    ("conv2d_dz_to_da", {"dz": of(2, 4, 3, 4)}, "dz: expected shape (m, K, H', W'), where H'", "dz (2, 4, 3, 4)"),
    ("conv2d_dz_to_da", {"input_size": (7, 5)}, "dz: expected shape (m, K, H', W'), where H'", "input_size (7, 5)"),
    ("conv2d_dz_to_da", {"input_size": -1}, "input_size: expected from 0 to 2**31 - 1", "input_size (-1, -1)"),
    (
        "conv2d_dz_to_da",
        {"input_size": (5, 2**31)},
        "input_size: expected from 0 to 2**31 - 1",
        "input_size (5, 2147483648)",
    ),
    ("max_pool2d_dz_to_da", {"dz": of(2, 3, 4, 4)}, "dz: expected shape (m, C, H', W')", "dz (2, 3, 4, 4)"),
    ("max_pool2d_dz_to_da", {"dz": of(2, 2, 3, 4)}, "dz: expected shape (m, C, H', W')", "dz (2, 2, 3, 4)"),
    ("avg_pool2d_dz_to_da", {"a": of(1, 3, 6, 8)}, "dz: expected shape (m, C, H', W')", "a (1, 3, 6, 8)"),
    ("softmax", {"z": of(7, 0)}, "z: expected shape (m, k) with at least one class", "z (7, 0)"),
    ("softmax_cross_entropy", {"z": of(7, 0)}, "z: expected shape (m, k) with at least one class", "z (7, 0)"),
    ("softmax_cross_entropy_dz", {"z": of(7, 0)}, "z: expected shape (m, k) with at least one class", "z (7, 0)"),
    ("softmax_cross_entropy", {"y": np.zeros(6, int)}, "y: expected shape (m,), where z is (m, k)", "y (6,) int64"),
    ("softmax_cross_entropy_dz", {"y": np.zeros(8, int)}, "y: expected shape (m,), where z is (m, k)", "y (8,) int64"),
    ("softmax_cross_entropy", {"y": of(7, 4)}, "y: expected the shape of the prediction", "y (7, 4) float32"),
    ("softmax_cross_entropy_dz", {"y": of(6, 5)}, "y: expected the shape of the prediction", "y (6, 5) float32"),
    ("sgd_step", {"dtheta": of(8)}, "dtheta: expected the shape of theta", "dtheta (8,)"),
    ("sgd_step", {"velocity": of(7, 1)}, "velocity: expected the shape of theta", "velocity (7, 1)"),
    ("adam_step", {"dtheta": of(6)}, "dtheta: expected the shape of theta", "dtheta (6,)"),
    ("adam_step", {"moments": of(3, 7)}, "moments: expected shape (2, *theta.shape)", "moments (3, 7)"),
    ("adam_step", {"moments": of(2, 8)}, "moments: expected shape (2, *theta.shape)", "moments (2, 8)"),
    ("adam_step", {"moments": of(14)}, "moments: expected shape (2, *theta.shape)", "moments (14,)"),
    ("adamw_step", {"moments": of(1, 11)}, "moments: expected shape (2, *theta.shape)", "moments (1, 11)"),
    ("adam_step", {"step": 0}, "step: expected at least 1", "step 0"),
    ("adamw_step", {"step": -1}, "step: expected at least 1", "step -1"),
    ("max_pool2d_forward", {"padding": 2}, "padding: expected less than size along each axis", "padding (2, 2)"),
    ("avg_pool2d_forward", {"size": (2, 4), "padding": (2, 1)}, "padding: expected less than size", "padding (2, 1)"),
]


@pytest.mark.parametrize(("name", "changes", "rule", "came"), SHAPES)
def test_rule(name, changes, rule, came):
    refuse(name, ValueError, f"{name}: {rule}", "; got ", came, **changes)


@pytest.mark.parametrize("name", ["dense_forward", "conv2d_forward"])
def test_names_of_activations(name):
    """The error lists the choices."""
    choices = "activation: expected one of identity, sigmoid, tanh, relu, leaky_relu, elu, softplus, silu, gelu, got "
    for wrong in ("ReLU", "", "softmax"):
        refuse(name, ValueError, f"{choices}{wrong!r}", activation=wrong)
    for wrong in (None, 3, ["relu"], np.zeros(2)):
        refuse(name, TypeError, choices, activation=wrong)


@pytest.mark.parametrize("name", [name for name in KERNELS if name.endswith("_da_to_dz")])
def test_activations_take_one_shape(name):
    for parameter in ("z", "a"):
        for shape in ((13, 7), (7, 1), (6, 13)):
            refuse(name, ValueError, f"{parameter}: expected the shape of da; got ", **{parameter: of(*shape)})


def test_activations_take_one_rank():
    for shape in ((), (7,), (1, 7, 13)):
        refuse("relu_da_to_dz", ValueError, "a: expected the shape of da; got ", f"a {shape} float32", a=of(*shape))
        refuse("relu_da_to_dz", ValueError, f"out: expected 2 dimensions, got {len(shape)}", out=of(*shape))


ELEMENTWISE_COSTS = [name for name in KERNELS if name.startswith(("sigmoid_cross", "binary", "mean"))]


@pytest.mark.parametrize("name", ELEMENTWISE_COSTS)
def test_elementwise_targets_take_the_shape_of_the_prediction(name):
    for shape in ((5, 7), (7, 1), (6, 5)):
        refuse(name, ValueError, "y: expected the shape of the prediction; got ", f"y {shape} float32", y=of(*shape))


@pytest.mark.parametrize("name", [*ELEMENTWISE_COSTS, "softmax_cross_entropy", "softmax_cross_entropy_dz"])
def test_empty_batch(name):
    """A mean over no samples does not exist."""
    prediction = next(iter(good(name)))
    y = np.zeros(0, int) if name.startswith("softmax") else of(0, 5)
    message = "a cost is a mean over samples: expected at least one; got "
    refuse(name, ValueError, message, f"{prediction} (0, 5) float32", **{prediction: of(0, 5), "y": y})


@pytest.mark.parametrize("name", ELEMENTWISE_COSTS)
def test_a_cost_needs_samples(name):
    prediction = next(iter(good(name)))
    message = f"{prediction}: expected at least 1 dimensions, got 0"
    refuse(name, ValueError, message, **{prediction: of(), "y": of()})


# Labels and rows -----------------------------------------------------------------------------------------------------

WITH_LABELS = ["softmax_cross_entropy", "softmax_cross_entropy_dz"]


@pytest.mark.parametrize("name", WITH_LABELS)
@pytest.mark.parametrize("label", [-1, 5, 127, -128])
@pytest.mark.parametrize("dtype", [np.int8, np.int64])
@pytest.mark.parametrize("place", [0, 6])
def test_labels_out_of_range(name, label, dtype, place):
    y = np.zeros(7, dtype)
    y[place] = label
    message = "y: expected labels from 0 to k - 1, where z is (m, k); got "
    refuse(name, IndexError, message, f"z (7, 5) float32, y (7,) {y.dtype}", y=y)


@pytest.mark.parametrize("name", WITH_LABELS)
def test_huge_labels(name):
    """That would be negative or small in a narrower integer."""
    for y in (np.full(7, 2**63, np.uint64), np.full(7, 2**64 - 1, np.uint64), np.full(7, 2**32, np.int64)):
        refuse(name, IndexError, "y: expected labels from 0 to k - 1", y=y)


@pytest.mark.parametrize("name", WITH_LABELS)
def test_kinds_of_labels(name):
    labels = np.zeros(7, np.int64)
    integer_rows = np.eye(5, dtype=np.int64)[labels]
    refuse(name, ValueError, "y: expected 2 dimensions, got 1", y=labels.astype(np.float32))
    refuse(name, ValueError, "y: expected 1 dimensions, got 2", y=integer_rows)
    for dtype in (bool, ">i8", object, "m8[s]"):
        message = f"y: expected dtype float32, float64 or integer labels, got {np.dtype(dtype)}"
        refuse(name, TypeError, message, y=labels.astype(dtype))


@pytest.mark.parametrize("name", WITH_LABELS)
@pytest.mark.parametrize(
    "row",
    [
        [0.25, 0.25, 0.25, 0.25, 0.25],
        [0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0.5, 0.49, 0, 0, 0],
        [0.5, 0.5, np.nan, 0, 0],
        [np.inf, 0, 0, 0, 0],
    ],
)
def test_rows_that_do_not_sum_to_one(name, row):
    y = np.eye(5, dtype=np.float32)[np.zeros(7, int)]
    y[6] = row
    refuse(name, ValueError, "y: expected rows that sum to one; got ", "y (7, 5) float32", y=y)


# Numbers, and the call itself ----------------------------------------------------------------------------------------

NUMBERS = {
    "lr": ("sgd_step", ["0.1", None, 1j, of(1), True], "a number"),
    "momentum": ("sgd_step", ["0.9", None, 1j, False], "a number"),
    "nesterov": ("sgd_step", [1, 0.0, None, "yes"], "True or False"),
    "step": ("adam_step", [1.0, None, "1", (1,), True], "an int"),
    "constants": ("adam_step", [(0.9, 0.999), None, 0.9, (0.9, 0.999, "1e-8"), "abc", (0.9, True, 1e-8)], "three numbers"),
    "weight_decay": ("adamw_step", ["0.1", None, 1j, False], "a number"),
}


@pytest.mark.parametrize("parameter", NUMBERS)
def test_number(parameter):
    name, wrongs, wanted = NUMBERS[parameter]
    for wrong in wrongs:
        refuse(name, TypeError, f"{name}: {parameter}: expected {wanted}, got ", **{parameter: wrong})


def test_numbers_of_other_kinds():
    """Ints and NumPy's scalars do for floats, and a list for a tuple."""
    for name, changes, same in (
        ("sgd_step", {"lr": 1, "momentum": np.float32(0.5)}, {"lr": 1.0, "momentum": 0.5}),
        ("sgd_step", {"lr": np.int64(1), "nesterov": np.True_}, {"lr": 1.0, "nesterov": True}),
        ("adam_step", {"step": np.uint8(3), "constants": [0, 0.5, 1]}, {"step": 3, "constants": (0.0, 0.5, 1.0)}),
    ):
        first, second = {**good(name), **changes}, {**good(name), **same}
        getattr(ops, name)(**first)
        getattr(ops, name)(**second)
        for written in WRITES[name]:
            assert np.array_equal(first[written], second[written])


@pytest.mark.parametrize("name", KERNELS)
def test_call(name):
    """A call with missing, unknown, repeated or too many arguments is refused as Python does: it names what is wrong."""
    function, call = getattr(ops, name), good(name)
    first = next(iter(call))
    for wrong, part in (
        (lambda: function(), f"'{first}'"),
        (lambda: function(**call, outt=1), "'outt'"),
        (lambda: function(call[first], **call), f"'{first}'"),
        (lambda: function(*range(20)), "positional arguments"),
    ):
        with pytest.raises(TypeError, match=f"^{name}") as caught:
            wrong()
        assert part in str(caught.value)
