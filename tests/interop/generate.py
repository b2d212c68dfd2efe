"""Generates the checkpoints and weights from which tests/interop.rs continues.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python generate.py            # write expected.txt and the checkpoints, beside this script
    venv/bin/python generate.py --check    # make them again in memory; exit status 1 if a bit differs

Each case is a training of examples/interop/hand_over.py: its state after BEFORE steps as torch_radam.py converts it,
and in expected.txt the weights then and after MEANWHILE more steps of the same optimizer of PyTorch. expected.txt has
blocks: a line that names the checkpoint, dtype and optimizer, then a line per tensor and time, with the weights as the
hexadecimal bits of their dtype. WIDENED are only loaded: their moments have another dtype than their parameters.
EIGHT_BIT are larger: what 8-bit optimizers had after BEFORE steps, as f32 state and as 8-bit state of radam, and in a
file NAME_weights.safetensors the weights then and after check_8bit.MEANWHILE more steps of the same optimizer.
coded_bf16 is only loaded: 8-bit state of bf16 parameters, with a compensation.
"""

import argparse
import os
import pathlib
import sys

# The same instructions, so the same roundings, on every x86-64 machine of the last ten years.
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "examples" / "interop"))

import check_8bit  # before torch, for which it sets something
import safetensors.torch
import torch

import hand_over
import radam_checkpoint
import torch_radam

BEFORE, MEANWHILE = 10, 30
CASES = {  # optimizer, dtype, moments
    "radam_f64": ("torch.optim.RAdam", torch.float64, "debiased"),
    "radam_f64_biased": ("torch.optim.RAdam", torch.float64, "biased"),
    "radam_l2_f32_biased": ("torch.optim.RAdam, L2", torch.float32, "biased"),
    "adam_f64_biased": ("torch.optim.Adam", torch.float64, "biased"),
    "adamw_f64": ("torch.optim.AdamW", torch.float64, "debiased"),
    "adamw_f32_biased": ("torch.optim.AdamW", torch.float32, "biased"),
    "optimi_f64": ("optimi.RAdam", torch.float64, "debiased"),
    "optimi_f32": ("optimi.RAdam", torch.float32, "debiased"),
    "optimi_l2_bf16": ("optimi.RAdam, L2", torch.bfloat16, "debiased"),
}
WIDENED = {  # dtypes of parameters and of moments
    "widened_bf16": (torch.bfloat16, torch.float32),
    "widened_f32": (torch.float32, torch.bfloat16),
}
EIGHT_BIT = {"bitsandbytes": "bitsandbytes.AdamW8bit", "torchao": "torchao.AdamW8bit"}
EIGHT_BIT_BF16 = ("bitsandbytes.AdamW8bit", check_8bit.SHAPES[0], torch.bfloat16)
BITS = {torch.float64: (torch.int64, 16), torch.float32: (torch.int32, 8), torch.bfloat16: (torch.int16, 4)}


def weight_lines(training, when):
    for name, param in training.params.items():
        integer, digits = BITS[param.dtype]
        bits = param.detach().flatten().view(integer).tolist()
        yield " ".join([name, when, *(f"{value % 16**digits:0{digits}x}" for value in bits)])


def make():
    """The contents of all files, by their names."""
    files, lines = {}, []
    for case, (optimizer, dtype, moments) in CASES.items():
        training = hand_over.Training(*hand_over.OPTIMIZERS[optimizer], dtype).run(BEFORE)
        checkpoint = torch_radam.to_radam(training.snapshot(), moments)
        files[f"{case}.safetensors"] = radam_checkpoint.encode(checkpoint)
        lines.append(f"{case} {torch_radam.DTYPES[dtype].lower()} {optimizer.split(',')[0]}")
        lines += weight_lines(training, "before")
        lines += weight_lines(training.run(MEANWHILE), "after")
    for case, (dtype, of_moments) in WIDENED.items():
        snapshot = hand_over.Training(*hand_over.OPTIMIZERS["torch.optim.AdamW"], dtype).run(BEFORE).snapshot()
        for state in snapshot["state_dict"]["state"].values():
            state.update({array: state[array].to(of_moments) for array in ("exp_avg", "exp_avg_sq")})
        files[f"{case}.safetensors"] = radam_checkpoint.encode(torch_radam.to_radam(snapshot))
    for case, optimizer in EIGHT_BIT.items():
        training = check_8bit.trained(optimizer, check_8bit.SHAPES[0])
        for state_form in ("f32", "q8"):
            checkpoint = torch_radam.to_radam(training.snapshot(), state_form=state_form)
            files[f"{case}_{state_form}.safetensors"] = radam_checkpoint.encode(checkpoint)
        before, after = training.weights(), training.run(check_8bit.MEANWHILE).weights()
        files[f"{case}_weights.safetensors"] = safetensors.torch.save({"before": before, "after": after})
    coded = torch_radam.to_radam(check_8bit.trained(*EIGHT_BIT_BF16).snapshot(), state_form="q8")
    files["coded_bf16.safetensors"] = radam_checkpoint.encode(coded)
    return files | {"expected.txt": "".join(f"{line}\n" for line in lines).encode()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with what is there, and write nothing")
    check = parser.parse_args().check
    different = False
    for name, contents in make().items():
        path = HERE / name
        if not check:
            path.write_bytes(contents)
        elif not path.exists() or path.read_bytes() != contents:
            print(f"{name} would have other contents")
            different = True
    sys.exit(different)


if __name__ == "__main__":
    main()
