// The audit's file: one JSON object a line, `audit/audit.jsonl`, and older ones beside it as `.1`, `.2`, … up to a number.
// Only its node's user may read it. What a crash or a full disk left half written is cut off before anything follows it.
import type { FileHandle } from "node:fs/promises";
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "./errno.ts";

export const AUDIT_FILE = "audit.jsonl";
const NEWLINE = 10;
const LOOK_BYTES = 64 * 1024;

export type AuditFileOptions = { readonly fileBytes: number; readonly files: number };

/** Where the events lie, the newest first: number 0 is written to. */
export function auditPath(dir: string, number: number): string {
  return join(dir, number === 0 ? AUDIT_FILE : `${AUDIT_FILE}.${number}`);
}

export class AuditFile {
  readonly #dir: string;
  readonly #options: AuditFileOptions;
  #handle: FileHandle | undefined;
  #size = 0;

  constructor(dir: string, options: AuditFileOptions) {
    this.#dir = dir;
    this.#options = options;
  }

  /** Writes whole lines, and resolves once they are on disk. Errors: the system's; what it wrote of them is cut off later. */
  async append(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    if (this.#handle !== undefined && this.#size > 0 && this.#size + bytes.length > this.#options.fileBytes)
      await this.#rotate();
    const handle = await this.#open();
    try {
      await handle.appendFile(bytes);
      await handle.datasync();
      this.#size += bytes.length;
    } catch (error) {
      await this.close(); // Opened again, it is cut to its last whole line.
      throw error;
    }
  }

  /** The last bytes that were written, as whole lines; across two files where the newest is shorter. */
  async tail(bytes: number): Promise<string[]> {
    await this.#open();
    const newest = await readFile(auditPath(this.#dir, 0));
    const older = newest.length >= bytes ? Buffer.alloc(0) : await readOrEmpty(auditPath(this.#dir, 1));
    const both = Buffer.concat([older, newest]);
    return both
      .subarray(Math.max(0, both.length - bytes))
      .toString("utf8")
      .split("\n");
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #open(): Promise<FileHandle> {
    if (this.#handle !== undefined) return this.#handle;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const handle = await open(auditPath(this.#dir, 0), "a+", 0o600);
    try {
      await chmod(auditPath(this.#dir, 0), 0o600);
      this.#size = await cutTornLine(handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#handle = handle;
    return handle;
  }

  async #rotate(): Promise<void> {
    await this.close();
    const last = this.#options.files - 1;
    await rm(auditPath(this.#dir, Math.max(last, 0)), { force: true });
    for (let number = last - 1; number >= 0; number -= 1) {
      try {
        await rename(auditPath(this.#dir, number), auditPath(this.#dir, number + 1));
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error; // Fewer than may be: nothing there to move.
      }
    }
  }
}

/** Cuts what stands after the last line's end. Answers the file's size. */
async function cutTornLine(handle: FileHandle): Promise<number> {
  const { size } = await handle.stat();
  const buffer = Buffer.alloc(LOOK_BYTES);
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - LOOK_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, end - from, from);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (at >= 0) return cut(handle, size, from + at + 1);
    end = from;
  }
  return cut(handle, size, 0);
}

async function cut(handle: FileHandle, size: number, whole: number): Promise<number> {
  if (whole < size) await handle.truncate(whole);
  return whole;
}

async function readOrEmpty(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return Buffer.alloc(0);
    throw error;
  }
}
