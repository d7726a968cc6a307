"""Numbers that both backends share, each with its source."""

LEAKY_SLOPE = 0.01  # of leaky_relu where z < 0: Maas, Hannun and Ng (2013)
ADAM = (0.9, 0.999, 1e-8)  # beta_1, beta_2 and epsilon: Kingma and Ba (2014)
ROW_SUM_TOLERANCE = 1e-3  # of a target's rows, which sum to one: wide enough for float32 and a thousand classes
