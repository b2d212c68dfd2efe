# Trains the brain while the game runs. The gradients of the next step add up in arrays of the game while the step on the
# last ones, which the optimizer has copied, is in slices.
# SPDX: MIT OR Apache-2.0
extends Reference

const RAdam = preload("res://radam.gdns")
const Brain = preload("res://brain.gd")
const Workers = preload("res://workers.gd")

const FRAMES_PER_DECISION = 6
const FRAMES_PER_STEP = 12
const MAX_GRAD_NORM = 0.1

var meadow
var brain = Brain.new()
var optimizer = RAdam.new()
var group
var params = {} # ids, by name
var mode
var budget
var workers
var frame = 0
var is_open = false
var steps = 0
var slices = [] # microseconds

# mode: how steps are made: "slices" of `budget` microseconds in each frame, on "threads" of the engine, or "whole".
func _init(in_meadow, with_mode, with_budget):
	meadow = in_meadow
	mode = with_mode
	budget = with_budget
	group = optimizer.add_group({"lr": 0.005, "beta2": 0.98})
	for name in Brain.LENGTHS:
		params[name] = optimizer.add_param(group, name, Brain.initial_values(name, meadow.random))
	_renew()
	if mode == "threads":
		workers = Workers.new(optimizer, 2)

# The brain acts by the new weights, and its gradients begin at 0.
func _renew():
	for name in params:
		brain.set(name, optimizer.get_param(params[name]))
		brain.set(name + "_grad", Brain.zeros(Brain.LENGTHS[name]))

func update():
	for i in meadow.BEES:
		if (frame + i) % FRAMES_PER_DECISION == 0:
			_decide(meadow.bees[i])
	frame += 1
	if is_open and mode == "slices":
		_slice()
	if frame % FRAMES_PER_STEP == 0:
		_begin_step()

func _decide(bee):
	if bee.moment:
		var way = bee.moment_distance - bee.position.distance_to(bee.flower)
		var moments = meadow.BEES * FRAMES_PER_STEP / FRAMES_PER_DECISION
		brain.learn(bee.moment, way / (meadow.SPEED * FRAMES_PER_DECISION), 1.0 / moments)
	bee.flower = meadow.nearest_flower(bee.position)
	bee.moment_distance = bee.position.distance_to(bee.flower)
	bee.moment = brain.think(bee.flower - bee.position, meadow.random)
	bee.direction = bee.moment.direction

func _slice():
	var start = OS.get_ticks_usec()
	var left = optimizer.step_for(budget)
	slices.append(OS.get_ticks_usec() - start)
	if left == 0:
		_end_step()

func _end_step():
	optimizer.end_step()
	is_open = false
	steps += 1

# The bees always act by the weights of the last step but one, however soon a step is complete. So what they learn does
# not depend on the mode, on the budget or on how fast the machine is.
func _begin_step():
	while is_open:
		_slice()
	var grads = {}
	for name in params:
		grads[name] = brain.get(name + "_grad")
	_renew()
	for name in params:
		optimizer.set_grad(params[name], grads[name])
	var options = {"max_grad_norm": MAX_GRAD_NORM}
	if mode == "whole":
		optimizer.step(options)
		steps += 1
		return
	optimizer.begin_step(options)
	is_open = true
	if mode == "threads":
		workers.run_step()
		_end_step()

# Completes what is open.
func finish():
	while is_open:
		_slice()
	if workers:
		workers.stop()

# A number that differs if any of the weights does.
func fingerprint():
	var weights = []
	for name in params:
		weights.append(optimizer.get_param(params[name]))
	return hash(weights)
