// Parameters: their descriptions as structs, and which tensors an optimizer holds for them.

import { STRUCTS } from "./api.js";
import { checkObject, invalid, shown } from "./error.js";
import { Tensor, arrayType, blockOf } from "./tensor.js";
import { initialize, string, u64, write } from "./structs.js";

const KEYS = ["data", "grad", "copy", "dtype", "gradDtype", "length", "name", "tensorOffset", "tensorLength"];

/** A tensor that an optimizer is to keep, or null. */
export function kept(name, tensor) {
  if (tensor === null || tensor === undefined || tensor instanceof Tensor) return tensor ?? null;
  throw invalid(
    `${name} is ${shown(tensor)}; an optimizer keeps only Tensors, which are in its memory; arrays are passed to stepTensor`);
}

/** What a field of a parameter is called in errors: it has a name, or is one of several. */
export function fieldOf(params, index, field) {
  const name = params[index]?.name;
  if (typeof name === "string" && field !== "name") return `${field} of "${name}"`;
  return params.length === 1 ? field : `params[${index}].${field}`;
}

/** What a parameter is, from what the caller says: from its tensors, or from dtype and length. */
export function describe(param, index, params) {
  const named = (field) => fieldOf(params, index, field);
  checkObject(params.length === 1 ? "param" : `params[${index}]`, param);
  for (const key of Object.keys(param)) {
    if (!KEYS.includes(key)) throw invalid(`a parameter has no ${shown(key)}; it has ${KEYS.join(", ")}`);
  }
  const { name, tensorOffset = 0, tensorLength = 0 } = param;
  const [data, grad, copy] = ["data", "grad", "copy"].map((key) => kept(named(key), param[key]));
  const dtype = param.dtype ?? data?.dtype;
  const gradDtype = param.gradDtype ?? grad?.dtype ?? dtype;
  const length = param.length ?? data?.length;
  arrayType(named("dtype"), dtype);
  arrayType(named("gradDtype"), gradDtype);
  if (name !== undefined) string(named("name"), name);
  if (!Number.isSafeInteger(length) || length < 0) {
    throw invalid(`${named("length")} is ${shown(length)}; it must be the number of elements, unless data is a Tensor`);
  }
  const described = { dtype, gradDtype, length, name, data, grad, copy, tensorOffset, tensorLength };
  checkKept(named("data"), data, { dtype, length });
  checkKept(named("grad"), grad, { dtype: gradDtype, length });
  checkKept(named("copy"), copy, { dtype: copy?.dtype, length });
  return described;
}

/** Checks that a tensor which is to be kept has the dtype and length of its parameter. */
export function checkKept(name, tensor, { dtype, length }) {
  if (tensor && (tensor.dtype !== dtype || tensor.length !== length)) {
    throw invalid(`${name} is a Tensor of ${tensor.length} ${tensor.dtype}; it must have ${length} ${dtype}`);
  }
}

const { size: SIZE } = STRUCTS.radam_param;
/** The address of a tensor; NULL if there is none. */
export const address = (tensor) => tensor ? blockOf(tensor).start : 0;

/** An array of structs in the memory of a scope. */
export function newParams(scope, params) {
  const start = scope.allocate(SIZE * params.length);
  params.forEach((param, index) => {
    initialize("radam_param", start + SIZE * index);
    write("radam_param", start + SIZE * index, {
      dtype: param.dtype,
      gradDtype: param.gradDtype,
      copyDtype: param.copy?.dtype,
      len: param.length,
      data: address(param.data),
      grad: address(param.grad),
      copy: address(param.copy),
      name: param.name === undefined ? 0 : scope.string(param.name),
      tensorOffset: u64("tensorOffset", param.tensorOffset),
      tensorLen: u64("tensorLength", param.tensorLength),
    });
  });
  return start;
}

/** An array of addresses in the memory of a scope; NULL if there are no tensors. */
export function newAddresses(scope, tensors) {
  if (!tensors) return 0;
  return scope.copy(Uint32Array.from(tensors, address));
}

/** The memory that an optimizer holds for its parameters. It outlives an optimizer that nobody refers to any more,
 *  until that is freed, so it must not refer to it. */
export class Held {
  #blocks = new Map();

  /** Holds the memory of a tensor as the `use` ("data", "grad" or "copy") of a parameter, instead of what it held
   *  before. */
  set(param, use, tensor) {
    const key = `${param} ${use}`;
    const before = this.#blocks.get(key);
    if (tensor) this.#blocks.set(key, blockOf(tensor).hold());
    else this.#blocks.delete(key);
    before?.release();
  }

  setAll(param, { data = null, grad = null, copy = null }) {
    this.set(param, "data", data);
    this.set(param, "grad", grad);
    this.set(param, "copy", copy);
  }

  release() {
    for (const block of this.#blocks.values()) block.release();
    this.#blocks.clear();
  }
}
