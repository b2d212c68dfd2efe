"""Trains the network of train_digits.cpp in Python with torch.optim.RAdam, and prints the same lines.

eps is applied before bias correction in torch.optim.RAdam, so it is that of radam times sqrt(1 - beta2^t).

usage: reference.py f32|f64 [digits.csv [cpu|cuda]]     SPDX: MIT OR Apache-2.0
"""

import math
import sys

import torch

PIXELS, TRAINING_IMAGES, BATCH, STEPS, LEARNING_RATE = 64, 1437, 64, 300, 0.01


def train(dtype: torch.dtype, path: str, device: str):
    with open(path) as file:
        rows = torch.tensor([[float(number) for number in row.split(",")] for row in file])
    images, labels = (rows[:, :PIXELS] / 16).to(device, dtype), rows[:, PIXELS].long().to(device)
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(PIXELS, 128), torch.nn.Tanh(), torch.nn.Linear(128, 10))
    model.to(device, dtype)
    optimizer = torch.optim.RAdam(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.999))
    group = optimizer.param_groups[0]
    for step in range(1, STEPS + 1):
        first = step * BATCH % (TRAINING_IMAGES - BATCH)
        logits = model(images[first : first + BATCH])
        loss = torch.nn.functional.cross_entropy(logits, labels[first : first + BATCH])
        optimizer.zero_grad()
        loss.backward()
        group["lr"] = LEARNING_RATE * (STEPS - step + 1) / STEPS
        group["eps"] = 1e-6 * math.sqrt(1 - 0.999**step)
        optimizer.step()
        if step % 10 == 0:
            print(f"step {step:3}  loss {loss.item():.15g}")
    correct = model(images[TRAINING_IMAGES:]).argmax(1) == labels[TRAINING_IMAGES:]
    print(f"test accuracy {100 * correct.double().mean():.2f} %")


if __name__ == "__main__":
    dtype, path, device = sys.argv[1:] + ["examples/data/digits.csv", "cpu"][len(sys.argv) - 2 :]
    train({"f32": torch.float32, "f64": torch.float64}[dtype], path, device)
