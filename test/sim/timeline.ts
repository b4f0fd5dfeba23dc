// Virtual time: a heap of events, run one after the other. After each, promises settle before the next one runs, so that
// nothing of the world depends on how fast the machine is. Every event goes into a hash: two runs of one seed are one.
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";

type Event = { readonly atMs: number; readonly sequence: number; readonly what: string; act: (() => void) | undefined };

export class Timeline {
  /** Milliseconds since the Unix epoch, in a world whose clocks are all right. */
  nowMs: number;
  events = 0;
  readonly #heap: Event[] = [];
  readonly #digest = createHash("sha256");
  readonly #tell: ((line: string) => void) | undefined;
  #sequence = 0;

  /** `tell` is given every line of the log, for a person to read. */
  constructor(startMs: number, tell?: (line: string) => void) {
    this.nowMs = startMs;
    this.#tell = tell;
  }

  /** Acts once, so many milliseconds from now. Returns how to call it off. */
  after(ms: number, what: string, act: () => void): () => void {
    const event: Event = { atMs: this.nowMs + Math.max(0, Math.ceil(ms)), sequence: this.#sequence++, what, act };
    this.#push(event);
    return () => {
      event.act = undefined;
    };
  }

  /** A promise of a moment so many milliseconds from now. */
  wait(ms: number, what: string): Promise<void> {
    return new Promise((resolve) => void this.after(ms, what, resolve));
  }

  /** So much time passes in which nothing runs, as if all machines slept; what was due then comes late. */
  leap(ms: number): void {
    this.nowMs += ms;
  }

  /** Notes what happened: part of the run's hash. */
  note(line: string): void {
    this.#digest.update(line);
    this.#tell?.(`${this.nowMs} ${line}`);
  }

  /** Tells a person something that is no part of the run's hash. */
  tell(line: string): void {
    this.#tell?.(line);
  }

  /** SHA-256 over everything that was noted so far, in hex. */
  hash(): string {
    return this.#digest.copy().digest("hex");
  }

  /** Runs events while `goesOn` says so, and there are any before `untilMs`. */
  async run(untilMs: number, goesOn: () => boolean): Promise<void> {
    await settled(); // What was begun between two runs.
    while (goesOn()) {
      const event = this.#heap[0];
      if (event === undefined || event.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return;
      }
      this.#pop();
      if (event.act === undefined) continue;
      this.nowMs = Math.max(this.nowMs, event.atMs);
      this.events += 1;
      this.note(event.what);
      event.act();
      await settled();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(event, heap[above] as Event)) break;
      heap[at] = heap[above] as Event;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below] as Event)) below += 1;
      if (!isBefore(heap[below] as Event, last)) break;
      heap[at] = heap[below] as Event;
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}

/** Nothing of the world waits for the machine, so when the queue of immediates comes round, every promise has settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
