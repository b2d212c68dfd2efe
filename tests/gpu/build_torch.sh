#!/bin/sh
# build_torch.sh FOLDER TORCH builds examples/engines/libtorch/train_digits.cpp as FOLDER/torch_train, for CUDA, with the
# libradam.so in FOLDER and the LibTorch or the package torch in the folder TORCH. Needs no header of CUDA.
set -eu
cd "$(dirname "$0")/../.."
folder=$1 torch=$2
${CXX:-c++} -std=c++20 -O1 -fopenmp -Iinclude -isystem "$torch/include" -isystem "$torch/include/torch/csrc/api/include" \
	examples/engines/libtorch/train_digits.cpp -o "$folder/torch_train" -L"$folder" -lradam -Wl,-rpath,'$ORIGIN' \
	"$torch/lib/libtorch_cpu.so" "$torch/lib/libc10.so" "$torch"/lib/libgomp*.so.1 \
	-Wl,--push-state,--no-as-needed "$torch/lib/libtorch_cuda.so" "$torch/lib/libc10_cuda.so" -Wl,--pop-state \
	-Wl,--allow-shlib-undefined
# What it was built for: with another PyTorch it crashes (built for 2.11, run with 2.9).
cp "$torch/version.py" "$folder/torch_train.version" 2> /dev/null || rm -f "$folder/torch_train.version"
