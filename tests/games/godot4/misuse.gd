# What the class RAdam refuses, and that it keeps no array of the script. Run in the project of examples/games/godot4.
# SPDX: MIT OR Apache-2.0
extends SceneTree

var failures = 0

func expect(condition, what):
	if not condition:
		failures += 1
		print("FAILED: ", what)

func expect_error(result, optimizer, words):
	var error = optimizer.get_error()
	expect(result == null and words in error, "%s, not %s: %s" % [words, result, error])

func _init():
	var optimizer = RAdam.new()
	expect_error(optimizer.add_group({"lr": 0.1, "betas": 1}), optimizer, "there is no option betas")
	expect_error(optimizer.add_group({"lr": "fast"}), optimizer, "lr is fast; it must be a number")
	expect_error(optimizer.add_group({}), optimizer, "lr is NaN")
	expect_error(optimizer.add_group(), optimizer, "add_group takes 1 arguments, not 0")
	var group = optimizer.add_group({"lr": 0.1})
	expect_error(optimizer.add_param(group + 1, "a", PackedFloat32Array()), optimizer, "group")
	expect_error(optimizer.add_param(group, "a", [1, 2]), optimizer, "it must be a PackedFloat32Array")
	arrays_are_copied(optimizer, group)
	open_steps_keep_their_arrays(optimizer)
	params_freeze_and_go(group, optimizer)
	open_steps_refuse(optimizer)
	aborted_steps_change_nothing(optimizer)
	checkpoints_continue()
	expect_error(optimizer.get_param(-1), optimizer, "param is -1")
	expect_error(optimizer.get_param(7), optimizer, "param is 7")
	optimizer.set_lr(group, 0.2)
	expect(optimizer.get_lr(group) == 0.2, "lr")
	expect(optimizer.group_report(group).step == 5, "group_report")
	optimizer.begin_step()  # freed while a step is open
	print("failures %d" % failures)
	quit()

func arrays_are_copied(optimizer, group):
	var values = PackedFloat32Array([1, 2, 3])
	var param = optimizer.add_param(group, "a", values)
	var grad = PackedFloat32Array([1, -1, 0])
	optimizer.set_grad(param, grad)
	for i in 3:
		values[i] = 100
		grad[i] = 100
	var report = optimizer.step()
	expect(report.params_stepped == 1 and abs(report.grad_norm - sqrt(2)) < 1e-6, "the gradient is a copy")
	var stepped = optimizer.get_param(param)
	expect(stepped[0] < 1 and stepped[1] > 2 and stepped[2] == 3, "the parameter is a copy: %s" % stepped)
	stepped[0] = 100
	expect(optimizer.get_param(param)[0] < 1, "what is returned is a copy")
	expect_error(optimizer.set_grad(param, PackedFloat32Array([1])), optimizer, "grad has 1 elements; it must have the parameter's 3")
	optimizer.set_param(param, PackedFloat32Array([4, 5, 6]))
	expect(optimizer.get_param(param)[2] == 6, "set_param")

func open_steps_keep_their_arrays(optimizer):
	expect_error(optimizer.step_for(100), optimizer, "no step is open")
	expect_error(optimizer.step_chunk(0), optimizer, "step")
	optimizer.begin_step()
	expect_error(optimizer.begin_step(), optimizer, "step")
	expect_error(optimizer.set_grad(0, PackedFloat32Array([1, 1, 1])), optimizer, "step")
	expect_error(optimizer.get_param(0), optimizer, "step")
	expect(optimizer.next_wave() == 1, "one chunk")
	expect_error(optimizer.end_step(), optimizer, "chunk")
	expect_error(optimizer.step_chunk(1), optimizer, "chunk")
	expect_error(optimizer.step_chunk(-1), optimizer, "chunk is -1")
	expect(optimizer.step_chunk(0) == OK, "step_chunk")
	expect_error(optimizer.step_chunk(0), optimizer, "chunk")
	expect(optimizer.next_wave() == 0, "no more waves")
	expect(optimizer.end_step().params_stepped == 1, "end_step")

func params_freeze_and_go(group, optimizer):
	expect(optimizer.is_frozen(0) == false, "is_frozen")
	expect(optimizer.set_frozen(0, true) == OK and optimizer.is_frozen(0) == true, "set_frozen")
	expect(optimizer.step().params_stepped == 0, "a frozen parameter is not stepped")
	optimizer.set_frozen(0, false)
	expect(optimizer.step().params_stepped == 1, "an unfrozen parameter is stepped")
	expect_error(optimizer.set_frozen(0, 1), optimizer, "frozen is 1; it must be true or false")
	expect_error(optimizer.set_frozen(9, true), optimizer, "param is 9")
	expect_error(optimizer.is_frozen(9), optimizer, "param is 9")
	var param = optimizer.add_param(group, "short-lived", PackedFloat32Array([1]))
	expect(optimizer.remove_param(param) == OK, "remove_param")
	expect_error(optimizer.get_param(param), optimizer, "param is %d; it must be a number" % param)
	expect_error(optimizer.remove_param(param), optimizer, "param is %d" % param)
	expect_error(optimizer.remove_param(9), optimizer, "param is 9")
	var again = optimizer.add_param(group, "short-lived", PackedFloat32Array([2, 3]))
	expect(again == param + 1 and optimizer.get_param(again)[1] == 3, "a name can be used again, an id is not")
	optimizer.remove_param(again)

func open_steps_refuse(optimizer):
	expect_error(optimizer.abort_step(), optimizer, "no step is open")
	optimizer.begin_step()
	expect_error(optimizer.set_frozen(0, true), optimizer, "step")
	expect_error(optimizer.remove_param(0), optimizer, "step")
	expect_error(optimizer.save("user://open"), optimizer, "step")
	expect_error(optimizer.load("user://open"), optimizer, "step")
	expect(optimizer.step_for(1000000) == 0, "step_for")
	expect_error(optimizer.abort_step(), optimizer, "step")
	expect(optimizer.end_step().params_stepped == 1, "a step that cannot be aborted is still open")

func aborted_steps_change_nothing(optimizer):
	var before = optimizer.get_param(0)
	optimizer.begin_step()
	expect(optimizer.abort_step() == OK, "abort_step")
	expect(optimizer.get_param(0) == before, "an aborted step changes nothing")
	expect_error(optimizer.end_step(), optimizer, "no step is open")

# An optimizer of one parameter, after so many steps.
func trained(steps):
	var optimizer = RAdam.new()
	optimizer.add_param(optimizer.add_group({"lr": 0.1}), "a", PackedFloat32Array([1, 2, 3]))
	optimizer.set_grad(0, PackedFloat32Array([1, -1, 0.5]))
	for i in steps:
		optimizer.step()
	return optimizer

func checkpoints_continue():
	var first = trained(9)
	for path in ["user://brain.safetensors", "res://größe.safetensors"]:
		expect(first.save(path) == OK, "save")
		expect(FileAccess.file_exists(path), "%s is where Godot has it" % path)
		var second = trained(0)
		expect(second.load(path) == OK, "load")
		second.set_param(0, first.get_param(0))
		for optimizer in [first, second]:
			optimizer.step()
		expect(first.get_param(0) == second.get_param(0), "what was loaded goes on as what was saved")
		expect(second.group_report(0).step == first.group_report(0).step, "the count of steps")
	expect_error(first.save("user://missing/brain"), first, "missing/brain")
	expect_error(first.load("user://missing"), first, "missing")
	expect_error(first.save(1), first, "path is 1; it must be a String")
	expect(first.step().params_stepped == 1, "nothing is lost")
