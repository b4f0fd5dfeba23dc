// The network: a link for each direction between two clouds, which may be cut, slow, lossy, or say things twice. Messages
// overtake each other wherever their delays let them.
import type { Chance } from "./chance.ts";
import type { Happened } from "./happened.ts";
import type { Timeline } from "./timeline.ts";

export type Weather = {
  /** Probability that a message is lost, and that it comes twice. */
  lossRate: number;
  doubleRate: number;
  /** Milliseconds on the way. */
  delayMs: readonly [least: number, most: number];
  /** Probability that a message takes `slowMs` instead. */
  slowRate: number;
  slowMs: readonly [least: number, most: number];
};
export const CALM: Weather = { lossRate: 0, doubleRate: 0, delayMs: [1, 20], slowRate: 0, slowMs: [20, 200] };

type Parts = { readonly timeline: Timeline; readonly chance: Chance; readonly happened: Happened };

export class Network {
  weather: Weather = CALM;
  /** Lost from gossip beside what the weather loses. */
  gossipLossRate = 0;
  readonly #cuts = new Map<string, number>();
  readonly #slow = new Set<string>();
  readonly #onCut = new Set<() => void>();
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  isOpen(from: string, to: string): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) === 0;
  }

  isOpenBothWays(a: string, b: string): boolean {
    return this.isOpen(a, b) && this.isOpen(b, a);
  }

  /** Cuts the way from each of `from` to each of `to`; answers how to mend it. */
  cut(from: readonly string[], to: readonly string[]): () => void {
    const ways = from.flatMap((a) => to.filter((b) => a !== b).map((b) => `${a}>${b}`));
    for (const way of ways) this.#cuts.set(way, (this.#cuts.get(way) ?? 0) + 1);
    for (const listener of this.#onCut) listener();
    let isMended = false;
    return () => {
      if (isMended) return;
      isMended = true;
      // A heal may have mended it before.
      for (const way of ways) this.#cuts.set(way, Math.max(0, (this.#cuts.get(way) ?? 0) - 1));
    };
  }

  /** Makes one way slow for good, or no longer. */
  setSlow(from: string, to: string, isSlow: boolean): void {
    if (isSlow) this.#slow.add(`${from}>${to}`);
    else this.#slow.delete(`${from}>${to}`);
  }

  /** No cut, no slow link, no weather. */
  heal(): void {
    this.#cuts.clear();
    this.#slow.clear();
    this.weather = CALM;
    this.gossipLossRate = 0;
  }

  onCut(listener: () => void): () => void {
    this.#onCut.add(listener);
    return () => void this.#onCut.delete(listener);
  }

  /** Sends something one way: `deliver` is called never, once or twice, each after its own delay. */
  send(way: { from: string; to: string; what: string; isGossip: boolean }, deliver: () => void): "sent" | "lost" {
    const { timeline, chance, happened } = this.#parts;
    const { from, to, what, isGossip } = way;
    const { lossRate, doubleRate } = this.weather;
    const isLost = !this.isOpen(from, to) || chance.is(isGossip ? Math.max(lossRate, this.gossipLossRate) : lossRate);
    if (isLost) {
      happened.count("message lost");
      return "lost";
    }
    const times = isGossip && chance.is(doubleRate) ? 2 : 1;
    if (times === 2) happened.count("message twice");
    for (let time = 0; time < times; time += 1)
      timeline.after(this.delay(from, to), `${what} ${from}>${to}`, () => {
        if (this.isOpen(from, to)) deliver();
        else happened.count("message lost");
      });
    return "sent";
  }

  delay(from: string, to: string): number {
    const { chance, happened } = this.#parts;
    const { delayMs, slowRate, slowMs } = this.weather;
    const isSlow = this.#slow.has(`${from}>${to}`) || (slowRate > 0 && chance.is(slowRate));
    if (isSlow) happened.count("message slow");
    return chance.between(...(isSlow ? slowMs : delayMs));
  }
}
