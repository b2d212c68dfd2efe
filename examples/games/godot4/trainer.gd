# Trains the brain while the game runs. The gradients of the next step add up in arrays of the game while the step on the
# last ones, which the optimizer has copied, is in slices.
# SPDX: MIT OR Apache-2.0
extends RefCounted

const Brain = preload("res://brain.gd")
const Meadow = preload("res://meadow.gd")

const FRAMES_PER_DECISION = 6
const FRAMES_PER_STEP = 12
const MAX_GRAD_NORM = 0.1

var meadow: Meadow
var brain := Brain.new()
var optimizer := RAdam.new()
var params := {} # ids, by name
var mode: String
var budget: int
var frame := 0
var is_open := false
var steps := 0
var slices := PackedInt64Array() # microseconds
var chunks_on_threads := 0

# mode: how steps are made: "slices" of `budget` microseconds in each frame, on "threads" of the engine, or "whole".
func _init(in_meadow: Meadow, with_mode: String, with_budget: int) -> void:
	meadow = in_meadow
	mode = with_mode
	budget = with_budget
	var group: int = optimizer.add_group({"lr": 0.005, "beta2": 0.98})
	for name in Brain.LENGTHS:
		params[name] = optimizer.add_param(group, name, Brain.initial_values(name, meadow.random))
	_renew()

# The brain acts by the new weights, and its gradients begin at 0.
func _renew() -> void:
	for name in params:
		brain.set(name, optimizer.get_param(params[name]))
		brain.set(name + "_grad", Brain.zeros(Brain.LENGTHS[name]))

func update() -> void:
	for i in Meadow.BEES:
		if (frame + i) % FRAMES_PER_DECISION == 0:
			_decide(meadow.bees[i])
	frame += 1
	if is_open and mode == "slices":
		_slice()
	if frame % FRAMES_PER_STEP == 0:
		_begin_step()

func _decide(bee: Meadow.Bee) -> void:
	if bee.moment:
		var way := bee.distance - bee.position.distance_to(bee.flower)
		var moments := float(Meadow.BEES) * FRAMES_PER_STEP / FRAMES_PER_DECISION
		brain.learn(bee.moment, way / (Meadow.SPEED * FRAMES_PER_DECISION), 1 / moments)
	bee.flower = meadow.nearest_flower(bee.position)
	bee.distance = bee.position.distance_to(bee.flower)
	bee.moment = brain.think(bee.flower - bee.position, meadow.random)
	bee.direction = bee.moment.direction

func _slice() -> void:
	var start := Time.get_ticks_usec()
	var left: int = optimizer.step_for(budget)
	slices.append(Time.get_ticks_usec() - start)
	if left == 0:
		_end_step()

func _end_step() -> void:
	optimizer.end_step()
	is_open = false
	steps += 1

# The bees always act by the weights of the last step but one, however soon a step is complete. So what they learn does
# not depend on the mode, on the budget or on how fast the machine is.
func _begin_step() -> void:
	finish()
	var grads := {}
	for name in params:
		grads[name] = brain.get(name + "_grad")
	_renew()
	for name in params:
		optimizer.set_grad(params[name], grads[name])
	var options := {"max_grad_norm": MAX_GRAD_NORM}
	if mode == "whole":
		optimizer.step(options)
		steps += 1
		return
	optimizer.begin_step(options)
	is_open = true
	if mode == "threads":
		_step_on_threads()
		_end_step()

# All chunks of a wave must be done before the next one.
func _step_on_threads() -> void:
	var chunks: int = optimizer.next_wave()
	while chunks > 0:
		WorkerThreadPool.wait_for_group_task_completion(WorkerThreadPool.add_group_task(optimizer.step_chunk, chunks))
		chunks_on_threads += chunks
		chunks = optimizer.next_wave()

# Completes what is open.
func finish() -> void:
	while is_open:
		_slice()

# A number that differs if any of the weights does.
func fingerprint() -> int:
	var weights := []
	for name in params:
		weights.append(optimizer.get_param(params[name]))
	return hash(weights)
