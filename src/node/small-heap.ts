// Keeps the process small: V8 lets its heap grow to twice what lives in it before it collects, and the part for young
// objects to 128 MiB; after a node has loaded 100,000 records some 300 MiB of that were garbage that nothing collects.
// While entries come by the thousand it may grow: to collect so often took a quarter of the work on an entry.
import { setFlagsFromString } from "node:v8";
import { HEAP_BUSY_ENTRIES, HEAP_LOOK_MS } from "../core/limits.ts";
import type { World } from "./world.ts";

/** How much the heap may grow before it is collected, in percent of what lives in it: at rest, and while much comes. */
const REST_GROWTH_PERCENT = 25;
const BUSY_GROWTH_PERCENT = 100;

/** For this process, from now on. Call it before anything large is read. */
export function keepHeapSmall(): void {
  growBy(REST_GROWTH_PERCENT);
  setFlagsFromString("--semi-space-growth-factor=1"); // The part for young objects stays as large as starting made it.
}

/** Says when the heap may grow: from HEAP_BUSY_ENTRIES new entries within HEAP_LOOK_MS on, until fewer come. */
export class HeapWatch {
  readonly #after: World["after"];
  readonly #grow: (percent: number) => void;
  #entries = 0;
  #isBusy = false;
  #cancel: (() => void) | undefined;

  constructor(after: World["after"], grow: (percent: number) => void = growBy) {
    this.#after = after;
    this.#grow = grow;
  }

  /** So many new entries are here. */
  note(entries: number): void {
    this.#entries += entries;
    this.#cancel ??= this.#after(HEAP_LOOK_MS, () => this.#look());
    if (!this.#isBusy && this.#entries >= HEAP_BUSY_ENTRIES) this.#turn(true);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    this.#cancel = undefined;
    if (this.#isBusy && this.#entries < HEAP_BUSY_ENTRIES) this.#turn(false);
    this.#entries = 0;
    if (this.#isBusy) this.#cancel = this.#after(HEAP_LOOK_MS, () => this.#look());
  }

  #turn(isBusy: boolean): void {
    this.#isBusy = isBusy;
    this.#grow(isBusy ? BUSY_GROWTH_PERCENT : REST_GROWTH_PERCENT);
  }
}

function growBy(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
