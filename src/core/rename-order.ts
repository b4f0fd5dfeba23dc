// Renames in an order in which each finds its name free: a chain from its end, a ring through a marked name.
import type { Change, Foresight } from "./foresight.ts";
import { freeMark } from "./names.ts";

/** The same changes in order. `aside` makes of a change the one that gives its project a name for the time between. */
export function orderRenames<T extends Change>(
  changes: readonly T[],
  foresight: Foresight,
  aside: (change: T, name: string) => T,
): T[] {
  const byId = new Map(changes.map((change) => [change.id, change]));
  const blockerOf = ({ id, fields }: T): T | undefined => {
    const holder = typeof fields.name === "string" ? foresight.holderOf(fields.name, id) : undefined;
    const blocker = holder === undefined ? undefined : byId.get(holder);
    return typeof blocker?.fields.name === "string" ? blocker : undefined;
  };
  const ordered: T[] = [];
  const done = new Set<T>();
  for (const change of changes) {
    const chain: T[] = [];
    let at: T | undefined = change;
    while (at !== undefined && !done.has(at)) {
      done.add(at);
      chain.push(at);
      at = blockerOf(at);
    }
    if (at !== undefined && chain.includes(at)) {
      const wanted = { name: String(at.fields.name), id: at.id };
      ordered.push(
        aside(
          at,
          freeMark(wanted, (name) => foresight.isNameTaken(name)),
        ),
      );
    }
    ordered.push(...chain.toReversed());
  }
  return ordered;
}
