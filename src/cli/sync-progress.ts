// How far sessions with other nodes are, for people: a bar on a terminal, plain lines elsewhere, nothing for programs.
// It is drawn on stderr, so that stdout holds the answer alone; without colours, so that NO_COLOR has nothing to ask for.
import { visible } from "../core/visible-text.ts";
import { connectControl } from "../http/control-client.ts";
import type { SyncView } from "../node/control.ts";
import type { Place } from "./place.ts";
import type { Shell } from "./shell.ts";
import { ago, counted, line } from "./words.ts";

const BAR_WIDTH = 30;
const POLL_MS = 500; // Often enough to see it move.
const PLAIN_LINE_MS = 5_000; // In a file or a pipe nobody looks twice a second.
const CLEAR_LINE = "\r\u001b[K";

/** `[######……] 1200 of 4000 records`; just the count while nobody knows how many there will be. */
export function progressBar({ toFetch, fetched }: Pick<SyncView, "toFetch" | "fetched">): string {
  if (toFetch === 0) return "comparing";
  const share = Math.min(1, fetched / toFetch);
  const full = Math.floor(share * BAR_WIDTH);
  return `[${"#".repeat(full)}${".".repeat(BAR_WIDTH - full)}] ${fetched} of ${counted(toFetch, "record")}`;
}

/** One line for each session under way; empty if there is none. */
export function syncText(sessions: readonly SyncView[], nowMs: number): string {
  const lines = sessions.map(
    (session) => line`${session.name}  ${progressBar(session)}, since ${ago(session.sinceMs, nowMs)}`,
  );
  return lines.length === 0 ? "" : `Fetching from other nodes:\n${lines.join("\n")}`;
}

/**
 * Shows what all sessions of a node come to while `work` runs, and until they end. A node that can't be asked shows
 * nothing: whoever does the work says why.
 */
export async function withProgress<Result>(place: Place, work: () => Promise<Result>): Promise<Result> {
  const node = connectControl({ socketPath: place.paths.socket, data: place.paths.data });
  const drawing = new Drawing(place.shell);
  let state: "working" | "done" | "failed" = "working";
  const watch = async (): Promise<void> => {
    for (let isLast = false; !isLast; ) {
      const before = state;
      const { sync } = await node.status();
      drawing.show(sync);
      isLast = state === "failed" || (before === "done" && sync.length === 0);
      if (!isLast) await new Promise<void>((resolve) => void place.shell.world.after(POLL_MS, resolve));
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (state === "done") throw error; // Else the work itself fails as well, and says why.
  });
  try {
    const result = await work();
    state = "done";
    await watching;
    return result;
  } finally {
    if (state === "working") state = "failed";
    await watching.finally(() => drawing.end());
    await node.close();
  }
}

class Drawing {
  readonly #shell: Shell;
  #shown = "";
  #shownMs = 0;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  show(sessions: readonly SyncView[]): void {
    const toFetch = sessions.reduce((sum, session) => sum + session.toFetch, 0);
    const fetched = sessions.reduce((sum, session) => sum + session.fetched, 0);
    const text = toFetch === 0 ? "" : visible(`fetching ${progressBar({ toFetch, fetched })}`);
    if (text === this.#shown) return;
    const { stderr, world } = this.#shell;
    const nowMs = world.now();
    if (stderr.isTTY) stderr.write(`${CLEAR_LINE}${text}`);
    else if (text === "" || nowMs - this.#shownMs < PLAIN_LINE_MS) return;
    else stderr.write(`${text}\n`);
    this.#shown = text;
    this.#shownMs = nowMs;
  }

  end(): void {
    if (this.#shell.stderr.isTTY && this.#shown !== "") this.#shell.stderr.write(CLEAR_LINE);
  }
}
