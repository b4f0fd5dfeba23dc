// Milliseconds to read a whole domain, by Keystone's own database and by its API, as a node reads it at every scan.
import { randomBytes } from "node:crypto";
import { openKeystone } from "../../src/node/keystone-access.ts";
import { insertBare, withKeystone } from "./real-keystone.ts";
import { realWorld } from "./real-world.ts";
import { median, type Report } from "./report.ts";

export type ScanOptions = { readonly projects: number; readonly runs: number; readonly database: string };

export async function scan(report: Report, { projects, runs, database }: ScanOptions): Promise<void> {
  await withKeystone(database, async ({ databaseUrl, config }) => {
    const world = realWorld();
    const byApi = await openKeystone(config(), world);
    const byDatabase = await openKeystone(config({ url: databaseUrl }), world);
    const domainId = newId();
    await byApi.createDomain({ id: domainId, name: "bench", description: null, enabled: true });
    report.progress(`inserting ${projects} projects`);
    await insertBare(
      databaseUrl,
      Array.from({ length: projects }, (_, number) => ({ id: newId(), name: `project ${number}`, domainId })),
    );
    for (const [by, api] of [
      ["database", byDatabase],
      ["api", byApi],
    ] as const) {
      const times: number[] = [];
      for (let run = 0; run <= runs; run += 1) {
        const startMs = performance.now();
        const listed = await api.listProjects(domainId);
        if (listed.length !== projects) throw new Error(`${listed.length} projects listed by ${by}, of ${projects}`);
        if (run > 0) times.push(performance.now() - startMs); // The first one proves the database, and warms both.
      }
      const way = byDatabase.scanWay?.();
      if (way?.by !== "database") throw new Error(`the database was not used: ${way?.detail}`);
      report.add({ bench: "scan", by, projects, ms: Math.round(median(times)) }, { database, runs });
    }
    await Promise.all([byApi.close(), byDatabase.close()]);
  });
}

export function newId(): string {
  return randomBytes(16).toString("hex");
}
