// Planted bugs: each is a text that is replaced while the source loads, so that nothing of it ever stands in src/. The
// simulator must catch every one.
// A text must be found exactly once: a bug can't go stale without a word.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export type Mutation = {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Where CI begins to look for it: a rare one takes too long from the first seed on. 1 by default. */
  readonly from?: number;
};

const ROOT = join(import.meta.dirname, "../..");

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "stamps-without-origin",
    file: "src/core/entry.ts",
    find: "compareStamps(a.stamp, b.stamp) ||",
    replace: "a.stamp.wallMs - b.stamp.wallMs || a.stamp.counter - b.stamp.counter ||",
  },
  {
    name: "since-not-checked",
    file: "src/core/authority.ts",
    find: "return since !== undefined && compareInstants(stamp, since) >= 0;",
    replace: "return since !== undefined;",
  },
  {
    name: "tombstone-does-not-absorb",
    file: "src/core/keystone-view.ts",
    find: 'return record?.get("deleted")?.value === true;',
    replace:
      'const gone = record?.get("deleted"); const name = record?.get("name"); return gone?.value === true && !(name !== undefined && name.entry.stamp.wallMs > gone.entry.stamp.wallMs);',
  },
  {
    name: "one-slot-for-all-scopes",
    file: "src/core/record.ts",
    find: "return a.field === b.field && a.scope === b.scope && a.entry.stamp.origin === b.entry.stamp.origin;",
    replace: "return a.field === b.field && a.entry.stamp.origin === b.entry.stamp.origin;",
  },
  {
    name: "one-slot-for-all-signers",
    file: "src/core/record.ts",
    find: "return a.field === b.field && a.scope === b.scope && a.entry.stamp.origin === b.entry.stamp.origin;",
    replace: "return a.field === b.field && a.scope === b.scope;",
  },
  {
    name: "told-before-durable",
    file: "src/node/replica-keeper.ts",
    find: '    await this.#persist(joined, typeof beside === "function" ? beside(joined.entries) : beside);\n    this.#tell(joined, true);',
    replace:
      '    this.#tell(joined, true);\n    await this.#persist(joined, typeof beside === "function" ? beside(joined.entries) : beside);',
  },
  {
    name: "answers-before-durable",
    from: 230,
    file: "src/node/sync-answerer.ts",
    find: "    await keeper.durable(); // Nobody is told of an entry that a crash could still take back.\n",
    replace: "",
  },
  {
    name: "canary-not-checked",
    file: "src/core/canary.ts",
    find: 'return generation <= (memory?.generation ?? 0) ? "restored" : "nodeRestored";',
    replace: 'return "ok";',
  },
  {
    name: "intents-not-heeded",
    file: "src/core/capture.ts",
    find: "  if (sentWrites(intent).some(({ fields }) => fields[field] !== undefined && isSameValue(field, fields[field], value)))\n    return !isDoubtfulDisable;\n",
    replace: "",
  },
  {
    name: "apply-without-reading",
    file: "src/node/apply.ts",
    find: 'if (base.some((field) => !isSameValue(field, current[field], row.values[field]))) return "stale";',
    replace: "",
  },
  {
    name: "revoke-writes-nothing-anew",
    file: "src/core/revocation.ts",
    find: "    writes: [...found.writes, {",
    replace: "    writes: [{",
  },
  {
    name: "restored-keystone-is-captured",
    file: "src/core/capture.ts",
    find: 'if (input.mode === "heal" && !(input.vouched?.hasBase === true && input.vouched.changed.has(held.id))) {',
    replace: "if (draft === undefined) {",
  },
  {
    name: "name-clash-by-id",
    file: "src/core/names.ts",
    find: "compareStamps(a.stamp, b.stamp) || (a.id < b.id ? -1 : 1));",
    replace: "(a.id < b.id ? -1 : 1));",
  },
  {
    name: "gossip-alone",
    file: "src/node/anti-entropy.ts",
    find: "if (peer !== undefined && !this.#serving.has(peer) && !this.#wasJustEqual(peer)) void this.sync(peer);",
    replace: "void peer;",
  },
  {
    name: "signs-before-looking-who-may",
    file: "src/core/authority.ts",
    find: '    if (stamp.origin === authority.owner) return true;\n    if (kind === "authority") return false;',
    replace: "    if (stamp.origin === authority.owner) return true;",
  },
  {
    name: "absence-is-a-delete-while-healing",
    file: "src/core/capture-missing.ts",
    find: '  if (input.mode === "heal") {\n    for (const [id, row] of missing) {\n      absent(id, row);',
    replace: "  if (draft === undefined) {\n    for (const [id, row] of missing) {\n      absent(id, row);",
  },
  {
    name: "waves-of-deletes-not-held",
    file: "src/core/plan-guards.ts",
    find: "    if (waiting.length === 0) continue;\n",
    replace: "    if (waiting.length >= 0) continue;\n",
  },
  {
    name: "stamps-follow-the-clock-back",
    file: "src/core/stamp.ts",
    find: "if (nowMs > last.wallMs) return",
    replace: "if (nowMs !== last.wallMs) return",
  },
  {
    name: "far-stamps-taken",
    file: "src/core/stamp.ts",
    find: '  if (aheadMs > clock.driftMaxMs) return { ok: false, code: "STAMP_TOO_FAR_AHEAD", aheadMs };\n',
    replace: "",
  },
  {
    name: "signature-not-checked",
    file: "src/core/codec.ts",
    find: "if (origin !== undefined && !verifySignature(origin, wire[0], wire[1]))",
    replace: "if (origin !== undefined && wire[1].length === 0)",
  },
  {
    name: "other-meshes-entries-taken",
    file: "src/core/codec.ts",
    find: "if (mesh !== meshId) return",
    replace: 'if (mesh === "") return',
  },
  {
    name: "observe-is-applied",
    file: "src/node/plan-runner.ts",
    find: 'const WRITING: ReadonlySet<AgreementMode> = new Set(["mirror", "initial"]);',
    replace: 'const WRITING: ReadonlySet<AgreementMode> = new Set(["mirror", "initial", "observe"]);',
  },
  {
    name: "grace-not-waited-for",
    file: "src/core/plan.ts",
    find: "return dueMs !== undefined && dueMs <= this.#input.nowMs;",
    replace: "return dueMs !== undefined;",
  },
  {
    name: "plans-while-unsettled",
    file: "src/node/settle-gate.ts",
    find: "    if (replica.isSettled(domain.set)) {\n      this.#waits.delete(domain.set);\n      return false;\n    }\n",
    replace: "    if (replica.sets().length >= 0) return false;\n",
  },
  {
    name: "offers-before-durable",
    from: 480,
    file: "src/node/sync-conversation.ts",
    find: "      await keeper.durable();",
    replace: "      //",
  },
];

export function mutationOf(name: string): Mutation {
  const found = MUTATIONS.find((one) => one.name === name);
  if (found === undefined) throw new RangeError(`no mutation ${name}: ${MUTATIONS.map((one) => one.name).join(", ")}`);
  return found;
}

/** The mutated text of its file. Throws unless the text to replace stands there exactly once. */
export function mutate({ name, file, find, replace }: Mutation, text = readFileSync(join(ROOT, file), "utf8")): string {
  const count = text.split(find).length - 1;
  if (count !== 1) throw new Error(`mutation ${name}: its text stands ${count} times in ${file}, and must stand once`);
  return text.replace(find, () => replace);
}

/** Plants a bug in this process: call it before anything of src/ is loaded. */
export function plant(mutation: Mutation): void {
  const url = pathToFileURL(join(ROOT, mutation.file)).href;
  const source = mutate(mutation);
  registerHooks({
    load: (at, context, nextLoad) => {
      const loaded = nextLoad(at, context);
      return at === url ? { ...loaded, source } : loaded;
    },
  });
}
