// keymesh identity export and import, as an operator calls them, on real files.
import { access, chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCli } from "../../../src/cli/program.ts";
import { openIdentity } from "../../../src/mesh/identity.ts";
import { dataPaths } from "../../../src/node/data-directory.ts";
import { lockDataDirectory } from "../../../src/node/data-lock.ts";
import { fakeShell } from "../../fixtures/fake-shell.ts";

vi.setConfig({ testTimeout: 60_000 }); // Each try of a passphrase is meant to be slow.

let home = "";
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "keymesh-identity-"));
  await writeFile(join(home, "pass"), "correct horse battery\n", { mode: 0o600 });
  await writeFile(join(home, "other"), "wrong horse battery\n", { mode: 0o600 });
});
afterEach(() => rm(home, { recursive: true }));

async function keymesh(data: string, ...typed: string[]) {
  const { shell, printed, said } = fakeShell({ home });
  const code = await runCli(shell, ["--data", data, "--json", "identity", ...typed]);
  return code === 0 ? JSON.parse(printed()) : { exit: code, ...JSON.parse(said()).error };
}

/** A data directory with an identity in it, and its export. */
async function exported() {
  const data = join(home, "a");
  const { peerId } = await keymeshInit(data);
  const answer = await keymesh(data, "export", "a.identity", "--passphrase-file", "pass");
  return { data, peerId, answer, file: join(home, "a.identity") };
}

async function keymeshInit(data: string): Promise<{ peerId: string }> {
  const { shell, printed } = fakeShell({ home });
  expect(await runCli(shell, ["--data", data, "--json", "init", "--name", "a"])).toBe(0);
  return JSON.parse(printed());
}

describe("identity export", () => {
  it("writes a file for its user only, without the key in it, and never writes over one", async () => {
    const { data, peerId, answer, file } = await exported();
    expect(answer).toEqual({ peerId, file });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const seed = (await openIdentity(dataPaths(data).identity)).privateKey.raw.subarray(0, 32);
    expect(await readFile(file, "utf8")).not.toContain(Buffer.from(seed).toString("base64").slice(0, 20));
    const before = await readFile(file, "utf8");
    expect(await keymesh(data, "export", file, "--passphrase-file", "pass")).toMatchObject({ code: "EXPORT_EXISTS" });
    expect(await readFile(file, "utf8")).toBe(before);
  });

  it("leaves no file where the passphrase is too short, and says so where there is nothing to export", async () => {
    const data = join(home, "a");
    await keymeshInit(data);
    await writeFile(join(home, "pass"), "short\n");
    expect(await keymesh(data, "export", "x", "--passphrase-file", "pass")).toMatchObject({
      code: "EXPORT_PASSPHRASE",
    });
    await expect(access(join(home, "x"))).rejects.toMatchObject({ code: "ENOENT" });
    expect(await keymesh(join(home, "none"), "export", "x")).toMatchObject({ code: "DATA_MISSING" });
    await rm(dataPaths(data).identity);
    expect(await keymesh(data, "export", "x")).toMatchObject({ code: "NO_IDENTITY" });
    expect(await keymesh(data, "export", "x", "--passphrase", "secret")).toMatchObject({ code: "USAGE", exit: 2 });
  });

  it("refuses while a node runs on the data directory", async () => {
    const { data, file } = await exported();
    const lock = await lockDataDirectory(dataPaths(data), { pid: process.pid });
    const call = await keymesh(data, "export", "b.identity", "--passphrase-file", "pass");
    expect(call).toMatchObject({ code: "DATA_IN_USE", message: expect.stringContaining("stop it first") });
    expect(await keymesh(data, "import", file, "--passphrase-file", "pass")).toMatchObject({ code: "DATA_IN_USE" });
    await lock.release();
  });
});

describe("identity import", () => {
  it("brings the same peer to another data directory, which init then keeps", async () => {
    const { peerId, file } = await exported();
    const data = join(home, "b");
    expect(await keymesh(data, "import", file, "--passphrase-file", "pass")).toEqual({ peerId, isNew: true });
    const { identity } = dataPaths(data);
    expect([(await stat(data)).mode & 0o777, (await stat(identity)).mode & 0o777]).toEqual([0o700, 0o600]);
    expect((await openIdentity(identity)).peerId).toBe(peerId);
    expect((await keymeshInit(data)).peerId).toBe(peerId);
    expect(await keymesh(data, "import", file, "--passphrase-file", "pass")).toEqual({ peerId, isNew: false });
  });

  it("refuses where another key is, and leaves it as it was", async () => {
    const { file } = await exported();
    const data = join(home, "b");
    const { peerId } = await keymeshInit(data);
    const refused = await keymesh(data, "import", file, "--passphrase-file", "pass");
    expect(refused).toMatchObject({ exit: 1, code: "IDENTITY_TAKEN", message: expect.stringContaining(peerId) });
    expect((await openIdentity(dataPaths(data).identity)).peerId).toBe(peerId);
  });

  it("says what is wrong with passphrase and file, and makes no key", async () => {
    const { file } = await exported();
    const data = join(home, "b");
    const call = (named: string, pass = "pass") => keymesh(data, "import", named, "--passphrase-file", pass);
    const whole = await readFile(file, "utf8");
    await writeFile(join(home, "cut"), whole.slice(0, 300));
    await writeFile(join(home, "changed"), whole.replace(/"nonce":"./, '"nonce":"+'));
    expect(await call(file, "other")).toMatchObject({ code: "EXPORT_PASSPHRASE" });
    expect(await call("cut")).toMatchObject({
      code: "EXPORT_DAMAGED",
      message: expect.stringContaining("cut is cut off"),
    });
    expect(await call("changed")).toMatchObject({ code: "EXPORT_DAMAGED" });
    expect(await call("pass")).toMatchObject({ code: "EXPORT_FOREIGN" });
    expect(await call("absent")).toMatchObject({ code: "EXPORT_UNREADABLE" });
    await chmod(join(home, "pass"), 0o604);
    expect(await call(file)).toMatchObject({ code: "PASSPHRASE_MODE" });
    await expect(access(dataPaths(data).identity)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
