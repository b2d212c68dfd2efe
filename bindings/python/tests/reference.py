"""RAdam in plain NumPy, as the paper and optimi have it, for the tests to compare with."""

import math

import numpy as np


class Reference:
    def __init__(self, param, lr, beta1=0.9, beta2=0.99, eps=1e-6, weight_decay=0.0, decouple_wd=False, maximize=False):
        self.param = param.astype(np.float64)
        self.exp_avg, self.exp_avg_sq = np.zeros_like(self.param), np.zeros_like(self.param)
        self.lr, self.betas, self.eps, self.weight_decay = lr, (beta1, beta2), eps, weight_decay
        self.decouple_wd, self.maximize, self.t = decouple_wd, maximize, 0

    def step(self, grad):
        grad = grad.astype(np.float64) * (-1 if self.maximize else 1)
        self.t += 1
        if self.decouple_wd:
            self.param *= 1 - self.lr * self.weight_decay
        else:
            grad = grad + self.weight_decay * self.param
        hat = [(beta**self.t - beta) / (beta**self.t - 1) for beta in self.betas]
        self.exp_avg = hat[0] * self.exp_avg + (1 - hat[0]) * grad
        self.exp_avg_sq = hat[1] * self.exp_avg_sq + (1 - hat[1]) * grad**2
        beta2 = self.betas[1]
        limit = 2 / (1 - beta2) - 1
        rho = limit - 2 * self.t * beta2**self.t / (1 - beta2**self.t)
        if rho <= 5:
            self.param -= self.lr * self.exp_avg
            return
        r = math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
        self.param -= self.lr * r * self.exp_avg / (np.sqrt(self.exp_avg_sq) + self.eps)
