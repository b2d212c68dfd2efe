import pathlib
import pickle
import tempfile
import unittest

import numpy as np

import radam
from radam import State, Status


def optimizer(seed, dtype=np.float32, **options):
    """With its parameter and its gradient, after some steps."""
    random = np.random.default_rng(seed)
    opt = radam.Optimizer(num_threads=1)
    group = opt.add_group(lr=0.01 * seed, **options)
    param, grad = np.ones(500_000, dtype), random.standard_normal(500_000).astype(dtype)
    opt.add_param(group, param, grad, "weight")
    for _ in range(4 + seed):
        opt.step()
    return opt, param, grad


class Checkpoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "läuft.radam"

    def assert_continues(self, transfer, dtype=np.float32):
        first, param, grad = optimizer(1, dtype)
        second, other, other_grad = optimizer(2, dtype)
        transfer(first, second)
        other[:], other_grad[:] = param, grad
        for _ in range(5):
            first.step()
            second.step()
        np.testing.assert_array_equal(param, other)
        self.assertEqual((second.step_count(0), second.lr(0)), (10, 0.01))

    def test_files(self):
        def transfer(first, second):
            first.save(self.path)
            second.load(self.path)

        self.assert_continues(transfer)

    def test_bytes(self):
        self.assert_continues(lambda first, second: second.load_from_bytes(first.save_to_bytes()))

    def test_state_dicts(self):
        def transfer(first, second):
            second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))

        self.assert_continues(transfer)
        self.assert_continues(transfer, np.float16)

    def test_frozen_parameters_stay_so(self):
        first, *_ = optimizer(1)
        second, *_ = optimizer(2)
        first.set_frozen(0)
        second.load_state_dict(first.state_dict())
        self.assertTrue(second.is_frozen(0))

    def test_options_of_loading(self):
        first, *_ = optimizer(1)
        second, *_ = optimizer(2)
        second.add_param(0, np.ones(3), name="new")
        checkpoint = first.save_to_bytes()
        with self.assertRaisesRegex(radam.Error, '"new"') as raised:
            second.load_from_bytes(checkpoint)
        self.assertEqual(raised.exception.status, Status.MISMATCH)
        second.load_from_bytes(checkpoint, strict=False, hyperparameters=False)
        self.assertEqual(second.lr(0), 0.02)

    def test_shards(self):
        paths = []
        for part, offset in enumerate((0, 30_000)):
            with radam.Optimizer() as opt:
                data = np.ones(30_000)
                opt.add_param(opt.add_group(lr=0.1), data, np.full(30_000, 1.0 + part), "weight",
                              tensor_offset=offset, tensor_len=60_000)
                opt.step()
                paths.append(self.path.with_name(f"shard{part}"))
                opt.save(paths[-1])
        with radam.Optimizer() as whole:
            whole.add_param(whole.add_group(lr=0.1), np.ones(60_000), name="weight")
            whole.load_shards(paths)
            average = whole.state(0, State.EXP_AVG)
            self.assertEqual((average[0], average[-1], whole.step_count(0)), (1, 2, 1))
            with self.assertRaises(radam.Error):
                whole.load_shards(paths[:1])
            with self.assertRaisesRegex(radam.Error, "count"):
                whole.load_shards([])

    def test_progress(self):
        opt, *_ = optimizer(1)
        calls = []
        opt.save(self.path, lambda done, total: calls.append((done, total)))
        self.assertEqual(calls[-1][0], calls[-1][1])
        self.assertGreater(calls[-1][1], 4_000_000)
        count = len(calls)
        opt.load(self.path, lambda done, total: calls.append((done, total)))
        self.assertGreater(len(calls), count)

    def test_cancelling(self):
        opt, *_ = optimizer(1)
        with self.assertRaises(radam.Error) as raised:
            opt.save(self.path, lambda done, total: False)
        self.assertEqual(raised.exception.status, Status.IO)
        self.assertFalse(self.path.exists())

    def test_exceptions_come_out_of_the_call(self):
        opt, *_ = optimizer(1)

        def fail(done, total):
            raise KeyError("mine")

        with self.assertRaisesRegex(KeyError, "mine"):
            opt.save(self.path, fail)
        self.assertFalse(self.path.exists())
        opt.save(self.path)
        with self.assertRaisesRegex(KeyError, "mine"):
            opt.load(self.path, fail)
        opt.step()

        def only_at_the_end(done, total):
            if done == total:
                raise KeyError("late")

        with self.assertRaisesRegex(KeyError, "late"):
            opt.load(self.path, only_at_the_end)

    def test_what_does_not_fit_changes_nothing(self):
        opt, *_ = optimizer(1)
        before = opt.save_to_bytes()
        good = opt.state_dict()
        weight = good["state"]["weight"]
        groups = good["param_groups"]
        for state_dict, sentence in (
            ({**good, "param_groups": []}, "the state has 0 groups"),
            ({**good, "param_groups": [{**groups[0], "params": ["bias"]}]}, r"has \['bias'\]; here"),
            ({**good, "param_groups": [{**groups[0], "lr": -1}]}, "lr is -1"),
            ({**good, "state": {"weight": {**weight, "exp_avg": np.zeros(3, np.float32)}}}, "is float32 of 3 elements"),
            ({**good, "state": {"weight": {**weight, "exp_avg_sq": [0]}}}, "exp_avg_sq of \"weight\" is a list"),
            ({**good, "state": {"weight": {**weight, "kahan_comp": weight["exp_avg"]}}}, "only one side has kahan_comp"),
            ({**good, "state": {"weight": {**weight, "step": -1}}}, "step of \"weight\" is -1"),
        ):
            with self.assertRaisesRegex(radam.Error, sentence):
                opt.load_state_dict(state_dict)
        opt.add_group(lr=1.0)
        good = opt.state_dict()
        good["param_groups"][0]["lr"], good["param_groups"][1]["lr"] = 0.5, -1.0
        with self.assertRaisesRegex(radam.Error, "lr is -1"):
            opt.load_state_dict(good)
        self.assertEqual(opt.lr(0), 0.01)
        before = opt.save_to_bytes()
        with self.assertRaises(radam.Error) as raised:
            opt.load_from_bytes(before[:-1])
        self.assertEqual(raised.exception.status, Status.CORRUPT)
        with self.assertRaises(radam.Error) as raised:
            opt.load("no such file")
        self.assertEqual(raised.exception.status, Status.IO)
        with self.assertRaises(ValueError):
            opt.save("a\0b")
        self.assertEqual(opt.save_to_bytes(), before)
