// The simulated world: clouds, their network, the ledger of all that was signed, and the checkers that judge every event.
// It is turned by `pump`, and stops at the first thing that a checker finds wrong.
import type { StoreBatch, StoredValue } from "../../src/store/store.ts";
import { Chance } from "./chance.ts";
import { Checks } from "./checks.ts";
import type { Life } from "./disk.ts";
import { Happened } from "./happened.ts";
import { peerNumber } from "./identities.ts";
import { Ledger, type Said } from "./ledger.ts";
import { Network } from "./network.ts";
import { SimCloud } from "./sim-cloud.ts";
import type { SimKeystone } from "./sim-keystone.ts";
import type { Swarm } from "./swarm.ts";
import { Switchboard } from "./switchboard.ts";
import { Timeline } from "./timeline.ts";
import { watchRejections } from "./unhandled.ts";

export type Failure = { readonly checker: string; readonly what: string; readonly atMs: number };
export type SimulationOptions = {
  readonly seed: string;
  readonly swarm: Swarm;
  /** Given every line of the log. */
  readonly tell?: (line: string) => void;
};
export const START_MS = Date.UTC(2026, 0, 1);

export class Simulation {
  readonly swarm: Swarm;
  readonly chance: Chance;
  readonly timeline: Timeline;
  readonly happened = new Happened();
  readonly network: Network;
  readonly board: Switchboard;
  readonly ledger: Ledger;
  readonly checks: Checks;
  readonly clouds: SimCloud[] = [];
  readonly isTraced: boolean;
  /** Faults are over for good. */
  isHealed = false;
  failure: Failure | undefined;

  constructor({ seed, swarm, tell }: SimulationOptions) {
    this.swarm = swarm;
    this.isTraced = tell !== undefined;
    this.chance = new Chance(seed);
    this.timeline = new Timeline(START_MS, tell);
    const { timeline, happened } = this;
    this.network = new Network({ timeline, happened, chance: this.chance.fork("network") });
    const fail = (checker: string, what: string) => this.fail(checker, what);
    this.board = new Switchboard({
      timeline,
      happened,
      network: this.network,
      chance: this.chance.fork("board"),
      fail,
    });
    this.ledger = new Ledger(fail);
    this.checks = new Checks(this);
    watchRejections((error) => this.board.fail("no error goes unhandled", error));
  }

  /** The first thing that is wrong ends the run. */
  fail(checker: string, what: string): void {
    this.failure ??= { checker, what, atMs: this.timeline.nowMs };
    this.timeline.tell(`FAILED ${checker}: ${what}`);
  }

  addCloud(options: { twinOf?: SimCloud; keystone?: SimKeystone } = {}): SimCloud {
    const index = this.clouds.length + 1;
    const { twinOf } = options;
    const keystone = options.keystone ?? twinOf?.keystone;
    const peer = twinOf?.peer ?? peerNumber(index);
    const cloud = new SimCloud(this, {
      index,
      peer,
      isTwin: twinOf !== undefined,
      ...(keystone === undefined ? {} : { keystone }),
    });
    cloud.keystone.trouble = { ...cloud.keystone.trouble, latencyMs: this.swarm.keystoneMs };
    this.clouds.push(cloud);
    if (keystone === undefined) this.checks.watch(cloud);
    return cloud;
  }

  /** Runs events until `isDone`, for at most so many milliseconds. Answers whether it is done. */
  async pump(isDone: () => boolean, mostMs: number): Promise<boolean> {
    await this.timeline.run(this.timeline.nowMs + mostMs, () => this.failure === undefined && !isDone());
    return this.failure === undefined && isDone();
  }

  /** Runs events for so long. */
  async pass(ms: number): Promise<void> {
    await this.pump(() => false, ms);
  }

  /** Carries out something that takes virtual time, and waits for its end. A failure of it is a failure of the run. */
  async play<T>(what: string, act: () => Promise<T>, mostMs = 120_000): Promise<T | undefined> {
    let ended: { readonly value: T } | undefined;
    act().then(
      (value) => {
        ended = { value };
      },
      (error: unknown) => this.board.fail(what, error),
    );
    const isDone = await this.pump(() => ended !== undefined, mostMs);
    if (!isDone && this.failure === undefined) this.fail(what, `not done within ${mostMs} ms`);
    return ended?.value;
  }

  /** Nothing of this world goes on after this. */
  end(): void {
    for (const cloud of this.clouds) cloud.crash();
  }

  // --- what clouds tell of themselves ---

  onSigned(cloud: SimCloud, said: Said): void {
    this.timeline.note(`${cloud.name} signs ${said.entry.hash.slice(0, 12)}`);
    this.checks.onSigned(cloud, said);
  }

  onJoined(cloud: SimCloud, life: Life, batch: StoreBatch): void {
    this.checks.onJoined(cloud, life, batch);
  }

  onHold(cloud: SimCloud, id: string, hold: StoredValue | null): void {
    if (hold === null) return;
    this.timeline.note(`${cloud.name} holds ${id}`);
    this.happened.count("hold raised");
  }
}
