import { EventEmitter } from "node:events";
import { chmod, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readPassphrase } from "../../../src/cli/passphrase.ts";
import type { Shell, Terminal } from "../../../src/cli/shell.ts";
import { PASSPHRASE_BYTES_MAX } from "../../../src/core/limits.ts";
import { fakeShell } from "../../fixtures/fake-shell.ts";

let folder = "";
let file = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keymesh-passphrase-"));
  file = join(folder, "passphrase");
});
afterEach(() => rm(folder, { recursive: true }));

/** A terminal that types these keys, one chunk for each time that somebody listens. */
function typing(...chunks: readonly (string | Uint8Array)[]) {
  const events = new EventEmitter();
  const modes: boolean[] = [];
  const waiting = [...chunks];
  const terminal: Terminal = {
    setRawMode: (isRaw) => modes.push(isRaw),
    on: (event: string, listener: (chunk: string) => void) => events.on(event, listener),
    off: (event: string, listener: (chunk: string) => void) => events.off(event, listener),
    pause: () => undefined,
    resume: () => {
      const chunk = waiting.shift();
      queueMicrotask(() => (chunk === undefined ? events.emit("end") : events.emit("data", chunk)));
    },
  };
  return { terminal, modes };
}

async function typed(twice: boolean, ...chunks: readonly (string | Uint8Array)[]) {
  const { terminal, modes } = typing(...chunks);
  const { shell, said } = fakeShell({ terminal: () => terminal });
  const answer = await readPassphrase(shell, {}, { twice }).catch((error: unknown) => error);
  return { answer, modes, said: said() };
}

describe("a passphrase at a terminal", () => {
  it("is read without an echo, asked for twice where it is new, and the terminal is put back", async () => {
    const { answer, modes, said } = await typed(true, "correct horse\r", "correct horse\n");
    expect(answer).toBe("correct horse");
    expect(modes).toEqual([true, false, true, false]);
    expect(said).toBe("Passphrase: \nThe same again: \n");
  });

  it("can be mended while it is typed, in any script", async () => {
    expect((await typed(false, "wrong\x15Gr\u00fc\u00dfe\x7f\x1b\b\be\u{1f40e}x\x7f\r")).answer).toBe("Gre\u{1f40e}");
    expect((await typed(false, new TextEncoder().encode("東京\r"))).answer).toBe("東京");
  });

  it("is refused where the two differ, or nobody types", async () => {
    expect((await typed(true, "one\r", "two\r")).answer).toMatchObject({ code: "PASSPHRASE_DIFFERS" });
    for (const keys of ["abc\x03", "\x04"]) {
      const { answer, modes } = await typed(false, keys);
      expect(answer).toMatchObject({ code: "INPUT_ENDED" });
      expect(modes).toEqual([true, false]);
    }
    expect((await typed(false)).answer).toMatchObject({ code: "INPUT_ENDED" });
  });
});

describe("a passphrase from elsewhere", () => {
  const read = (options: object, shell: Shell = fakeShell().shell) =>
    readPassphrase(shell, options, { twice: true }).catch((error: unknown) => error);

  it("is the first line of a file that only its user may read", async () => {
    await writeFile(file, "correct horse\r\nbattery\n", { mode: 0o600 });
    expect(await read({ passphraseFile: file })).toBe("correct horse");
    await chmod(file, 0o640);
    expect(await read({ passphraseFile: file })).toMatchObject({
      code: "PASSPHRASE_MODE",
      message: expect.stringContaining(`chmod 600 ${file}`),
    });
  });

  it("is the first line of a descriptor", async () => {
    await writeFile(file, "from a pipe\n");
    await using handle = await open(file);
    expect(await read({ passphraseFd: handle.fd })).toBe("from a pipe");
  });

  it("is never empty, endless or guessed", async () => {
    await writeFile(file, "\n", { mode: 0o600 });
    expect(await read({ passphraseFile: file })).toMatchObject({ code: "PASSPHRASE_UNREADABLE" });
    await writeFile(file, "x".repeat(PASSPHRASE_BYTES_MAX + 1), { mode: 0o600 });
    expect(await read({ passphraseFile: file })).toMatchObject({ code: "PASSPHRASE_UNREADABLE" });
    expect(await read({ passphraseFile: join(folder, "absent") })).toMatchObject({ code: "PASSPHRASE_UNREADABLE" });
    expect(await read({})).toMatchObject({
      code: "PASSPHRASE_MISSING",
      message: expect.stringContaining("--passphrase-file"),
    });
  });
});
