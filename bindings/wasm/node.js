import { readFile } from "node:fs/promises";
import { start } from "./src/library.js";

await start(await readFile(new URL("radam.wasm", import.meta.url)));
export * from "./src/index.js";
