import type { GroupOptions, GroupReport, LoadOptions, StateName, StepOptions, StepReport } from "./api.js";

export type { GroupOptions, GroupReport, LoadOptions, StateName, StepOptions, StepReport };

export type Dtype = "f32" | "f64" | "f16" | "bf16";

/** How state is stored: as floats, or in 8 bits. */
export type StateDtype = Dtype | "q8";

/** The elements of an array. JavaScript has no 16-bit floats everywhere: f16 and bf16 are their bits. */
export type Elements = Float32Array | Float64Array | Uint16Array;

/**
 * What arrays of state may be besides: masterRemainder is an Int16Array; of 8-bit state, expAvg is an Int8Array, expAvgSq
 * a Uint8Array and stateScale a Uint32Array, which has an element for each block of 128.
 */
export type Integers = Int16Array | Int8Array | Uint8Array | Uint32Array;

export type Status =
  | "NULL_POINTER" | "INVALID_HANDLE" | "INVALID_ARGUMENT" | "BUSY" | "INVALID_STATE" | "OUT_OF_MEMORY" | "IO" | "CORRUPT"
  | "MISMATCH" | "PANIC";

/** What every failed call throws: a status, and a sentence that names the argument, its value and what is allowed. */
export class RadamError extends Error {
  readonly status: Status;
}

/** The version of the library, such as "1.2.3". */
export function version(): string;

/** A flat tensor in the library's memory, which optimizers can keep and step without copying. */
export class Tensor {
  /** Of so many zeros, or of these elements, which are copied. */
  constructor(dtype: Dtype, values: number | Elements | readonly number[]);
  readonly dtype: Dtype;
  readonly length: number;
  /**
   * The elements, as a view of the library's memory. Calls that make the memory grow leave it without elements; so do
   * not keep it over calls: this gives a new one then.
   */
  readonly array: Elements;
  /**
   * Gives the memory back, as soon as no optimizer uses it. Otherwise this happens some time after nothing refers to
   * the tensor.
   */
  free(): void;
}

/** The exact sum of squares of any number of gradients, and how many of their elements are not finite. */
export class GradSums {
  constructor();
  /** Makes this the sum of nothing. */
  clear(): void;
  /** Adds a gradient. */
  add(dtype: Dtype, grad: Elements | Tensor): void;
  /** The 72 words, a copy: other workers add them to theirs. */
  readonly words: BigInt64Array;
  addWords(words: BigInt64Array): void;
  /** The norm of all gradients together. */
  readonly norm: number;
  /** The number of elements that are infinite or NaN. */
  readonly nonfinite: bigint;
  free(): void;
}

/** A parameter: what it is follows from its tensors, or from dtype and length. */
export interface Param {
  /** Default: that of data. */
  dtype?: Dtype;
  /** Default: that of grad, or dtype. */
  gradDtype?: Dtype;
  /** Default: that of data. */
  length?: number;
  /** Unique; checkpoints find parameters by it. Default: "param." and the id. */
  name?: string;
  /** What step updates. Without it, the parameter is stepped in arrays passed to stepTensor. */
  data?: Tensor | null;
  /** What step reads. Without it, step leaves the parameter alone. */
  grad?: Tensor | null;
  /** Of f32 and f64 parameters, a tensor of f32, f16 or bf16 that receives the new values in the same pass. */
  copy?: Tensor | null;
  /** Where this shard begins in the whole tensor, which has tensorLength elements. */
  tensorOffset?: number | bigint;
  tensorLength?: number | bigint;
}

/** What an optimizer knows of a parameter. */
export interface ParamDescription {
  group: number;
  dtype: Dtype;
  gradDtype: Dtype;
  length: number;
  name: string;
  tensorOffset: number | bigint;
  tensorLength: number | bigint;
}

/** An optimizer. Groups and parameters are numbered 0, 1, 2, ... in the order of adding. */
export class Optimizer {
  constructor();
  /** Frees the optimizer and its state. Otherwise this happens some time after nothing refers to it. */
  free(): void;

  addGroup(options: GroupOptions): number;
  groupOptions(group: number): Required<GroupOptions>;
  /** Changes the options that the object has. */
  setGroupOptions(group: number, options: Partial<GroupOptions>): void;
  groupReport(group: number): GroupReport;
  lr(group: number): number;
  setLr(group: number, lr: number): void;
  weightDecay(group: number): number;
  setWeightDecay(group: number, weightDecay: number): void;

  addParam(group: number, param: Param): number;
  /** All of them or, on error, none. */
  addParams(group: number, params: Iterable<Param>): number[];
  param(param: number): ParamDescription;
  paramId(name: string): number;
  setData(param: number, data: Tensor | null): void;
  setGrad(param: number, grad: Tensor | null): void;
  /** Sets the tensors of many parameters, from the first on; null leaves data or grads as they are. */
  setTensors(first: number, data: (Tensor | null)[] | null, grads: (Tensor | null)[] | null): void;
  removeParam(param: number): void;
  isFrozen(param: number): boolean;
  setFrozen(param: number, frozen: boolean): void;
  stepCount(param: number): bigint;
  setStepCount(param: number, steps: number | bigint): void;
  /** A copy of an array of the state; null if the parameter has none of this name. */
  state(param: number, name: StateName): Elements | Integers | null;
  setState(param: number, name: StateName, values: Elements | Integers | Tensor): void;
  /** Resets the state of a parameter, or of all, to that before the first step. */
  resetState(param?: number): void;

  step(): void;
  /** With a report; use {} to have it without any option. It makes the step measure the gradients. */
  step(options: StepOptions): StepReport;
  /**
   * Steps one parameter of a group with gradientRelease in arrays passed to the call, which keeps nothing of them.
   * Ordinary arrays are copied to the library and back; Tensors, and arrays of them, are not. data null: the tensor that
   * the parameter has.
   */
  stepTensor(param: number, data: Elements | Tensor | null, grad: Elements | Tensor): void;
  stepTensor(param: number, data: Elements | Tensor | null, grad: Elements | Tensor, options: StepOptions): StepReport;
  zeroGrad(): void;
  /** Adds the gradients that step would use. */
  measure(sums: GradSums): void;
  /** Whether steps only accumulate: they update the state and step counts, but not the parameters. */
  accumulation: boolean;

  stepBegin(options?: StepOptions): void;
  /** Begins the next wave, and returns how many chunks it has; 0: there are no more waves. */
  stepWave(): number;
  stepChunk(chunk: number): void;
  /** Steps chunks until the time is used up, at least one if there is any, and returns how many are left. */
  stepFor(milliseconds: number): number;
  stepEnd(): StepReport;
  stepAbort(): void;

  save(): Uint8Array;
  load(checkpoint: Uint8Array, options?: LoadOptions): void;
  /** Sentences on settings that are allowed but known to make training fail. */
  advice(): string[];
}

/** The arrays of one tensor whose state is the caller's. Those of the state hold zeros before the first step. */
export interface UpdateArrays {
  dtype: Dtype;
  /** Default: dtype. */
  gradDtype?: Dtype;
  /** Default: dtype. */
  stateDtype?: StateDtype;
  param: Elements | Tensor;
  grad: Elements | Tensor;
  expAvg: Elements | Int8Array | Tensor;
  expAvgSq: Elements | Uint8Array | Tensor;
  /** With "q8": an element for each block of 128. Codes are rounded at random, so give each tensor its own seed. */
  stateScale?: Uint32Array;
  /**
   * With kahanSum, which is on for f16 and bf16, or masterRemainder, for which it is an Int16Array. Otherwise of stateDtype,
   * or with "q8" of dtype.
   */
  kahanComp?: Elements | Int16Array | Tensor | null;
}

/** Performs one step of one tensor without an optimizer, with the same bits. Steps are counted from 1. */
export function update(arrays: UpdateArrays, options: GroupOptions, step: number | bigint): void;

/** The nearest f16 and bf16 of numbers, ties to even, as their bits; and back. */
export function toFloat16(values: Iterable<number>): Uint16Array;
export function fromFloat16(bits: Iterable<number>): Float32Array;
export function toBfloat16(values: Iterable<number>): Uint16Array;
export function fromBfloat16(bits: Iterable<number>): Float32Array;
