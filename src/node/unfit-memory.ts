// What this Keystone showed that it can't hold (core/unfit.ts has the rule). In memory only: a restart asks it anew.
import type { Fields, FieldValue } from "../core/entry.ts";
import { isSameValue } from "../core/keystone-view.ts";
import {
  UNFIT_RETRY_MS,
  UNFIT_SILENT_RETRY_MAX_MS,
  UNFIT_SILENT_RETRY_MIN_MS,
  UNFIT_TRIES,
  UNFIT_VALUES_MAX,
} from "../core/limits.ts";
import type { UnixMs } from "../core/stamp.ts";
import { isOdd, judge, judgedFields, type Refusal, type UnfitValues, type Verdict } from "../core/unfit.ts";
import type { KeystoneError, KeystoneErrorCode } from "../keystone/api.ts";

type Case = {
  readonly value: FieldValue;
  readonly tries: number;
  readonly is: Refusal["is"];
  readonly verdict?: Verdict;
  /** Until then the verdict holds. */
  readonly untilMs: number;
};
type Sent = { readonly action: "create" | "update" | "delete"; readonly id: string; readonly fields: Fields };

/** Refusals that may be about a value. Others are about rights, places or the login. */
const ABOUT_VALUES: ReadonlyMap<KeystoneErrorCode, Case["is"]> = new Map([
  ["BAD_REQUEST", "refused"],
  ["TOO_LARGE", "refused"],
  ["CONFLICT", "taken"],
  ["UNKNOWN_OUTCOME", "silent"],
]);
const SHOWN_LENGTH_MAX = 80; // Enough to see what became of a value.

export class UnfitMemory implements UnfitValues {
  readonly #now: () => UnixMs;
  /** By ID and field, the oldest first. */
  readonly #cases = new Map<string, Case>();

  constructor(now: () => UnixMs) {
    this.#now = now;
  }

  /** Whether nothing was shown so far: then no verdict changes with time. */
  get isEmpty(): boolean {
    return this.#cases.size === 0;
  }

  verdict(id: string, field: string, value: FieldValue): Verdict | undefined {
    const known = this.#caseOf(id, field, value);
    return known !== undefined && known.untilMs > this.#now() ? known.verdict : undefined;
  }

  /**
   * Keystone refused a write, or gave no answer to it. A plan that asks for the same once more has seen that nothing was
   * changed; so silence counts if it comes again and again.
   */
  refused({ action, id, fields }: Sent, { code, message }: Pick<KeystoneError, "code" | "message">): void {
    const is = ABOUT_VALUES.get(code);
    if (is === undefined || action === "delete") return;
    const tried = judgedFields(fields).map((field) => {
      const value = fields[field] as FieldValue;
      return { field, value, tries: (this.#caseOf(id, field, value)?.tries ?? 0) + 1 };
    });
    const verdicts = judge({ action, fields, is, why: message }, Math.max(0, ...tried.map(({ tries }) => tries)));
    for (const { field, value, tries } of tried) {
      const verdict = verdicts.get(field);
      if (verdict === undefined && is === "taken") continue;
      // At a value that is known to be trouble somewhere three silences are no accident: a flood of such must not go on.
      const isAccident = is === "silent" && (tries < UNFIT_TRIES || !isOdd({ [field]: value }));
      const untilMs = this.#now() + (isAccident ? silentWaitMs(tries) : UNFIT_RETRY_MS);
      this.#put(`${id} ${field}`, { value, tries, is, untilMs, ...(verdict === undefined ? {} : { verdict }) });
    }
  }

  /** Keystone answered a write. What it made of a value may be another one: to send that again would never end. */
  answered({ action, id, fields }: Sent, now: Fields): void {
    if (action === "delete") return;
    for (const field of judgedFields(fields)) {
      const [value, holds] = [fields[field] as FieldValue, now[field]];
      if (holds === undefined || isSameValue(field, holds, value)) {
        if (this.#caseOf(id, field, value) !== undefined) this.#cases.delete(`${id} ${field}`);
      } else if (action === "update") {
        const why = `Keystone makes ${JSON.stringify(holds).slice(0, SHOWN_LENGTH_MAX)} of it`;
        const untilMs = this.#now() + UNFIT_RETRY_MS;
        this.#put(`${id} ${field}`, { value, tries: 1, is: "refused", untilMs, verdict: { is: "refused", why } });
      }
    }
  }

  #caseOf(id: string, field: string, value: FieldValue): Case | undefined {
    const known = this.#cases.get(`${id} ${field}`);
    return known !== undefined && isSameValue(field, known.value, value) ? known : undefined;
  }

  #put(key: string, one: Case): void {
    this.#cases.delete(key); // Put anew at the end: the oldest stand first.
    this.#cases.set(key, one);
    const [oldest] = this.#cases.keys();
    if (this.#cases.size > UNFIT_VALUES_MAX && oldest !== undefined) this.#cases.delete(oldest);
  }
}

function silentWaitMs(tries: number): number {
  return Math.min(UNFIT_SILENT_RETRY_MIN_MS * 2 ** Math.max(0, tries - UNFIT_TRIES), UNFIT_SILENT_RETRY_MAX_MS);
}
