// Confirmation: what the scan found new counts as seen for good only once the canary has risen and it still stands there.
// Until then its absence or an old value is no operator's wish: Keystone may have been restored just after the scan.
import { type CanaryFound, judgeCanary } from "../core/canary.ts";
import { isSameValues, type Seen, valuesOf } from "../core/keystone-view.ts";
import { CONFIRM_READS_MAX } from "../core/limits.ts";
import { parseSetName, type SetName } from "../core/set-name.ts";
import { KeystoneError, type ProjectObject } from "../keystone/api.ts";
import type { CanaryKeeper } from "./canary-keeper.ts";
import { CAPTURE_HOLDS } from "./capture-run.ts";
import { isWaiting } from "./keystone-memory.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";
import type { Scan } from "./scan.ts";

type Rows = readonly (readonly [string, Seen])[];

export class Confirmation {
  readonly #options: KeystoneLoopOptions;
  readonly #canary: CanaryKeeper;
  #scanned: ReadonlySet<SetName> = new Set();

  constructor(options: KeystoneLoopOptions, canary: CanaryKeeper) {
    this.#options = options;
    this.#canary = canary;
  }

  /** A scan looked at these sets. Of a domain that this cloud let go of nothing is confirmed: it is its people's own. */
  noteScan({ domains }: Scan): void {
    this.#scanned = new Set(domains.map(({ domain }) => domain.set));
  }

  /**
   * Raises the canary if something is unconfirmed (or, `isForced`, anyway: that write's event shows that events come), then reads that again. Answers `rescan` if the canary is no longer as
   * the scan found it: something happened since, and only a fresh scan tells what.
   */
  async confirmNews({ isForced = false } = {}): Promise<"done" | "rescan"> {
    const { memory, signer, log } = this.#options;
    // What is held differs from its row, so that no raise can confirm it: it must not cause one with every scan.
    const heldBack = new Set(
      [...memory.holds.values()].flatMap((hold) =>
        CAPTURE_HOLDS.has(hold.kind) && isWaiting(hold) ? hold.objects : [],
      ),
    );
    const news = [...memory.seen].filter(
      ([id, row]) => row.present && row.confirmedAt === null && this.#scanned.has(row.set) && !heldBack.has(id),
    );
    if (!isForced && news.length === 0 && memory.canary !== undefined && memory.canary.raising === null) return "done";
    const found = await this.#canary.find();
    const verdict = judgeCanary({
      found,
      memory: memory.canary,
      self: signer.peerId,
      former: memory.former,
      remaining: 1,
    });
    if (verdict !== "ok" && verdict !== "first") return "rescan";
    try {
      const generation = await this.#canary.raise(found);
      if (generation === undefined) return "rescan";
      await this.#confirmAt(generation, news);
    } catch (error) {
      if (!(error instanceof KeystoneError) || error.code === "UNREACHABLE" || error.code === "UNAUTHORISED")
        throw error;
      log.warn({ why: error.message }, "the canary could not be raised: the next scan starts over");
    }
    return "done";
  }

  /**
   * Raises the canary above every number ever used, and confirms all that stands. What doesn't stand is confirmed no
   * longer: it went since the scan, and nobody knows how. False if there is any such, or if Keystone was restored since the
   * canary was found: all is to be looked at again. Throws what Keystone says.
   */
  async confirmAll(found: CanaryFound): Promise<boolean> {
    const { memory } = this.#options;
    const rows = [...memory.seen].filter(([, row]) => row.present && this.#scanned.has(row.set));
    await memory.write({ seen: new Map(rows.map(([id, row]) => [id, { ...row, confirmedAt: null, before: null }])) });
    const generation = await this.#canary.raise(found);
    if (generation === undefined) return false;
    await this.#confirmAt(generation, rows);
    return rows.every(([id]) => memory.seen.get(id)?.confirmedAt === generation);
  }

  /** Reads objects again, and confirms those that stand as their rows say. */
  async #confirmAt(generation: number, rows: Rows): Promise<void> {
    const { memory } = this.#options;
    const confirmed = new Map<string, Seen>();
    const lists = new Map<string, ReadonlyMap<string, ProjectObject>>();
    for (const [id, row] of rows) {
      const object = await this.#read(id, row, { lists, isMany: rows.length > CONFIRM_READS_MAX });
      const now = memory.seen.get(id);
      if (object === undefined || now === undefined || !isSameValues(valuesOf(object), now.values)) continue;
      confirmed.set(id, { ...now, confirmedAt: generation, before: null });
    }
    if (confirmed.size > 0) await memory.write({ seen: confirmed });
  }

  /** A few objects are read one by one, many through one list of their domain. */
  async #read(
    id: string,
    row: Seen,
    { lists, isMany }: { lists: Map<string, ReadonlyMap<string, ProjectObject>>; isMany: boolean },
  ): Promise<ProjectObject | undefined> {
    const { api } = this.#options;
    const identity = parseSetName(row.set)?.identity;
    if (!isMany || row.kind === "domain" || identity?.is !== "domain") return api.getProject(id);
    const { domainId } = identity;
    const list = lists.get(domainId) ?? new Map((await api.listProjects(domainId)).map((one) => [one.id, one]));
    lists.set(domainId, list);
    return list.get(id);
  }
}
