// Chance from a seed: the only source of it in a simulation. Each part of the world draws from a fork of its own, so that
// one draw more in one part shifts nothing in the others.

export class Chance {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  constructor(seed: string) {
    this.#seed = seed;
    const mix = hashText(seed);
    [this.#a, this.#b, this.#c] = [mix(), mix(), mix()];
    for (let round = 0; round < 12; round += 1) this.#word();
  }

  /** Chance for one part of the world, by its name. */
  fork(name: string): Chance {
    return new Chance(`${this.#seed}/${name}`);
  }

  /** A number in [0, 1). */
  next(): number {
    return this.#word() / 2 ** 32;
  }

  /** True with this probability. */
  is(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from `least` to `most`, both among them. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** Whole milliseconds until something that happens once in `meanMs`, at least 1. */
  wait(meanMs: number): number {
    return Math.max(1, Math.round(-Math.log(1 - this.next()) * meanMs));
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError("nothing to pick from");
    return list[Math.floor(this.next() * list.length)] as T;
  }

  /** As `pick`; undefined where there is nothing. */
  maybe<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : this.pick(list);
  }

  shuffled<T>(list: readonly T[]): T[] {
    const rest = [...list];
    const out: T[] = [];
    while (rest.length > 0) out.push(...rest.splice(Math.floor(this.next() * rest.length), 1));
    return out;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#word() & 0xff);
  }

  /** Lower-case hex digits. */
  hex(digits: number): string {
    return Array.from({ length: digits }, () => (this.#word() & 15).toString(16)).join("");
  }

  /** sfc32, by Chris Doty-Humphrey: small, fast, and good enough for everything here. */
  #word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}

/** FNV-1a, then avalanche: a stream of words from a text. */
function hashText(text: string): () => number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return () => {
    hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b) + 0x9e3779b9;
    return (hash ^ (hash >>> 15)) | 0;
  };
}
