import copy
import gc
import pickle
import sys
import threading
import unittest
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import radam
from radam import Status, _api
from radam._library import lib
from radam._structs import new


class Array(np.ndarray):
    """An array that a weak reference can watch."""


def watched(values=1.0, len_=4):
    array = np.full(len_, values).view(Array)
    return array, weakref.ref(array)


class Roots(unittest.TestCase):
    def setUp(self):
        self.opt = radam.Optimizer(num_threads=1)
        self.addCleanup(self.opt.close)
        self.group = self.opt.add_group(lr=0.1)

    def add(self):
        (data, data_ref), (grad, grad_ref) = watched(), watched()
        id_ = self.opt.add_param(self.group, data, grad)
        return id_, data_ref, grad_ref

    def test_registered_arrays_are_kept_and_used(self):
        id_, data, grad = self.add()
        gc.collect()
        self.opt.step()
        self.assertLess(data()[0], 1)
        self.assertIsNotNone(grad())

    def test_replaced_arrays_are_let_go(self):
        id_, data, grad = self.add()
        self.opt.set_grad(id_, None)
        self.assertIsNone(grad())
        array, other = watched()
        self.opt.set_data(id_, array)
        del array
        self.assertIsNone(data())
        self.assertIsNotNone(other())
        array, third = watched()
        self.opt.set_tensors(data=[array])
        del array
        self.assertIsNone(other())
        self.opt.remove_param(id_)
        self.assertIsNone(third())

    def test_a_refused_array_is_not_kept_and_the_old_one_is(self):
        id_, data, _ = self.add()
        with self.assertRaises(radam.Error):
            self.opt.set_grad(id_, np.ones(4)[1:])
        with self.assertRaisesRegex(radam.Error, "overlap"):
            self.opt.set_tensors(grads=[data()])
        self.assertEqual(self.opt.step_with().params_stepped, 1)

    def test_closing_lets_go(self):
        _, data, grad = self.add()
        self.opt.close()
        self.assertIsNone(data())
        self.assertIsNone(grad())

    def test_lent_arrays_are_not_kept(self):
        group = self.opt.add_group(lr=0.1, gradient_release=True)
        id_ = self.opt.add_unbound(group, 4, "f64")
        (data, data_ref), (grad, grad_ref) = watched(), watched()
        self.opt.step_tensor(id_, data, grad)
        del data, grad
        self.assertIsNone(data_ref())
        self.assertIsNone(grad_ref())

    def test_a_registered_array_cannot_be_resized_by_accident(self):
        data = np.ones(4)
        self.opt.add_param(self.group, data)
        with self.assertRaises(ValueError):
            data.resize(10_000_000)


class Freeing(unittest.TestCase):
    def test_exactly_once(self):
        opt = radam.Optimizer()
        handle = opt._handle
        opt.close()
        opt.close()
        self.assertEqual(lib.radam_free(handle), Status.INVALID_HANDLE)
        with self.assertRaises(radam.Error) as raised:
            opt.step()
        self.assertEqual(raised.exception.status, Status.INVALID_HANDLE)
        self.assertEqual(str(raised.exception), "the optimizer has been closed")
        self.assertRaises(radam.Error, opt.advice)
        self.assertEqual(repr(opt), "<radam.Optimizer, closed>")

    def test_by_the_garbage_collector(self):
        opt = radam.Optimizer()
        handle = opt._handle
        opt.itself = opt
        del opt
        gc.collect()
        self.assertEqual(lib.radam_free(handle), Status.INVALID_HANDLE)

    def test_by_a_block(self):
        with self.assertRaises(KeyError):
            with radam.Optimizer() as opt:
                raise KeyError
        with self.assertRaises(radam.Error):
            opt.add_group(lr=1)

    def test_an_optimizer_cannot_be_copied(self):
        with radam.Optimizer() as opt:
            for call in (copy.copy, copy.deepcopy, pickle.dumps):
                with self.assertRaisesRegex(TypeError, "state_dict"):
                    call(opt)


class Threads(unittest.TestCase):
    def run_threads(self, *functions):
        with ThreadPoolExecutor(len(functions)) as pool:
            for future in [pool.submit(function) for function in functions]:
                future.result()

    def test_different_tensors_at_the_same_time(self):
        with radam.Optimizer(num_threads=1) as opt:
            group = opt.add_group(lr=0.1, gradient_release=True)
            ids = [opt.add_unbound(group, 100_000, "f32") for _ in range(8)]
            data = [np.ones(100_000, np.float32) for _ in ids]
            grad = np.ones(100_000, np.float32)

            def train(id_):
                for _ in range(20):
                    opt.step_tensor(id_, data[id_], grad)

            self.run_threads(*[lambda id_=id_: train(id_) for id_ in ids])
            for array in data[1:]:
                np.testing.assert_array_equal(array, data[0])
            self.assertEqual({opt.step_count(id_) for id_ in ids}, {20})

    def test_the_gil_is_free_during_a_step_and_others_are_busy(self):
        with radam.Optimizer(num_threads=1) as opt:
            grad = np.ones(4_000_000, np.float32)
            opt.add_param(opt.add_group(lr=0.1), np.ones_like(grad), grad)
            done, seen = threading.Event(), []

            def step():
                while Status.BUSY not in seen and len(seen) < 10_000:
                    try:
                        opt.step()
                    except radam.Error as error:
                        seen.append(error.status)
                done.set()

            def reset():
                while not done.is_set():
                    try:
                        opt.set_grad(0, grad)
                    except radam.Error as error:
                        seen.append(error.status)
                    self.assertEqual(opt.lr(0), 0.1)  # getters are never busy here

            self.run_threads(step, reset)
            self.assertEqual(set(seen), {Status.BUSY})

    def test_closing_during_steps(self):
        for _ in range(20):
            opt = radam.Optimizer(num_threads=1)
            opt.add_param(opt.add_group(lr=0.1), np.ones(200_000), np.ones(200_000))
            started = threading.Event()

            def step():
                with self.assertRaises(radam.Error) as raised:
                    while True:
                        opt.step()
                        started.set()
                self.assertEqual(raised.exception.status, Status.INVALID_HANDLE)

            def close():
                started.wait()
                opt.close()

            self.run_threads(step, close)

    def test_gradients_replaced_by_many_threads_are_kept_as_registered(self):
        with radam.Optimizer(num_threads=1) as opt:
            id_ = opt.add_param(opt.add_group(lr=0.1), np.ones(4), np.ones(4))

            def replace(_):
                for _ in range(5):
                    opt.set_grad(id_, np.ones(4))

            described = new(_api.radam_param)
            self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(1e-6)
            with ThreadPoolExecutor(4) as pool:
                for _ in range(100):
                    list(pool.map(replace, range(4)))
                    lib.radam_get_param(opt._handle, id_, None, described)
                    kept = opt._roots[id_, "grad"].__array_interface__["data"][0]
                    self.assertEqual(kept, described.grad)

    def test_sentences_are_those_of_the_thread(self):
        with radam.Optimizer() as opt:
            group = opt.add_group(lr=1)

            def fail(value):
                for _ in range(300):
                    with self.assertRaises(radam.Error) as raised:
                        opt.set_lr(group, -value)
                    is_busy = raised.exception.status == Status.BUSY
                    self.assertRegex(str(raised.exception), "in use|another" if is_busy else f"lr is -{value}.0;")

            self.run_threads(*[lambda value=value: fail(value) for value in (1, 2, 3, 4)])
