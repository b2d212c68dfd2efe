import assert from "node:assert/strict";
import { test } from "node:test";
import { GradSums, Optimizer, Tensor, fromBfloat16, fromFloat16, toBfloat16, toFloat16, update, version } from "radam";
import { lent, ramp, trained } from "./helpers.mjs";

test("arrays of JavaScript's, tensors and views of them give the same bits", () => {
  const [kept, copied, viewed] = [trained(), lent(), lent()];
  const view = new Tensor("f32", viewed.data);
  for (let step = 0; step < 20; step++) {
    kept.optimizer.step();
    copied.optimizer.stepTensor(copied.param, copied.data, copied.grad);
    viewed.optimizer.stepTensor(viewed.param, view.array, viewed.grad);
  }
  assert.notDeepEqual(copied.data, ramp(1000));
  assert.deepEqual(copied.grad, ramp(1000, 0.1));
  assert.deepEqual(kept.data.array, copied.data);
  assert.deepEqual(view.array, copied.data);
  assert.equal(copied.optimizer.stepCount(copied.param), 20n);
});

test("a subarray is stepped where it is, and nothing beside it", () => {
  const { optimizer, param, data, grad } = lent({}, { length: 10 });
  const whole = new Float32Array(30);
  whole.set(data, 10);
  optimizer.stepTensor(param, whole.subarray(10, 20), grad);
  optimizer.resetState();
  optimizer.stepTensor(param, data, grad);
  assert.deepEqual(whole.subarray(10, 20), data);
  assert(whole.subarray(0, 10).every((x) => x === 0) && whole.subarray(20).every((x) => x === 0));
});

test("options, and what the report says", () => {
  const { optimizer, grad, param } = trained();
  assert.equal(optimizer.step(), undefined);
  const report = optimizer.step({ maxGradNorm: 1, gradScale: 2, zeroGrad: true, reportNorms: true });
  const norm = 2 * Math.hypot(...ramp(1000, 0.1));
  assert(Math.abs(report.gradNorm - norm) < 1e-5 * norm);
  assert(Math.abs(report.clipCoefficient - 1 / (norm + 1e-6)) < 1e-6);
  assert(report.updateNorm > 0 && report.paramNorm > 0 && report.skipped === false && report.paramsStepped === 1n);
  assert(grad.array.every((x) => x === 0));
  grad.array[3] = NaN;
  const skipped = optimizer.step({ skipNonfinite: true });
  assert(skipped.skipped && skipped.nonfinite === 1n && skipped.paramsStepped === 0n);
  assert.equal(optimizer.stepCount(param), 2n);
});

test("clipping across arrays is that of one step", () => {
  const [kept, copied] = [trained(), lent()];
  kept.optimizer.addParam(kept.group, { data: new Tensor("f32", ramp(50)), grad: new Tensor("f32", ramp(50, 7)) });
  const second = { id: copied.optimizer.addParam(copied.group, { dtype: "f32", length: 50 }), data: ramp(50), grad: ramp(50, 7) };
  const [sums, part, all] = [0, 0, 0].map(() => new GradSums());
  sums.add("f32", copied.grad);
  part.add("f32", new Tensor("f32", second.grad));
  sums.addWords(part.words);
  kept.optimizer.measure(all);
  assert.equal(sums.norm, all.norm);
  const report = kept.optimizer.step({ maxGradNorm: 1 });
  assert.equal(sums.norm, report.gradNorm);
  const options = { maxGradNorm: 1, gradSums: sums, zeroGrad: true };
  const lentReport = copied.optimizer.stepTensor(copied.param, copied.data, copied.grad, options);
  copied.optimizer.stepTensor(second.id, second.data, second.grad, options);
  assert.equal(lentReport.clipCoefficient, report.clipCoefficient);
  assert.deepEqual(copied.data, kept.data.array);
  assert(second.grad.every((x) => x === 0), "the copy was zeroed, not the array");
  part.clear();
  assert.equal(part.norm, 0);
  part.add("f32", Float32Array.of(Infinity, NaN));
  assert.equal(part.nonfinite, 2n);
  for (const each of [sums, part, all]) each.free();
});

test("every dtype learns, with gradients of every dtype", () => {
  const of = {
    f32: [Float32Array.from, (x) => x, Float32Array],
    f64: [Float64Array.from, (x) => x, Float64Array],
    f16: [toFloat16, fromFloat16],
    bf16: [toBfloat16, fromBfloat16],
  };
  const make = (dtype, values) => (of[dtype][2] ? of[dtype][2].from(values) : of[dtype][0](values));
  for (const dtype of Object.keys(of)) {
    for (const gradDtype of Object.keys(of)) {
      const optimizer = new Optimizer();
      const group = optimizer.addGroup({ lr: 0.02, gradientRelease: true });
      const param = optimizer.addParam(group, { dtype, gradDtype, length: 3 });
      const [data, target] = [make(dtype, [0, 0, 0]), [1, -2, 3]];
      for (let step = 0; step < 400; step++) {
        const values = of[dtype][1](data);
        optimizer.stepTensor(param, data, make(gradDtype, target.map((x, i) => 2 * (values[i] - x))));
      }
      of[dtype][1](data).forEach((x, i) => assert(Math.abs(x - target[i]) < 0.1, `${dtype} ${gradDtype}: ${x}`));
      optimizer.free();
    }
  }
});

test("16-bit floats are rounded to nearest even, and all of them come back", () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  for (const [to, from] of [[toFloat16, fromFloat16], [toBfloat16, fromBfloat16]]) {
    const values = from(all);
    const back = to(values);
    all.forEach((bits, i) => assert(back[i] === bits || Number.isNaN(values[i]), `${bits}`));
    assert(Number.isNaN(from(to([NaN]))[0]));
    // Between two neighbours, the even one is nearest; a bit more or less decides.
    for (const bits of [0, 1, 5, 0x3ff, 0x400, 0x3c00, 0x3c01]) {
      const middle = (from([bits])[0] + from([bits + 1])[0]) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      if (Math.fround(middle) === middle) assert.equal(to([middle])[0], even, `${bits}`);
    }
  }
  assert.deepEqual([...toFloat16([65519, 65520, -1e9, 2 ** -25, 1.1 * 2 ** -25])], [0x7bff, 0x7c00, 0xfc00, 0, 1]);
});

test("a bf16 copy of f32 weights", () => {
  const optimizer = new Optimizer();
  const [data, grad, copy] = [new Tensor("f32", ramp(9)), new Tensor("f32", ramp(9)), new Tensor("bf16", 9)];
  optimizer.addParam(optimizer.addGroup({ lr: 0.1 }), { data, grad, copy });
  optimizer.step();
  assert.deepEqual(copy.array, toBfloat16(data.array));
});

test("a step without an optimizer has the same bits", () => {
  const { optimizer, data, grad } = trained({ weightDecay: 0.1 });
  const arrays = { dtype: "f32", param: ramp(1000), grad: ramp(1000, 0.1), expAvg: new Float32Array(1000), expAvgSq: new Float32Array(1000) };
  for (let step = 1; step <= 9; step++) {
    optimizer.step();
    update(arrays, { lr: 0.01, weightDecay: 0.1 }, step);
  }
  assert.deepEqual(arrays.param, data.array);
  assert.deepEqual(arrays.expAvgSq, optimizer.state(0, "expAvgSq"));
  assert.deepEqual(arrays.grad, grad.array);
  const half = { dtype: "bf16", param: toBfloat16(ramp(8)), grad: toBfloat16(ramp(8)), expAvg: new Uint16Array(8), expAvgSq: new Uint16Array(8) };
  update({ ...half, kahanComp: new Int16Array(8) }, { lr: 0.01, masterRemainder: true }, 1n);
  assert.notDeepEqual(half.param, toBfloat16(ramp(8)));
});

test("slices of a step give its bits, by time and by chunk", () => {
  const length = 100_000;
  const [whole, timed, chunked] = [0, 0, 0].map(() => trained({}, { length }));
  for (let step = 0; step < 3; step++) {
    const report = whole.optimizer.step({ maxGradNorm: 1 });
    timed.optimizer.stepBegin({ maxGradNorm: 1 });
    const lefts = [timed.optimizer.stepFor(0)];
    while (lefts.at(-1) > 0) lefts.push(timed.optimizer.stepFor(1e-6));
    assert(lefts[0] === lefts[1] + 1 && lefts.length === lefts[0] + 1, "one chunk at a time");
    assert.deepEqual(timed.optimizer.stepEnd(), report);
    chunked.optimizer.stepBegin({ maxGradNorm: 1 });
    for (let chunks; (chunks = chunked.optimizer.stepWave()) > 0; ) {
      for (let chunk = chunks - 1; chunk >= 0; chunk--) chunked.optimizer.stepChunk(chunk);
    }
    chunked.optimizer.stepEnd();
  }
  assert.deepEqual(timed.data.array, whole.data.array);
  assert.deepEqual(chunked.data.array, whole.data.array);
  chunked.optimizer.stepBegin();
  chunked.optimizer.stepAbort();
  chunked.optimizer.stepBegin();
  assert.equal(chunked.optimizer.stepFor(1000), 0);
});

test("a training run goes on from a checkpoint with the same bits", () => {
  const [first, second, other] = [trained({ weightDecay: 0.1 }), trained(), trained({}, { name: "bias" })];
  for (let step = 0; step < 10; step++) first.optimizer.step();
  const checkpoint = first.optimizer.save();
  assert(checkpoint instanceof Uint8Array && checkpoint.length > 8000);
  second.data.array.set(first.data.array);
  second.optimizer.load(checkpoint);
  assert.equal(second.optimizer.weightDecay(0), 0.1);
  for (const { optimizer } of [first, second]) optimizer.step();
  assert.deepEqual(second.data.array, first.data.array);
  other.optimizer.load(checkpoint, { strict: false, hyperparameters: false });
  assert.equal(other.optimizer.stepCount(0), 0n);
});

test("schedules, groups and parameters", () => {
  const { optimizer, group, param, data, grad } = trained({ seed: 2n ** 60n });
  assert.equal(optimizer.groupOptions(group).seed, 2n ** 60n);
  optimizer.setLr(group, 0.5);
  optimizer.setWeightDecay(group, 0.25);
  optimizer.setGroupOptions(group, { rectify: false, stateDtype: "f32" });
  assert.deepEqual([optimizer.lr(group), optimizer.weightDecay(group)], [0.5, 0.25]);
  const { rectify, stateDtype, maximize } = optimizer.groupOptions(group);
  assert.deepEqual([rectify, stateDtype, maximize], [false, "f32", "auto"]);
  const { rectified, step, r } = optimizer.groupReport(group);
  assert.deepEqual([rectified, step, r], [true, 1n, 1]);
  assert.equal(optimizer.paramId("weight"), param);
  const [second, third] = optimizer.addParams(group, [{ dtype: "f16", length: 4 }, { dtype: "f32", gradDtype: "bf16", length: 0, tensorLength: 9 }]);
  assert.deepEqual([second, third], [1, 2]);
  assert.deepEqual(optimizer.param(third), { group, dtype: "f32", gradDtype: "bf16", length: 0, name: "param.2", tensorOffset: 0, tensorLength: 9 });
  optimizer.setFrozen(param, true);
  assert(optimizer.isFrozen(param));
  optimizer.step();
  assert.equal(optimizer.stepCount(param), 0n);
  optimizer.setFrozen(param, false);
  optimizer.accumulation = true;
  assert.equal(optimizer.accumulation, true);
  optimizer.step();
  assert.deepEqual(data.array, ramp(1000));
  optimizer.accumulation = false;
  optimizer.setStepCount(param, 2n ** 40n);
  assert.equal(optimizer.stepCount(param), 2n ** 40n);
  optimizer.setState(param, "expAvg", ramp(1000, 3));
  assert.deepEqual(optimizer.state(param, "expAvg"), ramp(1000, 3));
  assert.equal(optimizer.state(param, "kahanComp"), null);
  optimizer.resetState(param);
  assert(optimizer.state(param, "expAvg").every((x) => x === 0) && optimizer.stepCount(param) === 0n);
  optimizer.zeroGrad();
  assert(grad.array.every((x) => x === 0));
  optimizer.removeParam(param);
  assert.equal(optimizer.addParam(group, { data, grad, name: "weight" }), 3);
});

test("tensors are swapped at once", () => {
  const { optimizer, param, data } = trained();
  const second = optimizer.addParam(0, { dtype: "f32", length: 1000 });
  const [other, grad] = [new Tensor("f32", ramp(1000, 2)), new Tensor("f32", ramp(1000))];
  optimizer.setTensors(param, [other, data], [grad, null]);
  optimizer.step();
  assert.notDeepEqual(other.array, ramp(1000, 2));
  assert.deepEqual(data.array, ramp(1000));
  optimizer.setTensors(second, null, [grad]);
  optimizer.setGrad(param, null);
  assert.equal(optimizer.step({}).paramsStepped, 1n);
  optimizer.setTensors(param, [null, null], [null, null]);
  optimizer.setData(param, data);
  assert.equal(optimizer.step({}).paramsStepped, 0n);
});

test("advice, and the version", () => {
  assert.match(version(), /^\d+\.\d+\.\d+$/);
  const optimizer = new Optimizer();
  assert.deepEqual(optimizer.advice(), []);
  optimizer.addParam(optimizer.addGroup({ lr: 0.1, beta2: 0.9999 }), { dtype: "bf16", length: 4 });
  assert(optimizer.advice().length >= 1 && optimizer.advice()[0].endsWith("."));
});
