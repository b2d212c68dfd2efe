// The optimizer.

import { STATE } from "./api.js";
import { checkObject, invalid, shown } from "./error.js";
import { GradSums, sumsAddress } from "./grad_sums.js";
import { bytes, call, callOn, fields, freeOptimizer, text, withScope } from "./library.js";
import { Held, address, checkKept, describe, fieldOf, kept, newAddresses, newParams } from "./params.js";
import { copyIn, copyOut } from "./state.js";
import { dtypeName, f64, newStruct, read, string, toggle, u32, u64 } from "./structs.js";
import { checkApart, checkArray, lend, takeBack } from "./tensor.js";

const forgotten = new FinalizationRegistry(({ handle, held }) => {
  freeOptimizer(handle);
  held.release();
});

export class Optimizer {
  #handle;
  #held = new Held();
  /** What each parameter is. */
  #params = new Map();

  constructor() {
    this.#handle = withScope((scope) => {
      // radam_options are about threads and the caller's allocator, neither of which there is.
      const at = scope.allocate(4);
      call("radam_create", 0, at);
      return fields().getInt32(at, true);
    });
    forgotten.register(this, { handle: this.#handle, held: this.#held }, this);
  }

  free() {
    this.#call("radam_free");
    forgotten.unregister(this);
    this.#held.release();
  }

  #call(name, ...args) {
    callOn(this.#handle, name, ...args);
  }

  /** What a function writes to the address that is its last argument. */
  #get(type, name, ...args) {
    return withScope((scope) => {
      const at = scope.allocate(8);
      this.#call(name, ...args, at);
      return fields()[`get${type}`](at, true);
    });
  }

  // Groups

  addGroup(options) {
    return withScope((scope) => {
      const struct = newStruct(scope, "radam_group_options", options);
      return this.#get("Uint32", "radam_add_param_group", struct, 0, 0n);
    });
  }

  groupOptions(group) {
    return this.#read("radam_group_options", "radam_get_group_options", u32("group", group));
  }

  /** A struct that a function fills in which is its last argument. */
  #read(struct, name, ...args) {
    return withScope((scope) => {
      const at = newStruct(scope, struct);
      this.#call(name, ...args, at);
      return read(struct, at);
    });
  }

  setGroupOptions(group, options) {
    checkObject("options", options);
    const all = { ...this.groupOptions(group), ...options };
    withScope((scope) => this.#call("radam_set_group_options", group, newStruct(scope, "radam_group_options", all)));
  }

  groupReport(group) {
    return this.#read("radam_group_report", "radam_get_group_report", u32("group", group));
  }

  lr(group) {
    return this.#get("Float64", "radam_get_lr", u32("group", group));
  }

  setLr(group, lr) {
    this.#call("radam_set_lr", u32("group", group), f64("lr", lr));
  }

  weightDecay(group) {
    return this.#get("Float64", "radam_get_weight_decay", u32("group", group));
  }

  setWeightDecay(group, weightDecay) {
    this.#call("radam_set_weight_decay", u32("group", group), f64("weightDecay", weightDecay));
  }

  // Parameters

  addParam(group, param) {
    return this.addParams(group, [param])[0];
  }

  addParams(group, params) {
    if (typeof params?.[Symbol.iterator] !== "function") {
      throw invalid(`params is ${shown(params)}; it must be an array of parameters`);
    }
    const described = [...params].map(describe);
    const first = this.#add(group, described);
    return described.map((param, index) => {
      const { data, grad, copy, ...description } = param;
      this.#held.setAll(first + index, param);
      this.#params.set(first + index, { group, ...description });
      return first + index;
    });
  }

  #add(group, described) {
    try {
      return withScope((scope) => {
        const list = newParams(scope, described);
        return this.#get("Uint32", "radam_add_params", u32("group", group), list, BigInt(described.length));
      });
    } catch (error) {
      const named = (_, index, field) => fieldOf(described, index, field);
      error.message = error.message.replace(/params\[(\d+)\]\.(\w+)/g, named);
      throw error;
    }
  }

  /** What a parameter is; the library's own error if there is none. */
  #param(param) {
    const found = this.#params.get(u32("param", param));
    if (!found) this.#call("radam_get_param", param, 0, 0);
    return found;
  }

  param(param) {
    const { group, dtype, gradDtype, length, tensorOffset, tensorLength } = this.#param(param);
    const name = text("radam_param_name", this.#handle, param);
    return { group, dtype, gradDtype, length, name, tensorOffset, tensorLength };
  }

  paramId(name) {
    return withScope((scope) => this.#get("Uint32", "radam_param_id", scope.string(string("name", name))));
  }

  setData(param, data) {
    const { dtype, length } = this.#param(param);
    this.#setTensor("data", param, kept("data", data), { dtype, length });
  }

  setGrad(param, grad) {
    const { gradDtype, length } = this.#param(param);
    this.#setTensor("grad", param, kept("grad", grad), { dtype: gradDtype, length });
  }

  #setTensor(use, param, tensor, expected) {
    checkKept(use, tensor, expected);
    this.#call(`radam_set_${use}`, param, address(tensor));
    this.#held.set(param, use, tensor);
  }

  setTensors(first, data, grads) {
    u32("first", first);
    for (const [name, list] of Object.entries({ data, grads })) {
      if (!Array.isArray(list ?? [])) throw invalid(`${name} is ${shown(list)}; it must be an array, or null`);
    }
    const count = (data ?? grads ?? []).length;
    if (data && grads && data.length !== grads.length) {
      throw invalid(`grads has ${grads.length} tensors and data ${data.length}; they must be as many, or one of them null`);
    }
    const check = (use, dtype, tensors) => tensors?.forEach((tensor, index) => {
      const param = this.#param(first + index);
      checkKept(`${use}[${index}]`, kept(`${use}[${index}]`, tensor), { dtype: param[dtype], length: param.length });
    });
    check("data", "dtype", data);
    check("grads", "gradDtype", grads);
    withScope((scope) => {
      const [dataAt, gradsAt] = [newAddresses(scope, data), newAddresses(scope, grads)];
      this.#call("radam_set_tensors", first, BigInt(count), dataAt, gradsAt);
    });
    data?.forEach((tensor, index) => this.#held.set(first + index, "data", tensor));
    grads?.forEach((tensor, index) => this.#held.set(first + index, "grad", tensor));
  }

  removeParam(param) {
    this.#call("radam_remove_param", u32("param", param));
    this.#params.delete(param);
    this.#held.setAll(param, {});
  }

  isFrozen(param) {
    return this.#get("Int32", "radam_get_frozen", u32("param", param)) === 1;
  }

  setFrozen(param, frozen) {
    this.#call("radam_set_frozen", u32("param", param), toggle("frozen", frozen));
  }

  stepCount(param) {
    return this.#get("BigUint64", "radam_step_count", u32("param", param));
  }

  setStepCount(param, steps) {
    this.#call("radam_set_step_count", u32("param", param), u64("steps", steps));
  }

  state(param, name) {
    return withScope((scope) => copyOut(this.#state(scope, param, name)));
  }

  setState(param, name, values) {
    withScope((scope) => copyIn(this.#state(scope, param, name), values));
  }

  /** Where an array of the state is. */
  #state(scope, param, name) {
    if (!Object.hasOwn(STATE, name)) {
      throw invalid(`name is ${shown(name)}; it must be one of ${Object.keys(STATE).join(", ")}`);
    }
    const { length } = this.#param(param);
    const at = scope.allocate(8);
    this.#call("radam_param_state", param, STATE[name], at, at + 4);
    const view = fields();
    return { name, length, start: view.getUint32(at, true), dtype: dtypeName(view.getInt32(at + 4, true)) };
  }

  resetState(param = 0xffffffff) {
    this.#call("radam_reset_state", u32("param", param));
  }

  // Steps

  step(options) {
    return this.#step(options, "radam_step_with");
  }

  /** Calls a function that takes options and a report, both of which may be NULL. A report costs a measurement. */
  #step(options, name, ...args) {
    return withScope((scope) => {
      const at = this.#stepOptions(scope, options);
      const report = options ? newStruct(scope, "radam_step_report") : 0;
      this.#call(name, ...args, at, report);
      return options ? read("radam_step_report", report) : undefined;
    });
  }

  #stepOptions(scope, options) {
    if (options === undefined) return 0;
    checkObject("options", options);
    const { gradSums } = options;
    if (gradSums !== undefined && !(gradSums instanceof GradSums)) {
      throw invalid(`gradSums is ${shown(gradSums)}; it must be a GradSums`);
    }
    return newStruct(scope, "radam_step_options", { ...options, gradSums: gradSums && sumsAddress(gradSums) });
  }

  stepTensor(param, data, grad, options) {
    const { dtype, gradDtype, length } = this.#param(param);
    if (data !== null) checkArray("data", data, dtype, length);
    checkArray("grad", grad, gradDtype, length);
    checkApart({ data, grad });
    return withScope((scope) => {
      const dataAt = data === null ? 0 : lend(scope, data);
      const gradAt = lend(scope, grad);
      const report = this.#step(options, "radam_step_tensor", param, dataAt, gradAt);
      if (data !== null) takeBack(data, dataAt);
      if (options?.zeroGrad) takeBack(grad, gradAt);
      return report;
    });
  }

  zeroGrad() {
    this.#call("radam_zero_grad");
  }

  measure(sums) {
    if (!(sums instanceof GradSums)) throw invalid(`sums is ${shown(sums)}; it must be a GradSums`);
    this.#call("radam_measure", sumsAddress(sums));
  }

  get accumulation() {
    return this.#get("Int32", "radam_get_optimizer_accumulation") === 1;
  }

  set accumulation(on) {
    this.#call("radam_set_optimizer_accumulation", toggle("accumulation", on));
  }

  // Steps in slices

  stepBegin(options) {
    withScope((scope) => this.#call("radam_step_begin", this.#stepOptions(scope, options)));
  }

  stepWave() {
    return Number(this.#get("BigUint64", "radam_step_wave"));
  }

  stepChunk(chunk) {
    this.#call("radam_step_chunk", u64("chunk", chunk));
  }

  stepFor(milliseconds) {
    f64("milliseconds", milliseconds);
    const start = performance.now();
    let [left, longest, before] = [0, 0, 0];
    do {
      // Without a clock, the library steps one chunk for any time above 0.
      left = Number(this.#get("BigUint64", "radam_step_for", milliseconds > 0 ? 1n : 0n));
      const now = performance.now() - start;
      longest = Math.max(longest, now - before);
      before = now;
    } while (left > 0 && before + longest <= milliseconds);
    return left;
  }

  stepEnd() {
    return this.#read("radam_step_report", "radam_step_end");
  }

  stepAbort() {
    this.#call("radam_step_abort");
  }

  // Checkpoints

  save() {
    const size = this.#get("BigUint64", "radam_save_to_buffer", 0, 0n);
    return withScope((scope) => {
      const buffer = scope.allocate(Number(size));
      this.#call("radam_save_to_buffer", buffer, size, scope.allocate(8));
      return bytes().slice(buffer, buffer + Number(size));
    });
  }

  load(checkpoint, options) {
    if (!(checkpoint instanceof Uint8Array)) {
      throw invalid(`checkpoint is ${shown(checkpoint)}; it must be a Uint8Array, as save gives it`);
    }
    withScope((scope) => {
      const struct = newStruct(scope, "radam_load_options", options);
      this.#call("radam_load_from_buffer", scope.copy(checkpoint), BigInt(checkpoint.length), struct);
    });
  }

  advice() {
    this.accumulation; // refuses an optimizer that has been freed, of which radam_advice says nothing
    return text("radam_advice", this.#handle).split("\n").filter((line) => line !== "");
  }
}
