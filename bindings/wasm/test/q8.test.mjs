// State of 8 bits.
import assert from "node:assert/strict";
import test from "node:test";
import { GradSums, Optimizer, Tensor, update } from "radam";
import { lent, ramp, refused, trained } from "./helpers.mjs";

const [LENGTH, BLOCKS] = [5000, 40];
const OPTIONS = { stateDtype: "q8", seed: 7 };
const invalid = (words, body) => refused("INVALID_ARGUMENT", words, body);

test("8-bit state has the same codes in an optimizer and without one", () => {
  const { optimizer, param, data, grad } = lent(OPTIONS, { length: LENGTH, name: "param.0" });
  const arrays = {
    dtype: "f32",
    stateDtype: "q8",
    param: ramp(LENGTH),
    grad: new Float32Array(LENGTH),
    expAvg: new Int8Array(LENGTH),
    expAvgSq: new Uint8Array(LENGTH),
    stateScale: new Uint32Array(BLOCKS),
  };
  for (let step = 1; step <= 8; step++) {
    grad.set(ramp(LENGTH, step / 10));
    arrays.grad.set(grad);
    optimizer.stepTensor(param, data, grad);
    update(arrays, { lr: 0.01, ...OPTIONS }, step);
    assert.deepEqual(arrays.param, data);
    for (const name of ["expAvg", "expAvgSq", "stateScale"]) assert.deepEqual(optimizer.state(param, name), arrays[name]);
  }
  assert(arrays.stateScale.every((word) => word !== 0) && arrays.expAvg.some((code) => code !== 0));
  assert.equal(optimizer.groupOptions(0).stateDtype, "q8");

  optimizer.setState(param, "expAvg", new Int8Array(LENGTH));
  assert.deepEqual(optimizer.state(param, "expAvg"), new Int8Array(LENGTH));
  optimizer.setGroupOptions(0, { stateDtype: "f32" });
  assert(optimizer.state(param, "expAvg") instanceof Float32Array);
  assert.equal(optimizer.state(param, "stateScale"), null);
});

test("compensations beside 8-bit state have the dtype of the parameter", () => {
  const half = (length) => new Uint16Array(length).fill(0x3c00);
  const optimizer = new Optimizer();
  const group = optimizer.addGroup({ lr: 0.01, gradientRelease: true, ...OPTIONS });
  const param = optimizer.addParam(group, { dtype: "f16", length: LENGTH, name: "param.0" });
  const data = half(LENGTH);
  const arrays = {
    dtype: "f16", stateDtype: "q8", param: half(LENGTH), grad: half(LENGTH), expAvg: new Int8Array(LENGTH),
    expAvgSq: new Uint8Array(LENGTH), stateScale: new Uint32Array(BLOCKS), kahanComp: new Uint16Array(LENGTH),
  };
  for (let step = 1; step <= 3; step++) {
    optimizer.stepTensor(param, data, arrays.grad);
    update(arrays, { lr: 0.01, ...OPTIONS }, step);
  }
  assert.deepEqual(arrays.param, data);
  assert.deepEqual(optimizer.state(param, "kahanComp"), arrays.kahanComp);
  assert(arrays.kahanComp.some((bits) => bits !== 0));
  const floats = { ...arrays, kahanComp: new Float32Array(LENGTH) };
  invalid("for f16 it must be a Tensor or Uint16Array", () => update(floats, { lr: 0.01, ...OPTIONS }, 4));
});

test("8-bit state follows that of f32, from checkpoints too", () => {
  const [coded, wide] = [OPTIONS, {}].map((options) => trained(options, { length: LENGTH }));
  for (let step = 0; step < 20; step++) for (const { optimizer } of [coded, wide]) optimizer.step();
  const difference = coded.data.array.map((value, i) => Math.abs(value - wide.data.array[i]));
  assert(Math.max(...difference) < 0.02 && difference.some((value) => value > 0), String(Math.max(...difference)));
  const again = trained(OPTIONS, { length: LENGTH });
  again.optimizer.load(coded.optimizer.save());
  again.data.array.set(coded.data.array);
  for (const { optimizer } of [coded, again]) optimizer.step();
  assert.deepEqual(again.data.array, coded.data.array);
});

test("8-bit state is for large tensors, and for state only", () => {
  const optimizer = new Optimizer();
  const group = optimizer.addGroup({ lr: 0.1, ...OPTIONS });
  const small = optimizer.addParam(group, { dtype: "f32", length: 4095 });
  assert(optimizer.state(small, "expAvg") instanceof Float32Array);
  assert.equal(optimizer.state(small, "stateScale"), null);
  const large = optimizer.addParam(group, { dtype: "f32", length: LENGTH });
  const only = "which is for stateDtype only; it must be one of f32, f64, f16, bf16";
  invalid(only, () => optimizer.addParam(group, { dtype: "q8", length: LENGTH }));
  invalid(only, () => optimizer.addParam(group, { dtype: "f32", gradDtype: "q8", length: LENGTH }));
  invalid(only, () => new Tensor("q8", 3));
  invalid(only, () => new GradSums().add("q8", new Int8Array(3)));
  invalid("stateDtype is q8", () => optimizer.addParam(group, { dtype: "f64", length: LENGTH }));
  invalid("bf16, q8", () => optimizer.addGroup({ lr: 0.1, stateDtype: "q4" }));
  invalid("of type Int8Array, with 5000", () => optimizer.setState(large, "expAvg", new Float32Array(LENGTH)));
  invalid("has 41 elements", () => optimizer.setState(large, "stateScale", new Uint32Array(41)));

  const [param, grad] = [ramp(129), ramp(129)];
  const arrays = { dtype: "f32", stateDtype: "q8", param, grad, expAvg: new Int8Array(129), expAvgSq: new Uint8Array(129) };
  invalid("stateScale is undefined; it must be of type Uint32Array, with 2", () => update(arrays, { lr: 0.1 }, 1));
  const floats = { ...arrays, stateScale: new Uint32Array(2), expAvg: new Float32Array(129) };
  invalid("expAvg is of type Float32Array", () => update(floats, { lr: 0.1 }, 1));
});
