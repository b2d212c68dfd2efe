# One object on several threads at once: chunks of a step together, everything else in turn.
# Run in the project of examples/games/godot4. SPDX: MIT OR Apache-2.0
extends SceneTree

const SIZE = 200000
const STEPS = 50

var on_threads := RAdam.new()
var whole := RAdam.new()
var failures := 0

func expect(condition: bool, what: String) -> void:
	if not condition:
		failures += 1
		print("FAILED: ", what)

func _init() -> void:
	var values := PackedFloat32Array()
	for i in SIZE:
		values.append(sin(i))
	for optimizer: RAdam in [on_threads, whole]:
		var param: int = optimizer.add_param(optimizer.add_group({"lr": 0.1}), "a", values)
		optimizer.set_grad(param, values)
	chunks_together()
	others_in_turn()
	print("failures %d" % failures)
	quit()

func chunks_together() -> void:
	var stepped := 0
	for i in STEPS:
		whole.step({"max_grad_norm": 1})
		on_threads.begin_step({"max_grad_norm": 1})
		var chunks: int = on_threads.next_wave()
		while chunks > 0:
			WorkerThreadPool.wait_for_group_task_completion(WorkerThreadPool.add_group_task(on_threads.step_chunk, chunks))
			stepped += chunks
			chunks = on_threads.next_wave()
		on_threads.end_step()
	expect(stepped > 4 * STEPS, "several chunks in a step")
	expect(on_threads.get_param(0) == whole.get_param(0), "chunks on threads give the values of a whole step")

func others_in_turn() -> void:
	var threads: Array[Thread] = []
	for i in 2:
		threads.append(Thread.new())
		threads[i].start(_call_often)
	for thread in threads:
		expect(thread.wait_to_finish(), "a call waits for another thread's")

func _call_often() -> bool:
	var param: int = on_threads.add_param(0, "of thread %d" % OS.get_thread_caller_id(), PackedFloat32Array([1, 2, 3]))
	for i in 100000:
		if on_threads.set_grad(param, PackedFloat32Array([i, i, i])) != OK or on_threads.get_error() != "":
			return false
	return true
