"""The nets of Tables 1 and 2, by name."""
MODELS = ["FC10(1e-4)", "FC10(1e-2)", "FC10(1)", "FC100-100-10", "FC200-200-10", "AE400-10"]
BEYOND = ["FC100-100-10 again", "LeNet"]    # the same net from another start; a conv net
