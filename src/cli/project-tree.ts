// Projects in the order of their hierarchy. Parents come from peers: a loop or a missing one must not hide a project.
import type { ProjectView } from "../node/control.ts";

export type Placed = { readonly project: ProjectView; readonly depth: number };

/** Each project once: under its parent where that is listed, else at the top of its domain; by name within. */
export function treeOrder(projects: readonly ProjectView[]): Placed[] {
  const byId = new Map(projects.map((project) => [project.id, project]));
  const children = Map.groupBy(sorted(projects), ({ parentId }) => parentId ?? "");
  const placed = new Map<string, Placed>();
  const place = (first: ProjectView): void => {
    const waiting: Placed[] = [{ project: first, depth: 0 }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (placed.has(next.project.id)) continue;
      placed.set(next.project.id, next);
      const depth = next.depth + 1;
      waiting.push(...(children.get(next.project.id) ?? []).map((project) => ({ project, depth })).reverse());
    }
  };
  for (const project of sorted(projects)) if (!byId.has(project.parentId ?? "")) place(project);
  for (const project of sorted(projects)) place(project); // What is left goes round in a loop.
  return [...placed.values()];
}

function sorted(projects: readonly ProjectView[]): ProjectView[] {
  return projects.toSorted((a, b) => order(a.domainId, b.domainId) || order(a.name, b.name) || order(a.id, b.id));
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
