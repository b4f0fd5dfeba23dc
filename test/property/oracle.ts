// The oracle: what a replica that holds these entries must say, computed plainly from all of them at once.
// It shares no code with src/core but the types, and looks at nothing but the entries' own fields.
import { createHash } from "node:crypto";
import type { Entry } from "../../src/core/entry.ts";
import type { RosterBody } from "../../src/core/membership.ts";

type Word = { readonly entry: Entry; readonly field: string; readonly scope: string };
export type OracleState = {
  /** set → kind/id → its standing entries' hashes, sorted, and its fields' JSON. */
  readonly records: ReadonlyMap<string, { readonly standing: readonly string[]; readonly fields: string }>;
  readonly roots: ReadonlyMap<string, string>;
  readonly members: readonly string[];
};

export function oracle(meshId: string, entries: readonly Entry[]): OracleState {
  const all = [...new Map(entries.map((entry) => [entry.hash, entry])).values()];
  const control = controlOf(meshId, all);
  const records = new Map<string, { standing: string[]; fields: string }>();
  const roots = new Map<string, string>();
  for (const set of new Set(all.map((entry) => entry.set))) {
    const inSet = all.filter((entry) => entry.set === set);
    let sum = 0n;
    for (const record of new Set(inSet.map((entry) => `${entry.kind}\0${entry.id}`))) {
      const words = wordsOf(inSet.filter((entry) => `${entry.kind}\0${entry.id}` === record));
      const standing = words.filter((word) => (set === "control" ? control.counts(word) : countsInDomain(inSet, word)));
      if (standing.length === 0) continue;
      const hashes = [...new Set(standing.map((word) => word.entry.hash))].sort();
      records.set(`${set}\0${record}`, { standing: hashes, fields: fieldsOf(standing, set.split("/")[1]) });
      sum += BigInt(`0x${sha(`${record}\0${sha(hashes.join(""))}`)}`);
    }
    if (sum !== 0n) roots.set(set, (sum % (1n << 256n)).toString(16).padStart(64, "0"));
  }
  return { records, roots, members: control.members };
}

function sha(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function isAfter(a: Entry, b: Entry): boolean {
  const [one, two] = [a, b].map((e) => [e.stamp.wallMs, e.stamp.counter, e.stamp.origin, e.hash] as const);
  if (one === undefined || two === undefined) throw new Error("two entries are two");
  for (const index of [0, 1, 2, 3] as const) {
    if (one[index] > two[index]) return true;
    if (one[index] < two[index]) return false;
  }
  return false;
}

/** Of each field, signer and scope of one record the greatest word. */
function wordsOf(entries: readonly Entry[]): Word[] {
  const greatest = new Map<string, Word>();
  for (const entry of entries) {
    const names = Object.keys(entry.fields);
    for (const field of names) {
      const creation = names.includes("domain_id") || names.includes("parent_id");
      const scope = field === "deleted" ? "delete" : creation ? "create" : "update";
      const place = `${field}|${scope}|${entry.stamp.origin}`;
      const other = greatest.get(place);
      if (other === undefined || isAfter(entry, other.entry)) greatest.set(place, { entry, field, scope });
    }
  }
  return [...greatest.values()];
}

function fieldsOf(standing: readonly Word[], owner: string | undefined): string {
  const values: Record<string, unknown> = {};
  for (const field of [...new Set(standing.map((word) => word.field))].sort()) {
    const candidates = standing.filter((word) => word.field === field).map((word) => word.entry);
    const ranked = candidates.sort((a, b) => (isAfter(a, b) ? -1 : 1));
    const places = field === "domain_id" || field === "parent_id";
    const winner = places
      ? (ranked.find((entry) => entry.stamp.origin === owner) ?? ranked.at(-1)) // the owner's greatest, else the earliest
      : ranked[0];
    values[field] = [winner?.fields[field], winner?.hash];
  }
  return JSON.stringify(values);
}

function countsInDomain(inSet: readonly Entry[], { entry, scope }: Word): boolean {
  const [, owner] = entry.set.split("/");
  const { origin, wallMs, counter } = entry.stamp;
  if (entry.kind === "local") return entry.id.split("/")[0] === origin;
  if (origin === owner) return true;
  if (entry.kind === "authority") return false;
  let grant: Entry | undefined;
  for (const one of inSet) {
    if (one.kind !== "authority" || one.stamp.origin !== owner || !(`signer/${origin}` in one.fields)) continue;
    if (grant === undefined || isAfter(one, grant)) grant = one;
  }
  const held = grant?.fields[`signer/${origin}`] as Record<string, [number, number]> | undefined;
  const since = held?.[scope];
  return since !== undefined && (wallMs > since[0] || (wallMs === since[0] && counter >= since[1]));
}

type Control = { readonly members: readonly string[]; counts(word: Word): boolean };

function controlOf(meshId: string, all: readonly Entry[]): Control {
  const signed = all.filter((entry) => entry.kind === "roster");
  const bodies = new Map(signed.map((entry) => [entry.id, entry.fields.body as unknown as RosterBody]));
  const signersOf = (id: string) => new Set(signed.filter((one) => one.id === id).map((one) => one.stamp.origin));
  const isHeld = (id: string, voters: RosterBody["voters"]) =>
    2 * voters.filter((voter) => signersOf(id).has(voter)).length > voters.length;
  const chain: [string, RosterBody][] = [];
  const founding = bodies.get(meshId);
  if (founding !== undefined && isHeld(meshId, founding.voters)) chain.push([meshId, founding]);
  for (let last = chain.at(-1); last !== undefined; ) {
    const [hash, body] = last;
    const next = [...bodies].filter(([id, one]) => one.previous === hash && isHeld(id, body.voters)).sort();
    last = next[0];
    if (last !== undefined) chain.push(last);
  }
  const [currentHash, current] = chain.at(-1) ?? ["", undefined];
  const here = `roster/${currentHash}`;
  const counts = ({ entry, field }: Word): boolean => {
    if (entry.kind === "roster") {
      const body = bodies.get(entry.id);
      const judges = body?.previous === null ? body : chain.find(([hash]) => hash === body?.previous)?.[1];
      return judges?.voters.includes(entry.stamp.origin) ?? false;
    }
    if (field !== here) return false;
    return entry.kind === "leave"
      ? entry.id === entry.stamp.origin
      : (current?.voters.includes(entry.stamp.origin) ?? false);
  };
  const standing = wordsByRecord(all).filter(counts);
  const members = new Set<string>(current?.members);
  for (const { entry } of standing) if (entry.kind === "leave") members.delete(entry.id);
  const votes = new Map<string, number>();
  for (const { entry } of standing) {
    const left = standing.find((word) => word.entry.kind === "leave" && word.entry.id === entry.id)?.entry;
    if (entry.kind !== "admission" || (left !== undefined && !isAfter(entry, left))) continue;
    votes.set(entry.id, (votes.get(entry.id) ?? 0) + 1);
  }
  for (const [peerId, count] of votes)
    if (current !== undefined && count >= current.thresholds.admit && !current.retired.some((one) => one === peerId))
      members.add(peerId);
  return { members: [...members].sort(), counts };
}

function wordsByRecord(all: readonly Entry[]): Word[] {
  const control = all.filter((entry) => entry.set === "control");
  return [...new Set(control.map((entry) => `${entry.kind}|${entry.id}`))].flatMap((record) =>
    wordsOf(control.filter((entry) => `${entry.kind}|${entry.id}` === record)),
  );
}
