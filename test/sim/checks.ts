// The checkers: what must hold at every event, judged from what crosses a node's borders (what it signs, stores and writes
// into its Keystone) against the ledger and against who set what by hand. One file for each border.
import type { StoreBatch } from "../../src/store/store.ts";
import { AudienceCheck } from "./check-audience.ts";
import { KeystoneCheck } from "./check-keystone.ts";
import { ReplicaCheck } from "./check-replica.ts";
import { checkSigned } from "./check-signed.ts";
import type { Life } from "./disk.ts";
import type { Said } from "./ledger.ts";
import { Provenance } from "./provenance.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { SimKeystone } from "./sim-keystone.ts";
import type { Simulation } from "./simulation.ts";

/** No clock of the swarm is wrong by more, with the drift that it lets others have; a forger's far stamps are by days. */
const AHEAD_MAX_MS = 3_600_000;

export class Checks {
  readonly #simulation: Simulation;
  readonly replicas = new Map<SimCloud, ReplicaCheck>();
  readonly provenance = new Map<SimKeystone, Provenance>();
  /** Clouds whose operator signs something right now that no one set by hand: sharing, revoking. */
  readonly operating = new Set<SimCloud>();
  /** Clouds whose node was set back to a backup. */
  readonly restored = new Set<SimCloud>();
  /** Objects whose odd looks an operator took for edits, by Keystone. */
  readonly approved = new Map<SimKeystone, Set<string>>();

  readonly #audience: AudienceCheck;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    this.#audience = new AudienceCheck(simulation);
  }

  /** Watches a cloud's Keystone. */
  watch(cloud: SimCloud): void {
    const provenance = new Provenance();
    const { keystone } = cloud;
    this.provenance.set(keystone, provenance);
    this.approved.set(keystone, new Set());
    const check = new KeystoneCheck(this.#simulation, keystone, provenance);
    keystone.watch({
      onSpin: (what) => this.#simulation.fail("a node rests between its turns", `it asks ${what} again and again`),
      onNodeWrite: (write, before) => check.onWrite(write, before),
      onChange: (change) => {
        provenance.note(change);
        check.onChange(change);
      },
    });
  }

  replicaOf(cloud: SimCloud): ReplicaCheck {
    const known = this.replicas.get(cloud) ?? new ReplicaCheck(this.#simulation, cloud);
    this.replicas.set(cloud, known);
    return known;
  }

  onSigned(cloud: SimCloud, said: Said): void {
    const aheadMs = said.entry.stamp.wallMs - this.#simulation.timeline.nowMs;
    if (aheadMs > AHEAD_MAX_MS)
      this.#simulation.fail(
        "no stamp drags a clock along",
        `${cloud.name} signs ${aheadMs} ms ahead of the right time`,
      );
    if (!this.operating.has(cloud)) checkSigned(this.#simulation, cloud, said.entry);
  }

  onJoined(cloud: SimCloud, life: Life, batch: StoreBatch): void {
    for (const { key, entries } of batch.records ?? []) if (entries !== null) this.#audience.onKept(cloud, key);
    const replica = cloud.replica;
    if (replica !== undefined) this.replicaOf(cloud).onJoined(replica, life, batch);
  }
}
