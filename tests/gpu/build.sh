#!/bin/sh
# build.sh FOLDER [TEST...] builds what run.sh runs, in FOLDER, which can be carried to a machine that has a GPU and no
# cargo: the library, the programs of this folder, and these tests of cargo (such as goldens). Needs no GPU. If there is an
# nvcc (NVCC), it builds the CUDA example too; if there is a LibTorch (TORCH), the one with LibTorch.
set -eu
cd "$(dirname "$0")/../.."
folder=$1
shift
target=${CARGO_TARGET_DIR:-target}
nvcc=${NVCC:-$(command -v nvcc || true)}
mkdir -p "$folder/tests"
${CARGO:-cargo} build --release --lib
# The linker looks for the library's usual name, and the programs for its versioned one, beside them.
cp "$target/release/libradam.so" "$folder"
cp "$folder/libradam.so" "$folder/$(objdump -p "$folder/libradam.so" | awk '$1 == "SONAME" { print $2 }')"
beside="-L$folder -lradam -Wl,-rpath,\$ORIGIN"
for program in small_steps graphs random_calls; do
	${CC:-cc} -std=c11 -O1 -g -Wall -Wextra -Wpedantic -Werror -Iinclude tests/gpu/$program.c -o "$folder/$program" $beside -lm -ldl
done
if [ -n "$nvcc" ]; then
	"$nvcc" -O2 -Iinclude examples/cuda/train.cu -o "$folder/cuda_train" -L"$folder" -lradam -Xlinker -rpath='$ORIGIN'
fi
if [ -n "${TORCH:-}" ]; then
	sh tests/gpu/build_torch.sh "$folder" "$TORCH"
fi
for test in "$@"; do
	${CARGO:-cargo} test --no-run --test "$test" --message-format=json |
		sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | while read -r program; do cp "$program" "$folder/tests/$test"; done
done
