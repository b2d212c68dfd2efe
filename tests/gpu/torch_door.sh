#!/bin/sh
# torch_door.sh FOLDER trains the digits in LibTorch on a GPU with radam, and in Python on the same GPU with
# torch.optim.RAdam, and compares the losses. FOLDER is what build.sh made; without its torch_train for this PyTorch, that is built first.
# Needs a PyTorch with CUDA (PYTHON, by default python3).
set -eu
cd "$(dirname "$0")/../.."
folder=$(cd "$1" && pwd)
python=${PYTHON:-python3}
torch=$($python -c 'import importlib.util as util; print(util.find_spec("torch").submodule_search_locations[0])') || {
	echo "$python has no torch"
	exit 77
}
cmp -s "$torch/version.py" "$folder/torch_train.version" || sh tests/gpu/build_torch.sh "$folder" "$torch"
digits=examples/data/digits.csv
for dtype in f32 f64; do
	$python examples/engines/libtorch/reference.py $dtype $digits cuda > "$folder/torch_$dtype.expected" &
	waits="${waits:-} $!"
done
trap 'kill $waits 2> /dev/null' EXIT
for dtype in f32 f64 bf16 f16; do
	LD_LIBRARY_PATH="$torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$folder/torch_train" $dtype $digits cuda > "$folder/torch_$dtype.found" || {
		echo "torch_train $dtype ended with status $?"
		exit 1
	}
done
for process in $waits; do
	wait "$process" || {
		echo "reference.py ended with status $?"
		exit 1
	}
done
# Prints the largest relative difference of the losses, and fails if it exceeds the limit that holds on CPUs.
compare() {
	paste "$folder/torch_$1.found" "$folder/torch_$1.expected" | awk -v dtype="$1" -v limit="$2" '
		/loss/ { difference = ($4 - $8) / $8; if (difference < 0) difference = -difference; lines++ }
		difference > largest { largest = difference }
		END {
			printf "LibTorch on a GPU, %s: %d losses are those of torch.optim.RAdam within %.1e\n", dtype, lines, largest
			exit !(lines == 30 && largest < limit)
		}'
}
compare f32 1e-4
compare f64 1e-12
for dtype in bf16 f16; do
	awk -v dtype=$dtype '/accuracy/ { accuracy = $3 } END {
		printf "LibTorch on a GPU, %s: accuracy %s %%\n", dtype, accuracy
		exit !(accuracy > 87)
	}' "$folder/torch_$dtype.found"
done
