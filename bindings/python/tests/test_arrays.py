import re
import unittest

import numpy as np

import radam


class Refused(unittest.TestCase):
    """What ctypes would pass on, and the library could not notice."""

    def setUp(self):
        self.opt = radam.Optimizer()
        self.addCleanup(self.opt.close)
        self.group = self.opt.add_group(lr=0.1)
        self.param = self.opt.add_param(self.group, np.ones(4, np.float32), np.ones(4, np.float32), "weight")

    def assert_refused(self, sentence, call, *arguments, **options):
        with self.assertRaisesRegex(radam.Error, sentence) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.status, radam.Status.INVALID_ARGUMENT)
        self.assertNotRegex(re.sub('"[^"]*"', "", str(raised.exception)), r"radam_|RADAM_|NULL|->|first_param|\bopt\b|params\[")

    def test_arrays_that_do_not_fit(self):
        other_order = np.ones(4, np.dtype(np.float32).newbyteorder())
        read_only = np.ones(4, np.float32)
        read_only.flags.writeable = False
        for array, sentence in (
            ([1.0] * 4, 'grad of "weight" is a list; it must be a numpy array'),
            (np.ones(3, np.float32), "has 3 elements; it must have 4"),
            (np.ones(4, np.float64), "is float64; it must be float32"),
            (np.ones(4, np.int32), "is int32; it must be float32, float64, float16 or bfloat16"),
            (np.ones(8, np.float32)[::2], r"has strides \(8,\); it must be contiguous"),
            (np.ones((2, 2), np.float32).T, "must be contiguous"),
            (other_order, "byte order"),
            (read_only, "read-only"),
        ):
            self.assert_refused(sentence, self.opt.set_grad, self.param, array)

    def test_what_is_no_array(self):
        self.assert_refused("data is a list", self.opt.add_param, self.group, [1.0])
        self.assert_refused("grad is a list", self.opt.add_param, self.group, np.ones(1), [1.0])
        self.assert_refused("exp_avg is a list", self.opt.add_param, self.group, np.ones(1), exp_avg=[1.0])

    def test_a_gradient_of_another_dtype_needs_a_word(self):
        weight, grad = np.ones(4, np.float32), np.ones(4)  # NumPy's own dtype is float64
        sentence = 'grad of "w" is float64, and the parameter float32; if that is meant, pass grad_dtype too'
        self.assert_refused(sentence, self.opt.add_param, self.group, weight, grad, "w")
        self.assert_refused("grad is float64; it must be float16", self.opt.add_param, self.group, weight, grad,
                            grad_dtype="f16")
        self.assert_refused("grad is float32, and the parameter bfloat16|uint16", self.opt.add_param, self.group,
                            np.ones(4, np.uint16), weight, dtype="bf16")
        self.opt.add_param(self.group, weight, grad, "w", grad_dtype=np.float64)
        state = np.zeros(4, np.float32), np.zeros(4, np.float32)
        self.assert_refused("grad is float64", radam.update, np.ones(4, np.float32), grad, *state, 1, lr=1)
        radam.update(np.ones(4, np.float32), grad, *state, 1, lr=1, grad_dtype="f64")

    def test_none_is_named(self):
        for sentence, call, *arguments in (
            ("data is a NoneType", self.opt.add_param, self.group, None),
            ("dtype is None", self.opt.add_unbound, self.group, 4, None),
            ("name is None", self.opt.param_id, None),
            ("name is 3", self.opt.add_param, self.group, np.ones(1), None, 3),
            ("name is .* without NUL", self.opt.add_param, self.group, np.ones(1), None, "a\0b"),
            ("sums is a int; it must be a GradSums", self.opt.measure, 5),
        ):
            self.assert_refused(sentence, call, *arguments)
        self.assert_refused("grad_sums is a int", self.opt.step, grad_sums=5)
        for call in (self.opt.set_lr, self.opt.set_weight_decay):
            with self.assertRaisesRegex(TypeError, "is None; it must be a number"):
                call(self.group, None)
        with self.assertRaises(ValueError):
            self.opt.state(self.param, "exp_avg")
        sums = radam.GradSums()
        for call in (lambda: sums + None, lambda: self.opt.load_shards("one.radam")):
            self.assertRaises(TypeError, call)
        sums.words[3] = -1
        self.assert_refused(r"sums.words\[3\] is -1", lambda: sums.norm)
        self.assert_refused("first is 7 and count is 0", self.opt.set_tensors, 7)

    def test_uint16_needs_a_word(self):
        self.assert_refused('pass "bf16" as its dtype', self.opt.add_param, self.group, np.ones(4, np.uint16))
        self.assert_refused("is float32; it must be", self.opt.add_param, self.group, np.ones(4, np.float32), dtype="bf16")

    def test_lengths_must_be_those_of_data(self):
        for what in ("grad", "copy", "exp_avg", "exp_avg_sq"):
            self.assert_refused(f"{what} has 3 elements; it must have 4", self.opt.add_param, self.group,
                                np.ones(4), **{what: np.ones(3)})

    def test_overlaps_are_refused_by_the_library(self):
        both = np.ones(8, np.float32)
        self.opt.add_param(self.group, both[:5])
        self.assert_refused("^data is 0x.* overlap", self.opt.add_param, self.group, both[4:])

    def test_the_librarys_own_sentence_and_status(self):
        self.assert_refused("lr is -1.0", self.opt.set_lr, self.group, -1)
        self.assert_refused("group", self.opt.add_param, 7, np.ones(1))
        self.assert_refused("num_threads is -1", radam.Optimizer, num_threads=-1)
        self.assert_refused("num_threads", radam.Optimizer, num_threads=5000)

    def test_nothing_has_changed_after_refusals(self):
        self.assertEqual(self.opt.step_with().params_stepped, 1)
        self.assertEqual(self.opt.step_count(self.param), 1)

    def test_names_of_dtypes(self):
        for name in ("f32", "float32", np.float32, np.dtype("f4"), radam.DType.F32):
            self.opt.add_unbound(self.group, 1, name)
        for name in ("float8", "f8e4", np.int64):
            with self.assertRaises((radam.Error, TypeError)):
                self.opt.add_unbound(self.group, 1, name)
