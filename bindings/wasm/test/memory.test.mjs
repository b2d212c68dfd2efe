import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Optimizer, Tensor } from "radam";
import { buffer } from "../node_modules/radam/src/library.js";
import { blockOf } from "../node_modules/radam/src/tensor.js";
import { lent, ramp, refused, trained } from "./helpers.mjs";

/** Has the library allocate until its memory grows. */
function grow() {
  const before = buffer();
  const tensors = [];
  while (buffer() === before) tensors.push(new Tensor("f64", 1 << 16));
  for (const tensor of tensors) tensor.free();
}

test("views are made anew when the memory has grown", () => {
  const { optimizer, data } = trained();
  const before = data.array;
  assert.equal(data.array, before, "as long as it has not, the view is the same");
  grow();
  assert.equal(before.length, 0);
  assert.deepEqual(data.array, ramp(1000));
  optimizer.step();
  assert.notDeepEqual(data.array, ramp(1000));
});

test("a view from before is refused, and an array that makes the memory grow in the call is not lost", () => {
  const small = lent();
  const view = new Tensor("f32", 1000).array;
  grow();
  refused("INVALID_ARGUMENT", ["data has 0 elements", ".array again"], () => small.optimizer.stepTensor(small.param, view, small.grad));
  const length = (buffer().byteLength >> 2) + 1;
  const large = lent({}, { length });
  const before = buffer();
  large.optimizer.stepTensor(large.param, large.data, large.grad);
  assert.notEqual(buffer(), before);
  assert(large.data.some((x, i) => x !== Math.fround(Math.sin(i + 1))));
});

test("a freed tensor stays with its optimizer, and goes with it", () => {
  const { optimizer, data, grad } = trained();
  const start = blockOf(data).start;
  data.free();
  data.free();
  grad.free();
  refused("INVALID_ARGUMENT", "freed", () => data.array);
  optimizer.step();
  const others = Array.from({ length: 20 }, () => new Tensor("f32", 1000));
  assert(others.every((tensor) => blockOf(tensor).start !== start));
  assert.deepEqual(optimizer.state(0, "expAvg"), ramp(1000, 0.1).map((x) => Math.fround(x)));
});

test("what is replaced, removed or freed is let go", () => {
  const optimizer = new Optimizer();
  const group = optimizer.addGroup({ lr: 0.1 });
  const tensor = (fill) => {
    const made = new Tensor("f32", 1 << 16);
    fill(made);
    made.free();
  };
  const round = () => {
    let param;
    tensor((data) => (param = optimizer.addParam(group, { data, grad: null })));
    for (let i = 0; i < 4; i++) tensor((grad) => optimizer.setGrad(param, grad));
    tensor((data) => optimizer.setTensors(param, [data], null));
    optimizer.removeParam(param);
    const other = new Optimizer();
    tensor((data) => other.addParam(other.addGroup({ lr: 0.1 }), { data }));
    other.free();
  };
  for (let i = 0; i < 3; i++) round();
  const before = buffer().byteLength;
  for (let i = 0; i < 100; i++) round();
  assert.equal(buffer().byteLength, before);
});

test("calls, and whatever is freed, leave no memory behind", () => {
  const round = () => {
    const { optimizer, data, grad } = trained();
    optimizer.step({ maxGradNorm: 1 });
    optimizer.load(optimizer.save());
    refused("INVALID_ARGUMENT", "group", () => optimizer.setLr(7, 1));
    optimizer.advice();
    const kept = lent();
    kept.optimizer.stepTensor(kept.param, kept.data, kept.grad, {});
    for (const each of [optimizer, kept.optimizer, data, grad]) each.free();
  };
  for (let i = 0; i < 200; i++) round();
  const before = buffer().byteLength;
  for (let i = 0; i < 2000; i++) round();
  assert.equal(buffer().byteLength, before);
});

test("the garbage collector frees what nobody refers to", { skip: !globalThis.gc && "node --expose-gc" }, async () => {
  const forget = () => {
    for (let i = 0; i < 100; i++) trained({}, { length: 100_000 }).optimizer.step();
  };
  for (let round = 0; round < 3; round++) {
    forget();
    globalThis.gc();
    await setTimeout(10);
  }
  const before = buffer().byteLength;
  for (let round = 0; round < 10; round++) {
    forget();
    globalThis.gc();
    await setTimeout(10);
  }
  assert(buffer().byteLength <= 1.5 * before, `${before} bytes became ${buffer().byteLength}`);
});

test("a view keeps its tensor", { skip: !globalThis.gc && "node --expose-gc" }, async () => {
  const values = Array.from({ length: 50 }, (_, i) => ramp(1000, i));
  const views = values.map((each) => new Tensor("f32", each).array);
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await setTimeout(10);
  }
  Array.from({ length: 50 }, () => new Tensor("f32", 1000));
  views.forEach((view, i) => assert(view.length === 0 || view.every((x, at) => x === values[i][at])));
  assert(views.some((view) => view.length > 0));
});

test("an optimizer is freed once", () => {
  const optimizer = new Optimizer();
  optimizer.free();
  refused("INVALID_HANDLE", "opt", () => optimizer.free());
  refused("INVALID_HANDLE", "opt", () => optimizer.step());
  refused("INVALID_HANDLE", "opt", () => new Optimizer().free.call(optimizer));
});

test("too little memory is an error, and nothing is lost", () => {
  const { optimizer, data } = trained();
  refused("OUT_OF_MEMORY", "4 GiB", () => new Tensor("f64", 2 ** 29));
  refused("OUT_OF_MEMORY", "4 GiB", () => new Tensor("f64", 2 ** 29 + 1));
  refused("OUT_OF_MEMORY", "memory", () => optimizer.addParam(0, { dtype: "f32", length: 2 ** 29 - 1 }));
  optimizer.step();
  assert.equal(data.array.length, 1000);
});
