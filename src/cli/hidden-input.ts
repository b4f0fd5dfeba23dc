// Asks a person at a terminal for one line that nobody else may see: raw mode, so that nothing is echoed, with the keys
// that people use to mend a line. The terminal is put back as it was, however it ends.
import { PASSPHRASE_BYTES_MAX } from "../core/limits.ts";
import type { Sink, Terminal } from "./shell.ts";

/** The person would rather not: Ctrl-C, or Ctrl-D on an empty line. */
export class InputEnded extends Error {
  override readonly name = "InputEnded";
  readonly code = "INPUT_ENDED";
  constructor() {
    super("nothing was typed: nothing was done");
  }
}

/** Resolves with the line, without its end. Errors: InputEnded. */
export function askHidden({ terminal, sink }: { terminal: Terminal; sink: Sink }, prompt: string): Promise<string> {
  sink.write(prompt);
  const decoder = new TextDecoder();
  let line = "";
  return new Promise<string>((resolve, reject) => {
    const end = (settle: () => void) => {
      terminal.off("data", onData);
      terminal.off("end", onEnd);
      terminal.setRawMode(false);
      terminal.pause();
      sink.write("\n");
      settle();
    };
    const onEnd = () => end(() => reject(new InputEnded()));
    const onData = (chunk: Uint8Array | string) => {
      for (const key of typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true })) {
        if (key === ENTER || key === NEWLINE) return end(() => resolve(line));
        if (key === CTRL_C || (key === CTRL_D && line === "")) return onEnd();
        line = edited(line, key);
      }
    };
    terminal.on("data", onData);
    terminal.on("end", onEnd);
    terminal.setRawMode(true);
    terminal.resume();
  });
}

const [ENTER, NEWLINE, CTRL_C, CTRL_D, CTRL_U, BACKSPACE, DELETE] = ["\r", "\n", "\x03", "\x04", "\x15", "\b", "\x7f"];

function edited(line: string, key: string): string {
  if (key === CTRL_U) return "";
  if (key === BACKSPACE || key === DELETE) return [...line].slice(0, -1).join("");
  if (key < " ") return line; // No other control character is part of a passphrase.
  return Buffer.byteLength(line) < PASSPHRASE_BYTES_MAX ? line + key : line;
}
