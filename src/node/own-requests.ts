// The requests that this node sent to its Keystone, by the IDs that it gave them: an event that bears one tells of a write of
// ours. In memory and bounded: what was sent before a restart is known by its values, as without notifications.
import { OWN_REQUESTS_MAX } from "../core/limits.ts";

export class OwnRequests {
  readonly #newId: () => string;
  readonly #ids = new Set<string>();

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** A new ID, remembered. */
  next(): string {
    const id = this.#newId();
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > OWN_REQUESTS_MAX && oldest !== undefined) this.#ids.delete(oldest);
    return id;
  }

  has(id: string | null): boolean {
    return id !== null && this.#ids.has(id);
  }
}
