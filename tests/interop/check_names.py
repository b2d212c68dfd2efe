"""Checks how examples/interop/parameter_names.py finds which names mean the same parameter; needs no PyTorch.

    python3 check_names.py    # an assertion fails if something is wrong
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "examples" / "interop"))

from parameter_names import NoNames, dealt, paired

PLAIN = ["layers.0.weight", "layers.0.bias", "head.weight"]
LLAMA = ["model.embed.weight", "model.layers.0.weight", "model.norm.weight"]

# What two programs call the parameters of one model, in the same order.
SAME = {
    "nothing": (PLAIN, PLAIN),
    "torch.compile": ([f"_orig_mod.{name}" for name in PLAIN], PLAIN),
    "DistributedDataParallel": ([f"module.{name}" for name in PLAIN], PLAIN),
    "both": ([f"module._orig_mod.{name}" for name in PLAIN], PLAIN),
    "both, the other way": ([f"_orig_mod.module.{name}" for name in PLAIN], PLAIN),
    "one here and the other there": ([f"module.{name}" for name in PLAIN], [f"_orig_mod.{name}" for name in PLAIN]),
    "a LightningModule": ([f"net.{name}" for name in PLAIN], PLAIN),
    "a LightningModule with a model of its own": ([f"model.{name}" for name in LLAMA], LLAMA),
    "FSDP and checkpointing": (
        [
            "_fsdp_wrapped_module.layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.weight",
            "_fsdp_wrapped_module.layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.bias",
            "_fsdp_wrapped_module.head.weight",
        ],
        PLAIN,
    ),
    "DataParallel of a part": (["layers.module.0.weight", "layers.module.0.bias", "head.weight"], PLAIN),
    "one module compiled": (["layers.0._orig_mod.weight", "layers.0._orig_mod.bias", "head.weight"], PLAIN),
    "private attributes of the model": (["_net._a.weight", "_net._b.weight"], ["_a.weight", "_b.weight"]),
    "one parameter": (["module.weight"], ["weight"]),
    "no parameters": ([], []),
}

DIFFERENT = {
    "another module": (["encoder.weight", "encoder.bias"], ["decoder.weight", "decoder.bias"]),
    "two wrappers that may be modules": ([f"module.{name}" for name in PLAIN], [f"model.{name}" for name in PLAIN]),
    "one more here": ([*PLAIN, "tail.weight"], PLAIN),
    "one more there": (PLAIN, [*PLAIN, "tail.weight"]),
    "a wrapper around some, and another parameter": (["module.a.weight", "b.weight"], ["a.weight", "c.weight"]),
    "two that would be one": (["a.weight", "_b.a.weight"], ["a.weight", "c.weight"]),
    "two private modules": (["_a.weight", "_b.weight"], ["weight", "other"]),
    "the last segment is not a wrapper": (["layer.weight"], ["layer"]),
    "nothing there": (["weight"], []),
}

W, B = (4, 3), (4,)
DEALS = {
    "one group": ({"a": W, "b": B, "c": W}, [[W, B, W]], [["a", "b", "c"]]),
    "decay and no decay": ({"a": W, "b": B, "c": W, "d": B}, [[W, W], [B, B]], [["a", "c"], ["b", "d"]]),
    "an empty group": ({"a": W, "b": B}, [[W, B], []], [["a", "b"], []]),
    "one without a step": ({"a": W, "b": B, "c": W, "d": B}, [[W, None], [B, B]], [["a", "c"], ["b", "d"]]),
    "three groups": ({"a": W, "b": B, "c": ()}, [[()], [W], [B]], [["c"], ["a"], ["b"]]),
    "the same shape, kept apart by others": ({"a": B, "b": W, "c": B}, [[B], [W, B]], [["a"], ["b", "c"]]),
    "no parameters": ({}, [[]], [[]]),
}
UNKNOWN = {
    "of the same shape in two groups": ({"a": W, "b": W}, [[W], [W]]),
    "not known whether it made a step": ({"a": W, "b": B}, [[None], [None]]),
    "another shape": ({"a": W, "b": B}, [[W, W]]),
    "another order": ({"a": W, "b": B}, [[B, W]]),
    "too few": ({"a": W}, [[W, B]]),
    "too many": ({"a": W, "b": B}, [[W]]),
    "too many ways": ({str(at): B for at in range(40)}, [[B] for _ in range(40)]),
}


def assert_refused(call, what):
    try:
        result = call()
    except NoNames as error:
        assert str(error), what
    else:
        raise AssertionError(f"{what}: {result}")


for what, (names, others) in SAME.items():
    for one, other in ((names, others), (others, names), (names, others[::-1])):
        expected = dict(zip(names, others)) if one is names else dict(zip(others, names))
        assert paired(one, other) == expected, what
for what, (names, others) in DIFFERENT.items():
    assert_refused(lambda: paired(names, others), what)
    assert_refused(lambda: paired(others, names), what)
for what, (shapes, groups, expected) in DEALS.items():
    assert dealt(shapes, groups) == expected, what
for what, (shapes, groups) in UNKNOWN.items():
    assert_refused(lambda: dealt(shapes, groups), what)
print("names: sound")
