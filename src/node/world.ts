// What the node takes from outside itself, besides files and sockets: the clock, chance, and the process's surroundings.
// Only the CLI's entry reads the real ones; tests and the simulator hand in their own.
import type { UnixMs } from "../core/stamp.ts";

export type CancelTimer = () => void;

export type World = {
  /** Wall time in milliseconds since the Unix epoch. */
  now(): UnixMs;
  /** Milliseconds since any moment before: no change of the clock moves it, so that it tells when the clock was changed. */
  uptimeMs(): number;
  /** `count` bytes that nobody can guess: keys, nonces. */
  randomBytes(count: number): Uint8Array;
  /** A number in [0, 1), for jitter and choices that need no secrecy. */
  random(): number;
  /** Calls back once, after so many milliseconds. Returns how to call it off; calling that off twice does nothing. */
  after(ms: number, act: () => void): CancelTimer;
  /** Environment variables: OS_CLOUD and its like. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDir: string;
  readonly workingDir: string;
};
