// The instance of radam.wasm: its memory, and calls that turn a status into an exception.
//
// The memory may grow in any call that allocates, which leaves earlier views of it without elements. So nothing here
// keeps a view over a call.

import { FUNCTIONS, STATUS, STRUCTS, VERSION } from "./api.js";
import { RadamError, inJs } from "./error.js";

const STATUS_NAMES = Object.fromEntries(Object.entries(STATUS).map(([name, value]) => [value, name]));

let wasm = null;
/** Why the instance must not be called any more. */
let broken = null;

/** Starts the library from the bytes of radam.wasm. It imports nothing. */
export async function start(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes);
  check(instance.exports);
  wasm = instance.exports;
}

/** Why radam.wasm could not be read. */
export const missing = (file, reason) => new Error(
  `the library cannot be read from ${file} (${reason}); it must be beside node.js and browser.js, in the package that ` +
    "`make wasm` builds from a clone of radam");

/** Checks that these files are for this radam.wasm. */
function check(library) {
  const mismatch = (what) => new Error(`radam.wasm does not belong to these files: ${what}`);
  const version = library.radam_version?.();
  const minor = (number) => Math.floor(number / 1000);
  if (version === undefined || minor(version) !== minor(VERSION)) throw mismatch(`version ${version}, not ${VERSION}`);
  for (const [name, count] of Object.entries(FUNCTIONS)) {
    if (library[name]?.length !== count) throw mismatch(`${name} has not ${count} arguments`);
  }
  const largest = Math.max(...Object.values(STRUCTS).map((struct) => struct.size));
  const memory = library.radam_wasm_alloc(largest);
  for (const [name, { size }] of Object.entries(STRUCTS)) {
    if (library[`${name}_init`](memory, size) !== STATUS.OK) throw mismatch(`${name} has not ${size} bytes`);
  }
  library.radam_wasm_free(memory, largest);
}

/** Calls a function, and throws what it reports. */
export function call(name, ...args) {
  throwUnlessOk(run(name, args), 0);
}

/** Calls a function of an optimizer. */
export function callOn(handle, name, ...args) {
  throwUnlessOk(run(name, [handle, ...args]), handle);
}

function throwUnlessOk(status, handle) {
  if (status === STATUS.OK) return;
  if (status === STATUS.INVALID_HANDLE) throw new RadamError("INVALID_HANDLE", "the optimizer has been freed");
  // The sentence of BUSY is not kept on the handle.
  const sentence = text("radam_last_error", status === STATUS.BUSY ? 0 : handle);
  throw new RadamError(STATUS_NAMES[status] ?? String(status), inJs(sentence));
}

/** Calls a function that returns something else than a status. After a panic there is nothing that could be called. */
export function run(name, args) {
  if (broken) throw new RadamError("PANIC", broken);
  try {
    return wasm[name](...args);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) {
      broken = `radam.wasm stopped inside ${name} because of a bug in radam (${error.message}), and cannot be used any ` +
        "more; start it anew in a new worker or page; please report the bug";
      throw new RadamError("PANIC", broken);
    }
    throw error;
  }
}

/** The text that a function copies to a buffer, given the other arguments. */
export function text(name, ...args) {
  const size = Number(run(name, [...args, 0, 0n]));
  return withScope((scope) => {
    const buffer = scope.allocate(size);
    run(name, [...args, buffer, BigInt(size)]);
    return decode(buffer, size - 1);
  });
}

const decode = (start, length) => new TextDecoder().decode(bytes().subarray(start, start + length));

/** All memory, as it is now. */
export const bytes = () => new Uint8Array(wasm.memory.buffer);
export const fields = () => new DataView(wasm.memory.buffer);
export const buffer = () => wasm.memory.buffer;

/** Allocates memory, which is not zeroed. */
export function allocate(size) {
  // Numbers lose their upper bits on the way into WebAssembly, and come out signed.
  const start = size < 2 ** 32 ? run("radam_wasm_alloc", [size]) >>> 0 : 0;
  if (start === 0) {
    throw new RadamError("OUT_OF_MEMORY", `there is no memory for ${size} bytes; WebAssembly has at most 4 GiB`);
  }
  return start;
}

export function free(start, size) {
  // After a panic, nothing is left to be freed; and finalizers have nobody to tell.
  if (!broken) run("radam_wasm_free", [start, size]);
}

/** Frees an optimizer for whose owner nobody is waiting any more. */
export function freeOptimizer(handle) {
  if (!broken) run("radam_free", [handle]);
}

/** Runs a function with memory that is freed when it returns. */
export function withScope(body) {
  const scope = new Scope();
  try {
    return body(scope);
  } finally {
    scope.free();
  }
}

class Scope {
  #allocations = [];

  allocate(size) {
    const start = allocate(size);
    this.#allocations.push([start, size]);
    return start;
  }

  /** A copy of bytes. */
  copy(source) {
    const start = this.allocate(source.byteLength);
    bytes().set(new Uint8Array(source.buffer, source.byteOffset, source.byteLength), start);
    return start;
  }

  /** A copy of a string for C. */
  string(text) {
    return this.copy(new TextEncoder().encode(`${text}\0`));
  }

  free() {
    for (const [start, size] of this.#allocations) free(start, size);
  }
}

/** The version of the library, such as "1.2.3". */
export function version() {
  const start = run("radam_version_string", []);
  return decode(start, bytes().indexOf(0, start) - start);
}
