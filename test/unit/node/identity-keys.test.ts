// The key files of a rotation, on a real disk: wherever it broke off, each key that matters is in a file, and the next
// start goes on.
import { access, copyFile, link, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PeerId } from "../../../src/core/peer-id.ts";
import { openIdentity } from "../../../src/mesh/identity.ts";
import { type DataPaths, dataPaths } from "../../../src/node/data-directory.ts";
import { identityFor, rotationKeys } from "../../../src/node/identity-keys.ts";

let paths: DataPaths;
let from: PeerId;
let to: PeerId;

beforeEach(async () => {
  paths = dataPaths(await mkdtemp(join(tmpdir(), "keymesh-keys-")));
  from = (await openIdentity(paths.identity)).peerId;
  to = (await rotationKeys(paths).makeNext()).peerId;
});
afterEach(() => rm(paths.data, { recursive: true }));

const row = (more: object = {}) => ({ from, to, sinceMs: 1, isUrgent: false, handedMs: 2, doneMs: null, ...more });
const start = (rotation: object | "none" = row()) =>
  identityFor(paths, { meta: async () => (rotation === "none" ? undefined : rotation) as never });

async function peerIn(path: string): Promise<PeerId | undefined> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  return isThere ? (await openIdentity(path)).peerId : undefined;
}

async function files(): Promise<(PeerId | undefined)[]> {
  return [await peerIn(paths.identity), await peerIn(paths.identityNext), await peerIn(paths.identityOld)];
}

describe("the next key", () => {
  it("is made once, for the node's user only, and is another", async () => {
    expect(to).not.toBe(from);
    expect((await rotationKeys(paths).makeNext()).peerId).toBe(to);
    expect((await stat(paths.identityNext)).mode & 0o777).toBe(0o600);
  });

  it("is made anew where a crash left half of one, which nobody had heard of", async () => {
    await rm(paths.identityNext);
    await writeFile(`${paths.identityNext}.part`, new Uint8Array(20), { mode: 0o600 });
    const made = await rotationKeys(paths).makeNext();
    expect(await files()).toEqual([from, made.peerId, undefined]);
    expect(await peerIn(`${paths.identityNext}.part`)).toBeUndefined();
  });
});

describe("the switch of keys", () => {
  it("waits until everything was passed on, and is not done again when the rotation is over", async () => {
    for (const rotation of ["none" as const, row({ handedMs: null }), row({ doneMs: 3 })])
      expect((await start(rotation)).peerId).toBe(from);
    expect(await files()).toEqual([from, to, undefined]);
  });

  it("keeps the old key, and is the same when it is done twice", async () => {
    const bytes = await readFile(paths.identity);
    for (let turn = 0; turn < 2; turn += 1) {
      expect((await start()).peerId).toBe(to);
      expect(await files()).toEqual([to, undefined, from]);
    }
    expect(await readFile(paths.identityOld)).toEqual(bytes);
    for (const path of [paths.identity, paths.identityOld]) expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("goes on where it was broken off, between its two steps", async () => {
    await link(paths.identity, paths.identityOld);
    expect((await start()).peerId).toBe(to);
    expect(await files()).toEqual([to, undefined, from]);
  });

  it("puts the old key of this rotation in the place of one of long ago", async () => {
    const other = join(paths.data, "other");
    await openIdentity(other);
    await rename(other, paths.identityOld);
    await start();
    expect(await files()).toEqual([to, undefined, from]);
  });

  it("goes on under the old key where the next one is gone, or is another", async () => {
    const kept = join(paths.data, "kept");
    await rename(paths.identityNext, kept);
    expect((await start()).peerId).toBe(from);
    await copyFile(paths.identity, paths.identityNext);
    expect((await start()).peerId).toBe(from);
    await rename(kept, paths.identityNext);
    expect((await start()).peerId).toBe(to);
  });

  it("leaves a third key alone, which somebody put there since", async () => {
    await rm(paths.identity);
    const { peerId } = await openIdentity(paths.identity);
    expect((await start()).peerId).toBe(peerId);
    expect(await files()).toEqual([peerId, to, undefined]);
  });

  it("forgets the old key when it is told to, and only then", async () => {
    await start();
    const keys = rotationKeys(paths);
    expect((await keys.old())?.peerId).toBe(from);
    await keys.forgetOld();
    await keys.forgetOld();
    expect(await files()).toEqual([to, undefined, undefined]);
    expect(await keys.next()).toBeUndefined();
  });
});
