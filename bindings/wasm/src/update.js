// One step of one tensor whose state is the caller's.

import { checkObject } from "./error.js";
import { call, withScope } from "./library.js";
import { dtypeNumber, newStruct, u64 } from "./structs.js";
import { arrayType, checkApart, checkArray, checkRemainders, lend, takeBack } from "./tensor.js";

/** The arrays, each of which is a Tensor or an ordinary array, are those of radam_update. */
export function update(arrays, options, step) {
  checkObject("arrays", arrays);
  const { dtype, gradDtype = dtype, stateDtype = dtype, param, grad, expAvg, expAvgSq, kahanComp = null } = arrays;
  arrayType("dtype", dtype);
  const length = param?.length;
  checkArray("param", param, dtype, length);
  checkArray("grad", grad, gradDtype, length);
  const state = { expAvg, expAvgSq, ...(kahanComp && { kahanComp }) };
  for (const [name, array] of Object.entries(state)) {
    const isRemainder = name === "kahanComp" && options?.masterRemainder === true;
    if (isRemainder) checkRemainders(name, array, length);
    else checkArray(name, array, stateDtype, length);
  }
  checkApart({ param, grad, ...state });
  withScope((scope) => {
    const written = [param, ...Object.values(state)].map((array) => ({ array, start: lend(scope, array) }));
    const [paramAt, expAvgAt, expAvgSqAt, kahanCompAt = 0] = written.map(({ start }) => start);
    const dtypes = [dtype, gradDtype, stateDtype].map((name) => dtypeNumber("dtype", name));
    const struct = newStruct(scope, "radam_group_options", options);
    call("radam_update", ...dtypes, paramAt, lend(scope, grad), expAvgAt, expAvgSqAt, kahanCompAt, BigInt(length), struct,
      u64("step", step));
    for (const { array, start } of written) takeBack(array, start);
  });
}
