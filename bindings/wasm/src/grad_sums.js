// What is known of many gradients, for clipping across tensors and workers.

import { STRUCTS } from "./api.js";
import { invalid, shown } from "./error.js";
import { buffer, call, fields, withScope } from "./library.js";
import { dtypeNumber, initialize } from "./structs.js";
import { Block, checkArray, lend } from "./tensor.js";

const { size: SIZE, fields: { words: WORDS } } = STRUCTS.radam_grad_sums;
const COUNT = (SIZE - WORDS.offset) / 8;

const forgotten = new FinalizationRegistry((block) => block.release());

/** Where the struct of sums is. */
export let sumsAddress;

/** The exact sum of squares of any number of gradients, and how many of their elements are not finite. */
export class GradSums {
  #block = new Block(SIZE);

  static {
    sumsAddress = (sums) => {
      if (!sums.#block) throw invalid("the sums have been freed");
      return sums.#block.start;
    };
  }

  constructor() {
    forgotten.register(this, this.#block, this);
    this.clear();
  }

  /** Makes this the sum of nothing. */
  clear() {
    initialize("radam_grad_sums", sumsAddress(this));
  }

  /** Adds a gradient. */
  add(dtype, grad) {
    const number = dtypeNumber("dtype", dtype);
    checkArray("grad", grad, dtype, grad?.length);
    withScope((scope) => {
      call("radam_measure_tensor", number, lend(scope, grad), BigInt(grad.length), sumsAddress(this));
    });
  }

  /** The 72 words, a copy: to send them to other workers, which add them. */
  get words() {
    return new BigInt64Array(buffer(), sumsAddress(this) + WORDS.offset, COUNT).slice();
  }

  /** Adds the words of other sums. */
  addWords(words) {
    if (!(words instanceof BigInt64Array) || words.length !== COUNT) {
      throw invalid(`words is ${shown(words)}; it must be a BigInt64Array of ${COUNT}, as .words is`);
    }
    const own = new BigInt64Array(buffer(), sumsAddress(this) + WORDS.offset, COUNT);
    for (let i = 0; i < COUNT; i++) own[i] += words[i];
  }

  /** The norm of all gradients together. */
  get norm() {
    return this.#value().norm;
  }

  /** The number of elements that are infinite or NaN. */
  get nonfinite() {
    return this.#value().nonfinite;
  }

  #value() {
    return withScope((scope) => {
      const at = scope.allocate(16);
      call("radam_grad_sums_value", sumsAddress(this), at, at + 8);
      return { norm: fields().getFloat64(at, true), nonfinite: fields().getBigUint64(at + 8, true) };
    });
  }

  free() {
    if (!this.#block) return;
    forgotten.unregister(this);
    this.#block.release();
    this.#block = null;
  }
}
