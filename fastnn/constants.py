"""Numbers that both backends share, each with its source."""

LEAKY_SLOPE = 0.01  # of leaky_relu where z < 0: Maas, Hannun and Ng (2013)
ADAM = (0.9, 0.999, 1e-8)  # beta_1, beta_2 and epsilon: Kingma and Ba (2014)
BATCH = 256  # samples that `predict` and `evaluate` take at a time
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

# How sums over windows are computed, likewise; WINOGRAD and SAMPLES have no names: wherever they can be, for tests.
AUTO, DIRECT, WINOGRAD, SAMPLES = range(4)
ALGORITHM_CODES = {"auto": AUTO, "direct": DIRECT}
ALGORITHM_BITS = 3
# In a network's table beside one of these, what is known of all its slices: how da and dtheta are summed, and times the last
# two, how many samples are enough for a vector of lanes, forward and back. Networks that run by it compile nothing to work
# it out.
GATHERED, SCATTERED, BY_ROWS, BY_LANES = 4, 8, 16, 32
FEWEST, FEWEST_BACK, FEWEST_LIMIT = 64, 64 << 16, 1 << 16

# Losses by number, likewise.
SOFTMAX_CROSS_ENTROPY, SIGMOID_CROSS_ENTROPY, BINARY_CROSS_ENTROPY, MEAN_SQUARED_ERROR = range(4)
LOSS_CODES = {
    "softmax_cross_entropy": SOFTMAX_CROSS_ENTROPY,
    "sigmoid_cross_entropy": SIGMOID_CROSS_ENTROPY,
    "binary_cross_entropy": BINARY_CROSS_ENTROPY,
    "mean_squared_error": MEAN_SQUARED_ERROR,
}

# Optimisers by number, likewise; their settings are METHOD, LR and so on. AdamW is Adam with a DECAY.
SGD_METHOD, ADAM_METHOD = range(2)
METHOD, LR, MOMENTUM, NESTEROV, BETA_1, BETA_2, EPSILON, DECAY = range(8)
SETTINGS = 8

# SplitMix64 by Steele et al. (2014): the step of its counter, and its finaliser's shifts and factors but for the last shift.
GOLDEN = 0x9E3779B97F4A7C15
MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
