// The run of tests/determinism/run.rs, step by step, has the hash that is pinned there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Optimizer, Tensor, toBfloat16, toFloat16 } from "radam";

const HASH = 0x595b_a4ba_1a9f_a39fn;
const STEPS = 40;
const DTYPES = ["f32", "f64", "f16", "bf16"];
const LENS = [0, 1, 7, 16, 33, 100, 512, 1031, 4097, 16_383, 20_011, 50_021];

const OPTIONS = [
  {},
  { weightDecay: 0.01 },
  { weightDecay: 0.1, decoupleWd: true, kahanSum: true },
  { weightDecay: 1e-3, decoupleLr: true, kahanSum: false },
  { kahanSum: true, stateDtype: "f32" },
  { kahanSum: false, weightDecay: 0.01, stateDtype: "f32" },
  { maximize: true, rectify: false, beta2: 0.999 },
  { gradientRelease: true, beta2: 0.5, weightDecay: 0.01 },
];

const wrapped = (value) => BigInt.asUintN(64, value);

function draw(...position) {
  return position.reduce((before, part) => {
    const x = wrapped((before ^ BigInt(part)) * 0xbf58_476d_1ce4_e5b9n);
    return wrapped((x ^ (x >> 29n)) * 0x94d0_49bb_1331_11ebn) ^ (x >> 32n);
  }, 0x9e37_79b9_7f4a_7c15n);
}

const unit = (index, kind) => Number(draw(index, kind) >> 40n) / 8_388_608 - 1;

function gradient(index) {
  const factors = [0, -0, 1e-5, 1e-7, 1e-39, 1e-42, 100];
  const kind = Number(draw(index, 2) % 32n);
  if (kind < 2) return factors[kind];
  return unit(index, 1) * (factors[kind] ?? 1);
}

/** 8191 values in each dtype, which go round. */
function samples(value) {
  const values = Float64Array.from({ length: 8191 }, (_, index) => value(index));
  // That run rounds to bf16 without looking at the lower half of an f64.
  const upper = values.slice();
  const words = new Uint32Array(upper.buffer);
  for (let i = 0; i < words.length; i += 2) words[i] = 0;
  return { f32: Float32Array.from(values), f64: values, f16: toFloat16(values), bf16: toBfloat16(upper) };
}

function fill(tensor, { [tensor.dtype]: values }, start) {
  const { array } = tensor;
  for (let i = 0; i < array.length; i++) array[i] = values[(start + i) % values.length];
}

/** FNV-1a of 64 bits, in halves that numbers hold exactly. */
class Hash {
  #low = 0x8422_2325;
  #high = 0xcbf2_9ce4;

  take(bytes) {
    let [low, high] = [this.#low, this.#high];
    for (const byte of bytes) {
      low = (low ^ byte) >>> 0;
      const product = low * 0x1b3;
      high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
      low = product >>> 0;
    }
    [this.#low, this.#high] = [low, high];
  }

  get value() {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }
}

test("the bits of every other machine", () => {
  const [data, gradients] = [samples((index) => unit(index, 0)), samples(gradient)];
  const optimizer = new Optimizer();
  const tensors = [];
  const groups = OPTIONS.flatMap((options) => DTYPES.map((dtype, index) => {
    const group = optimizer.addGroup({ lr: 0.01, ...options });
    for (let tensor = 0; tensor < 3; tensor++) {
      const seed = group * 3 + tensor;
      const length = LENS[seed % LENS.length];
      const param = { data: new Tensor(dtype, length), gradDtype: DTYPES[(index + (seed % 5)) % DTYPES.length] };
      fill(param.data, data, 97 * seed);
      const grad = new Tensor(param.gradDtype, length);
      tensors.push({ id: optimizer.addParam(group, param), seed, grad, data: param.data, released: options.gradientRelease });
    }
    return group;
  }));

  for (let step = 1; step <= STEPS; step++) {
    for (const group of groups) optimizer.setLr(group, 0.01 / (1 + (step % 7)));
    optimizer.accumulation = step % 5 === 3;
    if (step === 20) {
      optimizer.setGroupOptions(2, { stateDtype: "f32" });
      optimizer.setGroupOptions(3, { kahanSum: false });
    }
    for (const { id, seed, grad, released } of tensors) {
      const pauses = step < seed % 4 || (step + seed) % 11 === 0;
      if (!pauses) fill(grad, gradients, 131 * seed + 1009 * step);
      if (!released) optimizer.setGrad(id, pauses ? null : grad);
      else if (!pauses) optimizer.stepTensor(id, null, grad);
    }
    optimizer.step();
  }

  const hash = new Hash();
  for (const { id, data: { array } } of tensors) {
    hash.take(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    hash.take(new Uint8Array(BigUint64Array.of(optimizer.stepCount(id)).buffer));
  }
  assert.equal(hash.value.toString(16), HASH.toString(16));
});
