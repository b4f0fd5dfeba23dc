// The nodes of a benchmark: each a process of its own in a temporary directory, stopped by its pid and cleaned up,
// however the benchmark ends.
import { type ChildProcess, fork } from "node:child_process";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { KeystoneConfig } from "../../src/node/config-schema.ts";
import { type Asked, monotonicMs, type Reply, type Request } from "./messages.ts";
import { median } from "./report.ts";

const PROGRAM = fileURLToPath(new URL(`./node-process${extname(import.meta.filename)}`, import.meta.url));
const STOP_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 30_000;
/** Gossip that was lost comes with a session within some 40 s; what takes longer than this never ends. */
const ANSWER_TIMEOUT_MS = 300_000;

export class BenchNode {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #exited: Promise<void>;
  #number = 0;
  peerId = "";
  address = "";

  constructor() {
    this.#child = fork(PROGRAM, { execArgv: [], serialization: "advanced", stdio: ["ignore", 2, 2, "ipc"] });
    this.#child.on("message", (reply: Reply) => {
      const waiting = this.#waiting.get(reply.number);
      this.#waiting.delete(reply.number);
      if ("error" in reply) waiting?.reject(new Error(reply.error));
      else waiting?.resolve(reply.value);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`a node ended: ${code ?? signal}`));
        resolve();
      });
    });
  }

  ask<Is extends Request["is"]>(request: Extract<Request, { is: Is }>): Promise<Asked<Is>> {
    this.#number += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#number, waiting);
    this.#child.send({ number: this.#number, request });
    const overdue = setTimeout(
      () => waiting.reject(new Error(`no answer to ${request.is} within ${ANSWER_TIMEOUT_MS} ms`)),
      ANSWER_TIMEOUT_MS,
    );
    return waiting.promise.finally(() => clearTimeout(overdue)) as Promise<Asked<Is>>;
  }

  async start(of: { dataDir: string; name: string; keystone?: KeystoneConfig }): Promise<this> {
    ({ peerId: this.peerId, address: this.address } = await this.ask({ is: "start", ...of }));
    return this;
  }

  /** Stops the node cleanly, else by its pid. */
  async stop(): Promise<void> {
    if (this.#child.connected) {
      const deadline = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      try {
        await this.ask({ is: "stop" });
        this.#child.disconnect();
      } catch (error) {
        console.error("bench: a node did not stop cleanly:", error);
        this.#child.kill("SIGKILL");
      }
      await this.#exited;
      clearTimeout(deadline);
    }
    await this.#exited;
  }
}

/** A temporary folder and the nodes in it; `close` stops and removes all. */
export class Nodes {
  readonly folder = mkdtempSync(join(tmpdir(), "keymesh-bench-"));
  readonly #all: BenchNode[] = [];

  /** Beside the tests' model of Keystone, unless a real one is given. */
  async start(name: string, keystone?: KeystoneConfig): Promise<BenchNode> {
    const node = new BenchNode();
    this.#all.push(node);
    return node.start({ dataDir: join(this.folder, name), name, ...(keystone === undefined ? {} : { keystone }) });
  }

  /** A mesh of so many nodes, all connected with all; the first founded it and owns the shared domain. */
  async mesh(count: number): Promise<readonly [BenchNode, ...BenchNode[]]> {
    const first = await this.start("n0");
    await first.ask({ is: "found" });
    await first.ask({ is: "share" });
    const others: BenchNode[] = [];
    for (let number = 1; number < count; number += 1) {
      const node = await this.start(`n${number}`);
      await first.ask({ is: "admit", peerId: node.peerId });
      await node.ask({ is: "join", address: first.address });
      others.push(node);
    }
    const all = [first, ...others] as const;
    for (const node of all) await until(async () => (await node.ask({ is: "count" })).connected === count - 1);
    await sleep(1_500); // Two of gossipsub's heartbeats, so that all are grafted with all.
    return all;
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((node) => node.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Milliseconds of appending 600 bytes to a file in this folder and syncing them: what each durable write waits for at least. */
  fsyncMs(): number {
    const path = join(this.folder, "fsync");
    const file = openSync(path, "a");
    const times = Array.from({ length: 101 }, () => {
      const startMs = monotonicMs();
      writeSync(file, Buffer.alloc(600));
      fdatasyncSync(file);
      return monotonicMs() - startMs;
    });
    closeSync(file);
    rmSync(path);
    return median(times);
  }
}

/** CPU milliseconds of all of these nodes so far. */
export async function cpuMs(nodes: readonly BenchNode[]): Promise<number> {
  const each = await Promise.all(nodes.map((node) => node.ask({ is: "cpu" })));
  return each.reduce((sum, { ms }) => sum + ms, 0);
}

/** Runs with nodes that are stopped and removed afterwards. */
export async function withNodes<T>(run: (nodes: Nodes) => Promise<T>): Promise<T> {
  const nodes = new Nodes();
  const interrupted = () => void nodes.close().finally(() => process.exit(130));
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  try {
    return await run(nodes);
  } finally {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    await nodes.close();
  }
}

export async function until(condition: () => Promise<boolean>): Promise<void> {
  const untilMs = monotonicMs() + CONNECT_TIMEOUT_MS;
  while (!(await condition())) {
    if (monotonicMs() > untilMs) throw new Error(`not within ${CONNECT_TIMEOUT_MS} ms`);
    await sleep(20);
  }
}
