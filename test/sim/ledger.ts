// The ledger: every entry that anybody in the world ever signed, and where each became durable. Nodes know nothing of it.
// The oracle reads it, and it judges what can be judged of one entry at once: no origin uses a stamp twice, or one that is
// before what it said already, and nothing leaves a node before it is durable there. What a crash took back before it was
// durable anywhere nobody ever saw: its stamp is free.
import { decode } from "@ipld/dag-cbor";
import { ENTRY_CONTEXT, type MeshId, openStored, parseMeshId, type WireEntry } from "../../src/core/codec.ts";
import type { Entry, EntryHash } from "../../src/core/entry.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { compareInstants } from "../../src/core/stamp.ts";
import { textOf as keyOf } from "./signatures.ts";

export type Said = {
  readonly entry: Entry;
  readonly atMs: number;
  /** The cloud that signed it; a forger signs outside of any. */
  readonly cloud: string | undefined;
  /** Clouds on whose disk it was acknowledged. */
  readonly durableAt: Set<string>;
  /** Lost with a disk before anybody else had it: a restored backup takes back what only it held. */
  isLost: boolean;
  wasDurable: boolean;
};

export class Ledger {
  readonly said = new Map<EntryHash, Said>();
  /** Peers that sign what they like, or run twice: stamps of theirs may be used twice. */
  readonly equivocators = new Set<PeerId>();
  /** Peers whose disk was set back: what they said since then they no longer know. */
  readonly restored = new Set<PeerId>();
  readonly #stamps = new Map<string, Said[]>();
  readonly #greatest = new Map<PeerId, Entry>();
  readonly #fail: (checker: string, what: string) => void;
  #meshId: MeshId | undefined;

  constructor(fail: (checker: string, what: string) => void) {
    this.#fail = fail;
  }

  get meshId(): MeshId {
    if (this.#meshId === undefined) throw new Error("nobody founded the mesh yet");
    return this.#meshId;
  }

  /** Takes down what was signed, if it is an entry. */
  sign(bytes: Uint8Array, signature: Uint8Array, by: { cloud: string | undefined; atMs: number }): Said | undefined {
    const tuple: unknown = decode(bytes);
    if (!Array.isArray(tuple) || tuple[0] !== ENTRY_CONTEXT) return undefined;
    this.#meshId ??= parseMeshId(String(tuple[1]));
    const opened = openStored(this.meshId, [bytes, signature]);
    if (!opened.ok) return undefined; // A forgery: no honest signer gets that far.
    const known = this.said.get(opened.value.hash);
    if (known !== undefined) return known;
    const said: Said = { entry: opened.value, ...by, durableAt: new Set(), isLost: false, wasDurable: false };
    this.said.set(opened.value.hash, said);
    this.#signed.set(keyOf(signature), { bytes, said });
    this.#judgeStamp(said);
    return said;
  }

  #judgeStamp(said: Said): void {
    const { entry } = said;
    const { wallMs, counter, origin } = entry.stamp;
    if (this.equivocators.has(origin)) return;
    const place = `${origin} ${wallMs}.${counter}`;
    this.#stamps.set(place, [...(this.#stamps.get(place) ?? []), said]);
    this.#judgePlace(said);
    const last = this.#greatest.get(origin);
    if (last === undefined || this.restored.has(origin)) return;
    if (compareInstants(last.stamp, entry.stamp) >= 0)
      this.#fail("a stamp never goes back", `${textOf(last)}, which is durable, and then ${textOf(entry)}`);
  }

  /** Two entries of one stamp that are both durable: others hold what the origin says that it never said. */
  #judgePlace({ entry }: Said): void {
    const { wallMs, counter, origin } = entry.stamp;
    const known = this.#stamps.get(`${origin} ${wallMs}.${counter}`) ?? [];
    const durable = known.filter(({ wasDurable, entry: one }) => wasDurable || one.hash === entry.hash);
    if (durable.length > 1) this.#fail("a stamp is used once", durable.map((one) => textOf(one.entry)).join(" and "));
  }

  /** An entry is on a cloud's disk, and acknowledged. */
  keep(wire: WireEntry, cloud: string): void {
    const said = this.find(wire);
    if (said === undefined) {
      this.#fail("only what somebody signed here is kept", `${cloud} holds an entry that nobody in this mesh signed`);
      return;
    }
    const isFirst = !said.wasDurable;
    said.wasDurable = true;
    said.durableAt.add(cloud);
    said.isLost = false;
    if (isFirst) this.#judgeDurable(said);
    if (isFirst && said.cloud !== undefined && said.cloud !== cloud && !this.equivocators.has(said.entry.stamp.origin))
      this.#fail("durable before it is told", `${cloud} holds ${textOf(said.entry)}, which ${said.cloud} does not yet`);
  }

  #judgeDurable(said: Said): void {
    const { origin } = said.entry.stamp;
    this.#judgePlace(said);
    const last = this.#greatest.get(origin);
    if (last === undefined || compareInstants(last.stamp, said.entry.stamp) < 0) this.#greatest.set(origin, said.entry);
  }

  /** By signature: every record that is written brings all its entries, and to open each would cost more than to keep them. */
  readonly #signed = new Map<string, { readonly bytes: Uint8Array; readonly said: Said }>();

  find([bytes, signature]: WireEntry): Said | undefined {
    const known = this.#signed.get(keyOf(signature));
    return known !== undefined && Buffer.compare(known.bytes, bytes) === 0 ? known.said : undefined;
  }

  /** A cloud's disk is another from now on, and holds these entries only. */
  replaceDisk(cloud: string, held: ReadonlySet<EntryHash>): void {
    for (const said of this.said.values()) {
      if (held.has(said.entry.hash)) said.durableAt.add(cloud);
      else if (said.durableAt.delete(cloud)) said.isLost = said.durableAt.size === 0;
    }
  }
}

export function textOf(entry: Entry | undefined): string {
  if (entry === undefined) return "nothing";
  const { set, kind, id, fields, stamp, hash } = entry;
  return `${hash.slice(0, 8)} ${kind} ${id.slice(0, 12)} ${JSON.stringify(fields)} at ${stamp.wallMs}.${stamp.counter} by …${stamp.origin.slice(-6)} in ${set.slice(0, 7)}…${set.slice(-10)}`;
}
