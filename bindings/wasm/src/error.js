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

/** A value as it is shown in messages. */
export function shown(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (value !== null && typeof value === "object") return `of type ${value.constructor?.name ?? "object"}`;
  return String(value);
}
