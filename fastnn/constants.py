"""Numbers that both backends share, each with its source."""

LEAKY_SLOPE = 0.01  # of leaky_relu where z < 0: Maas, Hannun and Ng (2013)
ADAM = (0.9, 0.999, 1e-8)  # beta_1, beta_2 and epsilon: Kingma and Ba (2014)
ROW_SUM_TOLERANCE = 1e-3  # of a target's rows, which sum to one: wide enough for float32 and a thousand classes

# Activations by number, for compiled code that looks up which g a layer has, and under the names that layers take.
IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SOFTPLUS, SILU, GELU = range(9)
ACTIVATION_CODES = {
    "identity": IDENTITY,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "softplus": SOFTPLUS,
    "silu": SILU,
    "gelu": GELU,
}
NEEDS_Z = (SOFTPLUS, SILU, GELU)  # those whose backward step needs z; for all others a may stand for z, with the same result
