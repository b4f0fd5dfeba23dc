// The wire format as it was promised: committed bytes open as the values beside them, and those sign to the same bytes.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decode, encode } from "@ipld/dag-cbor";
import { describe, expect, it } from "vitest";
import { pointerHash, readAuthority } from "../../src/core/authority.ts";
import { openEntry, parseMeshId, type WireEntry } from "../../src/core/codec.ts";
import { isKnown } from "../../src/core/kinds.ts";
import { rosterOf } from "../../src/core/membership.ts";
import { emptyRecord, keep } from "../../src/core/record.ts";
import { parseSetName } from "../../src/core/set-name.ts";
import { peerOf } from "../fixtures/peers.ts";
import { CASES, founding, type Golden, goldenOf, meshId, nextSet, pointer, rosterOne, signCase } from "./wire-1.ts";

const FOLDER = join(import.meta.dirname, "wire-1");
const files = readdirSync(FOLDER).map((file) => file.replace(/\.json$/, ""));

function goldenIn(name: string): Golden {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8"));
}

function wireOf({ bytes, signature }: Golden): WireEntry {
  return [new Uint8Array(Buffer.from(bytes, "hex")), new Uint8Array(Buffer.from(signature, "hex"))];
}

function openGolden(name: string) {
  const opened = openEntry(meshId, wireOf(goldenIn(name)));
  if (!opened.ok) throw new Error(`${name}: ${opened.rejection.code} ${opened.rejection.detail}`);
  return opened.value;
}

describe("wire version 1", () => {
  it("has a golden file for every case, and a case for every file", () => {
    expect(files.sort()).toEqual(Object.keys(CASES).sort());
    expect(files.length).toBeGreaterThanOrEqual(20);
  });

  it("knows the mesh ID by the founding roster's hash", () => {
    expect(meshId).toBe("28f16c74080b5f1ae6ddcf8c9c5cf6ed1e1c73cdede36ecbfdea4745fc21c198");
    expect(parseMeshId(meshId)).toBe(meshId);
  });

  it.each(files)("opens %s as the values beside its bytes", (name) => {
    const golden = goldenIn(name);
    expect(goldenOf(openGolden(name))).toEqual(golden);
  });

  it.each(files)("signs %s to the very same bytes", (name) => {
    const content = CASES[name];
    if (content === undefined) throw new Error(`no case for ${name}`);
    expect(goldenOf(signCase(content))).toEqual(goldenIn(name));
  });

  it.each(files)("refuses %s under a later context: a new version is another kind of message", (name) => {
    const [bytes] = wireOf(goldenIn(name));
    const tuple = decode(bytes) as unknown[];
    const later = encode(["keymesh/entry/2", ...tuple.slice(1)]);
    const signers = [1, 2, 3, 4, 9].map(peerOf).filter(({ peerId }) => peerId === tuple[6]);
    const opened = openEntry(meshId, [later, signers[0]?.signer.sign(later) ?? new Uint8Array()]);
    expect(!opened.ok && opened.rejection.code).toBe("WRONG_CONTEXT");
  });

  it("is known to this node in all fields but those of a newer one", () => {
    for (const name of files) {
      const { set, kind, fields } = openGolden(name);
      const identity = parseSetName(set)?.identity;
      if (identity === undefined) throw new Error(`no set ${set}`);
      for (const field of Object.keys(fields))
        expect(isKnown(identity, kind, field), `${name}: ${field}`).toBe(name !== "of-a-newer-node");
    }
  });

  it("reads rosters, grants and transfers out of its bytes", () => {
    expect(rosterOf(openGolden("roster-founding"))).toEqual(founding);
    expect(rosterOf(openGolden("roster-1"))).toEqual(rosterOne);
    const names = files.filter((name) => name.startsWith("authority-") && name !== "authority-accepts");
    const entries = names.map(openGolden);
    const [first] = entries;
    if (first === undefined) throw new Error("no authority");
    const alpha = peerOf(1).peerId;
    const authority = readAuthority(alpha, entries.reduce(keep, emptyRecord(first)));
    const wallMs = first.stamp.wallMs;
    expect(authority.signers.get(peerOf(2).peerId)).toEqual({ since: new Map(), takenAt: { wallMs, counter: 2 } });
    expect(authority.audience).toEqual([2, 3].map((number) => peerOf(number).peerId).sort());
    expect(authority.pointers).toEqual([nextSet]);
    expect(openGolden("authority-accepts").fields).toEqual({ accepts: pointer });
    expect(pointerHash(meshId, { from: first.set, to: nextSet })).toBe(
      "9bc4bffd7b3979912f74d7fa4af54677f98e09d1edd1426cbe7040af62a0695c",
    );
  });
});
