"""State of 8 bits."""

import unittest

import numpy as np

import radam
from radam import DType, State

LEN, BLOCKS = 5000, 40
OPTIONS = dict(lr=0.01, state_dtype="q8", seed=7)
ARRAYS = {State.EXP_AVG: np.int8, State.EXP_AVG_SQ: np.uint8, State.STATE_SCALE: np.uint32}


def codes():
    return {which.name.lower(): np.zeros(BLOCKS if which == State.STATE_SCALE else LEN, dtype)
            for which, dtype in ARRAYS.items()}


def decoded(state):
    """The averages, by the description in docs/q8.md."""
    word = state["state_scale"].repeat(128)[:LEN]
    low = word & 0xFFFF
    lowest = low & -low
    shift = np.where(low == 0, 19, 16 + np.log2(np.maximum(lowest, 1)).astype(np.uint32))
    base = (low ^ lowest) << 15
    square = state["exp_avg_sq"].astype(np.uint32)
    root = np.where(square == 0, 0, base + (square << shift)).astype(np.uint32).view(np.float32)
    direction = state["exp_avg"] * ((word & 0xFFFF0000).view(np.float32) / np.float32(126))
    return direction * (root + np.float32(1e-6)), root * root


class Q8(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(3)
        self.opt = radam.Optimizer(num_threads=2)
        self.addCleanup(self.opt.close)
        self.group = self.opt.add_group(**OPTIONS)
        self.param, self.grad = np.ones(LEN, np.float32), np.zeros(LEN, np.float32)

    def train(self, steps=8):
        for _ in range(steps):
            self.grad[:] = self.random.standard_normal(LEN)
            self.opt.step()
            yield

    def test_the_same_codes_everywhere(self):
        id_ = self.opt.add_param(self.group, self.param, self.grad)
        placed, loose, loose_param = codes(), codes(), np.ones(LEN, np.float32)
        with radam.Optimizer(num_threads=2) as given:
            given_param = np.ones(LEN, np.float32)
            given.add_param(given.add_group(**OPTIONS), given_param, self.grad, **placed)
            for step, _ in enumerate(self.train(), 1):
                given.step()
                radam.update(loose_param, self.grad, **loose, step=step, **OPTIONS)
                for each in (given_param, loose_param):
                    np.testing.assert_array_equal(each, self.param)
                for which, dtype in ARRAYS.items():
                    state = self.opt.state(id_, which)
                    self.assertEqual(state.dtype, dtype)
                    for each in (placed, loose):
                        np.testing.assert_array_equal(each[which.name.lower()], state)
        self.assertTrue(placed["state_scale"].all())

    def test_codes_are_of_the_averages(self):
        id_ = self.opt.add_param(self.group, self.param, self.grad)
        exact, wide = self.param.copy(), radam.Optimizer()
        self.addCleanup(wide.close)
        wide_id = wide.add_param(wide.add_group(lr=0.01), exact, self.grad)
        for _ in self.train(20):
            wide.step()
        mean, square = decoded(self.opt.state_dict()["state"][self.opt.param_name(id_)])
        for average, which in ((mean, State.EXP_AVG), (square, State.EXP_AVG_SQ)):
            expected = wide.state(wide_id, which)
            error = np.sqrt(((average - expected) ** 2).mean() / (expected**2).mean())
            self.assertLess(error, 0.2)

    def test_dicts_and_changes_of_state_dtype(self):
        id_ = self.opt.add_param(self.group, self.param, self.grad)
        list(self.train())
        saved, param = self.opt.state_dict(), self.param.copy()
        self.assertEqual(saved["param_groups"][0]["state_dtype"], DType.Q8)
        self.grad[:] = 1
        self.opt.step()
        expected = self.param.copy()
        self.opt.reset_state()
        self.param[:] = param
        self.opt.load_state_dict(saved)
        self.opt.step()
        np.testing.assert_array_equal(self.param, expected)
        self.opt.set_options(self.group, state_dtype="f32")
        self.assertEqual(self.opt.state(id_, State.EXP_AVG).dtype, np.float32)
        self.assertIsNone(self.opt.state(id_, State.STATE_SCALE))
        with self.assertRaisesRegex(radam.Error, "exp_avg of .* is int8 of 5000 elements; it must be float32|only one side"):
            self.opt.load_state_dict(saved)

    def test_small_tensors_keep_float32(self):
        small = np.ones(4095, np.float16)
        id_ = self.opt.add_param(self.group, small, exp_avg=np.zeros(4095, np.float32))
        self.assertEqual(self.opt.state(id_, State.EXP_AVG).dtype, np.float32)

    def test_compensations_have_the_dtype_of_the_parameter(self):
        half, grad, placed = np.ones(LEN, np.float16), np.full(LEN, 0.1, np.float16), codes()
        placed["kahan_comp"] = np.zeros(LEN, np.float16)
        id_ = self.opt.add_param(self.group, half, grad, **placed)
        loose, loose_half = {**codes(), "kahan_comp": np.zeros(LEN, np.float16)}, half.copy()
        for step in range(1, 4):
            self.opt.step()
            radam.update(loose_half, grad, **loose, step=step, **OPTIONS)
        self.assertTrue(placed["kahan_comp"].any())
        np.testing.assert_array_equal(self.opt.state(id_, State.KAHAN_COMP), loose["kahan_comp"])
        np.testing.assert_array_equal(loose_half, half)
        with self.assertRaisesRegex(radam.Error, "kahan_comp is float32; it must be float16"):
            self.opt.add_param(self.group, half.copy(), kahan_comp=np.zeros(LEN, np.float32))
        self.opt.add_param(self.group, np.ones(9, np.float16), kahan_comp=np.zeros(9, np.float32))

    def test_what_is_refused(self):
        add = self.opt.add_param
        for call, words in (
            (lambda: add(self.group, self.param, dtype="q8"), "dtype of data is q8, which is for state_dtype only"),
            (lambda: add(self.group, self.param, grad_dtype=DType.Q8), "grad_dtype is q8, which is for state_dtype only"),
            (lambda: self.opt.add_unbound(self.group, 9, "q8"), "dtype is q8"),
            (lambda: add(self.group, np.ones(LEN)), "state_dtype is q8"),
            (lambda: add(self.group, self.param, exp_avg=self.grad), "exp_avg must be an int8 array, since the state"),
            (lambda: add(self.group, self.param, exp_avg_sq=np.zeros(LEN, np.int8)), "exp_avg_sq must be a uint8 array"),
            (lambda: add(self.group, self.param, state_scale=np.zeros(41, np.uint32)), "has 41 elements; it must have 40"),
            (lambda: add(self.group, self.param, tensor_offset=100, tensor_len=9000), "tensor_offset is 100"),
            (lambda: self.opt.add_group(lr=1, state_dtype="q4"), "q4"),
            (lambda: radam.update(self.param, self.grad, **{**codes(), "exp_avg": self.grad}, step=1, lr=1),
             "exp_avg must be an int8 array"),
            (lambda: radam.update(self.param, self.grad, **{**codes(), "state_scale": np.zeros(1, np.uint32)}, step=1, lr=1),
             "state_scale has 1 elements; it must have 40"),
        ):
            with self.assertRaisesRegex((radam.Error, TypeError), words):
                call()
