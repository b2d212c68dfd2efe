export { RadamError } from "./error.js";
export { GradSums } from "./grad_sums.js";
export { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "./half.js";
export { version } from "./library.js";
export { Optimizer } from "./optimizer.js";
export { Tensor } from "./tensor.js";
export { update } from "./update.js";
