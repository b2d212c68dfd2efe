import { readFile } from "node:fs/promises";
import { missing, start } from "./src/library.js";

const file = new URL("radam.wasm", import.meta.url);
await start(await readFile(file).catch((error) => Promise.reject(missing(file, error.message))));
export * from "./src/index.js";
