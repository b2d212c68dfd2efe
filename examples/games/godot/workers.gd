# Threads of the engine that step the chunks of a step together. SPDX: MIT OR Apache-2.0
extends Reference

const RAdamWorker = preload("res://radam_worker.gdns")

var optimizer
var workers = [] # one for each thread, since Godot writes into an object whenever it calls a method of it
var threads = []
var starts = [] # a semaphore for each thread
var done = Semaphore.new()
var chunks = 0 # of the wave
var stepped = 0 # chunks of all waves
var quitting = false

func _init(of_optimizer, count):
	optimizer = of_optimizer
	for i in count:
		workers.append(RAdamWorker.new())
		workers[i].set_optimizer(optimizer.get_handle())
		starts.append(Semaphore.new())
	for i in count:
		threads.append(Thread.new())
		threads[i].start(self, "_work", i)

# All chunks of a wave must be done before the next one.
func run_step():
	chunks = optimizer.next_wave()
	while chunks > 0:
		for start in starts:
			start.post()
		for i in starts.size():
			done.wait()
		stepped += chunks
		chunks = optimizer.next_wave()

func _work(index):
	starts[index].wait()
	while not quitting:
		for chunk in range(index, chunks, workers.size()):
			workers[index].step_chunk(chunk)
		done.post()
		starts[index].wait()

func stop():
	quitting = true
	for i in threads.size():
		starts[i].post()
		threads[i].wait_to_finish()
