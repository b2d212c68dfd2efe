// Arrays of a parameter's state, copied out and in: the library's own may move with the options of their group.

import { RadamError } from "./error.js";
import { buffer } from "./library.js";
import { arrayType, checkArray, checkRemainders } from "./tensor.js";

/** The array as it is now. The remainders of master weights have no dtype. */
const view = ({ start, length, dtype }) => new (dtype ? arrayType("dtype", dtype) : Int16Array)(buffer(), start, length);

export function copyOut(state) {
  return state.start === 0 && state.length > 0 ? null : view(state).slice();
}

export function copyIn(state, values) {
  const { name, start, length, dtype } = state;
  if (start === 0 && length > 0) {
    throw new RadamError("INVALID_STATE", `the parameter has no ${name} with the options of its group`);
  }
  if (dtype) checkArray("values", values, dtype, length);
  else checkRemainders("values", values, length);
  view(state).set(values.array ?? values);
}
