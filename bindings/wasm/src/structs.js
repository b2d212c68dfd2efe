// Objects to structs of the library and back.

import { DTYPE, STRUCTS } from "./api.js";
import { checkObject, invalid, shown } from "./error.js";
import { call, fields } from "./library.js";

const DTYPE_NAMES = Object.fromEntries(Object.entries(DTYPE).map(([name, value]) => [value, name]));
const TOGGLES = [false, true, "auto"];
/** What the caller does not see. */
const OWN = new Set(["structSize", "reserved", "user", "progress", "threads"]);

export function dtypeNumber(name, dtype) {
  if (dtype === null || dtype === undefined) return 0;
  const isState = name === "stateDtype";
  if (Object.hasOwn(DTYPE, dtype) && (dtype !== "q8" || isState)) return DTYPE[dtype];
  const known = Object.keys(DTYPE).filter((each) => each !== "q8" || isState).join(", ");
  throw invalid(`${name} is ${shown(dtype)}${dtype === "q8" ? ", which is for stateDtype only" : ""}; it must be one of ${known}`);
}

export const dtypeName = (number) => DTYPE_NAMES[number] ?? null;

/** An argument that the library takes as an uint32_t, of which JavaScript would take the lower bits. */
export function u32(name, value) {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw invalid(`${name} is ${shown(value)}; it must be an integer from 0 to ${0xffffffff}`);
  }
  return value;
}

/** An argument that the library takes as a uint64_t. */
export function u64(name, value) {
  const number = typeof value === "bigint" || Number.isSafeInteger(value) ? BigInt(value) : -1n;
  if (number < 0n || number >= 1n << 64n) {
    throw invalid(`${name} is ${shown(value)}; it must be an integer from 0 to 2^64 - 1, as a BigInt above 2^53`);
  }
  return number;
}

/** A name, which C reads up to its first NUL. */
export function string(name, value) {
  if (typeof value !== "string" || value.includes("\0")) {
    throw invalid(`${name} is ${shown(value)}; it must be a string without NUL`);
  }
  return value;
}

export function f64(name, value) {
  if (typeof value !== "number") throw invalid(`${name} is ${shown(value)}; it must be a number`);
  return value;
}

export function toggle(name, value) {
  const number = TOGGLES.indexOf(value);
  if (number < 0) throw invalid(`${name} is ${shown(value)}; it must be true, false or "auto"`);
  return number;
}

const KINDS = {
  toggle: {
    read: (view, at) => TOGGLES[view.getInt32(at, true)],
    write: (view, at, value, name) => view.setInt32(at, toggle(name, value), true),
  },
  dtype: {
    read: (view, at) => dtypeName(view.getInt32(at, true)),
    write: (view, at, value, name) => view.setInt32(at, dtypeNumber(name, value), true),
  },
  flag: { read: (view, at) => view.getInt32(at, true) !== 0 },
  u32: {
    read: (view, at) => view.getUint32(at, true),
    write: (view, at, value, name) => view.setUint32(at, u32(name, value), true),
  },
  u64: {
    read: (view, at) => view.getBigUint64(at, true),
    write: (view, at, value, name) => view.setBigUint64(at, u64(name, value), true),
  },
  f64: {
    read: (view, at) => view.getFloat64(at, true),
    write: (view, at, value, name) => view.setFloat64(at, f64(name, value), true),
  },
  pointer: {
    read: (view, at) => view.getUint32(at, true),
    write: (view, at, value) => view.setUint32(at, value, true),
  },
};

/** Fills memory with the default struct. */
export function initialize(struct, at) {
  call(`${struct}_init`, at, STRUCTS[struct].size);
}

/** A struct in the memory of a scope: the defaults, and what the object has. */
export function newStruct(scope, struct, values = {}) {
  checkObject("options", values);
  const at = scope.allocate(STRUCTS[struct].size);
  initialize(struct, at);
  write(struct, at, values);
  return at;
}

/** Writes the fields that the object has. Those that are undefined stay as they are. */
export function write(struct, at, values) {
  const described = STRUCTS[struct].fields;
  for (const [name, value] of Object.entries(values)) {
    if (!Object.hasOwn(described, name) || OWN.has(name)) {
      const names = Object.keys(described).filter((field) => !OWN.has(field));
      throw invalid(`there is no option ${shown(name)}; there are ${names.join(", ")}`);
    }
    const { kind, offset } = described[name];
    if (value !== undefined) KINDS[kind].write(fields(), at + offset, value, name);
  }
}

/** A struct as an object. */
export function read(struct, at) {
  const view = fields();
  const entries = Object.entries(STRUCTS[struct].fields).filter(([name]) => !OWN.has(name));
  return Object.fromEntries(entries.map(([name, { kind, offset }]) => [name, KINDS[kind].read(view, at + offset)]));
}
