# Bees that learn to find flowers while the game runs. README.md says how to play, and what is in the other files.
#
#     godot --path examples/games/godot4 -- [--seed=N] [--mode=slices|threads|whole] [--budget=MICROSECONDS]
#         [--frames=N [--speed=N] [--picture=FILE]]
#
# SPDX: MIT OR Apache-2.0
extends Node2D

const Meadow = preload("res://meadow.gd")
const Trainer = preload("res://trainer.gd")
const FRAMES_PER_POINT = 100

var options := {"seed": 0, "mode": "slices", "budget": 50, "frames": 0, "speed": 1, "picture": ""}
var meadow: Meadow
var trainer: Trainer
var points := PackedInt32Array() # flowers found in each FRAMES_PER_POINT frames
var found_before := 0

func _ready() -> void:
	options.seed = int(Time.get_unix_time_from_system())
	for argument in OS.get_cmdline_user_args():
		var words := argument.lstrip("-").split("=")
		if words.size() == 2 and options.has(words[0]):
			options[words[0]] = words[1] if options[words[0]] is String else int(words[1])
	meadow = Meadow.new(options.seed)
	trainer = Trainer.new(meadow, options.mode, options.budget)

# A frame of the game is 1/60 s. With --speed, each frame on the screen is so many of them.
func _physics_process(_delta: float) -> void:
	for i in options.speed:
		if options.frames > 0 and trainer.frame >= options.frames:
			set_physics_process(false)
			_finish()
			return
		meadow.update()
		trainer.update()
		if trainer.frame % FRAMES_PER_POINT == 0:
			points.append(meadow.found - found_before)
			found_before = meadow.found
	var last := points[-1] if points else 0
	$Score.text = "%d steps, %d flowers in the last %d frames" % [trainer.steps, last, FRAMES_PER_POINT]
	queue_redraw()

func _finish() -> void:
	trainer.finish()
	_print_results()
	if options.picture:
		await RenderingServer.frame_post_draw
		get_viewport().get_texture().get_image().save_png(options.picture)
	get_tree().quit()

# What the test reads.
func _print_results() -> void:
	var tenth := ceili(points.size() / 10.0)
	print("found %.1f at first, %.1f at last" % [_mean(points.slice(0, tenth)), _mean(points.slice(-tenth))])
	print("steps %d, slices %d" % [trainer.steps, trainer.slices.size()])
	if trainer.slices:
		trainer.slices.sort()
		print("median slice %d, budget %d" % [trainer.slices[trainer.slices.size() >> 1], options.budget])
	if trainer.chunks_on_threads:
		print("chunks on threads %d" % trainer.chunks_on_threads)
	print("weights %d" % trainer.fingerprint())

func _mean(numbers: PackedInt32Array) -> float:
	var sum := 0.0
	for number in numbers:
		sum += number
	return sum / maxi(1, numbers.size())

func _draw() -> void:
	for flower in meadow.flowers:
		for i in 5:
			draw_circle(flower + Vector2(6, 0).rotated(i * TAU / 5), 5, Color(0.95, 0.55, 0.75))
		draw_circle(flower, 4, Color(1, 0.9, 0.4))
	for bee in meadow.bees:
		var ahead := Vector2(1, 0).rotated(bee.direction * TAU / Meadow.DIRECTIONS)
		draw_circle(bee.position - ahead * 5, 4, Color(0.2, 0.15, 0.1))
		draw_circle(bee.position, 5, Color(1, 0.8, 0.1))
		for side in [-1, 1]:
			draw_circle(bee.position + ahead.rotated(side * 1.8) * 6, 3, Color(1, 1, 1, 0.5))
	_draw_curve()

# Flowers found, from the beginning until now.
func _draw_curve() -> void:
	draw_rect(Rect2(0, 0, 340, 130), Color(0, 0, 0, 0.5))
	var curve := PackedVector2Array()
	for i in points.size():
		curve.append(Vector2(12 + 316.0 * i / points.size(), 118 - 3 * points[i]))
	if curve.size() > 1:
		draw_polyline(curve, Color(1, 0.9, 0.4), 2)
