// What is saved in holding entries and records changes nothing of what they are.
import { describe, expect, it } from "vitest";
import { openStored, signedBytes, wireOf } from "../../../src/core/codec.ts";
import type { FieldValue } from "../../../src/core/entry.ts";
import { sharedText, TextMemory } from "../../../src/core/held-text.ts";
import { SHARED_TEXTS_MAX } from "../../../src/core/limits.ts";
import { emptyRecord, keep, recordOf } from "../../../src/core/record.ts";
import { domainSet, parseSetName } from "../../../src/core/set-name.ts";
import { entryBy, idOf, meshOf, peerOf } from "../../fixtures/peers.ts";

const one = peerOf(1);
const { meshId } = meshOf(one);
const set = domainSet(one.peerId, idOf("a"));
const write = (fields: Readonly<Record<string, FieldValue>>, at = 5) =>
  entryBy(one, { meshId, set, kind: "project", id: idOf("1"), at: [at], fields });

describe("an entry as it is held", () => {
  it("spells its bytes and signature as they were", () => {
    const entry = write({ name: "größe 🙂", tags: ["a", "b"], enabled: true, "x-new": { deep: [1, null, "\u0000ÿ"] } });
    const { bytes, signature } = entry;
    expect(bytes).toEqual(signedBytes(meshId, entry));
    const opened = openStored(meshId, [bytes, signature]);
    if (!opened.ok) throw new Error(opened.rejection.detail);
    expect(wireOf(opened.value)).toEqual([bytes, signature]);
    expect(opened.value.signature.buffer.byteLength).toBe(64);
  });

  it("keeps nothing of the page that it came in, nor changes with it", () => {
    const { bytes, signature } = write({ name: "web" });
    const page = new Uint8Array(200_000);
    page.set(bytes, 1_000);
    page.set(signature, 5_000);
    const wire = [page.subarray(1_000, 1_000 + bytes.length), page.subarray(5_000, 5_064)] as const;
    const opened = openStored(meshId, wire);
    page.fill(0);
    expect(opened.ok && wireOf(opened.value)).toEqual([bytes, signature]);
    if (opened.ok) for (const value of Object.values(opened.value)) expect(ArrayBuffer.isView(value)).toBe(false);
  });

  it("has fields of any name", () => {
    const fields = Object.fromEntries([["__proto__", "x"]]) as Record<string, FieldValue>;
    let spelled: Uint8Array | undefined;
    try {
      spelled = write(fields).bytes;
    } catch {
      return expect(spelled).toBeUndefined(); // Refused at signing is as good as kept whole.
    }
    expect(new TextDecoder().decode(spelled)).toContain("__proto__");
  });
});

describe("texts that are shared", () => {
  it("are what they were, however they were put together", () => {
    for (const text of ["", "a", "é\u0000\ud800", "12", "x".repeat(1_000)]) {
      const rope = [...text].reduce((sum, character) => sum + character, "");
      expect(sharedText(rope)).toBe(text);
      expect(sharedText(text)).toBe(text);
    }
  });

  it("are forgotten, not mixed up, when there are too many", () => {
    const memory = new TextMemory<number>();
    for (let number = 0; number < SHARED_TEXTS_MAX * 2 + 10; number += 1) {
      memory.set(`${number}`, number);
      expect(memory.get(`${number}`)).toBe(number);
    }
    expect(memory.get("0")).toBeUndefined();
    for (let number = 0; number < SHARED_TEXTS_MAX + 10; number += 1) sharedText(`text ${number}`);
    expect(sharedText("text 0")).toBe("text 0");
    expect(parseSetName(set)).toEqual(parseSetName(`${set}`));
  });
});

describe("a record that holds entries alone", () => {
  it("has the slots that it was made of, in every order and number", () => {
    const first = write({ name: "a", description: "b", enabled: true }, 5);
    const second = write({ name: "c" }, 6);
    const both = [first, second].reduce(keep, emptyRecord({ set, kind: "project", id: idOf("1") }));
    const names = ({ slots }: typeof both) =>
      slots.map(({ field, scope, entry }) => `${field} ${scope} ${entry.stamp.wallMs}`).sort();
    expect(names(both)).toEqual(["description update 5", "enabled update 5", "name update 6"]);
    expect(names([second, first].reduce(keep, emptyRecord(both.key)))).toEqual(names(both));
    expect(both.slots.every(({ entry }) => entry === first || entry === second)).toBe(true);
    expect(keep(both, first)).toBe(both);
  });

  it("keeps a slot out that was dropped, though its entry stays for others", () => {
    const entry = write({ name: "a", "x-new": 1 });
    const whole = keep(emptyRecord({ set, kind: "project", id: idOf("1") }), entry);
    const less = recordOf(
      whole.key,
      whole.slots.filter(({ field }) => field !== "x-new"),
    );
    expect(less.slots.map(({ field }) => field)).toEqual(["name"]);
  });
});
