"""Trains a small network on handwritten digits with radam, in plain NumPy.

    python train_digits.py digits.csv

digits.csv has 1797 rows of 64 pixels from 0 to 16 and a label; a fifth of them, drawn at random, is the test set.

SPDX: MIT OR Apache-2.0
"""

import sys

import numpy as np

import radam

HIDDEN, EPOCHS, BATCH, MAX_LR = 64, 40, 32, 0.01


def read_digits(path, random):
    rows = random.permutation(np.loadtxt(path, delimiter=",", dtype=np.float32))
    images, labels = np.ascontiguousarray(rows[:, :64]) / 16, rows[:, 64].astype(int)
    test = len(rows) // 5
    return (images[:-test], labels[:-test]), (images[-test:], labels[-test:])


class Network:
    """64 pixels, a hidden layer of tanh, and a score for each of the 10 digits."""

    def __init__(self, random):
        sizes = {"hidden.weight": (64, HIDDEN), "hidden.bias": HIDDEN, "output.weight": (HIDDEN, 10), "output.bias": 10}
        self.params = {name: (0.1 * random.standard_normal(size)).astype(np.float32) for name, size in sizes.items()}
        self.grads = {name: np.zeros_like(param) for name, param in self.params.items()}

    def scores(self, images):
        p = self.params
        hidden = np.tanh(images @ p["hidden.weight"] + p["hidden.bias"])
        return hidden, hidden @ p["output.weight"] + p["output.bias"]

    def backward(self, images, labels):
        """Fills the gradients of the mean cross entropy, which it returns."""
        hidden, scores = self.scores(images)
        likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
        likelihood /= likelihood.sum(axis=1, keepdims=True)
        chosen = np.arange(len(labels)), labels
        loss = -np.log(likelihood[chosen]).mean()
        likelihood[chosen] -= 1
        of_scores = likelihood / len(labels)
        of_hidden = of_scores @ self.params["output.weight"].T * (1 - hidden**2)
        # In place, since the optimizer has these arrays.
        for layer, inputs, delta in (("output", hidden, of_scores), ("hidden", images, of_hidden)):
            np.matmul(inputs.T, delta, out=self.grads[f"{layer}.weight"])
            np.sum(delta, axis=0, out=self.grads[f"{layer}.bias"])
        return loss


def main():
    random = np.random.default_rng(1)
    (images, labels), (test_images, test_labels) = read_digits(sys.argv[1], random)
    network = Network(random)
    with radam.Optimizer() as opt:
        group = opt.add_group(lr=MAX_LR, weight_decay=0.1, decouple_wd=True)
        for name, param in network.params.items():
            opt.add_param(group, param, network.grads[name], name)
        for epoch in range(EPOCHS):
            opt.set_lr(group, MAX_LR * (1 - epoch / EPOCHS))
            order = random.permutation(len(labels))
            for first in range(0, len(order), BATCH):
                batch = order[first : first + BATCH]
                loss = network.backward(images[batch], labels[batch])
                opt.step(max_grad_norm=1)
            if epoch % 10 == 9:
                print(f"epoch {epoch + 1}  loss {loss:.5f}")
    correct = network.scores(test_images)[1].argmax(axis=1) == test_labels
    print(f"test accuracy {100 * correct.mean():.2f} %")


if __name__ == "__main__":
    main()
