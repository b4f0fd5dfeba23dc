// What a cloud says for itself holds against everything: the mesh's words, hands in its own Keystone, restarts, lost answers.
// What it opted out of is touched by nobody but those hands, and told to nobody; what it switched off stays off.
import fc from "fast-check";
import { expect, it } from "vitest";
import { SCOPES } from "../../src/core/kinds.ts";
import { KeystoneError } from "../../src/keystone/api.ts";
import { Cloud, creation, DOMAIN, OWNER, SIGNERS, say } from "../fixtures/cloud.ts";
import { idOf } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

const TIMEOUT_MS = 60_000;
const [SWITCHED, UNDER, OPTED_OUT] = [idOf("1"), idOf("2"), idOf("3")];
const change = fc.record({
  id: fc.constantFrom(SWITCHED, UNDER, OPTED_OUT),
  patch: fc.oneof(
    fc.record({ name: fc.constantFrom("web", "Web", "db") }),
    fc.record({ enabled: fc.boolean() }),
    fc.record({ tags: fc.constantFrom([], ["a"]) }),
  ),
});
const step = fc.record({
  said: fc.array(change, { maxLength: 3 }),
  done: fc.array(change, { maxLength: 3 }),
  isDeletedInMesh: fc.boolean(),
  isDeletedByHand: fc.nat({ max: 9 }).map((chance) => chance === 0),
  isRestarted: fc.boolean(),
  faults: fc.array(fc.constantFrom("answered" as const, "yes" as const, "no" as const), { maxLength: 5 }),
});
const happened = { edited: 0, deletedByHand: 0, deletedInMesh: 0, stillOff: 0, endedByHand: 0 };

async function start(scopes: typeof SCOPES): Promise<Cloud> {
  const cloud = await Cloud.open({ scopes });
  await cloud.agree();
  const places = [DOMAIN, SWITCHED, DOMAIN];
  await cloud.hear(
    [SWITCHED, UNDER, OPTED_OUT].map((id, at) =>
      say(OWNER, { id, at, fields: creation(`p${at}`, { parent_id: places[at] ?? DOMAIN }) }),
    ),
  );
  await cloud.settle();
  await cloud.local(SWITCHED, { off: true });
  await cloud.local(OPTED_OUT, { optout: true });
  await cloud.settle();
  return cloud;
}

/** What hands did to the one that is opted out, and whether they enabled the one that is switched off. */
async function byHand(cloud: Cloud, one: typeof step extends fc.Arbitrary<infer T> ? T : never): Promise<boolean> {
  let isEnabled = false;
  for (const { id, patch } of one.done) {
    const before = await cloud.model.admin.getProject(id);
    if (before === undefined) continue;
    try {
      await cloud.model.admin.updateProject(id, { ...(before.enabled ? {} : { enabled: false }), ...patch });
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      continue;
    }
    if (id === OPTED_OUT) happened.edited += 1;
    isEnabled ||= id === SWITCHED && "enabled" in patch && patch.enabled;
  }
  if (one.isDeletedByHand && (await cloud.model.admin.getProject(OPTED_OUT)) !== undefined) {
    await cloud.model.admin.deleteProject(OPTED_OUT);
    happened.deletedByHand += 1;
  }
  return isEnabled;
}

it.each([
  ["every scope", SCOPES],
  ["no scope", []],
])(
  "a cloud's own words hold, with %s",
  async (_, scopes) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
        const cloud = await start(scopes);
        let isEndedByHand = false;
        for (const [index, one] of steps.entries()) {
          const at = cloud.keeper.replica.instant.wallMs - 1_000_000_000 + 1;
          const words = one.said.map(({ id, patch }, n) =>
            say(SIGNERS[n % 2] ?? OWNER, { id, at: at + n, fields: patch }),
          );
          if (one.isDeletedInMesh && index === steps.length - 1) {
            words.push(say(OWNER, { id: OPTED_OUT, at: at + 9, fields: { deleted: true } }));
            happened.deletedInMesh += 1;
          }
          await cloud.hear(words);
          isEndedByHand = (await byHand(cloud, one)) || isEndedByHand;
          const left = await cloud.model.admin.getProject(OPTED_OUT);
          const faults = [...one.faults];
          cloud.model.faults = ({ write }) => {
            const landed = write ? faults.shift() : undefined;
            return landed === "yes" || landed === "no" ? { fault: "unknown", landed } : undefined;
          };
          if (one.isRestarted) await cloud.restart();
          await cloud.settle({ approve: true });
          expect(await cloud.model.admin.getProject(OPTED_OUT)).toEqual(left);
          expect(cloud.signed().filter(({ id }) => id === OPTED_OUT)).toEqual([]);
        }
        if (isEndedByHand) happened.endedByHand += 1;
        else {
          happened.stillOff += 1;
          expect((await cloud.model.admin.getProject(SWITCHED))?.enabled).toBe(false);
          expect((await cloud.model.admin.getProject(UNDER))?.enabled).toBe(false);
        }
      }),
      runs(50),
    );
    for (const [what, count] of Object.entries(happened)) expect([what, count > 0]).toEqual([what, true]);
  },
  TIMEOUT_MS,
);
