// Forgers: a member with a valid key that signs what it likes. Two fields under one stamp, entries in sets of others and
// without a scope, stamps far ahead, another mesh's entries, broken signatures, and old words said again. It also relays
// whatever it heard. It writes at one node's door, as gossip from a member would come.
import type { MeshId } from "../../src/core/codec.ts";
import { signEntry, wireOf } from "../../src/core/codec.ts";
import type { Fields } from "../../src/core/entry.ts";
import type { Write } from "../../src/core/replica.ts";
import { domainSet, type SetName } from "../../src/core/set-name.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { encodeBatches } from "../../src/core/sync-messages.ts";
import type { Chance } from "./chance.ts";
import type { Shared } from "./founding.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

const TRICKS = [
  "equivocate",
  "equivocate",
  "sameStamp",
  "unscoped",
  "foreign",
  "ahead",
  "farAhead",
  "wrongMesh",
  "badSignature",
  "replay",
  "claim",
  "usurp",
] as const;

export class Forger {
  readonly #simulation: Simulation;
  readonly #self: SimCloud;
  readonly #chance: Chance;
  /** The domains that everybody may hold. */
  #open: ReadonlySet<SetName> = new Set();

  /** `self` is a member whose key the forger has. */
  constructor(simulation: Simulation, self: SimCloud, chance: Chance) {
    this.#simulation = simulation;
    this.#self = self;
    this.#chance = chance;
    simulation.ledger.equivocators.add(self.peerId);
  }

  forge(domains: readonly Shared[]): void {
    const { happened, clouds } = this.#simulation;
    this.#open = new Set(domains.map(({ set }) => set));
    const shared = this.#chance.pick(domains);
    const trick = this.#chance.pick(TRICKS);
    const wires = this.#wires(trick, shared);
    happened.count(trick === "equivocate" ? "equivocation" : trick === "replay" ? "replay" : "forgery");
    if (trick === "ahead" || trick === "farAhead") happened.count("entry far ahead");
    for (const wire of this.#chance.shuffled(wires)) {
      const doors = clouds.filter(({ peerId, membered }) => peerId !== this.#self.peerId && membered !== undefined);
      const door = this.#chance.maybe(doors);
      const [bytes] = encodeBatches([wire]);
      if (door !== undefined && bytes !== undefined) door.hearFrom(this.#self, bytes);
    }
  }

  #wires(trick: (typeof TRICKS)[number], shared: Shared): (readonly [Uint8Array, Uint8Array])[] {
    const { ledger, timeline } = this.#simulation;
    const nowMs = timeline.nowMs;
    const id = this.#someId(shared);
    const project = (fields: Fields): Write => ({ set: shared.set, kind: "project", id, fields });
    const fields = this.#fields();
    switch (trick) {
      case "equivocate": {
        const at = { atMs: nowMs, counter: 7 };
        return [this.#sign(project(fields), at), this.#sign(project({ ...fields, ...this.#fields() }), at)];
      }
      case "sameStamp": {
        // Somebody else's instant, on the same field: only the origins tell which is the greater.
        const rival = this.#chance.maybe(
          [...ledger.said.values()].filter(
            ({ entry }) =>
              entry.set === shared.set && entry.kind === "project" && entry.fields.description !== undefined,
          ),
        )?.entry;
        if (rival === undefined) return [];
        const { wallMs, counter } = rival.stamp;
        const write = { ...project({ description: "the same instant" }), id: rival.id };
        return [this.#sign(write, { atMs: wallMs, counter })];
      }
      case "ahead":
        return [
          this.#sign(project(fields), { atMs: nowMs + this.#chance.between(0, 2 * this.#simulation.swarm.driftMaxMs) }),
        ];
      case "farAhead":
        return [this.#sign(project(fields), { atMs: nowMs + 30 * 86_400_000 })];
      case "wrongMesh":
        return [this.#sign(project(fields), { atMs: nowMs, meshId: "0".repeat(64) as MeshId })];
      case "badSignature": {
        const [bytes, signature] = this.#sign(project(fields), { atMs: nowMs, isSaid: false });
        return [[bytes, signature.map((byte, index) => (index === 0 ? byte ^ 1 : byte))]];
      }
      case "replay": {
        // A revoke alone, before the words that belong to it: as half a session would bring it.
        const wanted = this.#chance.is(0.5) ? "authority" : undefined;
        const isOpen = (set: SetName) => !set.startsWith("domain/") || this.#open.has(set);
        const said = this.#chance.maybe(
          [...ledger.said.values()].filter(
            ({ wasDurable, entry }) =>
              wasDurable && isOpen(entry.set) && (wanted === undefined || entry.kind === wanted),
          ),
        );
        return said === undefined ? [] : [wireOf(said.entry)];
      }
      case "claim": {
        const set = domainSet(this.#self.peerId, shared.domainId);
        return [this.#sign({ set, kind: "project", id, fields: { ...fields, name: "mine" } }, { atMs: nowMs })];
      }
      case "usurp": {
        const grant = { [`signer/${this.#self.peerId}`]: { create: [0, 0], update: [0, 0], delete: [0, 0] } };
        return [
          this.#sign({ set: shared.set, kind: "authority", id: shared.domainId, fields: grant }, { atMs: nowMs }),
        ];
      }
      case "unscoped":
        return [this.#sign(project({ deleted: true }), { atMs: nowMs })];
      case "foreign":
        // An object of another domain, named as if it were this one's.
        return [
          this.#sign(
            {
              ...project({ ...fields, domain_id: shared.domainId, parent_id: shared.domainId }),
              id: this.#foreignId(),
            },
            { atMs: nowMs },
          ),
        ];
    }
  }

  #sign(
    write: Write,
    { atMs, counter = 0, meshId, isSaid = true }: { atMs: number; counter?: number; meshId?: MeshId; isSaid?: boolean },
  ): readonly [Uint8Array, Uint8Array] {
    const { ledger, timeline } = this.#simulation;
    const { peer, peerId } = this.#self;
    const stamp = { wallMs: atMs as UnixMs, counter, origin: peerId };
    const entry = signEntry(meshId ?? ledger.meshId, { ...write, stamp }, peer.signer);
    if (isSaid && meshId === undefined)
      ledger.sign(entry.bytes, entry.signature, { cloud: undefined, atMs: timeline.nowMs });
    return wireOf(entry);
  }

  #fields(): Fields {
    return this.#chance.pick<Fields>([
      { name: this.#chance.pick(["web", "db", "forged"]) },
      { description: "forged" },
      { description: "" },
      { enabled: this.#chance.is(0.5) },
      { deleted: true },
    ]);
  }

  #someId({ set, owner }: Shared): string {
    const projects = [...(owner.replica?.set(set)?.records() ?? [])].filter(({ key }) => key.kind === "project");
    return this.#chance.maybe(projects)?.key.id ?? this.#chance.hex(32);
  }

  #foreignId(): string {
    const { clouds } = this.#simulation;
    const rows = [...this.#chance.pick(clouds).keystone.rows().values()].filter(({ id }) => id !== "default");
    return this.#chance.maybe(rows)?.id ?? this.#chance.hex(32);
  }
}
