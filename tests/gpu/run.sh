#!/bin/sh
# run.sh FOLDER [SECONDS] runs on a GPU what build.sh has built in FOLDER, within so many seconds (by default 200), and ends
# with a line for each: whether it passed, and how long it took. The outputs are in FOLDER/logs. SKIP="torch_door
# racecheck" leaves some out.
set -u
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
seconds=${2:-200}
logs=$folder/logs
mkdir -p "$logs"
export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" PATH="$PATH:/usr/local/cuda/bin:/usr/local/cuda/compute-sanitizer"
end=$(($(date +%s) + seconds))
rm -f "$logs"/*

# run NAME COMMAND...: its output goes to a log, the end of which is printed if it does not pass. A command that is not
# there, or that ends with 77 since it lacks something, is skipped.
run() {
	name=$1
	shift
	case " ${SKIP:-} " in
	*" $name "*)
		echo "$name is left out" > "$logs/$name.outcome"
		return
		;;
	esac
	start=$(date +%s)
	left=$((end - start))
	limit=$((left < ${most:-$left} ? left : ${most:-$left}))
	if ! command -v "$1" > /dev/null; then
		outcome="skipped: there is no $1"
	elif [ $left -lt 2 ]; then
		outcome='no time was left'
		touch "$logs/failed"
	else
		timeout --kill-after=5 $limit "$@" > "$logs/$name" 2>&1
		status=$?
		case $status in
		0) outcome=passed ;;
		77) outcome="skipped: $(tail -n 1 "$logs/$name")" ;;
		124 | 137) outcome="did not end within $limit seconds" ;;
		*) outcome="failed with status $status" ;;
		esac
		if [ $status -ne 0 ] && [ $status -ne 77 ]; then
			touch "$logs/failed"
			echo "--- $name $outcome:"
			tail -n 25 "$logs/$name"
		fi
	fi
	printf '%-24s %4d s  %s\n' "$name" $(($(date +%s) - start)) "$outcome" > "$logs/$name.outcome"
}

# nvidia-smi, as a header of what follows.
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || echo "there is no nvidia-smi"
# run_test NAME FILTER...: tests of cargo's. That none ran is a failure, as after a change of name.
run_test() {
	name=$1
	shift
	run "$name" env RADAM_TEST_DEVICE=cuda "$folder/tests/$name" "$@"
	if grep -q '^test result: ok. 0 passed' "$logs/$name" 2> /dev/null; then
		touch "$logs/failed"
		echo "--- $name ran no test"
	fi
}

# These take a minute or two, most of it waiting for small steps, and may take all the time that there is.
tests=$(ls "$folder/tests" 2> /dev/null)
for test in $tests; do
	case $test in
	determinism) run_test $test --exact a_gpu_gives_the_same_bits & ;; # the others vary what only a CPU has
	*) run_test $test & ;;
	esac
done
most=$((seconds / 2)) # so that what hangs leaves time for others
run small_steps "$folder/small_steps"
run graphs "$folder/graphs"
run random_calls "$folder/random_calls" 10000
if [ ! -x "$folder/cuda_train" ]; then
	run build_cuda_train nvcc -O2 "-I$here/../../include" "$here/../../examples/cuda/train.cu" -o "$folder/cuda_train" \
		"-L$folder" -lradam -Xlinker "-rpath=$folder"
fi
# Each ends with an error if it finds one. Each fifth setup has every dtype and every option.
sanitize() {
	run "$1" compute-sanitizer --tool "$1" --error-exitcode 9 "$folder/small_steps" 5
}
sanitize memcheck
sanitize racecheck
# It prints "step 200  loss 0.0001" and at last "200 steps".
[ ! -x "$folder/cuda_train" ] || run cuda_train sh -c '"$1" | tee /dev/stderr | awk "/^step 200/ { loss = \$4 } END { exit !(\$0 == \"200 steps\" && loss < 1e-4) }"' \
	sh "$folder/cuda_train"
run torch_door sh "$here/torch_door.sh" "$folder"
wait
for test in $tests; do
	[ -e "$logs/$test.outcome" ] || touch "$logs/failed"
done
grep -h 'have the bits of the CPU\|LibTorch on a GPU\|ERROR SUMMARY\|RACECHECK SUMMARY\|^step\|^test result' "$logs"/* 2> /dev/null
echo
cat "$logs"/*.outcome
[ ! -e "$logs/failed" ]
