// BullMQ: flows are trees whose leaves run first, so a shared first task is not expressible: its body adds the tree.
// Called like the Python adapters (see ../kit/driver.py); `adapter.js worker` is a worker process.
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");
const { FlowProducer, Queue, Worker } = require("bullmq");

const NAME = "bench";
const CONCURRENCY = 100;
const DIAMOND = 23;
const SLIDES = 10;
const WARM_UP_MS = 10_000;
const POLL_MS = { w2lat: 0.5, w3: 1 };
const RAN = fs.openSync(process.env.BENCH_RAN, "a+");

const [, , workload, countText, redisUrl = process.env.BENCH_REDIS_URL, processesText] = process.argv;
const connection = { path: new URL(redisUrl).pathname, maxRetriesPerRequest: null };
const opts = { removeOnComplete: true };
const job = (name, data = {}, children = undefined) => ({ name, queueName: NAME, data, opts, children });
const link = (n) => String.fromCharCode("A".charCodeAt(0) + (n % 20));
const many = (n, make) => Array.from({ length: n }, (_, i) => make(i));

function work() {
  const flow = new FlowProducer({ connection });
  const fanOut = {
    t: () => [job("v"), ...many(SLIDES, () => job("s", {}, [job("p")]))],
    "<": ({ width }) => many(width, () => job("m")),
  };
  const last = { t: "f", "<": ">" };
  const body = async ({ name, data }) => {
    fs.writeSync(RAN, Buffer.from([name.charCodeAt(0), process.pid & 255]));
    if (fanOut[name]) await flow.add(job(last[name], {}, fanOut[name](data)));
  };
  new Worker(NAME, body, { connection, concurrency: CONCURRENCY });
}

function shapes() {
  const queue = new Queue(NAME, { connection });
  const flow = new FlowProducer({ connection });
  const bulk = async (n, make) => {
    for (let done = 0; done < n; done += 1000) await queue.addBulk(many(Math.min(1000, n - done), make));
  };
  return {
    flat: (n) => bulk(n, () => ({ name: "x", data: {}, opts })),
    diamonds: (n) => bulk(n, () => ({ name: "t", data: {}, opts })),
    wide: (n) => queue.add("<", { width: n }, opts),
    chain: (n) => {
      let tree;
      for (let i = 0; i < n; i++) tree = job(link(i), {}, tree && [tree]);
      return flow.add(tree);
    },
  };
}

const ranSoFar = () => fs.fstatSync(RAN).size / 2;

async function until(enough) {
  while (ranSoFar() < enough) await sleep(POLL_MS[workload] ?? 5);
}

async function warmUp(submit, shape, processes) {
  const deadline = Date.now() + WARM_UP_MS;
  for (let seen = 0; seen < processes && Date.now() < deadline; ) {
    const enough = ranSoFar() + 20;
    await submit.flat(20);
    await until(enough);
    seen = new Set(fs.readFileSync(process.env.BENCH_RAN).filter((_, i) => i % 2)).size;
  }
  if (shape !== "diamonds") return;
  const enough = ranSoFar() + DIAMOND;
  await submit.diamonds(1);
  await until(enough);
}

async function measure(count, processes) {
  const shape = { w1: "flat", w2: "diamonds", w2lat: "diamonds", w3: "chain", w4: "wide" }[workload];
  const tasksOf = (n) => ({ flat: n, diamonds: DIAMOND * n, chain: n, wide: n + 2 })[shape];
  const submit = shapes();
  await warmUp(submit, shape, processes);
  const latencies = [];
  for (const size of workload === "w2lat" ? many(count, () => 1) : [count]) {
    const enough = ranSoFar() + tasksOf(size);
    const started = process.hrtime.bigint();
    await submit[shape](size);
    await until(enough);
    latencies.push(Number(process.hrtime.bigint() - started) / 1e9);
  }
  const versionOf = (name) => `${name} ${require(path.join(process.env.NODE_PATH, name, "package.json")).version}`;
  return {
    version: `${versionOf("bullmq")}, ${versionOf("ioredis")}, Node.js ${process.versions.node}`,
    settings: `concurrency ${CONCURRENCY}, removeOnComplete`,
    tasks: tasksOf(count),
    seconds: latencies.reduce((sum, seconds) => sum + seconds),
    latencies_s: workload === "w2lat" ? latencies : [],
  };
}

async function main() {
  const processes = Number(processesText);
  const env = { ...process.env, BENCH_REDIS_URL: redisUrl };
  const start = () => spawn(process.execPath, [__filename, "worker"], { env, stdio: ["ignore", 2, 2] });
  const workers = many(processes, start);
  const stop = (code) => {
    for (const worker of workers) worker.kill("SIGKILL");
    process.exit(code);
  };
  process.on("SIGTERM", () => stop(1));
  for (const worker of workers) worker.on("exit", (code) => console.error(`a worker ended with code ${code}`) || stop(1));
  const measured = await measure(Number(countText), processes);
  process.stdout.write(JSON.stringify(measured) + "\n", () => stop(0));
}

if (workload === "worker") work();
else main();
