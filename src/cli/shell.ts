// What the command line takes from the process around it. main.ts fills it in; tests hand in their own.
import type { World } from "../node/world.ts";

/** Where text goes. On a terminal a person reads it. */
export type Sink = { write(text: string): unknown; readonly isTTY?: boolean };

/** What keyboards are to us: process.stdin on a terminal. */
export type Terminal = {
  setRawMode(isRaw: boolean): unknown;
  on(event: "data", listener: (chunk: Uint8Array | string) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  off(event: "data", listener: (chunk: Uint8Array | string) => void): unknown;
  off(event: "end", listener: () => void): unknown;
  resume(): unknown;
  pause(): unknown;
};

export type Shell = {
  readonly world: World;
  /** keymesh's own version. */
  readonly version: string;
  readonly pid: number;
  readonly hostname: string;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** The keyboard in front of this process; undefined where nobody sits there. */
  terminal(): Terminal | undefined;
  /** This machine's IP addresses that others may reach: what 0.0.0.0 and :: stand for. */
  hostAddresses(): readonly string[];
  /** Calls back on each SIGTERM and SIGINT. */
  onSignal(handler: (signal: string) => void): void;
  /** Calls back on an error that nobody caught; without a handler it is printed and the process ends. */
  onFatal(handler: (error: unknown) => void): void;
  /** Ends the process at once. */
  exit(code: number): void;
};
