# Bees and flowers. A bee that reaches a flower has found it, and the flower grows elsewhere.
# SPDX: MIT OR Apache-2.0
extends Reference

const BEES = 24
const FLOWERS = 10
const SIZE = Vector2(960, 540)
const SPEED = 3.0 # per frame
const REACH = 12.0
const DIRECTIONS = 8

var random
var flowers = []
var bees = [] # each a Dictionary
var found = 0

func _init(seed_number):
	random = RandomNumberGenerator.new()
	random.seed = seed_number
	for i in FLOWERS:
		flowers.append(_anywhere())
	for i in BEES:
		bees.append({"position": _anywhere(), "direction": 0, "moment": null})

func _anywhere():
	return Vector2(random.randf() * SIZE.x, random.randf() * SIZE.y)

func nearest_flower(position):
	var nearest = flowers[0]
	for flower in flowers:
		if position.distance_squared_to(flower) < position.distance_squared_to(nearest):
			nearest = flower
	return nearest

func update():
	for bee in bees:
		var position = bee.position + Vector2(SPEED, 0).rotated(bee.direction * TAU / DIRECTIONS)
		bee.position = Vector2(clamp(position.x, 0, SIZE.x), clamp(position.y, 0, SIZE.y))
		for i in FLOWERS:
			if bee.position.distance_to(flowers[i]) < REACH:
				flowers[i] = _anywhere()
				found += 1
