# One small network for all bees, in plain GDScript: from where a bee sees the nearest flower to the chances of its
# directions and the reward that it may expect. It learns by policy gradient; forward and backward by hand.
# SPDX: MIT OR Apache-2.0
extends RefCounted

const GRID = 32 # the field of view is GRID * GRID cells; a flower is seen in the four around it
const SIGHT = 300.0
const HIDDEN = 32
const DIRECTIONS = 8
const OUTPUTS = DIRECTIONS + 1 # the last one is the expected reward
const ENTROPY = 0.01 # its weight in the loss

# The arrays that are trained, by name.
const LENGTHS = {
	"see_weight": GRID * GRID * HIDDEN,
	"see_bias": HIDDEN,
	"fly_weight": OUTPUTS * HIDDEN,
	"fly_bias": OUTPUTS,
}

# What a bee sees and does at one time, to learn from it later.
class Moment:
	var cells: PackedInt32Array
	var amounts: PackedFloat32Array
	var hidden: PackedFloat32Array
	var chances: PackedFloat32Array
	var expected: float
	var direction: int

# What the bees act by: copies of the optimizer's parameters.
var see_weight: PackedFloat32Array
var see_bias: PackedFloat32Array
var fly_weight: PackedFloat32Array
var fly_bias: PackedFloat32Array

# The gradients that add up.
var see_weight_grad: PackedFloat32Array
var see_bias_grad: PackedFloat32Array
var fly_weight_grad: PackedFloat32Array
var fly_bias_grad: PackedFloat32Array

static func zeros(length: int) -> PackedFloat32Array:
	var array := PackedFloat32Array()
	array.resize(length)
	return array

static func initial_values(name: String, random: RandomNumberGenerator) -> PackedFloat32Array:
	var array := zeros(LENGTHS[name])
	var scale: float = {"see_weight": 0.3, "fly_weight": 0.05}.get(name, 0.0)
	for i in array.size():
		array[i] = scale * random.randf_range(-1, 1)
	return array

# `offset` is from the bee to the flower.
func think(offset: Vector2, random: RandomNumberGenerator) -> Moment:
	var view := (offset / SIGHT * 0.5 + Vector2(0.5, 0.5)) * (GRID - 1)
	view = view.clamp(Vector2.ZERO, Vector2.ONE * (GRID - 1.001))
	var corner := view.floor()
	var part := view - corner
	var cell := int(corner.y) * GRID + int(corner.x)
	var moment := Moment.new()
	moment.cells = [cell, cell + 1, cell + GRID, cell + GRID + 1]
	moment.amounts = [(1 - part.x) * (1 - part.y), part.x * (1 - part.y), (1 - part.x) * part.y, part.x * part.y]
	moment.hidden = _see(moment)
	_choose(moment, random)
	return moment

func _see(moment: Moment) -> PackedFloat32Array:
	var hidden := see_bias.duplicate()
	for k in 4:
		var row := moment.cells[k] * HIDDEN
		var amount := moment.amounts[k]
		for h in HIDDEN:
			hidden[h] += amount * see_weight[row + h]
	for h in HIDDEN:
		hidden[h] = maxf(0, hidden[h])
	return hidden

func _choose(moment: Moment, random: RandomNumberGenerator) -> void:
	var outputs := fly_bias.duplicate()
	for o in OUTPUTS:
		for h in HIDDEN:
			outputs[o] += fly_weight[o * HIDDEN + h] * moment.hidden[h]
	moment.expected = outputs[DIRECTIONS]
	outputs.resize(DIRECTIONS)
	var sum := 0.0
	for o in DIRECTIONS:
		outputs[o] = exp(clampf(outputs[o], -20, 20))
		sum += outputs[o]
	var draw := random.randf() * sum
	moment.direction = 0
	while moment.direction < DIRECTIONS - 1 and draw >= outputs[moment.direction]:
		draw -= outputs[moment.direction]
		moment.direction += 1
	for o in DIRECTIONS:
		outputs[o] /= sum
	moment.chances = outputs

# Adds to the gradients of -advantage * log(chance of the direction) - ENTROPY * entropy + (reward - expected)^2 / 2.
func learn(moment: Moment, reward: float, scale: float) -> void:
	var advantage := reward - moment.expected
	var entropy := 0.0
	for chance in moment.chances:
		entropy -= chance * log(chance + 1e-9)
	var output_grad := PackedFloat32Array()
	for o in DIRECTIONS:
		var chance := moment.chances[o]
		var of_policy := advantage * (chance - (1 if o == moment.direction else 0))
		output_grad.append(scale * (of_policy + ENTROPY * chance * (log(chance + 1e-9) + entropy)))
	output_grad.append(-scale * advantage)
	_add_gradients(moment, output_grad)

func _add_gradients(moment: Moment, output_grad: PackedFloat32Array) -> void:
	for o in OUTPUTS:
		fly_bias_grad[o] += output_grad[o]
	for h in HIDDEN:
		if moment.hidden[h] > 0:
			var sum := 0.0
			for o in OUTPUTS:
				sum += output_grad[o] * fly_weight[o * HIDDEN + h]
				fly_weight_grad[o * HIDDEN + h] += output_grad[o] * moment.hidden[h]
			see_bias_grad[h] += sum
			for k in 4:
				see_weight_grad[moment.cells[k] * HIDDEN + h] += moment.amounts[k] * sum
