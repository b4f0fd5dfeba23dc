// One suite, two stores: in memory and on disk.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryLevel } from "memory-level";
import { openStore } from "../../src/store/level-store.ts";
import { openLevelStore } from "../../src/store/open-store.ts";
import { describeReplicaStore } from "./replica-store.ts";

describeReplicaStore("memory-level", async () => {
  const db = new MemoryLevel<string, Uint8Array>({ keyEncoding: "utf8", valueEncoding: "view" });
  return { open: () => openStore({ db, place: "memory", version: "0.0.0" }), remove: () => db.close() };
});

describeReplicaStore("level", async () => {
  const path = await mkdtemp(join(tmpdir(), "keymesh-store-"));
  return {
    open: () => openLevelStore({ path, version: "0.0.0" }),
    remove: () => rm(path, { recursive: true }),
  };
});
