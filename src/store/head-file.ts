// The head file: beside LevelDB's own files, the sequence of the last commit that was acknowledged. A store whose head
// is behind it lost synced batches (a log cut off or gone, files of an older copy), and says so instead of going on.
// It is written after the sync and before the acknowledgement, without a sync of its own: 2 µs for each commit. It
// survives a kill; after a power cut it may be older than the store, never newer, so it raises no false alarm. A copy
// of the whole folder brings its head file along: that is a restored node, which the canary tells (DESIGN section 7).
// Two slots are written in turn, each with its checksum, so that a torn write leaves the other.
import { closeSync, fdatasyncSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

const SLOT_BYTES = 64; // One sector holds both slots.
const SLOT_TEXT = "keymesh store head 1 ";
const SLOT_PATTERN = /^keymesh store head 1 (\d{16}) ([0-9a-f]{8})\n *$/;

export type HeadFile = {
  /** The greatest sequence found; undefined if the file was made by an opening that did not get to its end. */
  read(): number | undefined | "damaged";
  write(sequence: number): void;
  close(): void;
};

/** Opens the file, or makes an empty one (which `read` answers with undefined). Throws what node:fs throws. */
export function openHeadFile(path: string): HeadFile {
  const descriptor = openOrMake(path);
  const slot = Buffer.alloc(SLOT_BYTES, " ", "latin1");
  return {
    read: () => {
      const bytes = Buffer.alloc(2 * SLOT_BYTES);
      if (readSync(descriptor, bytes, 0, bytes.length, 0) === 0) return undefined;
      const found = [bytes.subarray(0, SLOT_BYTES), bytes.subarray(SLOT_BYTES)].map(parseSlot);
      const sequences = found.filter((sequence) => sequence !== undefined);
      return sequences.length === 0 ? "damaged" : Math.max(...sequences);
    },
    write: (sequence) => {
      writeSlot(slot, sequence);
      writeSync(descriptor, slot, 0, SLOT_BYTES, (sequence % 2) * SLOT_BYTES);
    },
    close: () => {
      fdatasyncSync(descriptor);
      closeSync(descriptor);
    },
  };
}

function openOrMake(path: string): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    const descriptor = openSync(path, "wx+");
    fsyncSync(descriptor);
    return descriptor;
  }
}

/** Writes the line over the one before it, which is as long. */
function writeSlot(slot: Buffer, sequence: number): void {
  const length = slot.write(`${SLOT_TEXT}${String(sequence).padStart(16, "0")}`, 0, "latin1");
  const sum = crc32(slot.subarray(0, length)).toString(16).padStart(8, "0");
  slot.write(` ${sum}\n`, length, "latin1");
}

function parseSlot(bytes: Buffer): number | undefined {
  const text = bytes.toString("latin1");
  const match = SLOT_PATTERN.exec(text);
  if (match === null) return undefined;
  const sum = crc32(text.slice(0, text.indexOf("\n") - 9))
    .toString(16)
    .padStart(8, "0");
  return sum === match[2] ? Number(match[1]) : undefined;
}
