# Workers on two threads at once, often enough to crash an engine that two threads call the same object of.
# Run in the project of examples/games/godot. SPDX: MIT OR Apache-2.0
extends SceneTree

const RAdamWorker = preload("res://radam_worker.gdns")

var workers = [RAdamWorker.new(), RAdamWorker.new()]

func _init():
	var threads = [Thread.new(), Thread.new()]
	for i in threads.size():
		threads[i].start(self, "_work", i)
	var failures = 0
	for thread in threads:
		failures += thread.wait_to_finish()
	print("failures %d" % failures)
	quit()

func _work(index):
	var failures = 0
	for i in 300000:
		if workers[index].get_error() != "":
			failures += 1
	return failures
