import assert from "node:assert/strict";
import { Optimizer, RadamError, Tensor } from "radam";

/** Checks that a call throws an error of this status whose sentence has these words and, apart from quotes, no names of
 *  C, unless there is a bug in the library. */
export function refused(status, words, body) {
  assert.throws(body, (error) => {
    assert(error instanceof RadamError, String(error.stack));
    assert.equal(error.status, status, error.message);
    for (const word of [words].flat()) assert(error.message.includes(word), `no ${word} in: ${error.message}`);
    const unquoted = error.message.replace(/"[^"]*"/g, "");
    assert(status === "PANIC" || !/\w_\w|NULL|->|firstParam|\bopt\b/.test(unquoted), `names of C in: ${error.message}`);
    return true;
  });
}

export const ramp = (length, factor = 1) => Float32Array.from({ length }, (_, i) => factor * Math.sin(i + 1));

/** An optimizer with one parameter in tensors, whose gradient is filled. */
export function trained(options = {}, { length = 1000, name = "weight" } = {}) {
  const optimizer = new Optimizer();
  const [data, grad] = [new Tensor("f32", ramp(length)), new Tensor("f32", ramp(length, 0.1))];
  const group = optimizer.addGroup({ lr: 0.01, ...options });
  return { optimizer, group, param: optimizer.addParam(group, { data, grad, name }), data, grad };
}

/** The same in arrays of JavaScript's. */
export function lent(options = {}, { length = 1000, name = "weight" } = {}) {
  const optimizer = new Optimizer();
  const group = optimizer.addGroup({ lr: 0.01, gradientRelease: true, ...options });
  const param = optimizer.addParam(group, { dtype: "f32", length, name });
  return { optimizer, group, param, data: ramp(length), grad: ramp(length, 0.1) };
}
