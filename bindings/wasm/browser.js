import { missing, start } from "./src/library.js";

const response = await fetch(new URL("radam.wasm", import.meta.url));
if (!response.ok) throw missing(response.url, `${response.status} ${response.statusText}`);
await start(await response.arrayBuffer());
export * from "./src/index.js";
