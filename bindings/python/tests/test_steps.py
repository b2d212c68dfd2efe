import math
import pickle
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import radam
from radam import GradSums, Status


def optimizer(arrays=3, len_=40_000, **options):
    """With the parameters and the gradients."""
    random = np.random.default_rng(3)
    opt = radam.Optimizer(num_threads=1)
    group = opt.add_group(lr=0.1, **options)
    params = [random.standard_normal(len_).astype(np.float32) for _ in range(arrays)]
    grads = [random.standard_normal(len_).astype(np.float32) for _ in range(arrays)]
    for param, grad in zip(params, grads):
        opt.add_param(group, param, grad)
    return opt, params, grads


class Options(unittest.TestCase):
    def test_report(self):
        opt, params, grads = optimizer()
        norm = math.sqrt(sum((grad.astype(float) ** 2).sum() for grad in grads))
        report = opt.step_with(grad_scale=0.5, max_grad_norm=1, report_norms=True)
        self.assertAlmostEqual(report.grad_norm / norm, 0.5)
        self.assertAlmostEqual(report.clip_coefficient, 1 / (norm / 2))
        self.assertEqual((report.params_stepped, report.skipped, report.nonfinite, report.threads), (3, False, 0, 1))
        self.assertGreater(report.update_norm, 0)
        self.assertGreater(report.param_norm, 1)

    def test_clipping_equals_clipped_gradients(self):
        opt, params, grads = optimizer()
        other, others, other_grads = optimizer()
        coefficient = opt.step_with(max_grad_norm=2).clip_coefficient
        for grad in other_grads:
            grad *= np.float32(coefficient)
        other.step()
        for param, expected in zip(params, others):
            np.testing.assert_allclose(param, expected, rtol=1e-6)

    def test_skipping_and_zeroing(self):
        opt, params, grads = optimizer()
        before = params[0].copy()
        grads[2][5] = np.inf
        report = opt.step_with(skip_nonfinite=True, zero_grad=True)
        self.assertEqual((report.skipped, report.nonfinite), (True, 1))
        np.testing.assert_array_equal(params[0], before)
        self.assertFalse(grads[0].any())
        grads[0][:] = 1
        opt.zero_grad()
        self.assertFalse(grads[0].any())

    def test_wrong_options(self):
        opt, *_ = optimizer()
        for options, error in ((dict(grad_scale=0), radam.Error), (dict(zero_grad=1), radam.Error),
                               (dict(clip=1), TypeError), (dict(max_grad_norm="1x"), ValueError)):
            for call in (opt.step, opt.step_with, opt.sliced_step):
                with self.assertRaises(error):
                    call(**options)
        opt.step()  # no step is open


class Sums(unittest.TestCase):
    def test_sums_of_tensors_are_those_of_a_step(self):
        opt, _, grads = optimizer()
        total = GradSums()
        for grad in grads[1:]:
            total.measure(grad)
        total += GradSums().measure(grads[0])
        report = opt.step_with()
        self.assertEqual(total.norm, report.grad_norm)
        self.assertEqual((total + GradSums()).norm, report.grad_norm)
        self.assertEqual(opt.measure().norm, report.grad_norm)
        self.assertEqual(opt.measure(total).norm, math.sqrt(2) * report.grad_norm)
        self.assertEqual(pickle.loads(pickle.dumps(total)).norm, total.norm)

    def test_words_can_be_added(self):
        whole = GradSums().measure(np.arange(5.0))
        parts = GradSums()
        parts.words[:] += whole.words
        self.assertEqual(parts.norm, math.sqrt(30))
        parts.words[3] = -1
        with self.assertRaisesRegex(radam.Error, "words"):
            parts.norm
        words = GradSums().measure(np.ones(1)).words  # of sums that are gone
        self.assertEqual(words[68], 0)

    def test_nonfinite(self):
        sums = GradSums().measure(np.array([1, np.inf, np.nan]))
        self.assertEqual(sums.nonfinite, 2)
        self.assertTrue(math.isnan(sums.norm))

    def test_bfloat16_bits(self):
        sums = GradSums().measure(np.full(4, 0x3F80, np.uint16), dtype="bf16")
        self.assertEqual(sums.norm, 2)

    def test_clipping_across_lent_tensors(self):
        opt, params, grads = optimizer()
        lent, others, _ = optimizer(gradient_release=True)
        sums = GradSums()
        for grad in grads:
            sums.measure(grad)
        opt.step(max_grad_norm=1)
        for id_, (param, grad) in enumerate(zip(others, grads)):
            lent.step_tensor(id_, None, grad, max_grad_norm=1, grad_sums=sums)
        for param, other in zip(params, others):
            np.testing.assert_array_equal(param, other)
        with self.assertRaisesRegex(radam.Error, "grad_sums"):
            lent.step_tensor(0, None, grads[0], max_grad_norm=1)


class Slices(unittest.TestCase):
    def assert_as_usual(self, run, **options):
        opt, params, _ = optimizer()
        other, others, _ = optimizer()
        for _ in range(3):
            run(opt, options)
            other.step(**options)
        for param, expected in zip(params, others):
            np.testing.assert_array_equal(param, expected)
        return opt

    def test_for_a_time(self):
        lefts = []

        def run(opt, options):
            with opt.sliced_step(**options) as step:
                for left in step.slices(1e-9):
                    lefts.append(left)
            self.assertEqual(step.report.params_stepped, 3)

        self.assert_as_usual(run, max_grad_norm=1)
        self.assertGreater(len(lefts), 20)

    def test_chunks_on_threads(self):
        def run(opt, options):
            with ThreadPoolExecutor(4) as pool, opt.sliced_step(**options) as step:
                for chunks in step.waves():
                    list(pool.map(step.chunk, chunks))

        self.assert_as_usual(run, max_grad_norm=1)
        self.assert_as_usual(run)

    def test_a_block_does_what_is_left(self):
        def run(opt, options):
            with opt.sliced_step(**options) as step:
                step.run_for(1e-9)

        self.assert_as_usual(run)

    def test_ending_by_hand(self):
        def run(opt, options):
            step = opt.sliced_step(**options)
            while step.run_for(1):
                pass
            self.assertEqual(step.end().params_stepped, 3)

        self.assert_as_usual(run)

    def test_an_open_step_keeps_others_out(self):
        opt, params, grads = optimizer()
        with opt.sliced_step() as step:
            for call in (opt.step, opt.sliced_step, lambda: opt.set_grad(0, grads[0]), lambda: opt.remove_param(0)):
                with self.assertRaises(radam.Error) as raised:
                    call()
                self.assertEqual(raised.exception.status, Status.BUSY)
                self.assertRegex(str(raised.exception), "^the optimizer has an open step, which sliced_step opened")
            step.run_for(0)
        with self.assertRaises(radam.Error) as raised:
            step.end()
        self.assertEqual(raised.exception.status, Status.INVALID_STATE)

    def test_an_exception_cancels_or_completes(self):
        opt, params, _ = optimizer()
        before = params[0].copy()
        with self.assertRaises(KeyError):
            with opt.sliced_step() as step:
                raise KeyError
        self.assertEqual(opt.step_count(0), 0)
        self.assertIsNone(step.report)
        with self.assertRaises(KeyError):
            with opt.sliced_step() as step:
                step.run_for(1e-9)
                raise KeyError
        self.assertEqual([opt.step_count(id_) for id_ in range(3)], [1, 1, 1])
        other, others, _ = optimizer()
        other.step()
        for param, expected in zip(params, others):
            np.testing.assert_array_equal(param, expected)
        self.assertFalse((before == params[0]).all())

    def test_abort(self):
        opt, *_ = optimizer()
        with opt.sliced_step() as step:
            step.abort()
        opt.step()
        for seconds in (-1, float("nan")):
            with self.assertRaises(ValueError), opt.sliced_step() as step:
                step.run_for(seconds)
