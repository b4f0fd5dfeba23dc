// From the start of a POST or PATCH at one cloud's Keystone to the same change readable at another's, with notifications on:
// three real Keystones, three nodes, a real RabbitMQ, one change at a time. Beside it, in the same run, a bare POST in a domain
// that nobody shares. Readable is what stands in the other Keystone's database, for its API reads that; so the waiting
// costs that Keystone none of its one thread. Each change is read through the API in the end all the same.
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "./messages.ts";
import { type RealCloud, withClouds } from "./real-clouds.ts";
import { median, quantile, type Report, rounded } from "./report.ts";

const CLOUDS = 3;
const WARM_UPS = 5;
/** Between two changes: nodes confirm what they wrote, and are at rest again. */
const REST_MS = 700;
const LOOK_MS = 1;
const CHANGE_TIMEOUT_MS = 60_000;

export async function propagate(report: Report, { changes }: { changes: number }): Promise<void> {
  report.progress(`starting ${CLOUDS} Keystones, a RabbitMQ and ${CLOUDS} nodes`);
  await withClouds(CLOUDS, async ({ all, domainId }) => {
    const [from, to] = all as readonly [RealCloud, RealCloud];
    using database = new DatabaseSync(to.database, { readOnly: true });
    const nameOf = database.prepare("SELECT name FROM project WHERE id = ?");
    const arrival = async (id: string, name: string, startMs: number) => {
      while (nameOf.get(id)?.name !== name) {
        if (monotonicMs() > startMs + CHANGE_TIMEOUT_MS) throw new Error(`${name} did not arrive`);
        await sleep(LOOK_MS);
      }
      return monotonicMs() - startMs;
    };
    const bareDomain = await from.admin.createDomain("bare");
    const took = { post: [] as number[], patch: [] as number[], bare: [] as number[] };
    for (let number = 1 - WARM_UPS; number <= changes; number += 1) {
      await sleep(REST_MS);
      const bareMs = monotonicMs();
      await from.admin.create({ name: `bare ${number}`, domainId: bareDomain });
      const bare = monotonicMs() - bareMs;
      await sleep(REST_MS);
      const id = `${number + WARM_UPS}`.padStart(32, "b");
      const postMs = monotonicMs();
      const posted = from.admin.create({ id, name: `made ${number}`, domainId });
      const post = await arrival(id, `made ${number}`, postMs);
      await posted;
      await sleep(REST_MS);
      const patchMs = monotonicMs();
      const patched = from.admin.patch(id, { name: `renamed ${number}` });
      const patch = await arrival(id, `renamed ${number}`, patchMs);
      await patched;
      if ((await to.admin.get(id))?.name !== `renamed ${number}`)
        throw new Error(`${id} is not readable at ${to.name}`);
      if (number <= 0) continue;
      took.post.push(post);
      took.patch.push(patch);
      took.bare.push(bare);
    }
    const both = [...took.post, ...took.patch];
    const { captured } = (await from.control.status()).keystone.notifications;
    report.add(
      {
        bench: "propagate",
        notifications: true,
        medianMs: rounded(median(both), 1),
        p99Ms: rounded(quantile(both, 0.99), 1),
        barePostMedianMs: rounded(median(took.bare), 1),
      },
      {
        postMedianMs: rounded(median(took.post), 1),
        patchMedianMs: rounded(median(took.patch), 1),
        eventToEntryMs: rounded(captured.sumMs / Math.max(1, captured.count), 1),
        changes: both.length,
      },
    );
  });
}
