// Runs every case of a folder in onnxruntime-web and compares its outputs with Unroll's: node compare.mjs FOLDER
//
// Under Node the package's wasm backend needs no path to its files and no flag. Threads are off: with them the
// runtime starts workers that keep the process alive, and the models here are too small to share.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';

const kTolerance = 1e-5;  // of max(1, |wanted|)

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: node compare.mjs FOLDER');
  process.exit(2);
}
const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));

const kArrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array };

function toTensor({ type, dims, data }) {
  const values = type === 'int64' ? data.map(BigInt) : data;
  return new ort.Tensor(type, kArrays[type].from(values), dims);
}

// The largest difference; throws for another name, type, shape or a number that is not one.
function worst(name, got, want) {
  if (got === undefined) throw new Error(`output '${name}' is missing`);
  if (got.type !== want.type) throw new Error(`output '${name}': type: expected ${want.type}, got ${got.type}`);
  if (String(got.dims) !== String(want.dims))
    throw new Error(`output '${name}': shape: expected (${want.dims}), got (${got.dims})`);
  let largest = 0;
  for (let i = 0; i < want.data.length; ++i) {
    const error = Math.abs(got.data[i] - want.data[i]) / Math.max(1, Math.abs(want.data[i]));
    if (!(error <= kTolerance))
      throw new Error(`output '${name}'[${i}]: expected ${want.data[i]}, got ${got.data[i]} (tolerance ${kTolerance})`);
    largest = Math.max(largest, error);
  }
  return largest;
}

async function check(name) {
  const session = await ort.InferenceSession.create(readFileSync(join(folder, `${name}.onnx`)), {
    executionProviders: ['wasm'],
  });
  const runs = read(`${name}.json`);
  if (runs.length === 0) throw new Error('no runs');
  let largest = 0;
  for (const { inputs, outputs } of runs) {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, toTensor(value)]));
    const results = await session.run(feeds);
    const names = Object.keys(results).sort().join();
    if (names !== Object.keys(outputs).sort().join())
      throw new Error(`outputs: expected ${Object.keys(outputs).sort()}, got ${names}`);
    for (const [key, want] of Object.entries(outputs)) largest = Math.max(largest, worst(key, results[key], want));
  }
  await session.release();
  return `${runs.length} runs, largest difference ${largest.toExponential(1)}`;
}

let passed = 0;
let failed = 0;
for (const name of read('cases.json')) {
  try {
    console.log(`${name}: ${await check(name)}`);
    ++passed;
  } catch (e) {
    console.log(`${name}: FAILED, ${e.message ?? e}`);
    ++failed;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
