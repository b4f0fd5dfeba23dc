// Random histories of one small mesh: few peers, records and milliseconds, so that everything collides with everything.
// An honest owner (DESIGN section 4): `since` of a new grant is never before its own entry, and `takenAt` stays.
import fc from "fast-check";
import type { Entry, Fields, FieldValue } from "../../src/core/entry.ts";
import { admissionFields, leaveFields } from "../../src/core/membership.ts";
import { CONTROL_SET, domainSet } from "../../src/core/set-name.ts";
import { entryBy, idOf, meshOf, peerOf, rosterAfter, rosterBy, sorted } from "../fixtures/peers.ts";

export const PEERS = [1, 2, 3, 4, 5].map(peerOf);
const [p0, p1, p2, p3, p4] = PEERS as [
  ReturnType<typeof peerOf>,
  ReturnType<typeof peerOf>,
  ReturnType<typeof peerOf>,
  ReturnType<typeof peerOf>,
  ReturnType<typeof peerOf>,
];
export const OBSERVER = peerOf(9);
export const MESH = meshOf(p0);
const meshId = MESH.meshId;

/** Version 1: four members, three voters, two of whom must admit. Versions 2a and 2b are rivals. */
const ROSTER_1 = rosterAfter(MESH.founding, {
  members: sorted([p0, p1, p2, p3]),
  voters: sorted([p0, p1, p2]),
  thresholds: { admit: 2 },
});
const ROSTER_2A = rosterAfter(ROSTER_1, { members: sorted([p0, p1, p2, p3, p4]), thresholds: { admit: 1 } });
const ROSTER_2B = rosterAfter(ROSTER_1, {
  members: sorted([p0, p1, p2]),
  retired: sorted([p3]),
  thresholds: { admit: 1 },
});
const ROSTERS = [ROSTER_1, ROSTER_2A, ROSTER_2B];
export const BASE_CONTROL: readonly Entry[] = [...MESH.entries, rosterBy(p0, ROSTER_1, { meshId, at: 2 })];

const OWNERS = [p0, p1];
export const SETS = OWNERS.map(({ peerId }, index) => domainSet(peerId, idOf(index === 0 ? "a" : "b")));

/** Each owner lets all members hold its set, before anything else that it says. */
const AUDIENCES = OWNERS.map((owner, index) =>
  entryBy(owner, {
    meshId,
    set: SETS[index] ?? CONTROL_SET,
    kind: "authority",
    id: idOf(index === 0 ? "a" : "b"),
    at: [0, 9],
    fields: { audience: null },
  }),
);

const NAMES = ["web", "Web", "WEB ", "wéb", "we\u0301b", "网站", "🙂", "w\u0000b", "\ud800x", "\ufeffbom"];
const TEXTS: (string | null)[] = ["", null, "0", "null", "ß", "SS", "\u202e"];
type Values = { readonly name: string; readonly text: string | null; readonly flag: boolean; readonly place: number };
type Shape = (values: Values, domainId: string) => Fields;
const creation: Shape = ({ name, flag, place }, domain_id) => ({
  name,
  enabled: flag,
  domain_id,
  parent_id: place === 0 ? domain_id : idOf(String(place)),
});
const SHAPES: Shape[] = [
  creation,
  creation,
  creation,
  ({ name }) => ({ name }),
  ({ text }) => ({ description: text }),
  ({ flag }) => ({ enabled: flag }),
  ({ name, text }) => ({ name, description: text }),
  ({ place }) => ({ tags: ["a", "b", "c"].slice(0, place) }),
  () => ({ deleted: true }),
  ({ name }) => ({ name, deleted: true }),
  ({ name, flag }) => ({ name, "x-later": flag }),
];

const values = fc.record({
  name: fc.constantFrom(...NAMES),
  text: fc.constantFrom(...TEXTS),
  flag: fc.boolean(),
  place: fc.integer({ min: 0, max: 3 }),
});
const write = fc.record({
  is: fc.constant("write" as const),
  by: fc.constantFrom(0, 1, 1, 2, 2, 3, 4),
  set: fc.integer({ min: 0, max: 1 }),
  id: fc.constantFrom("1", "2", "3"),
  kind: fc.constantFrom("project", "project", "project", "project", "project", "gadget"),
  wallMs: fc.oneof(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 25, max: 40 })),
  counter: fc.constantFrom(0, 0, 1, 0xffff),
  shape: fc.nat({ max: SHAPES.length - 1 }),
  values,
  /** Signed a second time at the same stamp with these, if any: equivocation. */
  again: fc.option(fc.record({ shape: fc.nat({ max: SHAPES.length - 1 }), values }), { freq: 4 }),
});
const authority = fc.record({
  is: fc.constant("authority" as const),
  set: fc.integer({ min: 0, max: 1 }),
  signer: fc.integer({ min: 0, max: 3 }),
  scopes: fc.oneof(fc.subarray(["create", "update", "delete"]), fc.constant<string[]>(["create", "update"])),
  later: fc.integer({ min: 0, max: 4 }),
  /** Whether a peer who doesn't own the set signs this instead: it must never count. */
  usurped: fc.constantFrom(false, false, false, true),
});
const control = fc.record({
  is: fc.constant("control" as const),
  word: fc.constantFrom("roster", "admission", "leave"),
  by: fc.integer({ min: 0, max: 4 }),
  roster: fc.integer({ min: 0, max: 2 }),
  wallMs: fc.integer({ min: 1, max: 24 }),
});
const local = fc.record({
  is: fc.constant("local" as const),
  by: fc.integer({ min: 0, max: 3 }),
  about: fc.integer({ min: 0, max: 3 }),
  wallMs: fc.integer({ min: 1, max: 24 }),
});

export type History = { readonly control: readonly Entry[]; readonly rest: readonly Entry[] };

export const history: fc.Arbitrary<History> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: write },
      { weight: 3, arbitrary: authority },
      { weight: 2, arbitrary: control },
      { weight: 1, arbitrary: local },
    ),
    { minLength: 12, maxLength: 32, size: "max" },
  )
  .map(signAll);

type Step =
  | (typeof write extends fc.Arbitrary<infer T> ? T : never)
  | (typeof authority extends fc.Arbitrary<infer T> ? T : never)
  | (typeof control extends fc.Arbitrary<infer T> ? T : never)
  | (typeof local extends fc.Arbitrary<infer T> ? T : never);

function signAll(steps: readonly Step[]): History {
  const grants = new Map<string, { [key: string]: FieldValue }>();
  const controlEntries: Entry[] = [...BASE_CONTROL];
  const rest: Entry[] = [...AUDIENCES];
  let ownersWallMs = 1;
  for (const step of steps) {
    if (step.is === "control") controlEntries.push(controlEntry(step));
    else if (step.is === "local") rest.push(localEntry(step));
    else if (step.is === "write") rest.push(...writeEntries(step));
    else {
      ownersWallMs += step.later;
      rest.push(authorityEntry(step, { grants, wallMs: ownersWallMs++ }));
    }
  }
  return { control: controlEntries, rest };
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`no item ${index} of ${list.length}`);
  return item;
}

function writeEntries(step: Extract<Step, { is: "write" }>): Entry[] {
  const set = at(SETS, step.set);
  const domainId = idOf(step.set === 0 ? "a" : "b");
  const sign = (content: { shape: number; values: Values }) =>
    entryBy(at(PEERS, step.by), {
      meshId,
      set,
      kind: step.kind,
      id: idOf(step.id),
      at: [step.wallMs, step.counter],
      fields: at(SHAPES, content.shape)(content.values, domainId),
    });
  return step.again === null ? [sign(step)] : [sign(step), sign(step.again)];
}

function authorityEntry(
  step: Extract<Step, { is: "authority" }>,
  owner: { grants: Map<string, { [key: string]: FieldValue }>; wallMs: number },
): Entry {
  const signer = at(PEERS, step.signer).peerId;
  const place = `${step.set} ${signer}`;
  const held = owner.grants.get(place) ?? {};
  const value: { [key: string]: FieldValue } = {};
  for (const scope of step.scopes) value[scope] = held[scope] ?? [owner.wallMs + step.later, 0];
  const taken = Object.keys(held).some((key) => key !== "takenAt" && !step.scopes.includes(key));
  if (taken) value.takenAt = [owner.wallMs, 0];
  else if (held.takenAt !== undefined) value.takenAt = held.takenAt;
  if (!step.usurped) owner.grants.set(place, value);
  return entryBy(step.usurped ? p3 : at(OWNERS, step.set), {
    meshId,
    set: at(SETS, step.set),
    kind: "authority",
    id: idOf(step.set === 0 ? "a" : "b"),
    at: [owner.wallMs],
    fields: { [`signer/${signer}`]: value },
  });
}

function controlEntry(step: Extract<Step, { is: "control" }>): Entry {
  const peer = at(PEERS, step.by);
  const roster = at(ROSTERS, step.roster);
  if (step.word === "roster") return rosterBy(peer, roster, { meshId, at: step.wallMs });
  const key = { set: CONTROL_SET, kind: step.word, id: step.word === "leave" ? peer.peerId : p4.peerId };
  const fields = step.word === "leave" ? leaveFields(roster) : admissionFields(roster, null);
  return entryBy(peer, { meshId, ...key, at: [step.wallMs], fields });
}

function localEntry(step: Extract<Step, { is: "local" }>): Entry {
  const id = `${at(PEERS, step.about).peerId}/${idOf("1")}`;
  const key = { set: at(SETS, 0), kind: "local", id };
  return entryBy(at(PEERS, step.by), { meshId, ...key, at: [step.wallMs], fields: { off: step.wallMs % 2 === 0 } });
}
