// Who brought each value about in one Keystone: a person, a node, or a restored backup. Only what a person set may come
// back as a signed edit.
import type { FieldValue } from "../../src/core/entry.ts";
import type { Change, Hand } from "./sim-keystone.ts";

/** `kept`: of what a restore brought, who had brought that about when the backup was taken; undefined for nobody. */
type Came = { readonly value: string; readonly hand: Hand; readonly number: number; readonly kept: Hand | undefined };
const FIELDS = ["name", "description", "enabled", "tags"] as const;

export class Provenance {
  readonly #came = new Map<string, Came[]>();
  readonly #touchedMs = new Map<string, number>();
  readonly #changedMs = new Map<string, number>();

  note({ id, before, after, hand, atMs, number, taken }: Change): void {
    const came = (field: string, value: string): Came => {
      const kept = taken === undefined ? undefined : this.#handAt(`${id} ${field}`, value, taken);
      return { value, hand, number, kept };
    };
    this.#changedMs.set(id, atMs);
    if (hand !== "node") this.#touchedMs.set(id, atMs);
    if ((before === undefined) !== (after === undefined))
      this.#add(id, "deleted", came("deleted", String(after === undefined)));
    if (after === undefined) return;
    for (const field of FIELDS) {
      const value = JSON.stringify(after[field]);
      if (before === undefined || JSON.stringify(before[field]) !== value) this.#add(id, field, came(field, value));
    }
  }

  #add(id: string, field: string, came: Came): void {
    const key = `${id} ${field}`;
    const list = this.#came.get(key) ?? [];
    list.push(came);
    this.#came.set(key, list);
  }

  /** By whose hand a field had come to this value after so many changes; through restores, back to who first brought it. */
  #handAt(key: string, value: string, changes: number): Hand | undefined {
    const then = this.#came.get(key)?.findLast((came) => came.number <= changes);
    if (then === undefined || then.value !== value) return undefined;
    return then.hand === "restore" ? then.kept : then.hand;
  }

  /** By whose hand the object's field last came to this value; undefined if it never had it. */
  cameBy(id: string, field: string, value: FieldValue): Pick<Came, "hand" | "kept"> | undefined {
    const text = field === "deleted" ? "true" : JSON.stringify(value);
    return this.#came.get(`${id} ${field}`)?.findLast((came) => came.value === text);
  }

  /** By whose hand it came to stand here; through restores, by whose it had been before. */
  madeBy(id: string): Hand | undefined {
    const came = this.#came.get(`${id} deleted`)?.findLast(({ value }) => value === "false");
    return came?.hand === "restore" ? came.kept : came?.hand;
  }

  /** When anybody last changed it; 0 for never. */
  changedMs(id: string): number {
    return this.#changedMs.get(id) ?? 0;
  }

  /** When anybody but a node last changed it; 0 for never. */
  touchedMs(id: string): number {
    return this.#touchedMs.get(id) ?? 0;
  }
}
