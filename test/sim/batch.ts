// Many seeds over several processes, and what they came to together: failures, and what happened in all of them.
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { Happened, KINDS, type Kind } from "./happened.ts";

export type BatchFailure = { readonly seed: number; readonly checker: string; readonly what: string };
export type Batch = {
  readonly seeds: number;
  readonly failures: readonly BatchFailure[];
  readonly happened: Happened;
  readonly cpuMs: number;
};
export type BatchOptions = {
  readonly from: number;
  readonly count: number;
  /** Wall time after which no further seed begins. */
  readonly mostMs: number;
  /** CPU time of all processes after which no further seed begins: the same work on a machine that is busy. */
  readonly mostCpuMs?: number;
  readonly mutation?: string;
  /** Processes at once; two by default, as many as CI's machine has cores. */
  readonly processes?: number;
  /** Told after every chunk. */
  readonly onProgress?: (batch: Batch) => void;
};
const CHUNK_SEEDS = 40; // A process needs half a second until it is warm, and its memory is to stay small.
/** The longest that one seed may take, on a machine that may be busy with all else: they take a third of a second. A bug may loop for ever. */
const SEED_MS_MAX = 60_000;
const MAIN = join(import.meta.dirname, "main.ts");

/** Runs seeds in chunks, each chunk in a process of its own; one that dies, or comes to no end, is a failure of the seed that it ran. */
export async function runBatch(options: BatchOptions): Promise<Batch> {
  const { from, count, mostMs, mutation, processes = 2, onProgress, mostCpuMs = Number.POSITIVE_INFINITY } = options;
  const untilMs = performance.now() + mostMs;
  const happened = new Happened();
  const failures: BatchFailure[] = [];
  const total = { seeds: 0, cpuMs: 0 };
  let next = from;
  const isOver = () =>
    next >= from + count ||
    performance.now() >= untilMs ||
    total.cpuMs >= mostCpuMs ||
    (mutation !== undefined && failures.length > 0);
  const work = async () => {
    while (!isOver()) {
      const first = next;
      const size = Math.min(CHUNK_SEEDS, from + count - first);
      next += size;
      const minutes = Math.max(0.01, (untilMs - performance.now()) / 60_000);
      const cpuMinutes = Math.max(0.01, (mostCpuMs - total.cpuMs) / processes / 60_000);
      const chunk = await runChunk({ first, size, minutes, cpuMinutes, mutation });
      total.seeds += chunk.seeds;
      total.cpuMs += chunk.cpuMs;
      happened.add(chunk.happened);
      failures.push(...chunk.failures);
      onProgress?.({ ...total, failures, happened });
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  return { ...total, failures: failures.sort((a, b) => a.seed - b.seed), happened };
}

type Chunk = { seeds: number; cpuMs: number; failures: BatchFailure[]; happened: [Kind, number][] };

async function runChunk(chunk: {
  first: number;
  size: number;
  minutes: number;
  cpuMinutes: number;
  mutation: string | undefined;
}): Promise<Chunk> {
  const { first, size, minutes, cpuMinutes, mutation } = chunk;
  const bounds = [`--minutes=${minutes}`, ...(Number.isFinite(cpuMinutes) ? [`--cpu-minutes=${cpuMinutes}`] : [])];
  const planted = mutation === undefined ? [] : [`--mutation=${mutation}`];
  const args = [MAIN, `--seeds=${size}`, `--from=${first}`, ...bounds, "--json", ...planted];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const out: string[] = [];
  const errors: string[] = [];
  const stuck = () => child.kill("SIGKILL");
  let timer = setTimeout(stuck, SEED_MS_MAX);
  child.stdout.setEncoding("utf8").on("data", (text: string) => out.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors.push(text);
    clearTimeout(timer);
    timer = setTimeout(stuck, SEED_MS_MAX); // It begins another seed, or says what is wrong.
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  const line = out.join("").trimEnd().split("\n").at(-1) ?? "";
  if (code === 0 && line.startsWith("{")) return JSON.parse(line) as Chunk;
  const said = errors.join("");
  const seed = Number([...said.matchAll(/^seed (\d+)$/gm)].at(-1)?.[1] ?? first);
  const failure = child.killed
    ? { seed, checker: "every seed ends", what: `seed ${seed} came to no end within ${SEED_MS_MAX / 1_000} s` }
    : { seed, checker: "a process runs its seeds", what: `the process ended with ${code}: ${said.slice(-2_000)}` };
  return { seeds: 0, cpuMs: 0, failures: [failure], happened: [] };
}

/** Kinds of things that never happened in a batch: it has shown nothing about them. */
export function missingKinds({ happened }: Pick<Batch, "happened">): Kind[] {
  return KINDS.filter((kind) => happened.get(kind) === 0);
}
