// Arrays of a parameter's state, copied out and in: the library's own may move with the options of their group.

import { RadamError } from "./error.js";
import { buffer } from "./library.js";
import { arrayType, checkArray, checkIntegers } from "./tensor.js";

const CODES = { expAvg: Int8Array, expAvgSq: Uint8Array };

/** The integers that an array of the state is made of; undefined if it is of floats of the dtype. */
function integersOf(name, dtype) {
  if (name === "masterRemainder") return Int16Array;
  if (name === "stateScale") return Uint32Array;
  return dtype === "q8" ? CODES[name] : undefined;
}

/** Elements of an array of a parameter that has so many. */
const lengthOf = (name, length) => name === "stateScale" ? Math.ceil(length / 128) : length;

/** Checks an array, called `what`, that is to be one of the state of a parameter. */
export function checkState(what, array, { name, dtype, length }) {
  const Integers = integersOf(name, dtype);
  if (Integers) checkIntegers(what, array, Integers, lengthOf(name, length));
  else checkArray(what, array, dtype, length);
}

/** The array as it is now. */
const view = ({ name, start, length, dtype }) =>
  new (integersOf(name, dtype) ?? arrayType("dtype", dtype))(buffer(), start, lengthOf(name, length));

export function copyOut(state) {
  return state.start === 0 && state.length > 0 ? null : view(state).slice();
}

export function copyIn(state, values) {
  const { name, start, length } = state;
  if (start === 0 && length > 0) {
    throw new RadamError("INVALID_STATE", `the parameter has no ${name} with the options of its group`);
  }
  checkState("values", values, state);
  view(state).set(values.array ?? values);
}
