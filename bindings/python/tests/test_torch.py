import copy
import io
import math
import unittest

try:
    import without_cuda  # noqa: F401
    import torch
except ImportError as error:
    raise unittest.SkipTest(f"PyTorch: {error}")

import radam.torch

BETA2 = 0.999


def model(dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(20, 50), torch.nn.Tanh(), torch.nn.Linear(50, 3)).to(dtype)


def data(dtype):
    torch.manual_seed(1)
    return torch.randn(64, 20, dtype=torch.float64).to(dtype), torch.randn(64, 3, dtype=torch.float64).to(dtype)


def train(network, optimizer, first=1, last=100, eps=None):
    """Returns the losses. eps: that of radam, for torch.optim.RAdam, which adds it before bias correction."""
    inputs, wanted = data(network[0].weight.dtype)
    losses = []
    for step in range(first, last + 1):
        for group in optimizer.param_groups:
            group["eps"] = eps * math.sqrt(1 - BETA2**step) if eps else group["eps"]
        optimizer.zero_grad()
        loss = ((network(inputs) - wanted) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def largest_error(ours, theirs):
    return max(abs(a - b) / abs(b) for a, b in zip(ours, theirs))


class Losses(unittest.TestCase):
    def test_those_of_torch(self):
        for dtype, tolerance in ((torch.float64, 1e-14), (torch.float32, 5e-6)):
            for options in ({}, dict(weight_decay=0.1), dict(weight_decay=0.1, decoupled_weight_decay=True),
                            dict(betas=(0.8, BETA2))):
                ours, theirs = model(dtype), model(dtype)
                losses = train(ours, radam.torch.RAdam(ours.parameters(), lr=0.01, eps=1e-6, **options))
                expected = train(theirs, torch.optim.RAdam(theirs.parameters(), lr=0.01, **options), eps=1e-6)
                self.assertLess(largest_error(losses, expected), tolerance, (dtype, options))
                self.assertLess(losses[-1], losses[0] / 1.5)

    def test_following_the_eps_of_torch(self):
        ours, theirs = model(torch.float64), model(torch.float64)
        optimizer = radam.torch.RAdam(ours.parameters(), lr=0.01)
        losses = []
        for step in range(1, 51):
            optimizer.param_groups[0]["eps"] = 1e-3 / math.sqrt(1 - BETA2**step)
            losses += train(ours, optimizer, last=1)
        expected = train(theirs, torch.optim.RAdam(theirs.parameters(), lr=0.01, eps=1e-3), last=50)
        self.assertLess(largest_error(losses, expected), 1e-14)

    def test_with_the_same_small_eps(self):
        ours, theirs = model(), model()
        losses = train(ours, radam.torch.RAdam(ours.parameters(), lr=0.01))
        expected = train(theirs, torch.optim.RAdam(theirs.parameters(), lr=0.01))
        self.assertLess(largest_error(losses, expected), 1e-4)

    def test_16_bits(self):
        whole = model()
        expected = train(whole, radam.torch.RAdam(whole.parameters(), lr=0.01))
        for dtype in (torch.bfloat16, torch.float16):
            network = model(dtype)
            optimizer = radam.torch.RAdam(network.parameters(), lr=0.01)
            self.assertLess(abs(train(network, optimizer)[-1] - expected[-1]), 0.02)
            self.assertIn("kahan_comp", optimizer.state[network[0].weight])
            optimizer.param_groups[0]["kahan_sum"] = False
            train(network, optimizer, last=1)
            self.assertNotIn("kahan_comp", optimizer.state[network[0].weight])

    def test_maximize(self):
        param = torch.nn.Parameter(torch.zeros(3))
        optimizer = radam.torch.RAdam([param], lr=0.1, maximize=True)
        param.sum().backward()
        optimizer.step()
        self.assertTrue((param > 0).all())


class AsOptimizer(unittest.TestCase):
    def test_schedulers(self):
        network = model()
        optimizer = radam.torch.RAdam(network.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
        train(network, optimizer, last=1)
        scheduler.step()
        before = network[0].weight.clone()
        train(network, optimizer, last=1)
        self.assertAlmostEqual((network[0].weight - before).abs().max().item(), 0.0, delta=0.01 * 0.2)
        self.assertAlmostEqual(optimizer._radam.lr(0), 0.01)

    def test_param_groups(self):
        network = model()
        optimizer = radam.torch.RAdam(
            [dict(params=network[0].parameters(), lr=0.0), dict(params=[network[2].weight])], lr=0.1
        )
        optimizer.add_param_group(dict(params=[network[2].bias], lr=torch.tensor(0.2)))
        before = copy.deepcopy(network)
        train(network, optimizer, last=1)
        self.assertTrue(torch.equal(network[0].weight, before[0].weight))
        for name in ("weight", "bias"):
            self.assertFalse(torch.equal(getattr(network[2], name), getattr(before[2], name)))
        optimizer.param_groups[2]["lr"] = 0
        bias = network[2].bias.clone()
        train(network, optimizer, last=1)
        self.assertTrue(torch.equal(network[2].bias, bias))

    def test_closures_and_hooks(self):
        param = torch.nn.Parameter(torch.ones(2))
        optimizer = radam.torch.RAdam([param], lr=0.1)
        called = []
        optimizer.register_step_post_hook(lambda *_: called.append(True))

        def closure():
            optimizer.zero_grad()
            loss = (param**2).sum()
            loss.backward()
            return loss

        self.assertEqual(optimizer.step(closure).item(), 2)
        self.assertLess(param[0].item(), 1)
        self.assertTrue(called)

    def test_parameters_that_join_late_and_pause(self):
        early, late = (torch.nn.Parameter(torch.ones(4)) for _ in range(2))
        optimizer = radam.torch.RAdam([early, late], lr=0.1)
        reference = [torch.nn.Parameter(torch.ones(4)) for _ in range(2)]
        expected = torch.optim.RAdam(reference, lr=0.1, eps=1e-8)
        optimizer.step()  # no gradients
        for step in range(12):
            for param, use in zip((early, late, *reference), (step % 3 != 0, step > 4) * 2):
                param.grad = torch.full((4,), 0.1 * step + 1) if use else None
            optimizer.step()
            expected.step()
        for param, other in zip((early, late), reference):
            torch.testing.assert_close(param, other)
        self.assertEqual([int(optimizer.state[param]["step"]) for param in (early, late)], [8, 7])

    def test_state_that_was_changed_counts(self):
        param = torch.nn.Parameter(torch.ones(4))
        optimizer = radam.torch.RAdam([param], lr=0.1)
        param.grad = torch.ones(4)
        optimizer.step()
        optimizer.state[param]["exp_avg"] = torch.full((4,), 5.0)
        optimizer.state[param]["step"].fill_(9)
        optimizer.step()
        self.assertEqual(optimizer.state[param]["step"], 10)
        self.assertGreater(optimizer.state[param]["exp_avg"][0], 4)

    def test_autograd_notices_a_step(self):
        param = torch.nn.Parameter(torch.ones(2))
        optimizer = radam.torch.RAdam([param], lr=0.1)
        param.grad = torch.ones(2)
        loss = (param**2).sum()
        optimizer.step()
        with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation"):
            loss.backward()

    def test_no_tensor_stays_registered(self):
        param = torch.nn.Parameter(torch.ones(2))
        optimizer = radam.torch.RAdam([param], lr=0.1)
        param.grad = torch.ones(2)
        optimizer.step()
        used = optimizer._radam
        optimizer.step()
        self.assertIs(optimizer._radam, used)
        self.assertEqual(optimizer._radam.step_with().params_stepped, 0)
        param.data = torch.ones(2)
        optimizer.step()
        self.assertLess(param[0].item(), 1)

    def test_many_threads(self):
        results = []
        for threads in (1, 3):
            param = torch.nn.Parameter(torch.linspace(-1, 1, 3_000_000))
            optimizer = radam.torch.RAdam([param], lr=0.1, num_threads=threads)
            for _ in range(3):
                param.grad = param.detach().clone()
                optimizer.step()
            results.append(param.detach())
        self.assertTrue(torch.equal(*results))


class StateDicts(unittest.TestCase):
    def assert_continues(self, first_class, second_class, tolerance, dtype=torch.float64):
        """50 steps with one, 50 more with the other, are 100 with torch.optim.RAdam."""
        def eps_of(class_):
            return 1e-6 if class_ is torch.optim.RAdam else None

        usual, moved = model(dtype), model(dtype)
        expected = train(usual, torch.optim.RAdam(usual.parameters(), lr=0.01), eps=1e-6)
        first = first_class(moved.parameters(), lr=0.01, eps=1e-6)
        losses = train(moved, first, 1, 50, eps_of(first_class))
        file = io.BytesIO()
        torch.save([moved.state_dict(), first.state_dict()], file)
        file.seek(0)
        params, state = torch.load(file, weights_only=True)
        for group in state["param_groups"]:
            group["eps"] = 1e-6
        moved = model(dtype, seed=5)
        moved.load_state_dict(params)
        second = second_class(moved.parameters(), lr=1)
        second.load_state_dict(state)
        losses += train(moved, second, 51, 100, eps_of(second_class))
        self.assertLess(largest_error(losses, expected), tolerance)

    def test_to_torch_and_back(self):
        ours, theirs = radam.torch.RAdam, torch.optim.RAdam
        for pair in ((ours, theirs), (theirs, ours), (ours, ours)):
            self.assert_continues(*pair, 1e-14)
            self.assert_continues(*pair, 5e-6, torch.float32)

    def test_the_form_is_torchs(self):
        ours, theirs = model(), model()
        optimizers = [radam.torch.RAdam(ours.parameters()), torch.optim.RAdam(theirs.parameters())]
        for network, optimizer in zip((ours, theirs), optimizers):
            train(network, optimizer, last=7)
        mine, expected = (optimizer.state_dict() for optimizer in optimizers)
        self.assertEqual(set(mine), set(expected))
        self.assertEqual(mine["state"].keys(), expected["state"].keys())
        for state, other in zip(mine["state"].values(), expected["state"].values()):
            self.assertEqual(state.keys(), other.keys())
            for name, value in state.items():
                torch.testing.assert_close(value, other[name])
        for group, other in zip(mine["param_groups"], expected["param_groups"]):
            self.assertEqual({name: group[name] for name in other}, other)

    def test_copies_keep_all_bits(self):
        for dtype in (torch.float32, torch.bfloat16):
            network = model(dtype)
            optimizer = radam.torch.RAdam(network.parameters(), lr=0.01)
            train(network, optimizer, last=20)
            both = copy.deepcopy((network, optimizer))
            file = io.BytesIO()
            torch.save((network, optimizer), file)
            file.seek(0)
            loaded = torch.load(file, weights_only=False)
            losses = train(network, optimizer, 21, 40)
            self.assertEqual(losses, train(*both, 21, 40))
            self.assertEqual(losses, train(*loaded, 21, 40))

    def test_a_loaded_dict_is_not_changed_by_steps(self):
        network = model()
        optimizer = radam.torch.RAdam(network.parameters(), lr=0.01)
        train(network, optimizer, last=2)
        state_dict = optimizer.state_dict()
        before = copy.deepcopy(state_dict["state"][0])
        optimizer.load_state_dict(state_dict)
        train(network, optimizer, last=2)
        for name, value in before.items():
            self.assertTrue(torch.equal(state_dict["state"][0][name], value), name)


class Refused(unittest.TestCase):
    def assert_refused(self, sentence, call, *arguments, **options):
        with self.assertRaisesRegex((ValueError, radam.Error), sentence):
            call(*arguments, **options)

    def test_tensors(self):
        refuse = lambda sentence, param: self.assert_refused(sentence, radam.torch.RAdam, [param])
        refuse(r"has shape \(3, 2\) and strides \(1, 3\); it must be contiguous", torch.nn.Parameter(torch.ones(2, 3).t()))
        refuse("on meta; it must be a strided one on the CPU", torch.nn.Parameter(torch.ones(2, device="meta")))
        refuse("complex64; it must be float32", torch.nn.Parameter(torch.ones(2, dtype=torch.complex64)))
        refuse('"w" has shape', ("w", torch.nn.Parameter(torch.ones(2, 3).t())))

    def test_gradients(self):
        param = torch.nn.Parameter(torch.ones(2, 3))
        optimizer = radam.torch.RAdam([param])
        param.grad = torch.ones(3, 2).t()
        self.assert_refused("the gradient of parameter 0 of its group has shape", optimizer.step)
        param.grad = torch.ones(2, 3).to_sparse()
        self.assert_refused("sparse_coo tensor", optimizer.step)
        param.grad = torch.ones(2, 3)
        optimizer.step()
        optimizer.state[param]["exp_avg"] = torch.zeros(2, 3, dtype=torch.float64)
        self.assert_refused("exp_avg of parameter 0 .* is torch.float64", optimizer.step)

    def test_options(self):
        param = torch.nn.Parameter(torch.ones(2))
        self.assert_refused("lr is -1", radam.torch.RAdam, [param], lr=-1)
        self.assert_refused("beta1 is 2", radam.torch.RAdam, [param], betas=(2, 0.9))
        self.assert_refused("differentiable", radam.torch.RAdam, [param], differentiable=True)
        optimizer = radam.torch.RAdam([param])
        self.assert_refused("lr is -1", optimizer.add_param_group, dict(params=[torch.nn.Parameter(torch.ones(1))], lr=-1))
        self.assertEqual(len(optimizer.param_groups), 1)
