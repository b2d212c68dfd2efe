// Errors: a status, by the library's names for them, and a sentence.

export class RadamError extends Error {
  constructor(status, message) {
    super(message);
    this.name = "RadamError";
    this.status = status;
  }
}

/** An error of the caller's, found before the library is called. */
export function invalid(message) {
  return new RadamError("INVALID_ARGUMENT", message);
}

/** Refuses what is no object, such as options that are null. */
export function checkObject(name, value) {
  if (typeof value !== "object" || value === null) throw invalid(`${name} is ${shown(value)}; it must be an object`);
}

/** What has another name here than in C, apart from its case. */
const NAMES = {
  "->": ".",
  NULL: "null",
  first_param: "first",
  opt: "the optimizer",
  len: "length",
  tensor_len: "tensorLength",
  radam_step_param: "stepTensor",
};

/** A sentence of the library's in the names of this package, apart from what it quotes, which is the caller's. */
export function inJs(sentence) {
  const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  const word = (name) => NAMES[name] ?? (/^[a-z]/.test(name) ? camel(name.replace(/^radam_/, "")) : name);
  return sentence.replace(/"[^"]*"|->|[A-Za-z]\w*/g, (found) => (found[0] === '"' ? found : word(found)));
}

/** A value as it is shown in messages. */
export function shown(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (value !== null && typeof value === "object") return `of type ${value.constructor?.name ?? "object"}`;
  return String(value);
}
