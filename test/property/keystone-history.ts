// Random words about one domain's projects, and random Keystones to carry them into: few IDs, names and milliseconds, so
// that everything collides. Parents have lower numbers than their children, or lie in a circle, and no tree is deeper
// than the five levels that a Keystone takes by default: how deep is an option there, which no plan can foresee.
import fc from "fast-check";
import type { Entry, Fields } from "../../src/core/entry.ts";
import { KeystoneError } from "../../src/keystone/api.ts";
import { creation, DOMAIN, OWNER, SIGNERS, say } from "../fixtures/cloud.ts";
import { idOf } from "../fixtures/peers.ts";
import type { ModelKeystone } from "../model/keystone.ts";

export const NUMBERS = ["1", "2", "3", "4", "5", "6", "7"] as const;
const LONG = "x".repeat(64);
export const NAMES = [
  "web",
  "Web",
  "wéb",
  " web\u001f",
  "db",
  "DB",
  "straße",
  "STRASSE",
  LONG,
  `${LONG.slice(1)}X`,
  "a",
  "b",
];
const SIGNING = [OWNER, ...SIGNERS];

const number = fc.constantFrom(...NUMBERS);
const name = fc.constantFrom(...NAMES);
const by = fc.nat({ max: SIGNING.length - 1 });
/** Milliseconds between a word and the one before: 0 collides. */
const later = fc.constantFrom(0, 0, 1, 5);
const parent = fc.oneof(
  { weight: 9, arbitrary: fc.nat({ max: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom("circle" as const) },
);

const word = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constant("create" as const),
      number,
      name,
      parent,
      enabled: fc.boolean(),
      by,
      later,
    }),
  },
  { weight: 3, arbitrary: fc.record({ is: fc.constant("rename" as const), number, name, by, later }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("swap" as const), number, other: number, by, later }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant("enable" as const), number, enabled: fc.boolean(), by, later }) },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("describe" as const),
      number,
      text: fc.constantFrom("", null, "x"),
      tags: fc.subarray(["a", "b"]),
      by,
      later,
    }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("delete" as const), number, by, later }) },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("domain" as const),
      enabled: fc.boolean(),
      name: fc.constantFrom("shared", "common"),
      later,
    }),
  },
);
export type Word = typeof word extends fc.Arbitrary<infer T> ? T : never;
export const words = (lengths: { min: number; max: number }): fc.Arbitrary<Word[]> =>
  fc.array(word, { minLength: lengths.min, maxLength: lengths.max, size: "max" });

const row = fc.record({ number, name, parent: fc.nat({ max: 4 }), enabled: fc.boolean() });
/** What stands in Keystone before: projects of the mesh's IDs, made in some order, and those of nobody. */
export const standing = fc.record({
  hasDomain: fc.boolean(),
  rows: fc.array(row, { maxLength: 5, size: "max" }),
  disabled: fc.subarray([...NUMBERS]),
});
export type StandingRows = typeof standing extends fc.Arbitrary<infer T> ? T : never;

/** Signs words, each after the one before. `at` is the time of the first, in milliseconds of the history. */
export function signed(batch: readonly Word[], at: number): { entries: Entry[]; at: number } {
  const names = new Map<string, string>();
  const entries: Entry[] = [];
  let atMs = at;
  for (const one of batch) {
    atMs += one.later;
    for (const { id, kind, by: signer, fields } of spoken(one, names)) {
      entries.push(say(SIGNING[signer] ?? OWNER, { kind, id, at: atMs, fields }));
      if (typeof fields.name === "string") names.set(id, fields.name);
    }
  }
  return { entries, at: atMs };
}

type Spoken = { id: string; kind: string; by: number; fields: Fields };

function spoken(one: Word, names: ReadonlyMap<string, string>): Spoken[] {
  if (one.is === "domain")
    return [{ id: DOMAIN, kind: "domain", by: 0, fields: { enabled: one.enabled, name: one.name } }];
  const about = (number: string, fields: Fields): Spoken => ({ id: idOf(number), kind: "project", by: one.by, fields });
  switch (one.is) {
    case "create": {
      const parent_id = parentOf(one.number, one.parent);
      return [about(one.number, creation(one.name, { enabled: one.enabled, parent_id }))];
    }
    case "rename":
      return [about(one.number, { name: one.name })];
    case "swap": {
      const [mine, other] = [names.get(idOf(one.number)) ?? "a", names.get(idOf(one.other)) ?? "b"];
      return [about(one.number, { name: other }), about(one.other, { name: mine })];
    }
    case "enable":
      return [about(one.number, { enabled: one.enabled })];
    case "describe":
      return [about(one.number, { description: one.text, tags: one.tags })];
    case "delete":
      return [about(one.number, { deleted: true })];
  }
}

function parentOf(number: string, parent: number | "circle"): string {
  if (parent === "circle") return idOf(number === "1" ? "2" : "1");
  return parent === 0 || parent >= Number(number) ? DOMAIN : idOf(String(parent));
}

/** Brings a Keystone into that state, as far as its rules allow. */
export async function put({ hasDomain, rows, disabled }: StandingRows, { admin }: ModelKeystone): Promise<void> {
  await admin.createDomain({ id: idOf("c"), name: "other", description: "", enabled: true });
  await admin.createProject({
    id: idOf("9"),
    name: "web",
    domainId: idOf("c"),
    parentId: idOf("c"),
    description: "",
    enabled: true,
    tags: [],
  });
  if (!hasDomain) return;
  await admin.createDomain({ id: DOMAIN, name: "was here", description: "old", enabled: true });
  for (const { number, name, parent, enabled } of rows.toSorted((a, b) => Number(a.number) - Number(b.number)))
    await ifAllowed(() =>
      admin.createProject({
        id: idOf(number),
        name,
        domainId: DOMAIN,
        parentId: parentOf(number, parent),
        description: "old",
        enabled,
        tags: ["old"],
      }),
    );
  for (const number of disabled.toReversed())
    await ifAllowed(() => admin.updateProject(idOf(number), { enabled: false }));
}

async function ifAllowed(action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof KeystoneError)) throw error;
  }
}
