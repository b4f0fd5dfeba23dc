// What happened: counters of every kind of fault and of what the nodes made of it. A batch of seeds in which something
// that was switched on never happened has shown nothing about it, and fails.

export const KINDS = [
  "message lost",
  "message twice",
  "message slow",
  "partition",
  "one-way partition",
  "sync cut off",
  "crash",
  "crash in a store write",
  "write kept by a crash",
  "write lost by a crash",
  "crash in a Keystone write",
  "clock off",
  "clock jump",
  "node restored",
  "Keystone restored",
  "twin on one key",
  "Keystone down",
  "Keystone slow",
  "Keystone answer lost",
  "write landed late",
  "Keystone refused a node",
  "edit by hand",
  "edit refused by Keystone",
  "create by hand",
  "delete by hand",
  "subtree moved by hand",
  "name collision",
  "edit captured",
  "delete captured",
  "project created by a node",
  "project updated by a node",
  "project deleted by a node",
  "marked name written",
  "grant",
  "revoke",
  "regrant",
  "domain taken over",
  "audience widened",
  "opt-out",
  "local switch",
  "hold raised",
  "hold approved",
  "hold rejected",
  "knock refused",
  "rejection",
  "equivocation",
  "forgery",
  "entry far ahead",
  "replay",
  "late joiner",
] as const;
export type Kind = (typeof KINDS)[number];

export class Happened {
  readonly counts = new Map<Kind, number>();

  count(kind: Kind, times = 1): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + times);
  }

  get(kind: Kind): number {
    return this.counts.get(kind) ?? 0;
  }

  add(counts: Iterable<readonly [Kind, number]>): void {
    for (const [kind, times] of counts) this.count(kind, times);
  }
}

/** The counters as a table, in columns. */
export function tableOf(happened: Happened, columns = 3): string {
  const cells = KINDS.map((kind) => `${String(happened.get(kind)).padStart(9)}  ${kind.padEnd(28)}`);
  const rows: string[] = [];
  const height = Math.ceil(cells.length / columns);
  for (let row = 0; row < height; row += 1)
    rows.push(
      cells
        .filter((_, index) => index % height === row)
        .join("")
        .trimEnd(),
    );
  return rows.join("\n");
}
