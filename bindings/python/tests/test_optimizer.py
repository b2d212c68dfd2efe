import unittest

import numpy as np

import radam
from radam import State, Status
from reference import Reference

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None


def gradients(count, len_, seed=1):
    random = np.random.default_rng(seed)
    return [random.standard_normal(len_) for _ in range(count)]


def bits_of_bfloat16(values):
    """Of values that bfloat16 has exactly."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def from_bits(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


class Formula(unittest.TestCase):
    def assert_formula(self, dtype, tolerance, **options):
        param, grad = np.linspace(-1, 1, 50).astype(dtype).reshape(5, 10), np.zeros((5, 10), dtype)
        expected = Reference(param.reshape(-1), **options)
        with radam.Optimizer() as opt:
            opt.add_param(opt.add_group(**options), param, grad)
            for values in gradients(60, 50):
                grad.reshape(-1)[:] = values
                expected.step(grad.reshape(-1))
                opt.step()
            error = np.abs(param.reshape(-1).astype(np.float64) - expected.param).max()
            self.assertLess(error, tolerance, options)
            self.assertGreater(np.abs(expected.param - np.linspace(-1, 1, 50)).max(), 0.05)

    def test_every_option_of_the_formula(self):
        for options in (
            dict(lr=0.01),
            dict(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-3),
            dict(lr=0.01, weight_decay=0.1),
            dict(lr=0.01, weight_decay=0.1, decouple_wd=True),
            dict(lr=0.01, maximize=True),
        ):
            self.assert_formula(np.float64, 1e-14, **options)
            self.assert_formula(np.float32, 1e-6, **options)

    def test_16_bits(self):
        self.assert_formula(np.float16, 2e-3, lr=0.01)
        if ml_dtypes is not None:
            self.assert_formula(ml_dtypes.bfloat16, 2e-2, lr=0.01)

    def test_bfloat16_as_uint16(self):
        start = from_bits(bits_of_bfloat16(np.linspace(-1, 1, 8)))
        param, grad = bits_of_bfloat16(start), np.zeros(8, np.uint16)
        expected = Reference(start, lr=0.05)
        with radam.Optimizer() as opt:
            id_ = opt.add_param(opt.add_group(lr=0.05), param, grad, dtype="bf16")
            self.assertEqual(opt._param(id_).grad_dtype, radam.DType.BF16)
            for values in gradients(40, 8):
                grad[:] = bits_of_bfloat16(values)
                expected.step(from_bits(grad))
                opt.step()
        self.assertLess(np.abs(from_bits(param) - expected.param).max(), 1e-2)

    def test_gradients_of_another_dtype_and_a_copy(self):
        param, grad, copy = np.ones(9, np.float32), np.zeros(9, np.float16), np.zeros(9, np.float16)
        expected = Reference(param, lr=0.01)
        with radam.Optimizer() as opt:
            opt.add_param(opt.add_group(lr=0.01), param, grad, grad_dtype="float16", copy=copy)
            for values in gradients(20, 9):
                grad[:] = values
                expected.step(grad)
                opt.step()
        self.assertLess(np.abs(param - expected.param).max(), 1e-6)
        np.testing.assert_array_equal(copy, param.astype(np.float16))

    def test_update_without_an_optimizer(self):
        for dtype in (np.float64, np.float16):
            param, other = np.ones(6, dtype), np.ones(6, dtype)
            state, grad = [np.zeros(6, dtype) for _ in range(3)], np.zeros(6, dtype)
            with radam.Optimizer() as opt:
                opt.add_param(opt.add_group(lr=0.1), other, grad)
                for step, values in enumerate(gradients(10, 6), 1):
                    grad[:] = values
                    opt.step()
                    radam.update(param, grad, state[0], state[1], step, state[2], lr=0.1)
            np.testing.assert_array_equal(param, other)

    def test_update_refuses_what_does_not_fit(self):
        four = np.zeros(4)
        for arguments, sentence in (
            ((four, np.zeros(3), four.copy(), four.copy(), 1), "grad has 3 elements; it must have 4, as param has 4"),
            ((four, four.copy(), four.copy(), np.zeros(4, np.float32), 1), "exp_avg_sq is float32; it must be float64"),
            ((four, four.copy(), four.copy(), four.copy(), 0), "step is 0"),
            ((four, four.copy(), four.copy(), four.copy(), -1), "step is -1"),
            ((four, four.copy(), four.copy(), four.copy(), 1, np.zeros(4, np.int16)), "kahan_comp is int16"),
            ((four, [0] * 4, four.copy(), four.copy(), 1), "grad is a list"),
        ):
            with self.assertRaisesRegex(radam.Error, sentence):
                radam.update(*arguments, lr=0.1)
        half = [np.zeros(4, np.uint16) for _ in range(5)]
        with self.assertRaisesRegex(radam.Error, "int16 array, since master_remainder is on"):
            radam.update(*half[:4], 1, half[4], "bf16", lr=0.1, master_remainder=True)
        half[4] = half[4].view(np.int16)
        radam.update(*half[:4], 1, half[4], "bf16", lr=0.1, master_remainder=True)


class Registration(unittest.TestCase):
    def setUp(self):
        self.opt = radam.Optimizer(num_threads=1)
        self.addCleanup(self.opt.close)
        self.group = self.opt.add_group(lr=0.1)

    def add(self, len_=4, **options):
        param, grad = np.ones(len_), np.ones(len_)
        return param, grad, self.opt.add_param(self.group, param, grad, **options)

    def test_names_and_ids(self):
        *_, first = self.add(name="wäight")
        *_, second = self.add()
        self.assertEqual((first, second), (0, 1))
        self.assertEqual(self.opt.param_name(first), "wäight")
        self.assertEqual(self.opt.param_id("param.1"), second)
        self.assertEqual(self.opt.group_of(second), self.group)
        with self.assertRaisesRegex(radam.Error, "name"):
            self.opt.param_id("other")

    def test_options(self):
        group = self.opt.add_group(lr=0.5, weight_decay=0.1, decouple_wd=True, state_dtype="f32", seed=2**64 - 1)
        options = self.opt.options(group)
        self.assertEqual((options["decouple_wd"], options["rectify"]), (True, None))
        self.assertEqual((options["state_dtype"], options["seed"], options["eps"]), (radam.DType.F32, 2**64 - 1, 1e-6))
        self.opt.set_options(group, beta2=0.5, rectify=False)
        self.assertEqual(self.opt.options(group), {**options, "beta2": 0.5, "rectify": False})
        with self.assertRaisesRegex(radam.Error, "beta1 is 2.0"):
            self.opt.set_options(group, beta1=2, beta2=0.1)
        self.assertEqual(self.opt.options(group)["beta2"], 0.5)
        self.opt.set_lr(group, 0.25)
        self.opt.set_weight_decay(group, 0.75)
        self.assertEqual((self.opt.lr(group), self.opt.weight_decay(group)), (0.25, 0.75))
        for wrong in (dict(seed=-1), dict(seed=2**64), dict(rectify=2), dict(state_dtype="int8"), dict(lr=float("nan"))):
            with self.assertRaises(radam.Error):
                self.opt.set_options(group, **wrong)
        with self.assertRaisesRegex(TypeError, "no option 'learning_rate'"):
            self.opt.set_options(group, learning_rate=1)
        with self.assertRaisesRegex(ValueError, "lr is 'fast'; it must be a number"):
            self.opt.set_options(group, lr="fast")
        with self.assertRaisesRegex(TypeError, "group is a ndarray; it must be an int"):
            self.opt.add_param(np.zeros(3), np.zeros(3))

    def test_a_group_report_tells_the_next_step(self):
        self.add()
        self.assertFalse(self.opt.group_report(self.group).rectified)
        for _ in range(20):
            self.opt.step()
        report = self.opt.group_report(self.group)
        self.assertTrue(report.rectified)
        self.assertEqual(report.step, 21)
        self.assertAlmostEqual(report.effective_lr, 0.1 * report.r)

    def test_frozen_and_removed_parameters(self):
        param, grad, id_ = self.add(name="a")
        self.opt.set_frozen(id_)
        self.assertTrue(self.opt.is_frozen(id_))
        self.opt.step()
        self.assertEqual(param[0], 1)
        self.opt.set_frozen(id_, False)
        self.opt.step()
        self.assertNotEqual(param[0], 1)
        self.opt.remove_param(id_)
        with self.assertRaises(radam.Error) as raised:
            self.opt.set_grad(id_, grad)
        self.assertEqual(raised.exception.status, Status.INVALID_ARGUMENT)
        self.assertEqual(self.opt.add_param(self.group, param, grad, "a"), 1)

    def test_step_counts_and_reset(self):
        *_, id_ = self.add()
        self.opt.step()
        self.opt.set_step_count(id_, 41)
        self.opt.step()
        self.assertEqual(self.opt.step_count(id_), 42)
        self.opt.reset_state(id_)
        self.assertEqual(self.opt.step_count(id_), 0)
        np.testing.assert_array_equal(self.opt.state(id_, State.EXP_AVG), np.zeros(4))
        self.opt.step()
        self.opt.reset_state()
        self.assertEqual(self.opt.step_count(id_), 0)

    def test_minus_one_is_not_all_parameters(self):
        *_, id_ = self.add()
        self.opt.step()
        for call in (self.opt.reset_state, self.opt.remove_param, self.opt.step_count, self.opt.set_frozen):
            with self.assertRaisesRegex(radam.Error, "param is -1"):
                call(-1)
        self.assertEqual(self.opt.step_count(id_), 1)

    def test_accumulation(self):
        param, _, id_ = self.add()
        self.opt.optimizer_accumulation = True
        self.assertTrue(self.opt.optimizer_accumulation)
        self.opt.step()
        self.assertEqual((param[0], self.opt.step_count(id_)), (1, 1))
        self.opt.optimizer_accumulation = False
        self.opt.step()
        self.assertLess(param[0], 1)

    def test_state(self):
        param, grad, id_ = self.add()
        self.opt.step()
        average = self.opt.state(id_, State.EXP_AVG)
        np.testing.assert_array_equal(average, grad)
        self.assertIsNone(self.opt.state(id_, State.KAHAN_COMP))
        self.opt.set_state(id_, State.EXP_AVG, 2 * average)
        np.testing.assert_array_equal(self.opt.state(id_, State.EXP_AVG), 2 * average)
        average[:] = 0  # a copy
        np.testing.assert_array_equal(self.opt.state(id_, State.EXP_AVG), 2 * grad)
        for wrong in (np.zeros(3), np.zeros(4, np.float32)):
            with self.assertRaisesRegex(radam.Error, "exp_avg of"):
                self.opt.set_state(id_, State.EXP_AVG, wrong)
        with self.assertRaisesRegex(radam.Error, "no kahan_comp"):
            self.opt.set_state(id_, State.KAHAN_COMP, np.zeros(4))

    def test_state_in_arrays_of_the_caller(self):
        average, square, comp = (np.zeros(4, np.float16) for _ in range(3))
        param, grad = np.ones(4, np.float16), np.ones(4, np.float16)
        self.opt.add_param(self.group, param, grad, exp_avg=average, exp_avg_sq=square, kahan_comp=comp)
        self.opt.step()
        np.testing.assert_array_equal(average, grad)
        with self.assertRaisesRegex(radam.Error, "exp_avg is float64; it must be float16"):
            self.opt.add_param(self.group, param.copy(), exp_avg=np.zeros(4))

    def test_master_remainder(self):
        group = self.opt.add_group(lr=1e-3, master_remainder=True, state_dtype="f32")
        full = self.opt.add_group(lr=1e-3)
        start = from_bits(bits_of_bfloat16(np.linspace(0.5, 1, 16)))
        half, half_grad = bits_of_bfloat16(start), np.zeros(16, np.uint16)
        whole, whole_grad = start.copy(), np.zeros(16, np.float32)
        remainder = np.zeros(16, np.int16)
        id_ = self.opt.add_param(group, half, half_grad, dtype="bf16", kahan_comp=remainder)
        self.opt.add_param(full, whole, whole_grad)
        for values in gradients(30, 16):
            half_grad[:] = bits_of_bfloat16(values)
            whole_grad[:] = from_bits(half_grad)
            self.opt.step()
        np.testing.assert_array_equal(self.opt.state(id_, State.MASTER_REMAINDER), remainder)
        master = ((half.astype(np.int64) << 16) + remainder).astype(np.uint32).view(np.float32)
        np.testing.assert_array_equal(master, whole)

    def test_advice(self):
        self.assertEqual(self.opt.advice(), [])
        group = self.opt.add_group(lr=0.1)
        self.opt.add_param(group, np.ones(4, np.float16))
        self.assertRegex(" ".join(self.opt.advice()), "f16")

    def test_empty_parameters(self):
        self.opt.add_param(self.group, np.zeros(0), np.zeros(0))
        self.opt.step()


class OtherArrays(unittest.TestCase):
    """Arrays that are not registered, or only for a step."""

    def test_step_tensor_has_the_bits_of_step(self):
        usual, lent, grad = np.ones(40, np.float32), np.ones(40, np.float32), np.zeros(40, np.float32)
        with radam.Optimizer() as opt:
            opt.add_param(opt.add_group(lr=0.1), usual, grad)
            group = opt.add_group(lr=0.1, gradient_release=True)
            id_ = opt.add_unbound(group, 40, "f32", "lent")
            for values in gradients(10, 40):
                grad[:] = values
                opt.step()
                moved = lent.copy()
                opt.step_tensor(id_, moved, grad.copy())
                lent = moved
            np.testing.assert_array_equal(usual, lent)
            report = opt.step_tensor_with(id_, lent, grad, zero_grad=True)
            self.assertEqual(report.params_stepped, 1)
            self.assertFalse(grad.any())

    def test_step_tensor_writes_only_where_it_says(self):
        with radam.Optimizer() as opt:
            id_ = opt.add_unbound(opt.add_group(lr=0.1, gradient_release=True), 4, np.float64)
            grad = np.ones(4)
            grad.flags.writeable = False
            opt.step_tensor(id_, np.ones(4), grad)
            with self.assertRaisesRegex(radam.Error, "grad of .* is read-only"):
                opt.step_tensor(id_, np.ones(4), grad, zero_grad=True)

    def test_set_tensors(self):
        with radam.Optimizer() as opt:
            group = opt.add_group(lr=0.1)
            for len_ in (2, 3, 4):
                opt.add_unbound(group, len_, "f64")
            data = [np.ones(len_) for len_ in (2, 3, 4)]
            opt.set_tensors(data=data)
            self.assertEqual(opt.step_with().params_stepped, 0)
            opt.set_tensors(1, grads=[np.ones(3), None])
            self.assertEqual(opt.step_with().params_stepped, 1)
            self.assertEqual([array[0] < 1 for array in data], [False, True, False])
            opt.set_tensors(1, data=[None, data[2]], grads=[None, np.ones(4)])
            self.assertEqual(opt.step_with().params_stepped, 1)
            self.assertLess(data[2][0], 1)
            opt.set_tensors(data=[])
            for arguments, sentence in (
                ((0, [np.ones(2), np.ones(2)]), 'data of "param.1" has 2 elements; it must have 3'),
                ((0, None, [np.ones(2, np.float32)]), 'grad of "param.0" is float32; it must be float64'),
                ((2, [None, None]), "param is 3"),
                ((0, [None], []), "1 data and 0 grads"),
                ((-1, [None]), "first is -1"),
            ):
                with self.assertRaisesRegex(radam.Error, sentence):
                    opt.set_tensors(*arguments)
