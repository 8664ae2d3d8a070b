"""Answer 3: dW = x^T dy, (D, N) (N, H); db is the sum of dy over the images."""
from experiments.shared.exercises.e03_dense import Dense as Start


class Dense(Start):
    def gradients(self, dy, x):
        return [x.T @ dy, dy.sum(0)]
