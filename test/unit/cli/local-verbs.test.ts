// What an operator types for this cloud alone, over a real control socket, to a fake node.
import { describe, expect, it } from "vitest";
import { DOMAIN_ID, PEER_A, PEER_B } from "../../fixtures/fake-control.ts";
import { useTypedVerbs } from "../../fixtures/typed-verbs.ts";

const node = useTypedVerbs();
const keymesh = (words: string) => node().keymesh(words);

const ID = "1".repeat(32);

describe("verbs for this cloud alone", () => {
  it.each([
    [`member block ${PEER_B}`, { block: PEER_B }, `keymesh member unblock ${PEER_B}`],
    [`member unblock ${PEER_B}`, { unblock: PEER_B }, "Unblocked cloud-b"],
    ["domain observe research", { acceptDomain: { domain: "research", mode: "observe" } }, "Observing research"],
    [`domain ignore x --owner ${PEER_B}`, { ignoreDomain: { domain: "x", owner: PEER_B } }, "Ignoring research"],
    ["domain disable x", { switchDomain: { domain: "x", enabled: false } }, `keymesh domain enable ${DOMAIN_ID}`],
    ["domain enable x", { switchDomain: { domain: "x", enabled: true } }, "no more"],
    [`project disable --local ${ID}`, { switchProject: { id: ID, enabled: false } }, "off in this cloud"],
    [`project enable --local ${ID}`, { switchProject: { id: ID, enabled: true } }, "no more"],
    ["project conflicts --domain x", { conflicts: { domain: "x" } }, "To settle it: rename"],
    [`project opt-out ${ID}`, { optOut: { id: ID, out: true } }, `keymesh project restore ${ID}`],
    [`project restore ${ID}`, { optOut: { id: ID, out: false } }, "again"],
  ])("%s", async (typed, call, says) => {
    const human = await keymesh(typed);
    expect(human).toMatchObject({ code: 0, printed: expect.stringContaining(says) });
    const program = await keymesh(`${typed} --json`);
    expect(JSON.parse(program.printed)).toBeTypeOf("object");
    expect(node().control.calls).toEqual([call, call]);
  });

  it("say no more than they were told: no disable without --local, no peer ID that is none", async () => {
    for (const typed of [`project disable ${ID}`, "member block cloud-b", "domain disable"])
      expect(await keymesh(typed)).toMatchObject({ code: 2, said: expect.stringContaining("keymesh: ") });
    expect(node().control.calls).toEqual([]);
    expect(await keymesh(`member unblock ${PEER_A}`)).toMatchObject({
      code: 1,
      said: expect.stringContaining("is not blocked"),
    });
  });
});
