// Tensors in the library's memory, and ordinary arrays that are copied there for a call.

import { invalid, shown } from "./error.js";
import { allocate, buffer, bytes, free } from "./library.js";
import { dtypeNumber } from "./structs.js";

/** The arrays of each dtype. JavaScript has no 16-bit floats everywhere: their bits are unsigned integers. */
const ARRAYS = { f32: Float32Array, f64: Float64Array, f16: Uint16Array, bf16: Uint16Array };
const FLOAT16 = globalThis.Float16Array;

/** The array type of a dtype. */
export function arrayType(name, dtype) {
  if (dtypeNumber(name, dtype) === 0) throw invalid(`${name} is missing; it must be one of ${Object.keys(ARRAYS).join(", ")}`);
  return ARRAYS[dtype];
}

/** Memory that a tensor and optimizers hold together. Who is the last to let go of it frees it. */
export class Block {
  #holders = 1;

  constructor(size) {
    this.size = size;
    this.start = allocate(size);
  }

  hold() {
    this.#holders++;
    return this;
  }

  release() {
    if (--this.#holders === 0) free(this.start, this.size);
  }
}

const forgotten = new FinalizationRegistry((block) => block.release());
/** The tensor of each view, which so lives as long as the view does. */
const owners = new WeakMap();

/** The memory of a tensor. */
export let blockOf;

/** A flat tensor in the library's memory, which optimizers can keep and step without copying. */
export class Tensor {
  #dtype;
  #length;
  #block;
  #view;

  static {
    blockOf = (tensor) => {
      if (!tensor.#block) throw invalid("the tensor has been freed");
      return tensor.#block;
    };
  }

  constructor(dtype, values) {
    const Type = arrayType("dtype", dtype);
    const isLength = typeof values === "number";
    const length = isLength ? values : values?.length;
    if (!Number.isSafeInteger(length) || length < 0) {
      throw invalid(`values is ${shown(values)}; it must be a length or the elements`);
    }
    this.#dtype = dtype;
    this.#length = length;
    this.#block = new Block(length * Type.BYTES_PER_ELEMENT);
    forgotten.register(this, this.#block, this);
    if (isLength) bytes().fill(0, this.#block.start, this.#block.start + this.#block.size);
    else if (isArrayOf(dtype, values)) this.array.set(asArrayOf(Type, values));
    else if (ARRAYS[dtype] === Uint16Array) throw wrongArray("values", dtype, values);
    else this.array.set(values);
  }

  get dtype() {
    return this.#dtype;
  }

  get length() {
    return this.#length;
  }

  /** The elements, as a view of the library's memory. It has no elements any more after calls that make the memory
   *  grow, so do not keep it: this gives a new one then. */
  get array() {
    const { start } = blockOf(this);
    if (this.#view?.buffer !== buffer()) {
      this.#view = new ARRAYS[this.#dtype](buffer(), start, this.#length);
      owners.set(this.#view, this);
    }
    return this.#view;
  }

  /** Gives the memory back, as soon as no optimizer uses it. */
  free() {
    if (!this.#block) return;
    forgotten.unregister(this);
    this.#block.release();
    this.#block = this.#view = null;
  }
}

function isArrayOf(dtype, array) {
  return array instanceof ARRAYS[dtype] || (dtype === "f16" && FLOAT16 !== undefined && array instanceof FLOAT16);
}

/** The same memory in the array type that tensors of the dtype have. */
function asArrayOf(Type, array) {
  return array instanceof Type ? array : new Type(array.buffer, array.byteOffset, array.length);
}

function wrongArray(name, dtype, array) {
  const also = dtype === "f16" && FLOAT16 ? " or Float16Array" : "";
  return invalid(`${name} is ${shown(array)}; for ${dtype} it must be a Tensor or ${ARRAYS[dtype].name}${also}`);
}

/** Checks that an array or Tensor has this dtype and length. */
export function checkArray(name, array, dtype, length) {
  const fits = array instanceof Tensor ? array.dtype === dtype : isArrayOf(dtype, array);
  if (!fits && array instanceof Tensor) throw invalid(`${name} is a Tensor of ${array.dtype}; it must be of ${dtype}`);
  if (!fits) throw wrongArray(name, dtype, array);
  if (array.length !== length) {
    const cure = array.length === 0 ? " (a view of a Tensor has none after the memory has grown: use its .array again)" : "";
    throw invalid(`${name} has ${array.length} elements${cure}; it must have ${length}`);
  }
}

/** The address of an array for one call: where it is, if that is in the library's memory, or that of a copy. */
export function lend(scope, array) {
  if (array instanceof Tensor) return blockOf(array).start;
  return array.buffer === buffer() ? array.byteOffset : scope.copy(array);
}

/** Copies back what the call has written. */
export function takeBack(array, start) {
  if (array instanceof Tensor || array.buffer === buffer()) return;
  const target = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  target.set(bytes().subarray(start, start + array.byteLength));
}

/** Refuses arrays that share memory, by their names. Of those in the library's memory it knows by itself. */
export function checkApart(arrays) {
  const outside = Object.entries(arrays).filter(([, array]) => array && !(array instanceof Tensor));
  const isBefore = (a, b) => a.byteOffset + a.byteLength <= b.byteOffset;
  outside.forEach(([name, array], index) => {
    for (const [otherName, other] of outside.slice(0, index)) {
      if (array.buffer === other.buffer && !isBefore(array, other) && !isBefore(other, array)) {
        throw invalid(`${name} overlaps ${otherName}; each array needs memory of its own`);
      }
    }
  });
}

/** Checks an array of state that is of integers, for which there are no Tensors. */
export function checkIntegers(name, array, Type, length) {
  if (!(array instanceof Type) || array.length !== length) {
    const found = array instanceof Type ? `has ${array.length} elements` : `is ${shown(array)}`;
    throw invalid(`${name} ${found}; it must be of type ${Type.name}, with ${length} elements`);
  }
}
