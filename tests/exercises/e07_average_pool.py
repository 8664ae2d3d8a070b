"""Answer 7: each pixel of a window gets a fourth of its dy."""
from experiments.shared.exercises.e07_average_pool import AveragePool as Start


class AveragePool(Start):
    def backward(self, dy, cache):
        return dy.repeat(2, 2).repeat(2, 3) / 4
