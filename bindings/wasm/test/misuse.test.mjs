import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { test } from "node:test";
import { GradSums, Optimizer, RadamError, Tensor, update } from "radam";
import { STRUCTS } from "../node_modules/radam/src/api.js";
import { allocate, bytes, call, callOn, run } from "../node_modules/radam/src/library.js";
import { lent, ramp, refused, trained } from "./helpers.mjs";

const invalid = (words, body) => refused("INVALID_ARGUMENT", words, body);

test("errors have a status and a sentence", () => {
  const optimizer = new Optimizer();
  try {
    optimizer.addGroup({ lr: -1 });
    assert.fail();
  } catch (error) {
    assert(error instanceof RadamError && error instanceof Error && error.name === "RadamError");
    assert.equal(error.status, "INVALID_ARGUMENT");
    assert.match(error.message, /lr is -1/);
  }
});

test("arrays of another type or length", () => {
  const { optimizer, param, data, grad } = lent();
  const step = (data, grad) => () => optimizer.stepTensor(param, data, grad);
  invalid(["data", "Float64Array", "Float32Array"], step(new Float64Array(1000), grad));
  invalid(["data has 999", "1000"], step(data.subarray(1), grad));
  invalid(["grad has 1001", "1000"], step(data, new Float32Array(1001)));
  invalid(["grad", "null"], step(data, null));
  invalid(["grad", "Array"], step(data, [...grad]));
  invalid(["grad", "bf16", "f32"], step(data, new Tensor("bf16", 1000)));
  invalid(["grad overlaps data"], step(data, data));
  invalid(["overlap"], () => {
    const both = new Tensor("f32", 1000);
    optimizer.stepTensor(param, both, both.array);
  });
  invalid(["param is 7"], () => optimizer.stepTensor(7, data, grad));
  invalid(["param is -1"], () => optimizer.stepTensor(-1, data, grad));
  invalid(["param is 0.5"], () => optimizer.stepTensor(0.5, data, grad));
  assert.deepEqual(data, ramp(1000));
});

test("tensors of another dtype or length, and arrays that cannot be kept", () => {
  const { optimizer, group, param } = trained();
  invalid(["data", "Float32Array", "stepTensor"], () => optimizer.addParam(group, { data: new Float32Array(3) }));
  invalid(["grad", "3 f32", "4 f32"], () => optimizer.addParam(group, { data: new Tensor("f32", 4), grad: new Tensor("f32", 3) }));
  invalid(["data", "f64"], () => optimizer.addParam(group, { dtype: "f64", data: new Tensor("f32", 4) }));
  invalid(["data", "1000 f32"], () => optimizer.setData(param, new Tensor("f16", 1000)));
  invalid(["grad", "1000 f32"], () => optimizer.setGrad(param, new Tensor("f32", 999)));
  invalid(["grads[0]", "1000 f32"], () => optimizer.setTensors(param, null, [new Tensor("f32", 1)]));
  invalid(["as many"], () => optimizer.setTensors(param, [null], []));
  invalid(["param is 1"], () => optimizer.setTensors(param, [null, null], null));
  invalid(["dtype", "f8"], () => new Tensor("f8", 4));
  assert.throws(() => (new Tensor("f32", 4).length = 400), TypeError);
  invalid(["dtype", "toString"], () => new Tensor("toString", 4));
  invalid(["values", "-1"], () => new Tensor("f32", -1));
  invalid(["values", "Array"], () => new Tensor("bf16", [1.5]));
  invalid(["length"], () => optimizer.addParam(group, { dtype: "f32" }));
  invalid(["dtype is missing"], () => optimizer.addParam(group, { length: 4 }));
  invalid(["lenght", "length"], () => optimizer.addParam(group, { dtype: "f32", lenght: 4 }));
  invalid(["name"], () => optimizer.addParam(group, { dtype: "f32", length: 4, name: "a\0b" }));
  invalid(["weight"], () => optimizer.addParam(group, { dtype: "f32", length: 4, name: "weight" }));
  invalid(["group is 9"], () => optimizer.addParam(9, { dtype: "f32", length: 4 }));
  assert.equal(optimizer.addParam(group, { dtype: "f32", length: 4, name: "größer 1" }), 1);
  assert.equal(optimizer.param(1).name, "größer 1");
});

test("errors name the parameter", () => {
  const optimizer = new Optimizer();
  const group = optimizer.addGroup({ lr: 0.1 });
  const [a, b, wrong] = [new Tensor("f32", 4), new Tensor("f32", 4), new Tensor("f64", 4)];
  optimizer.addParam(group, { data: a, name: "a_b" });
  invalid(["data of \"c\" is 0x", "\"a_b\""], () => optimizer.addParam(group, { data: a, name: "c" }));
  invalid(["data is 0x"], () => optimizer.addParam(group, { data: a }));
  invalid(["params[1].data is 0x"], () => optimizer.addParams(group, [{ data: b }, { data: a }]));
  const params = [{ data: b }, { dtype: "f32", data: wrong }];
  invalid(["params[1].data is a Tensor of 4 f64"], () => optimizer.addParams(group, params));
  invalid(["name is \"a_b\""], () => optimizer.addParam(group, { data: b, name: "a_b" }));
  invalid(["param is 1"], () => optimizer.param(1));
  invalid(["first is 7 and count is 0"], () => optimizer.setTensors(7, [], null));
  const sums = new GradSums();
  sums.addWords(sums.words.fill(-1n));
  invalid(["sums.words[0] is -1"], () => sums.norm);
});

test("null", () => {
  const { optimizer, group, param, data, grad } = lent();
  invalid(["options is null; it must be an object"], () => optimizer.addGroup(null));
  invalid(["options is null"], () => optimizer.setGroupOptions(group, null));
  invalid(["options is null"], () => optimizer.step(null));
  invalid(["options is 5"], () => optimizer.stepTensor(param, data, grad, 5));
  invalid(["options is null"], () => optimizer.load(optimizer.save(), null));
  invalid(["param is null; it must be an object"], () => optimizer.addParam(group, null));
  invalid(["params[1] is undefined"], () => optimizer.addParams(group, [{ dtype: "f32", length: 1 }, undefined]));
  invalid(["params is null; it must be an array"], () => optimizer.addParams(group, null));
  invalid(["grads is 5; it must be an array, or null"], () => optimizer.setTensors(0, null, 5));
  invalid(["name is null; it must be a string"], () => optimizer.paramId(null));
  invalid(["arrays is null"], () => update(null, { lr: 1 }, 1));
  invalid(["sums is null"], () => optimizer.measure(null));
  invalid(["words is null"], () => new GradSums().addWords(null));
  invalid(["values is null"], () => new Tensor("f32", null));
  invalid(["checkpoint is null"], () => optimizer.load(null));
});

test("a missing radam.wasm", async () => {
  const folder = new URL("../without-wasm/", import.meta.url);
  await cp(new URL("../node_modules/radam/", import.meta.url), folder, { recursive: true });
  await rm(new URL("radam.wasm", folder));
  await assert.rejects(import(new URL("node.js", folder)), /cannot be read from .*radam\.wasm .*ENOENT.*`make wasm`/);
  await rm(folder, { recursive: true });
});

test("options", () => {
  const { optimizer, group } = trained();
  invalid(["learningRate", "lr", "weightDecay"], () => optimizer.addGroup({ lr: 0.1, learningRate: 0.1 }));
  invalid(["structSize"], () => optimizer.addGroup({ lr: 0.1, structSize: 3 }));
  invalid(["lr"], () => optimizer.addGroup({}));
  invalid(["lr", '"0.1"', "number"], () => optimizer.addGroup({ lr: "0.1" }));
  invalid(["rectify", "1", "true"], () => optimizer.addGroup({ lr: 0.1, rectify: 1 }));
  invalid(["seed", "-1"], () => optimizer.addGroup({ lr: 0.1, seed: -1 }));
  invalid(["seed"], () => optimizer.addGroup({ lr: 0.1, seed: 2 ** 53 }));
  invalid(["stateDtype", "float32"], () => optimizer.addGroup({ lr: 0.1, stateDtype: "float32" }));
  invalid(["beta1", "1.5"], () => optimizer.setGroupOptions(group, { beta1: 1.5 }));
  invalid(["lr"], () => optimizer.setLr(group, "0.1"));
  invalid(["group"], () => optimizer.setLr("0", 0.1));
  invalid(["frozen"], () => optimizer.setFrozen(0, 1));
  invalid(["gradSums", "GradSums"], () => optimizer.step({ gradSums: 5 }));
  invalid(["maxGradNorm"], () => optimizer.step({ maxGradNorm: 1n }));
  invalid(["gradSums"], () => lentStep({ maxGradNorm: 1 }));
  invalid(["steps"], () => optimizer.setStepCount(0, -1n));
  invalid(["name", "expAvg"], () => optimizer.state(0, "momentum"));
  invalid(["values has 3"], () => optimizer.setState(0, "expAvg", new Float32Array(3)));
  refused("INVALID_STATE", "kahanComp", () => optimizer.setState(0, "kahanComp", new Float32Array(1000)));
  assert.equal(optimizer.addGroup({ lr: 0.1, seed: undefined }), 1);
});

function lentStep(options) {
  const { optimizer, param, data, grad } = lent();
  optimizer.stepTensor(param, data, grad, options);
}

test("sums and updates", () => {
  const sums = new GradSums();
  invalid(["grad", "Float64Array"], () => sums.add("f32", new Float64Array(3)));
  invalid(["dtype"], () => sums.add("f8", new Float32Array(3)));
  invalid(["words"], () => sums.addWords(new BigInt64Array(71)));
  invalid(["sums"], () => new Optimizer().measure({}));
  sums.free();
  invalid(["freed"], () => sums.norm);
  const arrays = { dtype: "f32", param: ramp(4), grad: ramp(4), expAvg: new Float32Array(4), expAvgSq: new Float32Array(4) };
  invalid(["step"], () => update(arrays, { lr: 0.1 }, 0));
  invalid(["expAvg"], () => update({ ...arrays, expAvg: new Float32Array(5) }, { lr: 0.1 }, 1));
  invalid(["expAvgSq overlaps expAvg"], () => update({ ...arrays, expAvgSq: arrays.expAvg }, { lr: 0.1 }, 1));
  invalid(["kahanComp", "Int16Array, with 4"], () => update({ ...arrays, kahanComp: new Int16Array(3) }, { lr: 0.1, masterRemainder: true }, 1));
  invalid(["param"], () => update({ ...arrays, param: undefined }, { lr: 0.1 }, 1));
});

test("calls that do not apply now", () => {
  const { optimizer, param, data, grad } = trained();
  refused("INVALID_STATE", "gradientRelease", () => optimizer.stepTensor(param, data, grad));
  refused("INVALID_STATE", "no step is open; stepBegin opens one", () => optimizer.stepEnd());
  optimizer.stepBegin();
  for (const body of [() => optimizer.step(), () => optimizer.save(), () => optimizer.removeParam(param)]) {
    refused("BUSY", "the optimizer has an open step, which stepBegin opened; end it first with stepEnd", body);
  }
  refused("INVALID_STATE", "stepWave begins one", () => optimizer.stepChunk(0));
  while (optimizer.stepFor(100) > 0);
  optimizer.stepEnd();
  optimizer.step();
});

test("checkpoints that are none", () => {
  const { optimizer } = trained();
  const checkpoint = optimizer.save();
  invalid(["checkpoint", "Uint8Array"], () => optimizer.load("file"));
  refused("CORRUPT", "", () => optimizer.load(checkpoint.subarray(0, 100)));
  refused("CORRUPT", "", () => optimizer.load(new Uint8Array()));
  checkpoint[checkpoint.length - 1] ^= 1;
  refused("CORRUPT", "", () => optimizer.load(checkpoint));
  refused("MISMATCH", "weight", () => trained({}, { name: "bias" }).optimizer.load(optimizer.save()));
});

test("there are no files", () => {
  const path = allocate(8);
  bytes().set(new TextEncoder().encode("a.radam\0"), path);
  const out = allocate(4);
  call("radam_create", 0, out);
  const handle = new DataView(bytes().buffer).getInt32(out, true);
  for (const name of ["radam_save", "radam_load"]) {
    refused("IO", ["a.radam", "not supported on this platform"], () => callOn(handle, name, path));
  }
  callOn(handle, "radam_free");
});

test("more optimizers than fit into a page of the registry, and handles of freed ones", () => {
  const optimizers = Array.from({ length: 100 }, () => new Optimizer());
  for (const [index, optimizer] of optimizers.entries()) assert.equal(optimizer.addGroup({ lr: 1 / (index + 1) }), 0);
  for (const [index, optimizer] of optimizers.entries()) {
    assert.equal(optimizer.lr(0), 1 / (index + 1));
    optimizer.free();
  }
  new Optimizer();
  for (const optimizer of optimizers) refused("INVALID_HANDLE", "the optimizer has been freed", () => optimizer.lr(0));
  refused("INVALID_HANDLE", "the optimizer has been freed", () => optimizers[0].advice());
});

// The last test: it breaks the instance.
test("after a panic, every call says so", () => {
  const { optimizer } = trained();
  const beyond = 2 ** 32 - 1024;
  assert(bytes().length < beyond);
  refused("PANIC", ["radam_param_init", "worker"], () => run("radam_param_init", [beyond, STRUCTS.radam_param.size]));
  refused("PANIC", "worker", () => optimizer.step());
});
