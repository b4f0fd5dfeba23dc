// Where a passphrase comes from: a terminal, without an echo; a file that only its user may read; or a descriptor. Never
// from the command line itself, which every process of the machine may read.
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { PASSPHRASE_BYTES_MAX } from "../core/limits.ts";
import { reason } from "../node/errno.ts";
import { askHidden } from "./hidden-input.ts";
import type { Shell } from "./shell.ts";

export type PassphraseOptions = { readonly passphraseFile?: string; readonly passphraseFd?: number };
type PassphraseErrorCode =
  | "PASSPHRASE_MISSING" // no terminal to ask, and no file or descriptor named
  | "PASSPHRASE_DIFFERS" // the two that were typed
  | "PASSPHRASE_MODE" // others may read the file
  | "PASSPHRASE_UNREADABLE"; // nothing to read, or far too much

export class PassphraseError extends Error {
  override readonly name = "PassphraseError";
  readonly code: PassphraseErrorCode;
  constructor(code: PassphraseErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

export function addPassphraseOptions(command: Command): Command {
  return command
    .option("--passphrase-file <file>", "read the passphrase from the first line of this file (0600)")
    .option("--passphrase-fd <number>", "read the passphrase from this open file descriptor", descriptorArgument);
}

function descriptorArgument(text: string): number {
  if (!/^[0-9]{1,4}$/.test(text)) throw new InvalidArgumentError("Write a descriptor as a number, such as 3.");
  return Number(text);
}

/** The passphrase, without the end of its line. `twice`: a new one, which a terminal is asked for twice. */
export async function readPassphrase(
  shell: Shell,
  options: PassphraseOptions,
  { twice }: { twice: boolean },
): Promise<string> {
  const { passphraseFile, passphraseFd } = options;
  if (passphraseFile !== undefined) return fromFile(resolve(shell.world.workingDir, passphraseFile));
  if (passphraseFd !== undefined) return fromPath(`/dev/fd/${passphraseFd}`, `descriptor ${passphraseFd}`);
  const terminal = shell.terminal();
  if (terminal === undefined)
    throw new PassphraseError(
      "PASSPHRASE_MISSING",
      "there is no terminal to ask for the passphrase: give --passphrase-file FILE or --passphrase-fd NUMBER",
    );
  const ask = (prompt: string) => askHidden({ terminal, sink: shell.stderr }, prompt);
  const typed = await ask("Passphrase: ");
  if (twice && (await ask("The same again: ")) !== typed)
    throw new PassphraseError("PASSPHRASE_DIFFERS", "the two passphrases differ: nothing was written");
  return typed;
}

async function fromFile(file: string): Promise<string> {
  return fromPath(file, file, (mode) => {
    if ((mode & 0o077) !== 0)
      throw new PassphraseError("PASSPHRASE_MODE", `others may read ${file}: run chmod 600 ${file}`);
  });
}

async function fromPath(path: string, name: string, check: (mode: number) => void = () => undefined): Promise<string> {
  try {
    const handle = await open(path, "r");
    try {
      check((await handle.stat()).mode);
      const bytes = Buffer.alloc(PASSPHRASE_BYTES_MAX + 2);
      let length = 0;
      for (let more = true; more && length < bytes.length && !bytes.subarray(0, length).includes(0x0a); ) {
        const { bytesRead } = await handle.read(bytes, length, bytes.length - length, null);
        length += bytesRead;
        more = bytesRead > 0;
      }
      return firstLine(bytes.subarray(0, length), name);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof PassphraseError) throw cause;
    throw new PassphraseError(
      "PASSPHRASE_UNREADABLE",
      `no passphrase can be read from ${name}: ${reason(cause)}`,
      cause,
    );
  }
}

function firstLine(bytes: Buffer, name: string): string {
  const [line = ""] = bytes.toString("utf8").split(/\r?\n/);
  if (line === "") throw new PassphraseError("PASSPHRASE_UNREADABLE", `the first line of ${name} is empty`);
  if (Buffer.byteLength(line) > PASSPHRASE_BYTES_MAX)
    throw new PassphraseError(
      "PASSPHRASE_UNREADABLE",
      `the first line of ${name} is longer than ${PASSPHRASE_BYTES_MAX} bytes`,
    );
  return line;
}
