// The demo's table: each row one claim, where it was read back, and how long that took. A check that fails ends the demo.
import { styleText } from "node:util";
import { table } from "../../../src/cli/table.ts";

export type Row = {
  readonly check: string;
  /** Whose Keystone, through its plain API, or which command of keymesh. */
  readonly readBack: string;
  readonly ok: boolean;
  readonly tookMs: number;
  /** What was seen, or the first difference. */
  readonly detail: string;
};
export type Check = { readonly check: string; readonly readBack: string };

/** A claim that doesn't hold; its row stands in the table. */
export class CheckFailed extends Error {
  override readonly name = "CheckFailed";
}

export class Checks {
  readonly rows: Row[] = [];
  readonly #say: (text: string) => void;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** Carries out one check. What `act` answers is shown beside it; what it throws is the difference. */
  async run({ check, readBack }: Check, act: () => Promise<string>): Promise<void> {
    this.#say(check);
    const startedMs = performance.now();
    const tookMs = () => Math.round(performance.now() - startedMs);
    try {
      const detail = await act();
      this.rows.push({ check, readBack, ok: true, tookMs: tookMs(), detail });
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      this.rows.push({ check, readBack, ok: false, tookMs: tookMs(), detail });
      throw new CheckFailed(`${check}: ${detail}`, { cause });
    }
  }
}

export function checksText(rows: readonly Row[]): string {
  const cells = rows.map(({ ok, check, readBack, tookMs, detail }) => [
    ok ? "ok" : "FAILED",
    check,
    readBack,
    `${(tookMs / 1_000).toFixed(1)} s`,
    ok ? detail : "",
  ]);
  const text = table(["", "CHECK", "READ BACK IN", "TOOK", "SEEN"], cells);
  return text.replaceAll(/^FAILED/gm, (word) => styleText("red", word));
}
