"""Which ints and numbers a kernel refuses whatever they stand for: bools, and what compiled code has no type for."""

import pytest
from refusals import PAIRS, WITH_WINDOWS, good, refuse

HUGE = 2**70  # no int64: compiled code could not take it


@pytest.mark.parametrize("name", WITH_WINDOWS)
def test_ints_of_more_than_64_bits(name):
    for parameter in PAIRS & set(good(name)):
        for wrong, came in ((HUGE, "an int of 71 bits"), ((1, -HUGE), "(1, an int of 71 bits)"), ([2**63, 1], "list")):
            message = f"{name}: {parameter}: expected an int or a pair of ints of 64 bits, got {came}"
            refuse(name, ValueError, message, **{parameter: wrong})


def test_numbers_of_more_than_64_bits():
    for name, parameter, wanted in (
        ("dropout", "seed", "an int"),
        ("adam_step", "step", "an int"),
        ("conv2d_forward", "groups", "an int"),
    ):
        refuse(name, ValueError, f"{name}: {parameter}: expected {wanted} of 64 bits, got an int of ", **{parameter: HUGE})
    refuse("sgd_step", ValueError, "sgd_step: lr: expected a number of 64 bits, got an int of 3322 bits", lr=10**1000)


@pytest.mark.parametrize("name", WITH_WINDOWS)
def test_bools_are_no_counts(name):
    for parameter in PAIRS & set(good(name)):
        for wrong in (True, (1, False)):
            message = f"{name}: {parameter}: expected an int or a pair of ints, got {wrong!r}"
            refuse(name, TypeError, message, **{parameter: wrong})


def test_bools_are_no_ints():
    for name, parameter in (("dropout", "seed"), ("adam_step", "step"), ("conv2d_forward", "groups")):
        refuse(name, TypeError, f"{name}: {parameter}: expected an int, got True", **{parameter: True})
