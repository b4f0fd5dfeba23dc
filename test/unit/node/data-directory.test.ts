import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkDataDirectory, createDataDirectory, dataPaths } from "../../../src/node/data-directory.ts";
import { lockDataDirectory } from "../../../src/node/data-lock.ts";

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "keymesh-data-"));
});
afterEach(() => rm(base, { recursive: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe("data directory", () => {
  it("is made for its user only, with all that leads to it", async () => {
    const paths = dataPaths(join(base, "a", "b"));
    await createDataDirectory(paths);
    expect(await modeOf(paths.data)).toBe(0o700);
    await checkDataDirectory(paths);
  });

  it("closes an empty directory, and leaves one alone that holds things", async () => {
    const [empty, full] = [join(base, "empty"), join(base, "full")];
    for (const path of [empty, full]) {
      await mkdir(path);
      await chmod(path, 0o755);
    }
    await writeFile(join(full, "letter"), "");
    await createDataDirectory(dataPaths(empty));
    expect(await modeOf(empty)).toBe(0o700);
    await expect(createDataDirectory(dataPaths(full))).rejects.toMatchObject({ code: "DATA_MODE" });
    expect(await modeOf(full)).toBe(0o755);
  });

  it("refuses what it can't use, in one line", async () => {
    const file = join(base, "file");
    await writeFile(file, "");
    await expect(createDataDirectory(dataPaths(file))).rejects.toMatchObject({ code: "DATA_UNUSABLE" });
    await expect(checkDataDirectory(dataPaths(file))).rejects.toThrow("it is not a directory");
    await expect(checkDataDirectory(dataPaths(join(base, "none")))).rejects.toThrow("keymesh init --data");
    expect(() => dataPaths(join(base, "long".repeat(30)))).toThrow(/choose a shorter --data/);
  });
});

describe("lockDataDirectory", () => {
  it("is held by one process at a time, and names it", async () => {
    const paths = dataPaths(base);
    const lock = await lockDataDirectory(paths, { pid: process.pid });
    const refused = lockDataDirectory(paths, { pid: process.ppid });
    await expect(refused).rejects.toMatchObject({ code: "DATA_IN_USE" });
    await expect(refused).rejects.toThrow(`in use by process ${process.pid}`);
    await lock.release();
    await (await lockDataDirectory(paths, { pid: process.ppid })).release();
    expect(await readdir(base)).toEqual([]);
  });

  it.each([
    ["a process that is gone", '{"pid":4194304,"birth":"boot 1"}'],
    ["an earlier process with a pid that is taken again", `{"pid":${process.pid},"birth":"another boot 1"}`],
    ["half a lock", '{"pid":1'],
  ])("takes over from %s", async (_, left) => {
    const paths = dataPaths(base);
    await writeFile(paths.lock, left);
    await (await lockDataDirectory(paths, { pid: process.pid })).release();
  });

  it("refuses while a node answers on the socket, whatever the lock says", async () => {
    const paths = dataPaths(base);
    const server = createServer((connection) => connection.end());
    await new Promise<void>((done) => server.listen(paths.socket, done));
    await writeFile(paths.lock, '{"pid":4194304,"birth":"boot 1"}');
    await expect(lockDataDirectory(paths, { pid: process.pid })).rejects.toMatchObject({ code: "DATA_IN_USE" });
    await new Promise((done) => server.close(done));
    await (await lockDataDirectory(paths, { pid: process.pid })).release();
  });

  it("lets exactly one of many take over a stale lock, also one whose taking over was cut off", async () => {
    const stale = '{"pid":4194304,"birth":"boot 1"}';
    const claim = createHash("sha256").update(stale).digest("hex").slice(0, 16);
    for (let round = 0; round < 50; round += 1) {
      const paths = dataPaths(join(base, String(round)));
      await mkdir(paths.data);
      await writeFile(paths.lock, stale);
      if (round % 2 === 1) await writeFile(`${paths.lock}.${claim}`, '{"pid":4194303,"birth":"boot 1"}');
      const alive = [process.pid, process.ppid, 1];
      const results = await Promise.allSettled(alive.map((pid) => lockDataDirectory(paths, { pid })));
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(await readdir(paths.data)).toEqual(["keymesh.lock"]);
    }
  });
});
