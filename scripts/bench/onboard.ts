// Seconds from `domain accept` in an empty cloud until all projects of the domain are in its Keystone, beside the seconds
// that a bare loop of the same rows or requests takes against the same Keystone in the same run. The entries are there
// before: what is measured is plan and apply.
import { request } from "undici";
import { KEYSTONE_CONNECTIONS_MAX } from "../../src/core/limits.ts";
import { openKeystone } from "../../src/node/keystone-access.ts";
import { fill } from "./join.ts";
import { withNodes } from "./nodes.ts";
import { insertBare, type RealKeystone, withKeystone } from "./real-keystone.ts";
import { realWorld } from "./real-world.ts";
import { type Report, rounded } from "./report.ts";
import { newId } from "./scan.ts";

export const ONBOARD_WAYS = ["database", "driver"] as const;
export type OnboardBy = (typeof ONBOARD_WAYS)[number];
export type OnboardOptions = {
  readonly projects: number;
  readonly database: string;
  readonly by: readonly OnboardBy[];
};

export async function onboard(report: Report, { projects, database, by }: OnboardOptions): Promise<void> {
  for (const way of by)
    await withKeystone(database, async (keystone) => {
      await withNodes(async (nodes) => {
        report.progress(`making ${projects} records`);
        const holder = await nodes.start("holder");
        await fill(holder, projects);
        const config = keystone.config(way === "database" ? { url: keystone.databaseUrl, create: true } : undefined);
        const newcomer = await nodes.start("newcomer", config);
        await holder.ask({ is: "admit", peerId: newcomer.peerId });
        await newcomer.ask({ is: "join", address: holder.address });
        await newcomer.ask({ is: "await", entries: projects });
        report.progress(`placing them by ${way}`);
        const { startMs, endMs, cpuMs } = await newcomer.ask({ is: "place", entries: projects });
        await newcomer.stop(); // Else it shares the cores with the bare loop.
        const rawSeconds = await bare(keystone, way, projects);
        const seconds = (endMs - startMs) / 1_000;
        report.add(
          { bench: "onboard", by: way, projects, seconds: rounded(seconds, 2), rawSeconds: rounded(rawSeconds, 2) },
          { ratio: rounded(seconds / rawSeconds, 2), nodeCpuSeconds: rounded(cpuMs / 1_000, 2), database },
        );
      });
    });
}

/** Seconds that the same projects take with nothing around the rows, or requests. */
async function bare(keystone: RealKeystone, way: OnboardBy, count: number): Promise<number> {
  const client = await openKeystone(keystone.config(), realWorld());
  const domainId = newId();
  await client.createDomain({ id: domainId, name: `bare-${domainId}`, description: null, enabled: true });
  await client.close();
  const projects = Array.from({ length: count }, (_, number) => ({ id: newId(), name: `project ${number}`, domainId }));
  return way === "database" ? insertBare(keystone.databaseUrl, projects) : postBare(keystone, projects);
}

/** As many requests at once as a node makes, each on a connection of its own. */
async function postBare(
  keystone: RealKeystone,
  projects: readonly { id: string; name: string; domainId: string }[],
): Promise<number> {
  const token = await keystone.token();
  const startMs = performance.now();
  const rest = projects.values();
  const loop = async () => {
    for (const { id, name, domainId } of rest) {
      const project = {
        ...{ name, description: "Compute for a group", enabled: true, tags: ["bench", "group"] },
        ...{ domain_id: domainId, parent_id: domainId, explicit_project_id: id },
      };
      const { statusCode, body } = await request(`${keystone.url}/projects`, {
        method: "POST",
        reset: true,
        headers: { "x-auth-token": token, "content-type": "application/json" },
        body: JSON.stringify({ project }),
      });
      const text = await body.text();
      if (statusCode !== 201) throw new Error(`a bare POST was answered ${statusCode}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: KEYSTONE_CONNECTIONS_MAX }, loop));
  return (performance.now() - startMs) / 1_000;
}
