// Runs the model's self-test and some steps in Node; a browser does it in the same way.
import { readFileSync } from "node:fs";

const bytes = readFileSync(process.argv[2] ?? "model.wasm");
const { instance } = await WebAssembly.instantiate(bytes, {});  // it imports nothing
const model = instance.exports;
const failed = model.selftest();

const steps = 2000;
model.reset();
if (model.inputs) new Float32Array(model.memory.buffer, model.inputs(), 1)[0] = 0.5;
const begin = performance.now();
for (let i = 0; i < steps; ++i) model.step(0);
const microseconds = ((performance.now() - begin) * 1000) / steps;
console.log(`self-test ${failed ? "failed" : "passed"}, ${bytes.length} bytes, ${microseconds.toFixed(2)} us per step`);
process.exit(failed);
