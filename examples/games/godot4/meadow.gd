# Bees and flowers. A bee that reaches a flower has found it, and the flower grows elsewhere.
# SPDX: MIT OR Apache-2.0
extends RefCounted

const Brain = preload("res://brain.gd")

const BEES = 24
const FLOWERS = 10
const SIZE = Vector2(960, 540)
const SPEED = 3.0 # per frame
const REACH = 12.0
const DIRECTIONS = 8

class Bee:
	var position: Vector2
	var direction := 0
	var moment: Brain.Moment # what it saw when it decided last, and
	var flower: Vector2 # the nearest flower at that time,
	var distance: float # which was so far

var random := RandomNumberGenerator.new()
var flowers := PackedVector2Array()
var bees: Array[Bee] = []
var found := 0

func _init(seed_number: int) -> void:
	random.seed = seed_number
	for i in FLOWERS:
		flowers.append(_anywhere())
	for i in BEES:
		bees.append(Bee.new())
		bees[i].position = _anywhere()

func _anywhere() -> Vector2:
	return Vector2(random.randf(), random.randf()) * SIZE

func nearest_flower(position: Vector2) -> Vector2:
	var nearest := flowers[0]
	for flower in flowers:
		if position.distance_squared_to(flower) < position.distance_squared_to(nearest):
			nearest = flower
	return nearest

func update() -> void:
	for bee in bees:
		bee.position += Vector2(SPEED, 0).rotated(bee.direction * TAU / DIRECTIONS)
		bee.position = bee.position.clamp(Vector2.ZERO, SIZE)
		for i in FLOWERS:
			if bee.position.distance_to(flowers[i]) < REACH:
				flowers[i] = _anywhere()
				found += 1
